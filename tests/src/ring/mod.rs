//! Rings of our agent and HashiCorp's, as processes in network namespaces.
//!
//! [`peer`] gets HashiCorp's program, in each version that we can have.
//! [`namespace`] is a network that nothing else is on. [`agent`] runs one agent
//! of either kind, and asks it through the stock `serf` command; [`session`]
//! speaks the same RPC for what that command cannot do: to hear events one by
//! one, and to answer queries.

pub mod agent;
pub mod namespace;
pub mod peer;
pub mod session;

pub use agent::{Agent, Kind};
pub use peer::Peer;

use crate::command;
use anyhow::{Context, Result, bail, ensure};
use ashlar_machine::Deadline;
use base64::{Engine, prelude::BASE64_STANDARD};
use namespace::Namespace;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// For something to go round a small ring, on a slow and busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// For a failure to be noticed, or a partition to heal.
pub const EVENTUALLY: Duration = Duration::from_secs(75);

/// What the agents of a ring stand on.
#[derive(Debug)]
struct Ground {
    peer: Peer,
    ours: PathBuf,
    sides: Vec<Namespace>,
    /// Of the agent with this number on this side.
    address: fn(usize, u8) -> IpAddr,
    folder: TempDir,
    started: AtomicU8,
}

/// A place for agents that can reach nobody but each other.
#[derive(Clone, Debug)]
pub struct Ring(Arc<Ground>);

impl Ring {
    /// On one machine's loopback addresses.
    ///
    /// # Errors
    /// When there are no namespaces, or our agent was not built.
    pub fn new(peer: &Peer) -> Result<Self> {
        Self::on(peer, vec![Namespace::new()?], namespace::loopback)
    }

    /// The same, by IPv6.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn by_ipv6(peer: &Peer) -> Result<Self> {
        Self::on(peer, vec![namespace::with_ipv6()?], namespace::ipv6)
    }

    /// On two machines with a cable between them.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_two_machines(peer: &Peer) -> Result<Self> {
        Self::on(peer, namespace::two_with_a_cable()?, namespace::private)
    }

    fn on(peer: &Peer, sides: Vec<Namespace>, address: fn(usize, u8) -> IpAddr) -> Result<Self> {
        let ours = command::built("examples/serf-rs")
            .context("run `cargo build --release -p serf-rs --example serf-rs`")?;
        let folder = tempfile::tempdir()?;
        let started = AtomicU8::new(0);
        Ok(Self(Arc::new(Ground { peer: peer.clone(), ours, sides, address, folder, started })))
    }

    /// Starts an agent and waits until it says that it runs.
    ///
    /// # Errors
    /// With its log when it does not.
    pub fn start(&self, kind: Kind, flags: &[&str]) -> Result<Agent> {
        self.start_on(0, kind, flags)
    }

    /// The same, on one of two machines.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(&self, side: usize, kind: Kind, flags: &[&str]) -> Result<Agent> {
        let number = self.0.started.fetch_add(1, Ordering::SeqCst) + 1;
        Agent::start(&self.0, kind, side, number, flags)
    }

    /// One agent of each kind, and any more, in a ring: all see all.
    ///
    /// # Errors
    /// With all logs when they do not find each other.
    pub fn start_all(&self, kinds: &[Kind], flags: &[&str]) -> Result<Vec<Agent>> {
        let mut agents: Vec<Agent> = Vec::new();
        for kind in kinds {
            let join = agents.first().map(Agent::join_flag);
            let flags: Vec<&str> = flags.iter().copied().chain(join.as_deref()).collect();
            agents.push(self.start(*kind, &flags)?);
        }
        self.until_all_see_all(&agents, SOON)?;
        Ok(agents)
    }

    /// A file of this ring.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.folder.path().join(name)
    }

    /// The packets between the two machines vanish.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn cut(&self) -> Result<()> {
        self.0.sides.iter().try_for_each(|side| side.drop_packets("iifname cable drop"))
    }

    /// Nobody can join the agents of this machine; they can join others.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn refuse_joins(&self, side: usize) -> Result<()> {
        self.0.sides[side].drop_packets("tcp dport 7946 reject with tcp reset")
    }

    /// The agents of this machine can be joined again.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn accept_joins(&self, side: usize) -> Result<()> {
        self.0.sides[side].drop_nothing()
    }

    /// From each hundred packets, so many vanish; the RPC's do not.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn lose(&self, percent: u8) -> Result<()> {
        let rules = format!(
            "tcp dport 7373 accept; tcp sport 7373 accept; numgen random mod 100 < {percent} drop"
        );
        self.0.sides.iter().try_for_each(|side| side.drop_packets(&rules))
    }

    /// Packets do not vanish any more.
    ///
    /// # Errors
    /// When `nft` refuses.
    pub fn mend(&self) -> Result<()> {
        self.0.sides.iter().try_for_each(Namespace::drop_nothing)
    }

    /// Looks until `look` finds something. An error of `look` counts as "not
    /// yet": what it looks at is just changing.
    ///
    /// # Errors
    /// When `within` has passed: what was awaited, the last error of `look`,
    /// and the last lines of every agent.
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let mut last = None;
        let found = Deadline::within(within).poll(Duration::from_millis(100), || {
            Ok::<_, anyhow::Error>(look().unwrap_or_else(|error| {
                last = Some(error);
                None
            }))
        })?;
        if let Some(found) = found {
            return Ok(found);
        }
        let seconds = within.as_secs();
        let last = last.map(|error| format!("\nlast error: {error:#}")).unwrap_or_default();
        bail!("{what} did not happen within {seconds} s{last}\n{}", self.report());
    }

    /// Lets time pass and looks on: `look` must find everything well for so
    /// long. Time without anything is the claim here, not a way to wait.
    ///
    /// # Errors
    /// As soon as `look` finds something amiss, with the last lines of every
    /// agent.
    pub fn nothing_happens(
        &self,
        length: Duration,
        mut look: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let over = Deadline::within(length);
        over.poll(Duration::from_secs(2), || look().map(|()| None::<()>))
            .with_context(|| self.report())
            .map(drop)
    }

    /// Waits until each of `agents` sees exactly these members, all alive.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_all_see_all(&self, agents: &[Agent], within: Duration) -> Result<Duration> {
        let since = Instant::now();
        let names: Vec<&str> = agents.iter().map(Agent::name).collect();
        for agent in agents {
            let what = format!("{} seeing {} alive", agent.name(), names.join(", "));
            self.until(&what, within, || {
                let members = agent.members()?;
                for name in &names {
                    let status = members.get(*name).map(|member| member.status.as_str());
                    ensure!(status == Some("alive"), "{name} is {status:?}");
                }
                ensure!(members.len() == names.len(), "members: {:?}", members.keys());
                Ok(Some(()))
            })?;
        }
        Ok(since.elapsed())
    }

    /// Waits until each of `observers` sees `name` with this status.
    ///
    /// # Errors
    /// As [`Self::until`].
    pub fn until_seen<'a>(
        &self,
        observers: impl IntoIterator<Item = &'a Agent>,
        name: &str,
        status: &str,
        within: Duration,
    ) -> Result<()> {
        for observer in observers {
            let what = format!("{} seeing {name} {status}", observer.name());
            self.until(&what, within, || {
                let members = observer.members()?;
                let seen = members.get(name).map(|member| member.status.as_str());
                ensure!(seen == Some(status), "{name} is {seen:?}");
                Ok(Some(()))
            })?;
        }
        Ok(())
    }

    /// The last lines of every log.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = String::new();
        let files = std::fs::read_dir(self.0.folder.path()).into_iter().flatten().flatten();
        let mut logs: Vec<PathBuf> = files.map(|file| file.path()).collect();
        logs.sort();
        for log in logs.iter().filter(|path| path.extension().is_some_and(|e| e == "log")) {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let from = text.lines().count().saturating_sub(25);
            let name = log.file_stem().unwrap_or_default().display();
            // A string takes any text.
            let _ = writeln!(report, "── {name}");
            for line in text.lines().skip(from) {
                let _ = writeln!(report, "{line}");
            }
        }
        report
    }
}

/// A new key of a ring, in base64.
///
/// # Errors
/// When the kernel gives no random numbers.
pub fn fresh_key() -> Result<String> {
    use std::io::Read;
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(BASE64_STANDARD.encode(key))
}
