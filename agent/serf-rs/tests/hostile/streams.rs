//! Connections that stay open, drip, and never end.

use crate::memory::{growth_of, peak_of};
use crate::ring::{Ring, alive_message, at, seconds, stranger, written};
use serf_rs::wire::stream::{Collector, Frame};
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, serf};
use serf_rs::{Config, Node, Output, StreamId, Time};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Longer than a connection may take.
const DEADLINE: u64 = 10;

/// How many may be open at a time.
const MOST: usize = 128;

fn accept(ring: &mut Ring) -> Option<StreamId> {
    let now = ring.now;
    let stream = ring.first().node.stream_accepted(now, stranger());
    ring.settle();
    stream
}

fn data(ring: &mut Ring, stream: StreamId, bytes: &[u8]) {
    let now = ring.now;
    ring.first().node.stream_data(now, stream, bytes);
    ring.settle();
}

fn is_closed(ring: &mut Ring, stream: StreamId) -> bool {
    ring.first().closed.contains(&stream)
}

fn ping() -> Vec<u8> {
    let ping = swim::Ping { seq: 7, node: "a".to_owned(), ..swim::Ping::default() };
    written(&Frame::Ping(ping))
}

/// A message that announces `length` bytes and begins with some of them.
fn endless(length: usize, first: usize) -> Vec<u8> {
    let header = swim::UserHeader { length: length as i64 };
    [swim::encode(kind::USER, &header), vec![0; first]].concat()
}

#[test]
fn who_connects_and_says_nothing_is_closed_in_time() {
    let mut ring = Ring::plain(1);
    let stream = accept(&mut ring).unwrap();
    ring.wait(seconds(DEADLINE - 1));
    assert!(!is_closed(&mut ring, stream));
    ring.wait(seconds(1));
    assert!(is_closed(&mut ring, stream));
    data(&mut ring, stream, &ping());
    assert!(ring.first().sent.is_empty(), "what comes later is not heard");
}

#[test]
fn who_drips_gains_no_time() {
    let mut ring = Ring::plain(1);
    let stream = accept(&mut ring).unwrap();
    let bytes = endless(MIB, 100);
    for byte in bytes.chunks(1).take(2 * DEADLINE as usize) {
        assert!(!is_closed(&mut ring, stream));
        data(&mut ring, stream, byte);
        ring.wait(seconds(1) / 2);
    }
    assert!(is_closed(&mut ring, stream));
}

#[test]
fn a_message_that_comes_byte_by_byte_is_still_read() {
    let mut ring = Ring::plain(1);
    let stream = accept(&mut ring).unwrap();
    for byte in ping().chunks(1) {
        assert!(ring.first().sent.is_empty());
        data(&mut ring, stream, byte);
    }
    assert!(ring.first().sent.contains_key(&stream) && is_closed(&mut ring, stream));
}

#[test]
fn who_never_ends_is_cut_off_and_forgotten() {
    let mut ring = Ring::plain(1);
    let stream = accept(&mut ring).unwrap();
    let piece = vec![0; 16 * KIB];
    let send = || {
        data(&mut ring, stream, &endless(19 * MIB, 0));
        for _ in 0..16 * 64 {
            data(&mut ring, stream, &piece);
        }
        ring.wait(seconds(DEADLINE));
    };
    let (((), peak), kept) = growth_of(|| peak_of(send));
    assert!(is_closed(&mut ring, stream));
    assert!(peak < 64 * MIB && kept < 64 * KIB, "{peak} bytes at once, {kept} kept");
}

#[test]
fn who_announces_more_than_any_ring_has_is_told_so_at_once() {
    let huge = [
        endless(21 * MIB, 0),
        endless(usize::MAX >> 1, 0),
        [&[kind::COMPRESS, 0x81, 0xa3][..], b"Buf", &[0xdb, 0x7f, 0, 0, 0]].concat(),
        swim::encode(
            kind::PUSH_PULL,
            &swim::PushPullHeader { nodes: 1 << 40, user_state_len: 0, join: true },
        ),
        swim::encode(
            kind::PUSH_PULL,
            &swim::PushPullHeader { nodes: 0, user_state_len: 1 << 40, join: true },
        ),
        vec![kind::PUSH_PULL, 0xdf, 0xff, 0xff, 0xff, 0xff],
        vec![kind::SUSPECT, 0x80],
        vec![0xff; 100],
    ];
    for bytes in huge {
        let mut ring = Ring::plain(1);
        let stream = ring.stream(&bytes);
        assert!(is_closed(&mut ring, stream), "{bytes:x?}");
        let answer = &ring.first().sent[&stream];
        let frame = Collector::default().feed(answer, &Envelope::default());
        assert!(matches!(frame, Ok(Some(Frame::Refusal(why))) if !why.is_empty()));
        assert_eq!((ring.first().refused, ring.first().stat("refused")), (1, 1));
    }
}

#[test]
fn rubbish_after_a_message_is_not_a_second_one() {
    let mut ring = Ring::plain(1);
    let more = [&ping()[..], &ping(), &[0xff; 1000], &alive_message("ghost", 1)].concat();
    let stream = ring.stream(&more);
    data(&mut ring, stream, &more);
    let answer = &ring.first().sent[&stream];
    let frame = Collector::default().feed(answer, &Envelope::default());
    assert!(matches!(frame, Ok(Some(Frame::Ack(swim::Ack { seq: 7, .. })))));
    assert_eq!(answer.len(), written(&frame.unwrap().unwrap()).len(), "one answer");
    assert_eq!(ring.first().closed, [stream]);
    assert_eq!(ring.first().node.members().len(), 1);
}

#[test]
fn too_many_at_once_are_refused_and_the_oldest_give_way() {
    let mut ring = Ring::plain(1);
    let streams: Vec<_> = (0..MOST).map(|_| accept(&mut ring).unwrap()).collect();
    assert_eq!((0..10).filter_map(|_| accept(&mut ring)).count(), 0);
    assert_eq!((ring.first().stat("refused"), ring.first().refused), (10, 10), "for the log");
    assert!(ring.first().closed.is_empty(), "who came a moment ago may finish");
    ring.wait(seconds(1));
    assert!(accept(&mut ring).is_some(), "idle connections keep nobody out");
    assert_eq!(ring.first().closed, streams[..1], "the oldest gives way");
    ring.wait(seconds(DEADLINE));
    assert!(streams.iter().all(|stream| ring.nodes[0].closed.contains(stream)));
    assert!((0..MOST).all(|_| accept(&mut ring).is_some()), "there is room for all again");
}

#[test]
fn who_holds_the_most_gives_way_to_who_wants_little() {
    let mut ring = Ring::plain(2);
    ring.first().forget();
    let fill = || {
        // Almost all that there is room for, and each is allowed its part.
        for _ in 0..8 {
            let stream = accept(&mut ring).unwrap();
            data(&mut ring, stream, &endless(19 * MIB, 8 * MIB - 32));
        }
    };
    let ((), peak) = peak_of(fill);
    assert!(peak < 128 * MIB, "{peak} bytes");
    let now = ring.now;
    let join = ring.nodes[1].node.join(now, &[at(1)], false);
    ring.settle();
    assert_eq!(ring.nodes[1].joined.get(&join), Some(&1), "a neighbour gets through");
    assert_eq!((ring.first().closed.len(), ring.first().refused), (2, 1), "one gave way");
}

/// Joins a stranger that answers with these bytes, and returns what came of it.
fn join(answer: &[u8]) -> (usize, String) {
    let mut node = Node::new(Time::START, Config::new("a", at(1)), [1; 32]).unwrap();
    node.join(Time::START, &[stranger()], false);
    let mut result = None;
    for now in [Time::START, Time::at(seconds(DEADLINE))] {
        node.handle_timeout(now);
        while let Some(output) = node.poll_output() {
            match output {
                Output::StreamOpen { stream, .. } => node.stream_data(now, stream, answer),
                Output::Joined { reached, errors, .. } => result = Some((reached, errors)),
                _ => {}
            }
        }
    }
    let (reached, mut errors) = result.unwrap();
    (reached, errors.pop().map(|(_, why)| why).unwrap_or_default())
}

#[test]
fn who_answers_a_join_with_rubbish_is_not_joined() {
    let novel = Frame::Refusal("no\nno ".repeat(10_000));
    let answers = [
        vec![],
        endless(MIB, 0),
        endless(4, 4),
        ping(),
        vec![0xff; 1000],
        vec![kind::PUSH_PULL, 0xc1],
        written(&novel),
    ];
    for answer in answers {
        let (reached, why) = join(&answer);
        assert_eq!(reached, 0);
        assert!((5..400).contains(&why.len()) && !why.contains('\n'), "{why}");
    }
    let state = swim::encode(serf::kind::PUSH_PULL, &serf::PushPull::default()).into();
    let good = Frame::PushPull { join: false, nodes: vec![], user_state: state };
    assert_eq!(join(&written(&good)), (1, String::new()));
}
