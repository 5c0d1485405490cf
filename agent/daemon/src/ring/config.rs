//! The ring daemon's files: configuration, keyring, and the password of its RPC.

use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result};
use ashlar_api::RING_PORT;
use ashlar_cluster::{Identity, Tags};
use ashlar_recipe::Site;
use base64::{Engine, prelude::BASE64_STANDARD};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where the ring daemon answers this node's own tools.
const RPC: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7373);

/// What the ring daemon is told besides its tags.
pub(crate) struct Configuration<'a> {
    /// This node.
    pub(crate) identity: &'a Identity,
    /// The site, for its name and key.
    pub(crate) site: &'a Site,
    /// The interface that carries the cluster address.
    pub(crate) interface: Option<&'a str>,
}

/// HashiCorp serf's own configuration file.
#[derive(Serialize)]
struct SerfFile<'a> {
    node_name: &'a str,
    bind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    discover: &'a str,
    rpc_addr: SocketAddr,
    rpc_auth: &'a str,
    // Never `tags_file`: serf refuses it beside tags, and the agent knows them.
    tags: BTreeMap<String, String>,
    keyring_file: PathBuf,
    snapshot_path: PathBuf,
    // A node that stops has failed, not left: the others must keep its place,
    // and it must come back by itself.
    rejoin_after_leave: bool,
    leave_on_terminate: bool,
    skip_leave_on_interrupt: bool,
    log_level: &'a str,
}

/// Writes what the ring daemon reads when it starts.
pub(crate) fn configure(paths: &Paths, with: &Configuration<'_>, tags: &Tags) -> Result<()> {
    state::make_private_dir(&paths.ring())?;
    let keyring = paths.ring().join("keyring.json");
    if !holds_keys(&keyring) {
        // Only where none is: the ring rewrites its keyring when keys are changed.
        let key = Zeroizing::new(BASE64_STANDARD.encode(with.site.ring_key.as_bytes()));
        let json = Zeroizing::new(serde_json::to_vec(&[key.as_str()])?);
        state::write(&keyring, &json, 0o600)?;
    }
    let auth = rpc_auth(paths)?;
    let file = SerfFile {
        node_name: &with.identity.name,
        bind: SocketAddr::new(with.identity.address, RING_PORT).to_string(),
        interface: with.interface,
        discover: &with.site.name,
        rpc_addr: RPC,
        rpc_auth: &auth,
        tags: tags.to_map(),
        keyring_file: keyring,
        snapshot_path: paths.ring().join("snapshot"),
        rejoin_after_leave: true,
        leave_on_terminate: false,
        skip_leave_on_interrupt: true,
        log_level: "info",
    };
    let json = Zeroizing::new(serde_json::to_vec_pretty(&file)?);
    state::write_if_changed(&paths.serf(), &json, 0o600)?;
    Ok(())
}

/// Whether the keyring is there and whole; one cut short by a power failure is
/// replaced, because with it the node would be dead.
fn holds_keys(keyring: &std::path::Path) -> bool {
    let keys = std::fs::read(keyring).ok().map(Zeroizing::new);
    keys.and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok())
        .is_some_and(|keys| !keys.is_empty())
}

/// The RPC's password: random, made once a boot.
pub(crate) fn rpc_auth(paths: &Paths) -> Result<Zeroizing<String>> {
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

/// Where the RPC listens.
pub(crate) const fn rpc_address() -> SocketAddr {
    RPC
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::NodeId;
    use ashlar_recipe::{NetworkPlan, RingKey};
    use std::fs;

    fn write_all(paths: &Paths) -> serde_json::Value {
        let identity = Identity {
            id: NodeId("ab".into()),
            name: "ashlar-ab".into(),
            address: IpAddr::from([10, 83, 0, 1]),
        };
        let site = Site {
            version: 1,
            name: "demo".into(),
            ring_key: RingKey::new([7; 32]),
            expect: None,
            ssh_keys: Vec::new(),
            network: NetworkPlan::default(),
        };
        let with = Configuration { identity: &identity, site: &site, interface: Some("host0") };
        let tags = Tags {
            id: identity.id.clone(),
            cluster: None,
            storage_open: false,
            ca_key: false,
            swarm: None,
        };
        fs::create_dir_all(paths.run()).unwrap();
        configure(paths, &with, &tags).unwrap();
        serde_json::from_slice(&fs::read(paths.serf()).unwrap()).unwrap()
    }

    #[test]
    fn a_ring_daemon_that_stops_fails_instead_of_leaving() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let json = write_all(&paths);
        assert_eq!(json["bind"], "10.83.0.1:7945");
        assert_eq!(json["leave_on_terminate"], false);
        assert_eq!(json["skip_leave_on_interrupt"], true);
        assert_eq!(json["tags"]["id"], "ab");
        assert!(json.get("tags_file").is_none());
    }

    #[test]
    fn a_changed_keyring_is_kept_and_a_broken_one_replaced() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        write_all(&paths);
        let keyring = paths.ring().join("keyring.json");
        let first = fs::read_to_string(&keyring).unwrap();
        fs::write(&keyring, "[\"new\",\"old\"]").unwrap();
        write_all(&paths);
        assert_eq!(fs::read_to_string(&keyring).unwrap(), "[\"new\",\"old\"]");
        fs::write(&keyring, "[\"ne").unwrap();
        write_all(&paths);
        assert_eq!(fs::read_to_string(&keyring).unwrap(), first);
    }

    #[test]
    fn the_password_of_the_rpc_stays_the_same_for_a_boot() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let first = write_all(&paths)["rpc_auth"].clone();
        assert_eq!(write_all(&paths)["rpc_auth"], first);
    }
}
