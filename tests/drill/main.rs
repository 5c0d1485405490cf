//! What `just drill` runs on clusters of its own: too long for every day.

mod boot;
mod bytes;
mod failing;
mod formats;
mod growing;
mod install;
mod lab;
mod machine;
mod meeting;
mod profiles;
mod removing;
mod reset;
mod rotating;
mod stick;
mod succession;
mod support;
mod two;
mod vm;
mod witness;
mod writing;

use std::time::Duration;

/// For lab nodes to do what they are waited for, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
