//! One connection, whose bytes come in pieces of any size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rand::{SeedableRng, rngs::StdRng};
use serf_rs::wire::stream::{self, Collector, Frame};
use serf_rs::wire::{Envelope, WireError};
use serf_rs_fuzz::{Input, MOST_HELD, bounded, keyring};

// The first byte chooses the envelope and the size of the pieces; the rest is
// what arrives.
fuzz_target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let Some(choice) = input.byte() else { return };
    let envelope = Envelope {
        keyring: (choice & 1 != 0).then(keyring),
        label: if choice & 2 != 0 { "quarry".to_owned() } else { String::new() },
    };
    let bytes = input.0;
    bounded(MOST_HELD, || {
        let whole = Collector::default().feed(bytes, &envelope);
        let pieces = in_pieces(bytes, usize::from(choice >> 2) + 1, &envelope);
        match (&whole, &pieces) {
            (Ok(Some(whole)), Ok(Some(pieces))) => assert_eq!(whole, pieces),
            (Ok(None), Ok(None)) | (Err(_), Err(_)) => {}
            _ => panic!("whole: {whole:?}; in pieces: {pieces:?}"),
        }
        if let Ok(Some(frame)) = whole {
            let written = stream::write(&frame, &envelope, &mut StdRng::seed_from_u64(1));
            assert_eq!(Collector::default().feed(&written, &envelope), Ok(Some(frame)));
        }
    });
});

fn in_pieces(bytes: &[u8], size: usize, envelope: &Envelope) -> Result<Option<Frame>, WireError> {
    let mut collector = Collector::default();
    for piece in bytes.chunks(size) {
        match collector.feed(piece, envelope) {
            Ok(None) => {}
            end => return end,
        }
    }
    Ok(None)
}
