//! A snapshot remembers the ring.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Agent, EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key};
use nix::sys::signal::Signal;
use std::time::Duration;

#[test]
fn ours_rejoins_theirs_from_its_snapshot_without_an_address() -> Result<()> {
    Peer::each(|peer| rejoins(peer, Kind::Ours, "serf: joined 127.0.0."))
}

#[test]
fn theirs_rejoins_ours_from_its_snapshot_without_an_address() -> Result<()> {
    Peer::each(|peer| rejoins(peer, Kind::Theirs, "Re-joined to previously known node"))
}

/// `words` are those with which it tells that it asked somebody itself: the
/// others look for it as well.
fn rejoins(peer: &Peer, kind: Kind, words: &str) -> Result<()> {
    let ring = Ring::new(peer)?;
    let encrypt = format!("-encrypt={}", fresh_key()?);
    let mut agents = ring.start_all(&[kind.other(), kind.other()], &[&encrypt])?;
    let snapshot = format!("-snapshot={}", ring.file("snapshot").display());
    agents.push(ring.start(kind, &[&encrypt, &snapshot, &agents[0].join_flag()])?);
    ring.until_all_see_all(&agents, SOON)?;
    // HashiCorp's agent keeps the last lines to itself until more come: the
    // ring's clock is one.
    ring.until("a snapshot of both others", SOON, || {
        agents[0].serf(&["event", "-coalesce=false", "tick"])?;
        let text = std::fs::read_to_string(ring.file("snapshot"))?;
        let known = |agent: &Agent| text.contains(&format!("alive: {} ", agent.name()));
        Ok(agents[..2].iter().all(known).then_some(()))
    })?;

    let restarted = &mut agents[2];
    restarted.signal(Signal::SIGKILL)?;
    restarted.restart(&[&encrypt, &snapshot])?;
    ring.until_all_see_all(&agents, EVENTUALLY)?;
    let log = agents[2].log();
    ensure!(log.contains(words), "it was found by the others:\n{log}");
    Ok(())
}

#[test]
fn who_left_stays_away_unless_told_to_rejoin() -> Result<()> {
    Peer::each(|peer| {
        for kind in Kind::BOTH {
            let ring = Ring::new(peer)?;
            let mut agents = ring.start_all(&[kind.other()], &[])?;
            let snapshot = format!("-snapshot={}", ring.file("snapshot").display());
            let flags = ["-rejoin", &snapshot];
            agents.push(ring.start(kind, &[&flags[..], &[&agents[0].join_flag()]].concat())?);
            ring.until_all_see_all(&agents, SOON)?;

            agents[1].serf(&["leave"])?;
            agents[1].restart(&flags)?;
            ring.until_all_see_all(&agents, SOON)?;

            agents[1].serf(&["leave"])?;
            agents[1].restart(&[&snapshot])?;
            // It would ask at once.
            ring.nothing_happens(Duration::from_secs(3), || {
                let members = agents[1].members()?;
                ensure!(members.len() == 1, "it asked its way in: {members:?}");
                Ok(())
            })?;
        }
        Ok(())
    })
}
