//! A client of the RPC, from its first byte to its last.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serf_rs_fuzz::bounded;

/// Requests have 64 KiB at most; the journal and the runtime are extra.
const MOST_HELD: usize = 8 << 20;

fuzz_target!(|requests: &[u8]| {
    bounded(MOST_HELD, || serf_rs::fuzzing::rpc(requests));
});
