//! Tests of recipes as files in a project.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod any_text;
mod archives;
mod compose;
mod documents;
mod project;
mod refusals;
mod shipped;
