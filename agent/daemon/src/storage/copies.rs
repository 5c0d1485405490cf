//! What this node's copy of the volume holds against the others.
//!
//! GlusterFS counts for every file on a brick what each other brick missed of it,
//! in attributes of that file, and keeps an index of the files that have such
//! counts. `gluster volume heal` counts those files and not whom they are about:
//! while one brick is away, all of them are about that one. So the attributes are
//! read here, by a process of its own that may.

use super::{directory, torn};
use crate::clock::since_boot_ms;
use crate::data;
use crate::paths::Paths;
use crate::{release, state};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How old an answer may be, in milliseconds: nothing is given up on an older one.
const FRESH: u64 = 30_000;

/// The same of what is torn, while the brick lists more and more that waits.
const RECENT: u64 = 10_000;

/// How coarse the time of a file is, in milliseconds.
const COARSE: u64 = 20;

/// How long such a look is waited for, and how often it is asked whether it is over.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(50);

/// The answer, until the next boot.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// When the look began, in milliseconds since boot.
    at_ms: u64,
    /// Nodes whose brick lacks something that this one has.
    lacking: BTreeSet<IpAddr>,
    /// Directories of which the copies differ, and of which this node's counts.
    torn: BTreeSet<String>,
}

/// What this node's copy holds against others, if that was looked at just now;
/// otherwise asks for a look. An error says that the answer is still to come.
///
/// Of this node's own copy GlusterFS does not know what a repair of the file system below
/// it cost: the copy is told of as one that lacks something until the others have filled it.
pub(crate) fn lacking(paths: &Paths) -> Result<BTreeSet<IpAddr>> {
    let now = since_boot_ms();
    let Some(answer) = told(paths).filter(|a| now.saturating_sub(a.at_ms) < FRESH) else {
        ask(paths)?;
        anyhow::bail!("this node looks at its copy now");
    };
    let mut lacking = answer.lacking;
    if data::look(paths)?.repaired.is_some() {
        let own = crate::identity::load(paths)?.context("this node has no identity")?;
        lacking.insert(own.address);
    }
    Ok(lacking)
}

/// Directories of which the copies differ, and of which this node's counts: by a look that
/// began after the brick last listed something, or not long ago. Nothing is torn while
/// nothing waits to be healed by its name, and that the brick tells whoever may list it.
pub(super) fn torn(paths: &Paths, brick: &Path) -> Result<BTreeSet<String>> {
    let Some(since) = torn::waits_since(brick) else { return Ok(BTreeSet::new()) };
    let ago = SystemTime::now().duration_since(since).unwrap_or_default();
    let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
    let now = since_boot_ms();
    // The kernel's times of files are that coarse.
    let listed = now.saturating_sub(ago).saturating_add(COARSE);
    let least = listed.min(now.saturating_sub(RECENT));
    if let Some(answer) = told(paths).filter(|answer| answer.at_ms >= least) {
        return Ok(answer.torn);
    }
    ask(paths)?;
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = told(paths).filter(|answer| answer.at_ms >= now) {
            return Ok(answer.torn);
        }
        anyhow::ensure!(Instant::now() < until, "this node looks at its copy now");
        std::thread::sleep(GLANCE);
    }
}

/// Takes note that a directory was settled, which the last look found torn.
pub(super) fn settled(paths: &Paths, path: &str) -> Result<()> {
    let Some(mut answer) = state::read_json::<Answer>(&paths.copies())? else { return Ok(()) };
    answer.torn.remove(path);
    state::write_json(&paths.copies(), &answer, 0o600)
}

fn told(paths: &Paths) -> Option<Answer> {
    state::read_json(&paths.copies()).unwrap_or_default()
}

fn ask(paths: &Paths) -> Result<()> {
    // In place: systemd watches this file, and does nothing but look at it.
    fs::write(paths.copies_asked(), since_boot_ms().to_string()).context("cannot ask for a look")
}

/// `ashlar-agent copies`: looks, and writes the answer down.
pub(crate) fn look(paths: &Paths) -> Result<()> {
    let volume = release::settings(paths)?.storage.volume;
    let at_ms = since_boot_ms();
    let own = crate::identity::load(paths)?.context("this node has no identity")?.address;
    let (bricks, here) = bricks(&listed(paths, &volume), own)?;
    let brick = here.with_context(|| format!("this node gives no brick of {volume}"))?;
    let counted = |(name, host)| (format!("trusted.afr.{name}"), host);
    let lacking = accused(&brick, &bricks.into_iter().map(counted).collect())?;
    let torn = torn::directories(&brick, &paths.volume())?;
    state::write_json(&paths.copies(), &Answer { at_ms, lacking, torn }, 0o600)
}

/// Where this node's brick lies, as its storage daemon wrote down; `None` if it gives none.
pub(crate) fn own_brick(paths: &Paths, volume: &str, own: IpAddr) -> Result<Option<PathBuf>> {
    let listed = listed(paths, volume);
    if !listed.exists() {
        return Ok(None);
    }
    Ok(bricks(&listed, own)?.1)
}

/// The bricks of a volume by the names under which its clients know them, as this node's
/// storage daemon wrote them down.
pub(crate) fn names(paths: &Paths, volume: &str, own: IpAddr) -> Result<BTreeMap<String, IpAddr>> {
    Ok(bricks(&listed(paths, volume), own)?.0)
}

/// Where the storage daemon lists the bricks of a volume.
fn listed(paths: &Paths, volume: &str) -> PathBuf {
    paths.glusterd().join("vols").join(volume).join("bricks")
}

/// The bricks of a volume by the name under which clients know them and attributes count
/// them, and where the one of `own` lies.
fn bricks(dir: &Path, own: IpAddr) -> Result<(BTreeMap<String, IpAddr>, Option<PathBuf>)> {
    let mut bricks = BTreeMap::new();
    let mut here = None;
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value =
            |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let host = value("hostname").and_then(|host| host.parse().ok());
        let (Some(name), Some(host)) = (value("brick-id"), host) else {
            anyhow::bail!("{} names no brick-id and address", path.display());
        };
        if host == own {
            here = value("path").map(PathBuf::from);
        }
        bricks.insert(name.to_owned(), host);
    }
    Ok((bricks, here))
}

/// Whose bricks lack something, by the files in this brick's index and the attributes
/// that count for each.
fn accused(brick: &Path, bricks: &BTreeMap<String, IpAddr>) -> Result<BTreeSet<IpAddr>> {
    let index = brick.join(".glusterfs/indices/xattrop");
    let entries =
        fs::read_dir(&index).with_context(|| format!("cannot list {}", index.display()))?;
    let mut accused = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(file) = name.to_str().and_then(|id| directory::link(brick, id)) else { continue };
        for (attribute, host) in bricks {
            if counts(&file, attribute)? {
                accused.insert(*host);
            }
        }
        if accused.len() == bricks.len() {
            break;
        }
    }
    Ok(accused)
}

/// Whether an attribute counts anything. A directory's file is a link to it.
fn counts(file: &Path, attribute: &str) -> Result<bool> {
    let mut value = [0_u8; 64];
    match rustix::fs::getxattr(file, attribute, &mut value) {
        Ok(length) => Ok(value.iter().take(length).any(|byte| *byte != 0)),
        // It was removed or healed meanwhile.
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(std::io::Error::from(error))
            .with_context(|| format!("cannot read {attribute} of {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bricks_are_known_by_the_names_under_which_attributes_count_them() {
        let dir = tempfile::tempdir().unwrap();
        let text = "uuid=0\nhostname=10.83.0.2\npath=/data/bricks/x/brick\nlisten-port=0\n\
                    brick-id=clusterfs-client-1\nmount_dir=/\n";
        fs::write(dir.path().join("10.83.0.2:-data-bricks-x-brick"), text).unwrap();
        let own = IpAddr::from([10, 83, 0, 2]);
        let (found, here) = bricks(dir.path(), own).unwrap();
        assert_eq!(here, Some(PathBuf::from("/data/bricks/x/brick")));
        assert_eq!(found["clusterfs-client-1"], IpAddr::from([10, 83, 0, 2]));
        fs::write(dir.path().join("broken"), "hostname=10.83.0.3\n").unwrap();
        assert!(bricks(dir.path(), own).is_err());
    }

    #[test]
    fn only_a_count_that_is_not_zero_accuses_a_brick() {
        let dir = tempfile::tempdir().unwrap();
        let id = "0a1b2c3d-0000-0000-0000-000000000001";
        let index = dir.path().join(".glusterfs/indices/xattrop");
        fs::create_dir_all(&index).unwrap();
        fs::create_dir_all(dir.path().join(".glusterfs/0a/1b")).unwrap();
        let file = dir.path().join(".glusterfs/0a/1b").join(id);
        fs::write(&file, "").unwrap();
        for name in [id, "0a1b2c3d-0000-0000-0000-00000000dead", "xattrop-0a1b2c3d"] {
            fs::write(index.join(name), "").unwrap();
        }
        // `trusted.` is root's; `user.` is counted alike.
        let bricks = BTreeMap::from([
            ("user.afr.v-client-0".to_owned(), IpAddr::from([10, 83, 0, 1])),
            ("user.afr.v-client-1".to_owned(), IpAddr::from([10, 83, 0, 2])),
            ("user.afr.v-client-2".to_owned(), IpAddr::from([10, 83, 0, 3])),
        ]);
        let set = |name: &str, value: &[u8]| {
            rustix::fs::setxattr(&file, name, value, rustix::fs::XattrFlags::empty()).unwrap();
        };
        set("user.afr.v-client-0", &[0; 12]);
        set("user.afr.v-client-1", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let accused = accused(dir.path(), &bricks).unwrap();
        assert_eq!(accused, BTreeSet::from([IpAddr::from([10, 83, 0, 2])]));
    }

    #[test]
    fn an_answer_that_is_old_is_asked_for_anew() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        fs::create_dir_all(paths.run()).unwrap();
        assert!(lacking(&paths).is_err());
        assert!(paths.copies_asked().exists());
        let at_ms = since_boot_ms();
        let answer = Answer { at_ms, lacking: BTreeSet::new(), torn: BTreeSet::new() };
        state::write_json(&paths.copies(), &answer, 0o600).unwrap();
        assert_eq!(lacking(&paths).unwrap(), BTreeSet::new());
        let old = Answer { at_ms: at_ms.saturating_sub(FRESH), ..answer };
        state::write_json(&paths.copies(), &old, 0o600).unwrap();
        assert!(lacking(&paths).is_err());
    }

    #[test]
    fn what_is_torn_is_looked_for_when_the_brick_lists_a_name_and_not_before() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        fs::create_dir_all(paths.run()).unwrap();
        let brick = root.path().join("brick");
        let listed = torn::index(&brick).join("00000000-0000-0000-0000-000000000001");
        fs::create_dir_all(&listed).unwrap();
        assert_eq!(torn(&paths, &brick).unwrap(), BTreeSet::new());
        assert!(!paths.copies_asked().exists(), "nothing waits there");

        let tills = BTreeSet::from(["/tills".to_owned()]);
        let of = |torn: &BTreeSet<String>| Answer {
            at_ms: since_boot_ms(),
            lacking: BTreeSet::new(),
            torn: torn.clone(),
        };
        state::write_json(&paths.copies(), &Answer { at_ms: 0, ..of(&BTreeSet::new()) }, 0o600)
            .unwrap();
        fs::write(listed.join("tills"), "").unwrap();
        std::thread::scope(|scope| {
            let found = scope.spawn(|| torn(&paths, &brick));
            while !paths.copies_asked().exists() {
                std::thread::yield_now();
            }
            state::write_json(&paths.copies(), &of(&tills), 0o600).unwrap();
            assert_eq!(found.join().unwrap().unwrap(), tills);
        });
        fs::remove_file(paths.copies_asked()).unwrap();
        assert_eq!(torn(&paths, &brick).unwrap(), tills);
        assert!(!paths.copies_asked().exists(), "nothing was listed since");
        settled(&paths, "/tills").unwrap();
        assert_eq!(torn(&paths, &brick).unwrap(), BTreeSet::new());
    }
}
