//! Bytes that no Serf ever sends.

use crate::memory::peak_of;
use crate::ring::{compound, compressed, keyring};
use serf_rs::wire::msgpack::{Decoder, Malformed};
use serf_rs::wire::stream::Collector;
use serf_rs::wire::swim::{self, kind};
use serf_rs::wire::{Envelope, WireError, packet, serf};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn read(bytes: &[u8]) -> Result<usize, WireError> {
    let mut messages = 0;
    packet::read(bytes, &Envelope::default(), |_, _| messages += 1)?;
    Ok(messages)
}

fn feed(bytes: &[u8], envelope: &Envelope) -> Result<bool, WireError> {
    Collector::default().feed(bytes, envelope).map(|frame| frame.is_some())
}

/// A map of one pair, whose value is to follow.
fn field(name: &str) -> Vec<u8> {
    [&[0x81, 0xa0 | name.len() as u8], name.as_bytes()].concat()
}

#[test]
fn an_announced_length_costs_no_memory() {
    // A length of 4 GiB: of text, bytes, a list, a map, an extension.
    for marker in [0xdb_u8, 0xc6, 0xdd, 0xdf, 0xc9] {
        let huge = [marker, 0xff, 0xff, 0xff, 0xff];
        for name in ["Node", "Payload", "StatusLTimes", "Events", "Filters", "Nobody"] {
            let body = [&field(name)[..], &huge].concat();
            let (results, peak) = peak_of(|| {
                [
                    swim::decode::<swim::Ping>(&body).err(),
                    swim::decode::<swim::Ack>(&body).err(),
                    swim::decode::<serf::PushPull>(&body).err(),
                    swim::decode::<serf::Query>(&body).err(),
                    Decoder::new(&body).skip().err(),
                ]
            });
            assert!(results.iter().all(Option::is_some), "{name} {marker:x}: {results:?}");
            assert!(peak < 4 * KIB, "{name} {marker:x} took {peak} bytes");
        }
    }
}

#[test]
fn an_announced_number_of_nodes_costs_no_memory() {
    let header = swim::PushPullHeader { nodes: 60_000, user_state_len: 20 << 20, join: true };
    let bytes = swim::encode(kind::PUSH_PULL, &header);
    let (result, peak) = peak_of(|| feed(&bytes, &Envelope::default()));
    assert_eq!((result, peak < KIB), (Ok(false), true), "{peak} bytes");
    for nodes in [i64::MAX, -1, 1 << 20] {
        let header = swim::PushPullHeader { nodes, ..header.clone() };
        let bytes = swim::encode(kind::PUSH_PULL, &header);
        assert!(feed(&bytes, &Envelope::default()).is_err(), "{nodes} nodes");
    }
}

#[test]
fn a_length_of_four_gibibytes_before_a_sealed_stream_is_refused_at_once() {
    let envelope = Envelope { keyring: Some(keyring(1)), label: String::new() };
    let (result, peak) = peak_of(|| feed(&[kind::ENCRYPT, 0xff, 0xff, 0xff, 0xff], &envelope));
    let limit = 20 * MIB;
    assert_eq!(result, Err(WireError::TooLarge { what: "sealed message", limit }));
    assert!(peak < KIB, "{peak} bytes");
    let (result, peak) = peak_of(|| feed(&[kind::ENCRYPT, 0x01, 0, 0, 0], &envelope));
    assert_eq!((result, peak < KIB), (Ok(false), true), "16 MiB may come: {peak} bytes");
}

#[test]
fn a_decompression_bomb_is_cut_off() {
    let bomb = compressed(&vec![0; 8 * MIB]);
    assert!(bomb.len() < 16 * KIB, "it is small: {}", bomb.len());
    let (result, peak) = peak_of(|| read(&bomb));
    assert!(matches!(result, Err(WireError::TooLarge { .. })), "{result:?}");
    assert!(peak < MIB, "a packet took {peak} bytes");

    let bomb = compressed(&vec![0; 256 * MIB]);
    assert!(bomb.len() < 400 * KIB, "it is small: {}", bomb.len());
    let (result, peak) = peak_of(|| feed(&bomb, &Envelope::default()));
    assert!(matches!(result, Err(WireError::TooLarge { .. })), "{result:?}");
    assert!(peak < 64 * MIB, "a stream took {peak} bytes");
}

#[test]
fn bombs_in_a_compound_share_one_limit() {
    let bomb = compressed(&vec![kind::PING; 200 * KIB]);
    let parts = vec![bomb; 50];
    let packet = packet::write(&parts, false, &Envelope::default(), &mut rng());
    let (result, peak) = peak_of(|| read(&packet));
    assert!(matches!(result, Err(WireError::TooLarge { .. })), "{result:?}");
    assert!(peak < MIB, "{peak} bytes");
}

#[test]
fn a_packet_that_unpacks_to_many_messages_holds_a_few() {
    // Two bytes are a ping; 255 compounds of 255 of them are less than 1 KiB.
    let pings = compound(&vec![vec![kind::PING, 0x80]; 255]);
    let packet = compressed(&compound(&vec![pings; 160]));
    assert!(packet.len() < 2 * KIB, "it is small: {}", packet.len());
    let mut messages = 0;
    let result = packet::read(&packet, &Envelope::default(), |_, _| messages += 1);
    assert_eq!((result, messages), (Err(Malformed::Many.into()), 255));
}

#[test]
fn one_byte_values_are_not_turned_into_large_ones() {
    // nil is one byte here, and an event, a name or a node in memory.
    let nothings = vec![0xc0; 19 * MIB];
    for (name, marker) in [("Events", 0xdd), ("LeftMembers", 0xdd), ("StatusLTimes", 0xdf)] {
        let length = (nothings.len() as u32 / 2).to_be_bytes();
        let state = [&[serf::kind::PUSH_PULL], &field(name)[..], &[marker], &length, &nothings];
        let state = state.concat();
        let (result, peak) = peak_of(|| swim::decode::<serf::PushPull>(&state[1..]));
        assert!(result.is_err(), "{name}");
        assert!(peak < 4 * MIB, "{name} took {peak} bytes");
    }
    let header = swim::PushPullHeader { nodes: 65_536, user_state_len: 0, join: true };
    let exchange = [&swim::encode(kind::PUSH_PULL, &header)[..], &vec![0xc0; 65_536]].concat();
    let packed = compressed(&exchange);
    assert!(packed.len() < 2 * KIB, "{}", packed.len());
    let (result, peak) = peak_of(|| feed(&packed, &Envelope::default()));
    assert!(result.is_ok() && peak < 40 * MIB, "{result:?} took {peak} bytes");
}

#[test]
fn deep_nesting_is_refused() {
    for opening in [&[0x91][..], &[0x81, 0xa0], &[0xdc, 0, 1], &[0xdd, 0, 0, 0, 1]] {
        let deep = [&field("Nobody")[..], &opening.repeat(200_000), &[0xc0]].concat();
        assert_eq!(swim::decode::<swim::Ping>(&deep), Err(Malformed::Depth));
        assert_eq!(Decoder::new(&deep).skip(), Err(Malformed::Depth));
    }
    let mut packet = vec![kind::PING, 0x80];
    for _ in 0..8 {
        packet = compound(&[packet]);
    }
    assert_eq!(read(&packet), Err(WireError::Nested));
    let mut packet = vec![kind::PING, 0x80];
    for _ in 0..8 {
        packet = compressed(&packet);
    }
    assert_eq!(read(&packet), Err(WireError::Nested));
    assert!(feed(&packet, &Envelope::default()).is_err(), "a stream is packed once");
}

#[test]
fn a_part_longer_than_its_packet_is_refused_and_those_before_it_are_read() {
    let mut packet = compound(&[vec![kind::PING, 0x80], vec![kind::PING, 0x80]]);
    packet[5] = 0xff;
    let mut messages = 0;
    let result = packet::read(&packet, &Envelope::default(), |_, _| messages += 1);
    assert!(matches!(result, Err(WireError::Malformed(Malformed::Short(_)))), "{result:?}");
    assert_eq!(messages, 1);
    for cut in 0..packet.len() {
        let _ = read(&packet[..cut]);
    }
}

fn rng() -> rand::rngs::StdRng {
    rand::SeedableRng::seed_from_u64(1)
}
