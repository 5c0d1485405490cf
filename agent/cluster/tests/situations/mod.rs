//! Canonical situations of a small site, seen by one of its nodes.
// Each test crate uses its part; a situation that does not fit its change is a mistake in the test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use ashlar_cluster::{
    Availability, BothSeen, Brick, Clock, ClusterId, Hand, Identity, Intent, Keeps, KnownBox,
    LeftBehind, Look, MemberStatus, Membership, NodeId, Observed, OtherClock, Part, Peer, Pki,
    Place, Rebalance, Record, RetiredBox, Ring, RingMember, Silent, Stack, StackFile, Storage,
    Swarm, SwarmLocal, SwarmNode, SwarmRole, Volume, Wanted, Yielding,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

pub const CLUSTER: &str = "c0ffee";

/// Another cluster of the site.
pub const OTHER: &str = "decade";

/// Node 1 has the smallest id, node 2 the next.
pub fn id(n: u8) -> NodeId {
    NodeId(format!("{n}aaaaaaa{n}bbbbbbb"))
}

pub fn name(n: u8) -> String {
    format!("ashlar-{n}aaaaaaa")
}

pub fn address(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 83, 0, n))
}

pub fn cluster() -> ClusterId {
    ClusterId(CLUSTER.into())
}

/// A live member without a cluster.
pub fn member(n: u8) -> RingMember {
    RingMember {
        keys: None,
        cas: None,
        id: Some(id(n)),
        name: name(n),
        address: address(n),
        status: MemberStatus::Alive,
        cluster: None,
        storage_open: false,
        ca_key: false,
        swarm: None,
        witness: false,
        full: false,
        keeps: None,
        yields: None,
        hand: None,
        left: None,
    }
}

/// A live member of the cluster whose storage is open.
pub fn open(n: u8) -> RingMember {
    RingMember { cluster: Some(cluster()), storage_open: true, ..member(n) }
}

/// A live manager of the cluster with the CA key.
pub fn manager(n: u8) -> RingMember {
    RingMember { ca_key: true, swarm: Some(SwarmRole::Manager), ..open(n) }
}

pub fn failed(member: RingMember) -> RingMember {
    RingMember { status: MemberStatus::Failed, ..member }
}

/// The clock of a node whose battery is empty, beside those of these others.
pub fn years_behind(others: &[u8]) -> Clock {
    let other = |n: &u8| OtherClock { name: name(*n), ahead_s: 94_000_000, synchronised: false };
    Clock::among(Some(NOW - 94_000_000), false, false, others.iter().map(other).collect())
}

/// Node `n`, in a quiet ring with these members and nothing else.
pub fn new_node(n: u8, members: Vec<RingMember>) -> Observed {
    Observed {
        now_ms: 600_000,
        site: true,
        identity: Some(Identity { id: id(n), name: name(n), address: address(n) }),
        ring: Some(Ring { members, quiet_ms: 60_000, outdated: false }),
        place: Place { carrier_ms: Some(60_000), ..Place::default() },
        clock: Clock { unix: Some(NOW), ..Clock::default() },
        ..Observed::default()
    }
}

/// Node `n` as a certified member, its own tags among the members.
pub fn certified(n: u8, founder: bool, members: Vec<RingMember>) -> Observed {
    Observed {
        membership: Some(Membership { cluster: cluster(), founder, swarm: false }),
        pki: Pki { ca: true, certificate: true, ca_key: founder, ..Pki::default() },
        ..new_node(n, members)
    }
}

/// The founder, node 1, before there is a Swarm.
pub fn founder(others: Vec<RingMember>) -> Observed {
    let own = RingMember { ca_key: true, ..open(1) };
    let storage = Storage { peers: others.iter().map(peer).collect(), volume: None };
    let members = std::iter::once(own).chain(others).collect();
    Observed {
        storage: Some(storage),
        swarm: Some(Swarm::default()),
        ..certified(1, true, members)
    }
}

fn peer(member: &RingMember) -> Peer {
    Peer { address: member.address, connected: true, in_cluster: true }
}

/// A running volume with a brick on each of these nodes.
pub fn volume(nodes: &[u8]) -> Volume {
    let copies = u8::try_from(nodes.len()).unwrap();
    Volume {
        started: true,
        replicas: copies,
        tls: true,
        tuned: true,
        bricks: nodes
            .iter()
            .map(|n| Brick { address: address(*n), online: true, arbiter: false })
            .collect(),
        emptied: false,
        torn: BTreeSet::new(),
        pending_heals: (copies > 1).then_some(0),
        healers_down: Vec::new(),
        behind: None,
        spread: 0,
        silent: BTreeSet::new(),
        rebalance: None,
        admits: None,
        turn: 0,
    }
}

/// Node `n` of a settled cluster of nodes 1 to `of`, which 1 leads.
pub fn settled(n: u8, of: u8) -> Observed {
    let role = |m: u8| if m <= odd(of) { SwarmRole::Manager } else { SwarmRole::Worker };
    let manages = |m: u8| role(m) == SwarmRole::Manager;
    let entry = |m: u8| RingMember { ca_key: m <= 3, swarm: Some(role(m)), ..open(m) };
    let members: Vec<_> = (1..=of).map(entry).collect();
    let bricks: Vec<_> = (1..=of.min(3)).collect();
    let peers = members.iter().filter(|m| m.name != name(n)).map(peer).collect();
    let node = |m: u8| SwarmNode {
        id: format!("entry-{m}"),
        name: name(m),
        address: Some(address(m)),
        up: true,
        manager: manages(m),
        reachable: manages(m),
        leader: m == 1,
        availability: Availability::Active,
        tasks: 0,
    };
    Observed {
        membership: Some(Membership { cluster: cluster(), founder: n == 1, swarm: true }),
        pki: Pki { ca: true, certificate: true, ca_key: n <= 3, ..Pki::default() },
        storage: Some(Storage { peers, volume: Some(volume(&bricks)) }),
        mounted: true,
        swarm: Some(Swarm {
            local: SwarmLocal::Active,
            manager: manages(n),
            leader: n == 1,
            nodes: if manages(n) { (1..=of).map(node).collect() } else { Vec::new() },
            stacks: Vec::new(),
            disowned_ms: 0,
            unheard_ms: 0,
            limbo_ms: 0,
            index: manages(n).then_some(17),
            record: if manages(n) { Record::Known(known(of)) } else { Record::Unknown },
            told_retired: BTreeSet::new(),
            told_leaving: false,
            manager_less_ms: None,
            of_people: None,
            misplaced: false,
        }),
        ..new_node(n, members)
    }
}

/// A settled cluster of six or more boxes, whose files are spread over two sets.
pub fn two_sets(n: u8, of: u8) -> Observed {
    but(settled(n, of), |o| {
        *volume_of(o) = Volume { replicas: 3, spread: 2, ..volume(&[1, 2, 3, 4, 5, 6]) };
    })
}

/// The same, before any file went to the second set.
pub fn one_set_new(rebalance: Rebalance) -> Observed {
    but(two_sets(1, 6), |o| {
        let volume = volume_of(o);
        (volume.spread, volume.rebalance) = (0, Some(rebalance));
    })
}

/// Node `n` shows that it is a witness.
pub fn show_witness(observed: &mut Observed, n: u8) {
    observed.witness = observed.identity.as_ref().unwrap().id == id(n);
    observed.ring.as_mut().unwrap().members[usize::from(n) - 1].witness = true;
}

/// Node `me` of two with data, 1 and 2, and a witness, 3.
pub fn witnessed(me: u8) -> Observed {
    but(settled(me, 3), |o| {
        show_witness(o, 3);
        volume_of(o).bricks[2].arbiter = true;
        for entry in swarm_of(o).nodes.iter_mut().filter(|n| n.name == name(3)) {
            entry.availability = Availability::Voting;
        }
    })
}

/// Both of two manage.
pub fn both_manage(observed: &mut Observed) {
    for entry in &mut swarm_of(observed).nodes {
        (entry.manager, entry.reachable) = (true, true);
    }
}

/// The record of a cluster of nodes 1 to `of`.
pub fn known(of: u8) -> Intent {
    let known = |n: u8| {
        let known =
            KnownBox { name: name(n), address: address(n), lost_since: None, remove: false };
        (id(n), known)
    };
    Intent { boxes: (1..=of).map(known).collect(), ..Intent::default() }
}

/// The wall clock of every situation.
pub const NOW: u64 = 1_790_000_000;

/// Node `n` has been lost for so many hours, and the rest of it is whole.
pub fn lose_for(observed: &mut Observed, n: u8, hours: u64) {
    lose(observed, n);
    let intent = intent_of(observed);
    intent.boxes.get_mut(&id(n)).unwrap().lost_since = Some(NOW - hours * 3_600);
    let storage = observed.storage.as_mut().unwrap();
    for peer in storage.peers.iter_mut().filter(|p| p.address == address(n)) {
        peer.connected = false;
    }
    let volume = volume_of(observed);
    for brick in volume.bricks.iter_mut().filter(|b| b.address == address(n)) {
        brick.online = false;
    }
    (volume.pending_heals, volume.behind) = (None, Some(BTreeSet::new()));
}

/// What the record says of node `n`, which lost its place two minutes ago.
pub fn gone(n: u8) -> RetiredBox {
    RetiredBox::lost(name(n), address(n), NOW - 120)
}

/// A person struck node `n` off, which is on and does not care.
pub fn revoked(me: u8, of: u8, n: u8) -> Observed {
    but(settled(me, of), |o| revoke(o, n))
}

/// Node `n` was struck off just now.
pub fn revoke(observed: &mut Observed, n: u8) {
    let intent = intent_of(observed);
    intent.boxes.remove(&id(n));
    let gone = RetiredBox { removed: true, revoked: true, ..gone(n) };
    intent.retired.insert(id(n), gone);
    observed.pki.struck_off.insert(id(n));
}

/// Node `n` lost its place two minutes ago.
pub fn retire(observed: &mut Observed, n: u8) {
    lose_for(observed, n, 80);
    let intent = intent_of(observed);
    intent.boxes.remove(&id(n));
    let gone = gone(n);
    intent.retired.insert(id(n), gone);
    observed.pki.struck_off.insert(id(n));
}

/// What a cluster shows of itself.
pub fn keeps(data: bool, boxes: u16) -> Option<Keeps> {
    Some(Keeps { data, boxes })
}

/// Node `me` of a settled cluster of nodes 1 to `of` that sees nodes 7 and 8 of another one.
/// Of each its leader shows what it holds.
pub fn met(me: u8, of: u8, ours: Option<Keeps>, theirs: Option<Keeps>) -> Observed {
    but(settled(me, of), |o| {
        let other = |n| RingMember { cluster: Some(ClusterId(OTHER.into())), ..manager(n) };
        let members = &mut o.ring.as_mut().unwrap().members;
        members[0].keeps = ours;
        members.extend([RingMember { keeps: theirs, ..other(7) }, other(8)]);
        o.files = Some(ours.is_some_and(|keeps| keeps.data));
        swarm_of(o).of_people = (me <= odd(of)).then(Vec::new);
    })
}

/// So many of the boxes of [`met`], this one first, have it on their disk that their
/// cluster dissolves.
pub fn yielding(observed: &mut Observed, boxes: usize, asked: bool) {
    let into = ClusterId(OTHER.into());
    for member in observed.ring.as_mut().unwrap().members.iter_mut().take(boxes) {
        member.yields = Some(into.clone());
    }
    observed.yields = Some(Yielding { into, asked });
}

/// A settled cluster of which a person takes `n` out.
pub fn leaving(me: u8, of: u8, n: u8) -> Observed {
    but(settled(me, of), |o| intent_of(o).boxes.get_mut(&id(n)).unwrap().remove = true)
}

/// Nothing runs on `n`, and it manages nothing.
pub fn empty(n: u8) -> impl Fn(&mut Observed) {
    move |o| {
        let entry = &mut swarm_of(o).nodes[usize::from(n) - 1];
        (entry.manager, entry.reachable) = (false, false);
        entry.availability = Availability::Leaving;
    }
}

pub fn intent_of(observed: &mut Observed) -> &mut Intent {
    match &mut swarm_of(observed).record {
        Record::Known(intent) => intent,
        other => panic!("no record: {other:?}"),
    }
}

fn odd(n: u8) -> u8 {
    match n {
        1 | 2 => 1,
        _ => 3,
    }
}

pub fn expecting(expect: u8) -> Wanted {
    Wanted { expect: Some(expect), ..Wanted::default() }
}

/// Changes a copy.
pub fn but(mut observed: Observed, change: impl FnOnce(&mut Observed)) -> Observed {
    change(&mut observed);
    observed
}

/// The brick of that node runs, and the mount here gets no answer of it.
pub fn silent(observed: &mut Observed, n: u8) {
    let volume = volume_of(observed);
    volume.bricks.iter_mut().filter(|b| b.address == address(n)).for_each(|b| b.online = false);
    volume.silent = [address(n)].into();
}

/// A part that has run and not answered for so long.
pub fn hangs(observed: &mut Observed, part: Part, ms: u64) {
    match part {
        Part::Ring => observed.ring = None,
        Part::Storage => observed.storage = None,
        Part::Bricks | Part::Clients => {}
        Part::Mount => observed.mounted = false,
        Part::Engine => observed.swarm = None,
    }
    let since_ms = observed.now_ms - ms;
    let silent = Silent { since_ms, why: "no answer within 20 s".into(), runs: true };
    observed.looks.insert(part, Look { at_ms: observed.now_ms, silent: Some(silent) });
}

/// Node `n` died ten minutes ago.
pub fn lose(observed: &mut Observed, n: u8) {
    let ring = observed.ring.as_mut().unwrap();
    ring.quiet_ms = 600_000;
    let member = ring.members.iter_mut().find(|m| m.name == name(n)).unwrap();
    *member = failed(member.clone());
    let entry = swarm_of(observed).nodes.iter_mut().find(|e| e.name == name(n)).unwrap();
    (entry.up, entry.reachable) = (false, false);
}

/// A stack that is deployed and runs.
pub fn stack(name: &str) -> Stack {
    Stack {
        name: name.into(),
        digest: Some("new".into()),
        services: 2,
        of: 2,
        running: 2,
        desired: 2,
    }
}

/// What the recipe ships.
pub fn shipping(names: &[&str]) -> Wanted {
    let file = |name: &&str| StackFile { name: (*name).into(), digest: "new".into() };
    Wanted { stacks: names.iter().map(file).collect(), ..Wanted::default() }
}

pub fn volume_of(observed: &mut Observed) -> &mut Volume {
    observed.storage.as_mut().and_then(|s| s.volume.as_mut()).unwrap()
}

pub fn swarm_of(observed: &mut Observed) -> &mut Swarm {
    observed.swarm.as_mut().unwrap()
}

/// The first of two, which is switched off in order: the other one manages alone.
pub fn going_down() -> Observed {
    but(settled(1, 2), |o| {
        o.goes_down = true;
        let members = &mut o.ring.as_mut().unwrap().members;
        (members[0].hand, members[0].swarm) = (Some(Hand::Over), Some(SwarmRole::Worker));
        members[1].swarm = Some(SwarmRole::Manager);
        *swarm_of(o) = Swarm { local: SwarmLocal::Active, ..Swarm::default() };
    })
}

/// Node `n` of two, of which the first handed over and is back.
pub fn handed_over(n: u8) -> Observed {
    but(settled(n, 2), |o| {
        let members = &mut o.ring.as_mut().unwrap().members;
        (members[0].hand, members[0].swarm) = (Some(Hand::Back), None);
        members[1].swarm = Some(SwarmRole::Manager);
        let mut swarm = settled(1, 2).swarm.unwrap();
        for entry in &mut swarm.nodes {
            let second = entry.name == name(2);
            (entry.up, entry.manager, entry.reachable, entry.leader) =
                (second, second, second, second);
        }
        o.swarm = (n == 2).then_some(swarm);
        volume_of(o).turn = 1;
        if n == 1 {
            (o.mounted, o.handed_over) = (false, Some(1));
        }
    })
}

/// The second of two, of which the first does not answer any more.
pub fn second_waits() -> Observed {
    but(settled(2, 2), |o| {
        let dead = &mut o.ring.as_mut().unwrap().members[0];
        dead.status = MemberStatus::Failed;
        o.storage.as_mut().unwrap().peers[0].connected = false;
        volume_of(o).bricks[0].online = false;
        volume_of(o).pending_heals = None;
        let other = LeftBehind { id: id(1), name: name(1), address: address(1) };
        o.both_seen = Some(BothSeen { other, at: NOW - 40, whole: true });
        o.seat = Some(NOW - 60);
    })
}

/// The same, and a person said that the first is gone for good.
pub fn told_alone() -> Observed {
    but(second_waits(), |o| {
        o.left_behind = o.both_seen.as_ref().map(|seen| seen.other.clone());
        o.said_since_boot = true;
    })
}

/// The first of two that was just switched on, and sees nobody yet.
pub fn looks_for_the_second() -> Observed {
    but(settled(1, 2), |o| {
        let ring = o.ring.as_mut().unwrap();
        ring.members[1].status = MemberStatus::Failed;
        ring.quiet_ms = 2_000;
        o.storage.as_mut().unwrap().peers[0].connected = false;
        volume_of(o).bricks[1].online = false;
        volume_of(o).pending_heals = None;
        (o.mounted, o.swarm) = (false, None);
    })
}
