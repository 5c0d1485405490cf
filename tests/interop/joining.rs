//! Who asks whom makes no difference.

use anyhow::{Result, ensure};
use ashlar_tests::ring::{Agent, EVENTUALLY, Kind, Peer, Ring, SOON, fresh_key};

#[test]
fn ours_joins_theirs_in_the_clear_and_sealed() -> Result<()> {
    Peer::each(|peer| joins(peer, Kind::Ours))
}

#[test]
fn theirs_joins_ours_in_the_clear_and_sealed() -> Result<()> {
    Peer::each(|peer| joins(peer, Kind::Theirs))
}

fn joins(peer: &Peer, newcomer: Kind) -> Result<()> {
    let ring = Ring::new(peer)?;
    let encrypt = format!("-encrypt={}", fresh_key()?);
    for flags in [&[][..], &[encrypt.as_str()]] {
        ring.start_all(&[newcomer.other(), newcomer], flags)?;
    }
    Ok(())
}

#[test]
fn a_third_of_either_kind_learns_of_all_from_one() -> Result<()> {
    Peer::each(|peer| {
        for third in Kind::BOTH {
            Ring::new(peer)?.start_all(&[third, third.other(), third], &[])?;
        }
        Ok(())
    })
}

#[test]
fn ipv6_makes_no_difference() -> Result<()> {
    Peer::each(|peer| {
        let encrypt = format!("-encrypt={}", fresh_key()?);
        for first in Kind::BOTH {
            let kinds = [first, first.other(), first];
            let ring = Ring::by_ipv6(peer)?;
            let agents = ring.start_all(&kinds, &[&encrypt])?;
            // Answers go straight to the address that the query names.
            let said = agents[0].serf(&["query", "-timeout=1s", "load"])?;
            ensure!(said.contains("Total Acks: 3"), "{said}");
        }
        Ok(())
    })
}

#[test]
fn our_retry_succeeds_with_a_peer_that_was_not_up_at_first() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        // The second agent will be there.
        let ours = ring.start(Kind::Ours, &["-retry-join=127.0.0.2"])?;
        ring.until("a first attempt in vain", SOON, || {
            Ok(ours.log().contains("nobody could be joined").then_some(()))
        })?;
        let theirs = ring.start(Kind::Theirs, &[])?;
        ring.until_all_see_all(&[ours, theirs], EVENTUALLY).map(drop)
    })
}

#[test]
fn tags_are_seen_by_the_other_kind_and_so_are_their_changes() -> Result<()> {
    Peer::each(|peer| {
        let ring = Ring::new(peer)?;
        let flags = ["-tag=role=web", "-tag=room=küche"];
        let agents = ring.start_all(&[Kind::Ours, Kind::Theirs], &flags)?;
        for (tagged, other) in [(&agents[0], &agents[1]), (&agents[1], &agents[0])] {
            until_tagged(&ring, other, tagged, &[("role", "web"), ("room", "küche")])?;
            tagged.serf(&["tags", "-set", "role=db", "-set", "disk=ssd", "-delete", "room"])?;
            until_tagged(&ring, other, tagged, &[("disk", "ssd"), ("role", "db")])?;
        }
        Ok(())
    })
}

fn until_tagged(ring: &Ring, by: &Agent, tagged: &Agent, tags: &[(&str, &str)]) -> Result<()> {
    ring.until("the tags", SOON, || {
        let members = by.members()?;
        let seen = members.get(tagged.name()).into_iter().flat_map(|member| &member.tags);
        let seen = seen.map(|(key, value)| (key.as_str(), value.as_str()));
        Ok(seen.eq(tags.iter().copied()).then_some(()))
    })
}
