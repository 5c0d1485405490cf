//! More than anybody should have to remember: what is kept stays bounded, and
//! the oldest gives way.

use crate::memory::growth_of;
use crate::ring::{
    Ring, alive, alive_message, asked, at, compound, compressed, dead, event, exchange, join,
    leave, query, query_message, seconds, state, suspect, user, written,
};
use serf_rs::wire::serf;
use serf_rs::wire::stream::Frame;
use serf_rs::wire::swim::{self, kind};
use serf_rs::{Coalescing, Config, Event, QueryRequest};

const MIB: usize = 1024 * 1024;

/// Tells the first node all this, and returns how many bytes it keeps of it.
fn kept(ring: &mut Ring, messages: impl IntoIterator<Item = Vec<u8>>) -> usize {
    ring.first().forget();
    let tell = || {
        for message in messages {
            ring.packet(&message);
            ring.first().forget();
        }
    };
    growth_of(tell).1
}

#[test]
fn a_flood_of_events_is_kept_in_part_and_the_oldest_gives_way() {
    let mut ring = Ring::plain(1);
    let numbered = |n: u64| event(n / 4 + 1, format!("event-{n}"), vec![n as u8; 700]);
    let bytes = kept(&mut ring, (0..50_000).map(numbered));
    assert!(bytes < 8 * MIB, "{bytes} bytes");
    ring.tell([numbered(0), numbered(49_000), numbered(49_999)]);
    assert!(ring.first().user_events().is_empty(), "neither old nor young is told again");
    ring.tell([event(12_501, "deploy", vec![])]);
    assert_eq!(ring.first().user_events(), ["deploy"], "what is new is heard");
}

#[test]
fn a_flood_of_events_of_one_moment_is_kept_in_part() {
    let mut ring = Ring::plain(1);
    let bytes = kept(&mut ring, (0..20_000).map(|n| event(7, format!("event-{n}"), vec![7; 700])));
    assert!(bytes < 8 * MIB, "{bytes} bytes");
    ring.tell([event(7, "event-0", vec![7; 700]), event(8, "deploy", vec![])]);
    assert_eq!(ring.first().user_events(), ["deploy"]);
}

#[test]
fn a_flood_of_events_that_are_held_back_is_told_at_once() {
    let mut config = Config::new("a", at(1));
    config.coalesce_events = Some(Coalescing::USUAL);
    let mut ring = Ring::of(vec![config]);
    let flood = (0..20_000_u64).map(|n| {
        let (name, payload) = (format!("event-{n}"), vec![7; 600].into());
        let event = serf::UserEvent { ltime: n + 1, name, payload, coalesce: true };
        user(serf::kind::USER_EVENT, &event)
    });
    let bytes = kept(&mut ring, flood);
    assert!(bytes < 8 * MIB, "{bytes} bytes");
}

#[test]
fn a_flood_of_queries_is_kept_in_part_and_the_oldest_gives_way() {
    let mut ring = Ring::plain(1);
    let numbered = |n: u32| query_message(u64::from(n / 50) + 1, n, "load");
    let bytes = kept(&mut ring, (0..40_000).map(numbered));
    assert!(bytes < 8 * MIB, "{bytes} bytes");
    ring.tell([numbered(0), numbered(39_000), numbered(39_999)]);
    assert_eq!(ring.first().queries(), 0, "neither old nor young is asked again");
    ring.tell([query_message(801, 7, "load")]);
    let Some(Event::Query(query)) = ring.first().events.pop() else { panic!("a new one is") };
    let now = ring.now;
    ring.first().node.respond(now, query.id, "0.7").unwrap();
    let (_, kept) = growth_of(|| ring.wait(seconds(2 * 60 * 60)));
    assert!(kept < MIB);
    let now = ring.now;
    assert!(ring.first().node.respond(now, query.id, "0.7").is_err(), "nobody waits so long");
}

#[test]
fn a_flood_of_queries_of_one_moment_is_kept_in_part() {
    let mut ring = Ring::plain(1);
    kept(&mut ring, (0..20_000).map(|id| query_message(7, id, "load")));
    ring.tell([query_message(7, 20_000, "load")]);
    assert_eq!(ring.first().queries(), 0, "that moment is over");
    ring.tell([query_message(8, 20_000, "load")]);
    assert_eq!(ring.first().queries(), 1);
}

#[test]
fn a_flood_of_members_is_kept_in_part_and_the_living_stay() {
    let mut ring = Ring::plain(2);
    // As many tags as metadata holds, and as small as tags are.
    let tags = (0..100).map(|tag| (format!("{tag:03}"), String::new())).collect();
    let meta = serf::encode_tags(&tags);
    assert!(meta.len() <= 512);
    let ghost = |n: u32| {
        let alive = swim::Alive { meta: meta.clone(), ..alive(format!("ghost-{n}"), 1) };
        swim::encode(kind::ALIVE, &alive)
    };
    ring.cut.push((at(1), at(2)));
    let bytes = kept(&mut ring, (0..20_000).map(ghost));
    assert!(bytes < 256 * MIB, "{bytes} bytes");
    assert!(ring.first().node.members().len() <= 16 * 1024);
    ring.cut.clear();
    ring.wait(seconds(30));
    assert_eq!(ring.nodes[0].status("b"), ring.nodes[1].status("a"));
}

#[test]
fn ghosts_that_die_and_come_again_are_forgotten() {
    let mut ring = Ring::plain(1);
    let wave = |wave: u32| {
        let names = (0..10_000).map(move |n| format!("ghost-{wave}-{n}"));
        names.flat_map(|name| [alive_message(name.clone(), 1), dead(&name, "x", 1)])
    };
    let bytes: Vec<usize> = (0..6)
        .map(|n| {
            let bytes = kept(&mut ring, wave(n));
            ring.wait(seconds(60));
            bytes
        })
        .collect();
    let members = ring.first().node.members().len();
    assert!(members <= 16 * 1024 + 1, "{members} members");
    assert!(bytes[2..].iter().sum::<usize>() < 64 * MIB, "{bytes:?}");
}

#[test]
fn an_exchange_with_thousands_of_ghosts_is_kept_in_part() {
    let mut ring = Ring::plain(2);
    ring.cut.push((at(1), at(2)));
    let status_ltimes = (0..30_000_u64).map(|n| (format!("intent-{n}"), n)).collect();
    let left = (0..30_000).map(|n| format!("left-{n}")).collect();
    let theirs = serf::PushPull { status_ltimes, left, ..serf::PushPull::default() };
    let user_state = swim::encode(serf::kind::PUSH_PULL, &theirs).into();
    let nodes = (0..60_000).map(|n| state(format!("ghost-{n}"), 0)).collect();
    let frame = written(&Frame::PushPull { join: true, nodes, user_state });
    ring.first().forget();
    let flood = || {
        ring.stream(&frame);
        ring.first().forget();
    };
    let ((), bytes) = growth_of(flood);
    assert!(bytes < 64 * MIB, "{bytes} bytes");
    let members = ring.first().node.members().len();
    assert!((10_000..=16 * 1024).contains(&members), "{members} members");
}

#[test]
fn a_flood_of_suspicions_intents_and_requests_is_kept_in_part() {
    let mut ring = Ring::plain(3);
    let accusers = (0..20_000).map(|n| suspect("b", &format!("accuser-{n}"), 1));
    let bytes = kept(&mut ring, accusers);
    assert!(bytes < MIB, "suspicions: {bytes} bytes");

    let intents = (0..40_000).flat_map(|n| {
        let name = format!("{n}-{}", "x".repeat(200));
        [join(&name, n + 1), leave(&name, n + 2, true)]
    });
    let bytes = kept(&mut ring, intents);
    assert!(bytes < 8 * MIB, "intents: {bytes} bytes");

    let probe = |n: u32| {
        let request = swim::IndirectPing {
            seq: n,
            target: vec![10, 9, 9, 9].into(),
            port: 7946,
            node: "x".repeat(200),
            nack: true,
            ..swim::IndirectPing::default()
        };
        swim::encode(kind::INDIRECT_PING, &request)
    };
    let bytes = kept(&mut ring, (0..20_000).map(probe));
    assert!(bytes < 4 * MIB, "indirect pings: {bytes} bytes");
    assert!(ring.first().stat("refused") > 10_000);

    ring.wait(seconds(60));
    ring.first().forget();
    assert!(ring.nodes.iter().all(|heard| heard.alive() == 3), "and the ring lives");
}

#[test]
fn one_packet_is_answered_with_a_bounded_number_of_packets() {
    let mut ring = Ring::plain(1);
    ring.tell((0..300).map(|ghost| alive_message(format!("ghost-{ghost}"), 1)));
    ring.wait(seconds(5));
    ring.first().forget();
    let query = |id| {
        let flags = serf::FLAG_ACK;
        let query = serf::Query { relay_factor: 255, flags, ..query(5, id, "_serf_ping") };
        user(serf::kind::QUERY, &query)
    };
    let queries: Vec<_> = (0..255).map(query).collect();
    ring.packet(&compressed(&compound(&queries)));
    let sent = ring.first().packets.len();
    assert!((255..4096).contains(&sent), "{sent} packets for one");
}

#[test]
fn a_flood_of_answers_to_a_query_ends() {
    let mut ring = Ring::plain(1);
    ring.tell([alive_message("ghost", 1)]);
    let now = ring.now;
    let request = QueryRequest {
        name: "load".to_owned(),
        timeout: Some(seconds(600)),
        ..QueryRequest::default()
    };
    ring.first().node.query(now, request).unwrap();
    ring.wait(seconds(2));
    let asked = asked(&mut ring);
    let answer = |n: u32, flags, payload: Vec<u8>| {
        let (ltime, id, payload) = (asked.ltime, asked.id, payload.into());
        let from = format!("ghost-{n}");
        user(serf::kind::QUERY_RESPONSE, &serf::QueryResponse { ltime, id, from, flags, payload })
    };
    let large = (0..1000).map(|n| answer(n, 0, vec![0; 60_000]));
    let bytes = kept(&mut ring, large);
    let answered = ring.first().answered;
    assert!((MIB..32 * MIB).contains(&answered), "{answered} bytes were taken");
    assert!(bytes < MIB, "{bytes} bytes");
    let many =
        (1000..41_000).flat_map(|n| [answer(n, 0, vec![]), answer(n, serf::FLAG_ACK, vec![])]);
    let bytes = kept(&mut ring, many);
    assert!(bytes < 8 * MIB, "{bytes} bytes");
}

#[test]
fn after_a_flood_a_neighbour_can_still_exchange() {
    let mut ring = Ring::plain(2);
    let flood = (0..5000).flat_map(|n: u32| {
        [event(5, format!("event-{n}"), vec![1; 300]), query_message(5, n, "load")]
    });
    kept(&mut ring, flood);
    assert_eq!(exchange(&mut ring).len(), 2);
    let now = ring.now;
    let join = ring.nodes[1].node.join(now, &[at(1)], true);
    ring.settle();
    assert_eq!(ring.nodes[1].joined.get(&join), Some(&1));
}
