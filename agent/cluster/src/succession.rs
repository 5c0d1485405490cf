//! The cluster's CA is replaced: what a person's wish makes of the record, and how far a
//! replacement is. The rest follows from the record (`plan/succession.rs`). Nothing here
//! reads a certificate: they are told apart by fingerprints.

use crate::rotation::{RotationStage, RotationTarget, every_box, leading, tag_of, tag_read};
use crate::situation::Situation;
use crate::{Intent, KeyPrint, KnownBox, Observed, RingMember, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::once;

/// The CAs of one box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cas {
    /// The one that issued its certificate.
    pub shows: KeyPrint,
    /// Those whose certificates it takes besides.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<KeyPrint>,
    /// The one whose key it has and that does not sign yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<KeyPrint>,
}

impl Cas {
    /// Whether it takes certificates of this CA.
    #[must_use]
    pub fn trusts(&self, ca: &KeyPrint) -> bool {
        self.shows == *ca || self.also.contains(ca)
    }

    /// As a tag carries those that it trusts.
    #[must_use]
    pub fn to_tag(&self) -> String {
        tag_of(&self.shows, &self.also)
    }

    /// Reads the tags; `None` if they are none.
    #[must_use]
    pub fn from_tags(tag: &str, next: Option<&str>) -> Option<Self> {
        let (shows, also) = tag_read(tag)?;
        let next = next.and_then(tag_read).map(|(next, _)| next);
        Some(Self { shows, also, next })
    }
}

/// A CA that is to follow, as whoever minted it tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    /// Its fingerprint.
    pub ca: String,
    /// Its certificate, as PEM.
    pub certificate: String,
    /// What the CA before signed of it.
    pub endorsement: String,
}

/// The last replacement of the cluster's CA, as the cluster's record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// The how manieth it is.
    pub number: u64,
    /// The new CA.
    pub ca: KeyPrint,
    /// Its certificate, as PEM: a box that reads it asks nobody for it.
    pub certificate: String,
    /// What the CA before signed of it: without that no box trusts it.
    pub endorsement: String,
    /// How far it is: every box trusts it besides the one before; every box has a
    /// certificate of it; every box trusts no other.
    pub stage: RotationStage,
    /// When a person asked for it, in seconds of the wall clock.
    pub since: u64,
}

impl Succession {
    /// Whether this is news to who knows `other`.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.number, self.stage) > (other.number, other.stage)
    }
}

/// The replacement that this node goes by: the record's, or else what managers told.
#[must_use]
pub fn current_succession(observed: &Observed) -> Option<&Succession> {
    match observed.intent() {
        Some(intent) => intent.ca.as_ref(),
        None => observed.pki.told_succession.as_ref(),
    }
}

/// What replacing the cluster's CA by that one would change, as the leader sees it; and
/// the record that carries it out, unless it is refused.
#[must_use]
pub fn succeed(
    observed: &Observed,
    wanted: &Wanted,
    fresh: &Successor,
) -> (RotationTarget, Option<Intent>) {
    let refused = RotationTarget::refuse;
    let s = Situation::new(observed, wanted);
    let (intent, now, own) = match leading(observed, &s) {
        Ok(leading) => leading,
        Err(why) => return refused(why),
    };
    let boxes = || once(own).chain(s.live_kin());
    if let Some(old) = boxes().find(|m| m.cas.is_none()) {
        return refused(format!(
            "{} runs a release that cannot take another CA by itself: update it first",
            old.name
        ));
    }
    if intent.ring.as_ref().is_some_and(|ring| ring.stage != RotationStage::Only) {
        return refused("the ring's key is being replaced: `ashlarctl ring status`".into());
    }
    if let Some(last) = &intent.ca {
        // Whoever minted it may have died before another box had its key.
        let has =
            |m: &RingMember| m.cas.as_ref().is_some_and(|c| c.next.as_ref() == Some(&last.ca));
        let over = last.stage == RotationStage::Only;
        if !over && (last.stage == RotationStage::Use || boxes().any(has)) {
            return refused("the CA is being replaced already: `ashlarctl pki status`".into());
        }
        let late = boxes().find_map(|m| Some((m, lacks(m, last)?))).filter(|_| over);
        if let Some((late, lacks)) = late {
            return refused(format!("{} {lacks} of the replacement before", late.name));
        }
    }
    let succession = Succession {
        number: intent.ca.as_ref().map_or(1, |ca| ca.number + 1),
        ca: KeyPrint(fresh.ca.clone()),
        certificate: fresh.certificate.clone(),
        endorsement: fresh.endorsement.clone(),
        stage: RotationStage::Spread,
        since: now,
    };
    let many = match boxes().count() {
        1 => "this box".to_owned(),
        n => format!("{n} boxes"),
    };
    let mut lines = vec![
        format!("a new CA is minted, for which the one of now vouches, and {many} trust both"),
        "then each box gets a certificate of the new CA, one after another, and its storage \
         daemon takes it up; who reads and writes goes on"
            .into(),
        "then the CA of now is trusted no more, and no certificate of it opens anything".into(),
    ];
    for known in s.unseen() {
        lines.push(if known.remove {
            format!("{} is away and to be taken out: it is let in no more", known.name)
        } else {
            format!(
                "{} is away: it is waited for only if it went off just now, and takes the new CA \
                 when it is back, while it has its place",
                known.name
            )
        });
    }
    lines.push(
        "the Swarm's own CA stays: it is the engine's, which replaces it with `docker swarm ca \
         --rotate` on a manager"
            .into(),
    );
    let next = Intent { ca: Some(succession), ..intent.clone() };
    (RotationTarget { lines, refused: None }, Some(next))
}

/// One box beside the cluster's CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BoxCas {
    /// Its name.
    pub name: String,
    /// It is seen in the ring.
    pub alive: bool,
    /// Its CAs, if it shows them.
    pub cas: Option<Cas>,
    /// What it still has to do; nothing if it is where the replacement is.
    pub lacks: Option<String>,
}

/// Every box beside the last replacement, as this box sees them.
#[must_use]
pub fn boxes_and_cas(observed: &Observed, wanted: &Wanted) -> Vec<BoxCas> {
    let s = Situation::new(observed, wanted);
    let succession = current_succession(observed);
    let seen = |member: &RingMember| BoxCas {
        name: member.name.clone(),
        alive: true,
        cas: member.cas.clone(),
        lacks: succession.and_then(|succession| lacks(member, succession)),
    };
    let unseen = |known: &KnownBox| {
        let lacks = succession.map(|_| match known.remove {
            true => "is away and to be taken out: it is let in no more".into(),
            false => "is away: it takes the CA when it is back".into(),
        });
        BoxCas { name: known.name.clone(), alive: false, cas: None, lacks }
    };
    every_box(&s, seen, unseen)
}

/// What a live member has still to do for the stage that a replacement is in.
pub(crate) fn lacks(member: &RingMember, succession: &Succession) -> Option<String> {
    let ca = &succession.ca;
    match (&member.cas, succession.stage) {
        (None, _) => Some("does not show its CAs".into()),
        (Some(cas), _) if !cas.trusts(ca) => Some("does not trust the new CA yet".into()),
        (Some(cas), RotationStage::Spread) if member.ca_key && cas.next.as_ref() != Some(ca) => {
            Some("does not have the new CA's key yet".into())
        }
        (Some(cas), RotationStage::Use | RotationStage::Only) if cas.shows != *ca => {
            Some("has no certificate of the new CA yet".into())
        }
        (Some(cas), RotationStage::Only) if !cas.also.is_empty() => {
            Some("still trusts the CA before".into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_box_trusts_is_read_as_its_tags_carry_it() {
        let print = |n: u8| KeyPrint(format!("{n:016x}"));
        let cas = Cas { shows: print(1), also: [print(2)].into(), next: Some(print(2)) };
        let next = cas.next.clone().map(|next| next.0);
        assert_eq!(Cas::from_tags(&cas.to_tag(), next.as_deref()), Some(cas.clone()));
        assert_eq!(Cas::from_tags(&cas.to_tag(), Some("?")), Some(Cas { next: None, ..cas }));
        assert_eq!(Cas::from_tags("of a release to come", None), None);
    }
}
