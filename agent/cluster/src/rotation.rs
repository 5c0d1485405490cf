//! The ring's key is replaced: what a person's wish makes of the record, and how far
//! a replacement is. The rest follows from the record (`plan/rotation.rs`). Nothing
//! here holds a key: they are told apart by fingerprints.

use crate::situation::Situation;
use crate::{Intent, KnownBox, Observed, RingMember, Wanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::iter::once;
use std::net::IpAddr;

/// The fingerprint of a ring key, or of a CA: eight bytes of a hash, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyPrint(pub String);

impl std::fmt::Display for KeyPrint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// The ring keys of one box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RingKeys {
    /// The one that it seals with, and that its site and the CA's seal have.
    pub uses: KeyPrint,
    /// Those that it reads besides.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub also: BTreeSet<KeyPrint>,
}

/// Of the keys that a box reads besides, so many are shown to the others: a tag is short.
const SHOWN: usize = 8;

impl RingKeys {
    /// Whether it reads what is sealed with this key.
    #[must_use]
    pub fn has(&self, key: &KeyPrint) -> bool {
        self.uses == *key || self.also.contains(key)
    }

    /// As much of it as a tag carries.
    #[must_use]
    pub fn shown(&self) -> Self {
        Self { uses: self.uses.clone(), also: self.also.iter().take(SHOWN).cloned().collect() }
    }

    /// As a tag carries it.
    #[must_use]
    pub fn to_tag(&self) -> String {
        tag_of(&self.uses, &self.also)
    }

    /// Reads a tag; `None` if it is none.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let (uses, also) = tag_read(tag)?;
        Some(Self { uses, also })
    }
}

/// One fingerprint and those besides, as a tag carries them.
pub(crate) fn tag_of(first: &KeyPrint, also: &BTreeSet<KeyPrint>) -> String {
    let all: Vec<_> = once(first).chain(also.iter().take(SHOWN)).map(|p| p.0.as_str()).collect();
    all.join("+")
}

/// The same the other way round; `None` if it is none.
pub(crate) fn tag_read(tag: &str) -> Option<(KeyPrint, BTreeSet<KeyPrint>)> {
    let is_print = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut prints = tag.split('+').filter(|text| is_print(text)).map(|text| KeyPrint(text.into()));
    Some((prints.next()?, prints.take(SHOWN).collect()))
}

/// How far a replacement is. Each stage begins only when the one before has come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RotationStage {
    /// Every box reads the new key besides the old one.
    Spread,
    /// Every box seals with the new one.
    Use,
    /// Every box forgets the old one.
    Only,
}

/// The last replacement of the ring's key, as the cluster's record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The how manieth it is.
    pub number: u64,
    /// The new key.
    pub key: KeyPrint,
    /// How far it is.
    pub stage: RotationStage,
    /// When a person asked for it, in seconds of the wall clock.
    pub since: u64,
    /// When the site with the new key was given out, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_out: Option<u64>,
}

impl Rotation {
    /// Whether this is news to who knows `other`.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.number, self.stage) > (other.number, other.stage)
    }
}

/// What managers of the Swarm said of a replacement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldRotation {
    /// The newest that any of them told of.
    pub rotation: Rotation,
    /// Where its key is to be had.
    pub at: BTreeSet<IpAddr>,
}

/// The replacement that this node goes by: the record's, or else what managers told.
#[must_use]
pub fn current_rotation(observed: &Observed) -> Option<&Rotation> {
    match observed.intent() {
        Some(intent) => intent.ring.as_ref(),
        None => observed.pki.told_rotation.as_ref().map(|told| &told.rotation),
    }
}

/// What a person's wish for a new ring key would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RotationTarget {
    /// What changes, a line each.
    pub lines: Vec<String>,
    /// Why it is refused, and nothing is done.
    pub refused: Option<String>,
}

impl RotationTarget {
    /// Nothing changes, and no record carries it out.
    pub(crate) fn refuse(why: String) -> (Self, Option<Intent>) {
        (Self { refused: Some(why), ..Self::default() }, None)
    }
}

/// What a box rests on that replaces something of every box: the record that it leads by,
/// the time, and its own entry in the ring.
///
/// # Errors
/// Why it may not.
pub(crate) fn leading<'a>(
    observed: &'a Observed,
    s: &Situation<'a>,
) -> Result<(&'a Intent, u64, &'a RingMember), String> {
    let intent = observed.intent_as_leader().ok_or("this box does not lead the cluster")?;
    let now = observed.clock.unix.ok_or("this box's clock cannot be right")?;
    let own = s.own_entry().ok_or("the ring does not answer")?;
    Ok((intent, now, own))
}

/// What replacing the ring's key by that one would change, as the leader sees it; and the
/// record that carries it out, unless it is refused.
#[must_use]
pub fn rotate(
    observed: &Observed,
    wanted: &Wanted,
    fresh: &KeyPrint,
) -> (RotationTarget, Option<Intent>) {
    let refused = RotationTarget::refuse;
    let s = Situation::new(observed, wanted);
    let (intent, now, own) = match leading(observed, &s) {
        Ok(leading) => leading,
        Err(why) => return refused(why),
    };
    let boxes = || once(own).chain(s.live_kin());
    if let Some(old) = boxes().find(|m| m.keys.is_none()) {
        return refused(format!(
            "{} runs a release that cannot take a new key by itself: update it first",
            old.name
        ));
    }
    if intent.ca.as_ref().is_some_and(|ca| ca.stage != RotationStage::Only) {
        return refused("the cluster's CA is being replaced: `ashlarctl pki status`".into());
    }
    if let Some(under_way) = intent.ring.as_ref().filter(|r| r.stage != RotationStage::Only) {
        let has = |m: &RingMember| m.keys.as_ref().is_some_and(|keys| keys.has(&under_way.key));
        let here = observed.pki.next_key.as_ref() == Some(&under_way.key);
        if here || boxes().any(has) {
            return refused("the key is being replaced already: `ashlarctl ring status`".into());
        }
    }
    let number = intent.ring.as_ref().map_or(1, |ring| ring.number + 1);
    let rotation = Rotation {
        number,
        key: fresh.clone(),
        stage: RotationStage::Spread,
        since: now,
        given_out: None,
    };
    let many = match boxes().count() {
        1 => "this box takes the new key, then uses it, then forgets the old one".into(),
        n => format!(
            "{n} boxes take the new key over mutual TLS, then use it, then forget the old one"
        ),
    };
    let mut lines = vec![
        many,
        "the CA's key is sealed anew wherever it is, and every site on a box has the new key"
            .into(),
    ];
    for known in s.unseen() {
        lines.push(if known.remove {
            format!("{} is away and to be taken out: it is not given the key", known.name)
        } else {
            format!(
                "{} is away: it takes the key when it is back, while it has its place",
                known.name
            )
        });
    }
    lines.push(
        "sticks and files with the old site let in no box any more: `ashlarctl ring site` gives \
         out the new one"
            .into(),
    );
    lines.push("passes go on until the key after this one; make new ones before".into());
    let next = Intent { ring: Some(rotation), ..intent.clone() };
    (RotationTarget { lines, refused: None }, Some(next))
}

/// The record with the note that the new site was given out, which happens once.
/// # Errors
/// Why it is not given out.
pub fn give_out(observed: &Observed) -> Result<Intent, String> {
    let intent = observed.intent_as_leader().ok_or("this box does not lead the cluster")?;
    let rotation = intent.ring.as_ref().ok_or("the ring's key was never replaced")?;
    if rotation.stage == RotationStage::Spread {
        return Err("not every box has the new key yet: `ashlarctl ring status`".into());
    }
    if rotation.given_out.is_some() {
        return Err("the new site was given out already; root has it on every box, by \
                    `ashlarctl ring site` there"
            .into());
    }
    let now = observed.clock.unix.ok_or("this box's clock cannot be right")?;
    let rotation = Rotation { given_out: Some(now), ..rotation.clone() };
    Ok(Intent { ring: Some(rotation), ..intent.clone() })
}

/// One box beside the ring's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BoxKeys {
    /// Its name.
    pub name: String,
    /// It is seen in the ring.
    pub alive: bool,
    /// Its keys, if it shows them.
    pub keys: Option<RingKeys>,
    /// What it still has to do; nothing if it is where the replacement is.
    pub lacks: Option<String>,
}

/// Every box beside the last replacement, as the leader sees them.
#[must_use]
pub fn boxes_and_keys(observed: &Observed, wanted: &Wanted) -> Vec<BoxKeys> {
    let s = Situation::new(observed, wanted);
    let rotation = current_rotation(observed);
    let seen = |member: &RingMember| BoxKeys {
        name: member.name.clone(),
        alive: true,
        keys: member.keys.clone(),
        lacks: rotation.and_then(|rotation| lacks(member, rotation)),
    };
    let unseen = |known: &KnownBox| {
        let lacks = rotation.map(|_| match known.remove {
            true => "is away and to be taken out: it is not given the key".into(),
            false => "is away: it asks for the key when it is back".into(),
        });
        BoxKeys { name: known.name.clone(), alive: false, keys: None, lacks }
    };
    every_box(&s, seen, unseen)
}

/// What is told of every box that has a place, in the order of their names.
pub(crate) fn every_box<T>(
    s: &Situation<'_>,
    seen: impl Fn(&RingMember) -> T,
    unseen: impl Fn(&KnownBox) -> T,
) -> Vec<T> {
    let alive = s.own_entry().into_iter().chain(s.live_kin());
    let alive = alive.map(|member| (member.name.as_str(), seen(member)));
    let away = s.unseen().map(|known| (known.name.as_str(), unseen(known)));
    let mut all: Vec<_> = alive.chain(away).collect();
    all.sort_by_key(|(name, _)| *name);
    all.into_iter().map(|(_, told)| told).collect()
}

/// What a live member has still to do for the stage that a replacement is in.
pub(crate) fn lacks(member: &RingMember, rotation: &Rotation) -> Option<String> {
    let key = &rotation.key;
    match &member.keys {
        Some(keys) if !keys.has(key) => Some("has not taken the new key yet".into()),
        Some(keys) if rotation.stage >= RotationStage::Use && keys.uses != *key => {
            Some("does not use the new key yet".into())
        }
        Some(keys) if rotation.stage == RotationStage::Only && !keys.also.is_empty() => {
            Some("has not forgotten the old key yet".into())
        }
        Some(_) => None,
        None => Some("does not show its keys".into()),
    }
}
