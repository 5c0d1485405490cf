//! Tests of recipes as files in a project.

mod any_text;
mod compose;
mod project;
mod refusals;
mod shipped;
