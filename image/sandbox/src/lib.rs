//! Where the builder's tools run: in a pinned root tree, away from the host.
//!
//! A [`Sandbox`] is a root with programs in it; [`Sandbox::command`] makes a
//! [`Tool`], which sees the directories that it was given and nothing else.
//! [`interrupt`] ends running tools on Ctrl-C. What goes wrong is a
//! [`SandboxError`] that says what mends it.

mod error;
pub mod host;
pub mod interrupt;
mod sandbox;

pub use error::{At, Result, SandboxError};
pub use sandbox::{Sandbox, Tool};

/// `SOURCE_DATE_EPOCH` of every build, 2026-01-01T00:00:00Z: the only time that
/// is ever written into an image.
pub const EPOCH: u64 = 1_767_225_600;
