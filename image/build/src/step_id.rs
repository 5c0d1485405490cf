//! What a step is called.

use serde::{Serialize, Serializer};
use std::fmt;

/// A step's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(&'static str);

impl StepId {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}
