//! What a box waits for while the volume cannot be written, or nobody schedules: in
//! words for the screen and for alerts alike.

use crate::situation::Situation;
use crate::{Brick, SwarmRole, Volume};
use std::net::IpAddr;

impl Situation<'_> {
    /// What the box at this address is called.
    fn name_at(&self, address: IpAddr) -> String {
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
