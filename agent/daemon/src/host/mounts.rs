//! Whether a FUSE mount answers, asked so that a dead one cannot hang the agent.

use nix::errno::Errno;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, statfs};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long the file system may take to answer before the agent goes on.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a mount that answered may then be silent: when a peer dies, a
/// healthy client stalls for Gluster's `ping-timeout` of 10 s.
const STALL: Duration = Duration::from_secs(15);

/// What a mount point does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Nothing of that kind is mounted.
    Absent,
    /// It answers, or did so until a moment ago.
    Answers,
    /// It is mounted and silent.
    Silent,
    /// Its client is gone ("transport endpoint is not connected").
    Dead,
}

/// Asks one mount point, never twice at the same time: a thread that hangs in
/// the kernel stays there until the mount is gone, and one is enough.
#[derive(Debug)]
pub(crate) struct FuseMount {
    path: PathBuf,
    asking: Arc<AtomicBool>,
    answered: Mutex<Option<Instant>>,
}

impl FuseMount {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, asking: Arc::default(), answered: Mutex::default() }
    }

    /// What the mount does now.
    pub(crate) async fn ask(&self) -> Mount {
        if self.asking.swap(true, Ordering::AcqRel) {
            return self.silent();
        }
        let (path, asking) = (self.path.clone(), self.asking.clone());
        let question = tokio::task::spawn_blocking(move || {
            let answer = statfs(&path).map(|s| s.filesystem_type());
            asking.store(false, Ordering::Release);
            answer
        });
        match timeout(PATIENCE, question).await {
            Ok(Ok(Ok(FUSE_SUPER_MAGIC))) => {
                self.note(Some(Instant::now()));
                Mount::Answers
            }
            Ok(Ok(Err(Errno::ENOTCONN | Errno::ECONNABORTED))) => Mount::Dead,
            Ok(_) => {
                self.note(None);
                Mount::Absent
            }
            Err(_) => self.silent(),
        }
    }

    fn note(&self, answered: Option<Instant>) {
        if let Ok(mut last) = self.answered.lock() {
            *last = answered;
        }
    }

    fn silent(&self) -> Mount {
        let last = self.answered.lock().ok().and_then(|last| *last);
        if last.is_some_and(|at| at.elapsed() < STALL) { Mount::Answers } else { Mount::Silent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_directory_is_not_a_mounted_volume() {
        let dir = tempfile::tempdir().unwrap();
        let mount = FuseMount::new(dir.path().to_owned());
        assert_eq!(mount.ask().await, Mount::Absent);
        assert!(!mount.asking.load(Ordering::Acquire), "the question is over");
    }

    #[tokio::test]
    async fn a_question_that_hangs_is_not_asked_again() {
        let mount = FuseMount::new("/".into());
        mount.asking.store(true, Ordering::Release);
        assert_eq!(mount.ask().await, Mount::Silent);
    }

    #[tokio::test]
    async fn a_mount_that_stalls_for_a_moment_still_counts() {
        let mount = FuseMount::new("/".into());
        mount.asking.store(true, Ordering::Release);
        mount.note(Some(Instant::now()));
        assert_eq!(mount.ask().await, Mount::Answers);
    }
}
