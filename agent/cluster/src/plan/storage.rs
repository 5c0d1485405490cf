//! Storage: the pool, the volume and its bricks, the mount.

use super::pair::Turn;
use super::{because, growth, pair, rouse, waits, witness};
use crate::situation::Situation;
use crate::{Brick, Daemon, Identity, Part, Plan, Planned, RingMember, Step, Storage, Volume};
use crate::{holds_it_twice, state_fills};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// For how many settle times the founder waits, in an unchanged ring, for
/// nodes on their way before it creates the volume without them. They can be
/// added later; created at once the volume needs no copying.
const PATIENCE: u64 = 3;

/// For how long a mount may be silent though the volume can be written, in
/// milliseconds. To tear it away takes the files from every running container:
/// longer than any stall that passes.
const DEAF: u64 = 120_000;

/// For how long a copy that answers may be unheard here, in milliseconds: ten times what
/// a client of GlusterFS waits between two tries to reach one.
const UNHEARD: u64 = 30_000;

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    let Some((me, _)) = s.certified().filter(|_| s.wanted.storage) else { return };
    if s.observed.long_logs && state_fills(&s.observed.disks) {
        let why = "the state partition runs full, and nothing else bounds them";
        plan.steps.push(because(Step::TrimLogs, why));
    }
    if s.hangs(Part::Bricks).is_some() {
        rouse(s, Daemon::Bricks, plan);
    }
    let Some(storage) = &s.observed.storage else {
        return rouse(s, Daemon::Storage, plan);
    };
    if s.authority() {
        probe(s, storage, &mut plan.steps);
        match &storage.volume {
            None => create(s, me, storage, plan),
            Some(volume) => upkeep(s, volume, storage, plan),
        }
    }
    if let Some(volume) = storage.volume.as_ref().filter(|v| v.started) {
        renew(s, me, volume, plan);
    }
    if let Some(volume) = storage.volume.as_ref().filter(|v| v.started) {
        settle(volume, plan);
    }
    if s.mountable() && !s.observed.mounted {
        mount(s, plan);
    }
    listen(s, plan);
}

/// What this box lost of its copy, or may have lost, the others give back. GlusterFS does
/// not start a brick whose directory lost its mark, lest the mount point of a disk that is
/// missing be taken for an empty copy; and one that a repair cut short it takes for whole.
fn renew(s: &Situation<'_>, me: &Identity, volume: &Volume, plan: &mut Plan) {
    let set = volume.set_of(me.address);
    let Some(own) = set.iter().find(|b| b.address == me.address) else { return };
    let data = &s.observed.data;
    let (step, why, wanted, rule) = if data.is_gone() && !own.online {
        let why = "no repair of this node's data partition helped, and the others have its copy";
        let rule = "remake-only-what-others-fill";
        (Step::RemakeData, why, "a new data partition on this node", rule)
    } else if volume.emptied && !own.online && data.unmounted.is_none() {
        let why = "this node's brick lost all that it held, and the others have it";
        let rule = "renew-only-what-others-fill";
        (Step::RenewBrick, why, "this node's emptied brick", rule)
    } else if data.is_doubted()
        && !volume.emptied
        && holds_it_twice(&s.observed.disks)
        && set.len() > 2
    {
        let why = "the file system below this node's brick was repaired, and the others have \
                   what that may have cost";
        let rule = "renew-only-what-others-fill";
        (Step::RenewBrick, why, "this node's brick, which a repair may have cost files", rule)
    } else {
        return;
    };
    if !volume.has_whole_sets() {
        return;
    }
    let whole = |b: &Brick| volume.behind.as_ref().is_some_and(|all| !all.contains(&b.address));
    let mut others = set.iter().filter(|b| b.address != me.address);
    if set.len() > 2 && others.all(|b| b.online && whole(b)) {
        plan.steps.push(because(step, why));
    } else {
        let until = match set.len() {
            ..=2 => "a person says what becomes of it: one other copy is all there is",
            _ => "the other bricks of its set run and lack nothing",
        };
        plan.waits.push(waits(wanted, until, rule));
    }
}

/// Boxes that make a directory of the same name at the same moment can leave two of it on
/// the copies, and GlusterFS heals that of files only: until one counts, no box can open
/// either.
fn settle(volume: &Volume, plan: &mut Plan) {
    let all_run = volume.bricks.iter().all(|b| b.online);
    for path in &volume.torn {
        if all_run {
            let why = format!("boxes made {path} at the same moment, and its copies differ");
            plan.steps.push(because(Step::SettleDirectory { path: path.clone() }, why));
        } else {
            let wanted = format!("the directory {path}, whose copies differ,");
            plan.waits.push(waits(wanted, "all bricks run", "settle-only-what-is-torn"));
        }
    }
}

/// A client of GlusterFS over TLS that lost its brick while that hung may never try again,
/// whatever the brick does.
fn listen(s: &Situation<'_>, plan: &mut Plan) {
    let Some(deaf) = s.hangs(Part::Clients) else { return };
    let long = s.observed.now_ms.saturating_sub(deaf.since_ms);
    if long >= UNHEARD {
        let why = format!("a copy answers, and {}", deaf.why);
        plan.steps.push(because(Step::ConnectAnew, why));
    } else {
        let until = format!("they have been missing for {} s, or are there", UNHEARD / 1000);
        let wanted = "new connections to the copies";
        plan.waits.push(waits(wanted, until, "connect-anew-only-the-deaf"));
    }
}

fn mount(s: &Situation<'_>, plan: &mut Plan) {
    let Some(silent) = s.hangs(Part::Mount) else {
        let why = "the volume runs and is not mounted here";
        return plan.steps.push(because(Step::MountVolume, why));
    };
    let long = s.observed.now_ms.saturating_sub(silent.since_ms);
    if s.volume().is_some_and(|v| !v.writable()) {
        plan.waits.push(waits("an answer of the mount", "enough bricks run", "tear-only-the-deaf"));
    } else if long >= DEAF {
        let why =
            format!("the volume can be written, and its mount is silent for {} s", long / 1000);
        plan.steps.push(because(Step::Remount, why));
    } else {
        let until = format!("it has been silent for {} s, or answers", DEAF / 1000);
        plan.waits.push(waits("a new mount", until, "tear-only-the-deaf"));
    }
}

/// Brings members whose storage is open into the trusted pool. Where the bricks serve boxes
/// by name, one is let in before: what is set while it comes into the pool passes it by, and
/// its own brick would shut it out.
fn probe(s: &Situation<'_>, storage: &Storage, steps: &mut Vec<Planned>) {
    for member in outside(s, storage) {
        let why = format!("{} is not in the storage pool", member.name);
        steps.push(because(Step::ProbePeer { address: member.address }, why));
    }
}

/// The members whose storage is open and which the pool has not, or only half-way.
fn outside<'a>(
    s: &'a Situation<'_>,
    storage: &'a Storage,
) -> impl Iterator<Item = &'a RingMember> + use<'a> {
    let admits = storage.volume.as_ref().and_then(|volume| volume.admits.as_ref());
    let let_in = move |m: &&RingMember| admits.is_none_or(|names| names.contains(&m.name));
    let is_in = |m: &&RingMember| {
        storage.peers.iter().any(|peer| peer.address == m.address && peer.in_cluster)
    };
    s.live_kin().filter(|m| m.storage_open).filter(let_in).filter(move |m| !is_in(m))
}

/// Who could give a brick with content: this node, and the other members by id.
pub(super) fn brick_givers(s: &Situation<'_>, storage: &Storage) -> Vec<IpAddr> {
    let mut all = givers(s, storage);
    all.retain(|address| !s.votes_only_at(*address));
    all
}

/// Who could give a brick of either kind.
pub(super) fn givers(s: &Situation<'_>, storage: &Storage) -> Vec<IpAddr> {
    let in_pool = |a: IpAddr| {
        let mut entries = storage.peers.iter().filter(|p| p.address == a).peekable();
        entries.peek().is_some() && entries.all(|p| p.connected && p.in_cluster)
    };
    let open = s.live_kin().filter(|m| m.storage_open && in_pool(m.address));
    let here = s.observed.identity.iter().map(|me| me.address);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in here.chain(open.map(|m| m.address)).filter(|a| !s.leaves(*a)) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn create(s: &Situation<'_>, me: &Identity, storage: &Storage, plan: &mut Plan) {
    if !may_create(s) {
        let until = "this node's storage state comes back: it knew a volume once";
        plan.waits.push(waits("the volume", until, "one-volume"));
        return;
    }
    if let Some(name) = awaited(s, me, storage) {
        let until = format!("{name} can give a brick, or its time is up");
        plan.waits.push(waits("the volume", until, "bricks-only-on-open-peers"));
        return;
    }
    // A daemon that takes somebody into the pool while it makes a volume can wait for an
    // answer that never comes, and let go of neither for three minutes.
    if let Some(member) = outside(s, storage).next().filter(|_| is_worth_waiting(s)) {
        let until = format!("{} is in the storage pool, or its time is up", member.name);
        plan.waits.push(waits("the volume", until, "bricks-only-on-open-peers"));
        return;
    }
    let bricks = first_bricks(s, me, storage);
    if bricks.is_empty() {
        let until = "a box that carries data can give a brick";
        plan.waits.push(waits("the volume", until, "witness-carries-no-data"));
        return;
    }
    let why = format!("there is no volume {}", s.wanted.volume);
    plan.steps.push(because(Step::CreateVolume { bricks }, why));
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
    let mut bricks: Vec<_> = (!s.is_witness()).then_some(me.address).into_iter().collect();
    bricks.extend(brick_givers(s, storage).into_iter().filter(|a| *a != me.address));
    bricks.truncate(usize::from(s.replicas()));
    bricks
}

/// Whether the ring changed so short a time ago that others are still on their way.
fn is_worth_waiting(s: &Situation<'_>) -> bool {
    let quiet = s.observed.ring.as_ref().map(|ring| ring.quiet_ms);
    quiet.is_some_and(|quiet| quiet < s.wanted.settle_ms.saturating_mul(PATIENCE))
}

/// A node on its way to giving one of the first bricks, while it is still
/// worth waiting for.
pub(crate) fn awaited<'a>(s: &Situation<'a>, me: &Identity, storage: &Storage) -> Option<&'a str> {
    let bricks = first_bricks(s, me, storage);
    let enough = bricks.len() >= usize::from(s.replicas());
    if enough || !is_worth_waiting(s) {
        return None;
    }
    let cluster = s.observed.membership.as_ref().map(|m| &m.cluster);
    s.live()
        .filter(|m| m.id.is_some() && (m.cluster.is_none() || m.cluster.as_ref() == cluster))
        .filter(|m| !s.votes_only(m))
        .find(|m| !bricks.contains(&m.address))
        .map(|m| m.name.as_str())
}

/// Options, start, and further bricks for a volume that is there.
fn upkeep(s: &Situation<'_>, volume: &Volume, storage: &Storage, plan: &mut Plan) {
    let turn = if volume.started { pair::hand_back(s, volume, plan) } else { Turn::First };
    match turn {
        Turn::First => {}
        Turn::GivenBack | Turn::Awaited if volume.tuned && volume.tls => {
            return revive(s, volume, &mut plan.steps);
        }
        // It sets the options itself.
        Turn::GivenBack => return,
        Turn::Awaited => {
            let why = "the volume's options are not those of whose turn it is";
            plan.steps.push(because(Step::TuneVolume, why));
            return;
        }
    }
    if !(volume.tls && volume.tuned) {
        let why = "the volume's TLS, quorum or time-out options are not as wanted";
        plan.steps.push(because(Step::TuneVolume, why));
        return;
    }
    if !volume.started {
        plan.steps.push(because(Step::StartVolume, "the volume is stopped"));
        return;
    }
    revive(s, volume, &mut plan.steps);
    if witness::arbiter(s, volume, storage, plan) {
        return;
    }
    let copies = usize::from(volume.replicas);
    if !volume.is_one_set() || copies >= most_copies(s, volume) {
        return growth::plan(s, volume, storage, plan);
    }
    // One at a time: two new, still empty bricks would outvote the only full
    // one, should its node fail before they are healed.
    let mut givers = brick_givers(s, storage).into_iter();
    let Some(brick) = givers.find(|a| volume.bricks.iter().all(|b| b.address != *a)) else {
        return;
    };
    if let Some(until) = unhealthy(volume) {
        let rule = "add-bricks-only-when-healthy";
        plan.waits.push(waits(format!("a brick on {brick}"), until, rule));
        return;
    }
    let replicas = volume.replicas + 1;
    let why = format!("{replicas} nodes can hold a copy each");
    plan.steps.push(because(Step::AddBricks { replicas, bricks: vec![brick] }, why));
}

/// How many copies there may be now: of fewer than three, one more while the box of
/// one is on its way out, so that there are never fewer than wanted.
fn most_copies(s: &Situation<'_>, volume: &Volume) -> usize {
    let wanted = usize::from(s.replicas());
    let leaves = volume.bricks.iter().any(|b| s.leaves(b.address));
    if leaves { (wanted + 1).min(3) } else { wanted }
}

/// What a volume must get over before a brick is added to it, or taken from it.
pub(crate) fn unhealthy(volume: &Volume) -> Option<String> {
    if let Some(brick) = volume.bricks.iter().filter(|b| !b.online).map(|b| b.address).min() {
        return Some(format!("the brick on {brick} runs"));
    }
    match volume.pending_heals {
        _ if volume.replicas == 1 => None,
        Some(0) => None,
        Some(n) => Some(format!("{n} entries are healed")),
        None => Some("it is known whether there is anything to heal".into()),
    }
}

/// GlusterFS does not start a brick or a self-heal daemon again that died: it
/// must be told to, where the node's own storage daemon runs.
fn revive(s: &Situation<'_>, volume: &Volume, steps: &mut Vec<Planned>) {
    let off = |b: &&Brick| !b.online && !volume.silent.contains(&b.address);
    let bricks = volume.bricks.iter().filter(off).map(|b| b.address);
    let dead: BTreeSet<_> = bricks.filter(|a| s.stores(*a)).collect();
    let healers: BTreeSet<_> =
        volume.healers_down.iter().copied().filter(|a| s.stores(*a)).collect();
    let why = match (dead.first(), healers.first()) {
        (Some(brick), _) => format!("the brick on {brick} does not run, and its node does"),
        (None, Some(healer)) => format!("the self-heal daemon on {healer} does not run"),
        (None, None) => return,
    };
    steps.push(because(Step::StartVolume, why));
}
