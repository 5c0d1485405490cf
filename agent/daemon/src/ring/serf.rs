//! [`Ring`] by serf-rs, in this process.
//!
//! It has a thread of its own: gossip that waits for anything else that this
//! process does would make the others take this node for dead.

use super::clocks::{self, Clocks, Heard};
use super::config::{Configuration, agent_config};
use super::{Member, Ring};
use crate::clock::since_boot_ms;
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use ashlar_api::RING_PORT;
use ashlar_cluster::{MemberStatus, OtherClock, Tags};
use ashlar_pki::RingKey;
use jiff::Timestamp;
use serf_rs::agent::{Agent, AgentConfig, Announcements, Words};
use serf_rs::{Key, Keyring, Status};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long the ring may take for an answer that it has in memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a join may take: each address is tried for up to ten seconds.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);

/// This node's part in the ring.
#[derive(Clone, Debug)]
pub(crate) struct Serf {
    paths: Paths,
    agent: Arc<Mutex<Option<Agent>>>,
    /// A start that took longer than anybody waited for it.
    starting: Arc<AtomicBool>,
    wake: Arc<Notify>,
    announcements: Announcements,
    /// What others answered to what time it is.
    heard: Heard,
}

/// The key of the announcement that names keys which the site had before,
const FORMER: &str = "former";

/// and of so many: it is a short record.
const FORMER_TOLD: usize = 8;

impl Serf {
    /// A part that is not taken yet; `wake` is told of every change in the ring.
    pub(crate) fn new(paths: &Paths, wake: Arc<Notify>) -> Self {
        Self {
            paths: paths.clone(),
            agent: Arc::default(),
            starting: Arc::default(),
            wake,
            announcements: Announcements::default(),
            heard: Heard::default(),
        }
    }

    fn agent(&self) -> Option<Agent> {
        self.agent.lock().ok().and_then(|agent| agent.clone())
    }

    fn running(&self) -> Result<Agent> {
        self.agent().context("this node takes no part in the ring yet")
    }

    /// Runs an agent until it ends, in a thread of its own.
    fn spawn(&self, config: AgentConfig, clocks: Clocks) -> Result<oneshot::Receiver<Result<()>>> {
        if self.starting.swap(true, Ordering::AcqRel) {
            bail!("the ring is still starting");
        }
        let under_way = Starting(Arc::clone(&self.starting));
        let (started, starting) = oneshot::channel();
        let (shared, wake) = (Arc::clone(&self.agent), Arc::clone(&self.wake));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the ring's runtime")?;
        let work = async move {
            let start = Agent::start(config).await;
            let agent = match start {
                Ok(agent) => agent,
                Err(error) => {
                    // Whoever waits may have given up.
                    let _ = started.send(Err(anyhow::Error::new(error)));
                    return;
                }
            };
            let mut events = agent.events();
            if let Ok(mut shared) = shared.lock() {
                *shared = Some(agent.clone());
            }
            drop(under_way);
            let _ = started.send(Ok(()));
            let follow = async {
                // What changed is read by the next observation, all of it.
                while let Some(occurred) = events.next().await {
                    if clocks.hears(&agent, &occurred).await {
                        wake.notify_one();
                    }
                }
            };
            tokio::select! {
                () = follow => {}
                () = clocks.asks(&agent, &wake) => {}
                () = agent.ended() => {}
            }
            // Another node has this one's name: the plan starts the ring anew.
            if let Ok(mut shared) = shared.lock() {
                *shared = None;
            }
            wake.notify_one();
        };
        std::thread::Builder::new()
            .name("ring".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || runtime.block_on(work))
            .context("cannot start the ring's thread")?;
        Ok(starting)
    }
}

/// A start under way, until it is dropped: however it ends.
struct Starting(Arc<AtomicBool>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Ring for Serf {
    async fn start(&self, with: &Configuration<'_>, tags: &Tags) -> Result<()> {
        if self.agent().is_some() {
            return Ok(());
        }
        if self.announcements.own().is_empty() {
            self.tell_former_keys(&with.site.replaced_marks());
        }
        let clocks = Clocks::new(&self.paths, &with.identity.name, &self.heard);
        let config = agent_config(&self.paths, with, tags, &self.announcements)?;
        let starting = self.spawn(config, clocks)?;
        timeout(PATIENCE, starting).await.context("the ring does not start")??
    }

    async fn stop(&self) {
        if let Some(agent) = self.agent() {
            agent.shutdown().await;
        }
    }

    async fn members(&self) -> Result<Option<Vec<Member>>> {
        let Some(agent) = self.agent() else { return Ok(None) };
        let members = timeout(PATIENCE, agent.members()).await.context("the ring hangs")??;
        Ok(Some(members.into_iter().map(member).collect()))
    }

    async fn join(&self, addresses: &[String]) -> Result<()> {
        let known: Option<Vec<SocketAddr>> = addresses.iter().map(|a| address(a)).collect();
        let known = known.with_context(|| format!("no address: {}", addresses.join(", ")))?;
        // Replay would hand old user events to this node; nobody uses them.
        let agent = self.running()?;
        let join = agent.join(known, false);
        if timeout(JOIN_PATIENCE, join).await.context("the ring hangs")?? == 0 {
            bail!("no member of the ring answers at {}", addresses.join(", "));
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        let Some(agent) = self.agent() else { return Ok(()) };
        let left = timeout(JOIN_PATIENCE, agent.leave()).await;
        agent.shutdown().await;
        Ok(left.context("the ring does not let this node go")??)
    }

    async fn forget(&self, name: &str) -> Result<()> {
        let agent = self.running()?;
        let forget = agent.force_leave(name.to_owned(), true);
        timeout(PATIENCE, forget).await.context("the ring hangs")??;
        Ok(())
    }

    async fn set_keys(&self, keys: &[Zeroizing<RingKey>]) -> Result<()> {
        let keys: Result<Vec<_>, _> = keys.iter().map(|key| Key::new(key.as_slice())).collect();
        let set = self.running()?;
        let set = set.set_keyring(Keyring::from_keys(keys?)?);
        Ok(timeout(PATIENCE, set).await.context("the ring hangs")??)
    }

    fn tell_former_keys(&self, marks: &[String]) {
        let marks = marks.iter().take(FORMER_TOLD).map(String::as_str).collect::<Vec<_>>();
        let words = (!marks.is_empty()).then(|| (FORMER.to_owned(), marks.join(" ")));
        self.announcements.announce(words.into_iter().collect());
    }

    fn is_told_former(&self, mark: &str) -> bool {
        let names = |words: &Words| {
            words.get(FORMER).is_some_and(|marks| marks.split(' ').any(|told| told == mark))
        };
        self.announcements.heard().iter().any(names)
    }

    fn clocks(&self) -> Vec<OtherClock> {
        clocks::others(&self.heard, Timestamp::now(), since_boot_ms())
    }

    async fn set_tags(&self, tags: &Tags) -> Result<()> {
        let agent = self.running()?;
        let set = agent.set_tags(tags.to_map());
        Ok(timeout(PATIENCE, set).await.context("the ring hangs")??)
    }
}

/// An address with the ring's port, if it names none.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, RING_PORT));
    bare.or_else(|_| text.parse()).ok()
}

fn member(member: serf_rs::Member) -> Member {
    Member {
        name: member.name.to_string(),
        address: member.address.ip(),
        status: match member.status {
            Status::Alive => MemberStatus::Alive,
            Status::Leaving => MemberStatus::Leaving,
            Status::Left => MemberStatus::Left,
            Status::Failed => MemberStatus::Failed,
        },
        tags: (*member.tags).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::loopback;
    use ashlar_cluster::{Identity, NodeId};
    use ashlar_site::{RingKey, Site};

    #[tokio::test]
    async fn a_node_takes_part_in_the_ring_and_a_second_finds_it_there() {
        let site = Site::new("demo", RingKey::new([7; 32]));
        let mut rings = Vec::new();
        let mut roots = Vec::new();
        for last in [60, 61] {
            let root = tempfile::tempdir().unwrap();
            let paths = Paths::under(root.path());
            for place in [paths.run(), paths.state()] {
                std::fs::create_dir_all(place).unwrap();
            }
            let name = format!("ashlar-{last}");
            let identity = Identity { id: NodeId(name.clone()), name, address: loopback(last) };
            let with =
                Configuration { identity: &identity, site: &site, interface: None, rpc: None };
            let tags = Tags {
                keys: None,
                cas: None,
                id: identity.id.clone(),
                cluster: None,
                storage_open: false,
                ca_key: false,
                swarm: None,
                witness: false,
                full: false,
                keeps: None,
                yields: None,
                hand: None,
                left: None,
            };
            let wake = Arc::new(Notify::new());
            let ring = Serf::new(&paths, wake.clone());
            assert!(ring.members().await.unwrap().is_none());
            ring.start(&with, &tags).await.unwrap();
            ring.start(&with, &tags).await.unwrap();
            assert_eq!(ring.members().await.unwrap().unwrap().len(), 1);
            rings.push((ring, wake));
            roots.push(root);
        }
        let first = loopback(60).to_string();
        let (second, _) = &rings[1];
        second.join(&[first]).await.unwrap();
        let (first, wake) = &rings[0];
        let both = async {
            while first.members().await.unwrap().unwrap().len() < 2 {
                wake.notified().await;
            }
        };
        timeout(Duration::from_secs(10), both).await.unwrap();
        // Both asked when the other one came.
        let told = async {
            while rings.iter().any(|(ring, _)| ring.clocks().len() != 1) {
                wake.notified().await;
            }
        };
        timeout(Duration::from_secs(10), told).await.unwrap();
        let (first, second) = (&rings[0].0.clocks()[0], &rings[1].0.clocks()[0]);
        assert_eq!((first.name.as_str(), second.name.as_str()), ("ashlar-61", "ashlar-60"));
        assert!(!first.differs() && !second.differs(), "{first:?} {second:?}");
    }
}
