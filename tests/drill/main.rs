//! What `just drill` runs on clusters of its own: too long for every day.

mod boot;
mod bytes;
mod failing;
mod formats;
mod growing;
mod install;
mod lab;
mod machine;
mod profiles;
mod removing;
mod reset;
mod stick;
mod succession;
mod vm;
mod witness;
