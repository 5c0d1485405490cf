//! A change of the site's network, which is undone by itself unless something answers
//! under it: a box that was cut off would have to be visited.
//!
//! The site on the disk stays the old one until the new one is kept. So whatever ends
//! this process or the box in between, the next start goes by the old one.

mod way_out;

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
use ashlar_api::WayOut;
use ashlar_cluster::{MemberStatus, NetworkChange, RingMember};
use ashlar_site::Site;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
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
    /// Try this site with another way out of this box; or only say what would come of it.
    WayOut(WayOut, bool),
    /// Keep what is tried, whatever answers.
    Confirm,
    /// Go back; or hear no more of a change that was undone.
    Revert,
}

/// One request with the way back: what would come of it, if that was asked.
pub(crate) type Request = (Asked, oneshot::Sender<Result<Vec<String>>>);

/// Where changes are asked for, and what is told of them.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) asks: mpsc::Sender<Request>,
    pub(crate) told: watch::Receiver<Told>,
}

/// What whoever asks is told of this box's network besides its ports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What the site says of its way out.
    pub(crate) way_out: Option<WayOut>,
    /// When what is tried is undone, if nobody answers.
    until: Option<Instant>,
}

impl Told {
    /// For how many seconds more something is tried.
    pub(crate) fn left_s(&self) -> Option<u64> {
        let left = self.until?.saturating_duration_since(Instant::now());
        // As a clock counts down: the last second is 1.
        Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }
}

/// What becomes of a request.
enum Then {
    /// A new network is set up.
    Apply,
    /// Nothing more.
    Nothing,
    /// It is told.
    Tell(Vec<String>),
}

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

/// Notes how a change stands; none is one that is over.
fn note(paths: &Paths, stage: Option<NetworkChange>) -> Result<()> {
    let Some(stage) = stage else { return state::remove(&paths.network_change()) };
    state::write_json(&paths.network_change(), &Note { version: VERSION, stage }, 0o600)
}

/// What a start of the agent makes of a change that nobody kept: it is undone. One
/// whose site took the old one's place was kept, and lost power before that was noted.
pub(crate) fn undo_unkept(paths: &Paths) -> Result<()> {
    let trying = stage(paths) == Some(NetworkChange::Trying);
    if trying && is_kept(paths)? {
        note(paths, None)?;
    } else if trying {
        let why = "the box or its agent started again before it was kept".to_owned();
        tracing::warn!("the change of the network is undone: {why}");
        note(paths, Some(NetworkChange::Undone { why }))?;
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
    told: watch::Sender<Told>,
    /// Has the agent look anew: it tells everybody how a change stands.
    wake: Arc<Notify>,
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Changer<H, R, S, W> {
    pub(crate) fn new(
        node: Rc<Node<H, R, S, W>>,
        members: watch::Receiver<Vec<RingMember>>,
        told: watch::Sender<Told>,
        wake: Arc<Notify>,
    ) -> Self {
        Self { node, members, trial: None, told, wake }
    }

    /// Notes how a change stands, and has it told at once.
    fn note(&self, stage: Option<NetworkChange>) -> Result<()> {
        note(&self.node.paths, stage)?;
        self.wake.notify_one();
        Ok(())
    }

    /// Serves requests for ever.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut look = interval(LOOK);
        if let Err(error) = self.tell(&self.node.site).await {
            tracing::error!("the way out of this box is not known: {error:#}");
        }
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
                        Ok(Then::Tell(lines)) => drop(answer.send(Ok(lines))),
                        Ok(then) => {
                            let _ = answer.send(Ok(Vec::new()));
                            if matches!(then, Then::Apply) && let Err(error) = self.apply().await {
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

    /// Takes a request.
    async fn take(&mut self, asked: Asked) -> Result<Then> {
        let paths = &self.node.paths;
        match asked {
            Asked::Set(text) => {
                let site = Site::parse(&text, Path::new("the new site"))?;
                self.try_out(site, text).await
            }
            Asked::WayOut(way, dry_run) => {
                let (site, lines) = way_out::with(paths, &self.known().await?, &way)?;
                if dry_run {
                    return Ok(Then::Tell(lines));
                }
                let text = site.to_toml()?;
                self.try_out(site, text).await
            }
            Asked::Confirm => {
                self.trial.as_ref().context("no change is being tried")?;
                self.keep().await?;
                Ok(Then::Nothing)
            }
            Asked::Revert if self.trial.is_some() => {
                self.undo("a person took it back").await?;
                self.note(None)?;
                Ok(Then::Nothing)
            }
            Asked::Revert => {
                stage(paths).context("no change is being tried, and none was undone")?;
                self.note(None)?;
                Ok(Then::Nothing)
            }
        }
    }

    async fn try_out(&mut self, site: Site, text: Zeroizing<String>) -> Result<Then> {
        let paths = &self.node.paths;
        if self.trial.is_some() {
            bail!("another change is being tried: keep it or take it back first");
        }
        if let Some(what) = immutable(&self.node.site, &site, &self.known().await?) {
            bail!("{what}, which cannot be changed while this box has its place: reset it");
        }
        let before = self.reach().await;
        state::write(&paths.network_trial(), text.as_bytes(), 0o600)?;
        // From here on a start of the agent undoes it.
        self.note(Some(NetworkChange::Trying))?;
        tracing::warn!("a change of the network is tried");
        let since = Instant::now();
        self.trial = Some(Trial { site, before, since });
        self.told.send_modify(|told| told.until = Some(since + PATIENCE));
        Ok(Then::Apply)
    }

    async fn known(&self) -> Result<Known> {
        let Node { paths, effects, .. } = &*self.node;
        Ok(Known::here(paths, &effects.host.links().await?))
    }

    /// Tells what that site says of this box's way out, and that nothing is tried.
    async fn tell(&self, site: &Site) -> Result<()> {
        let way_out = Some(way_out::of(site, &self.known().await?));
        self.told.send_replace(Told { way_out, until: None });
        Ok(())
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
        let paths = &self.node.paths;
        let path = paths.network_trial();
        let text = std::fs::read(&path).map(Zeroizing::new);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        state::write(&paths.site(), &text, 0o600)?;
        self.note(None)?;
        state::remove(&path)?;
        tracing::warn!("the change of the network is kept");
        if let Some(trial) = self.trial.take() {
            self.tell(&trial.site).await?;
        }
        let effects = &self.node.effects;
        effects.host.restart_if_running(AGENT_UNIT).await
    }

    async fn undo(&mut self, why: &str) -> Result<()> {
        let Node { paths, effects, site, .. } = &*self.node;
        tracing::warn!("the change of the network is undone: {why}");
        self.trial = None;
        self.told.send_modify(|told| told.until = None);
        self.note(Some(NetworkChange::Undone { why: why.to_owned() }))?;
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
