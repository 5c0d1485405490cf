//! The vm tier: the finished image in QEMU, from firmware to cluster. All tests are
//! lent one cluster of three.
//!
//! What the same daemons do to each other the lab has proved; `just drill vm-loss`
//! tries it here as well.

mod booted;
mod holding;
mod power;

use ashlar_machine::Backend;
use ashlar_tests::shared::Shared;
use std::time::Duration;

/// For three machines to boot and form a cluster, or to recover, without KVM.
const PATIENCE: Duration = Duration::from_secs(1500);

static THREE: Shared = Shared::new(Backend::Vm, "vm-three", PATIENCE);
