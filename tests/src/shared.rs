//! One cluster of three for all tests of a process.
//!
//! Forming one takes seconds in the lab and minutes in VMs. A test that
//! borrows it finds three nodes ready, and may do with them what it likes as
//! long as they can recover by themselves: that they do is awaited by the next
//! one. If they do not, that test's failure says so and the next gets new ones.

use crate::fleet::Fleet;
use crate::site;
use anyhow::Result;
use ashlar_machine::Backend;
use ashlar_site::Site;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Where a process keeps its cluster.
#[derive(Debug)]
pub struct Shared {
    backend: Backend,
    name: &'static str,
    within: Duration,
    slot: Mutex<Option<Three>>,
}

/// Three nodes.
#[derive(Debug)]
pub struct Three {
    /// The nodes.
    pub fleet: Fleet,
    /// Their site.
    pub site: Site,
    /// How long they took from being switched on to being ready.
    pub formed: Duration,
}

/// The cluster, while nobody else has it.
#[derive(Debug)]
pub struct Borrowed<'a>(MutexGuard<'a, Option<Three>>);

impl Shared {
    /// None yet; made on first use and ready within `within`.
    #[must_use]
    pub const fn new(backend: Backend, name: &'static str, within: Duration) -> Self {
        Self { backend, name, within, slot: Mutex::new(None) }
    }

    /// Three ready nodes.
    ///
    /// # Errors
    /// When they do not become ready.
    pub fn borrow(&self) -> Result<Borrowed<'_>> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(three) = slot.as_ref()
            && let Err(error) = three.fleet.until_ready(&three.fleet.all(), self.within)
        {
            eprintln!("the cluster did not recover from an earlier test: {error:#}");
            *slot = None;
        }
        if slot.is_none() {
            let site = site::expecting(3, self.name)?;
            let fleet = Fleet::on(self.backend, self.name, 3, &site)?;
            fleet.until_ready(&fleet.all(), self.within)?;
            let formed = fleet.since_power_on();
            println!("three nodes were ready after {:.1} s", formed.as_secs_f64());
            *slot = Some(Three { fleet, site, formed });
        }
        Ok(Borrowed(slot))
    }
}

impl Deref for Borrowed<'_> {
    type Target = Three;

    #[expect(clippy::expect_used, reason = "Shared::borrow has just filled it")]
    fn deref(&self) -> &Three {
        self.0.as_ref().expect("a borrowed cluster is there")
    }
}
