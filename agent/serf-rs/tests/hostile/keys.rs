//! Who has no key is not heard, and who has one asks for nonsense.

use crate::ring::{
    Ring, alive_message, at, keyring, query, sealed, seconds, state, stranger, user,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serf_rs::wire::stream::{self, Frame};
use serf_rs::wire::{Envelope, packet, serf, swim};
use serf_rs::{Config, Key};

fn sealed_ring(n: u8) -> Ring {
    let config = |place: u8| {
        let mut config = Config::new(char::from(b'a' + place).to_string(), at(place + 1));
        config.keyring = Some(keyring(1));
        config.label = "quarry".to_owned();
        config
    };
    Ring::of((0..n).map(config).collect())
}

fn envelope(key: Option<u8>, label: &str) -> Envelope {
    Envelope { keyring: key.map(keyring), label: label.to_owned() }
}

/// An exchange that tells of one more member.
fn exchange_of(name: &str) -> Frame {
    Frame::PushPull { join: true, nodes: vec![state(name, 0)], user_state: Default::default() }
}

#[test]
fn only_who_has_the_key_and_the_label_is_heard() {
    let mut ring = sealed_ring(2);
    let write = |frame: &Frame, envelope: &Envelope| {
        stream::write(frame, envelope, &mut StdRng::seed_from_u64(1))
    };
    let wrong =
        [(None, ""), (None, "quarry"), (Some(2), "quarry"), (Some(1), ""), (Some(1), "quarrel")];
    for (key, label) in wrong {
        let wrong = envelope(key, label);
        let before = ring.first().stat("refused");
        ring.packet(&sealed(&[alive_message("ghost", 1)], &wrong));
        assert_eq!(ring.first().stat("refused"), before + 1, "a packet with {key:?} {label:?}");
        let stream = ring.stream(&write(&exchange_of("ghost"), &wrong));
        assert_eq!(ring.first().stat("refused"), before + 2, "a stream with {key:?} {label:?}");
        assert!(ring.first().closed.contains(&stream));
        let answer = ring.first().sent.remove(&stream).unwrap();
        assert!(
            !String::from_utf8_lossy(&answer).contains("key"),
            "even why is for members alone: {answer:?}"
        );
    }
    assert_eq!(ring.first().node.members().len(), 2, "nobody believed it");
    assert_eq!(ring.first().refused, 2 * wrong.len(), "each is for the log");

    let right = envelope(Some(1), "quarry");
    ring.packet(&sealed(&[alive_message("guest", 1)], &right));
    ring.stream(&write(&exchange_of("visitor"), &right));
    assert_eq!(ring.first().node.members().len(), 4);
}

#[test]
fn a_sealed_packet_with_any_bit_changed_is_refused() {
    let mut ring = sealed_ring(1);
    let good = sealed(&[alive_message("ghost", 1)], &envelope(Some(1), "quarry"));
    for place in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[place / 8] ^= 1 << (place % 8);
        ring.packet(&bad);
    }
    assert_eq!(ring.first().stat("refused"), good.len() as u64 * 8);
    assert_eq!(ring.first().node.members().len(), 1);
}

#[test]
fn a_sealed_packet_means_nothing_to_a_ring_without_keys() {
    let mut ring = Ring::plain(1);
    ring.packet(&sealed(&[alive_message("ghost", 1)], &envelope(Some(1), "")));
    assert_eq!(ring.first().stat("refused"), 1);
    assert_eq!(ring.first().node.members().len(), 1);
}

#[test]
fn what_was_recorded_and_is_played_again_changes_nothing() {
    let mut ring = sealed_ring(3);
    let now = ring.now;
    let talker = &mut ring.nodes[1].node;
    talker.user_event(now, "deploy", "now", false).unwrap();
    talker.set_tags(now, [("role".to_owned(), "old".to_owned())].into()).unwrap();
    ring.wait(seconds(5));
    let now = ring.now;
    let talker = &mut ring.nodes[1].node;
    talker.set_tags(now, [("role".to_owned(), "new".to_owned())].into()).unwrap();
    ring.nodes[2].node.leave(now);
    ring.wait(seconds(20));
    let told = &ring.nodes[1].packets;
    let recording: Vec<_> =
        told.iter().filter(|(to, _)| *to == at(1)).map(|(_, bytes)| bytes.clone()).collect();
    assert!(recording.len() > 20, "{} packets", recording.len());

    let before =
        (ring.first().node.members().cloned().collect::<Vec<_>>(), ring.first().events.len());
    for packet in recording.iter().chain(recording.iter().rev()) {
        ring.packet(packet);
    }
    ring.wait(seconds(60));
    let after =
        (ring.first().node.members().cloned().collect::<Vec<_>>(), ring.first().events.len());
    assert_eq!(before, after);
}

/// What the first node answered the stranger's key queries.
fn key_answers(ring: &mut Ring, envelope: &Envelope) -> Vec<serf::KeyResponse> {
    let mut answers = Vec::new();
    for (to, bytes) in std::mem::take(&mut ring.first().packets) {
        let read = packet::read(&bytes, envelope, |kind, body| {
            let Some((&serf::kind::QUERY_RESPONSE, body)) = body.split_first() else { return };
            if kind == swim::kind::USER && to == stranger() {
                let answer: serf::QueryResponse = swim::decode(body).unwrap();
                assert_eq!(answer.payload[0], serf::kind::KEY_RESPONSE);
                answers.push(swim::decode(&answer.payload[1..]).unwrap());
            }
        });
        read.unwrap();
    }
    answers
}

#[test]
fn nonsense_about_keys_is_answered_with_an_error_and_changes_nothing() {
    let mut ring = sealed_ring(2);
    let envelope = envelope(Some(1), "quarry");
    let request = |key: &[u8]| {
        let key = serf::KeyRequest { key: key.to_vec().into() };
        swim::encode(serf::kind::KEY_REQUEST, &key)
    };
    let nonsense = [
        vec![],
        vec![serf::kind::KEY_REQUEST],
        vec![serf::kind::KEY_REQUEST, 0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![0xff; 64],
        request(b""),
        request(&[9; 33]),
        request(&[9; 500]),
    ];
    let mut asked = 0;
    for name in ["_serf_install-key", "_serf_use-key", "_serf_remove-key"] {
        // The keys that everybody uses and that nobody knows besides.
        let known = [request(&[1; 32])].into_iter().filter(|_| name == "_serf_remove-key");
        let unknown = [request(&[3; 32])].into_iter().filter(|_| name == "_serf_use-key");
        for payload in nonsense.iter().cloned().chain(known).chain(unknown) {
            asked += 1;
            let query = serf::Query { payload: payload.clone().into(), ..query(9, asked, name) };
            let message = user(serf::kind::QUERY, &query);
            ring.packet(&sealed(&[message], &envelope));
            let answers = key_answers(&mut ring, &envelope);
            let [serf::KeyResponse { result: false, message, .. }] = &answers[..] else {
                panic!("{name} {payload:x?}: {answers:?}")
            };
            assert!(!message.is_empty(), "{name} {payload:x?} has a reason");
        }
    }
    for name in ["_serf_", "_serf_explode", "_serf_conflict"] {
        let query = serf::Query { payload: vec![0xff; 64].into(), ..query(9, 1000, name) };
        ring.packet(&sealed(&[user(serf::kind::QUERY, &query)], &envelope));
        assert!(key_answers(&mut ring, &envelope).is_empty(), "{name}");
    }
    ring.wait(seconds(5));
    let key = Key::new(&[1; 32]).unwrap();
    for heard in &ring.nodes {
        assert!(heard.node.keyring().unwrap().keys().eq([&key]));
        assert_eq!(heard.queries(), 0, "no program hears of them");
    }
}
