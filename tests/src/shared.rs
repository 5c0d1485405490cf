//! One cluster of three for all tests of a process.
//!
//! Forming one takes seconds in the lab and minutes in VMs. A test to which it
//! is lent finds three nodes ready, and may do with them what it likes as long
//! as they recover by themselves and no console tells of trouble: both are
//! looked at when it has done, and are part of its verdict. After one that left
//! them broken, the next test gets new ones; if none can be made, every later
//! test fails at once.

use crate::fleet::Fleet;
use crate::office::Office;
use anyhow::{Context, Result, bail};
use ashlar_machine::Backend;
use ashlar_site::Site;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where a process keeps its cluster.
#[derive(Debug)]
pub struct Shared {
    backend: Backend,
    name: &'static str,
    within: Duration,
    slot: Mutex<Slot>,
}

#[derive(Debug)]
enum Slot {
    Empty,
    Ready(Box<Three>),
    /// Three did not become ready, and why.
    Hopeless(String),
}

/// Three nodes.
#[derive(Debug)]
pub struct Three {
    /// The nodes.
    pub fleet: Fleet,
    /// Their site.
    pub site: Site,
    /// Where it was made.
    pub office: Office,
    /// How long they took from being switched on to being ready.
    pub formed: Duration,
}

impl Shared {
    /// None yet; made on first use and ready within `within`.
    #[must_use]
    pub const fn new(backend: Backend, name: &'static str, within: Duration) -> Self {
        Self { backend, name, within, slot: Mutex::new(Slot::Empty) }
    }

    /// Lends three ready nodes to a test, and looks at them afterwards.
    ///
    /// # Errors
    /// That of `test`; else when the nodes did not recover from it, or a
    /// console tells of trouble.
    pub fn lend<T>(&self, test: impl FnOnce(&Three) -> Result<T>) -> Result<T> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that panics leaves this behind.
        let three = match std::mem::replace(&mut *slot, Slot::Empty) {
            Slot::Ready(three) => three,
            Slot::Hopeless(why) => {
                *slot = Slot::Hopeless(why.clone());
                bail!("there are no three nodes to test: {why}");
            }
            Slot::Empty => match self.form() {
                Ok(three) => Box::new(three),
                Err(error) => {
                    *slot = Slot::Hopeless(format!("{:.300}", error.to_string()));
                    return Err(error);
                }
            },
        };
        let found = test(&three)?;
        let fleet = &three.fleet;
        fleet
            .until_ready(&fleet.all(), self.within)
            .context("the cluster does not recover from what this test did to it")?;
        fleet.consoles_are_clean()?;
        *slot = Slot::Ready(three);
        Ok(found)
    }

    fn form(&self) -> Result<Three> {
        let office = Office::found(self.name, &["--expect", "3"])?;
        let site = office.site()?;
        let fleet = Fleet::on(self.backend, self.name, 3, &site)?;
        fleet.until_ready(&fleet.all(), self.within)?;
        let formed = fleet.since_power_on();
        println!("three nodes were ready after {:.1} s", formed.as_secs_f64());
        Ok(Three { fleet, site, office, formed })
    }
}
