//! A snapshot file, as a broken disk or a power cut left it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serf_rs::Snapshot;
use serf_rs_fuzz::bounded;

fuzz_target!(|text: &[u8]| {
    bounded(64 * text.len() + 65536, || {
        let snapshot = Snapshot::read(text);
        let written = snapshot.write();
        assert_eq!(Snapshot::read(written.as_bytes()), snapshot, "something was lost");
        // A power cut while it is written costs the end of it, never the start.
        let cut = Snapshot::read(&written.as_bytes()[..written.len() / 2]);
        assert!(cut.alive.iter().all(|(name, at)| snapshot.alive.get(name) == Some(at)));
    });
});
