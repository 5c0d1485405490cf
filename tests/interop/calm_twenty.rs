//! Rings of twenty in which nobody fails: and nobody is said to.
//!
//! A minute of that here; `just drill ring-quiet` takes ten, and five with lost
//! packets.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Agent, EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key, peer::say};
use std::time::Duration;

/// How long nothing happens, as `minutes` of the full length.
fn length(minutes: u64) -> Duration {
    let full = std::env::var_os("ASHLAR_DRILL").is_some();
    Duration::from_secs(60 * if full { minutes } else { 1 })
}

fn twenty(peer: &Peer, kinds: [Kind; 2]) -> Result<(Ring, Vec<Agent>, Duration)> {
    let ring = Ring::new(peer)?;
    let encrypt = format!("-encrypt={}", fresh_key()?);
    let mut agents: Vec<Agent> = Vec::new();
    for kind in kinds.into_iter().cycle().take(20) {
        let join = agents.first().map(Agent::join_flag);
        let flags: Vec<&str> = [encrypt.as_str()].into_iter().chain(join.as_deref()).collect();
        agents.push(ring.start(kind, &flags)?);
    }
    let converged = ring.until_all_see_all(&agents, EVENTUALLY)?;
    Ok((ring, agents, converged))
}

#[test]
fn a_mixed_ring_of_twenty_converges_and_stays_quiet() -> Result<()> {
    let (ring, agents, converged) = twenty(&Peer::of_host()?, Kind::BOTH)?;
    let length = length(10);
    ring.nothing_happens(length, || {
        let failures = failures(&agents);
        ensure!(failures.is_empty(), "false failures:\n{}", failures.join("\n"));
        Ok(())
    })?;
    ring.until_all_see_all(&agents, SOON)?;
    say(&format!(
        "quiet: 10 + 10 agents saw all within {:.1} s of the last one's start; idle for {} s: \
         0 false failures, {}",
        converged.as_secs_f64(),
        length.as_secs(),
        suspicions(&agents),
    ));
    Ok(())
}

#[test]
fn at_20_percent_loss_a_mixed_ring_is_no_less_sure_than_theirs() -> Result<()> {
    let peer = Peer::of_host()?;
    let (mixed_ring, mixed, _) = twenty(&peer, Kind::BOTH)?;
    let (their_ring, theirs, _) = twenty(&peer, [Kind::Theirs; 2])?;
    let length = length(5);
    mixed_ring.lose(20)?;
    their_ring.lose(20)?;
    mixed_ring.nothing_happens(length, || Ok(()))?;
    let [in_mixed, in_theirs] = [failures(&mixed), failures(&theirs)];
    say(&format!(
        "20 % of packets lost for {} s: mixed ring: {} false failures, {}; \
         all of theirs: {} false failures, {}",
        length.as_secs(),
        in_mixed.len(),
        suspicions(&mixed),
        in_theirs.len(),
        suspicions(&theirs),
    ));
    ensure!(
        in_mixed.len() <= in_theirs.len(),
        "false failures in the mixed ring:\n{}\nand in theirs:\n{}",
        in_mixed.join("\n"),
        in_theirs.join("\n")
    );
    mixed_ring.mend()?;
    mixed_ring.until_all_see_all(&mixed, EVENTUALLY).map(drop)
}

/// The lines in which agents say that others have failed.
fn failures(agents: &[Agent]) -> Vec<String> {
    let mut found = Vec::new();
    for agent in agents {
        let words = match agent.kind() {
            Kind::Ours => "member-failed: ",
            Kind::Theirs => "EventMemberFailed: ",
        };
        let log = agent.log();
        let lines = log.lines().filter(|line| line.contains(words));
        found.extend(lines.map(|line| format!("{}: {line}", agent.name())));
    }
    found
}

/// How often HashiCorp's agents began to suspect others: not yet a failure, but
/// it shows how near one was. Ours do not tell.
fn suspicions(agents: &[Agent]) -> String {
    let [mut ours, mut theirs] = [0, 0];
    for agent in agents {
        for line in agent.log().lines() {
            let Some((_, suspect)) = line.split_once("memberlist: Suspect ") else { continue };
            if suspect.starts_with("ours") { ours += 1 } else { theirs += 1 }
        }
    }
    format!("suspected by theirs: ours {ours} times, theirs {theirs} times")
}
