//! Nobody is told an address.

use anyhow::Result;
use ashlar_tests::ring::{EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key};

#[test]
fn theirs_finds_ours_by_mdns() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::of_two_machines(peer)?;
        let ours = ring.start_on(0, Kind::Ours, &["-iface=cable", "-discover=shop"])?;
        // HashiCorp's agent asks once as it starts, and then once a minute.
        let theirs = ring.start_on(1, Kind::Theirs, &["-iface=cable", "-discover=shop"])?;
        let agents = [ours, theirs];
        ring.until_all_see_all(&agents, EVENTUALLY)?;
        // Ours looks as well: but it was theirs that found. It joins all whom it found in
        // a moment at once, itself among them.
        let address = agents[0].address().to_string();
        ring.until("theirs joining whom it found", SOON, || {
            let log = agents[1].log();
            let mut joins = log.lines().filter(|line| line.contains("agent: joining: ["));
            Ok(joins.any(|line| line.contains(&address)).then_some(()))
        })
    })
}

#[test]
fn ours_finds_theirs_by_mdns() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::of_two_machines(peer)?;
        // It is ours that finds, not theirs.
        ring.refuse_joins(0)?;
        let theirs = ring.start_on(1, Kind::Theirs, &["-iface=cable", "-discover=shop"])?;
        let ours = ring.start_on(0, Kind::Ours, &["-iface=cable", "-discover=shop"])?;
        ring.until_all_see_all(&[theirs, ours], SOON).map(drop)
    })
}

#[test]
fn ours_asks_again_whom_it_found_and_could_not_join() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::of_two_machines(peer)?;
        ring.refuse_joins(0)?;
        ring.refuse_joins(1)?;
        let theirs = ring.start_on(1, Kind::Theirs, &["-iface=cable", "-discover=shop"])?;
        let ours = ring.start_on(0, Kind::Ours, &["-iface=cable", "-discover=shop"])?;
        ring.until("a first attempt in vain", SOON, || {
            Ok(ours.log().contains("nobody could be joined").then_some(()))
        })?;
        ring.accept_joins(1)?;
        ring.until_all_see_all(&[theirs, ours], SOON).map(drop)
    })
}

#[test]
fn ours_finds_ours_by_mdns_whoever_starts_first() -> Result<()> {
    let ring = Ring::of_two_machines(&Peer::of_host()?)?;
    let encrypt = format!("-encrypt={}", fresh_key()?);
    let flags = ["-iface=cable", "-discover=shop", encrypt.as_str()];
    let agents = [ring.start_on(0, Kind::Ours, &flags)?, ring.start_on(1, Kind::Ours, &flags)?];
    ring.until_all_see_all(&agents, SOON).map(drop)
}

#[test]
fn ours_finds_ours_by_mdns_once_the_cable_is_plugged_in() -> Result<()> {
    let ring = Ring::of_two_machines(&Peer::of_host()?)?;
    let flags = ["-iface=cable", "-discover=shop"];
    ring.cut()?;
    let agents = [ring.start_on(0, Kind::Ours, &flags)?, ring.start_on(1, Kind::Ours, &flags)?];
    ring.mend()?;
    ring.until_all_see_all(&agents, EVENTUALLY).map(drop)
}

#[test]
fn another_cluster_is_not_found() -> Result<()> {
    let ring = Ring::of_two_machines(&Peer::of_host()?)?;
    let alone = ring.start_on(0, Kind::Ours, &["-iface=cable", "-discover=bakery"])?;
    let flags = ["-iface=cable", "-discover=shop"];
    let agents = [ring.start_on(0, Kind::Ours, &flags)?, ring.start_on(1, Kind::Ours, &flags)?];
    // By the time that these have found each other, it would have been found.
    ring.until_all_see_all(&agents, SOON)?;
    ring.until_all_see_all(&[alone], SOON).map(drop)
}
