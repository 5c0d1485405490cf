//! Questions that mean harm, and answers that nobody asked for.

use crate::ring::{Ring, alive_message, asked, compound, compressed, query, seconds, user};
use serf_rs::QueryRequest;
use serf_rs::wire::serf;
use serf_rs::wire::swim::{self, kind};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[test]
fn a_filter_that_means_harm_means_nobody() {
    let mut ring = Ring::plain(1);
    let tag = |expression: &str| {
        let filter = serf::TagFilter { tag: "role".to_owned(), expression: expression.to_owned() };
        serf::Filter::Tag(filter).write()
    };
    let evil = [
        tag("(((a{1,100}){1,100}){1,100}){1,100}"),
        tag(&"(".repeat(1000)),
        tag("[[:alpha:"),
        tag("(a*)*\\1"),
        tag(".{1,1000}{1,1000}"),
        serf::Filter::Nodes(vec!["b".to_owned(); 100]).write(),
        vec![7, 0x80].into(),
        vec![0, 0xdd, 0xff, 0xff, 0xff, 0xff].into(),
        vec![].into(),
    ];
    for (id, filter) in evil.iter().enumerate() {
        let query = serf::Query { filters: vec![filter.clone()], ..query(5, id as u32, "load") };
        ring.packet(&user(serf::kind::QUERY, &query));
        assert_eq!(ring.first().queries(), 0, "filter {id}");
    }
    let many = serf::Query { filters: vec![tag(""); 17], ..query(5, 99, "load") };
    ring.packet(&user(serf::kind::QUERY, &many));
    assert_eq!(ring.first().queries(), 0, "nobody asks so precisely");
    let fine = serf::Query { filters: vec![tag("^$"); 2], ..query(5, 100, "load") };
    ring.packet(&user(serf::kind::QUERY, &fine));
    assert_eq!(ring.first().queries(), 1);
}

#[test]
fn a_packet_full_of_slow_filters_is_read_in_time() {
    let mut ring = Ring::plain(1);
    let now = ring.now;
    let tags = [("role".to_owned(), "a".repeat(400))].into();
    ring.first().node.set_tags(now, tags).unwrap();
    let filter = serf::TagFilter { tag: "role".into(), expression: "(.{9}|a.?){99}b".into() };
    let filters = vec![serf::Filter::Tag(filter).write(); 16];
    let slow = |id| {
        user(serf::kind::QUERY, &serf::Query { filters: filters.clone(), ..query(5, id, "x") })
    };
    let queries: Vec<_> = (0..255).map(slow).collect();
    let packet = compressed(&compound(&queries));
    assert!(packet.len() < 65_507, "a datagram of {}", packet.len());
    let began = Instant::now();
    ring.packet(&packet);
    let took = began.elapsed();
    assert!(took < seconds(2), "{took:?}");
}

#[test]
fn an_answer_goes_through_a_few_others_whatever_is_asked_for() {
    let mut ring = Ring::plain(1);
    ring.tell((0..300).map(|ghost| alive_message(format!("ghost-{ghost}"), 1)));
    ring.first().forget();
    let query = serf::Query { relay_factor: 255, flags: serf::FLAG_ACK, ..query(5, 1, "load") };
    ring.packet(&user(serf::kind::QUERY, &query));
    let sent = ring.first().packets.len();
    assert!((2..10).contains(&sent), "{sent} packets for one");
}

#[test]
fn an_answer_that_nobody_asked_for_is_nothing() {
    let mut ring = Ring::plain(2);
    let now = ring.now;
    let request = QueryRequest { name: "load".into(), ack: true, ..QueryRequest::default() };
    ring.first().node.query(now, request).unwrap();
    ring.wait(Duration::from_millis(300));
    let serf::Query { ltime, id, .. } = asked(&mut ring);
    let answer = |ltime, id, from: &str| {
        let payload = vec![1].into();
        let answer = serf::QueryResponse { ltime, id, from: from.to_owned(), flags: 0, payload };
        user(serf::kind::QUERY_RESPONSE, &answer)
    };
    ring.tell([answer(ltime + 1, id, "x"), answer(ltime, id ^ 1, "x"), answer(u64::MAX, 0, "x")]);
    ring.tell([swim::encode(kind::ACK, &swim::Ack { seq: 99, payload: vec![9; 99].into() })]);
    assert!(ring.first().answers.is_empty());
    ring.tell([
        answer(ltime, id, "x"),
        answer(ltime, id, "x"),
        answer(ltime, id, &"x".repeat(300)),
    ]);
    assert_eq!(ring.first().answers, ["x"], "each answers once");
    ring.wait(seconds(60));
    ring.tell([answer(ltime, id, "y")]);
    assert_eq!(ring.first().answers, ["x"], "its time is over");
}

#[test]
fn who_is_no_member_has_no_vote_on_a_name() {
    let mut ring = Ring::plain(3);
    ring.tell([alive_message("a", 1000)]);
    ring.wait(Duration::from_millis(500));
    let query = asked(&mut ring);
    assert_eq!(query.name, "_serf_conflict");
    let elsewhere = serf::Member {
        name: "a".to_owned(),
        addr: vec![10, 9, 9, 9].into(),
        port: 7946,
        tags: BTreeMap::new(),
        status: 1,
    };
    let vote = |voter| {
        let response = serf::QueryResponse {
            ltime: query.ltime,
            id: query.id,
            from: format!("voter-{voter}"),
            flags: 0,
            payload: swim::encode(serf::kind::CONFLICT_RESPONSE, &elsewhere).into(),
        };
        user(serf::kind::QUERY_RESPONSE, &response)
    };
    ring.tell((0..100).map(vote));
    ring.wait(seconds(60));
    assert!(!ring.first().name_lost);
}
