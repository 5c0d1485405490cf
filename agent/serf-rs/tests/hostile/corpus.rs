//! The first inputs of the fuzz targets: real messages of every kind, for the
//! fuzzer to bend. They are files in `fuzz/corpus`, written by
//! `SERF_CORPUS=write cargo test -p serf-rs --test hostile corpus`.

use crate::ring::{self, PACKET, compressed, keyring, sealed, user, written};
use serf_rs::wire::msgpack::{Encoder, Value};
use serf_rs::wire::stream::{self, Frame};
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, packet, serf};
use serf_rs::{Clocks, Snapshot};
use std::collections::BTreeMap;
use std::path::Path;

/// The file of a target, and what it holds.
type Input = (&'static str, String, Vec<u8>);

fn name(name: &str) -> String {
    name.to_owned()
}

/// Every message of the membership layer.
fn memberships() -> Vec<(&'static str, Vec<u8>)> {
    let (node, from) = (name("quarry"), name("mason"));
    let ping = swim::Ping {
        seq: 7,
        node: node.clone(),
        source_addr: vec![10, 0, 0, 66].into(),
        source_port: 7946,
        source_node: name("ghost"),
    };
    let indirect = swim::IndirectPing {
        seq: 8,
        target: vec![10, 0, 0, 1].into(),
        port: 7946,
        node: from.clone(),
        nack: true,
        ..swim::IndirectPing::default()
    };
    let coordinate =
        serf::WireCoordinate { vec: vec![0.0; 8], error: 1.5, adjustment: 0.0, height: 1.0e-5 };
    let ack = swim::Ack { seq: 7, payload: serf::encode_coordinate(&coordinate) };
    vec![
        ("ping", swim::encode(kind::PING, &ping)),
        ("indirect-ping", swim::encode(kind::INDIRECT_PING, &indirect)),
        ("ack", swim::encode(kind::ACK, &ack)),
        ("nack", swim::encode(kind::NACK, &swim::Nack { seq: 8 })),
        ("alive", ring::alive_message(node.clone(), 3)),
        ("suspect", ring::suspect(&node, &from, 3)),
        ("suspect-us", ring::suspect("mason", &node, 1)),
        ("suspect-us-last", ring::suspect("mason", &node, u32::MAX)),
        ("dead", ring::dead(&node, &from, 3)),
        ("left", ring::dead(&node, &node, 3)),
    ]
}

/// Every message of the Serf layer.
fn rings() -> Vec<(&'static str, Vec<u8>)> {
    let filters = [
        serf::Filter::Nodes(vec![name("mason")]),
        serf::Filter::Tag(serf::TagFilter {
            tag: name("role"),
            expression: name("^(web|db)-[0-9]+$"),
        }),
    ];
    let filtered = serf::Query {
        filters: filters.iter().map(serf::Filter::write).collect(),
        flags: serf::FLAG_ACK,
        relay_factor: 2,
        payload: b"now"[..].into(),
        ..ring::query(6, 12, "load")
    };
    let key = serf::KeyRequest { key: vec![9; 32].into() };
    let change = swim::encode(serf::kind::KEY_REQUEST, &key);
    let change = serf::Query { payload: change.into(), ..ring::query(7, 13, "_serf_install-key") };
    let conflict =
        serf::Query { payload: b"mason"[..].into(), ..ring::query(8, 14, "_serf_conflict") };
    let response = serf::QueryResponse {
        ltime: 1,
        id: 11,
        from: name("quarry"),
        flags: 0,
        payload: b"0.25"[..].into(),
    };
    let response = swim::encode(serf::kind::QUERY_RESPONSE, &response);
    let relay = serf::encode_relay(ring::at(1), "mason", &response);
    vec![
        ("join", ring::join("quarry", 4)),
        ("leave", ring::leave("quarry", 5, false)),
        ("leave-us", ring::leave("mason", 5, true)),
        ("event", ring::event(9, "deploy", b"v2".to_vec())),
        ("query", ring::query_message(5, 11, "load")),
        ("query-filtered", user(serf::kind::QUERY, &filtered)),
        ("query-key", user(serf::kind::QUERY, &change)),
        ("query-conflict", user(serf::kind::QUERY, &conflict)),
        ("response", [&[kind::USER][..], &response].concat()),
        ("relay", [&[kind::USER][..], &relay].concat()),
    ]
}

fn exchange() -> Frame {
    let state = |name: &str, incarnation, state| swim::NodeState {
        name: name.to_owned(),
        addr: vec![10, 0, 0, 66].into(),
        port: 7946,
        meta: serf::encode_tags(&BTreeMap::from([("role".into(), "db".into())])),
        incarnation,
        state,
        versions: swim::Versions::OURS.write(),
    };
    let events = vec![serf::PastEvent { name: name("deploy"), payload: b"v1"[..].into() }];
    let user_state = serf::PushPull {
        ltime: 9,
        status_ltimes: BTreeMap::from([("quarry".into(), 3), ("ghost".into(), 4)]),
        left: vec![name("ghost")],
        event_ltime: 5,
        events: vec![serf::EventsAt { ltime: 4, events }],
        query_ltime: 6,
    };
    Frame::PushPull {
        join: true,
        nodes: vec![state("quarry", 2, 0), state("ghost", 5, 3), state("mason", 9, 2)],
        user_state: swim::encode(serf::kind::PUSH_PULL, &user_state).into(),
    }
}

fn frames() -> Vec<(&'static str, Frame)> {
    let ping = swim::Ping { seq: 7, node: name("mason"), ..swim::Ping::default() };
    let mut event = ring::event(9, "deploy", b"v2".to_vec());
    event.remove(0);
    vec![
        ("exchange", exchange()),
        ("ping", Frame::Ping(ping)),
        ("ack", Frame::Ack(swim::Ack { seq: 7, ..swim::Ack::default() })),
        ("user", Frame::User(event.into())),
        ("refusal", Frame::Refusal(name("no"))),
    ]
}

fn rng() -> rand::rngs::StdRng {
    rand::SeedableRng::seed_from_u64(1)
}

fn packets() -> Vec<Input> {
    let plain = Envelope::default();
    let every: Vec<_> = memberships().into_iter().chain(rings()).collect();
    let messages: Vec<Vec<u8>> = every.iter().map(|(_, bytes)| bytes.clone()).collect();
    let together = sealed(&messages[..5], &plain);
    let secret = Envelope { keyring: Some(keyring(7)), label: name("quarry") };
    let wrapped = [
        ("compound", together.clone()),
        ("compressed", compressed(&together)),
        ("checked", packet::write(&messages[..3], true, &plain, &mut rng())),
        ("sealed", sealed(&messages[..3], &secret)),
    ];
    let all = every.into_iter().chain(wrapped);
    all.map(|(name, bytes)| ("packet", name.to_owned(), bytes)).collect()
}

fn streams() -> Vec<Input> {
    let mut inputs = Vec::new();
    for (name, frame) in frames() {
        // The first byte: the envelope (1: a key, 2: a label) and the pieces.
        for (choice, suffix) in [(0xfc_u8, "plain"), (0x23, "sealed")] {
            let label = if choice & 2 != 0 { "quarry" } else { "" };
            let envelope = Envelope {
                keyring: (choice & 1 != 0).then(|| keyring(7)),
                label: label.to_owned(),
            };
            let bytes = stream::write(&frame, &envelope, &mut rng());
            inputs.push(("stream", format!("{name}-{suffix}"), [&[choice][..], &bytes].concat()));
        }
    }
    inputs
}

fn snapshots() -> Vec<Input> {
    let at = |text: &str| text.parse().expect("an address");
    let snapshot = Snapshot {
        alive: BTreeMap::from([
            ("quarry".into(), at("10.0.0.66:7946")),
            ("mason".into(), at("[fd00::1]:7946")),
        ]),
        clocks: Clocks { members: 12, events: 5, queries: u64::MAX },
        left: false,
    };
    let written = snapshot.write();
    let torn = written[..written.len() - 9].to_owned();
    let history = format!("{written}not-alive: quarry\n#comment\ncoordinate: {{}}\nleave\n{torn}");
    [("members", written), ("torn", torn), ("history", history)]
        .map(|(name, text)| ("snapshot", name.to_owned(), text.into_bytes()))
        .into()
}

fn keyrings() -> Vec<Input> {
    [
        ("one", r#"["AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="]"#),
        ("two", "[\n  \"AQIDBAUGBwgJCgsMDQ4PEA==\",\n  \"EA8ODQwLCgkIBwYFBAMCAQ==\"\n]\n"),
        ("short", r#"["AQID"]"#),
        ("none", "[]"),
    ]
    .map(|(name, text)| ("keyring", name.to_owned(), text.as_bytes().to_vec()))
    .into()
}

/// A request's header, and its body if it has one.
fn request(command: &str, body: Option<Encoder>) -> Vec<u8> {
    let mut head = Encoder::default();
    head.map(2);
    head.raw(b"Command");
    head.raw(command.as_bytes());
    head.raw(b"Seq");
    head.unsigned(command.len() as u64);
    [head.finish(), body.map(Encoder::finish).unwrap_or_default()].concat()
}

/// One field with a text.
fn text(field: &str, value: &str) -> Option<Encoder> {
    let mut body = Encoder::default();
    body.map(1);
    body.raw(field.as_bytes());
    body.raw(value.as_bytes());
    Some(body)
}

fn calls() -> Vec<Input> {
    let mut version = Encoder::default();
    version.map(1);
    version.raw(b"Version");
    version.unsigned(1);
    let hello = request("handshake", Some(version));
    let mut query = Encoder::default();
    query.map(4);
    query.raw(b"Name");
    query.raw(b"load");
    query.raw(b"RequestAck");
    query.bool(true);
    query.raw(b"FilterNodes");
    vec![name("mason"), name("quarry")].pack(&mut query);
    query.raw(b"FilterTags");
    BTreeMap::from([(name("role"), name("web|db"))]).pack(&mut query);
    let mut tags = Encoder::default();
    tags.map(2);
    tags.raw(b"Tags");
    BTreeMap::from([(name("role"), name("db"))]).pack(&mut tags);
    tags.raw(b"DeleteTags");
    vec![name("rack")].pack(&mut tags);
    let mut join = Encoder::default();
    join.map(1);
    join.raw(b"Existing");
    vec![name("127.0.0.9:7946"), name("[::1]")].pack(&mut join);
    let calls = [
        ("auth", text("AuthKey", "secret")),
        ("event", text("Name", "deploy")),
        ("force-leave", text("Node", "quarry")),
        ("join", Some(join)),
        ("members", None),
        ("members-filtered", text("Status", "alive|failed")),
        ("query", Some(query)),
        ("tags", Some(tags)),
        ("stream", text("Type", "member-join,user:deploy,query")),
        ("monitor", text("LogLevel", "DEBUG")),
        ("stop", None),
        ("install-key", text("Key", "AQIDBAUGBwgJCgsMDQ4PEA==")),
        ("list-keys", None),
        ("stats", None),
        ("get-coordinate", text("Node", "mason")),
        ("leave", None),
    ];
    let calls = calls.map(|(command, body)| {
        ("rpc", command.to_owned(), [hello.clone(), request(command, body)].concat())
    });
    calls.into()
}

/// What happens to a node, as the target reads it: a byte says what.
fn lives() -> Vec<Input> {
    let packet = |from: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).expect("a short packet").to_be_bytes();
        [&[from << 4][..], &length, bytes].concat()
    };
    let wait = |milliseconds: u16| [&[5][..], &milliseconds.to_be_bytes()].concat();
    let call = |what: u8| vec![7, what];
    let alive = ring::alive_message("quarry", 3);
    let mut inputs: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, message) in memberships().into_iter().chain(rings()) {
        assert!(message.len() <= PACKET);
        let life =
            [packet(1, &alive), wait(600), packet(1, &message), wait(5_000), call(1), wait(9_000)];
        inputs.push((name.to_owned(), life.concat()));
    }
    let bytes = written(&exchange());
    let length = u16::try_from(bytes.len()).expect("a short frame").to_be_bytes();
    let connected = [&[2, 3, 0][..], &length, &bytes, &wait(60_000), &call(4)].concat();
    inputs.push((name("exchange"), connected));
    inputs
        .push((name("calls"), (0..6).flat_map(|what| [call(what), wait(700)].concat()).collect()));
    inputs.into_iter().map(|(name, bytes)| ("node", name, bytes)).collect()
}

#[test]
fn the_corpus_of_the_fuzz_targets_is_what_is_written_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let parts = [packets(), streams(), snapshots(), keyrings(), calls(), lives()];
    let inputs: Vec<Input> = parts.into_iter().flatten().collect();
    if std::env::var("SERF_CORPUS").as_deref() == Ok("write") {
        for (target, name, bytes) in &inputs {
            std::fs::create_dir_all(folder.join(target)).unwrap();
            std::fs::write(folder.join(target).join(name), bytes).unwrap();
        }
    }
    for (target, name, bytes) in &inputs {
        let found = std::fs::read(folder.join(target).join(name)).unwrap_or_default();
        assert!(found == *bytes, "{target}/{name} differs; see the top of this file");
    }
}
