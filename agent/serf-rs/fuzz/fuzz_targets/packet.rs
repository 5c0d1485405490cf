//! One datagram, and every message in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rand::{SeedableRng, rngs::StdRng};
use serf_rs::wire::msgpack::Value;
use serf_rs::wire::{Envelope, packet, serf, swim};
use serf_rs_fuzz::{bounded, keyring};
use std::fmt::Debug;

/// A datagram has 64 KiB, and is decompressed to four times that.
const MOST_HELD: usize = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    bounded(MOST_HELD, || {
        let open = Envelope::default();
        let (plain, result) = messages(bytes, &open);
        for (kind, body) in &plain {
            membership(*kind, body);
        }
        // Sealed, the same bytes are the same messages.
        if bytes.is_empty() || bytes[0] == swim::kind::LABEL {
            return;
        }
        let sealed = Envelope { keyring: Some(keyring()), label: "quarry".to_owned() };
        let packet = packet::write(&[bytes], false, &sealed, &mut StdRng::seed_from_u64(1));
        assert!(packet.len() <= bytes.len() + sealed.overhead());
        assert_eq!(messages(&packet, &sealed), (plain, result));
    });
});

fn messages(bytes: &[u8], envelope: &Envelope) -> (Vec<(u8, Vec<u8>)>, Result<(), String>) {
    let mut messages = Vec::new();
    let each = |kind, body: &[u8]| messages.push((kind, body.to_vec()));
    let result = packet::read(bytes, envelope, each).map_err(|error| error.to_string());
    (messages, result)
}

fn membership(kind: u8, body: &[u8]) {
    use swim::kind;
    match kind {
        kind::PING => again::<swim::Ping>(body),
        kind::INDIRECT_PING => again::<swim::IndirectPing>(body),
        kind::ACK => {
            again::<swim::Ack>(body);
            if let Ok(ack) = swim::decode::<swim::Ack>(body) {
                let _ = serf::decode_coordinate(&ack.payload);
            }
        }
        kind::NACK => again::<swim::Nack>(body),
        kind::SUSPECT => again::<swim::Suspect>(body),
        kind::ALIVE => {
            again::<swim::Alive>(body);
            if let Ok(alive) = swim::decode::<swim::Alive>(body) {
                let tags = serf::decode_tags(&alive.meta);
                assert_eq!(serf::decode_tags(&serf::encode_tags(&tags)), tags);
                if let Some(addr) = swim::NodeAddr::read(&alive.addr) {
                    assert_eq!(addr.write(), alive.addr);
                }
            }
        }
        kind::DEAD => again::<swim::Dead>(body),
        kind::USER => ring(body),
        _ => {}
    }
}

fn ring(message: &[u8]) {
    use serf::kind;
    let Some((kind, body)) = message.split_first() else { return };
    match *kind {
        kind::JOIN => again::<serf::Join>(body),
        kind::LEAVE => again::<serf::Leave>(body),
        kind::PUSH_PULL => again::<serf::PushPull>(body),
        kind::USER_EVENT => again::<serf::UserEvent>(body),
        kind::QUERY => {
            again::<serf::Query>(body);
            let Ok(query) = swim::decode::<serf::Query>(body) else { return };
            for filter in query.filters {
                if let Ok(Some(filter)) = serf::Filter::read(&filter) {
                    assert_eq!(serf::Filter::read(&filter.write()), Ok(Some(filter)));
                }
            }
        }
        kind::QUERY_RESPONSE => again::<serf::QueryResponse>(body),
        kind::CONFLICT_RESPONSE => again::<serf::Member>(body),
        kind::KEY_REQUEST => again::<serf::KeyRequest>(body),
        kind::KEY_RESPONSE => again::<serf::KeyResponse>(body),
        kind::RELAY => {
            if let Ok((to, relayed)) = serf::decode_relay(body) {
                let wrapped = serf::encode_relay(to, "mason", relayed);
                assert_eq!(serf::decode_relay(&wrapped[1..]), Ok((to, relayed)));
            }
        }
        _ => {}
    }
}

/// What was read can be written, and read again.
fn again<T: Value + PartialEq + Debug>(body: &[u8]) {
    if let Ok(message) = swim::decode::<T>(body) {
        let written = swim::encode(0, &message);
        assert_eq!(swim::decode::<T>(&written[1..]), Ok(message));
    }
}
