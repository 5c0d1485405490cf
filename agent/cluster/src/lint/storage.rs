//! Rules of the volume.

use super::{Case, Verdict, must};
use crate::{Part, Step, Volume};
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(super) fn volume<'a>(c: &Case<'a>) -> Result<&'a Volume, String> {
    c.volume().ok_or_else(|| "there is no volume".into())
}

/// It is started, and every brick runs.
pub(super) fn runs(volume: &Volume) -> Verdict {
    must(volume.started, "the volume is stopped")?;
    match volume.bricks.iter().find(|b| !b.online) {
        Some(brick) => Err(format!("the brick on {} is offline", brick.address)),
        None => Ok(()),
    }
}

/// No copy lacks anything.
pub(super) fn is_healed(volume: &Volume) -> Verdict {
    match volume.pending_heals {
        Some(0) => Ok(()),
        Some(n) => Err(format!("{n} entries await healing")),
        None => Err("whether it must heal is unknown".into()),
    }
}

fn most(c: &Case<'_>) -> usize {
    usize::from(c.w.replicas.clamp(1, 3))
}

pub(super) fn one_volume(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::CreateVolume { bricks } = step else { return Ok(()) };
    must(volume(c).is_err(), "there is a volume")?;
    must(!c.w.swarm || c.no_swarm_can_exist(), "the cluster had a volume before its Swarm")?;
    let distinct: BTreeSet<_> = bricks.iter().collect();
    must(distinct.len() == bricks.len(), "a node gives two bricks")?;
    must((1..=most(c)).contains(&bricks.len()), format!("{} bricks", bricks.len()))
}

pub(super) fn never_shrink(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::AddBricks { replicas, bricks } = step else { return Ok(()) };
    let volume = volume(c)?;
    let mut addresses: BTreeSet<IpAddr> = volume.bricks.iter().map(|b| b.address).collect();
    must(volume.bricks.len() == usize::from(volume.replicas), "the volume is not one replica set")?;
    must(!bricks.is_empty(), "no brick is added")?;
    must(bricks.len() == 1, "two empty bricks would outvote a full one")?;
    for brick in bricks {
        must(addresses.insert(*brick), format!("{brick} has a brick already"))?;
    }
    let copies = volume.bricks.len() + bricks.len();
    must(usize::from(*replicas) == copies, "not every brick would be a copy")?;
    // One more, of fewer than three, while the box of another is taken out.
    let more = usize::from(most(c) < 3 && volume.bricks.iter().any(|b| c.leaves_at(b.address)));
    must(copies <= most(c) + more, format!("{copies} copies are more than wanted"))
}

pub(super) fn add_only_when_healthy(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::AddBricks { .. }) {
        return Ok(());
    }
    let volume = volume(c)?;
    runs(volume)?;
    if volume.replicas == 1 { Ok(()) } else { is_healed(volume) }
}

pub(super) fn settle_only_what_is_torn(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::SettleDirectory { path } = step else { return Ok(()) };
    let volume = volume(c)?;
    must(volume.torn.contains(path), "this node's copy is not known to be the right one")?;
    runs(volume)
}

pub(super) fn bricks_only_on_open_peers(step: &Step, c: &Case<'_>) -> Verdict {
    let bricks: &[IpAddr] = match step {
        Step::CreateVolume { bricks }
        | Step::AddBricks { bricks, .. }
        | Step::AddSet { bricks } => bricks,
        Step::ReplaceBrick { to: brick, .. } | Step::AddArbiter { brick } => {
            std::slice::from_ref(brick)
        }
        Step::ProbePeer { address } => {
            return must(
                c.live_kin_at(*address, |m| m.storage_open),
                format!("{address} is no live member whose storage is open"),
            );
        }
        _ => return Ok(()),
    };
    let own = c.o.identity.as_ref().map(|me| me.address);
    if let Some(brick) = bricks.iter().find(|b| c.leaves_at(**b)) {
        return Err(format!("the box of {brick} is taken out"));
    }
    for brick in bricks.iter().filter(|b| Some(**b) != own) {
        must(c.live_kin_at(*brick, |m| m.storage_open), format!("{brick} is not open"))?;
        let mut peers = c.o.storage.iter().flat_map(|s| &s.peers).filter(|p| p.address == *brick);
        let fit = |p: &crate::Peer| p.connected && p.in_cluster;
        must(peers.next().is_some_and(fit) && peers.all(fit), format!("{brick} is no full peer"))?;
    }
    Ok(())
}

pub(super) fn no_start_before_options(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::StartVolume) {
        return Ok(());
    }
    let volume = volume(c)?;
    must(volume.tls, "TLS is off")?;
    must(volume.tuned, "quorum and time-outs are not set")
}

pub(super) fn no_mount_before_start(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::MountVolume | Step::Remount) {
        return Ok(());
    }
    let volume = volume(c)?;
    must(volume.started, "the volume is stopped")?;
    let own = c.o.identity.as_ref().map(|me| me.address);
    let here = volume.bricks.iter().any(|b| Some(b.address) == own);
    let worked = c.o.membership.as_ref().is_some_and(|m| m.swarm) || c.o.witness;
    let whole = usize::from(volume.replicas) >= most(c);
    must(here || whole || worked, "this node's brick is still to come")
}

pub(super) fn connect_anew_only_the_deaf(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::ConnectAnew) {
        return Ok(());
    }
    let long = c.hung_ms(Part::Clients).ok_or("no copy that answers is known to be unheard")?;
    must(long >= 20_000, format!("a copy has been unheard for {} s only", long / 1000))
}

pub(super) fn tear_only_the_deaf(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::Remount) {
        return Ok(());
    }
    let long = c.hung_ms(Part::Mount).ok_or("the mount is not known to be silent")?;
    must(long >= 90_000, format!("the mount has been silent for {} s only", long / 1000))?;
    let (all, online) = {
        let bricks = &volume(c)?.bricks;
        (bricks.len(), bricks.iter().filter(|b| b.online).count())
    };
    must(online * 2 >= all, "too few bricks run: no mount could answer")
}
