//! A person lets this cluster dissolve into another one of its site: what that takes away,
//! and whether it can be done. The rest follows from what each box then writes down
//! (`plan/meeting.rs`).

use crate::situation::Situation;
use crate::{ClusterId, MemberStatus, Observed, Wanted};
use serde::{Deserialize, Serialize};

/// How many letters of a cluster's id are enough to name it, if no other begins so.
const ENOUGH: usize = 4;

/// What would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Merging {
    /// The cluster that dissolves: this box's own.
    pub from: Option<ClusterId>,
    /// The one that goes on.
    pub into: Option<ClusterId>,
    /// What is lost, set aside and kept, a line each.
    pub lines: Vec<String>,
    /// Boxes of this cluster that are not seen, and cannot be told.
    pub away: Vec<String>,
    /// Why it is refused, and nothing is done.
    pub refused: Option<String>,
}

/// What it would change if this node's cluster dissolved into the one that is named.
#[must_use]
pub fn merging(observed: &Observed, wanted: &Wanted, into: &str) -> Merging {
    let s = Situation::new(observed, wanted);
    match merges(&s, into) {
        Ok(merging) => merging,
        Err(why) => Merging { refused: Some(why), ..Merging::default() },
    }
}

fn merges(s: &Situation<'_>, named: &str) -> Result<Merging, String> {
    let own = s.observed.membership.as_ref().map(|m| &m.cluster);
    let own = own.ok_or("this box belongs to no cluster")?;
    if own.0 == named {
        return Err(format!(
            "{named} is this box's own cluster, which would dissolve: name the other one"
        ));
    }
    let clusters = s.clusters();
    let others = || clusters.iter().filter(|(id, _)| **id != own);
    let fits = |id: &ClusterId| id.0 == named || (named.len() >= ENOUGH && id.0.starts_with(named));
    let mut fitting = others().filter(|(id, _)| fits(id));
    let (Some((into, other)), None) = (fitting.next(), fitting.next()) else {
        let seen: Vec<_> = others().map(|(id, _)| id.0.as_str()).collect();
        return Err(match seen.as_slice() {
            [] => "no other cluster of this site is in sight".into(),
            seen => format!("in sight are {}, and none of them is {named}", seen.join(" and ")),
        });
    };
    if other.yields == Some(own) {
        return Err(format!("cluster {into} dissolves into this one already"));
    }
    if let Some(elsewhere) = other.yields {
        return Err(format!("cluster {into} dissolves itself, into {elsewhere}"));
    }
    if !other.takes(s.wanted) {
        return Err(format!(
            "nobody in sight of cluster {into} can let boxes in: it lacks a box that holds its \
             key or manages its Swarm"
        ));
    }
    let here = clusters.get(own).map_or_else(String::new, |found| found.names());
    let mut lines = vec![format!(
        "cluster {own} ends; new boxes of cluster {into} ({}), with new names: {here}",
        other.names()
    )];
    if s.wanted.storage {
        let volume = &s.wanted.volume;
        if s.observed.files == Some(false) {
            lines.push(format!("{volume} of cluster {own} is empty"));
        } else {
            lines.push(format!(
                "what is in {volume} of cluster {own} is set aside, and is not in /srv/cluster any \
                 more; nothing of it is deleted"
            ));
            lines.extend(copies(s));
        }
    }
    if s.wanted.swarm {
        match s.observed.swarm.as_ref().and_then(|swarm| swarm.of_people.as_ref()) {
            Some(found) if found.is_empty() => {
                lines.push("its Swarm runs nothing but what the recipe ships".into());
            }
            Some(found) => lines.extend(found.iter().map(|what| format!("{what} is lost"))),
            None => lines.push(
                "services, configs and secrets of its Swarm are lost; this box does not manage it, \
                 and cannot name them"
                    .into(),
            ),
        }
        lines.push("local volumes of its containers stay on the box that has them".into());
    }
    let away = away(s);
    if !away.is_empty() {
        lines.push(format!(
            "{} is not seen and cannot be told: when it comes back it is of cluster {own} still, \
             until it is asked itself",
            away.join(", ")
        ));
    }
    let (from, into) = (Some(own.clone()), Some((*into).clone()));
    Ok(Merging { from, into, lines, away, refused: None })
}

/// Where each copy of the volume is set aside, by the name that its box has until then.
fn copies(s: &Situation<'_>) -> impl Iterator<Item = String> {
    let bricks = s.volume().into_iter().flat_map(|volume| &volume.bricks);
    bricks.filter_map(|brick| {
        let me = s.observed.identity.as_ref().filter(|me| me.address == brick.address);
        let member = || s.kin().find(|m| m.address == brick.address);
        let (name, id) = match me {
            Some(me) => (&me.name, &me.id),
            None => member().and_then(|m| Some((&m.name, m.id.as_ref()?)))?,
        };
        let volume = &s.wanted.volume;
        Some(format!("on {name} it is in /data/bricks/{volume}/set-aside-{id}"))
    })
}

/// Boxes with a place in this cluster that are not seen.
fn away(s: &Situation<'_>) -> Vec<String> {
    let failed = s.kin().filter(|m| m.status != MemberStatus::Alive).map(|m| m.name.clone());
    let lost = s.unseen().map(|known| known.name.clone());
    let mut all: Vec<_> = failed.chain(lost).collect();
    all.sort();
    all.dedup();
    all
}
