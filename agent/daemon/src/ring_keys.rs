//! The ring's keys on this node while one is replaced: taken over mutual TLS, used,
//! forgotten. Each change is a whole new keyring, so that a power cut leaves the one or
//! the other.
//!
//! Two keys are not in the keyring: one that was made here and is not in the ring yet,
//! and the one before the ring's, by which passes of before know this box.

use crate::host::Host;
use crate::node::Node;
use crate::paths::Paths;
use crate::ring::Ring;
use crate::site_store::{self, Keys};
use crate::state::{self, Versioned};
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Context, Result};
use ashlar_api::Secret;
use ashlar_cluster::KeyPrint;
use ashlar_pki::RingKey;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use zeroize::Zeroizing;

/// The version of the files that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned = Versioned {
    reads: VERSION..=VERSION,
    cure: "go back to the newer release, until the ring's key is replaced",
};

/// `next-key.json`, `former-key.json`.
#[derive(Serialize, Deserialize)]
struct KeptKey {
    version: u32,
    key: Secret,
}

/// How a key is called where it must not stand.
pub(crate) fn print(key: &RingKey) -> KeyPrint {
    KeyPrint(ashlar_site::RingKey::new(*key).fingerprint())
}

/// The key that was made here and is not in the ring yet.
pub(crate) fn next(paths: &Paths) -> Result<Option<Zeroizing<RingKey>>> {
    kept(&paths.next_ring_key())
}

/// The key before the ring's.
pub(crate) fn former(paths: &Paths) -> Result<Option<Zeroizing<RingKey>>> {
    kept(&paths.former_ring_key())
}

/// Makes a key for the ring and keeps it, before anybody hears of it.
pub(crate) fn make_next(paths: &Paths) -> Result<KeyPrint> {
    let mut key = Zeroizing::new(RingKey::default());
    OsRng.try_fill_bytes(key.as_mut_slice()).context("the kernel gives no random numbers")?;
    keep(&paths.next_ring_key(), &key)?;
    Ok(print(&key))
}

fn keep(path: &Path, key: &RingKey) -> Result<()> {
    let kept = KeptKey { version: VERSION, key: Secret::new(key.to_vec()) };
    let json = Zeroizing::new(serde_json::to_vec(&kept)?);
    state::write(path, &json, 0o600)
}

fn kept(path: &Path) -> Result<Option<Zeroizing<RingKey>>> {
    let Some(KeptKey { key, .. }) = FILE.read(path)? else { return Ok(None) };
    let key = RingKey::try_from(key.expose())
        .with_context(|| format!("{} holds no key", path.display()))?;
    Ok(Some(Zeroizing::new(key)))
}

/// The first of these keys, and the others behind it.
fn with_first(mut keys: Keys, first: &KeyPrint) -> Result<Keys> {
    let place = keys.iter().position(|key| print(key) == *first);
    let place = place.context("the key is not in this node's keyring")?;
    if let Some(front) = keys.get_mut(..=place) {
        front.rotate_right(1);
    }
    Ok(keys)
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Reads with the new key besides. Whoever made it has it here.
    pub(crate) async fn take_ring_key(&self, key: &KeyPrint, via: &[IpAddr]) -> Result<()> {
        let fresh = if via.is_empty() {
            let made = next(&self.paths)?.filter(|made| print(made) == *key);
            made.context("the new key was not made here")?
        } else {
            self.trust()?.fetch_ring_key(key, via).await?
        };
        let mut keys = site_store::keyring_keys(&self.paths)?;
        if keys.iter().all(|known| **known != *fresh) {
            keys.push(fresh);
        }
        self.effects.ring.set_keys(&keys).await
    }

    /// Seals with that key.
    pub(crate) async fn use_ring_key(&self, key: &KeyPrint) -> Result<()> {
        let keys = with_first(site_store::keyring_keys(&self.paths)?, key)?;
        self.effects.ring.set_keys(&keys).await?;
        let kin = self.remembered();
        // One that was away finds the others again: sooner than by asking now and then.
        if self.live_kin().is_empty() && !kin.is_empty() {
            let kin: Vec<_> = kin.iter().map(IpAddr::to_string).collect();
            if let Err(error) = self.effects.ring.join(&kin).await {
                tracing::info!("nobody is found with the ring's new key yet: {error:#}");
            }
        }
        Ok(())
    }

    /// Lets site and seal follow, and tells of it whoever comes with a site of before.
    pub(crate) fn adopt_ring_key(&self) -> Result<()> {
        self.trust()?.adopt_ring_key()?;
        let site = ashlar_site::Site::load(&self.paths.site())?;
        self.effects.ring.tell_former_keys(&site.replaced_marks());
        Ok(())
    }

    /// Forgets every other key, but for the one that passes of before are known by.
    pub(crate) async fn drop_ring_keys(&self, except: &KeyPrint) -> Result<()> {
        let keys = with_first(site_store::keyring_keys(&self.paths)?, except)?;
        if let [_, before, ..] = keys.as_slice() {
            keep(&self.paths.former_ring_key(), before)?;
        }
        state::remove(&self.paths.next_ring_key())?;
        let first = keys.get(..1).unwrap_or_default();
        self.effects.ring.set_keys(first).await
    }

    /// Addresses of boxes that may be of this cluster, whether they are seen or not.
    pub(crate) fn remembered(&self) -> Vec<IpAddr> {
        let own = self.identity().ok().map(|me| me.address);
        let snapshot = std::fs::read(self.paths.ring().join("snapshot")).unwrap_or_default();
        let snapshot = serf_rs::Snapshot::read(&snapshot);
        let sight = self.sight.borrow();
        let mut all: Vec<_> = sight.members().iter().map(|member| member.address).collect();
        all.extend(sight.peers());
        let named = self.site.network.join.iter();
        let port = |text: &String| text.parse().map(|at: SocketAddr| at.ip());
        all.extend(named.filter_map(|text| text.parse().or_else(|_| port(text)).ok()));
        all.extend(snapshot.alive.values().map(SocketAddr::ip));
        all.sort_unstable();
        all.dedup();
        all.retain(|address| Some(*address) != own);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, FakeNode, loopback};
    use crate::trust::Trust;
    use ashlar_cluster::{Observed, Pki, RingKeys, Step};

    const OLD: RingKey = [7; 32];

    /// A founder with one key, which seals the CA's key too.
    async fn founder(fake: &mut Fake, root: &Path) -> FakeNode {
        let node = fake.node(root, loopback(91));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        site_store::make_keyring(&node.paths, &OLD).unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        node
    }

    /// What is known after a power cut: nothing that was in memory.
    fn seen(paths: &Paths) -> Pki {
        let site = ashlar_site::Site::load(&paths.site()).unwrap();
        let identity = crate::identity::load(paths).unwrap().unwrap();
        let pki = Trust::open(paths, &identity, &site).unwrap().observe().unwrap();
        assert!(pki.ca_key, "the seal of the CA's key opens");
        pki
    }

    #[tokio::test]
    async fn a_key_is_replaced_step_by_step_and_a_power_cut_between_any_two_loses_nothing() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = founder(&mut fake, root.path()).await;
        let paths = node.paths.clone();
        let (old, new) = (print(&OLD), make_next(&paths).unwrap());
        let keys = |uses: &KeyPrint, also: &[&KeyPrint]| RingKeys {
            uses: uses.clone(),
            also: also.iter().map(|key| (*key).clone()).collect(),
        };
        let pki = seen(&paths);
        assert_eq!((pki.ring_keys, pki.next_key), (Some(keys(&old, &[])), Some(new.clone())));
        let step = Step::TakeRingKey { key: new.clone(), via: Vec::new() };
        for _ in 0..2 {
            node.act(&step, &Observed::default()).await.unwrap();
            assert_eq!(seen(&paths).ring_keys, Some(keys(&old, &[&new])));
        }
        let unknown = Step::UseRingKey { key: KeyPrint("00".into()) };
        assert!(node.act(&unknown, &Observed::default()).await.is_err());
        for _ in 0..2 {
            node.act(&Step::UseRingKey { key: new.clone() }, &Observed::default()).await.unwrap();
            let pki = seen(&paths);
            assert!(pki.ring_key_changed);
            assert_eq!(pki.ring_keys, Some(keys(&old, &[&new])), "site and seal come first");
        }
        for _ in 0..2 {
            node.act(&Step::AdoptRingKey, &Observed::default()).await.unwrap();
            let pki = seen(&paths);
            assert!(!pki.ring_key_changed);
            assert_eq!(pki.ring_keys, Some(keys(&new, &[&old])));
            let told = fake.world().former_told.clone();
            assert_eq!(told, [ashlar_site::RingKey::new(OLD).replaced_mark()]);
        }
        for _ in 0..2 {
            node.act(&Step::DropRingKeys { keep: new.clone() }, &Observed::default())
                .await
                .unwrap();
            let pki = seen(&paths);
            assert_eq!((pki.ring_keys, pki.next_key), (Some(keys(&new, &[])), None));
            assert_eq!(former(&paths).unwrap().as_deref(), Some(&OLD), "passes of before go on");
        }
        let text = std::fs::read_to_string(paths.site()).unwrap();
        let site = ashlar_site::Site::parse(&text, &paths.site()).unwrap();
        let tag = hex::encode(ashlar_site::RingKey::new(OLD).disk_tag());
        assert_eq!(site.former_keys, [tag], "an installer knows this disk still");
        // What a power cut in the middle of the last step leaves.
        site_store::write_keyring(&paths, &site_store::all_keys(&paths, site.ring_key.as_bytes()))
            .unwrap();
        node.act(&Step::DropRingKeys { keep: new.clone() }, &Observed::default()).await.unwrap();
        assert_eq!(seen(&paths).ring_keys, Some(keys(&new, &[])));
    }

    #[test]
    fn a_kept_key_is_read_as_it_was_written_and_one_of_a_newer_release_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.ring()).unwrap();
        let golden = r#"{"version":1,"key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#;
        keep(&paths.next_ring_key(), &OLD).unwrap();
        assert_eq!(std::fs::read_to_string(paths.next_ring_key()).unwrap(), golden);
        assert_eq!(next(&paths).unwrap().as_deref(), Some(&OLD));
        let newer = golden.replace("\"version\":1", "\"version\":2");
        std::fs::write(paths.next_ring_key(), newer).unwrap();
        assert!(next(&paths).unwrap_err().to_string().contains("version 2"));
    }
}
