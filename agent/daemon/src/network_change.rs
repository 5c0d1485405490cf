//! A change of the site's network, which is undone by itself unless something answers
//! under it: a box that was cut off would have to be visited.
//!
//! The site on the disk stays the old one until the new one is kept. So whatever ends
//! this process or the box in between, the next start goes by the old one.

use crate::host::Host;
use crate::identity::{self, Known};
use crate::node::{AGENT_UNIT, Node};
use crate::paths::Paths;
use crate::ring::Ring;
use crate::site_files;
use crate::state::{self, Versioned};
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result, bail};
use ashlar_cluster::{MemberStatus, NetworkChange, RingMember};
use ashlar_site::Site;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, interval};
use zeroize::Zeroizing;

/// The version of the note that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "`ashlarctl network revert` removes it" };

/// How long a change may take until something answers, or a person keeps it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What was seen before that may be of the network as it was: a lost member is one
/// for the ring some seconds later.
const SETTLE: Duration = Duration::from_secs(20);

/// How often it is looked whether anything answers.
const LOOK: Duration = Duration::from_secs(2);

/// `network-change.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    version: u32,
    stage: NetworkChange,
}

/// What a person asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Try the network of this site.
    Set(Zeroizing<String>),
    /// Keep what is tried, whatever answers.
    Confirm,
    /// Go back; or hear no more of a change that was undone.
    Revert,
}

/// One request with the way back.
pub(crate) type Request = (Asked, oneshot::Sender<Result<()>>);

/// Whom this box reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reach {
    /// A router of the way out.
    gateway: bool,
    /// Another member of the ring.
    member: bool,
}

/// What becomes of a change.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    Keep,
    Undo(&'static str),
}

/// Decides by what answered before and answers now. `leads_out`: the new network has a
/// way out, which should have a router. Where nobody answered before, anybody will do.
fn decide(before: Reach, now: Reach, leads_out: bool, tried: Duration) -> Verdict {
    if tried < SETTLE {
        return Verdict::Wait;
    }
    let (gateway, member) = (before.gateway && leads_out, before.member);
    let answered = (now.gateway || !gateway) && (now.member || !member);
    let somebody = gateway || member || now.gateway || now.member;
    if answered && somebody {
        return Verdict::Keep;
    }
    if tried < PATIENCE {
        return Verdict::Wait;
    }
    Verdict::Undo(match (now.gateway || !gateway, now.member || !member) {
        (false, false) => "neither a router nor another box answered",
        (false, true) => "no router answered",
        (true, false) => "no other box answered",
        (true, true) => "nobody answered",
    })
}

/// What must not change while a box has its place; the first of it that would.
fn immutable(old: &Site, new: &Site, known: &Known) -> Option<&'static str> {
    let address = |site: &Site| known.node(site).and_then(|node| node.address);
    let pools = |site: &Site| (site.network.pools().containers, site.network.pools().overlay);
    [
        (old.name != new.name, "it is of another site"),
        (old.ring_key.as_bytes() != new.ring_key.as_bytes(), "its ring key is another"),
        (old.network.cluster != new.network.cluster, "`network.cluster` is another"),
        (address(new).is_some() && address(old) != address(new), "this box's `address` is another"),
        (pools(old) != pools(new), "`network.pools` are others"),
        (old.network.bond != new.network.bond, "`network.bond` is another"),
    ]
    .into_iter()
    .find_map(|(changed, what)| changed.then_some(what))
}

/// How a change stands, for whoever asks. One of which this release cannot read the note
/// is not tried: the site on the disk is the one of before.
pub(crate) fn stage(paths: &Paths) -> Option<NetworkChange> {
    match FILE.read::<Note>(&paths.network_change()) {
        Ok(note) => note.map(|note| note.stage),
        Err(error) => Some(NetworkChange::Undone { why: format!("{error:#}") }),
    }
}

fn note(paths: &Paths, stage: NetworkChange) -> Result<()> {
    state::write_json(&paths.network_change(), &Note { version: VERSION, stage }, 0o600)
}

/// What a start of the agent makes of a change that nobody kept: it is undone. One
/// whose site took the old one's place was kept, and lost power before that was noted.
pub(crate) fn undo_unkept(paths: &Paths) -> Result<()> {
    let trying = stage(paths) == Some(NetworkChange::Trying);
    if trying && is_kept(paths)? {
        state::remove(&paths.network_change())?;
    } else if trying {
        let why = "the box or its agent started again before it was kept".to_owned();
        tracing::warn!("the change of the network is undone: {why}");
        note(paths, NetworkChange::Undone { why })?;
    }
    state::remove(&paths.network_trial())
}

fn is_kept(paths: &Paths) -> Result<bool> {
    let read = |path: &Path| {
        let text = std::fs::read(path).map(Zeroizing::new);
        text.with_context(|| format!("cannot read {}", path.display()))
    };
    let trial = paths.network_trial();
    Ok(trial.exists() && read(&trial)? == read(&paths.site())?)
}

/// The change that is tried.
struct Trial {
    site: Site,
    before: Reach,
    since: Instant,
}

/// Tries, keeps and undoes changes.
pub(crate) struct Changer<H, R, S, W> {
    pub(crate) node: Rc<Node<H, R, S, W>>,
    pub(crate) members: watch::Receiver<Vec<RingMember>>,
    trial: Option<Trial>,
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Changer<H, R, S, W> {
    pub(crate) fn new(
        node: Rc<Node<H, R, S, W>>,
        members: watch::Receiver<Vec<RingMember>>,
    ) -> Self {
        Self { node, members, trial: None }
    }

    /// Serves requests for ever.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                asked = requests.recv() => {
                    let Some((asked, answer)) = asked else { return };
                    // It waited longer than whoever asked.
                    if answer.is_closed() {
                        continue;
                    }
                    // Whoever asked may be gone by now; what was asked for is done.
                    match self.take(asked).await {
                        Ok(then) => {
                            let _ = answer.send(Ok(()));
                            if then && let Err(error) = self.apply().await {
                                tracing::error!("the new network cannot be set up: {error:#}");
                            }
                        }
                        Err(error) => drop(answer.send(Err(error))),
                    }
                }
                _ = look.tick(), if self.trial.is_some() => {
                    if let Err(error) = self.look().await {
                        tracing::error!("the change of the network: {error:#}");
                    }
                }
            }
        }
    }

    /// Takes a request; says whether there is a new network to set up.
    async fn take(&mut self, asked: Asked) -> Result<bool> {
        let paths = &self.node.paths;
        match asked {
            Asked::Set(text) => {
                if self.trial.is_some() {
                    bail!("another change is being tried: keep it or take it back first");
                }
                let site = Site::parse(&text, Path::new("the new site"))?;
                let host = &self.node.effects.host;
                let known = Known::here(paths, &host.links().await?);
                if let Some(what) = immutable(&self.node.site, &site, &known) {
                    bail!("{what}, which cannot be changed while this box has its place: reset it");
                }
                let before = self.reach().await;
                state::write(&paths.network_trial(), text.as_bytes(), 0o600)?;
                // From here on a start of the agent undoes it.
                note(paths, NetworkChange::Trying)?;
                tracing::warn!("a change of the network is tried");
                self.trial = Some(Trial { site, before, since: Instant::now() });
                Ok(true)
            }
            Asked::Confirm => {
                self.trial.as_ref().context("no change is being tried")?;
                self.keep().await?;
                Ok(false)
            }
            Asked::Revert if self.trial.is_some() => {
                self.undo("a person took it back").await?;
                state::remove(&self.node.paths.network_change())?;
                Ok(false)
            }
            Asked::Revert => {
                stage(paths).context("no change is being tried, and none was undone")?;
                state::remove(&paths.network_change())?;
                Ok(false)
            }
        }
    }

    async fn apply(&self) -> Result<()> {
        let Node { paths, effects, .. } = &*self.node;
        match &self.trial {
            Some(trial) => site_files::apply(paths, &effects.host, &trial.site).await,
            None => Ok(()),
        }
    }

    async fn look(&mut self) -> Result<()> {
        let now = self.reach().await;
        let Some(trial) = &self.trial else { return Ok(()) };
        let network = &trial.site.network;
        let leads_out = network.dhcp || network.gateway.is_some() || network.wifi.is_some();
        match decide(trial.before, now, leads_out, trial.since.elapsed()) {
            Verdict::Wait => Ok(()),
            Verdict::Keep => self.keep().await,
            Verdict::Undo(why) => self.undo(why).await,
        }
    }

    /// The new site takes the old one's place; what else it says is taken up by an
    /// agent that starts anew.
    async fn keep(&mut self) -> Result<()> {
        let Node { paths, effects, .. } = &*self.node;
        let path = paths.network_trial();
        let text = std::fs::read(&path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        state::write(&paths.site(), &text, 0o600)?;
        state::remove(&paths.network_change())?;
        state::remove(&path)?;
        self.trial = None;
        tracing::warn!("the change of the network is kept");
        effects.host.restart_if_running(AGENT_UNIT).await
    }

    async fn undo(&mut self, why: &str) -> Result<()> {
        let Node { paths, effects, site, .. } = &*self.node;
        tracing::warn!("the change of the network is undone: {why}");
        self.trial = None;
        note(paths, NetworkChange::Undone { why: why.to_owned() })?;
        state::remove(&paths.network_trial())?;
        site_files::apply(paths, &effects.host, site).await
    }

    async fn reach(&self) -> Reach {
        let host = &self.node.effects.host;
        let mut gateway = false;
        for (address, link) in host.gateways().await.unwrap_or_default() {
            gateway |= host.answers(address, &link).await.unwrap_or_default();
        }
        let own = identity::load(&self.node.paths).ok().flatten().map(|me| me.id);
        let other = |m: &RingMember| m.status == MemberStatus::Alive && m.id != own;
        Reach { gateway, member: self.members.borrow().iter().any(other) }
    }
}

#[cfg(test)]
mod tests;
