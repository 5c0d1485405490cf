//! Ctrl-C: running tools are killed, and every step ends as `Interrupted`, so
//! that what it had half written is removed by the same code as after an error.

use crate::error::{Result, SandboxError};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
static WATCHED: OnceLock<()> = OnceLock::new();

/// Begins to catch Ctrl-C and termination. Call once a build starts.
pub fn watch() {
    WATCHED.get_or_init(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            runtime.block_on(wait_for_signal());
            interrupt();
        });
    });
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
    for group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
    }
}

/// Fails once Ctrl-C was pressed.
pub fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) { Err(SandboxError::Interrupted) } else { Ok(()) }
}

/// A process group that Ctrl-C kills, for as long as this lives.
#[derive(Debug)]
pub struct Running(i32);

impl Running {
    /// From now on, this child's group is killed by Ctrl-C.
    pub fn new(child: &std::process::Child) -> Self {
        let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        if INTERRUPTED.load(Ordering::SeqCst) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        Self(group)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
