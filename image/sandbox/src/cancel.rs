//! Ending what runs: a token that whoever asked for work keeps, and pulls.

use crate::error::{Result, SandboxError};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Ends work from outside. Clones are one token: once one of them is cancelled,
/// running tools are killed and everything ends as
/// [`SandboxError::Interrupted`], so that what was half written is removed by
/// the same code as after an error.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    running: Mutex<BTreeSet<i32>>,
}

impl Cancel {
    /// Ends all work that has this token.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for group in self.0.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Goes on, or does not.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Interrupted`] once it was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(SandboxError::Interrupted) } else { Ok(()) }
    }

    /// From now on, and for as long as the answer lives, cancelling kills this
    /// child, which must lead a process group of its own.
    #[must_use]
    pub fn running(&self, child: &Child) -> Running {
        let group = i32::try_from(child.id()).unwrap_or(i32::MAX);
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner).insert(group);
        if self.is_cancelled() {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        Running { cancel: self.clone(), group }
    }
}

/// A process group that ends when its token is cancelled.
#[derive(Debug)]
pub struct Running {
    cancel: Cancel,
    group: i32,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.cancel.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn cancelling_kills_what_runs_and_what_starts_afterwards_but_not_the_work_of_others() {
        let sleeper = || Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let (cancel, others) = (Cancel::default(), Cancel::default());
        let (mut before, mut theirs) = (sleeper(), sleeper());
        let _held = (cancel.running(&before), others.running(&theirs));
        cancel.clone().cancel();
        assert!(!before.wait().unwrap().success());
        let mut after = sleeper();
        let _late = cancel.running(&after);
        assert!(!after.wait().unwrap().success());
        assert!(matches!(cancel.check(), Err(SandboxError::Interrupted)));
        others.check().unwrap();
        assert!(theirs.try_wait().unwrap().is_none());
        others.cancel();
        theirs.wait().unwrap();
    }
}
