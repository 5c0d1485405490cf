//! Whether a FUSE mount answers, asked so that a dead one cannot hang the agent.

use nix::sys::statfs::{FUSE_SUPER_MAGIC, statfs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the file system may take to answer; Gluster's own `ping-timeout` is
/// 10 s, during which a healthy client may stall when a peer dies.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks one mount point, never twice at the same time: a thread that hangs in
/// the kernel stays there until the mount is gone, and one is enough.
#[derive(Debug)]
pub(crate) struct FuseMount {
    path: PathBuf,
    asking: Arc<AtomicBool>,
}

impl FuseMount {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, asking: Arc::default() }
    }

    /// Whether a FUSE file system is mounted there and answers in time.
    pub(crate) async fn answers(&self) -> bool {
        if self.asking.swap(true, Ordering::AcqRel) {
            return false;
        }
        let (path, asking) = (self.path.clone(), self.asking.clone());
        let question = tokio::task::spawn_blocking(move || {
            let is_fuse = statfs(&path).is_ok_and(|s| s.filesystem_type() == FUSE_SUPER_MAGIC);
            asking.store(false, Ordering::Release);
            is_fuse
        });
        matches!(tokio::time::timeout(PATIENCE, question).await, Ok(Ok(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_directory_is_not_a_mounted_volume() {
        let dir = tempfile::tempdir().unwrap();
        let mount = FuseMount::new(dir.path().to_owned());
        assert!(!mount.answers().await);
        assert!(!mount.asking.load(Ordering::Acquire), "the question is over");
    }

    #[tokio::test]
    async fn a_question_that_hangs_is_not_asked_again() {
        let mount = FuseMount::new("/".into());
        mount.asking.store(true, Ordering::Release);
        assert!(!mount.answers().await);
    }
}
