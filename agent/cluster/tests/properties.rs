//! The planner against observations that nobody thought of.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{
    Availability, Brick, Clock, ClusterId, DataPartition, DataStanding, Hand, Keeps, MemberStatus,
    Membership, NodeId, Observed, OtherClock, Part, Peer, Phase, Pki, Place, Rebalance, Record,
    Repair, Ring, RingMember, Severity, Storage, Swarm, SwarmLocal, SwarmNode, SwarmRole, Tags,
    Troubles, Unmounted, Volume, Wanted, alerts, lint, phases, plan,
};
use proptest::collection::{btree_map, vec};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use situations::{address, id, name};
use std::collections::BTreeSet;

fn cluster() -> impl Strategy<Value = ClusterId> {
    prop_oneof![4 => Just("c0ffee"), 1 => Just("decaf")].prop_map(|c| ClusterId(c.into()))
}

fn role() -> impl Strategy<Value = SwarmRole> {
    prop_oneof![Just(SwarmRole::Manager), Just(SwarmRole::Worker)]
}

fn status() -> impl Strategy<Value = MemberStatus> {
    prop_oneof![
        12 => Just(MemberStatus::Alive),
        1 => Just(MemberStatus::Leaving),
        1 => Just(MemberStatus::Left),
        1 => Just(MemberStatus::Failed),
    ]
}

/// A member that is mostly what its number says.
fn member() -> impl Strategy<Value = RingMember> {
    let who = (1_u8..6, 1_u8..6, prop::bool::weighted(0.03), prop::bool::weighted(0.03));
    let witness = prop::bool::weighted(0.15);
    let full = prop::bool::weighted(0.1);
    let tags = (weighted(0.5, cluster()), any::<bool>(), any::<bool>(), of(role()), witness, full);
    (who, status(), tags).prop_map(|((n, other, mute, copied), status, tags)| RingMember {
        keys: None,
        cas: None,
        id: if mute { None } else { Some(id(if copied { other } else { n })) },
        name: name(n),
        address: address(n),
        status,
        cluster: tags.0,
        storage_open: tags.1,
        ca_key: tags.2,
        swarm: tags.3,
        witness: tags.4,
        full: tags.5,
        keeps: None,
        yields: None,
        hand: None,
        left: None,
    })
}

fn hand() -> impl Strategy<Value = Hand> {
    prop_oneof![Just(Hand::Over), Just(Hand::Back)]
}

/// One of two, or of three, with any stage of a hand-over.
fn handing() -> impl Strategy<Value = Observed> {
    let maybe = || any::<bool>();
    let hands = (of(hand()), of(hand()), maybe(), weighted(0.5, 0_u32..4));
    let volume = (0_u32..4, weighted(0.8, Just(0_u64)), prop::bool::weighted(0.9), maybe());
    (0_u8..5, hands, volume).prop_map(
        |(which, (first, second, goes_down, given), (turn, heals, online, tuned))| {
            let mut observed = match which {
                0 => situations::going_down(),
                1 | 2 => situations::handed_over(which),
                3 => situations::settled(1, 2),
                _ => situations::settled(2, 3),
            };
            (observed.goes_down, observed.handed_over) = (goes_down, given);
            let members = &mut observed.ring.as_mut().unwrap().members;
            (members[0].hand, members[1].hand) = (first, second);
            let volume = situations::volume_of(&mut observed);
            (volume.turn, volume.pending_heals, volume.tuned) = (turn, heals, tuned);
            volume.bricks[1].online = online;
            observed
        },
    )
}

fn ring() -> impl Strategy<Value = Ring> {
    let quiet = prop_oneof![Just(0), Just(9_999), Just(10_000), Just(30_000), Just(600_000)];
    let alone = prop_oneof![2 => Just(false), 1 => Just(true)];
    let outdated = prop_oneof![3 => Just(false), 1 => Just(true)];
    let parts = (vec(member(), 0..9), quiet, alone, outdated);
    parts.prop_map(|(mut members, quiet_ms, alone, outdated)| {
        if alone {
            members.iter_mut().for_each(|m| m.cluster = None);
        }
        members.push(situations::member(1));
        Ring { members, quiet_ms, outdated }
    })
}

fn storage() -> impl Strategy<Value = Storage> {
    let likely = || prop::bool::weighted(0.9);
    let peer = (1_u8..6, likely(), likely());
    let peer = peer.prop_map(|(n, connected, in_cluster)| Peer {
        address: address(n),
        connected,
        in_cluster,
    });
    let brick = (1_u8..6, likely(), prop::bool::weighted(0.1));
    let brick =
        brick.prop_map(|(n, online, arbiter)| Brick { address: address(n), online, arbiter });
    let flags = (likely(), likely(), likely());
    let heals = of(prop_oneof![3 => Just(0_u64), 1 => any::<u64>()]);
    let volume = (flags, 0_u8..5, vec(brick, 0..5), heals, any::<bool>()).prop_map(
        |((started, tls, tuned), replicas, bricks, pending_heals, sane)| Volume {
            healers_down: if sane { Vec::new() } else { vec![address(replicas)] },
            silent: bricks
                .iter()
                .filter(|b| !b.online && replicas % 2 == 0)
                .map(|b| b.address)
                .collect(),
            started,
            replicas: if sane { u8::try_from(bricks.len()).unwrap() } else { replicas },
            tls,
            tuned,
            bricks,
            emptied: pending_heals.is_none(),
            torn: if pending_heals == Some(1) {
                BTreeSet::from(["/tills".to_owned()])
            } else {
                BTreeSet::new()
            },
            pending_heals,
            behind: pending_heals.is_none().then(BTreeSet::new),
            spread: 0,
            rebalance: None,
            admits: None,
            turn: 0,
        },
    );
    (vec(peer, 0..5), of(volume)).prop_map(|(peers, volume)| Storage { peers, volume })
}

fn swarm() -> impl Strategy<Value = Swarm> {
    let local = prop_oneof![
        2 => Just(SwarmLocal::Inactive),
        1 => Just(SwarmLocal::Pending),
        4 => Just(SwarmLocal::Active),
        1 => Just(SwarmLocal::Error),
    ];
    let node = (1_u8..7, prop::bool::weighted(0.9), any::<bool>(), prop::bool::weighted(0.9));
    let node = node.prop_map(|(n, up, manager, reachable)| SwarmNode {
        id: if up { format!("seat-{n}") } else { format!("ghost-{n}") },
        name: name(n),
        address: Some(address(n)),
        up,
        manager,
        reachable,
        leader: n == 1,
        availability: if up { Availability::Active } else { Availability::Voting },
        tasks: 0,
    });
    let stack = (prop_oneof![Just("portal"), Just("till")], 0_u32..3, any::<bool>());
    let stack = stack.prop_map(|(name, services, whole)| ashlar_cluster::Stack {
        services,
        digest: whole.then(|| "new".into()),
        ..situations::stack(name)
    });
    let stacks = vec(stack, 0..3);
    let disowned = prop_oneof![3 => Just(0), 1 => 1..240_000_u64];
    (local, any::<bool>(), any::<bool>(), vec(node, 0..9), stacks, disowned).prop_map(
        |(local, manager, leader, nodes, stacks, disowned_ms)| Swarm {
            local,
            manager,
            leader,
            nodes,
            stacks,
            disowned_ms,
            unheard_ms: disowned_ms,
            limbo_ms: disowned_ms,
            index: None,
            record: Record::Unknown,
            told_retired: std::collections::BTreeSet::new(),
            told_leaving: false,
            manager_less_ms: None,
            of_people: None,
            misplaced: false,
        },
    )
}

/// A leader that has lost a box, or is done with it but for some traces.
fn removal() -> impl Strategy<Value = Observed> {
    let maybe = || any::<bool>();
    let box_ = (3_u8..6, 2_u8..6, maybe(), prop_oneof![Just(1_u64), Just(71), Just(73)]);
    let traces = (maybe(), maybe(), maybe(), prop::bool::weighted(0.2));
    let odd = (weighted(0.8, Just(0)), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let own = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (box_, traces, odd, own).prop_map(|((of, n, retired, hours), traces, odd, own)| {
        let n = n.min(of);
        let mut observed = situations::settled(1, of);
        if retired {
            situations::retire(&mut observed, n);
        } else {
            situations::lose_for(&mut observed, n, hours);
        }
        let (brick, peer, seat, back) = traces;
        if !brick {
            situations::volume_of(&mut observed).bricks.retain(|b| b.address != address(n));
            let left = situations::volume_of(&mut observed).bricks.len();
            situations::volume_of(&mut observed).replicas = u8::try_from(left).unwrap();
        }
        if !peer {
            observed.storage.as_mut().unwrap().peers.retain(|p| p.address != address(n));
        }
        if !seat {
            situations::swarm_of(&mut observed).nodes.retain(|e| e.name != name(n));
        }
        if back {
            let mut members = situations::settled(1, of).ring.unwrap().members;
            std::mem::swap(&mut members, &mut observed.ring.as_mut().unwrap().members);
        }
        let (behind, unreadable, newer) = odd;
        situations::volume_of(&mut observed).behind =
            behind.map(|_| (newer && n != 1).then(|| address(1)).into_iter().collect());
        if unreadable {
            situations::swarm_of(&mut observed).record = Record::Unreadable("version 2".into());
        }
        let (is_retired, not_listed) = own;
        observed.retired = is_retired;
        observed.removed = is_retired && back;
        if not_listed {
            observed.pki.struck_off.clear();
        }
        observed
    })
}

/// A leader while a person takes a box out, itself perhaps.
fn leaving() -> impl Strategy<Value = Observed> {
    let maybe = || any::<bool>();
    let box_ = (2_u8..6, 1_u8..6, maybe(), maybe());
    let entry = (maybe(), maybe(), prop_oneof![Just(0_u64), Just(2)], maybe());
    let volume = (maybe(), weighted(0.8, Just(0)), 1_u8..4, prop::bool::weighted(0.9));
    (box_, entry, volume, weighted(0.3, 0_u64..40_000)).prop_map(
        |(
            (of, n, asked, lost),
            (manages, emptied, tasks, up),
            (brick, heals, copies, online),
            less,
        )| {
            let n = n.min(of);
            let mut observed = situations::settled(1, of);
            if asked {
                observed = situations::leaving(1, of, n);
            }
            let copies: Vec<_> = (1..=copies.min(of)).collect();
            *situations::volume_of(&mut observed) = situations::volume(&copies);
            let volume = situations::volume_of(&mut observed);
            volume.pending_heals = heals;
            if !brick && volume.bricks.len() > 1 {
                volume.bricks.retain(|b| b.address != address(n));
                volume.replicas = u8::try_from(volume.bricks.len()).unwrap();
            }
            volume.bricks[0].online = online;
            let swarm = situations::swarm_of(&mut observed);
            swarm.manager_less_ms = less;
            let entry = &mut swarm.nodes[usize::from(n) - 1];
            entry.manager &= manages || n == 1;
            entry.reachable = entry.manager;
            entry.up = up || n == 1;
            entry.tasks = tasks;
            if emptied {
                entry.availability = Availability::Leaving;
            }
            if lost && n != 1 {
                situations::lose_for(&mut observed, n, 1);
            }
            observed
        },
    )
}

/// A leader of a volume of one set or two, on the way from one to the other.
fn growing() -> impl Strategy<Value = Observed> {
    let rebalance = prop_oneof![
        Just(Rebalance::Never),
        Just(Rebalance::Running),
        Just(Rebalance::Done),
        Just(Rebalance::Failed("a box was off".into())),
    ];
    let heals = prop_oneof![4 => Just(Some(0_u64)), 1 => Just(Some(3)), 1 => Just(None)];
    let box_ = (6_u8..10, any::<bool>(), 0_u8..3, weighted(0.3, 2_u8..7));
    let witness = weighted(0.2, 4_u8..10);
    (box_, of(rebalance), heals, any::<bool>(), any::<bool>(), witness).prop_map(
        |((boxes, two, spread, gone), rebalance, heals, asked, offline, witness)| {
            let mut observed = match two {
                true => situations::two_sets(1, boxes),
                false => situations::settled(1, boxes),
            };
            let volume = situations::volume_of(&mut observed);
            (volume.spread, volume.rebalance, volume.pending_heals) = (spread, rebalance, heals);
            match gone {
                Some(n) if asked => {
                    let intent = situations::intent_of(&mut observed);
                    intent.boxes.get_mut(&id(n)).unwrap().remove = true;
                }
                Some(n) => situations::retire(&mut observed, n),
                None if offline => situations::volume_of(&mut observed).bricks[1].online = false,
                None => {}
            }
            let none = |n: &u8| *n <= boxes && *n > if two { 6 } else { 3 };
            if let Some(witness) = witness.filter(none) {
                situations::show_witness(&mut observed, witness);
            }
            observed
        },
    )
}

/// A leader of two with data, a witness, and perhaps more.
fn witness() -> impl Strategy<Value = Observed> {
    let maybe = || any::<bool>();
    let who = (1_u8..4, 2_u8..6, 1_u8..6, maybe());
    let volume = (1_u8..4, prop::bool::weighted(0.3), weighted(0.9, Just(0_u64)), maybe());
    let state = (prop::bool::weighted(0.2), prop::bool::weighted(0.2), maybe(), maybe());
    (who, volume, state).prop_map(
        |((me, of, w, asked), (copies, swapped, heals, arbiter), (lost, down, voting, quiet))| {
            let (me, w) = (me.min(of), w.min(of));
            let mut observed = situations::settled(1, of);
            if asked {
                observed = situations::leaving(1, of, me);
            }
            situations::show_witness(&mut observed, w);
            let mut bricks: Vec<_> = (1..=of).filter(|n| *n != w).take(copies.into()).collect();
            if swapped {
                bricks.reverse();
            }
            let volume = situations::volume_of(&mut observed);
            *volume = situations::volume(&bricks);
            if arbiter && bricks.len() == 2 {
                *volume = situations::volume(&[bricks[0], bricks[1], w]);
                volume.bricks[2].arbiter = true;
            }
            volume.pending_heals = heals;
            volume.bricks[0].online = !down;
            let swarm = situations::swarm_of(&mut observed);
            if voting {
                swarm.nodes[usize::from(w) - 1].availability = Availability::Voting;
            }
            if swapped && of == 2 {
                situations::both_manage(&mut observed);
            }
            if quiet {
                observed.ring.as_mut().unwrap().quiet_ms = 600_000;
            }
            if lost && me != 1 {
                situations::retire(&mut observed, me);
            }
            observed
        },
    )
}

fn keeps() -> impl Strategy<Value = Option<Keeps>> {
    weighted(0.8, (any::<bool>(), 1_u16..4).prop_map(|(data, boxes)| Keeps { data, boxes }))
}

/// Two clusters of one site, one of which dissolves perhaps.
fn meeting() -> impl Strategy<Value = Observed> {
    let boxes = (1_u8..4, 1_u8..4, keeps(), keeps());
    let here = (of(any::<bool>()), of(0_usize..2), prop_oneof![Just(60_000_u64), Just(25_000)]);
    let note = (weighted(0.5, 1_usize..4), any::<bool>(), prop::bool::weighted(0.2));
    let lost = prop::bool::weighted(0.2);
    (boxes, here, note, lost).prop_map(
        |((me, of, ours, theirs), (files, services, quiet), (noted, asked, mutual), lost)| {
            let me = me.min(of);
            let mut observed = situations::met(me, of, ours, theirs);
            observed.files = files;
            let found = services.map(|n| vec!["service till".to_owned(); n]);
            situations::swarm_of(&mut observed).of_people = found;
            if let Some(noted) = noted {
                situations::yielding(&mut observed, noted, asked);
            }
            let ring = observed.ring.as_mut().unwrap();
            ring.quiet_ms = quiet;
            if mutual {
                ring.members[usize::from(of)].yields = Some(ClusterId(situations::CLUSTER.into()));
            }
            if lost && of > 1 && me == 1 {
                ring.members[1].status = MemberStatus::Failed;
            }
            observed
        },
    )
}

fn observed() -> impl Strategy<Value = Observed> {
    prop_oneof![
        6 => anything(),
        1 => removal(),
        1 => leaving(),
        1 => growing(),
        1 => witness(),
        1 => meeting(),
        1 => handing(),
    ]
}

fn anything() -> impl Strategy<Value = Observed> {
    let membership = (cluster(), any::<bool>(), any::<bool>());
    let membership =
        membership.prop_map(|(cluster, founder, swarm)| Membership { cluster, founder, swarm });
    let likely = || prop::bool::weighted(0.9);
    let pki = (likely(), likely(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1));
    let pki = pki.prop_map(|(ca, certificate, renewal_due, ca_key, ring_key_changed)| Pki {
        ca,
        certificate,
        renewal_due,
        ca_key,
        ring_key_changed,
        ring_keys: None,
        next_key: None,
        told_rotation: None,
        cas: None,
        signs_by: None,
        told_succession: None,
        struck_off: std::collections::BTreeSet::new(),
    });
    let carrier = prop_oneof![8 => Just(Some(600_000)), 1 => Just(None), 1 => of(0..60_000_u64)];
    let place = (carrier, prop::bool::weighted(0.05), prop::bool::weighted(0.02));
    let place = place.prop_map(|(carrier_ms, cable_elsewhere, moved)| Place {
        carrier_ms,
        cable_elsewhere,
        moved,
        twin: cable_elsewhere,
        in_memory: false,
        tried: false,
        change: None,
    });
    let ahead = prop_oneof![4 => Just(0_i64), 1 => Just(-31_536_000), 1 => Just(31_536_000)];
    let other = (ahead, any::<bool>());
    let other = other.prop_map(|(ahead_s, synchronised)| OtherClock {
        name: "ashlar-other".into(),
        ahead_s,
        synchronised,
    });
    let clock = (prop::bool::weighted(0.05), any::<bool>(), vec(other, 0..4));
    let clock = clock.prop_map(|(before_build, synchronised, others)| {
        let unix = (!before_build).then_some(situations::NOW);
        Clock::among(unix, before_build, synchronised, others)
    });
    let parts = (weighted(0.9, ring()), weighted(0.8, storage()), weighted(0.8, swarm()));
    let node = (prop::bool::weighted(0.97), prop::bool::weighted(0.97), any::<bool>());
    let part = prop_oneof![
        Just(Part::Storage),
        Just(Part::Bricks),
        Just(Part::Mount),
        Just(Part::Clients),
        Just(Part::Engine)
    ];
    let hung = vec((part, prop_oneof![Just(0), Just(50_000), Just(300_000_u64)]), 0..2);
    let machine = (place, clock, prop_oneof![4 => Just(1_u8), 1 => Just(5_u8)]);
    let bad = (hung, prop::bool::weighted(0.1), data());
    let all = (node, weighted(0.7, membership), pki, parts, machine, bad);
    all.prop_map(|(node, membership, pki, mut parts, (place, clock, me), (hung, fills, data))| {
        if me != 1
            && let Some(ring) = &mut parts.0
        {
            // Beside three that hold the CA key.
            let settled = situations::settled(me, me).ring.unwrap();
            ring.members.retain(|m| m.address > address(me));
            ring.members.extend(settled.members);
        }
        let identity = situations::new_node(me, Vec::new()).identity.filter(|_| node.1);
        let mut observed = Observed {
            site: node.0,
            identity,
            membership,
            ring: parts.0,
            pki,
            storage: parts.1,
            mounted: node.2,
            swarm: parts.2,
            now_ms: 600_000,
            place,
            clock,
            ..Observed::default()
        };
        if fills {
            observed.full = true;
            observed.long_logs = true;
            let name = "state".into();
            observed.disks = vec![ashlar_cluster::Disk { name, size: 1, used_percent: 85 }];
        }
        let (partition, used_percent) = data;
        observed.data = partition;
        observed.disks.push(ashlar_cluster::Disk { name: "data".into(), size: 1, used_percent });
        for (part, ms) in hung {
            situations::hangs(&mut observed, part, ms);
        }
        observed
    })
}

/// A data partition, and how much of it is used.
fn data() -> impl Strategy<Value = (DataPartition, u8)> {
    let standing = prop_oneof![
        2 => Just(DataStanding::Gone),
        1 => Just(DataStanding::Failing),
        1 => Just(DataStanding::Repairing)
    ];
    let why = "it did not mount";
    let unmounted = standing.prop_map(move |standing| Unmounted { standing, why: why.into() });
    let repaired = prop::bool::weighted(0.2);
    let partition = (weighted(0.2, unmounted), repaired).prop_map(|(unmounted, repaired)| {
        let repaired = repaired.then_some(Repair { log_dropped: true, torn: 0 });
        DataPartition { unmounted, repaired }
    });
    (partition, 0..95_u8)
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let likely = || prop::bool::weighted(0.9);
    let stacks = vec(prop_oneof![Just("portal"), Just("till")], 0..2);
    let stacks = stacks.prop_map(|names| situations::shipping(&names).stacks);
    let join = vec(prop_oneof![Just("10.83.0.9"), Just("[::1]:7945"), Just("shop")], 0..3);
    let counts = (weighted(0.3, 0_u8..6), 0_u8..5, 0_u8..9);
    (likely(), likely(), likely(), counts, stacks, join).prop_map(
        |(ring, storage, swarm, (expect, replicas, managers), stacks, join)| Wanted {
            ring,
            storage,
            swarm,
            expect,
            replicas,
            managers,
            stacks,
            join: join.into_iter().map(str::to_owned).collect(),
            ..Wanted::default()
        },
    )
}

/// The same observation, told in another order.
fn shuffled(observed: &Observed, seed: u64) -> Observed {
    let mut other = observed.clone();
    let mut random = ashlar_cluster::simulate::Random::new(seed);
    fn shuffle<T>(list: &mut [T], random: &mut ashlar_cluster::simulate::Random) {
        for i in (1..list.len()).rev() {
            list.swap(i, usize::try_from(random.between(0, i as u64)).unwrap());
        }
    }
    other.ring.iter_mut().for_each(|r| shuffle(&mut r.members, &mut random));
    if let Some(storage) = &mut other.storage {
        // The order of the bricks counts: of two the first one decides.
        shuffle(&mut storage.peers, &mut random);
        storage.volume.iter_mut().for_each(|v| shuffle(&mut v.healers_down, &mut random));
    }
    if let Some(swarm) = &mut other.swarm {
        shuffle(&mut swarm.nodes, &mut random);
        shuffle(&mut swarm.stacks, &mut random);
    }
    other
}

/// Observations that never let the planner get to a step would prove nothing
/// about it.
#[test]
fn the_observations_reach_every_kind_of_step() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..10_000 {
        let case = (observed(), wanted()).new_tree(&mut runner).unwrap().current();
        for planned in plan(&case.0, &case.1).steps {
            let json = serde_json::to_value(&planned.step).unwrap();
            let daemon = json["daemon"].as_str().unwrap_or_default();
            kinds.insert(format!("{} {daemon}", json["do"].as_str().unwrap()));
        }
    }
    let kinds: Vec<_> = kinds.iter().map(|k| k.trim()).collect();
    insta::assert_snapshot!(kinds.join("\n"), @r"
    add-arbiter
    add-bricks
    add-set
    adopt-ring-key
    connect-anew
    create-volume
    deploy-stack
    detach-peer
    dissolve
    drop-brick
    drop-ca-key
    drop-swarm-entry
    enrol
    fetch-ca-key
    forget-member
    found
    hand-back
    hand-over
    init-swarm
    join-ring
    join-swarm
    leave-swarm
    make-identity
    mount-volume
    note-spread
    probe-peer
    rebalance
    record
    record-swarm
    remount
    remove-stack
    renew-brick
    renew-certificate
    replace-brick
    restart bricks
    restart engine
    restart storage
    restart-engine
    set-clock
    set-leaving
    set-swarm-role
    set-tags
    set-voting
    stand-fast
    start engine
    start ring
    start storage
    start-anew
    start-volume
    stay-out
    strike-off
    take-machine
    trim-logs
    tune-volume
    yield
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_500))]

    #[test]
    fn every_plan_passes_the_linter(observed in observed(), wanted in wanted()) {
        let plan = plan(&observed, &wanted);
        prop_assert_eq!(lint(&plan, &observed, &wanted), [], "{}", plan);
    }

    #[test]
    fn nothing_depends_on_the_order_in_which_things_are_told(
        observed in observed(), wanted in wanted(), seed in any::<u64>(),
    ) {
        let other = shuffled(&observed, seed);
        prop_assert_eq!(plan(&observed, &wanted), plan(&other, &wanted));
        prop_assert_eq!(phases(&observed, &wanted), phases(&other, &wanted));
        let told = |o: &Observed| alerts(o, &wanted, Troubles::default());
        prop_assert_eq!(told(&observed), told(&other));
    }

    #[test]
    fn a_node_that_is_ready_has_no_critical_alert(observed in observed(), wanted in wanted()) {
        let ready = phases(&observed, &wanted).last().is_some_and(|p| p.holds);
        let alerts = alerts(&observed, &wanted, Troubles::default());
        let worst = alerts.first().map(|alert| alert.severity);
        prop_assert!(!ready || worst != Some(Severity::Critical), "{:?}", alerts);
        let words = |a: &ashlar_cluster::Alert| format!("{}{}{}", a.words, a.cure, a.subject);
        prop_assert!(alerts.iter().all(|a| !words(a).contains('\n')));
    }

    #[test]
    fn phases_come_in_order_and_ready_is_all_of_them(observed in observed(), wanted in wanted()) {
        let phases = phases(&observed, &wanted);
        prop_assert!(phases.windows(2).all(|p| p[0].phase < p[1].phase));
        let (ready, others) = phases.split_last().unwrap();
        prop_assert_eq!(ready.phase, Phase::Ready);
        prop_assert!(!ready.holds || others.iter().all(|p| p.holds));
        prop_assert!(phases.iter().all(|p| !p.detail.is_empty() && !p.detail.contains('\n')));
    }

    #[test]
    fn a_plan_survives_json(observed in observed(), wanted in wanted()) {
        let plan = plan(&observed, &wanted);
        let json = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<ashlar_cluster::Plan>(&json).unwrap(), plan);
    }

    #[test]
    fn tags_survive_the_ring(
        node in "[0-9a-f]{1,32}", cluster in of("[0-9a-f]{1,32}"),
        storage_open in any::<bool>(), ca_key in any::<bool>(), swarm in of(role()),
        witness in any::<bool>(), full in any::<bool>(), hand in of(hand()), keeps in keeps(), yields in of("[0-9a-f]{1,32}"),
        left in of("[0-9a-f]{1,32}"),
    ) {
        let (cluster, yields) = (cluster.map(ClusterId), yields.map(ClusterId));
        let id = NodeId(node);
        let (keys, cas, left) = (None, None, left.map(NodeId));
        let tags = Tags {
            id, cluster, storage_open, ca_key, swarm, witness, full, hand, keys, cas, keeps, yields, left,
        };
        prop_assert_eq!(Tags::from_map(&tags.to_map()), Some(tags));
    }

    #[test]
    fn whatever_the_ring_carries_can_be_read(
        map in btree_map("(id|cluster|storage|ca|swarm|data|room|hand|keeps|yields|left|.*)", ".*", 0..8),
    ) {
        if let Some(tags) = Tags::from_map(&map) {
            prop_assert!(!tags.id.0.is_empty());
        }
    }
}
