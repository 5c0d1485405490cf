//! Two boxes: whose right it is to go on alone, and in words what a box waits for while
//! the volume cannot be written, or nobody schedules.

use crate::situation::Situation;
use crate::{Brick, Hand, Observed, RingMember, SwarmRole, Volume};
use std::net::IpAddr;

impl Volume {
    /// Of two copies the one whose side goes on when the other is gone.
    #[must_use]
    pub const fn decides(&self) -> Option<&Brick> {
        match self.bricks.as_slice() {
            [first, second] => Some(if self.is_handed_over() { second } else { first }),
            _ => None,
        }
    }

    /// Whether that is the second one's, because the first one's box handed over.
    #[must_use]
    pub const fn is_handed_over(&self) -> bool {
        self.turn % 2 == 1 && self.bricks.len() == 2
    }

    /// The turn that follows when the first one gives its right away.
    #[must_use]
    pub const fn turn_of_second(&self) -> u32 {
        self.turn | 1
    }

    /// The turn that follows when the first one has its right again: later than any that
    /// it may have given away without anybody hearing of it.
    #[must_use]
    pub const fn turn_of_first(&self) -> u32 {
        self.turn_of_second().saturating_add(1)
    }
}

impl Observed {
    /// Whether this node gave its right to go on alone away, and is not known to have
    /// it again. What it does not see may have been decided meanwhile.
    pub(crate) fn waits_for_its_turn(&self) -> bool {
        let volume = self.storage.as_ref().and_then(|storage| storage.volume.as_ref());
        self.handed_over.is_some_and(|given| volume.is_none_or(|v| v.turn <= given))
    }
}

impl Situation<'_> {
    /// Whether only another box may have the volume mounted now: two that each wrote by
    /// themselves would part the copies.
    pub(crate) fn yields(&self) -> bool {
        let here = self.observed.identity.as_ref().map(|me| me.address);
        let decides = self.volume().filter(|v| v.is_handed_over()).and_then(Volume::decides);
        self.observed.waits_for_its_turn()
            || self.went_on_without_this().is_some()
            || decides.is_some_and(|b| Some(b.address) != here)
    }

    /// Whether the box at this address is being switched off in order.
    pub(crate) fn goes_down_at(&self, address: IpAddr) -> bool {
        let here = self.observed.identity.as_ref().is_some_and(|me| me.address == address);
        let over = |m: &RingMember| m.address == address && m.hand == Some(Hand::Over);
        (here && self.observed.goes_down) || self.live_kin().any(over)
    }

    /// Of two copies the one whose box should manage: the one that decides, or the other
    /// one while that is being switched off.
    pub(crate) fn seat_of_two<'v>(&self, volume: &'v Volume) -> Option<&'v Brick> {
        let decides = volume.decides()?;
        let other = volume.bricks.iter().find(|b| b.address != decides.address)?;
        let goes = self.goes_down_at(decides.address) && !self.goes_down_at(other.address);
        Some(if goes { other } else { decides })
    }

    /// For whom a box waits that handed over.
    pub(crate) fn who_goes_on(&self) -> String {
        let here = self.observed.identity.as_ref().map(|me| me.address);
        let bricks = self.volume().into_iter().flat_map(|v| &v.bricks);
        let other = bricks.map(|b| b.address).find(|address| Some(*address) != here);
        let Some(other) = other else { return "the box to which it handed over".into() };
        let name = self.name_at(other);
        if self.live_kin().any(|m| m.address == other) {
            return match self.volume().and_then(|v| v.pending_heals).filter(|n| *n > 0) {
                Some(n) => format!("{name} to hand back, when {n} entries are healed"),
                None => format!("{name} to hand back"),
            };
        }
        format!("{name}, which went on when this box was switched off")
    }

    /// What the box at this address is called.
    pub(crate) fn name_at(&self, address: IpAddr) -> String {
        let kin = || self.kin().map(|m| (m.address, &m.name));
        let here = self.observed.identity.iter().map(|me| (me.address, &me.name));
        let mut all = here.chain(kin());
        let named = all.find(|(at, _)| *at == address).map(|(_, name)| name.clone());
        named.unwrap_or_else(|| format!("the box at {address}"))
    }

    /// Why the volume takes no writes, or some of its files do not answer.
    pub(crate) fn unwritable(&self, volume: &Volume) -> String {
        let away = |b: &&Brick| !b.online;
        if let (Some(lone), Some(other)) = (volume.lone(), volume.full().find(away))
            && volume.missed()
        {
            let (here, there) = (self.name_at(lone.address), self.name_at(other.address));
            return format!(
                "waiting for {there}, which has what the copy on {here} missed, as the witness \
                 knows"
            );
        }
        if volume.is_handed_over() && self.yields() {
            return format!("waiting for {}", self.who_goes_on());
        }
        if let [first, second] = volume.bricks.as_slice()
            && !first.online
            && second.online
        {
            let first = self.name_at(first.address);
            return format!("waiting for {first}: of two copies the side of the first decides");
        }
        let down = volume.bricks.iter().filter(away).count();
        let copies = match volume.bricks.len() {
            1 => "1 copy".into(),
            n if volume.arbiter().is_some() || !volume.is_one_set() => format!("{n} bricks"),
            n => format!("{n} copies"),
        };
        format!("{down} of its {copies} are out of reach")
    }

    /// Why nobody gives a worker tasks.
    pub(crate) fn unscheduled(&self) -> String {
        let mut managers = self.kin().filter(|m| m.swarm == Some(SwarmRole::Manager));
        match (managers.next(), managers.next()) {
            (Some(only), None) => {
                format!("waiting for {}, which alone manages the Swarm", only.name)
            }
            _ => "too few managers of the Swarm are in sight".into(),
        }
    }
}
