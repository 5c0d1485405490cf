//! Of two boxes without a witness the other one, which waits while the first is gone: it
//! goes on alone when a person standing at it says that the first is gone for good. For
//! that it keeps a *seat*: a copy of what the Swarm's manager knows.

use crate::situation::Situation;
use crate::span::span;
use crate::{Brick, KnownBox, NodeId, Observed, RetiredBox, SwarmRole, Volume, Wanted};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The box that is taken to be gone for good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LeftBehind {
    /// Its id.
    pub id: NodeId,
    /// Its host name.
    pub name: String,
    /// Its cluster address.
    pub address: IpAddr,
}

/// How the two copies stood when both were last in sight, as this box wrote down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BothSeen {
    /// The other box.
    pub other: LeftBehind,
    /// When that was, in seconds of the wall clock.
    pub at: u64,
    /// Nothing was to heal.
    pub whole: bool,
}

/// What would come of going on alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GoingAlone {
    /// Without whom.
    pub without: Option<LeftBehind>,
    /// What changes, a line each.
    pub lines: Vec<String>,
    /// Why it is refused, and nothing is done.
    pub refused: Option<String>,
}

/// Whose copy of the Swarm's state this box keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// That of the manager at this address, brought up to date now.
    Of(IpAddr),
    /// What it has, as it is.
    AsItIs,
    /// None.
    Nothing,
}

impl Volume {
    /// Both copies of two without a witness: the first and the second.
    #[must_use]
    pub const fn pair(&self) -> Option<(&Brick, &Brick)> {
        match self.bricks.as_slice() {
            [first, second] if !first.arbiter && !second.arbiter => Some((first, second)),
            _ => None,
        }
    }
}

/// Whose seat this box keeps. Only the second of two may need one, and what a seat holds
/// is not left on a box that has no need of it.
#[must_use]
pub fn keeps_seat(observed: &Observed, wanted: &Wanted) -> Keeping {
    let s = Situation::new(observed, wanted);
    if !wanted.swarm || !wanted.storage || observed.membership.is_none() {
        return Keeping::Nothing;
    }
    // A certificate that has ended is renewed, and what is kept is of use then.
    let Some((me, _)) = s.certified() else { return Keeping::AsItIs };
    // It is about to be sat down on.
    if observed.left_behind.is_some() {
        return Keeping::AsItIs;
    }
    let (Some(volume), Some(swarm)) = (s.volume(), &observed.swarm) else {
        return Keeping::AsItIs;
    };
    let second = volume.pair().filter(|(_, second)| second.address == me.address);
    let Some((first, _)) = second.filter(|_| s.kin().count() < 2) else {
        return Keeping::Nothing;
    };
    let manages =
        |m: &&crate::RingMember| m.address == first.address && m.swarm == Some(SwarmRole::Manager);
    match s.live_kin().find(manages) {
        Some(manager) if !swarm.manager => Keeping::Of(manager.address),
        _ => Keeping::AsItIs,
    }
}

/// Whether the box at this address may have a copy of what this manager knows: it is the
/// second of two, and this is the first.
#[must_use]
pub fn gives_seat(observed: &Observed, wanted: &Wanted, to: IpAddr) -> bool {
    let s = Situation::new(observed, wanted);
    let own = observed.identity.as_ref().map(|me| me.address);
    let manages = observed.swarm.as_ref().is_some_and(|swarm| swarm.manager && swarm.leader);
    let pair = s.volume().and_then(Volume::pair);
    manages
        && s.kin().count() == 1
        && pair.is_some_and(|(first, second)| Some(first.address) == own && second.address == to)
}

/// How both copies stand now, for this box to write down: only while both are in sight.
#[must_use]
pub fn both_seen(observed: &Observed, wanted: &Wanted) -> Option<BothSeen> {
    let s = Situation::new(observed, wanted);
    let own = s.certified()?.0.address;
    let volume = s.volume().filter(|v| v.started && v.bricks.iter().all(|b| b.online))?;
    let (first, _) = volume.pair().filter(|(_, second)| second.address == own)?;
    let other = s.live_kin().find(|m| m.address == first.address)?;
    let whole = volume.pending_heals? == 0;
    let other =
        LeftBehind { id: other.id.clone()?, name: other.name.clone(), address: other.address };
    Some(BothSeen { other, at: observed.clock.unix?, whole })
}

/// What would come of it if this box went on alone.
#[must_use]
pub fn going_alone(observed: &Observed, wanted: &Wanted) -> GoingAlone {
    let s = Situation::new(observed, wanted);
    match without(&s) {
        Err(why) => GoingAlone { refused: Some(why), ..GoingAlone::default() },
        Ok(seen) => {
            GoingAlone { lines: lines(&s, seen), without: Some(seen.other.clone()), refused: None }
        }
    }
}

/// Only without whom it would go on.
#[must_use]
pub fn could_go_on_without(observed: &Observed, wanted: &Wanted) -> Option<LeftBehind> {
    without(&Situation::new(observed, wanted)).ok().map(|seen| seen.other.clone())
}

/// Without whom this box may go on, if a person says so.
fn without<'a>(s: &Situation<'a>) -> Result<&'a BothSeen, String> {
    let observed = s.observed;
    let of_two = "that is for two boxes without a witness";
    let Some((me, _)) = s.certified() else {
        return Err("this box belongs to no cluster".into());
    };
    if !s.wanted.storage || !s.wanted.swarm || s.wanted.solo {
        return Err(format!("{of_two}, and the profile of this one has no second"));
    }
    if let Some(left) = &observed.left_behind {
        return Err(format!("it goes on without {} already: `ashlarctl why`", left.name));
    }
    let storage = observed.storage.as_ref().ok_or("the storage does not answer: ask again")?;
    let volume = storage.volume.as_ref().ok_or("the volume is not known here")?;
    if volume.bricks.len() < 2 {
        return Err("it has the only copy, and goes on alone anyhow".into());
    }
    let Some((first, second)) = volume.pair() else {
        let why = if volume.arbiter().is_some() { "a witness" } else { "three copies or more" };
        return Err(format!("{of_two}, and there is {why}: what is left of them goes on by rule"));
    };
    if s.kin().count() > 1 || storage.peers.len() > 1 {
        return Err(format!("{of_two}, and there are more boxes"));
    }
    if observed.handed_over.is_some() && observed.waits_for_its_turn() {
        return Err(
            "this box handed over to the other one, and lacks what that one wrote: switch that \
             one on"
                .into(),
        );
    }
    if volume.is_handed_over() {
        return Err("a hand-over is not over: the second of the two boxes decides as it is".into());
    }
    if first.address == me.address {
        return Err("this is the first of the two boxes, which goes on by itself".into());
    }
    if second.address != me.address {
        return Err("this box has no copy".into());
    }
    let other = first.address;
    let peer = storage.peers.iter().any(|p| p.address == other && p.connected);
    let seen = s.live().any(|m| m.address == other);
    if first.online || peer || seen {
        return Err("the other box is seen: as long as it is there, it decides".into());
    }
    if !second.online {
        return Err("this box's own copy does not run: ask again when it does".into());
    }
    if observed.place.carrier_ms.is_none_or(|ms| ms < s.wanted.settle_ms) {
        return Err(
            "this box has no network, or has had it for a moment only: it cannot know whether the \
             other one is there"
                .into(),
        );
    }
    if observed.ring.as_ref().is_none_or(|ring| ring.quiet_ms < s.wanted.settle_ms) {
        return Err("it is not sure yet that nobody else is there: ask again in a moment".into());
    }
    let both = observed.both_seen.as_ref().filter(|seen| seen.other.address == other);
    let Some(both) = both else {
        return Err("this box never saw both copies whole: its own may lack anything".into());
    };
    if !both.whole {
        let name = &both.other.name;
        return Err(format!(
            "this copy is known to be behind: when {name} was last seen, what it lacks was not \
             healed; switch {name} on, or move its disk into another machine"
        ));
    }
    let manages = observed.swarm.as_ref().is_some_and(|swarm| swarm.manager);
    if !manages && observed.seat.is_none() {
        return Err(
            "this box has no copy of what the Swarm knows: its services, configs and secrets \
             would be lost"
                .into(),
        );
    }
    Ok(both)
}

fn lines(s: &Situation<'_>, seen: &BothSeen) -> Vec<String> {
    let (observed, name, volume) = (s.observed, &seen.other.name, &s.wanted.volume);
    let ago = |at: u64| {
        let now = observed.clock.unix.unwrap_or(at);
        format!("{} ago", span(now.saturating_sub(at)))
    };
    let swarm = match observed.seat {
        Some(at) => format!(
            "the Swarm is led here, with services, configs and secrets as they were {}",
            ago(at)
        ),
        None => "the Swarm is led here".into(),
    };
    vec![
        format!("{name} at {} is taken to be gone for good, and loses its place", {
            seen.other.address
        }),
        format!(
            "{volume} goes on with the copy here; both were last seen whole {}, and what {name} \
             wrote alone since then is lost",
            ago(seen.at)
        ),
        swarm,
        "what runs here is stopped for a moment, and starts again".into(),
        format!(
            "never switch {name} on without its cable: it would go on with its old copy; with \
             its cable it sees this box, sets its copy aside and joins as a new one"
        ),
        "any fresh box with the same site takes its place".into(),
    ]
}

impl LeftBehind {
    /// As the cluster's record keeps it.
    pub(crate) fn retired(&self, at: u64) -> RetiredBox {
        let lost = RetiredBox::lost(self.name.clone(), self.address, at);
        RetiredBox { left_behind: true, ..lost }
    }
}

impl From<(&NodeId, &KnownBox)> for LeftBehind {
    fn from((id, known): (&NodeId, &KnownBox)) -> Self {
        Self { id: id.clone(), name: known.name.clone(), address: known.address }
    }
}

impl Observed {
    /// The box without which this cluster went on, which must not go on beside it: for as
    /// long as a certificate of it may hold.
    pub(crate) fn left(&self) -> Option<NodeId> {
        let noted = self.left_behind.as_ref().map(|left| &left.id);
        let record = self.intent().into_iter().flat_map(|intent| &intent.retired);
        let now = self.clock.unix.unwrap_or(0);
        let left = record.filter(|(_, gone)| gone.left_behind && gone.is_to_be_shut_out(now));
        noted.or_else(|| left.max_by_key(|(_, gone)| gone.at).map(|(id, _)| id)).cloned()
    }
}

impl Situation<'_> {
    /// A box that went on without this one, because a person said that this one was gone
    /// for good.
    pub(crate) fn went_on_without_this(&self) -> Option<&str> {
        let me = self.observed.identity.as_ref()?;
        let other = self.live_kin().find(|m| m.left.as_ref() == Some(&me.id))?;
        Some(&other.name)
    }

    /// The other one of two, for which this one looks before it goes on: while this one,
    /// the first, was off, a person may have let the other one go on alone. Not for long:
    /// who is alone after a power cut is to go on.
    pub(crate) fn looks_for(&self) -> Option<IpAddr> {
        let storage = self.observed.storage.as_ref()?;
        let (first, second) = storage.volume.as_ref()?.pair()?;
        let own = self.observed.identity.as_ref()?.address;
        let swarm = self.observed.membership.as_ref().is_some_and(|m| m.swarm);
        if self.observed.mounted || !swarm || first.address != own {
            return None;
        }
        let other = second.address;
        let storage = storage.peers.iter().any(|p| p.address == other && p.connected);
        let ring = self.live_kin().any(|m| m.address == other);
        let settle = self.wanted.settle_ms;
        let quiet = self.observed.ring.as_ref().is_some_and(|ring| ring.quiet_ms >= settle);
        let cable = self.observed.place.carrier_ms.is_none_or(|ms| ms >= settle);
        (!(storage || ring || quiet && cable)).then_some(other)
    }
}
