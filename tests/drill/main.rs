//! What `just drill` runs on clusters of its own: too long for every day.

mod bytes;
mod formats;
mod install;
mod lab;
mod reset;
mod vm;
