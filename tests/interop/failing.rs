//! Members that go, or seem to.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Agent, EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key};
use nix::sys::signal::Signal;
use std::time::Duration;

const FOUR: [Kind; 4] = [Kind::Ours, Kind::Theirs, Kind::Ours, Kind::Theirs];

#[test]
fn who_leaves_is_seen_as_left_by_both_kinds() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let mut agents = ring.start_all(&FOUR, &[])?;
        // Told by the command, and by a person's Ctrl-C.
        for leaver in [2, 3] {
            agents[leaver].serf(&["leave"])?;
            until_gone(&ring, &mut agents, leaver, "left")?;
        }
        let mut more = ring.start_all(&FOUR, &[])?;
        for leaver in [2, 3] {
            more[leaver].signal(Signal::SIGINT)?;
            until_gone(&ring, &mut more, leaver, "left")?;
        }
        Ok(())
    })
}

#[test]
fn who_is_killed_is_seen_as_failed_by_both_kinds() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let encrypt = format!("-encrypt={}", fresh_key()?);
        let mut agents = ring.start_all(&FOUR, &[&encrypt])?;
        for victim in [2, 3] {
            agents[victim].signal(Signal::SIGKILL)?;
        }
        for victim in [2, 3] {
            until_gone(&ring, &mut agents, victim, "failed")?;
        }
        Ok(())
    })
}

fn until_gone(ring: &Ring, agents: &mut [Agent], gone: usize, status: &str) -> Result<()> {
    agents[gone].until_ended()?;
    let name = agents[gone].name().to_owned();
    ring.until_seen(&agents[..2], &name, status, EVENTUALLY)
}

#[test]
fn who_is_stopped_for_four_seconds_comes_back_alive() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let agents = ring.start_all(&FOUR, &[])?;
        for stopped in [2, 3] {
            agents[stopped].signal(Signal::SIGSTOP)?;
        }
        // How long it takes is the claim.
        std::thread::sleep(Duration::from_secs(4));
        for stopped in [2, 3] {
            agents[stopped].signal(Signal::SIGCONT)?;
        }
        // One that was taken for failed comes back.
        ring.until_all_see_all(&agents, EVENTUALLY)?;
        // A suspicion that was not refuted would come true until then: four
        // probes' time, six times that when nobody confirms it.
        ring.nothing_happens(Duration::from_secs(25), || {
            for agent in &agents {
                let members = agent.members()?;
                let alive = members.values().all(|member| member.status == "alive");
                ensure!(alive, "{} sees {members:?}", agent.name());
            }
            Ok(())
        })
    })
}

#[test]
fn a_ring_that_was_cut_in_two_heals_by_itself() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::of_two_machines(peer)?;
        let encrypt = format!("-encrypt={}", fresh_key()?);
        let mut agents: Vec<Agent> = Vec::new();
        for (side, kind) in [(0, Kind::Ours), (0, Kind::Theirs), (1, Kind::Ours), (1, Kind::Theirs)]
        {
            let join = agents.first().map(Agent::join_flag);
            let flags: Vec<&str> = [encrypt.as_str()].into_iter().chain(join.as_deref()).collect();
            agents.push(ring.start_on(side, kind, &flags)?);
        }
        ring.until_all_see_all(&agents, SOON)?;
        ring.cut()?;
        let (here, there) = agents.split_at(2);
        for (side, other) in [(here, there), (there, here)] {
            for lost in other {
                ring.until_seen(side, lost.name(), "failed", EVENTUALLY)?;
            }
        }
        ring.mend()?;
        ring.until_all_see_all(&agents, EVENTUALLY).map(drop)
    })
}
