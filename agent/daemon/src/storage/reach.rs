//! Which bricks the mount here hears. A storage daemon takes a brick whose process runs
//! for one that serves; the client of the mount gives one up that does not answer, and
//! what can be written here is what that client reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How long a client may take to tell of itself: it asks nobody for that.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the client of a mount tells of one brick's connection, and the line of it that
/// says that there is none.
const TELLS: &str = ".meta/graphs/active";
const CUT: &str = "connected = 0";

/// What a mount hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Heard {
    /// All bricks but these, as far as it tells.
    AllBut(BTreeSet<IpAddr>),
    /// Too few for GlusterFS to answer anything: not even which.
    TooFew,
    /// It tells nothing now, or is not there.
    #[default]
    Untold,
}

/// Asks a mount, never twice at the same time: a question that hangs stays in the kernel
/// until the mount is gone.
#[derive(Debug, Default)]
pub(super) struct Reach(Arc<AtomicBool>);

impl Reach {
    /// Which of these bricks the mount hears, by the names under which clients know them.
    pub(super) async fn heard(&self, mount: &Path, bricks: BTreeMap<String, IpAddr>) -> Heard {
        if self.0.swap(true, Ordering::AcqRel) {
            return Heard::Untold;
        }
        let (asking, tells) = (self.0.clone(), mount.join(TELLS));
        let look = tokio::task::spawn_blocking(move || {
            let found = heard(&tells, bricks);
            asking.store(false, Ordering::Release);
            found
        });
        timeout(PATIENCE, look).await.ok().and_then(Result::ok).unwrap_or_default()
    }
}

fn heard(tells: &Path, bricks: BTreeMap<String, IpAddr>) -> Heard {
    let told = bricks
        .into_iter()
        .map(|(name, host)| (host, fs::read_to_string(tells.join(name).join("private"))));
    of_what_is_told(told)
}

fn of_what_is_told(told: impl Iterator<Item = (IpAddr, io::Result<String>)>) -> Heard {
    let (mut silent, mut any) = (BTreeSet::new(), false);
    for (host, told) in told {
        match told {
            Ok(text) => {
                any = true;
                if text.lines().any(|line| line.trim() == CUT) {
                    silent.insert(host);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Heard::TooFew,
            Err(_) => {}
        }
    }
    if any { Heard::AllBut(silent) } else { Heard::Untold }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_brick_of_which_the_mount_says_so_is_silent() {
        let mount = tempfile::tempdir().unwrap();
        let address = |n| IpAddr::from([10, 83, 0, n]);
        let bricks: BTreeMap<_, _> =
            (0..3).map(|n| (format!("clusterfs-client-{n}"), address(n + 1))).collect();
        let reach = Reach::default();
        assert_eq!(reach.heard(mount.path(), bricks.clone()).await, Heard::Untold, "no mount");
        for (name, connected) in [("clusterfs-client-0", 1), ("clusterfs-client-1", 0)] {
            let dir = mount.path().join(TELLS).join(name);
            fs::create_dir_all(&dir).unwrap();
            let told = format!(
                "[xlator.protocol.client.{name}.priv]\nfd.0.remote_fd = 0\nconnected = {connected}\n"
            );
            fs::write(dir.join("private"), told).unwrap();
        }
        let second = Heard::AllBut([address(2)].into());
        assert_eq!(reach.heard(mount.path(), bricks.clone()).await, second);
        reach.0.store(true, Ordering::Release);
        assert_eq!(reach.heard(mount.path(), bricks).await, Heard::Untold, "it hangs");
    }

    #[test]
    fn a_mount_that_hears_too_few_does_not_even_tell_which() {
        let told = |host, kind| (IpAddr::from([10, 83, 0, host]), Err(io::Error::from(kind)));
        let cut = [told(1, io::ErrorKind::NotConnected), told(2, io::ErrorKind::NotFound)];
        assert_eq!(of_what_is_told(cut.into_iter()), Heard::TooFew);
        let none = [told(1, io::ErrorKind::NotFound)];
        assert_eq!(of_what_is_told(none.into_iter()), Heard::Untold);
    }
}
