//! The lab tier: the retail image's own root with its real daemons, in
//! systemd-nspawn, one network namespace a node.
//!
//! Most tests are lent one cluster of three; those in `forming` make their own.

mod elsewhere;
mod forming;
mod holding;
mod power;
mod replacing;

use ashlar_machine::Backend;
use ashlar_tests::shared::Shared;
use std::time::Duration;

/// For a cluster to form, or to recover, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

static THREE: Shared = Shared::new(Backend::Lab, "lab-three", PATIENCE);
