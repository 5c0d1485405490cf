//! Bytes that HashiCorp's agents sent, and what they mean.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use serf_rs::wire::serf::{self, Filter, TagFilter};
use serf_rs::wire::stream::{Collector, Frame};
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, packet};
use serf_rs::{Key, Keyring};
use std::collections::BTreeMap;

/// One capture, by its name.
fn captured(name: &str) -> Vec<u8> {
    let lines = include_str!("hashicorp.txt").lines();
    let digits = lines.filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name);
    let (_, digits) = digits.unwrap_or_else(|| panic!("no capture is called {name}"));
    let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn envelope(name: &str) -> Envelope {
    let sealed = name.starts_with("sealed");
    let keyring = sealed.then(|| Keyring::new(Key::new(&[7; 32]).unwrap()).unwrap());
    Envelope { keyring, label: String::new() }
}

/// The messages of a datagram: type and body.
fn messages(name: &str) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    let each = |kind, body: &[u8]| messages.push((kind, body.to_vec()));
    packet::read(&captured(name), &envelope(name), each).unwrap();
    messages
}

/// The only message of a datagram, which has to be of this type.
fn only<T: serf_rs::wire::msgpack::Value>(name: &str, expected: u8) -> T {
    match &messages(name)[..] {
        [(kind, body)] if *kind == expected => swim::decode(body).unwrap(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The only message of the layer above in a datagram.
fn only_user(name: &str, expected: u8) -> Vec<u8> {
    match &messages(name)[..] {
        [(kind::USER, body)] if body[0] == expected => body[1..].to_vec(),
        other => panic!("{name} is {other:?}"),
    }
}

fn kinds(name: &str) -> Vec<u8> {
    messages(name).into_iter().map(|(kind, _)| kind).collect()
}

fn frame(name: &str) -> Frame {
    let bytes = captured(name);
    let whole = Collector::default().feed(&bytes, &envelope(name)).unwrap().unwrap();
    let mut drip = Collector::default();
    for byte in &bytes[..bytes.len() - 1] {
        assert_eq!(drip.feed(&[*byte], &envelope(name)), Ok(None), "{name}");
    }
    let dripped = drip.feed(&bytes[bytes.len() - 1..], &envelope(name)).unwrap().unwrap();
    assert_eq!(whole, dripped);
    whole
}

fn tags(role: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("dc".into(), "north".into()), ("role".into(), role.into())])
}

/// Which tags, and the rest of what a node says of itself.
fn check_alive(alive: &swim::Alive, name: &str, last: u8, incarnation: u32) {
    assert_eq!((alive.node.as_str(), alive.incarnation), (name, incarnation));
    assert_eq!((&alive.addr[..], alive.port), (&[127, 61, 3, last][..], 7946));
    assert_eq!(swim::Versions::read(&alive.versions), Some(swim::Versions([1, 5, 2, 2, 5, 5])));
    assert_eq!(serf::decode_tags(&alive.meta), tags(name));
}

#[test]
fn a_probe_and_everything_that_belongs_to_it() {
    let ping: swim::Ping = only("ping", kind::PING);
    assert_eq!((ping.seq, ping.node.as_str(), ping.source_node.as_str()), (1, "quarry", "mason"));
    assert_eq!((&ping.source_addr[..], ping.source_port), (&[127, 61, 3, 2][..], 7946));

    let ack: swim::Ack = only("ack", kind::ACK);
    let place = serf::decode_coordinate(&ack.payload).unwrap();
    assert_eq!((ack.seq, place.vec.len()), (1, 8));
    assert!((1.4..1.5).contains(&place.error) && place.height == 10e-6, "{place:?}");

    let indirect: swim::IndirectPing = only("indirect-ping", kind::INDIRECT_PING);
    assert_eq!((indirect.seq, indirect.node.as_str(), indirect.nack), (6, "chisel", true));
    assert_eq!((&indirect.target[..], indirect.port), (&[127, 61, 3, 3][..], 7946));
    assert_eq!(indirect.source_node, "mason");

    assert_eq!(only::<swim::Nack>("nack", kind::NACK).seq, 6);
}

#[test]
fn rumours_with_their_checksums() {
    let alive: swim::Alive = only("alive", kind::ALIVE);
    check_alive(&alive, "chisel", 3, 1);
    let suspect: swim::Suspect = only("suspect", kind::SUSPECT);
    assert_eq!((suspect.node.as_str(), suspect.from.as_str()), ("chisel", "mason"));
    let dead: swim::Dead = only("dead", kind::DEAD);
    assert_eq!((dead.node.as_str(), dead.from.as_str(), dead.incarnation), ("chisel", "mason", 1));

    let mut broken = captured("dead");
    *broken.last_mut().unwrap() ^= 1;
    let error = packet::read(&broken, &Envelope::default(), |_, _| {}).unwrap_err();
    assert_eq!(error, serf_rs::wire::WireError::Checksum);
}

#[test]
fn several_messages_in_a_packet_compressed_or_not() {
    assert_eq!(kinds("compressed-compound"), [kind::PING, kind::ALIVE, kind::ALIVE]);
    let messages = messages("checksum-compressed-compound");
    let [(_, quarry), (_, chisel), (_, mason), (kind::USER, join)] = &messages[..] else {
        panic!("{messages:?}");
    };
    check_alive(&swim::decode(quarry).unwrap(), "quarry", 1, 1);
    check_alive(&swim::decode(chisel).unwrap(), "chisel", 3, 1);
    check_alive(&swim::decode(mason).unwrap(), "mason", 2, 1);
    assert_eq!(join[0], serf::kind::JOIN);

    assert_eq!(kinds("refutation"), [kind::ACK, kind::ALIVE]);
    let refutation: swim::Alive = swim::decode(&self::messages("refutation")[1].1).unwrap();
    check_alive(&refutation, "chisel", 3, 2);

    let left: swim::Dead = swim::decode(&self::messages("left")[1].1).unwrap();
    assert_eq!((left.node.as_str(), left.from.as_str()), ("chisel", "chisel"));
}

#[test]
fn intents_of_joining_and_leaving() {
    let join: serf::Join = swim::decode(&only_user("join", serf::kind::JOIN)).unwrap();
    assert_eq!((join.ltime, join.node.as_str()), (1, "mason"));
    let leave: serf::Leave = swim::decode(&only_user("leave", serf::kind::LEAVE)).unwrap();
    assert_eq!((leave.ltime, leave.node.as_str(), leave.prune), (3, "chisel", false));
}

#[test]
fn an_event_and_queries_with_and_without_filters() {
    let messages = messages("query-and-event");
    let query: serf::Query = swim::decode(&messages[0].1[1..]).unwrap();
    assert_eq!((query.name.as_str(), &query.payload[..]), ("load", &b"now"[..]));
    assert_eq!((query.ltime, query.id, query.flags), (1, 973_950_720, serf::FLAG_ACK));
    assert_eq!((query.timeout, query.source_node.as_str()), (1_000_000_000, "quarry"));
    let filters: Vec<_> = query.filters.iter().map(|f| Filter::read(f).unwrap()).collect();
    let tag = TagFilter { tag: "role".into(), expression: "ma.*".into() };
    assert_eq!(filters, [Some(Filter::Nodes(vec!["mason".into()])), Some(Filter::Tag(tag))]);

    let event: serf::UserEvent = swim::decode(&messages[1].1[1..]).unwrap();
    assert_eq!((event.name.as_str(), &event.payload[..]), ("deploy", &b"release 7"[..]));
    assert!(event.coalesce);

    let body = only_user("query-of-everybody", serf::kind::QUERY);
    let query: serf::Query = swim::decode(&body).unwrap();
    assert_eq!((query.filters.len(), query.relay_factor, query.payload.len()), (0, 1, 0));
}

#[test]
fn answers_straight_and_through_others() {
    let body = only_user("query-ack", serf::kind::QUERY_RESPONSE);
    let answer: serf::QueryResponse = swim::decode(&body).unwrap();
    assert_eq!((answer.id, answer.from.as_str()), (973_950_720, "mason"));
    assert_eq!((answer.flags, answer.payload.len()), (serf::FLAG_ACK, 0));

    let body = only_user("relayed-query-ack", serf::kind::RELAY);
    let (to, relayed) = serf::decode_relay(&body).unwrap();
    assert_eq!(to, ([127, 61, 3, 1], 7946).into());
    assert_eq!(relayed[0], serf::kind::QUERY_RESPONSE);
    let answer: serf::QueryResponse = swim::decode(&relayed[1..]).unwrap();
    assert_eq!((answer.id, answer.from.as_str()), (464_170_745, "quarry"));
}

#[test]
fn keys_are_told_and_installed_by_sealed_queries() {
    let (_, body) = &messages("sealed-install-key")[0];
    let query: serf::Query = swim::decode(&body[1..]).unwrap();
    assert_eq!(query.name, "_serf_install-key");
    let request: serf::KeyRequest = swim::decode(&query.payload[1..]).unwrap();
    assert_eq!(request.key[..], [1; 32]);

    let body = only_user("sealed-key-list", serf::kind::QUERY_RESPONSE);
    let answer: serf::QueryResponse = swim::decode(&body).unwrap();
    let list: serf::KeyResponse = swim::decode(&answer.payload[1..]).unwrap();
    let key = Key::new(&[7; 32]).unwrap().to_base64();
    assert_eq!((list.result, list.primary.as_str()), (true, key.as_str()));
    assert_eq!(list.keys, [key]);
}

#[test]
fn exchanges_of_everything_sealed_or_not_however_slowly_they_come() {
    for (prefix, net) in [("", 3), ("sealed-", 4)] {
        let Frame::PushPull { join, nodes, user_state } = frame(&format!("{prefix}stream-join"))
        else {
            panic!("no exchange");
        };
        let names: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), &node.addr[..])).collect();
        let newcomer = if prefix.is_empty() { ("chisel", 3) } else { ("mason", 2) };
        assert_eq!(
            (join, &names[..]),
            (true, &[(newcomer.0, &[127, 61, net, newcomer.1][..])][..])
        );
        let state: serf::PushPull = swim::decode(&user_state[1..]).unwrap();
        assert_eq!((state.event_ltime, state.events.len()), (1, 512), "Go's buffer, empty");
        assert_eq!(state.status_ltimes.len(), 1);
    }
    let Frame::PushPull { nodes, user_state, .. } = frame("stream-join-answer") else {
        panic!("no exchange");
    };
    assert_eq!(
        nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        ["quarry", "mason"]
    );
    assert!(nodes.iter().all(|node| (node.state, node.incarnation, node.port) == (0, 1, 7946)));
    assert_eq!(serf::decode_tags(&nodes[0].meta), tags("quarry"));
    let state: serf::PushPull = swim::decode(&user_state[1..]).unwrap();
    assert_eq!(state.status_ltimes.keys().collect::<Vec<_>>(), ["mason", "quarry"]);
    assert!(matches!(frame("sealed-stream-join-answer"), Frame::PushPull { .. }));
}

#[test]
fn a_ping_on_a_stream_and_its_answer() {
    let Frame::Ping(ping) = frame("stream-ping") else { panic!("no ping") };
    assert_eq!((ping.seq, ping.node.as_str(), ping.source_node.as_str()), (6, "chisel", "mason"));
    let Frame::Ack(ack) = frame("stream-ack") else { panic!("no ack") };
    assert_eq!((ack.seq, ack.payload.len()), (6, 0));
}
