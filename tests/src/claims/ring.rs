//! Who is in the ring, and who does not get in.

use crate::fleet::{Fleet, Node};
use crate::site;
use anyhow::{Result, ensure};
use ashlar_site::RingKey;

/// `serf members` lists every node, alive, on every node.
///
/// # Errors
/// With serf's list when it does not.
pub fn the_ring_has_everybody_alive(fleet: &Fleet) -> Result<()> {
    for node in fleet.nodes() {
        let members = node.sh("serf members -status=alive")?;
        for other in fleet.nodes() {
            let name = other.hostname()?;
            ensure!(members.contains(&name), "{} misses {name}:\n{members}", node.name());
        }
        let count = members.lines().count();
        ensure!(count == fleet.all().len(), "{} sees {count}:\n{members}", node.name());
    }
    Ok(())
}

/// An agent that talks to a member with another key is not let in, and nobody
/// ever hears of it.
///
/// # Errors
/// When it gets in.
pub fn an_outsider_with_another_key_is_refused(fleet: &Fleet) -> Result<()> {
    let key = site::fresh("outsider")?.ring_key;
    an_outsider_is_refused(&fleet.node(1), &fleet.all(), &key)
}

/// The same with this key, and these who could hear of it.
///
/// # Errors
/// When it gets in.
pub fn an_outsider_is_refused(node: &Node<'_>, all: &[Node<'_>], key: &RingKey) -> Result<()> {
    let address = node.address()?;
    let key = base64(key.as_bytes());
    // Joining as asked by -join fails the start; an agent that got in would run
    // on until the timeout ends it, with 124.
    let tried = node.try_sh(&format!(
        "timeout 60 serf agent -node=outsider -bind={address}:17945 \
         -rpc-addr=127.0.0.1:17373 -encrypt={key} -join={address}:7945 2>&1"
    ))?;
    ensure!(
        tried.code == 1,
        "the outsider's agent ended with {} instead of being refused:\n{}",
        tried.code,
        tried.text()
    );
    for node in all {
        let members = node.sh("serf members")?;
        ensure!(!members.contains("outsider"), "{} knows it:\n{members}", node.name());
    }
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}
