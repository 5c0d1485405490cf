//! Accusations that are false, or come too late.

use crate::ring::{Ring, at, dead, seconds, stranger, suspect};
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, packet};
use serf_rs::{Change, Config, Event, Status};
use std::net::SocketAddr;

/// What the first node told `to` of members that live: names and incarnations.
fn told_alive(ring: &mut Ring, to: SocketAddr) -> Vec<(String, u32)> {
    let mut told = Vec::new();
    for (_, bytes) in ring.first().packets.iter().filter(|(receiver, _)| *receiver == to) {
        let each = |kind, body: &[u8]| {
            if kind == kind::ALIVE {
                let alive: swim::Alive = swim::decode(body).unwrap();
                told.push((alive.node, alive.incarnation));
            }
        };
        packet::read(bytes, &Envelope::default(), each).unwrap();
    }
    told
}

/// Three nodes, of which `b` has refuted that it is dead, and silence since.
fn refuted() -> Ring {
    let mut ring = Ring::plain(3);
    ring.tell([suspect("b", "ghost", 1)]);
    ring.wait(seconds(20));
    ring.forget();
    ring
}

#[test]
fn who_repeats_a_refuted_accusation_is_told_so() {
    for late in [suspect("b", "c", 1), dead("b", "c", 1)] {
        let mut ring = refuted();
        let now = ring.now;
        ring.first().node.packet(now, at(3), &late);
        ring.settle();
        assert_eq!(told_alive(&mut ring, at(3)), [("b".to_owned(), 2)]);
        assert_eq!(ring.first().node.counters().corrections, 1);
        assert_eq!(ring.first().status("b"), Some(Status::Alive));
    }
}

#[test]
fn who_is_accused_of_old_things_says_so_himself() {
    let mut ring = Ring::plain(3);
    ring.tell([suspect("a", "ghost", 1)]);
    ring.wait(seconds(20));
    ring.forget();
    let now = ring.now;
    ring.first().node.packet(now, at(2), &suspect("a", "b", 1));
    ring.settle();
    assert_eq!(told_alive(&mut ring, at(2)), [("a".to_owned(), 2)]);
}

#[test]
fn a_stranger_is_not_corrected() {
    let mut ring = refuted();
    ring.tell([suspect("b", "c", 1), dead("b", "c", 1)]);
    assert_eq!(told_alive(&mut ring, stranger()), []);
    assert_eq!(ring.first().node.counters().corrections, 0);
}

#[test]
fn a_flood_of_old_accusations_is_answered_as_often_as_gossip_is_sent() {
    let mut ring = refuted();
    let now = ring.now;
    for _ in 0..1000 {
        ring.first().node.packet(now, at(3), &suspect("b", "c", 1));
    }
    ring.settle();
    assert_eq!(told_alive(&mut ring, at(3)).len(), 3);
    ring.wait(seconds(1));
    let now = ring.now;
    ring.first().node.packet(now, at(3), &suspect("b", "c", 1));
    ring.settle();
    assert_eq!(told_alive(&mut ring, at(3)).len(), 4, "but it is answered again");
}

#[test]
fn a_suspect_whom_no_packet_helps_is_asked_in_person() {
    // A regular exchange would help as well; there is one in thirty seconds.
    for before in [0, 10, 20] {
        let mut ring = Ring::plain(3);
        ring.wait(seconds(before));
        // The first node can speak, and hears nothing but answers on streams.
        ring.cut = vec![(at(2), at(1)), (at(3), at(1))];
        ring.tell([suspect("b", "c", 1)]);
        ring.wait(seconds(8));
        let failed = |event: &Event| matches!(event, Event::Members { change: Change::Failed, .. });
        assert!(!ring.first().events.iter().any(failed), "{:?}", ring.first().events);
        assert_eq!(ring.first().alive(), 3);
    }
}

#[test]
fn who_suspects_everybody_does_not_ask_everybody_at_once() {
    let config = |place: u8| Config::new(format!("n{place}"), at(place));
    let mut ring = Ring::of((1..=60).map(config).collect());
    let names: Vec<String> =
        ring.nodes.iter().skip(1).map(|heard| heard.node.name().to_owned()).collect();
    let everybody: Vec<SocketAddr> = (2..=60).map(at).collect();
    // Nothing that it sends arrives, and it hears nothing.
    ring.cut = everybody.iter().flat_map(|other| [(at(1), *other), (*other, at(1))]).collect();
    ring.cut_hangs = true;
    ring.tell(names.iter().map(|name| suspect(name, "ghost", 1)));
    ring.wait(seconds(60));
    assert_eq!(ring.first().alive(), 1, "all others are gone for it");
    assert!(ring.first().most_open <= 24, "{} at a time", ring.first().most_open);
}
