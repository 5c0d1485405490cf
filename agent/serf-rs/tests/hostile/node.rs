//! A neighbour who lies and repeats itself.

use crate::ring::{
    Ring, alive, alive_message, at, dead, event, exchange, incarnation, join, leave, query_message,
    seconds, state, stranger, suspect, written,
};
use serf_rs::wire::serf;
use serf_rs::wire::stream::Frame;
use serf_rs::wire::swim::{self, kind};
use serf_rs::{Change, Event, QueryRequest, Status};
use std::net::SocketAddr;

/// What happened to members, as a node noticed it.
fn changes(ring: &Ring, place: usize) -> Vec<(Change, String)> {
    let about = |event: &Event| match event {
        Event::Members { change, members } => {
            members.iter().map(|member| (*change, member.name.to_string())).collect()
        }
        _ => Vec::new(),
    };
    ring.nodes[place].events.iter().flat_map(about).collect()
}

#[test]
fn what_is_repeated_happens_once() {
    let mut ring = Ring::plain(2);
    ring.forget();
    for _ in 0..100 {
        ring.tell([event(5, "deploy", b"now".to_vec()), query_message(5, 7, "load")]);
        ring.tell([alive_message("guest", 3)]);
    }
    ring.wait(seconds(2));
    for place in 0..2 {
        assert_eq!(ring.nodes[place].user_events(), ["deploy"]);
        assert_eq!(ring.nodes[place].queries(), 1);
        assert_eq!(changes(&ring, place), [(Change::Join, "guest".to_owned())]);
    }
}

#[test]
fn broken_packets_are_counted_and_told_to_the_log() {
    let mut ring = Ring::plain(2);
    let broken = [
        vec![],
        vec![kind::PING],
        vec![kind::COMPOUND, 200],
        vec![kind::COMPRESS, 0xff, 0xff],
        vec![kind::CRC, 0, 0, 0, 0, kind::PING, 0x80],
        vec![kind::LABEL, 200, b'q'],
        vec![kind::ENCRYPT, 1, 2, 3],
        vec![kind::PUSH_PULL, 0x80],
        vec![99, 1, 2, 3],
        vec![kind::USER],
        vec![kind::USER, serf::kind::QUERY, 0xc1],
        vec![kind::USER, serf::kind::RELAY, 0x80],
        vec![kind::USER, 200, 0x80],
        vec![0; 1400],
    ];
    let before = ring.first().stat("refused");
    for (count, packet) in broken.iter().enumerate() {
        ring.packet(packet);
        assert_eq!(ring.first().refused, count + 1, "{:x?}", packet.get(..9).unwrap_or(packet));
    }
    assert_eq!(ring.first().stat("refused") - before, broken.len() as u64);
    assert_eq!(ring.first().alive(), 2);
}

#[test]
fn whoever_is_accused_refutes() {
    let mut ring = Ring::plain(3);
    ring.forget();
    for accused in [0, 1, 2, 1000, 1 << 31, u32::MAX - 1, u32::MAX, 1, u32::MAX] {
        let ours = incarnation(&mut ring);
        ring.tell([
            suspect("a", "ghost", accused),
            dead("a", "b", accused),
            dead("a", "a", accused),
        ]);
        if (ours..u32::MAX).contains(&accused) {
            assert!(incarnation(&mut ring) > accused, "{accused}");
        }
        assert_eq!(ring.first().status("a"), Some(Status::Alive));
    }
    ring.wait(seconds(120));
    for place in 0..3 {
        assert_eq!(changes(&ring, place), [], "nobody noticed anything");
        assert_eq!(ring.nodes[place].alive(), 3);
    }
    assert!(ring.first().node.counters().refutations > 8);
}

#[test]
fn a_lie_about_somebody_else_is_refuted_by_him() {
    let mut ring = Ring::plain(3);
    ring.forget();
    for accused in [1, 500, u32::MAX - 9] {
        ring.tell([suspect("b", "ghost", accused), dead("c", "ghost", accused)]);
        ring.wait(seconds(60));
        assert!(ring.nodes.iter().all(|heard| heard.alive() == 3), "{accused}");
    }
    let failed = changes(&ring, 0).iter().any(|(_, name)| name == "b");
    assert!(!failed, "who is only suspected has time to answer: {:?}", changes(&ring, 0));
}

#[test]
fn an_accusation_that_no_number_can_refute_is_over_some_day() {
    let mut ring = Ring::plain(5);
    ring.tell([dead("b", "ghost", u32::MAX), suspect("c", "ghost", u32::MAX)]);
    ring.wait(seconds(600));
    for heard in &ring.nodes {
        assert_eq!(heard.alive(), 5, "{} sees {:?}", heard.node.name(), heard.status("b"));
    }
}

#[test]
fn a_time_at_the_end_of_all_times_is_not_believed() {
    let mut ring = Ring::plain(2);
    let times = |ring: &mut Ring| {
        ["member_time", "event_time", "query_time"].map(|name| ring.first().stat(name))
    };
    let before = times(&mut ring);
    for end in [u64::MAX, u64::MAX - 1, 1 << 63] {
        ring.tell([event(end, "late", vec![]), query_message(end, 1, "late")]);
        ring.tell([
            join("b", end),
            join("ghost", end),
            leave("a", end, true),
            leave("b", end, true),
        ]);
        let past = serf::PastEvent { name: "late".to_owned(), payload: Default::default() };
        let state = serf::PushPull {
            ltime: end,
            status_ltimes: ["a", "b", "ghost"].map(|name| (name.to_owned(), end)).into(),
            left: vec!["a".to_owned(), "b".to_owned()],
            event_ltime: end,
            events: vec![serf::EventsAt { ltime: end, events: vec![past] }],
            query_ltime: end,
        };
        let user_state = swim::encode(serf::kind::PUSH_PULL, &state).into();
        ring.stream(&written(&Frame::PushPull { join: true, nodes: vec![], user_state }));
        assert_eq!(times(&mut ring), before);
    }
    let first = ring.first();
    assert_eq!((first.user_events(), first.queries()), (vec![], 0));
    let now = ring.now;
    ring.nodes[1].node.user_event(now, "deploy", "", false).unwrap();
    ring.nodes[1]
        .node
        .query(now, QueryRequest { name: "load".into(), ..QueryRequest::default() })
        .unwrap();
    ring.wait(seconds(5));
    let first = ring.first();
    assert_eq!(
        (first.user_events(), first.queries()),
        (vec!["deploy"], 1),
        "what is true is heard"
    );
    assert_eq!((first.alive(), first.status("b")), (2, Some(Status::Alive)));
}

#[test]
fn who_claims_a_name_from_elsewhere_moves_nobody() {
    let mut ring = Ring::plain(3);
    ring.forget();
    ring.tell([alive_message("a", 1000), alive_message("b", 1000), alive_message("b", u32::MAX)]);
    ring.wait(seconds(60));
    for place in 0..3 {
        let at_home = |(name, last)| {
            ring.nodes[place].node.member(name).is_some_and(|member| member.address == at(last))
        };
        assert!([("a", 1), ("b", 2), ("c", 3)].into_iter().all(at_home));
        assert_eq!(changes(&ring, place), []);
        assert!(!ring.nodes[place].name_lost);
    }
    assert!(ring.first().refused >= 3, "the log says so");
}

fn tell_all(ring: &mut Ring, nodes: Vec<swim::NodeState>, user_state: Vec<u8>) {
    let user_state = user_state.into();
    ring.stream(&written(&Frame::PushPull { join: true, nodes, user_state }));
}

#[test]
fn an_exchange_full_of_rubbish_adds_nobody() {
    let mut ring = Ring::plain(2);
    let before = exchange(&mut ring).len();
    let good = state("ghost", 0);
    let rubbish = vec![
        state("", 0),
        state("two\nlines", 0),
        state("x".repeat(10_000), 0),
        state("ghost", 4),
        state("ghost", 255),
        state("ghost", 1),
        state("ghost", 2),
        state("ghost", 3),
        swim::NodeState { addr: vec![1, 2, 3].into(), ..good.clone() },
        swim::NodeState { meta: vec![0xff; 513].into(), ..good.clone() },
        swim::NodeState { versions: vec![0; 6].into(), ..good.clone() },
        swim::NodeState { versions: vec![3, 2, 2, 2, 5, 5].into(), ..good },
    ];
    tell_all(&mut ring, rubbish, vec![serf::kind::PUSH_PULL, 0xdd, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(exchange(&mut ring).len(), before);
    assert!(ring.first().stat("refused") >= 6);
    // What cannot be read as tags is no tag, and does not hurt the rest.
    let meta = [&[0xff_u8, 0xdf, 0xff][..], &[0x81; 500]].concat();
    tell_all(&mut ring, vec![swim::NodeState { meta: meta.into(), ..state("odd", 0) }], vec![]);
    assert!(ring.first().node.member("odd").unwrap().tags.is_empty());
}

#[test]
fn who_speaks_another_version_keeps_nobody_out() {
    let mut ring = Ring::plain(3);
    for (place, versions) in
        [[6, 9, 6, 2, 5, 5], [1, 5, 2, 6, 9, 6], [1, 1, 1, 2, 5, 5]].into_iter().enumerate()
    {
        let name = format!("ghost-{place}");
        let ghost = swim::Alive { versions: versions.to_vec().into(), ..alive(name, 1) };
        ring.tell([swim::encode(kind::ALIVE, &ghost)]);
    }
    // Nor if somebody else believes in them.
    let ghost = swim::NodeState { versions: vec![6, 9, 6, 6, 9, 6].into(), ..state("ghost", 0) };
    tell_all(&mut ring, vec![state("guest", 0), ghost.clone()], vec![]);
    assert!(ring.first().node.member("guest").is_some());
    let before = ring.first().refused;
    tell_all(&mut ring, vec![ghost], vec![]);
    assert_eq!(ring.first().refused, before + 1, "a ring that speaks otherwise is none of ours");
    let now = ring.now;
    let back = ring.nodes[2].node.join(now, &[at(1)], false);
    ring.settle();
    assert_eq!(ring.nodes[2].joined.get(&back), Some(&1));
    assert_eq!(ring.first().node.members().len(), 4, "who cannot be understood is no member");
}

#[test]
fn who_is_told_to_leave_and_lives_stays() {
    for prune in [false, true] {
        let mut ring = Ring::plain(3);
        ring.forget();
        ring.tell([leave("b", 1000, prune), leave("a", 1001, prune)]);
        ring.wait(seconds(30));
        for place in 0..3 {
            assert_eq!(ring.nodes[place].alive(), 3, "{prune}: {:?}", changes(&ring, place));
            assert_eq!(changes(&ring, place), []);
        }
    }
}

#[test]
fn a_ping_for_somebody_else_is_not_answered_and_each_other_once() {
    let mut ring = Ring::plain(1);
    ring.first().forget();
    let ping = |node: &str, source: SocketAddr| {
        let SocketAddr::V4(source) = source else { panic!("IPv4 here") };
        let ping = swim::Ping {
            seq: 7,
            node: node.to_owned(),
            source_addr: source.ip().octets().to_vec().into(),
            source_port: source.port(),
            source_node: "ghost".to_owned(),
        };
        swim::encode(kind::PING, &ping)
    };
    ring.tell([ping("b", stranger()), ping("a", stranger())]);
    assert_eq!(ring.first().packets.len(), 1);
}
