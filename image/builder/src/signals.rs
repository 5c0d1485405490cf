//! Ctrl-C and termination, for commands that have something to clean up.

use crate::output::Output;
use ashlar_sandbox::Cancel;
use nix::sys::signal::{SigSet, Signal};
use std::sync::OnceLock;

/// The token that the first signal cancels; a second signal ends the process at
/// once. Signals are caught from the first call on.
pub(crate) fn cancel(output: &Output) -> Cancel {
    static CANCEL: OnceLock<Cancel> = OnceLock::new();
    let begin = || {
        let cancel = Cancel::default();
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        // Threads that begin from now on inherit it; children do not.
        if signals.thread_block().is_err() {
            return cancel;
        }
        let (token, output) = (cancel.clone(), output.clone());
        std::thread::spawn(move || {
            while signals.wait().is_ok() {
                if token.is_cancelled() {
                    std::process::exit(130);
                }
                output.note("ending; what is half made is removed (once more: at once)");
                token.cancel();
            }
        });
        cancel
    };
    CANCEL.get_or_init(begin).clone()
}
