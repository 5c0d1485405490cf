//! Every rule of the linter, with plans that break it.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{
    Cas, ClusterId, Daemon, DataStanding, Disk, Hand, KeyPrint, MemberStatus, Observed, Part, Plan,
    Planned, RULES, Rebalance, Record, Repair, RingKeys, RingMember, Rotation, RotationStage, Step,
    Storage, Succession, Swarm, SwarmLocal, SwarmRole, Tags, Troubles, Unmounted, Wanted, judge,
    lawful,
};
use situations::*;
use std::collections::BTreeSet;

fn rules_broken(step: Step, observed: &Observed, wanted: &Wanted) -> BTreeSet<&'static str> {
    judge(&step, observed, wanted).into_iter().map(|v| v.rule).collect()
}

fn enrol(cluster: &str, via: &[u8]) -> Step {
    let via = via.iter().map(|n| address(*n)).collect();
    Step::Enrol { cluster: ClusterId(cluster.into()), via }
}

fn start(daemon: Daemon) -> Step {
    Step::Start { daemon }
}

fn restart(daemon: Daemon) -> Step {
    Step::Restart { daemon }
}

fn drop_entry(id: &str, n: u8) -> Step {
    Step::DropSwarmEntry { id: id.into(), name: name(n), revoked: false }
}

/// A node whose engine has been on its way into the Swarm for so long.
fn stuck(n: u8, of: u8, limbo_ms: u64) -> Observed {
    but(settled(n, of), |o| {
        *swarm_of(o) = Swarm { local: SwarmLocal::Pending, limbo_ms, ..Swarm::default() };
    })
}

fn create(bricks: &[u8]) -> Step {
    Step::CreateVolume { bricks: bricks.iter().map(|n| address(*n)).collect() }
}

fn add(replicas: u8, bricks: &[u8]) -> Step {
    Step::AddBricks { replicas, bricks: bricks.iter().map(|n| address(*n)).collect() }
}

fn replace(from: u8, to: u8) -> Step {
    Step::ReplaceBrick { from: address(from), to: address(to) }
}

/// The data partition of this node was lost, and the others have all that was on it.
fn emptied(n: u8, of: u8) -> Observed {
    but(settled(n, of), |o| {
        let own = address(n);
        let volume = volume_of(o);
        (volume.emptied, volume.behind, volume.pending_heals) = (true, Some([].into()), None);
        volume.bricks.iter_mut().filter(|b| b.address == own).for_each(|b| b.online = false);
    })
}

/// No repair of this node's data partition helped.
fn unmendable(n: u8, of: u8) -> Observed {
    but(emptied(n, of), |o| {
        volume_of(o).emptied = false;
        o.data.unmounted = unmounted(DataStanding::Gone);
    })
}

fn unmounted(standing: DataStanding) -> Option<Unmounted> {
    Some(Unmounted { standing, why: "no superblock".into() })
}

/// The file system below this node's brick was repaired, and so much of it is used.
fn repaired(n: u8, of: u8, used_percent: u8) -> Observed {
    but(settled(n, of), |o| {
        o.data.repaired = Some(Repair { log_dropped: true, torn: 2 });
        o.disks = vec![Disk { name: "data".into(), size: 1 << 40, used_percent }];
        volume_of(o).behind = Some([address(n)].into());
    })
}

/// What this node would do, and what it waits for.
fn planned(observed: &Observed) -> (Vec<Step>, String) {
    let plan = ashlar_cluster::plan(observed, &Wanted::default());
    (plan.steps.iter().map(|p| p.step.clone()).collect(), plan.to_string())
}

/// The words and cures of the alerts of this kind.
fn alert(observed: &Observed, id: &str) -> Option<(String, String)> {
    let all = ashlar_cluster::alerts(observed, &Wanted::default(), Troubles::default());
    all.into_iter().find(|alert| alert.id == id).map(|alert| (alert.words, alert.cure))
}

#[test]
fn a_data_partition_that_is_gone_is_made_anew_only_where_others_have_what_it_held() {
    let (steps, _) = planned(&unmendable(2, 3));
    assert!(steps.contains(&Step::RemakeData), "{steps:?}");
    assert!(rules_broken(Step::RemakeData, &unmendable(2, 3), &Wanted::default()).is_empty());
    let (words, cure) = alert(&unmendable(2, 3), "data-gone").unwrap();
    assert!(words.contains("on this box alone is lost") && cure.starts_with("nothing"), "{words}");

    let (steps, plan) = planned(&unmendable(2, 2));
    assert!(!steps.contains(&Step::RemakeData) && plan.contains("a person says"), "{plan}");
    let (words, cure) = alert(&unmendable(2, 2), "data-gone").unwrap();
    assert!(words.contains("one of two copies") && cure.contains("--keep-site"), "{words}: {cure}");
    let (words, _) = alert(&unmendable(1, 1), "data-gone").unwrap();
    assert!(words.contains("nobody has another copy"), "{words}");

    let behind = but(unmendable(2, 3), |o| volume_of(o).behind = Some([address(3)].into()));
    assert!(!planned(&behind).0.contains(&Step::RemakeData));
    for standing in [
        DataStanding::Repairing,
        DataStanding::Failing,
        DataStanding::Foreign,
        DataStanding::Absent,
    ] {
        let other = but(unmendable(2, 3), |o| o.data.unmounted = unmounted(standing));
        assert!(!planned(&other).0.contains(&Step::RemakeData), "{standing:?}");
    }
}

#[test]
fn a_brick_that_a_repair_may_have_cost_files_is_filled_anew_where_others_have_them() {
    let (steps, _) = planned(&repaired(2, 3, 30));
    assert_eq!(steps, [Step::RenewBrick]);
    assert!(rules_broken(Step::RenewBrick, &repaired(2, 3, 30), &Wanted::default()).is_empty());
    assert!(alert(&repaired(2, 3, 30), "data-repaired").unwrap().1.starts_with("nothing"));

    // Two of three that were repaired wait for a person, and so does one of two.
    let both = but(repaired(2, 3, 30), |o| {
        volume_of(o).behind = Some([address(2), address(3)].into());
    });
    assert!(planned(&both).0.is_empty());
    assert!(planned(&repaired(2, 2, 30)).0.is_empty());
    let (words, cure) = alert(&repaired(2, 2, 30), "data-repaired").unwrap();
    assert!(words.contains("2 files or folders lost their names"), "{words}");
    assert!(cure.contains("compare them"), "{cure}");
    // What is set aside needs room beside what takes its place.
    assert!(planned(&repaired(2, 3, 60)).0.is_empty());
    let (_, cure) = alert(&repaired(2, 3, 60), "data-repaired").unwrap();
    assert!(cure.contains("less than half"), "{cure}");
}

fn settle(path: &str) -> Step {
    Step::SettleDirectory { path: path.to_owned() }
}

/// Of whose volume that directory is torn, and this node's copy right.
fn torn(nth: u8, of: u8, path: &str) -> Observed {
    but(settled(nth, of), |o| volume_of(o).torn = BTreeSet::from([path.to_owned()]))
}

#[test]
fn a_directory_that_is_torn_is_settled_while_all_bricks_run() {
    let observed = torn(2, 3, "/tills");
    let plan = ashlar_cluster::plan(&observed, &Wanted::default());
    assert_eq!(plan.steps.iter().map(|p| &p.step).collect::<Vec<_>>(), [&settle("/tills")]);
    assert_eq!(rules_broken(settle("/tills"), &observed, &Wanted::default()), BTreeSet::new());
    let away = but(observed, |o| volume_of(o).bricks[0].online = false);
    let plan = ashlar_cluster::plan(&away, &Wanted::default());
    assert!(!plan.steps.iter().any(|p| p.step == settle("/tills")), "{plan}");
    assert!(plan.to_string().contains("whose copies differ"), "{plan}");
}

#[test]
fn an_emptied_brick_is_given_back_while_the_others_of_three_are_whole() {
    let broken = rules_broken(Step::RenewBrick, &emptied(1, 3), &Wanted::default());
    assert!(broken.is_empty(), "{broken:?}");
}

/// The fourth was struck off, and the box in its place has its address.
fn given_on() -> Observed {
    but(revoked(1, 4, 4), |o| {
        let members = &mut o.ring.as_mut().unwrap().members;
        members.push(RingMember { address: address(4), ..manager(5) });
    })
}

/// The entry of a box that is up, of a person's wish.
fn strike_from_the_swarm(n: u8) -> Step {
    Step::DropSwarmEntry { id: format!("entry-{n}"), name: name(n), revoked: true }
}

/// Only these use the volume.
fn admit(nodes: &[u8]) -> Step {
    Step::AdmitToVolume { names: Some(nodes.iter().map(|n| name(*n)).collect()) }
}

/// The record of a cluster from which nobody but the planner struck node `n` off.
fn striking(of: u8, n: u8) -> Step {
    let mut observed = revoked(1, of, n);
    Step::Record { intent: intent_of(&mut observed).clone() }
}

fn set_leaving(n: u8, leaving: bool) -> Step {
    Step::SetLeaving { name: name(n), leaving }
}

/// The record in which a person asks for `n`.
fn asking(me: u8, of: u8, n: u8) -> Step {
    let intent = leaving(me, of, n).swarm.unwrap().record.intent().cloned().unwrap();
    Step::Record { intent }
}

fn set(bricks: &[u8]) -> Step {
    Step::AddSet { bricks: bricks.iter().map(|n| address(*n)).collect() }
}

fn move_files() -> Step {
    Step::Rebalance { sets: 2 }
}

fn note_spread() -> Step {
    Step::NoteSpread { sets: 2 }
}

fn drop_copy(n: u8) -> Step {
    Step::DropBrick { brick: address(n), replicas: 2 }
}

/// The record of four, of whom `n` lost its place by a person's wish.
fn without_live(me: u8, n: u8) -> Step {
    let mut observed = leaving(me, 4, n);
    let intent = intent_of(&mut observed);
    let known = intent.boxes.remove(&id(n)).unwrap();
    let (name, address) = (known.name, known.address);
    let gone = ashlar_cluster::RetiredBox { name, address, at: NOW, removed: true, ..gone(n) };
    intent.retired.insert(id(n), gone);
    Step::Record { intent: intent.clone() }
}

/// The record of four, of whom `n` lost its place.
fn without(n: u8) -> Step {
    let retired = but(settled(1, 4), |o| retire(o, n));
    let intent = retired.swarm.unwrap().record.intent().cloned().unwrap();
    Step::Record { intent }
}

fn join(role: SwarmRole, via: &[u8]) -> Step {
    Step::JoinSwarm { role, via: via.iter().map(|n| address(*n)).collect() }
}

fn role(n: u8, role: SwarmRole) -> Step {
    Step::SetSwarmRole { name: name(n), role }
}

fn tags(n: u8) -> Tags {
    Tags {
        keys: None,
        cas: None,
        id: id(n),
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

fn member_tags(n: u8) -> Tags {
    Tags { cluster: Some(cluster()), ..tags(n) }
}

fn other() -> ClusterId {
    ClusterId(OTHER.into())
}

fn yields() -> Step {
    Step::Yield { into: other() }
}

fn dissolves() -> Step {
    Step::Dissolve { into: other() }
}

/// Node 1 of two that hold nothing, and see two that hold something.
fn yielder() -> Observed {
    met(1, 2, keeps(false, 2), keeps(true, 2))
}

fn service(observed: &mut Observed) {
    swarm_of(observed).of_people = Some(vec!["service till".into()]);
}

fn quiet(ms: u64, observed: Observed) -> Observed {
    but(observed, |o| o.ring.as_mut().unwrap().quiet_ms = ms)
}

fn alone() -> Observed {
    new_node(1, vec![member(1)])
}

/// A settled leader whose volume has these bricks.
fn bricks(nodes: &[u8]) -> Observed {
    but(settled(1, 4), |o| *volume_of(o) = volume(nodes))
}

/// What a witness has to do with, and a copy on each of these nodes.
fn beside(nodes: &[u8]) -> Observed {
    but(witnessed(1), |o| *volume_of(o) = volume(nodes))
}

fn voting(n: u8, voting: bool) -> Step {
    Step::SetVoting { name: name(n), voting }
}

fn hand_over(turn: u32) -> Step {
    Step::HandOver { to: address(2), turn }
}

fn hand_back(turn: u32) -> Step {
    Step::HandBack { turn }
}

fn drop_brick(n: u8, replicas: u8) -> Step {
    Step::DropBrick { brick: address(n), replicas }
}

fn arbiter(n: u8) -> Step {
    Step::AddArbiter { brick: address(n) }
}

/// A founder's stopped volume of one brick.
fn stopped(tls: bool, tuned: bool) -> Observed {
    but(founder(vec![]), |o| {
        let stopped = ashlar_cluster::Volume { started: false, tls, tuned, ..volume(&[1]) };
        o.storage.as_mut().unwrap().volume = Some(stopped);
    })
}

fn outside_the_swarm(n: u8) -> Observed {
    but(settled(n, 3), |o| *swarm_of(o) = Swarm::default())
}

/// Rule, observation, step that breaks it there. Default wishes.
fn cases() -> Vec<(&'static str, Observed, Step)> {
    use SwarmRole::{Manager, Worker};
    let mute = RingMember { id: None, ..member(2) };
    let on_its_way = RingMember { status: MemberStatus::Leaving, ..member(2) };
    vec![
        ("found-only-when-alone", new_node(1, vec![member(1), open(2)]), Step::Found),
        ("restart-only-the-hung", settled(2, 3), restart(Daemon::Storage)),
        ("restart-only-the-hung", settled(2, 3), restart(Daemon::Bricks)),
        (
            "restart-only-the-hung",
            but(settled(2, 3), |o| hangs(o, Part::Storage, 44_999)),
            restart(Daemon::Storage),
        ),
        (
            "restart-only-the-hung",
            but(settled(2, 3), |o| {
                hangs(o, Part::Engine, 149_999);
                o.mounted = true;
                o.cpu_pressure = 80;
            }),
            restart(Daemon::Engine),
        ),
        ("restart-only-the-hung", but(settled(2, 3), |o| o.swarm = None), restart(Daemon::Engine)),
        (
            "no-tasks-before-their-files",
            but(settled(2, 3), |o| {
                hangs(o, Part::Engine, 90_000);
                o.mounted = false;
            }),
            restart(Daemon::Engine),
        ),
        ("trim-only-when-filling", but(settled(2, 3), |o| o.long_logs = true), Step::TrimLogs),
        (
            "trim-only-when-filling",
            but(settled(2, 3), |o| {
                o.disks = vec![Disk { name: "state".into(), size: 4 << 30, used_percent: 95 }];
            }),
            Step::TrimLogs,
        ),
        ("tear-only-the-deaf", but(settled(2, 3), |o| o.mounted = false), Step::Remount),
        (
            "tear-only-the-deaf",
            but(settled(2, 3), |o| {
                hangs(o, Part::Mount, 500_000);
                volume_of(o).bricks.iter_mut().skip(1).for_each(|b| b.online = false);
            }),
            Step::Remount,
        ),
        ("connect-anew-only-the-deaf", settled(2, 3), Step::ConnectAnew),
        (
            "connect-anew-only-the-deaf",
            but(settled(2, 3), |o| hangs(o, Part::Clients, 19_999)),
            Step::ConnectAnew,
        ),
        ("leave-only-a-dead-end", settled(2, 3), Step::LeaveSwarm),
        ("leave-only-a-dead-end", stuck(2, 3, 60_000), Step::LeaveSwarm),
        ("leave-only-a-dead-end", stuck(1, 1, 600_000), Step::LeaveSwarm),
        ("drop-only-the-replaced", settled(1, 3), drop_entry("entry-2", 2)),
        ("drop-only-the-replaced", settled(1, 3), strike_from_the_swarm(2)),
        ("drop-only-the-replaced", revoked(2, 3, 1), strike_from_the_swarm(1)),
        ("admit-every-box", revoked(1, 3, 3), admit(&[1])),
        ("admit-every-box", revoked(1, 3, 3), admit(&[2])),
        ("admit-every-box", revoked(1, 3, 3), admit(&[1, 2, 3])),
        ("admit-every-box", revoked(1, 3, 3), Step::AdmitToVolume { names: None }),
        ("retire-only-the-lost", settled(1, 3), striking(3, 3)),
        ("detach-only-the-retired", given_on(), Step::DetachPeer { address: address(4) }),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(revoked(1, 4, 3), |o| volume_of(o).pending_heals = Some(7)),
            replace(3, 4),
        ),
        (
            "drop-only-the-replaced",
            but(settled(1, 3), |o| swarm_of(o).nodes[1].up = false),
            drop_entry("entry-2", 2),
        )
            .also(|o| swarm_of(o).nodes[1].reachable = false),
        ("drop-only-the-replaced", settled(1, 3), drop_entry("ghost", 2)),
        ("witness-carries-no-data", but(alone(), |o| o.witness = true), Step::Found),
        (
            "witness-carries-no-data",
            beside(&[1, 2]),
            Step::AddBricks { replicas: 3, bricks: vec![address(3)] },
        ),
        (
            "witness-carries-no-data",
            but(leaving(1, 3, 2), |o| show_witness(o, 3)),
            Step::ReplaceBrick { from: address(2), to: address(3) },
        ),
        ("witness-carries-no-data", bricks(&[1, 2]), arbiter(3)),
        ("witness-carries-no-data", but(settled(1, 6), |o| show_witness(o, 6)), set(&[4, 5, 6])),
        ("witness-carries-no-data", settled(1, 6), set(&[4, 5, 6])).also(|o| {
            show_witness(o, 3);
            volume_of(o).bricks[2].arbiter = true;
        }),
        (
            "witness-carries-no-data",
            but(two_sets(1, 7), |o| {
                show_witness(o, 7);
                retire(o, 5);
            }),
            replace(5, 7),
        ),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1)).also(|o| o.goes_down = false),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1))
            .also(|o| volume_of(o).pending_heals = Some(3)),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1))
            .also(|o| volume_of(o).bricks[1].online = false),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1))
            .also(|o| o.handed_over = Some(1)),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1))
            .also(|o| swarm_of(o).manager = true),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1)).also(|o| {
            o.ring.as_mut().unwrap().members[1].hand = Some(Hand::Over);
        }),
        ("hand-over-only-what-is-whole", going_down(), hand_over(3)),
        ("hand-over-only-what-is-whole", going_down(), hand_over(1))
            .also(|o| *volume_of(o) = volume(&[2, 1])),
        ("hand-back-only-what-is-whole", handed_over(2), hand_back(2))
            .also(|o| volume_of(o).pending_heals = Some(3)),
        ("hand-back-only-what-is-whole", handed_over(2), hand_back(2))
            .also(|o| volume_of(o).bricks[0].online = false),
        ("hand-back-only-what-is-whole", handed_over(2), hand_back(2)).also(|o| {
            o.ring.as_mut().unwrap().members[0].hand = Some(Hand::Over);
        }),
        ("hand-back-only-what-is-whole", handed_over(2), hand_back(1)),
        // It may have given away turn 1, and nobody heard of it.
        ("hand-back-only-what-is-whole", handed_over(2), hand_back(1))
            .also(|o| volume_of(o).turn = 0),
        ("hand-back-only-what-is-whole", settled(1, 2), hand_back(2)),
        ("one-of-two-serves", handed_over(1), Step::MountVolume),
        ("one-of-two-serves", handed_over(1), Step::MountVolume).also(|o| o.handed_over = None),
        ("one-of-two-serves", handed_over(1), Step::MountVolume).also(|o| volume_of(o).turn = 0),
        ("one-of-two-serves", handed_over(2), add(3, &[3])),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| o.left_behind = None),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| o.said_since_boot = false),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| o.both_seen.as_mut().unwrap().whole = false),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| o.ring.as_mut().unwrap().members[0].status = MemberStatus::Alive),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| o.storage.as_mut().unwrap().peers[0].connected = true),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| volume_of(o).bricks.reverse()),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(1))
            .also(|o| volume_of(o).turn = 1),
        ("alone-only-by-a-person-s-word", told_alone(), go_on_alone(2)),
        ("alone-only-by-a-person-s-word", told_alone(), Step::LeadAlone),
        ("alone-only-by-a-person-s-word", told_alone(), Step::LeadAlone).also(|o| {
            *volume_of(o) = volume(&[2]);
            o.seat = None;
        }),
        ("alone-only-by-a-person-s-word", told_alone(), Step::ForgetWord),
        ("yield-to-who-went-on", looks_for_the_second(), Step::MountVolume),
        ("yield-to-who-went-on", looks_for_the_second(), Step::MountVolume).also(|o| {
            let members = &mut o.ring.as_mut().unwrap().members;
            members[1].status = MemberStatus::Alive;
            members[1].left = members[0].id.clone();
        }),
        ("witness-beside-two", beside(&[1]), arbiter(3)),
        ("witness-beside-two", witnessed(1), arbiter(3)),
        ("witness-beside-two", beside(&[1, 2]), arbiter(3))
            .also(|o| volume_of(o).pending_heals = Some(1)),
        ("witness-beside-two", beside(&[1, 2]), arbiter(3))
            .also(|o| volume_of(o).bricks[1].online = false),
        ("witness-beside-two", witnessed(1), drop_brick(3, 2)),
        ("witness-only-votes", settled(1, 3), voting(3, true)),
        ("witness-only-votes", witnessed(1), voting(3, false)),
        ("managers-odd", settled(1, 2), role(2, Manager)),
        ("managers-odd", but(settled(1, 2), both_manage), role(1, Worker)),
        ("empty-only-the-leaving", settled(1, 3), set_leaving(3, true)),
        ("empty-only-the-leaving", settled(1, 3), set_leaving(3, false)),
        ("empty-only-the-leaving", leaving(1, 3, 3), set_leaving(3, false)),
        ("managers-odd", leaving(1, 3, 2), role(2, Manager)),
        ("managers-odd", leaving(1, 2, 1), role(1, Worker)),
        ("take-out-only-the-emptied", but(leaving(1, 4, 4), empty(4)), without_live(1, 4))
            .also(|o| swarm_of(o).nodes[3].tasks = 1),
        ("take-out-only-the-emptied", leaving(1, 4, 4), without_live(1, 4)),
        ("take-out-only-the-emptied", but(leaving(1, 4, 3), empty(3)), without_live(1, 3)),
        ("take-out-only-the-emptied", but(leaving(1, 4, 4), empty(4)), without_live(1, 4))
            .also(|o| volume_of(o).pending_heals = Some(1)),
        ("take-out-only-the-emptied", settled(1, 4), asking(1, 4, 4)),
        ("retire-only-the-lost", but(settled(1, 4), empty(4)), without_live(1, 4)),
        ("stay-out-until-let-in", but(settled(1, 3), |o| o.out = true), Step::MakeIdentity),
        ("start-anew-only-when-told", settled(1, 3), Step::StayOut),
        ("yield-only-what-holds-nothing", settled(1, 3), yields()),
        ("yield-only-what-holds-nothing", met(1, 3, keeps(true, 3), keeps(true, 4)), yields()),
        ("yield-only-what-holds-nothing", met(1, 2, keeps(false, 2), keeps(false, 2)), yields()),
        ("yield-only-what-holds-nothing", met(1, 2, None, keeps(true, 2)), yields()),
        ("yield-only-what-holds-nothing", met(1, 2, keeps(false, 2), None), yields()),
        ("yield-only-what-holds-nothing", but(yielder(), |o| o.files = Some(true)), yields()),
        ("yield-only-what-holds-nothing", but(yielder(), |o| o.files = None), yields()),
        ("yield-only-what-holds-nothing", but(yielder(), service), yields()),
        ("yield-only-what-holds-nothing", quiet(19_000, yielder()), yields()),
        (
            "yield-only-what-holds-nothing",
            but(yielder(), |o| o.ring.as_mut().unwrap().members[2].yields = Some(cluster())),
            yields(),
        ),
        ("dissolve-only-when-all-agree", settled(1, 3), Step::StandFast),
        ("dissolve-only-when-all-agree", yielder(), dissolves()),
        ("dissolve-only-when-all-agree", but(yielder(), |o| yielding(o, 1, true)), dissolves()),
        (
            "dissolve-only-when-all-agree",
            but(but(yielder(), |o| yielding(o, 2, false)), service),
            dissolves(),
        ),
        (
            "dissolve-only-when-all-agree",
            but(yielder(), |o| {
                yielding(o, 2, true);
                o.ring.as_mut().unwrap().members.truncate(2);
            }),
            dissolves(),
        ),
        (
            "tags-tell-the-truth",
            met(1, 3, None, None),
            Step::SetTags { tags: Tags { yields: Some(other()), ..member_tags(1) } },
        ),
        (
            "tags-tell-the-truth",
            but(met(1, 3, None, None), |o| o.files = None),
            Step::SetTags { tags: Tags { keeps: keeps(false, 3), ..member_tags(1) } },
        ),
        (
            "start-anew-only-when-told",
            but(settled(1, 3), |o| (o.retired, o.removed) = (true, true)),
            Step::StartAnew,
        ),
        ("settle-only-what-is-torn", settled(1, 3), settle("/tills")),
        ("settle-only-what-is-torn", torn(1, 3, "/others"), settle("/tills")),
        (
            "settle-only-what-is-torn",
            but(torn(1, 3, "/tills"), |o| volume_of(o).bricks[1].online = false),
            settle("/tills"),
        ),
        ("renew-only-what-others-fill", settled(1, 3), Step::RenewBrick),
        ("renew-only-what-others-fill", emptied(1, 3), Step::RenewBrick)
            .also(|o| volume_of(o).emptied = false),
        ("renew-only-what-others-fill", emptied(1, 3), Step::RenewBrick)
            .also(|o| volume_of(o).bricks[0].online = true),
        ("renew-only-what-others-fill", emptied(1, 3), Step::RenewBrick)
            .also(|o| volume_of(o).bricks[2].online = false),
        ("renew-only-what-others-fill", emptied(1, 3), Step::RenewBrick)
            .also(|o| volume_of(o).behind = None),
        ("renew-only-what-others-fill", emptied(1, 3), Step::RenewBrick)
            .also(|o| volume_of(o).behind = Some([address(2)].into())),
        ("renew-only-what-others-fill", emptied(1, 2), Step::RenewBrick),
        ("renew-only-what-others-fill", repaired(1, 2, 20), Step::RenewBrick),
        ("renew-only-what-others-fill", repaired(1, 3, 60), Step::RenewBrick),
        ("renew-only-what-others-fill", repaired(1, 3, 20), Step::RenewBrick)
            .also(|o| o.data.unmounted = unmounted(DataStanding::Failing)),
        ("renew-only-what-others-fill", repaired(1, 3, 20), Step::RenewBrick)
            .also(|o| volume_of(o).behind = Some([address(1), address(3)].into())),
        ("remake-only-what-others-fill", emptied(1, 3), Step::RemakeData),
        ("remake-only-what-others-fill", unmendable(1, 2), Step::RemakeData),
        ("remake-only-what-others-fill", unmendable(1, 3), Step::RemakeData)
            .also(|o| o.data.unmounted = unmounted(DataStanding::Failing)),
        ("remake-only-what-others-fill", unmendable(1, 3), Step::RemakeData)
            .also(|o| volume_of(o).bricks[0].online = true),
        ("remake-only-what-others-fill", unmendable(1, 3), Step::RemakeData)
            .also(|o| volume_of(o).bricks[2].online = false),
        ("remake-only-what-others-fill", unmendable(1, 3), Step::RemakeData)
            .also(|o| volume_of(o).behind = None),
        ("remake-only-what-others-fill", unmendable(1, 3), Step::RemakeData)
            .also(|o| volume_of(o).behind = Some([address(2)].into())),
        ("bricks-only-on-open-peers", leaving(1, 4, 4), replace(3, 4)),
        ("give-up-only-what-is-whole-elsewhere", leaving(1, 4, 3), replace(2, 4)),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(leaving(1, 4, 3), |o| volume_of(o).pending_heals = Some(1)),
            replace(3, 4),
        ),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(leaving(1, 4, 3), |o| volume_of(o).bricks[1].online = false),
            replace(3, 4),
        ),
        (
            "remove-only-what-is-not-shipped",
            settled(1, 3),
            Step::RemoveStack { name: "the customer's own".into() },
        ),
        ("restart-only-the-disowned", settled(2, 3), Step::RestartEngine),
        (
            "restart-only-the-disowned",
            but(settled(2, 3), |o| swarm_of(o).disowned_ms = 59_999),
            Step::RestartEngine,
        ),
        (
            "restart-only-the-disowned",
            but(settled(2, 3), |o| {
                swarm_of(o).disowned_ms = 600_000;
                swarm_of(o).nodes[2].reachable = false;
            }),
            Step::RestartEngine,
        ),
        (
            "restart-only-the-disowned",
            but(outside_the_swarm(2), |o| swarm_of(o).disowned_ms = 600_000),
            Step::RestartEngine,
        ),
        ("found-only-when-alone", new_node(1, vec![member(1), failed(open(2))]), Step::Found),
        ("found-only-when-alone", new_node(1, vec![member(1), mute]), Step::Found),
        (
            "found-only-when-alone",
            but(new_node(1, vec![member(1)]), |o| o.ring.as_mut().unwrap().outdated = true),
            Step::Found,
        ),
        ("found-only-smallest", new_node(2, vec![member(1), member(2)]), Step::Found),
        ("found-only-smallest", new_node(1, vec![member(1), member(1)]), Step::Found),
        ("found-only-smallest", new_node(1, vec![member(2)]), Step::Found),
        ("found-waits-until-settled", quiet(9_999, alone()), Step::Found),
        (
            "found-waits-until-settled",
            quiet(299_999, new_node(1, vec![member(1), failed(member(2))])),
            Step::Found,
        ),
        (
            "found-waits-until-settled",
            quiet(299_999, new_node(1, vec![member(1), on_its_way])),
            Step::Found,
        ),
        ("found-only-with-a-cable", but(alone(), |o| o.place.carrier_ms = None), Step::Found),
        (
            "found-only-with-a-cable",
            but(alone(), |o| o.place.carrier_ms = Some(44_999)),
            Step::Found,
        ),
        (
            "found-only-with-a-cable",
            but(new_node(1, vec![member(1), member(2)]), |o| o.place.carrier_ms = Some(9_999)),
            Step::Found,
        ),
        (
            "sign-only-by-a-clock-that-can-be-right",
            but(alone(), |o| o.clock.before_build = true),
            Step::Found,
        ),
        (
            "sign-only-by-a-clock-that-can-be-right",
            but(settled(1, 3), |o| o.clock.before_build = true),
            Step::RenewCertificate { via: vec![] },
        ),
        (
            "sign-only-by-a-clock-that-can-be-right",
            but(settled(1, 3), |o| o.clock = years_behind(&[2, 3])),
            Step::RenewCertificate { via: vec![] },
        ),
        (
            "set-the-clock-by-most-of-the-others",
            but(settled(1, 3), |o| o.clock = years_behind(&[2])),
            Step::SetClock { ahead_s: 94_000_000 },
        ),
        (
            "set-the-clock-by-most-of-the-others",
            but(settled(1, 3), |o| {
                o.clock = years_behind(&[2, 3]);
                o.clock.synchronised = true;
            }),
            Step::SetClock { ahead_s: 94_000_000 },
        ),
        ("ca-key-on-three", settled(4, 5), Step::FetchCaKey { via: vec![address(1)] }),
        ("ca-key-on-three", settled(3, 5), Step::DropCaKey { via: vec![address(1), address(2)] }),
        (
            "ca-key-on-three",
            settled(4, 5),
            Step::DropCaKey { via: vec![address(1), address(1), address(2)] },
        ),
        ("nothing-unwanted", but(settled(1, 3), |o| o.place.moved = true), Step::MountVolume),
        ("nothing-unwanted", but(settled(1, 3), |o| o.place.moved = true), Step::MakeIdentity),
        ("nothing-unwanted", settled(1, 3), Step::TakeMachine),
        ("no-second-membership", settled(1, 1), Step::Found),
        ("no-second-membership", settled(2, 2), enrol("decaf", &[1])),
        ("ask-only-signers", new_node(1, vec![member(1), open(2)]), enrol(CLUSTER, &[2])),
        ("ask-only-signers", new_node(1, vec![member(1), manager(2)]), enrol("decaf", &[2])),
        (
            "ask-only-signers",
            new_node(1, vec![member(1), failed(manager(2))]),
            enrol(CLUSTER, &[2]),
        ),
        ("ask-only-signers", new_node(1, vec![member(1), manager(2)]), enrol(CLUSTER, &[])),
        ("ask-only-signers", settled(5, 5), Step::RenewCertificate { via: vec![] }),
        ("ask-only-signers", settled(2, 5), Step::FetchCaKey { via: vec![address(4)] }),
        (
            "cluster-wide-steps-by-authority-only",
            settled(2, 3),
            Step::ProbePeer { address: address(3) },
        ),
        ("cluster-wide-steps-by-authority-only", settled(2, 3), create(&[2])),
        ("cluster-wide-steps-by-authority-only", settled(2, 3), add(3, &[3])),
        ("cluster-wide-steps-by-authority-only", settled(2, 3), Step::TuneVolume),
        ("cluster-wide-steps-by-authority-only", settled(2, 3), Step::StartVolume),
        ("cluster-wide-steps-by-authority-only", settled(2, 3), Step::InitSwarm),
        ("cluster-wide-steps-by-authority-only", settled(2, 5), role(4, Manager)),
        (
            "cluster-wide-steps-by-authority-only",
            settled(2, 3),
            Step::DeployStack { name: "x".into() },
        ),
        // A founder that cannot see its engine and had a Swarm does not lead.
        (
            "cluster-wide-steps-by-authority-only",
            but(settled(1, 3), |o| o.swarm = None),
            Step::TuneVolume,
        ),
        ("one-swarm", outside_the_swarm(1), Step::InitSwarm),
        ("one-swarm", settled(1, 1), Step::InitSwarm),
        ("one-swarm", founder(vec![manager(2)]), Step::InitSwarm),
        ("one-swarm", founder(vec![]), Step::InitSwarm),
        ("one-swarm", settled(2, 3), join(Worker, &[1])),
        ("one-swarm", outside_the_swarm(2), join(Worker, &[])),
        ("one-swarm", but(outside_the_swarm(2), |o| o.mounted = false), join(Worker, &[1])),
        (
            "one-swarm",
            but(outside_the_swarm(2), |o| o.ring.as_mut().unwrap().members[0].swarm = None),
            join(Worker, &[1]),
        ),
        ("one-swarm", outside_the_swarm(2), Step::RecordSwarm),
        ("one-volume", settled(1, 1), create(&[1])),
        ("one-volume", but(settled(1, 1), |o| o.storage = Some(Storage::default())), create(&[1])),
        ("one-volume", founder(vec![]), create(&[])),
        ("one-volume", founder(vec![]), create(&[1, 1])),
        ("one-volume", founder(vec![open(2), open(3), open(4)]), create(&[1, 2, 3, 4])),
        ("sets-of-three", settled(1, 6), set(&[4, 5])),
        ("sets-of-three", settled(1, 6), set(&[3, 4, 5])),
        ("sets-of-three", settled(1, 6), set(&[4, 5, 5])),
        ("sets-of-three", but(settled(1, 6), |o| *volume_of(o) = volume(&[1, 2])), set(&[4, 5, 6])),
        ("add-sets-only-when-healthy", settled(1, 6), set(&[4, 5, 6]))
            .also(|o| volume_of(o).pending_heals = Some(1)),
        ("add-sets-only-when-healthy", settled(1, 6), set(&[4, 5, 6]))
            .also(|o| volume_of(o).bricks[2].online = false),
        ("add-sets-only-when-healthy", leaving(1, 7, 3), set(&[4, 5, 6])),
        ("add-sets-only-when-healthy", one_set_new(Rebalance::Done), set(&[7, 8, 9])),
        ("bricks-only-on-open-peers", settled(1, 5), set(&[4, 5, 6])),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Running), move_files()),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Done), move_files()),
        ("spread-only-what-is-whole", two_sets(1, 6), move_files()),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Never), move_files())
            .also(|o| volume_of(o).bricks[5].online = false),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Running), note_spread()),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Failed("x".into())), note_spread()),
        ("spread-only-what-is-whole", one_set_new(Rebalance::Done), note_spread())
            .also(|o| volume_of(o).pending_heals = None),
        ("give-up-only-what-is-whole-elsewhere", two_sets(1, 7), replace(5, 7)).also(|o| {
            retire(o, 5);
            volume_of(o).behind = Some([address(6)].into());
        }),
        ("give-up-only-what-is-whole-elsewhere", two_sets(1, 7), replace(5, 7)).also(|o| {
            retire(o, 5);
            volume_of(o).rebalance = Some(Rebalance::Running);
        }),
        ("give-up-only-what-is-whole-elsewhere", two_sets(1, 6), drop_copy(5))
            .also(|o| retire(o, 5)),
        ("never-shrink", bricks(&[1, 2]), add(3, &[])),
        ("never-shrink", bricks(&[1, 2]), add(3, &[2])),
        ("never-shrink", bricks(&[1, 2]), add(2, &[3])),
        ("never-shrink", bricks(&[1, 2]), add(1, &[3])),
        ("never-shrink", bricks(&[1]), add(3, &[2, 3])),
        ("never-shrink", bricks(&[1, 2, 3]), add(4, &[4])),
        ("never-shrink", but(bricks(&[1, 2]), |o| volume_of(o).replicas = 1), add(3, &[3])),
        (
            "add-bricks-only-when-healthy",
            but(bricks(&[1, 2]), |o| volume_of(o).started = false),
            add(3, &[3]),
        ),
        (
            "add-bricks-only-when-healthy",
            but(bricks(&[1, 2]), |o| volume_of(o).bricks[1].online = false),
            add(3, &[3]),
        ),
        (
            "add-bricks-only-when-healthy",
            but(bricks(&[1, 2]), |o| volume_of(o).pending_heals = Some(1)),
            add(3, &[3]),
        ),
        (
            "add-bricks-only-when-healthy",
            but(bricks(&[1, 2]), |o| volume_of(o).pending_heals = None),
            add(3, &[3]),
        ),
        ("bricks-only-on-open-peers", founder(vec![member(2)]), create(&[1, 2])),
        ("bricks-only-on-open-peers", founder(vec![failed(open(2))]), create(&[1, 2])),
        (
            "bricks-only-on-open-peers",
            but(founder(vec![open(2)]), |o| o.storage.as_mut().unwrap().peers[0].connected = false),
            create(&[1, 2]),
        ),
        (
            "bricks-only-on-open-peers",
            but(bricks(&[1, 2]), |o| o.storage.as_mut().unwrap().peers[1].in_cluster = false),
            add(3, &[3]),
        ),
        (
            "bricks-only-on-open-peers",
            founder(vec![member(2)]),
            Step::ProbePeer { address: address(2) },
        ),
        ("no-start-before-options", stopped(false, true), Step::StartVolume),
        ("no-start-before-options", stopped(true, false), Step::StartVolume),
        ("no-mount-before-start", stopped(true, true), Step::MountVolume),
        ("no-mount-before-start", founder(vec![]), Step::MountVolume),
        (
            "no-mount-before-start",
            but(settled(3, 3), |o| {
                *volume_of(o) = volume(&[1, 2]);
                o.membership.as_mut().unwrap().swarm = false;
            }),
            Step::MountVolume,
        ),
        ("managers-odd", outside_the_swarm(2), join(Manager, &[1])).also(|o| {
            let members = &mut o.ring.as_mut().unwrap().members;
            members.push(manager(4));
        }),
        ("managers-odd", settled(1, 2), role(2, Manager)),
        ("managers-odd", settled(1, 5), role(4, Manager)),
        ("managers-odd", settled(1, 3), role(2, Manager)),
        ("managers-odd", settled(1, 3), role(2, Worker)),
        ("managers-odd", settled(1, 1), role(1, Worker)),
        ("managers-odd", but(settled(1, 3), |o| lose(o, 3)), role(3, Worker)),
        ("managers-odd", quiet(299_999, but(settled(1, 4), |o| lose(o, 3))), role(3, Worker))
            .also(|o| assert!(!swarm_of(o).nodes[2].up)),
        ("managers-odd", but(settled(1, 4), |o| lose(o, 3)), role(3, Worker)).also(|o| {
            swarm_of(o).nodes[1].reachable = false;
        }),
        (
            "managers-odd",
            but(settled(1, 4), |o| swarm_of(o).nodes[2].reachable = false),
            role(3, Worker),
        ),
        (
            "managers-odd",
            but(settled(1, 4), |o| swarm_of(o).nodes[3].manager = true),
            role(1, Worker),
        )
            .also(|o| swarm_of(o).nodes[3].reachable = true),
        (
            "no-tasks-before-their-files",
            but(settled(1, 3), |o| {
                o.swarm = None;
                o.mounted = false;
            }),
            start(Daemon::Engine),
        ),
        ("tags-tell-the-truth", alone(), Step::SetTags { tags: tags(2) }),
        ("tags-tell-the-truth", but(alone(), |o| o.full = true), Step::SetTags { tags: tags(1) }),
        (
            "tags-tell-the-truth",
            alone(),
            Step::SetTags { tags: Tags { cluster: Some(cluster()), ..tags(1) } },
        ),
        (
            "tags-tell-the-truth",
            settled(4, 4),
            Step::SetTags { tags: Tags { cluster: Some(cluster()), ca_key: true, ..tags(4) } },
        ),
        (
            "tags-tell-the-truth",
            but(settled(1, 1), |o| o.membership.as_mut().unwrap().swarm = false),
            Step::SetTags {
                tags: Tags { cluster: Some(cluster()), swarm: Some(Manager), ..tags(1) },
            },
        ),
        (
            "tags-tell-the-truth",
            settled(1, 1),
            Step::SetTags {
                tags: Tags { cluster: Some(cluster()), swarm: Some(Worker), ..tags(1) },
            },
        ),
        (
            "tags-tell-the-truth",
            but(settled(1, 1), |o| o.pki.certificate = false),
            Step::SetTags {
                tags: Tags { cluster: Some(cluster()), storage_open: true, ..tags(1) },
            },
        ),
        ("nothing-on-unobserved-parts", but(alone(), |o| o.ring = None), Step::Found),
        ("nothing-on-unobserved-parts", but(settled(1, 3), |o| o.storage = None), Step::TuneVolume),
        ("nothing-on-unobserved-parts", but(founder(vec![]), |o| o.swarm = None), Step::InitSwarm),
        ("certified-before-services", alone(), start(Daemon::Storage)),
        (
            "certified-before-services",
            but(settled(1, 1), |o| o.pki.certificate = false),
            Step::TuneVolume,
        ),
        ("nothing-unwanted", but(alone(), |o| o.site = false), Step::Found),
        ("nothing-unwanted", but(alone(), |o| o.identity = None), start(Daemon::Ring)),
        (
            "only-by-a-record-it-reads",
            but(settled(1, 3), |o| {
                swarm_of(o).record = ashlar_cluster::Record::Unreadable("version 2".into());
            }),
            Step::TuneVolume,
        ),
        ("retire-only-the-lost", settled(1, 4), without(3)),
        (
            "retire-only-the-lost",
            but(settled(1, 4), |o| {
                lose_for(o, 3, 80);
                o.ring.as_mut().unwrap().quiet_ms = 299_999;
            }),
            without(3),
        ),
        (
            "retire-only-the-lost",
            but(settled(1, 4), |o| {
                lose_for(o, 3, 80);
                volume_of(o).behind = Some([address(2)].into());
            }),
            without(3),
        ),
        (
            "retire-only-the-lost",
            but(settled(1, 4), |o| retire(o, 3)),
            Step::Record { intent: known(4) },
        ),
        ("give-up-only-what-is-whole-elsewhere", settled(1, 4), replace(3, 4)),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(settled(1, 4), |o| lose_for(o, 3, 80)),
            replace(3, 4),
        ),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(settled(1, 4), |o| {
                retire(o, 3);
                volume_of(o).behind = None;
            }),
            replace(3, 4),
        ),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(settled(1, 4), |o| {
                retire(o, 3);
                volume_of(o).bricks[1].online = false;
            }),
            replace(3, 4),
        ),
        (
            "give-up-only-what-is-whole-elsewhere",
            but(settled(1, 2), |o| retire(o, 2)),
            Step::DropBrick { brick: address(2), replicas: 1 },
        ),
        (
            "bricks-only-on-open-peers",
            but(settled(1, 4), |o| {
                retire(o, 3);
                o.ring.as_mut().unwrap().members[3].storage_open = false;
            }),
            replace(3, 4),
        ),
        (
            "detach-only-the-retired",
            but(settled(1, 4), |o| retire(o, 3)),
            Step::DetachPeer { address: address(3) },
        ),
        (
            "detach-only-the-retired",
            but(settled(1, 4), |o| lose_for(o, 4, 80)),
            Step::DetachPeer { address: address(4) },
        ),
        (
            "drop-only-the-replaced",
            but(settled(1, 4), |o| {
                retire(o, 3);
                swarm_of(o).nodes[1].reachable = false;
            }),
            drop_entry("entry-3", 3),
        ),
        (
            "forget-only-the-retired",
            but(settled(1, 3), |o| lose_for(o, 3, 80)),
            Step::ForgetMember { name: name(3) },
        ),
        ("strike-off-only-the-retired", settled(2, 3), Step::StrikeOff { nodes: [id(3)].into() }),
        ("start-anew-only-when-told", settled(2, 3), Step::StartAnew),
        (
            "start-anew-only-when-told",
            but(settled(2, 3), |o| o.retired = true),
            start(Daemon::Storage),
        ),
        ("nothing-unwanted", alone(), Step::MakeIdentity),
        ("nothing-unwanted", alone(), start(Daemon::Ring)),
        ("ring-key-by-record", keyed(RotationStage::Spread, 3), use_key()),
        ("ring-key-by-record", keyed(RotationStage::Use, 3), forget_keys()),
        ("ring-key-by-record", keyed(RotationStage::Only, 3), forget_keys()),
        ("ring-key-by-record", settled(1, 3), take_key()),
        (
            "ring-key-only-when-all-follow",
            keyed(RotationStage::Spread, 1),
            record_key(Some(RotationStage::Use)),
        ),
        (
            "ring-key-only-when-all-follow",
            keyed(RotationStage::Spread, 3),
            record_key(Some(RotationStage::Only)),
        ),
        (
            "ring-key-only-when-all-follow",
            keyed(RotationStage::Use, 3),
            record_key(Some(RotationStage::Only)),
        ),
        (
            "ring-key-only-when-all-follow",
            keyed(RotationStage::Use, 3),
            record_key(Some(RotationStage::Spread)),
        ),
        ("ring-key-only-when-all-follow", keyed(RotationStage::Use, 3), record_key(None)),
        ("ca-by-record", settled(1, 3), trust_ca()),
        (
            "ca-by-record",
            certified_anew(RotationStage::Spread, 3, 0),
            Step::SignByCa { ca: fresh_key() },
        ),
        (
            "ca-by-record",
            certified_anew(RotationStage::Use, 0, 0),
            Step::SignByCa { ca: fresh_key() },
        ),
        (
            "ca-by-record",
            certified_anew(RotationStage::Use, 3, 3),
            Step::TrustOnlyCa { ca: fresh_key() },
        ),
        (
            "ca-by-record",
            certified_anew(RotationStage::Only, 3, 0),
            Step::TrustOnlyCa { ca: fresh_key() },
        ),
        (
            "ca-by-record",
            certified_anew(RotationStage::Spread, 1, 0),
            Step::FetchNextCaKey { ca: fresh_key(), via: vec![address(2)] },
        ),
        (
            "ca-only-when-all-follow",
            certified_anew(RotationStage::Spread, 2, 0),
            record_ca(Some(RotationStage::Use)),
        ),
        (
            "ca-only-when-all-follow",
            certified_anew(RotationStage::Use, 3, 2),
            record_ca(Some(RotationStage::Only)),
        ),
        (
            "ca-only-when-all-follow",
            certified_anew(RotationStage::Spread, 3, 0),
            record_ca(Some(RotationStage::Only)),
        ),
        ("ca-only-when-all-follow", settled(1, 3), record_ca(Some(RotationStage::Spread))),
        ("ca-only-when-all-follow", certified_anew(RotationStage::Use, 3, 3), record_ca(None)),
    ]
}

fn fresh_key() -> KeyPrint {
    KeyPrint("00000000000000bb".into())
}

fn replaced(stage: RotationStage) -> Rotation {
    Rotation { number: 1, key: fresh_key(), stage, since: NOW, given_out: None }
}

/// A leader of three, who all use the old key; the first `have` of them have the new one
/// besides.
fn keyed(stage: RotationStage, have: usize) -> Observed {
    let keys = |has: bool| RingKeys {
        uses: KeyPrint("00000000000000aa".into()),
        also: has.then(fresh_key).into_iter().collect(),
    };
    but(settled(1, 3), |o| {
        intent_of(o).ring = Some(replaced(stage));
        o.pki.ring_keys = Some(keys(have > 0));
        for (at, member) in o.ring.as_mut().unwrap().members.iter_mut().enumerate() {
            member.keys = Some(keys(at < have));
        }
    })
}

fn take_key() -> Step {
    Step::TakeRingKey { key: fresh_key(), via: vec![address(2)] }
}

fn use_key() -> Step {
    Step::UseRingKey { key: fresh_key() }
}

fn forget_keys() -> Step {
    Step::DropRingKeys { keep: fresh_key() }
}

fn succession(stage: RotationStage) -> Succession {
    Succession {
        number: 1,
        ca: fresh_key(),
        certificate: "PEM".into(),
        endorsement: "c2ln".into(),
        stage,
        since: NOW,
    }
}

/// A leader of three, of whom the first `trust` trust a new CA and the first `show` have
/// a certificate of it.
fn certified_anew(stage: RotationStage, trust: usize, show: usize) -> Observed {
    let (old, new) = (KeyPrint("00000000000000aa".into()), fresh_key());
    let cas = |n: usize| Cas {
        shows: if n < show { new.clone() } else { old.clone() },
        also: (n < trust)
            .then(|| if n < show { old.clone() } else { new.clone() })
            .into_iter()
            .collect(),
        next: (n < trust && n >= show).then(|| new.clone()),
    };
    but(settled(1, 3), |o| {
        intent_of(o).ca = Some(succession(stage));
        o.pki.cas = Some(cas(0));
        for (at, member) in o.ring.as_mut().unwrap().members.iter_mut().enumerate() {
            member.cas = Some(cas(at));
        }
    })
}

fn trust_ca() -> Step {
    Step::TrustCa { ca: fresh_key() }
}

fn record_ca(stage: Option<RotationStage>) -> Step {
    let mut observed = settled(1, 3);
    let intent = intent_of(&mut observed);
    intent.ca = stage.map(succession);
    Step::Record { intent: intent.clone() }
}

fn record_key(stage: Option<RotationStage>) -> Step {
    let mut observed = settled(1, 3);
    let intent = intent_of(&mut observed);
    intent.ring = stage.map(replaced);
    Step::Record { intent: intent.clone() }
}

trait Also {
    fn also(self, change: impl FnOnce(&mut Observed)) -> Self;
}

impl Also for (&'static str, Observed, Step) {
    fn also(mut self, change: impl FnOnce(&mut Observed)) -> Self {
        change(&mut self.1);
        self
    }
}

#[test]
fn every_rule_refuses_what_it_is_there_to_refuse() {
    for (rule, observed, step) in cases() {
        let broken = rules_broken(step.clone(), &observed, &Wanted::default());
        assert!(
            broken.contains(rule),
            "{step} should break {rule}, breaks {broken:?}: {observed:#?}"
        );
    }
}

fn go_on_alone(n: u8) -> Step {
    Step::GoOnAlone { without: address(n) }
}

#[test]
fn every_rule_has_a_case() {
    let mut covered: BTreeSet<_> = cases().into_iter().map(|(rule, _, _)| rule).collect();
    covered.insert("found-waits-for-expected"); // With its own test below.
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(rules.len(), RULES.len(), "two rules share a name");
    assert_eq!(covered, rules);
}

#[test]
fn founding_waits_for_the_expected_nodes() {
    let two = new_node(1, vec![member(1), member(2)]);
    assert!(rules_broken(Step::Found, &two, &expecting(3)).contains("found-waits-for-expected"));
    assert!(rules_broken(Step::Found, &two, &expecting(2)).is_empty());
    // A node that is seen twice is one node.
    let twice = new_node(1, vec![member(1), member(2), member(2)]);
    assert!(rules_broken(Step::Found, &twice, &expecting(3)).contains("found-waits-for-expected"));
}

#[test]
fn what_the_recipe_does_not_want_is_refused() {
    let only_ring = Wanted { storage: false, swarm: false, ..Wanted::default() };
    let founder = founder(vec![]);
    for step in [start(Daemon::Storage), start(Daemon::Engine), create(&[1]), Step::InitSwarm] {
        assert!(rules_broken(step, &founder, &only_ring).contains("nothing-unwanted"));
    }
}

#[test]
fn the_same_steps_are_allowed_where_they_belong() {
    let allowed = [
        (alone(), Step::Found),
        (new_node(1, vec![member(1), manager(2)]), enrol(CLUSTER, &[2])),
        (settled(5, 5), Step::RenewCertificate { via: vec![address(1), address(2)] }),
        (settled(4, 5), Step::DropCaKey { via: vec![address(1), address(2), address(3)] }),
        (but(settled(1, 3), |o| o.place.cable_elsewhere = true), Step::MakeIdentity),
        (founder(vec![open(2)]), create(&[1, 2])),
        (founder(vec![open(2)]), Step::ProbePeer { address: address(2) }),
        (bricks(&[1]), add(2, &[2])),
        (bricks(&[1, 2]), add(3, &[3])),
        (stopped(true, true), Step::StartVolume),
        (settled(4, 4), Step::MountVolume),
        (but(settled(3, 3), |o| *volume_of(o) = volume(&[1, 2])), Step::MountVolume),
        (going_down(), hand_over(1)),
        (handed_over(2), hand_back(2)),
        (but(handed_over(2), |o| volume_of(o).turn = 0), hand_back(2)),
        (but(handed_over(2), |o| o.mounted = false), Step::MountVolume),
        (but(handed_over(1), |o| volume_of(o).turn = 2), Step::MountVolume),
        (
            but(settled(1, 3), |o| o.clock = years_behind(&[2, 3])),
            Step::SetClock { ahead_s: 94_000_000 },
        ),
        (settled(1, 1), Step::RecordSwarm),
        (outside_the_swarm(2), join(SwarmRole::Manager, &[1, 3])),
        (but(settled(1, 3), |o| swarm_of(o).nodes[1].manager = false), role(2, SwarmRole::Manager)),
        (but(settled(1, 3), |o| o.swarm = None), start(Daemon::Engine)),
        (but(settled(1, 4), |o| lose(o, 3)), role(3, SwarmRole::Worker)),
        (settled(1, 3), Step::DeployStack { name: "portal".into() }),
        (but(settled(1, 4), |o| lose_for(o, 3, 80)), without(3)),
        (but(settled(1, 4), |o| retire(o, 3)), replace(3, 4)),
        (but(settled(1, 3), |o| retire(o, 3)), Step::DropBrick { brick: address(3), replicas: 2 }),
        (but(settled(1, 4), |o| retire(o, 4)), Step::DetachPeer { address: address(4) }),
        (but(settled(1, 4), |o| retire(o, 3)), drop_entry("entry-3", 3)),
        (revoked(1, 4, 3), strike_from_the_swarm(3)),
        (revoked(1, 4, 3), replace(3, 4)),
        (revoked(1, 3, 3), Step::DropBrick { brick: address(3), replicas: 2 }),
        (revoked(1, 4, 4), Step::DetachPeer { address: address(4) }),
        (revoked(1, 3, 3), admit(&[1, 2])),
        (settled(1, 3), Step::AdmitToVolume { names: None }),
        (but(settled(1, 4), |o| retire(o, 3)), Step::ForgetMember { name: name(3) }),
        (but(settled(2, 3), |o| o.retired = true), Step::StartAnew),
        (but(settled(2, 3), |o| (o.retired, o.removed) = (true, true)), Step::StayOut),
        (but(settled(2, 3), |o| (o.identity, o.retired) = (None, true)), Step::StartAnew),
        (but(settled(2, 3), |o| (o.identity, o.place.moved) = (None, true)), Step::TakeMachine),
        (yielder(), yields()),
        (met(1, 2, keeps(false, 2), keeps(false, 3)), yields()),
        (but(yielder(), |o| yielding(o, 1, false)), Step::StandFast),
        (but(yielder(), |o| yielding(o, 2, false)), dissolves()),
        (but(but(yielder(), |o| yielding(o, 2, true)), service), dissolves()),
        (settled(1, 6), set(&[4, 5, 6])),
        (two_sets(1, 9), set(&[7, 8, 9])),
        (one_set_new(Rebalance::Never), move_files()),
        (one_set_new(Rebalance::Failed("a box was off".into())), move_files()),
        (one_set_new(Rebalance::Done), note_spread()),
        (but(two_sets(1, 7), |o| retire(o, 5)), replace(5, 7)),
        (leaving(1, 4, 3), set_leaving(3, true)),
        (but(settled(1, 4), empty(3)), set_leaving(3, false)),
        (leaving(1, 4, 3), replace(3, 4)),
        (leaving(1, 3, 3), Step::DropBrick { brick: address(3), replicas: 2 }),
        (leaving(1, 2, 2), Step::DropBrick { brick: address(2), replicas: 1 }),
        (leaving(1, 4, 1), role(1, SwarmRole::Worker)),
        (leaving(1, 2, 1), role(2, SwarmRole::Manager)),
        (but(leaving(1, 4, 4), empty(4)), without_live(1, 4)),
        (but(settled(2, 3), |o| hangs(o, Part::Storage, 60_000)), restart(Daemon::Storage)),
        (but(settled(2, 3), |o| hangs(o, Part::Bricks, 60_000)), restart(Daemon::Bricks)),
        (but(settled(2, 3), |o| hangs(o, Part::Mount, 120_000)), Step::Remount),
        (but(settled(2, 3), |o| hangs(o, Part::Clients, 20_000)), Step::ConnectAnew),
        (stuck(2, 3, 120_000), Step::LeaveSwarm),
        (
            but(settled(1, 3), |o| swarm_of(o).stacks = vec![stack("till")]),
            Step::RemoveStack { name: "till".into() },
        ),
    ];
    for (observed, step) in allowed {
        let broken = rules_broken(step.clone(), &observed, &Wanted::default());
        assert!(broken.is_empty(), "{step} breaks {broken:?}");
    }
}

#[test]
fn a_step_that_breaks_a_rule_is_dropped_and_takes_no_other_with_it() {
    let observed = but(settled(2, 3), |o| o.pki.renewal_due = true);
    let renewal = Step::RenewCertificate { via: vec![address(1)] };
    let planned = |step: Step| Planned { step, because: String::new(), fence: None };
    let steps = vec![planned(renewal.clone()), planned(add(3, &[3]))];
    let plan = Plan { steps, ..Plan::default() };
    let (lawful, violations) = lawful(plan, &observed, &Wanted::default());
    assert_eq!(lawful.steps.iter().map(|p| &p.step).collect::<Vec<_>>(), [&renewal]);
    assert!(violations.iter().any(|v| v.rule == "cluster-wide-steps-by-authority-only"));
    assert!(violations.iter().all(|v| v.step == add(3, &[3]).to_string()), "{violations:?}");
}

#[test]
fn a_ca_goes_on_once_all_follow_and_each_box_follows_as_far_as_the_record() {
    let none = BTreeSet::new();
    let broken = |step, observed: &Observed| rules_broken(step, observed, &Wanted::default());
    let spread = certified_anew(RotationStage::Spread, 3, 0);
    assert_eq!(broken(record_ca(Some(RotationStage::Use)), &spread), none);
    let told = but(certified_anew(RotationStage::Spread, 0, 0), |o| {
        // A worker, which managers told of it.
        o.pki.told_succession = Some(succession(RotationStage::Spread));
        swarm_of(o).record = Record::Unknown;
    });
    assert_eq!(broken(trust_ca(), &told), none);
    let done = certified_anew(RotationStage::Only, 3, 3);
    assert_eq!(broken(Step::TrustOnlyCa { ca: fresh_key() }, &done), none);
    let shown = certified_anew(RotationStage::Use, 3, 3);
    assert_eq!(broken(record_ca(Some(RotationStage::Only)), &shown), none);
}
