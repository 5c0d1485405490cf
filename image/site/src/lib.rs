//! What a node is given.
//!
//! A [`Site`] is one customer's cluster. Its file, `keys/<name>/site.toml`, is the
//! only secret a node is given; it never enters an image. [`AgentSettings`] is
//! what the node's profile tells its agent; they are in the image and no secret.
//! Builder and agent read both with this crate, so that they agree.
//!
//! ```text
//! ashlar site new ─► Site::generate ─► site.toml ─► seed of the disk ─► agent ─► wiped
//! ```
//!
//! * [`Site::generate`] makes one with keys of its own, [`Site::load`] reads one from a
//!   file that nobody else may read, [`Site::parse`] from a text. Each is checked as a
//!   whole: a [`SiteError`] names the file, the key and what was expected.
//! * What a site decides: its name, its keys and who may ask for it
//!   ([`PeopleRules`], [`with_people`]), the cluster's network and the way out
//!   ([`NetworkPlan`], [`Proxy`], [`Wifi`], [`Bond`]), the time ([`TimeRules`]), the
//!   screen's PIN ([`ConsoleRules`]) and which disk an installer may take
//!   ([`InstallRules`]).
//! * Texts that people wrote keep their comments and order when a program changes
//!   something in them ([`with_ring_key`]).
//! * Secrets are [`SecretText`]s: wiped from memory, and in no log.
//! * [`whole_file`] writes files whole or not at all, with the mode of a secret.

mod address;
mod check;
mod console;
mod error;
mod form;
mod install;
mod network;
mod network_check;
mod people;
mod replaced;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod settings;
mod ssh_key;
mod text;
mod time;
mod way_out;
pub mod whole_file;

pub use console::{ConsoleRules, NotAPin, PinHash};
pub use error::{SiteError, quoted};
pub use form::is_name;
pub use install::{DiskBus, InstallRules, Take};
pub use network::{Bond, NetworkPlan, Pools, Proxy, SiteNode, Wifi};
pub use people::{PeopleRules, with_people};
pub use replaced::with_ring_key;
#[cfg(feature = "schema")]
pub use schema::schema;
pub use secret::SecretText;
pub use settings::{AgentSettings, RingSettings, StorageDriver, StorageSettings, SwarmSettings};
pub use ssh_key::{NotAnSshKey, check_ssh_key};
pub use time::TimeRules;
pub use way_out::{TypedWayOut, WithWayOut};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `site.toml`, version 1.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    /// Format version: 1.
    pub version: u32,
    /// Name: a DNS label of at most 25 characters. Also the mDNS service that the
    /// ring is found by.
    pub name: String,
    /// Gossip key: 32 bytes.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub ring_key: RingKey,
    /// By what disks are known that were written while the site had another ring key:
    /// eight bytes of a hash of each, in hex. A box adds one when its key is replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<String>,
    /// How many nodes must be present before the cluster is founded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u8>,
    /// For how many seconds a box that is lost keeps its place, before another one
    /// may take it; three days unless it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    /// Public keys that may log in as root, to the verbs of `ashlarctl`; to a shell if
    /// the image has the overlay `shell`. Empty: SSH stays off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// Addresses and how nodes get them.
    #[serde(default)]
    pub network: NetworkPlan,
    /// The boxes' clocks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time: TimeRules,
    /// The boxes' screens and keyboards.
    #[serde(default, skip_serializing_if = "is_default")]
    pub console: ConsoleRules,
    /// Who may look after the boxes from elsewhere.
    #[serde(default, skip_serializing_if = "is_default")]
    pub people: PeopleRules,
    /// How an installer of this site chooses a box's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<InstallRules>,
}

/// Nothing was said.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What [`Site::generate`] is told besides the name.
#[derive(Clone, Debug, Default)]
pub struct SiteOptions {
    /// See [`Site::expect`].
    pub expect: Option<u8>,
    /// See [`Site::ssh_keys`].
    pub ssh_keys: Vec<String>,
    /// See [`Site::network`].
    pub network: NetworkPlan,
    /// See [`Site::console`].
    pub console: ConsoleRules,
}

impl Site {
    /// The format version that this program reads and writes.
    pub const VERSION: u32 = 1;

    /// A site of this name and key that says nothing else.
    #[must_use]
    pub fn new(name: &str, ring_key: RingKey) -> Self {
        Self {
            version: Self::VERSION,
            name: name.to_owned(),
            ring_key,
            former_keys: Vec::new(),
            expect: None,
            grace_seconds: None,
            ssh_keys: Vec::new(),
            network: NetworkPlan::default(),
            time: TimeRules::default(),
            console: ConsoleRules::default(),
            people: PeopleRules::default(),
            install: None,
        }
    }

    /// A new site with a ring key from the operating system's generator.
    ///
    /// # Errors
    /// When a value is none, or the operating system has no randomness.
    pub fn generate(name: &str, options: SiteOptions) -> Result<Self, SiteError> {
        let SiteOptions { expect, ssh_keys, network, console } = options;
        let ring_key = RingKey::generate().map_err(|_| SiteError::NoRandomness)?;
        let site = Self { expect, ssh_keys, network, console, ..Self::new(name, ring_key) };
        site.check().map_err(|problem| problem.without_file())?;
        Ok(site)
    }
}

/// The ring's AES-256 key, written as base64. Wiped from memory when dropped;
/// its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RingKey([u8; 32]);

impl RingKey {
    /// Wraps 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A random key.
    fn generate() -> Result<Self, rand::rand_core::OsError> {
        use rand::TryRngCore;
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        rand::rngs::OsRng.try_fill_bytes(bytes.as_mut_slice())?;
        Ok(Self(*bytes))
    }

    /// Eight bytes of a hash, in hex: tells two keys apart and nothing more.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.tag(b"ashlar ring key\n"))
    }

    /// Eight bytes that stand for this key where it must not be: a hash of it, for
    /// one purpose that nothing else is hashed for.
    #[must_use]
    pub fn tag(&self, purpose: &[u8]) -> [u8; 8] {
        use sha2::{Digest, Sha256};
        let hash = Sha256::new().chain_update(purpose).chain_update(self.0).finalize();
        let mut tag = [0; 8];
        for (byte, hashed) in tag.iter_mut().zip(hash) {
            *byte = hashed;
        }
        tag
    }

    /// By what a disk of this key's site is known.
    #[must_use]
    pub fn disk_tag(&self) -> [u8; 8] {
        self.tag(b"ashlar: the boot partition of a site\n")
    }

    /// How this key is called by boxes whose site had it before, and tell so.
    #[must_use]
    pub fn replaced_mark(&self) -> String {
        replaced::replaced_mark(&hex::encode(self.disk_tag()))
    }

    /// The raw key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for RingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RingKey(…)")
    }
}

impl Serialize for RingKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let mut text = BASE64_STANDARD.encode(self.0);
        let done = serializer.serialize_str(&text);
        text.zeroize();
        done
    }
}

impl<'de> Deserialize<'de> for RingKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let text = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
        let bytes =
            zeroize::Zeroizing::new(BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| {
                serde::de::Error::custom("a ring key is 32 bytes in base64 (44 characters)")
            })?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
            serde::de::Error::custom(format!(
                "a ring key is 32 bytes in base64; this one has {} bytes",
                bytes.len()
            ))
        })?;
        Ok(Self(key))
    }
}
