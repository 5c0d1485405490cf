//! Ctrl-C and termination, for commands that have something to clean up.

use crate::output::Output;
use ashlar_sandbox::Cancel;
use nix::sys::signal::{SigSet, Signal};
use std::sync::OnceLock;

/// The token that the first signal cancels, once signals are caught.
pub(crate) fn token() -> Cancel {
    static TOKEN: OnceLock<Cancel> = OnceLock::new();
    TOKEN.get_or_init(Cancel::default).clone()
}

/// Catches signals from now on: the first one cancels the token, a second one
/// ends the process at once.
pub(crate) fn watch(output: &Output) {
    static WATCHED: OnceLock<()> = OnceLock::new();
    WATCHED.get_or_init(|| {
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        // Threads that begin from now on inherit it; children do not.
        if signals.thread_block().is_err() {
            return;
        }
        let (token, output) = (token(), output.clone());
        std::thread::spawn(move || {
            while signals.wait().is_ok() {
                if token.is_cancelled() {
                    std::process::exit(130);
                }
                output.note("ending; what is half made is removed (once more: at once)");
                token.cancel();
            }
        });
    });
}
