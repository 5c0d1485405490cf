//! Storage: the pool, the volume and its bricks, the mount.

use super::because;
use crate::situation::Situation;
use crate::{Daemon, Identity, Planned, Step, Storage, Volume};
use std::net::IpAddr;

/// For how many settle times the founder waits, in an unchanged ring, for
/// nodes on their way before it creates the volume without them. They can be
/// added later; created at once the volume needs no copying.
const PATIENCE: u64 = 3;

pub(super) fn plan(s: &Situation<'_>, steps: &mut Vec<Planned>) {
    let Some((me, _)) = s.certified().filter(|_| s.wanted.storage) else { return };
    let Some(storage) = &s.observed.storage else {
        let why = "the storage daemon does not answer";
        steps.push(because(Step::Start { daemon: Daemon::Storage }, why));
        return;
    };
    if s.authority() {
        probe(s, storage, steps);
        match &storage.volume {
            None => create(s, me, storage, steps),
            Some(volume) => upkeep(s, volume, storage, steps),
        }
    }
    if s.mountable() && !s.observed.mounted {
        steps.push(because(Step::MountVolume, "the volume runs and is not mounted here"));
    }
}

/// Brings members whose storage is open into the trusted pool.
fn probe(s: &Situation<'_>, storage: &Storage, steps: &mut Vec<Planned>) {
    for member in s.live_kin().filter(|m| m.storage_open) {
        if storage.peers.iter().any(|p| p.address == member.address && p.in_cluster) {
            continue;
        }
        let why = format!("{} is not in the storage pool", member.name);
        steps.push(because(Step::ProbePeer { address: member.address }, why));
    }
}

/// Members that could give a brick, by id.
fn brick_givers(s: &Situation<'_>, storage: &Storage) -> Vec<IpAddr> {
    let in_pool = |a: IpAddr| {
        let mut entries = storage.peers.iter().filter(|p| p.address == a).peekable();
        entries.peek().is_some() && entries.all(|p| p.connected && p.in_cluster)
    };
    let open = s.live_kin().filter(|m| m.storage_open && in_pool(m.address));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for member in open {
        if !addresses.contains(&member.address) {
            addresses.push(member.address);
        }
    }
    addresses
}

fn create(s: &Situation<'_>, me: &Identity, storage: &Storage, steps: &mut Vec<Planned>) {
    if !may_create(s) {
        return;
    }
    if awaited(s, me, storage).is_some() {
        return;
    }
    let bricks = first_bricks(s, me, storage);
    let why = format!("there is no volume {}", s.wanted.volume);
    steps.push(because(Step::CreateVolume { bricks }, why));
}

/// Whether there was certainly never a volume. A Swarm is started only on top
/// of a volume, so once there was a Swarm a missing volume means that this
/// node lost its storage state: creating another beside the first would part
/// the cluster's data.
pub(crate) fn may_create(s: &Situation<'_>) -> bool {
    !s.wanted.swarm || s.before_any_swarm()
}

/// The nodes that would give the volume its first bricks now, this one first.
fn first_bricks(s: &Situation<'_>, me: &Identity, storage: &Storage) -> Vec<IpAddr> {
    let mut bricks = vec![me.address];
    bricks.extend(brick_givers(s, storage).into_iter().filter(|a| *a != me.address));
    bricks.truncate(usize::from(s.replicas()));
    bricks
}

/// A node on its way to giving one of the first bricks, while it is still
/// worth waiting for.
pub(crate) fn awaited<'a>(s: &Situation<'a>, me: &Identity, storage: &Storage) -> Option<&'a str> {
    let ring = s.observed.ring.as_ref()?;
    let bricks = first_bricks(s, me, storage);
    let enough = bricks.len() >= usize::from(s.replicas());
    if enough || ring.quiet_ms >= s.wanted.settle_ms.saturating_mul(PATIENCE) {
        return None;
    }
    let cluster = s.observed.membership.as_ref().map(|m| &m.cluster);
    s.live()
        .filter(|m| m.id.is_some() && (m.cluster.is_none() || m.cluster.as_ref() == cluster))
        .find(|m| !bricks.contains(&m.address))
        .map(|m| m.name.as_str())
}

/// Options, start, and further bricks for a volume that is there.
fn upkeep(s: &Situation<'_>, volume: &Volume, storage: &Storage, steps: &mut Vec<Planned>) {
    if !(volume.tls && volume.tuned) {
        let why = "the volume's TLS, quorum or time-out options are not as wanted";
        steps.push(because(Step::TuneVolume, why));
        return;
    }
    if !volume.started {
        steps.push(because(Step::StartVolume, "the volume is stopped"));
        return;
    }
    let copies = usize::from(volume.replicas);
    let one_set = copies > 0 && volume.bricks.len() == copies;
    let healthy =
        volume.bricks.iter().all(|b| b.online) && (copies == 1 || volume.pending_heals == Some(0));
    if !(one_set && healthy) {
        return;
    }
    if copies >= usize::from(s.replicas()) {
        return;
    }
    // One at a time: two new, still empty bricks would outvote the only full
    // one, should its node fail before they are healed.
    let here = s.observed.identity.iter().map(|me| me.address);
    let mut givers = here.chain(brick_givers(s, storage));
    if let Some(brick) = givers.find(|a| volume.bricks.iter().all(|b| b.address != *a)) {
        let replicas = volume.replicas + 1;
        let why = format!("{replicas} nodes can hold a copy each");
        steps.push(because(Step::AddBricks { replicas, bricks: vec![brick] }, why));
    }
}
