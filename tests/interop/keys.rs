//! The ring's keys, changed while everybody talks.

use anyhow::{Context, Result, ensure};
use ashlar_tests::ring::{Agent, Kind, Peer, Ring, SOON, fresh_key};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[test]
fn keys_are_changed_from_either_kind_in_a_mixed_ring_of_four() -> Result<()> {
    Peer::each(|peer| {
        for manager in [0, 1] {
            rotates(peer, manager)?;
        }
        Ok(())
    })
}

/// The whole life of a key, managed through the agent of this place.
fn rotates(peer: &Peer, manager: usize) -> Result<()> {
    let ring = Ring::new(peer)?;
    let (old, new) = (fresh_key()?, fresh_key()?);
    let kinds = [Kind::Ours, Kind::Theirs, Kind::Ours, Kind::Theirs];
    let files: Vec<PathBuf> = (1..=4).map(|number| ring.file(&format!("{number}.keys"))).collect();
    let mut agents: Vec<Agent> = Vec::new();
    for (kind, file) in kinds.into_iter().zip(&files) {
        std::fs::write(file, serde_json::to_vec(&[&old])?)?;
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600))?;
        let keyring = format!("-keyring-file={}", file.display());
        let join = agents.first().map(Agent::join_flag);
        let flags: Vec<&str> = [keyring.as_str()].into_iter().chain(join.as_deref()).collect();
        agents.push(ring.start(kind, &flags)?);
    }
    ring.until_all_see_all(&agents, SOON)?;
    let managed = |words: &[&str]| agents[manager].serf(words);

    managed(&["keys", "-install", &new])?;
    every_file_holds(&files, &[&old, &new])?;
    // Whoever is asked says the same.
    for agent in &agents {
        let listed = listed(agent)?;
        let expected = BTreeMap::from([(old.clone(), 4), (new.clone(), 4)]);
        ensure!(listed == expected, "{} lists {listed:?}", agent.name());
    }
    let refusal = agents[manager].serf_fails(&["keys", "-remove", &old])?;
    ensure!(refusal.contains("primary"), "the primary key was removed: {refusal}");

    managed(&["keys", "-use", &new])?;
    every_file_holds(&files, &[&new, &old])?;
    managed(&["keys", "-remove", &old])?;
    every_file_holds(&files, &[&new])?;
    for agent in &agents {
        let listed = listed(agent)?;
        ensure!(listed == BTreeMap::from([(new.clone(), 4)]), "{} {listed:?}", agent.name());
    }
    // A key that nobody has cannot be used, and everybody says so.
    agents[manager].serf_fails(&["keys", "-use", &fresh_key()?])?;
    every_file_holds(&files, &[&new])?;

    // The ring is sealed with the new key alone: a newcomer with it gets in.
    let encrypt = format!("-encrypt={new}");
    for kind in Kind::BOTH {
        agents.push(ring.start(kind, &[&encrypt, &agents[manager].join_flag()])?);
    }
    ring.until_all_see_all(&agents, SOON).map(drop)
}

/// These keys, the primary one first; the order of the others does not matter.
fn every_file_holds(files: &[PathBuf], keys: &[&str]) -> Result<()> {
    let (primary, others) = keys.split_first().context("a key")?;
    let read =
        |file: &Path| -> Result<Vec<String>> { Ok(serde_json::from_slice(&std::fs::read(file)?)?) };
    for file in files {
        let held = read(file)?;
        let (first, rest) = held.split_first().context("an empty keyring")?;
        let mut others = others.to_vec();
        others.sort_unstable();
        let mut sorted: Vec<&str> = rest.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        ensure!(first == primary && sorted == others, "{file:?}: {held:?}");
    }
    Ok(())
}

/// How many members have each key, from `serf keys -list`.
fn listed(agent: &Agent) -> Result<BTreeMap<String, u32>> {
    let said = agent.serf(&["keys", "-list"])?;
    let mut keys = BTreeMap::new();
    for line in said.lines() {
        // "  <key> [4/4]"
        let Some((key, count)) = line.split_once('[') else { continue };
        let count = count.split('/').next().context("a count")?;
        keys.insert(key.trim().to_owned(), count.parse().with_context(|| said.clone())?);
    }
    Ok(keys)
}
