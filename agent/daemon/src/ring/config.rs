//! How this node takes part in the ring: its keyring, its snapshot, and the
//! password of its RPC.

use crate::paths::Paths;
use crate::{site_store, state};
use anyhow::{Context, Result};
use ashlar_api::RING_PORT;
use ashlar_cluster::{Identity, Tags};
use ashlar_site::Site;
use rand::TryRngCore;
use rand::rngs::OsRng;
use serf_rs::Config;
use serf_rs::agent::{AgentConfig, Announcements, Discover, read_keyring};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use zeroize::Zeroizing;

/// Where the ring answers this node's own tools, `serf members` for one.
pub(crate) const RPC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7373);

/// What the ring is told besides this node's tags.
pub(crate) struct Configuration<'a> {
    /// This node.
    pub(crate) identity: &'a Identity,
    /// The site, for its name and key.
    pub(crate) site: &'a Site,
    /// The interface that carries the cluster address, to look for others on.
    pub(crate) interface: Option<&'a str>,
    /// Where the `serf` command connects.
    pub(crate) rpc: Option<SocketAddr>,
}

/// The agent's configuration, after its files are there.
///
/// A node that stops has failed, not left: the others keep its place, and it
/// comes back by itself, with the members that its snapshot remembers.
pub(super) fn agent_config(
    paths: &Paths,
    with: &Configuration<'_>,
    tags: &Tags,
    announcements: &Announcements,
) -> Result<AgentConfig> {
    site_store::make_keyring(paths, with.site.ring_key.as_bytes())?;
    let keyring = paths.keyring();
    let address = SocketAddr::new(with.identity.address, RING_PORT);
    let mut node = Config::new(with.identity.name.clone(), address);
    node.keyring = Some(read_keyring(&keyring)?);
    node.tags = tags.to_map();
    let mut config = AgentConfig::new(node);
    config.keyring_file = Some(keyring);
    config.snapshot = Some(paths.ring().join("snapshot"));
    config.rejoin_after_leave = true;
    config.discover = with.interface.map(|interface| Discover {
        cluster: with.site.name.clone(),
        interface: Some(interface.to_owned()),
        announcements: announcements.clone(),
    });
    if let Some(rpc) = with.rpc {
        config.rpc = Some((rpc, Some(rpc_auth(paths)?.to_string())));
    }
    Ok(config)
}

/// The RPC's password: random, made once a boot.
fn rpc_auth(paths: &Paths) -> Result<Zeroizing<String>> {
    let path = paths.serf_rpc_auth();
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(Zeroizing::new(text.trim().to_owned())),
        Err(e) if e.kind() != ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("cannot read {}", path.display()));
        }
        _ => {}
    }
    let mut bytes = Zeroizing::new([0_u8; 24]);
    OsRng.try_fill_bytes(bytes.as_mut_slice()).context("the kernel gives no random numbers")?;
    let auth = Zeroizing::new(hex::encode(bytes.as_slice()));
    state::write(&path, auth.as_bytes(), 0o600)?;
    Ok(auth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::NodeId;
    use ashlar_site::RingKey;
    use base64::{Engine, prelude::BASE64_STANDARD};
    use std::fs;

    fn configured(paths: &Paths) -> AgentConfig {
        let identity = Identity {
            id: NodeId("ab".into()),
            name: "ashlar-ab".into(),
            address: IpAddr::from([10, 83, 0, 1]),
        };
        let site = Site::new("demo", RingKey::new([7; 32]));
        let with = Configuration {
            identity: &identity,
            site: &site,
            interface: Some("host0"),
            rpc: Some(RPC),
        };
        let tags = Tags {
            keys: None,
            cas: None,
            id: identity.id.clone(),
            cluster: None,
            storage_open: false,
            ca_key: false,
            swarm: None,
            witness: false,
            full: false,
            keeps: None,
            yields: None,
            hand: None,
            left: None,
        };
        fs::create_dir_all(paths.run()).unwrap();
        agent_config(paths, &with, &tags, &Announcements::default()).unwrap()
    }

    #[test]
    fn the_ring_listens_at_the_cluster_address_with_the_sites_key() {
        let root = tempfile::tempdir().unwrap();
        let config = configured(&Paths::under(root.path()));
        assert_eq!(config.node.address.to_string(), "10.83.0.1:7945");
        let key = config.node.keyring.unwrap().primary().unwrap().to_base64();
        assert_eq!(key, BASE64_STANDARD.encode([7; 32]));
        assert_eq!(config.node.tags["id"], "ab");
        assert_eq!(config.discover.unwrap().cluster, "demo");
    }

    #[test]
    fn the_password_of_the_rpc_stays_the_same_for_a_boot() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let first = configured(&paths).rpc;
        assert_eq!(configured(&paths).rpc, first);
    }
}
