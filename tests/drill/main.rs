//! What `just drill` runs on clusters of its own: too long for every day.

mod alone;
mod attended;
mod boot;
mod broken;
mod bytes;
mod clocks;
mod emptied;
mod failing;
mod fallback;
mod formats;
mod growing;
mod install;
mod lab;
mod late;
mod meeting;
mod one_stick;
mod profiles;
mod removing;
mod reset;
mod resetting;
mod rotating;
mod stick;
mod succession;
mod support;
mod tearing;
mod trying;
mod two;
mod uplink;
mod vm;
mod wifi;
mod witness;
mod writing;

use anyhow::Result;
use ashlar_tests::command::Ashlar;
use ashlar_tests::image::Built;
use std::time::Duration;

/// For lab nodes to do what they are waited for, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The image of a profile, from its committed lock.
fn built(profile: &str) -> Result<Built> {
    let words = ["build", "--profile", profile, "--locked", "--json"];
    Built::from_json(Ashlar::new(words)?.succeeds()?.json()?)
}
