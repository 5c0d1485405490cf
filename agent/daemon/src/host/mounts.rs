//! Whether the volume's mount answers, asked so that a dead one cannot hang the
//! agent.

use ashlar_site::StorageDriver;
use nix::errno::Errno;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, statfs};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use std::path::{Path, PathBuf};
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
pub(crate) struct VolumeMount {
    path: PathBuf,
    driver: StorageDriver,
    asking: Arc<AtomicBool>,
    answered: Mutex<Option<Instant>>,
}

impl VolumeMount {
    pub(crate) fn new(path: PathBuf, driver: StorageDriver) -> Self {
        Self { path, driver, asking: Arc::default(), answered: Mutex::default() }
    }

    /// What the mount does now.
    pub(crate) async fn ask(&self) -> Mount {
        if self.asking.swap(true, Ordering::AcqRel) {
            return self.silent();
        }
        let (path, driver, asking) = (self.path.clone(), self.driver, self.asking.clone());
        let question = tokio::task::spawn_blocking(move || {
            let answer = is_mounted(&path, driver);
            asking.store(false, Ordering::Release);
            answer
        });
        match timeout(PATIENCE, question).await {
            Ok(Ok(Ok(true))) => {
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

/// Whether the volume is mounted there: GlusterFS by a FUSE client, and the directory
/// of one box bound to it.
fn is_mounted(path: &Path, driver: StorageDriver) -> Result<bool, Errno> {
    match driver {
        StorageDriver::Gluster => Ok(statfs(path)?.filesystem_type() == FUSE_SUPER_MAGIC),
        StorageDriver::Local => {
            let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
            let found = found.map_err(|error| Errno::from_raw(error.raw_os_error()))?;
            Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plain_directory_is_not_a_mounted_volume() {
        let dir = tempfile::tempdir().unwrap();
        let mount = VolumeMount::new(dir.path().to_owned(), StorageDriver::Gluster);
        assert_eq!(mount.ask().await, Mount::Absent);
        assert!(!mount.asking.load(Ordering::Acquire), "the question is over");
    }

    #[test]
    fn what_is_bound_is_told_from_a_directory_that_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(is_mounted(Path::new("/"), StorageDriver::Local), Ok(true));
        assert_eq!(is_mounted(dir.path(), StorageDriver::Local), Ok(false));
        assert!(is_mounted(&dir.path().join("none"), StorageDriver::Local).is_err());
    }

    #[tokio::test]
    async fn a_question_that_hangs_is_not_asked_again() {
        let mount = VolumeMount::new("/".into(), StorageDriver::Gluster);
        mount.asking.store(true, Ordering::Release);
        assert_eq!(mount.ask().await, Mount::Silent);
    }

    #[tokio::test]
    async fn a_mount_that_stalls_for_a_moment_still_counts() {
        let mount = VolumeMount::new("/".into(), StorageDriver::Gluster);
        mount.asking.store(true, Ordering::Release);
        mount.note(Some(Instant::now()));
        assert_eq!(mount.ask().await, Mount::Answers);
    }
}
