//! The machine below the agent: units, host name, links and mounts.

pub(crate) mod links;
mod mounts;
mod systemd;

pub(crate) use links::{Link, wired};
pub(crate) use mounts::Mount;
pub(crate) use systemd::{Machine, run};

use anyhow::Result;
use std::net::IpAddr;

/// What a unit does, as far as the agent cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitState {
    /// Does its work.
    Active,
    /// On its way up, or waiting for its next try.
    Starting,
    /// Does not run.
    Inactive,
    /// Gave up.
    Failed,
}

/// Effects on the machine. Every call is safe to repeat.
pub(crate) trait Host: Send + Sync {
    /// Starts a unit and waits until its job is done.
    async fn start(&self, unit: &str) -> Result<()>;
    /// Stops a unit and waits until its job is done.
    async fn stop(&self, unit: &str) -> Result<()>;
    /// Restarts a unit if it runs, so that it reads its configuration anew.
    async fn restart_if_running(&self, unit: &str) -> Result<()>;
    /// Kills the main process of a unit that does not hear a polite request any
    /// more, and starts it anew.
    async fn kill_and_start(&self, unit: &str) -> Result<()>;
    /// Kills every process of a unit, those too that a stop of it leaves.
    async fn kill_all(&self, unit: &str) -> Result<()>;
    /// Tells every process of a unit to read its configuration again (`SIGHUP`).
    async fn hang_up(&self, unit: &str) -> Result<()>;
    /// What a unit does now.
    async fn unit(&self, unit: &str) -> Result<UnitState>;
    /// Whether the machine goes by that name.
    async fn is_named(&self, name: &str) -> Result<bool>;
    /// Names the machine.
    async fn set_hostname(&self, name: &str) -> Result<()>;
    /// Lets networkd read its files again and apply what changed.
    async fn reload_network(&self) -> Result<()>;
    /// The wired links, the most likely one first.
    async fn links(&self) -> Result<Vec<Link>>;
    /// The link that carries `address`.
    async fn link_of(&self, address: IpAddr) -> Result<Option<String>>;
    /// Routers of the way out, with the links that they are on.
    async fn gateways(&self) -> Result<Vec<(IpAddr, String)>>;
    /// Whether another machine on that link answers for `address`.
    async fn answers(&self, address: IpAddr, link: &str) -> Result<bool>;
    /// What the cluster volume's mount does.
    async fn volume(&self) -> Mount;
    /// When userspace started, in seconds since boot.
    async fn userspace_started(&self) -> Option<f64>;
}
