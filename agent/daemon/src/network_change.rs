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
use crate::state;
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

/// How a change stands, for whoever asks.
pub(crate) fn stage(paths: &Paths) -> Result<Option<NetworkChange>> {
    let note: Option<Note> = state::read_json(&paths.network_change())?;
    if let Some(newer) = note.as_ref().filter(|note| note.version > VERSION) {
        bail!(
            "{} is of version {}, this release reads up to {VERSION}: remove it",
            paths.network_change().display(),
            newer.version
        );
    }
    Ok(note.map(|note| note.stage))
}

fn note(paths: &Paths, stage: NetworkChange) -> Result<()> {
    state::write_json(&paths.network_change(), &Note { version: VERSION, stage }, 0o600)
}

/// What a start of the agent makes of a change that nobody kept: it is undone.
pub(crate) fn undo_unkept(paths: &Paths) -> Result<()> {
    if stage(paths)? == Some(NetworkChange::Trying) {
        let why = "the box or its agent started again before it was kept".to_owned();
        tracing::warn!("the change of the network is undone: {why}");
        note(paths, NetworkChange::Undone { why })?;
    }
    state::remove(&paths.network_trial())
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
                stage(paths)?.context("no change is being tried, and none was undone")?;
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
mod tests {
    use super::*;
    use crate::fakes::{Fake, FakeNode, loopback};

    const NOBODY: Reach = Reach { gateway: false, member: false };
    const ALL: Reach = Reach { gateway: true, member: true };
    const ROUTER: Reach = Reach { gateway: true, member: false };
    const BOX: Reach = Reach { gateway: false, member: true };

    #[test]
    fn a_change_is_kept_when_whoever_answered_before_answers_again() {
        let late = SETTLE;
        for (before, now, leads_out) in [
            (ALL, ALL, true),
            (ROUTER, ROUTER, true),
            (BOX, BOX, true),
            (ALL, BOX, false),
            (NOBODY, ROUTER, true),
            (NOBODY, BOX, true),
        ] {
            assert_eq!(decide(before, now, leads_out, late), Verdict::Keep, "{before:?} {now:?}");
            let early = SETTLE.saturating_sub(Duration::from_secs(1));
            assert_eq!(decide(before, now, leads_out, early), Verdict::Wait);
        }
    }

    #[test]
    fn a_change_that_cuts_the_box_off_waits_a_while_and_is_undone() {
        for (before, now, why) in [
            (ALL, NOBODY, "neither a router nor another box answered"),
            (ALL, BOX, "no router answered"),
            (ALL, ROUTER, "no other box answered"),
            (ROUTER, NOBODY, "no router answered"),
            (NOBODY, NOBODY, "nobody answered"),
        ] {
            let early = PATIENCE.saturating_sub(Duration::from_secs(1));
            assert_eq!(decide(before, now, true, early), Verdict::Wait, "{before:?} {now:?}");
            assert_eq!(decide(before, now, true, PATIENCE), Verdict::Undo(why));
        }
    }

    #[test]
    fn what_a_box_has_for_life_is_not_changed_with_its_network() {
        let site = |rest: &str| crate::fakes::site(rest);
        let known = Known::default();
        let old = site("[network]\n");
        for (new, what) in [
            ("[network]\ncluster = '10.99.0.0/16'\n", Some("`network.cluster` is another")),
            ("[network]\nbond = '802.3ad'\n", Some("`network.bond` is another")),
            (
                "[network.pools]\ncontainers = '198.18.0.0/16'\noverlay = '198.19.0.0/16'\n",
                Some("`network.pools` are others"),
            ),
            ("[network]\nvlan = 20\ndns = ['192.168.7.1']\n", None),
        ] {
            assert_eq!(immutable(&old, &site(new), &known), what, "{new}");
        }
    }

    struct Box {
        fake: Fake,
        changer: Changer<Fake, Fake, Fake, Fake>,
        old: String,
        _root: tempfile::TempDir,
    }

    /// A box whose router answers.
    fn a_box() -> Box {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let mut node: FakeNode = fake.node(root.path(), loopback(90));
        node.site.network.node.clear();
        let old = node.site.to_toml().unwrap().to_string();
        std::fs::write(node.paths.site(), &old).unwrap();
        let router = loopback(91);
        fake.world().gateways = vec![(router, "host0".into())];
        fake.world().answering.insert(router);
        let (_, members) = watch::channel(Vec::new());
        let changer = Changer::new(Rc::new(node), members);
        Box { fake, changer, old, _root: root }
    }

    impl Box {
        fn paths(&self) -> &Paths {
            &self.changer.node.paths
        }

        async fn ask(&mut self, asked: Asked) -> Result<()> {
            if self.changer.take(asked).await? {
                self.changer.apply().await?;
            }
            Ok(())
        }

        async fn set(&mut self) -> String {
            let mut new = self.changer.node.site.clone();
            new.network.vlan = Some(20);
            let text = new.to_toml().unwrap().to_string();
            self.ask(Asked::Set(Zeroizing::new(text.clone()))).await.unwrap();
            text
        }

        fn site(&self) -> String {
            std::fs::read_to_string(self.paths().site()).unwrap()
        }

        fn has_vlan(&self) -> bool {
            self.paths().networkd().join("12-ashlar-uplink.netdev").exists()
        }

        /// As if it had been tried for so long.
        async fn after(&mut self, long: Duration) {
            self.changer.trial.as_mut().unwrap().since = Instant::now() - long;
            self.changer.look().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_network_under_which_the_router_answers_becomes_the_site_s() {
        let mut it = a_box();
        let new = it.set().await;
        assert!(it.has_vlan());
        assert_eq!(it.site(), it.old, "the old one, until the new one is kept");
        assert!(it.ask(Asked::Set(Zeroizing::new(new.clone()))).await.is_err(), "one at a time");
        it.after(SETTLE).await;
        assert_eq!(it.site(), new);
        assert_eq!(stage(it.paths()).unwrap(), None);
        assert!(!it.paths().network_trial().exists());
        let calls = it.fake.world().calls.clone();
        assert_eq!(calls.last().unwrap(), "restart ashlar-agent.service");
    }

    #[tokio::test]
    async fn a_network_that_cuts_the_box_off_is_put_back_and_said() {
        let mut it = a_box();
        it.set().await;
        it.fake.world().answering.clear();
        it.after(SETTLE).await;
        assert!(it.has_vlan(), "it gets its time");
        it.after(PATIENCE).await;
        assert!(!it.has_vlan() && it.site() == it.old);
        let place = it.changer.node.observe().await.unwrap().place;
        let why = "no router answered".to_owned();
        assert_eq!(place.change, Some(NetworkChange::Undone { why }));
        // Until somebody has read it.
        it.ask(Asked::Revert).await.unwrap();
        assert_eq!(it.changer.node.observe().await.unwrap().place.change, None);
        assert!(it.ask(Asked::Revert).await.is_err());
    }

    #[tokio::test]
    async fn a_person_keeps_what_nobody_answers_under_or_takes_it_back() {
        let mut it = a_box();
        assert!(it.ask(Asked::Confirm).await.is_err(), "there is nothing to keep");
        it.set().await;
        it.fake.world().answering.clear();
        it.ask(Asked::Revert).await.unwrap();
        assert!(!it.has_vlan() && stage(it.paths()).unwrap().is_none());
        let new = it.set().await;
        it.ask(Asked::Confirm).await.unwrap();
        assert_eq!(it.site(), new);
    }

    #[tokio::test]
    async fn power_that_fails_while_a_network_is_tried_puts_the_old_one_back() {
        let mut it = a_box();
        it.set().await;
        // Another agent starts on the same disk.
        undo_unkept(it.paths()).unwrap();
        assert_eq!(it.site(), it.old);
        assert!(!it.paths().network_trial().exists());
        let Some(NetworkChange::Undone { why }) = stage(it.paths()).unwrap() else { panic!() };
        assert!(why.contains("started again"), "{why}");
        // In the same boot what was written for the new one is still there.
        site_files::apply(it.paths(), &it.fake, &it.changer.node.site).await.unwrap();
        assert!(!it.has_vlan());
        undo_unkept(it.paths()).unwrap();
        assert!(stage(it.paths()).unwrap().is_some(), "it is said until it was read");
    }

    #[tokio::test]
    async fn a_site_that_nobody_could_use_changes_nothing() {
        let mut it = a_box();
        for text in ["name = 1", &it.old.replace("demo", "other")] {
            assert!(it.ask(Asked::Set(Zeroizing::new(text.to_owned()))).await.is_err(), "{text}");
        }
        assert!(!it.has_vlan() && stage(it.paths()).unwrap().is_none());
    }

    #[test]
    fn what_is_noted_of_a_change_can_be_read_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        state::make_private_dir(&paths.state()).unwrap();
        for (golden, stage_then) in [
            (r#"{"version":1,"stage":"trying"}"#, NetworkChange::Trying),
            (
                r#"{"version":1,"stage":{"undone":{"why":"x"}}}"#,
                NetworkChange::Undone { why: "x".into() },
            ),
        ] {
            std::fs::write(paths.network_change(), golden).unwrap();
            assert_eq!(stage(&paths).unwrap(), Some(stage_then.clone()));
            let written = Note { version: VERSION, stage: stage_then };
            assert_eq!(serde_json::to_string(&written).unwrap(), golden);
        }
        std::fs::write(paths.network_change(), r#"{"version":2,"stage":"trying"}"#).unwrap();
        assert!(stage(&paths).unwrap_err().to_string().contains("version 2"));
    }
}
