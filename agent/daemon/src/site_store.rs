//! The site's key, in all the places where it stands: in the site, at the head of
//! the ring's keyring, and under the seal of the CA's key.
//!
//! The ring's key may be changed while the cluster runs. Its keyring leads: the
//! node proves itself with its primary key, and brings site and seal after it. So
//! a newcomer with a site of the new key enrols as soon as the new key is used,
//! and the old one may be removed once no node says any more that its ring key was
//! changed.

use crate::paths::Paths;
use crate::ring_keys;
use crate::state;
use anyhow::{Context, Result, bail};
use ashlar_cluster::RingKeys;
use ashlar_pki::{ClusterCa, PkiError, RingKey, Store};
use ashlar_site::{Site, with_ring_key};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::RwLock;
use zeroize::Zeroizing;

/// Keys that a node knows, the one in use first.
pub(crate) type Keys = Vec<Zeroizing<RingKey>>;

/// The keys of one node.
#[derive(Debug)]
pub(crate) struct SiteStore {
    paths: Paths,
    keys: RwLock<Keys>,
}

impl SiteStore {
    /// Those of a node whose site has this key.
    pub(crate) fn open(paths: &Paths, site: &RingKey) -> Self {
        Self { paths: paths.clone(), keys: RwLock::new(keys(paths, site)) }
    }

    /// The key by which this node proves itself.
    pub(crate) fn ring_key(&self) -> Result<Zeroizing<RingKey>> {
        let keys = self.keys.read().ok();
        keys.and_then(|keys| keys.first().cloned()).context("this node knows no ring key")
    }

    /// Looks at the keyring again; says whether the site's key is another than
    /// the ring's.
    pub(crate) fn look(&self) -> Result<bool> {
        let site = self.site()?;
        let now = keys(&self.paths, site.ring_key.as_bytes());
        let changed = now.first().is_some_and(|key| **key != *site.ring_key.as_bytes());
        if let Ok(mut keys) = self.keys.write() {
            *keys = now;
        }
        Ok(changed)
    }

    /// This node's keys as it shows them to the others.
    pub(crate) fn shown(&self) -> Result<RingKeys> {
        let site = self.site()?;
        let uses = ring_keys::print(site.ring_key.as_bytes());
        let keys = self.keys.read().map(|keys| keys.clone()).unwrap_or_default();
        let all = keys.iter().map(|key| ring_keys::print(key));
        let also = all.filter(|key| *key != uses).collect();
        Ok(RingKeys { uses, also })
    }

    /// The CA with its key, under whichever key of this node its seal opens.
    pub(crate) fn authority(&self, store: &Store) -> Result<Option<ClusterCa>> {
        let keys = self.keys.read().map(|keys| keys.clone()).unwrap_or_default();
        open(store, &keys)
    }

    /// The same for the CA that is to follow.
    pub(crate) fn next_authority(&self, store: &Store) -> Result<Option<ClusterCa>> {
        let keys = self.keys.read().map(|keys| keys.clone()).unwrap_or_default();
        open_next(store, &keys)
    }

    /// Brings seal and site after the ring's key. The site comes last: until then
    /// the old key is known, and a power cut leaves what is done again.
    pub(crate) fn adopt(&self, store: &Store) -> Result<()> {
        self.look()?;
        let new = self.ring_key()?;
        if let Some(ca) = self.authority(store)? {
            store.keep_authority(&ca, &new)?;
        }
        if let Some(next) = self.next_authority(store)? {
            store.keep_next(&next, &new)?;
        }
        let site = self.site()?;
        let path = self.paths.site();
        let text = Zeroizing::new(
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?,
        );
        let text = with_ring_key(&text, &site.ring_key, &ashlar_site::RingKey::new(*new));
        if Site::parse(&text, &path)?.ring_key.as_bytes() != &*new {
            bail!("cannot write the ring's new key into {}: edit it by hand", path.display());
        }
        state::write(&path, text.as_bytes(), 0o600)?;
        self.look().map(drop)
    }

    fn site(&self) -> Result<Site> {
        Ok(Site::load(&self.paths.site())?)
    }
}

/// Writes the keyring of a node that has none: the ring rewrites it when keys are
/// changed. One that was cut short by a power failure is replaced, because with it
/// the node would be dead.
pub(crate) fn make_keyring(paths: &Paths, site: &RingKey) -> Result<()> {
    state::make_private_dir(&paths.ring())?;
    if keyring(paths).is_some() { Ok(()) } else { write_keyring(paths, &[Zeroizing::new(*site)]) }
}

/// Gives a node that was away while the ring's key was changed the new one, with
/// the text of its new site. In this order, so that a power cut leaves what is
/// done again: the new site comes last.
pub(crate) fn rekey(paths: &Paths, old: &RingKey, new: &RingKey, text: &str) -> Result<()> {
    let store = Store::open(paths.pki())?;
    let mut known = vec![Zeroizing::new(*new)];
    known.extend(keys(paths, old));
    if let Some(ca) = open(&store, &known)? {
        store.keep_authority(&ca, new)?;
    }
    if let Some(next) = open_next(&store, &known)? {
        store.keep_next(&next, new)?;
    }
    state::make_private_dir(&paths.ring())?;
    write_keyring(paths, &[Zeroizing::new(*new)])?;
    state::write(&paths.site(), text.as_bytes(), 0o600)
}

fn open(store: &Store, keys: &[Zeroizing<RingKey>]) -> Result<Option<ClusterCa>> {
    open_with(keys, |key| store.authority(key))
}

fn open_next(store: &Store, keys: &[Zeroizing<RingKey>]) -> Result<Option<ClusterCa>> {
    open_with(keys, |key| store.next_authority(key))
}

fn open_with(
    keys: &[Zeroizing<RingKey>],
    with: impl Fn(&RingKey) -> Result<Option<ClusterCa>, PkiError>,
) -> Result<Option<ClusterCa>> {
    let mut refused = None;
    for key in keys {
        match with(key) {
            Ok(ca) => return Ok(ca),
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(None), |error| Err(error.into()))
}

pub(crate) fn write_keyring(paths: &Paths, keys: &[Zeroizing<RingKey>]) -> Result<()> {
    let keys: Vec<_> = keys.iter().map(|key| encode(key)).collect();
    let texts: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
    let json = Zeroizing::new(serde_json::to_vec(&texts)?);
    state::write(&paths.keyring(), &json, 0o600)
}

fn encode(key: &RingKey) -> Zeroizing<String> {
    Zeroizing::new(BASE64_STANDARD.encode(key))
}

/// Every ring key that a node whose site has this one knows, the one in use first: with
/// those that are not in its keyring.
pub(crate) fn all_keys(paths: &Paths, site: &RingKey) -> Keys {
    let mut all = keys(paths, site);
    for further in [ring_keys::former(paths), ring_keys::next(paths)] {
        match further {
            Ok(key) => all.extend(key),
            Err(error) => tracing::warn!("a ring key of this node cannot be read: {error:#}"),
        }
    }
    all
}

/// The keys of the keyring, the one in use first. An error for one that cannot be read:
/// what is written after that would lose a key.
pub(crate) fn keyring_keys(paths: &Paths) -> Result<Keys> {
    let keyring = keyring(paths);
    let keyring = keyring.with_context(|| format!("cannot read {}", paths.keyring().display()))?;
    Ok(keyring.iter().filter_map(|text| decode(text)).collect())
}

/// The keyring's keys, the primary one first, and after them the site's. The ring
/// takes shorter keys as well, which no site can have: those prove nothing here.
fn keys(paths: &Paths, site: &RingKey) -> Keys {
    let mut all = Keys::new();
    for text in keyring(paths).unwrap_or_default() {
        all.extend(decode(&text));
    }
    if all.iter().all(|key| **key != *site) {
        all.push(Zeroizing::new(*site));
    }
    all
}

fn decode(text: &str) -> Option<Zeroizing<RingKey>> {
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(text.as_bytes()).unwrap_or_default());
    RingKey::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

/// What the keyring's file holds; `None` for one that is missing or broken.
fn keyring(paths: &Paths) -> Option<Vec<Zeroizing<String>>> {
    let bytes = std::fs::read(paths.keyring()).ok().map(Zeroizing::new)?;
    let keys: Vec<String> = serde_json::from_slice(&bytes).ok()?;
    (!keys.is_empty()).then(|| keys.into_iter().map(Zeroizing::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_pki::NodeSubject;
    use jiff::Timestamp;

    const OLD: RingKey = [7; 32];
    const NEW: RingKey = [9; 32];

    fn site(key: &RingKey) -> String {
        format!(
            "# Of the shop in the mall.\nversion = 1\nname = \"demo\"\nring-key = \"{}\"\n",
            *encode(key)
        )
    }

    /// A founder with the old key everywhere.
    fn founder() -> (tempfile::TempDir, Paths, Store) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        state::make_private_dir(&paths.state()).unwrap();
        state::write(&paths.site(), site(&OLD).as_bytes(), 0o600).unwrap();
        make_keyring(&paths, &OLD).unwrap();
        let store = Store::open(paths.pki()).unwrap();
        let subject = NodeSubject::new("ab12", "ashlar-ab12", [10, 83, 0, 1].into()).unwrap();
        let now = Timestamp::now();
        store.found("c0ffee", &subject, &OLD, now, now).unwrap();
        (root, paths, store)
    }

    /// The keyring as the ring writes it when a key is installed, used, removed.
    fn ring_has(paths: &Paths, keys: &[RingKey]) {
        let keys: Vec<_> = keys.iter().map(|key| encode(key).to_string()).collect();
        std::fs::write(paths.keyring(), serde_json::to_string(&keys).unwrap()).unwrap();
    }

    #[test]
    fn site_and_seal_follow_a_key_that_the_ring_uses() {
        let (_root, paths, store) = founder();
        let keys = SiteStore::open(&paths, &OLD);
        ring_has(&paths, &[OLD, NEW]);
        assert!(!keys.look().unwrap(), "it is installed and not used yet");
        ring_has(&paths, &[NEW, OLD]);
        assert!(keys.look().unwrap());
        assert_eq!(*keys.ring_key().unwrap(), NEW);
        assert!(keys.authority(&store).unwrap().is_some(), "the old key opens the seal still");
        keys.adopt(&store).unwrap();
        assert!(!keys.look().unwrap());
        let now = Site::load(&paths.site()).unwrap();
        assert_eq!(*now.ring_key.as_bytes(), NEW);
        assert_eq!(now.former_keys.len(), 1, "disks of before are known still");
        ring_has(&paths, &[NEW]);
        let again = SiteStore::open(&paths, &NEW);
        assert!(again.authority(&store).unwrap().is_some(), "and so does the new one alone");
    }

    #[test]
    fn a_power_cut_while_the_key_is_taken_up_loses_nothing() {
        let (_root, paths, store) = founder();
        ring_has(&paths, &[NEW, OLD]);
        let keys = SiteStore::open(&paths, &OLD);
        let ca = keys.authority(&store).unwrap().unwrap();
        // Cut after the seal and before the site.
        store.keep_authority(&ca, &NEW).unwrap();
        let keys = SiteStore::open(&paths, &OLD);
        assert!(keys.look().unwrap());
        keys.adopt(&store).unwrap();
        assert!(keys.authority(&store).unwrap().is_some());
    }

    #[test]
    fn a_node_that_was_away_is_given_the_new_key_at_any_moment_of_a_power_cut() {
        for cut in 0..3 {
            let (_root, paths, store) = founder();
            let ca = store.authority(&OLD).unwrap().unwrap();
            if cut > 0 {
                store.keep_authority(&ca, &NEW).unwrap();
            }
            if cut > 1 {
                ring_has(&paths, &[NEW]);
            }
            rekey(&paths, &OLD, &NEW, &site(&NEW)).unwrap();
            let keys = SiteStore::open(&paths, &NEW);
            assert!(!keys.look().unwrap());
            assert!(keys.authority(&store).unwrap().is_some());
        }
    }

    #[test]
    fn a_short_key_in_the_ring_blinds_nobody() {
        let (_root, paths, store) = founder();
        let short = BASE64_STANDARD.encode([1; 16]);
        let keys = SiteStore::open(&paths, &OLD);
        std::fs::write(paths.keyring(), format!(r#"["{short}","{}"]"#, *encode(&OLD))).unwrap();
        assert!(!keys.look().unwrap());
        assert!(keys.authority(&store).unwrap().is_some());
    }

    #[test]
    fn a_keyring_that_was_cut_short_is_replaced_and_a_whole_one_kept() {
        let (_root, paths, _) = founder();
        let first = std::fs::read_to_string(paths.keyring()).unwrap();
        std::fs::write(paths.keyring(), "[\"ne").unwrap();
        make_keyring(&paths, &OLD).unwrap();
        assert_eq!(std::fs::read_to_string(paths.keyring()).unwrap(), first);
        ring_has(&paths, &[NEW]);
        make_keyring(&paths, &OLD).unwrap();
        assert_ne!(std::fs::read_to_string(paths.keyring()).unwrap(), first);
    }
}
