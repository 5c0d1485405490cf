//! What was found, for people.

pub(crate) mod inspection;
pub(crate) mod verdicts;
