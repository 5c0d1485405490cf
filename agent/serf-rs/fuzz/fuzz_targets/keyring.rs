//! A keyring file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serf_rs_fuzz::bounded;

fuzz_target!(|text: &[u8]| {
    bounded(64 * text.len() + (1 << 20), || serf_rs::fuzzing::keyring(text));
});
