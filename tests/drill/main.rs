//! What `just drill` runs on clusters of its own: too long for every day.

mod formats;
mod install;
mod lab;
mod removing;
mod reset;
mod vm;
