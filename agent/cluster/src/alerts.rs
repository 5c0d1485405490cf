//! What a person should know, as data: what is wrong, with what, how bad it is
//! and what to do. Console, command and metrics show the same ones.

mod clocks;
mod data;

use crate::meeting::Meeting;
use crate::phases::full;
use crate::plan::{leaves_at, may_create, spare_for};
use crate::situation::Situation;
use crate::span::span;
use crate::{
    Brick, MemberStatus, NetworkChange, Observed, Part, Rebalance, Record, RetiredBox, Roster,
    Step, SwarmLocal, Tenure, Violation, Volume, Wanted,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that the box is there for does not work.
    Critical,
    /// It works, and one more fault may end that.
    Warning,
    /// It passes by itself.
    Notice,
}

impl Severity {
    /// The lower-case word used in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alert {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of alert it is: a word that does not change.
    pub id: String,
    /// What it is about: a node, an address, a volume, a stack, a step.
    pub subject: String,
    /// Since when it has stood, in milliseconds since boot.
    pub since_ms: u64,
    /// What is wrong, in a sentence.
    pub words: String,
    /// What to do about it, in a sentence.
    pub cure: String,
}

/// What the agent knows besides what it observed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Troubles<'a> {
    /// Steps that fail, with their last error.
    pub failing: &'a [(Step, String)],
    /// Rules that a step of the plan breaks.
    pub broken: &'a [Violation],
}

/// From what part of it on a disk is worth a word, and from what part on
/// things stop to work, in a hundred parts.
const FILLING: u8 = 85;
const FULL: u8 = 95;

/// Whether the state partition is one of these, and runs full.
#[must_use]
pub fn state_fills(disks: &[crate::Disk]) -> bool {
    disks.iter().any(|disk| disk.name == "state" && disk.used_percent >= FILLING)
}

/// Every alert that stands now, the worst first, as if each began now.
#[must_use]
pub fn alerts(observed: &Observed, wanted: &Wanted, troubles: Troubles<'_>) -> Vec<Alert> {
    let s = Situation::new(observed, wanted);
    let mut found = Found { now_ms: observed.now_ms, alerts: BTreeSet::new() };
    if wanted.ring {
        members(&s, &mut found);
    }
    parts(&s, &mut found);
    if wanted.ring && wanted.storage {
        storage(&s, &mut found);
    }
    if wanted.ring && wanted.swarm {
        swarm(&s, &mut found);
    }
    disks(observed, &mut found);
    data::data(&s, &mut found);
    clocks::clocks(observed, &mut found);
    if let Some(change) = &observed.place.change {
        network(change, &mut found);
    }
    for (step, error) in troubles.failing {
        let words = format!("{step}: {error}");
        let cure = "it is tried again with growing pauses; `ashlarctl logs` has more";
        found.warning("step-fails", &step.to_string(), words, cure);
    }
    for broken in troubles.broken {
        let cure = "nothing was done; this is a fault of the agent: report it with its journal";
        found.warning("rule-broken", broken.rule, broken.to_string(), cure);
    }
    found.alerts.into_iter().collect()
}

/// Since when each alert has stood.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    since: BTreeMap<(String, String), u64>,
}

impl Standing {
    /// Gives the alerts that stood before their first time, and forgets those
    /// that stand no more. Also says which are new.
    pub fn note(&mut self, mut found: Vec<Alert>) -> (Vec<Alert>, Vec<Alert>) {
        let mut since = BTreeMap::new();
        let mut news = Vec::new();
        for alert in &mut found {
            let key = (alert.id.clone(), alert.subject.clone());
            match self.since.get(&key) {
                Some(first) => alert.since_ms = *first,
                None => news.push(alert.clone()),
            }
            since.insert(key, alert.since_ms);
        }
        self.since = since;
        (found, news)
    }
}

struct Found {
    now_ms: u64,
    alerts: BTreeSet<Alert>,
}

impl Found {
    fn add(&mut self, severity: Severity, id: &str, subject: &str, words: String, cure: &str) {
        self.alerts.insert(Alert {
            severity,
            id: id.into(),
            subject: subject.into(),
            since_ms: self.now_ms,
            words,
            cure: cure.into(),
        });
    }

    fn critical(&mut self, id: &str, subject: &str, words: impl Into<String>, cure: &str) {
        self.add(Severity::Critical, id, subject, words.into(), cure);
    }

    fn warning(&mut self, id: &str, subject: &str, words: impl Into<String>, cure: &str) {
        self.add(Severity::Warning, id, subject, words.into(), cure);
    }

    fn notice(&mut self, id: &str, subject: &str, words: impl Into<String>, cure: &str) {
        self.add(Severity::Notice, id, subject, words.into(), cure);
    }
}

fn network(change: &NetworkChange, found: &mut Found) {
    match change {
        NetworkChange::Trying => {
            let words = "a change of the network is tried";
            let cure = "it is kept when a router and the other boxes answer as before, and undone \
                 otherwise; `ashlarctl network confirm`, or `k` at its screen, keeps it all the \
                 same";
            found.notice("network-tried", "this node", words, cure);
        }
        NetworkChange::Undone { why } => {
            let words = format!("a change of the network was undone: {why}");
            let cure = "try another one, at its screen or by `ashlarctl network set`; \
                 `ashlarctl network revert`, or the same action at its screen, ends this message";
            found.warning("network-undone", "this node", words, cure);
        }
    }
}

fn members(s: &Situation<'_>, found: &mut Found) {
    other_clusters(s, found);
    let id = s.observed.identity.as_ref().map(|me| &me.id);
    if s.live().filter(|m| m.id.is_some() && m.id.as_ref() == id).count() > 1 {
        let words = "another live node has this node's id: one is a copy of the other's disk";
        let cure = "switch one of the two off and write the image to its disk anew";
        found.critical(
            "copied-node",
            &id.map(ToString::to_string).unwrap_or_default(),
            words,
            cure,
        );
    }
    if s.observed.place.moved && s.observed.place.twin {
        let words = "this disk was copied: the node that it stands for runs in another machine, \
             which answers at its address";
        let cure = "`ashlarctl reset cluster` here makes this box one of its own; or switch the \
             other one off, and this one goes on in its place";
        found.critical("copied-disk", "this node", words, cure);
    } else if s.observed.place.moved {
        let words = "this disk was set up in another machine";
        let cure = "if nobody answers at its address while its cable is in, it goes on here by \
             itself";
        found.notice("moved-disk", "this node", words, cure);
    }
    if s.observed.ring.as_ref().is_some_and(|ring| ring.outdated) && s.live_kin().next().is_none() {
        if s.observed.membership.is_some() {
            let words = "the ring's key was replaced while this box did not hear of it";
            let cure = "it asks the others for the new key by itself; if its place was given away, \
                 or it founded a cluster apart, give it the new site: `ashlarctl ring site`";
            found.warning("site-outdated", "this node", words, cure);
        } else {
            let words = "this site's ring key was replaced, and this box has a site file of before: \
                 it joins nobody and founds nothing";
            let cure = "`ashlarctl ring site --to site.toml` on a box of the cluster gives out the \
                 new one: write the stick anew with it; or here `ashlar-agent import-seed --file \
                 site.toml && systemctl restart ashlar-agent`";
            found.critical("site-outdated", "this node", words, cure);
        }
    }
    if s.observed.out {
        let words = "a person took this box out of its cluster; its files are set aside";
        let cure = "`ashlarctl node rejoin` here lets it in again as a new box; or reset it";
        found.notice("taken-out", "this node", words, cure);
    }
    leaving(s, found);
    if s.observed.retired && !s.observed.removed && s.observed.yields.is_none() {
        let words =
            "this box was gone for longer than its grace time, and its place was given away";
        let cure = "it sets its copy aside and joins as a new box by itself";
        found.warning("retired", "this node", words, cure);
    }
    if let Some(other) = s.kin().next().filter(|_| s.wanted.solo) {
        let words =
            format!("this profile is for one box by itself, and {} is in its cluster", other.name);
        let cure = "give each box a site of its own, or a profile for several boxes";
        found.warning("not-alone", &other.name, words, cure);
    }
    lost(s, found);
    for member in s.kin().filter(|m| m.status == MemberStatus::Failed) {
        let words = format!("{} at {} does not answer", member.name, member.address);
        let cure = "look whether it has power and its cable; it comes back by itself";
        found.warning("member-lost", &member.name, words, cure);
    }
}

/// Clusters of this site beside this box's own, or beside each other.
fn other_clusters(s: &Situation<'_>, found: &mut Found) {
    let mut clusters = s.clusters();
    let Some(own) = s.observed.membership.as_ref().map(|m| &m.cluster) else {
        if clusters.len() > 1 {
            let all: Vec<_> = clusters.keys().map(|id| id.0.as_str()).collect();
            let words = format!("two clusters of this site are in sight: {}", all.join(" and "));
            let cure = "each of their boxes says which goes on, or how to settle it";
            found.critical("another-cluster", "this site", words, cure);
        }
        return;
    };
    clusters.remove(own);
    for (cluster, other) in clusters {
        let names = other.names();
        let ends = match (&s.observed.yields, s.meeting()) {
            (Some(yielding), _) => format!("this one dissolves into {}", yielding.into),
            (None, Meeting::Yields(into)) => format!("this one holds no data: it goes into {into}"),
            (None, Meeting::BothHold(_)) if other.yields.is_none() => {
                let words = format!(
                    "another cluster of this site is in sight: {names} of cluster {cluster}; both \
                     hold data, and neither changes"
                );
                let cure = format!(
                    "save what you need of this one and say `ashlarctl cluster merge --into \
                     {cluster}` here; or keep it, and say so there with `--into {own}`"
                );
                found.critical("another-cluster", &cluster.0, words, &cure);
                continue;
            }
            (None, Meeting::Unsettled(until)) if other.yields.is_none() => {
                let words = format!(
                    "another cluster of this site is in sight: {names} of cluster {cluster}; which \
                     of them goes on is open until {until}"
                );
                let cure = format!(
                    "wait for that; or say `ashlarctl cluster merge --into {cluster}` here, or \
                     there with `--into {own}`"
                );
                found.critical("another-cluster", &cluster.0, words, &cure);
                continue;
            }
            _ => "that one dissolves".to_owned(),
        };
        let words = format!(
            "another cluster of this site is in sight: {names} of cluster {cluster}; {ends}"
        );
        let cure = "nothing: they become one by themselves, and copies are set aside";
        found.warning("another-cluster", &cluster.0, words, cure);
    }
}

/// Boxes that a person takes out: managers know of all, a worker of itself.
fn leaving(s: &Situation<'_>, found: &mut Found) {
    let cure = "nothing; `ashlarctl node keep NAME` takes it back while it is not through";
    for known in s.leaving() {
        let words = format!("{} is being taken out of the cluster", known.name);
        found.notice("leaving", &known.name, words, cure);
    }
    if let (Some(me), Some(swarm)) = (&s.observed.identity, &s.observed.swarm)
        && swarm.told_leaving
        && !swarm.manager
    {
        let words = "this box is being taken out of the cluster";
        found.notice("leaving", &me.name, words, cure);
    }
}

/// Boxes that are about to lose their place: the leader and the other managers
/// know since when.
fn lost(s: &Situation<'_>, found: &mut Found) {
    match s.observed.swarm.as_ref().map(|swarm| &swarm.record) {
        Some(Record::Unreadable(why)) => {
            let words = format!("this release cannot read the cluster's record: {why}");
            let cure = "bring this box to the release of the others: until then it changes nothing";
            found.warning("record-unreadable", "cluster", words, cure);
        }
        Some(Record::Known(_)) => {}
        Some(Record::Unknown) | None => return,
    }
    for lost in Roster::of(s.observed).boxes {
        let Tenure::Lost { since: Some(since) } = lost.tenure else { continue };
        let name = &lost.name;
        let when = match leaves_at(s, since) {
            Some(0) => "will be removed as soon as its copy is whole elsewhere".to_owned(),
            Some(seconds) => format!("will be removed in {}", span(seconds)),
            None => "is not removed while the clock of this box cannot be right".to_owned(),
        };
        let gone = s.observed.clock.unix.map(|now| span(now.saturating_sub(since)));
        let gone = gone.map_or_else(String::new, |gone| format!(" for {gone}"));
        let words = format!("{name} has been lost{gone}, and {when}");
        let cure = "switch it on; or switch a new box on, which takes its place";
        found.warning("box-lost", name, words, cure);
    }
}

fn parts(s: &Situation<'_>, found: &mut Found) {
    for part in Part::ALL {
        if part == Part::Clients || (part == Part::Mount && !s.mountable()) {
            continue;
        }
        if let Some(silent) = s.hangs(part) {
            let words = format!("the {part} runs and does not answer: {}", silent.why);
            let cure = "it is started anew when it stays silent; `ashlarctl logs` has more";
            found.warning("part-hangs", &part.to_string(), words, cure);
        }
    }
    if let Some(deaf) = s.hangs(Part::Clients) {
        let words = format!("a copy answers and is not heard here: {}", deaf.why);
        let cure = "it is connected to anew by itself; until then this box writes to the others";
        found.warning("copy-not-heard", &s.wanted.volume, words, cure);
    }
}

fn storage(s: &Situation<'_>, found: &mut Found) {
    let name = &s.wanted.volume;
    let Some(volume) = s.volume() else {
        if s.authority() && s.observed.storage.is_some() && !may_create(s) {
            let words = "this node no longer knows the cluster's volume";
            let cure = "do not write this box's disk: its brick may hold the only copy";
            found.critical("storage-state-lost", name, words, cure);
        }
        return;
    };
    if volume.started && !volume.writable() {
        let why = s.unwritable(volume);
        let words = if volume.missed() {
            format!("{name} is not whole here: {why}")
        } else {
            format!("{name} takes no writes: {why}")
        };
        let cure = if volume.bricks.len() == 2 {
            "switch that box on; a third box or a witness would spare you this"
        } else {
            "switch the missing boxes on"
        };
        found.critical("volume-read-only", name, words, cure);
    }
    let crammed = s.crammed();
    if !crammed.is_empty() {
        let words = format!("{name} takes no more files: {}", full(&crammed));
        let cure = "remove files below /srv/cluster, images or volumes there: within seconds it \
                    goes on; or take larger disks";
        found.critical("volume-full", name, words, cure);
    }
    if let Some(witness) = volume.arbiter().filter(|b| volume.started && !b.online) {
        let subject = witness.address.to_string();
        let words = format!("the witness of {name} on {subject} is out of reach");
        let cure = "switch that box on: if a second box fails meanwhile, writes stop";
        found.warning("witness-away", &subject, words, cure);
    }
    let kept = without_a_place(s, volume);
    for (brick, lost) in &kept {
        let words = format!(
            "{lost} lost its place, and no other box is there for the copy of {name} on {brick}"
        );
        let cure = "switch a further box on: it takes that place by itself, and copies the files";
        found.warning("copy-without-place", &brick.to_string(), words, cure);
    }
    // Of one that runs and is not heard here another alert tells.
    let unheard =
        |b: &Brick| s.hangs(Part::Clients).is_some() && volume.silent.contains(&b.address);
    let kept = |b: &Brick| kept.iter().any(|(brick, _)| *brick == b.address);
    let there = |b: &&Brick| !kept(b) && !unheard(b);
    for brick in volume.full().filter(|b| volume.started && !b.online).filter(there) {
        let subject = brick.address.to_string();
        let words = format!("the copy of {name} on {subject} is out of reach");
        let cure = "switch that box on; a brick that died on a running box is started again";
        found.warning("copy-offline", &subject, words, cure);
    }
    for healer in &volume.healers_down {
        let subject = healer.to_string();
        let words = format!("nothing heals the copy of {name} on {subject}");
        let cure = "its self-heal daemon is started again by the leader";
        found.warning("self-heal-off", &subject, words, cure);
    }
    if volume.started && !volume.is_spread() {
        spreading(volume, name, found);
    }
    if let Some(n) = volume.pending_heals.filter(|n| *n > 0) {
        let words = format!("{n} entries of {name} await healing");
        let cure = "leave the boxes on until it is done";
        found.notice("healing", name, words, cure);
    }
}

/// The bricks of boxes that lost their place, with the names of these, for which there is
/// no other box: of several sets none is given up. Managers know of them.
fn without_a_place<'a>(s: &Situation<'a>, volume: &Volume) -> Vec<(IpAddr, &'a str)> {
    let (Some(storage), Some(intent)) = (&s.observed.storage, s.observed.intent()) else {
        return Vec::new();
    };
    let waits = |gone: &&RetiredBox| {
        volume.has_brick_of(gone.address)
            && !s.live_kin().any(|m| m.address == gone.address)
            && spare_for(s, storage, volume, gone.address).is_none()
    };
    let retired = intent.retired.values().filter(|_| !volume.is_one_set()).filter(waits);
    retired.map(|gone| (gone.address, gone.name.as_str())).collect()
}

fn spreading(volume: &Volume, name: &str, found: &mut Found) {
    let sets = volume.sets().count();
    match &volume.rebalance {
        Some(Rebalance::Failed(how)) => {
            let words = format!("not all files of {name} are spread over its {sets} sets: {how}");
            let cure = "every file can be read where it is; it is tried again with growing pauses, \
                        once every copy is whole";
            found.warning("spread-failed", name, words, cure);
        }
        _ => {
            let words = format!("the files of {name} are being spread over its {sets} sets");
            let cure = "leave the boxes on until it is done; files can be used meanwhile";
            found.notice("spreading", name, words, cure);
        }
    }
}

fn swarm(s: &Situation<'_>, found: &mut Found) {
    let Some(swarm) = &s.observed.swarm else { return };
    let recorded = s.observed.membership.as_ref().is_some_and(|m| m.swarm);
    match swarm.local {
        SwarmLocal::Error => {
            let words = "the container engine cannot work with what it knows of the Swarm";
            let cure = "it joins anew while other managers are there; else see `docker info`";
            found.critical("swarm-broken", "swarm", words, cure);
        }
        SwarmLocal::Active if swarm.manager && swarm.nodes.is_empty() => {
            let words = "the Swarm's managers have no quorum: nothing new is scheduled";
            found.critical("swarm-without-quorum", "swarm", words, "switch the missing boxes on");
        }
        SwarmLocal::Active
            if !swarm.manager && recorded && !(s.others_schedule() && swarm.unheard_ms == 0) =>
        {
            let words = if s.others_schedule() {
                "no manager of the Swarm answers for it: nothing new is scheduled".to_owned()
            } else {
                format!("{}: nothing new is scheduled", s.unscheduled())
            };
            let cure = "switch the missing boxes on; an engine that hangs is started anew; of two \
                boxes one goes on when the other is gone for good: `ashlarctl cluster \
                go-on-alone`, or `a` at its screen";
            found.critical("swarm-without-managers", "swarm", words, cure);
        }
        _ => {}
    }
    let struck = s.observed.intent().into_iter().flat_map(|intent| intent.retired.values());
    for gone in struck.filter(|gone| gone.revoked) {
        if swarm.nodes.iter().any(|n| n.leader && n.name == gone.name) {
            let words = format!(
                "{} was struck off and leads the Swarm: nothing of the cluster is changed",
                gone.name
            );
            let cure = "pull its cable: another box leads within seconds";
            found.critical("swarm-led-from-outside", &gone.name, words, cure);
        }
    }
    for stack in &swarm.stacks {
        if stack.running < stack.desired {
            let words =
                format!("of stack {} {} of {} tasks run", stack.name, stack.running, stack.desired);
            let cure = "`docker stack ps` on this box says why, most often a missing image";
            found.warning("stack-incomplete", &stack.name, words, cure);
        }
    }
}

fn disks(observed: &Observed, found: &mut Found) {
    for disk in &observed.disks {
        let words = format!("the {} partition is full to {} %", disk.name, disk.used_percent);
        let cure = match disk.name.as_str() {
            "data" => "remove files below /srv/cluster, images or volumes; or take a larger disk",
            _ => "`journalctl --vacuum-size=100M` frees some; report what filled it",
        };
        match disk.used_percent {
            FULL.. => found.critical("disk-full", &disk.name, words, cure),
            FILLING.. => found.warning("disk-filling", &disk.name, words, cure),
            _ => {}
        }
    }
}
