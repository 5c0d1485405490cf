//! What the cluster remembers and what people decided: a small record in the
//! Swarm's Raft, as a label of the cluster object. The leader alone changes it,
//! by compare-and-swap on the object's version.

use crate::{NodeId, Rotation, Succession};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The label that carries it.
pub const INTENT_LABEL: &str = "ashlar.intent";

/// The newest version of the record that this release reads. It reads those before as
/// well: what they do not say was not so.
const VERSION: u32 = 5;

/// The version of a record in which nobody went on alone.
const FOURTH: u32 = 4;

/// The version of a record in which nobody asked for another CA.
const THIRD: u32 = 3;

/// The version of a record in which nobody asked for another ring key and nobody was
/// struck off at once: the release before reads it.
const BEFORE: u32 = 2;

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Every box that has a place in the cluster, by its id: under an id the
    /// ring, the storage pool and the Swarm each know it by another name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub boxes: BTreeMap<NodeId, KnownBox>,
    /// Boxes that lost theirs, for good.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retired: BTreeMap<NodeId, RetiredBox>,
    /// The last replacement of the ring's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Rotation>,
    /// The last replacement of the cluster's CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Succession>,
}

/// A box that has a place in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBox {
    /// Its host name, by which the Swarm knows it.
    pub name: String,
    /// Its cluster address, by which the storage pool knows it.
    pub address: IpAddr,
    /// Since when it has not been seen, in seconds of the wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_since: Option<u64>,
    /// A person asked for its removal: its grace time is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
}

/// A box that lost its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetiredBox {
    /// The host name that it had.
    pub name: String,
    /// The cluster address that it had.
    pub address: IpAddr,
    /// When it was retired, in seconds of the wall clock.
    pub at: u64,
    /// A person asked for it: it stays out until a person lets it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// A person struck it off at once: it is not asked, and what can shut out its
    /// certificate does. It counts as removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// It showed the CA's key when it was struck off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ca_key: bool,
    /// The other one of two went on without it, because a person said that it was gone
    /// for good: should it come back, nothing may be served to what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
}

impl RetiredBox {
    /// How long after a box was struck off a certificate of it may still hold, in
    /// seconds: the life of one, and a day for clocks.
    pub const OUTLIVED: u64 = 31 * 86_400;

    /// A box that lost its place at that time because nobody saw it any more.
    #[must_use]
    pub const fn lost(name: String, address: IpAddr, at: u64) -> Self {
        let (removed, revoked, ca_key, left_behind) = (false, false, false, false);
        Self { name, address, at, removed, revoked, ca_key, left_behind }
    }

    /// Whether at `now` a certificate may hold of a box that was struck off, or left behind.
    #[must_use]
    pub const fn is_to_be_shut_out(&self, now: u64) -> bool {
        (self.revoked || self.left_behind) && now.saturating_sub(self.at) < Self::OUTLIVED
    }
}

/// As it travels.
#[derive(Serialize)]
struct Envelope<'a> {
    version: u32,
    #[serde(flatten)]
    intent: &'a Intent,
}

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Another release wrote it.
    #[error("it is of version {0}, and this release reads up to version {VERSION}")]
    Version(u64),
    /// It is no record.
    #[error("it is no record of ours: {0}")]
    Broken(String),
}

impl Intent {
    /// As it is written into Raft.
    ///
    /// # Errors
    /// Never: every record is JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        let new = self.ring.is_some() || self.retired.values().any(|gone| gone.revoked);
        let alone = self.retired.values().any(|gone| gone.left_behind);
        let version = match (&self.ca, new) {
            _ if alone => VERSION,
            (Some(_), _) => FOURTH,
            (None, true) => THIRD,
            (None, false) => BEFORE,
        };
        serde_json::to_string(&Envelope { version, intent: self })
    }

    /// Reads what is in Raft.
    ///
    /// # Errors
    /// [`Unreadable`]: nothing cluster-wide may then be changed.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(broken)?;
        let version = value.as_object_mut().and_then(|object| object.remove("version"));
        match version.and_then(|version| version.as_u64()) {
            Some(version) if (1..=u64::from(VERSION)).contains(&version) => {}
            Some(version) => return Err(Unreadable::Version(version)),
            None => return Err(Unreadable::Broken("it names no version".into())),
        }
        serde_json::from_value(value).map_err(broken)
    }
}

/// What this node knows of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Nothing: only a manager of a Swarm with quorum can read it.
    #[default]
    Unknown,
    /// What it says.
    Known(Intent),
    /// It is there and this release cannot read it, for this reason.
    Unreadable(String),
}

impl Record {
    /// What a label says; none is an empty record.
    #[must_use]
    pub fn of_label(label: Option<&str>) -> Self {
        match label.map_or_else(|| Ok(Intent::default()), Intent::decode) {
            Ok(intent) => Self::Known(intent),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    /// The record, if it is known.
    #[must_use]
    pub const fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Known(intent) => Some(intent),
            Self::Unknown | Self::Unreadable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyPrint, RotationStage};

    fn example() -> Intent {
        let address = |n| IpAddr::from([10, 83, 0, n]);
        let known = |n: u8, lost_since, remove| {
            let known =
                KnownBox { name: format!("ashlar-{n}"), address: address(n), lost_since, remove };
            (NodeId(format!("{n}aaa")), known)
        };
        let gone = |n: u8, removed, revoked| {
            let (name, at) = (format!("ashlar-{n}"), 1_790_000_000);
            let (address, ca_key) = (address(n), revoked);
            let left_behind = n == 6;
            let gone = RetiredBox { name, address, at, removed, revoked, ca_key, left_behind };
            (NodeId(format!("{n}aaa")), gone)
        };
        Intent {
            boxes: [known(1, None, false), known(2, Some(1_790_000_100), true)].into(),
            retired: [
                gone(6, false, false),
                gone(7, true, true),
                gone(8, true, false),
                gone(9, false, false),
            ]
            .into(),
            ring: Some(Rotation {
                number: 2,
                key: KeyPrint("00112233445566ff".into()),
                stage: RotationStage::Only,
                since: 1_790_000_200,
                given_out: Some(1_790_000_300),
            }),
            ca: Some(Succession {
                number: 1,
                ca: KeyPrint("8899aabbccddeeff".into()),
                certificate: "-----BEGIN CERTIFICATE-----\n".into(),
                endorsement: "c2lnbmVk".into(),
                stage: RotationStage::Use,
                since: 1_790_000_400,
            }),
        }
    }

    #[test]
    fn the_record_is_written_as_the_golden_file_has_it() {
        let golden = include_str!("../tests/golden/intent-5.json");
        let compact: serde_json::Value = serde_json::from_str(golden).unwrap();
        let written: serde_json::Value =
            serde_json::from_str(&example().encode().unwrap()).unwrap();
        assert_eq!(written, compact);
        assert_eq!(Intent::decode(golden), Ok(example()));
    }

    #[test]
    fn records_of_the_releases_before_are_read() {
        let fourth = include_str!("../tests/golden/intent-4.json");
        let mut intent = example();
        intent.retired.retain(|_, gone| !gone.left_behind);
        assert_eq!(Intent::decode(fourth).as_ref(), Ok(&intent));
        let written: serde_json::Value = serde_json::from_str(&intent.encode().unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(fourth).unwrap());
        let third = include_str!("../tests/golden/intent-3.json");
        intent.ca = None;
        assert_eq!(Intent::decode(third).as_ref(), Ok(&intent));
        let written: serde_json::Value = serde_json::from_str(&intent.encode().unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(third).unwrap());
        let second = include_str!("../tests/golden/intent-2.json");
        intent.ring = None;
        intent.retired.retain(|_, gone| !gone.revoked);
        assert_eq!(Intent::decode(second).as_ref(), Ok(&intent));
        // And the other way round, until somebody asks for what they do not know.
        let written: serde_json::Value = serde_json::from_str(&intent.encode().unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(second).unwrap());
        let first = include_str!("../tests/golden/intent-1.json");
        intent.retired.retain(|_, gone| !gone.removed);
        assert_eq!(Intent::decode(first), Ok(intent));
    }

    #[test]
    fn a_record_of_a_newer_release_is_refused_and_not_guessed_at() {
        let newer = r#"{"version":6,"boxes":{},"rollout":"x"}"#;
        assert_eq!(Intent::decode(newer), Err(Unreadable::Version(6)));
        for broken in ["", "{}", "[]", r#"{"version":1,"boxes":3}"#, r#"{"version":1,"more":1}"#] {
            assert!(matches!(Intent::decode(broken), Err(Unreadable::Broken(_))), "{broken}");
        }
    }

    #[test]
    fn a_swarm_without_a_record_has_an_empty_one() {
        assert_eq!(Record::of_label(None), Record::Known(Intent::default()));
        assert!(matches!(Record::of_label(Some(r#"{"version":6}"#)), Record::Unreadable(_)));
    }
}
