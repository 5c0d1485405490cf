//! Where a brick lies on its box, and what lies beside it.
//!
//! GlusterFS marks a directory as a brick while it only checks whether all boxes could
//! add theirs. A check that fails on one box, or a leader that dies then, leaves the
//! marks on the others, and a directory with a mark is refused as a new brick for ever.
//! To force it would take a brick that was given up for an empty one, with all that is
//! in it. So the next name is taken instead, on all boxes alike, and what is left over
//! is cleared away by its own box once that gives another brick.

use crate::state;
use anyhow::{Context, Result};
use ashlar_cluster::NodeId;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What glusterd says of a directory with a mark.
const MARKED: &str = "already part of a volume";

/// So many names are tried at a time; the next time it goes on from there.
const NAMES: u32 = 16;

/// How the directories of what is no brick any more begin.
const ASIDE: &str = "set-aside-";

/// The first name that is not known to be marked, for the boxes that it was tried for.
///
/// Every leader takes the names in the same order and passes by marked ones alone, so
/// that of two who add the same bricks the second one is refused.
#[derive(Debug, Default)]
pub(super) struct Tried {
    bricks: Vec<IpAddr>,
    next: u32,
}

impl Tried {
    /// Where to begin.
    pub(super) fn first(&self, bricks: &[IpAddr]) -> u32 {
        if self.bricks == bricks { self.next } else { 1 }
    }

    fn passed_by(&mut self, bricks: &[IpAddr], number: u32) {
        *self = Self { bricks: bricks.to_vec(), next: number.saturating_add(1) };
    }
}

/// Where a brick keeps a link to one of its files and directories, by its identity. A name
/// of its index that is no identity has none.
pub(super) fn link(brick: &Path, id: &str) -> Option<PathBuf> {
    let is_one = id.len() == 36 && id.is_ascii();
    is_one.then(|| brick.join(".glusterfs").join(&id[..2]).join(&id[2..4]).join(id))
}

/// The name of that number: a volume's first bricks have the plain one.
pub(super) fn name(number: u32) -> String {
    if number < 2 { "brick".to_owned() } else { format!("brick-{number}") }
}

/// Tries a change with one name after the other, until one is refused for another
/// reason than a mark. `there` says whether the bricks are in the volume by now.
pub(super) async fn pass_by_marks(
    tried: &Mutex<Tried>,
    bricks: &[IpAddr],
    change: impl AsyncFn(&str) -> Result<()>,
    there: impl AsyncFn() -> Result<bool>,
) -> Result<()> {
    let first = tried.lock().map_or(1, |tried| tried.first(bricks));
    let mut result = Ok(());
    for number in first..first.saturating_add(NAMES) {
        result = change(&name(number)).await;
        match &result {
            Err(error) if only_marks(&error.to_string()) => {}
            _ => return result,
        }
        if there().await? {
            return Ok(());
        }
        tracing::warn!(
            "a directory {} carries the mark of a brick and is none: it is passed by",
            name(number)
        );
        if let Ok(mut tried) = tried.lock() {
            tried.passed_by(bricks, number);
        }
    }
    result
}

/// Whether marks are all that is in the way: a line of a refusal tells of one box. While
/// another box cannot, a further name would only be marked as well.
fn only_marks(refusal: &str) -> bool {
    refusal.lines().all(|line| line.contains(MARKED))
}

/// Clears what lies in a volume's directory beside `brick`, the one that this box gives:
/// what is hollow goes, anything else is set aside under this node's id. Nothing is
/// deleted that holds a file.
pub(crate) fn clear_beside(volume: &Path, brick: Option<&Path>, id: &NodeId) -> Result<()> {
    let entries = match fs::read_dir(volume) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot list {}", volume.display()))?,
    };
    let mut left = Vec::new();
    for entry in entries {
        let entry = entry?;
        let aside = entry.file_name().to_string_lossy().starts_with(ASIDE);
        if !aside && entry.file_type()?.is_dir() && brick != Some(entry.path().as_path()) {
            left.push(entry.path());
        }
    }
    left.sort();
    for path in &left {
        if !remove_hollow(path)? {
            set_aside(volume, path, id)?;
        }
    }
    Ok(())
}

/// Whether a brick holds nothing of its volume any more: what every brick has from its
/// first start on is not there, or comes of a renewal that was cut. Where the volume's
/// directory is missing too, so is the disk, and nothing is known.
pub(super) fn is_emptied(volume: &Path, brick: &Path) -> bool {
    volume.is_dir() && (!is_marked(brick) || is_renewing(volume))
}

/// Whether it has what every brick has from its first start on, or that cannot be known.
pub(super) fn is_marked(brick: &Path) -> bool {
    let kept = fs::symlink_metadata(brick.join(".glusterfs"));
    !kept.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Where it is noted that a brick is given back as an empty one, as long as that is not
/// done. glusterd marks the empty directory as the brick before it tells the other bricks
/// what that lacks: one that was cut in between looks whole, serves nothing, and nobody
/// fills it.
fn renewal(volume: &Path) -> PathBuf {
    volume.join("renewal")
}

/// Whether a brick there was begun to be given back as an empty one, and that was not done.
pub(super) fn is_renewing(volume: &Path) -> bool {
    fs::symlink_metadata(renewal(volume)).is_ok()
}

/// Notes that it is begun, with the file in which glusterd has the brick. It takes that
/// file away for a moment, and one that lost its power then does not start any more.
pub(super) fn begin_renewal(volume: &Path, listed: &Path) -> Result<()> {
    let text = fs::read(listed).with_context(|| format!("cannot read {}", listed.display()))?;
    state::write(&renewal(volume), &text, 0o600)
}

/// Gives glusterd the file back in which it has the brick that was being given back.
pub(super) fn restore_listed(volume: &Path, listed: &Path) -> Result<()> {
    let text = match fs::read(renewal(volume)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text.with_context(|| format!("cannot read {}", renewal(volume).display()))?,
    };
    if listed.parent().is_some_and(Path::is_dir) && !listed.exists() {
        state::write(listed, &text, 0o600)?;
    }
    Ok(())
}

/// How glusterd calls the file in which it has a brick.
pub(super) fn listed_as(address: std::net::IpAddr, brick: &Path) -> String {
    format!("{address}:{}", brick.display().to_string().replace('/', "-"))
}

/// Where the brick lies that is being given back, as is noted.
pub(super) fn renewed(volume: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(renewal(volume)).ok()?;
    text.lines().find_map(|line| line.strip_prefix("path=")).map(PathBuf::from)
}

/// Notes that it is done: the other bricks know what this one lacks.
pub(super) fn end_renewal(volume: &Path) -> Result<()> {
    state::remove(&renewal(volume))
}

/// Makes an empty directory of a brick that [is emptied](is_emptied), or no measure of
/// what it should hold. What is there is set aside.
pub(super) fn make_empty(volume: &Path, brick: &Path, id: &NodeId) -> Result<()> {
    if !remove_hollow(brick)? {
        set_aside(volume, brick, id)?;
    }
    fs::create_dir_all(brick).with_context(|| format!("cannot make {}", brick.display()))
}

/// Sets a brick aside: it stays on the disk, under the name of who this node was.
pub(crate) fn set_aside(volume: &Path, brick: &Path, id: &NodeId) -> Result<()> {
    let free = |number: u32| {
        let name =
            if number < 2 { format!("{ASIDE}{id}") } else { format!("{ASIDE}{id}-{number}") };
        Some(volume.join(name)).filter(|path| !path.exists())
    };
    let to = (1..=u32::MAX).find_map(free).context("there is no name left for a brick")?;
    match fs::rename(brick, &to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        error => error.with_context(|| format!("cannot set {} aside", brick.display()))?,
    }
    tracing::warn!("{} is no brick any more: it is set aside as {}", brick.display(), to.display());
    fs::File::open(volume)?.sync_all().with_context(|| format!("cannot sync {}", volume.display()))
}

/// Removes a directory that never was a brick: it holds no more than glusterd makes when
/// it checks. Whether it did; only empty directories are removed, so nothing can be lost.
fn remove_hollow(brick: &Path) -> Result<bool> {
    for dir in [brick.join(".glusterfs"), brick.to_owned()] {
        match fs::remove_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return Ok(false),
            error => error.with_context(|| format!("cannot remove {}", dir.display()))?,
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::path::PathBuf;

    const BOXES: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 83, 0, 4))];

    /// Names that were asked for, of a glusterd that answers each of them so.
    async fn asked(
        tried: &Mutex<Tried>,
        refuses: impl Fn(&str) -> Option<&'static str>,
        there: bool,
    ) -> (Vec<String>, Result<()>) {
        let names = RefCell::new(Vec::new());
        let change = async |name: &str| {
            names.borrow_mut().push(name.to_owned());
            refuses(name).map_or(Ok(()), |words| Err(anyhow::anyhow!("refused: {words}")))
        };
        let result = pass_by_marks(tried, &BOXES, change, async || Ok(there)).await;
        (names.into_inner(), result)
    }

    fn marked(name: &str) -> Option<&'static str> {
        let words = "Pre Validation failed on 10.83.0.4. /data/bricks/clusterfs/brick is already \
                     part of a volume\nPre Validation failed on 10.83.0.5. \
                     /data/bricks/clusterfs/brick is already part of a volume";
        (name == "brick" || name == "brick-2").then_some(words)
    }

    #[tokio::test]
    async fn marks_of_changes_that_were_cut_are_passed_by_and_not_tried_again() {
        let tried = Mutex::default();
        let (names, result) = asked(&tried, marked, false).await;
        assert_eq!(names, ["brick", "brick-2", "brick-3"]);
        result.unwrap();
        let (names, _) = asked(&tried, marked, false).await;
        assert_eq!(names, ["brick-3"]);
        let other = IpAddr::from([10, 83, 0, 9]);
        assert_eq!(tried.lock().unwrap().first(&[other]), 1, "nothing is known of other boxes");
    }

    #[tokio::test]
    async fn marks_without_end_are_passed_by_a_few_at_a_time() {
        let tried = Mutex::default();
        let all = |_: &str| Some(MARKED);
        let (names, result) = asked(&tried, all, false).await;
        assert!(names.len() == 16 && result.is_err());
        assert_eq!(asked(&tried, all, false).await.0[0], "brick-17", "it goes on from there");
    }

    #[tokio::test]
    async fn a_refusal_for_another_reason_takes_no_further_name() {
        let tried = Mutex::default();
        for words in [
            "Operation failed",
            "Brick: 10.83.0.4:/data/bricks/clusterfs/brick not available.",
            "Pre Validation failed on 10.83.0.4. /data/bricks/clusterfs/brick is already part of \
             a volume\nPre Validation failed on 10.83.0.5. Read-only file system",
        ] {
            let (names, result) = asked(&tried, |_| Some(words), false).await;
            assert!(names == ["brick"] && result.is_err(), "{words}");
        }
    }

    #[tokio::test]
    async fn what_another_leader_added_meanwhile_is_not_added_twice() {
        let (names, result) = asked(&Mutex::default(), marked, true).await;
        assert_eq!(names, ["brick"]);
        result.unwrap();
    }

    fn write(path: PathBuf) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "takings").unwrap();
    }

    #[test]
    fn a_brick_is_emptied_that_lost_its_own_directory_on_a_disk_that_is_there() {
        let root = tempfile::tempdir().unwrap();
        let (volume, brick) = (root.path().join("clusterfs"), root.path().join("clusterfs/brick"));
        assert!(!is_emptied(&volume, &brick), "the disk is missing");
        fs::create_dir_all(brick.join(".glusterfs")).unwrap();
        assert!(!is_emptied(&volume, &brick));
        fs::remove_dir(brick.join(".glusterfs")).unwrap();
        assert!(is_emptied(&volume, &brick));
        write(brick.join("till"));
        make_empty(&volume, &brick, &NodeId("ab".into())).unwrap();
        assert!(is_emptied(&volume, &brick) && fs::read_dir(&brick).unwrap().next().is_none());
        assert!(volume.join("set-aside-ab/till").exists(), "a file was lost");
        fs::remove_dir(&brick).unwrap();
        make_empty(&volume, &brick, &NodeId("ab".into())).unwrap();
        assert!(brick.is_dir());
    }

    #[test]
    fn a_brick_whose_renewal_was_cut_is_emptied_whatever_marks_it_has() {
        let root = tempfile::tempdir().unwrap();
        let (volume, brick) = (root.path().join("clusterfs"), root.path().join("clusterfs/brick"));
        fs::create_dir_all(brick.join(".glusterfs")).unwrap();
        let listed = root.path().join("bricks").join(listed_as([10, 83, 0, 1].into(), &brick));
        assert!(!listed.to_string_lossy().contains("/-"), "{}", listed.display());
        let text = format!("hostname=10.83.0.1\npath={}\n", brick.display());
        fs::create_dir_all(listed.parent().unwrap()).unwrap();
        fs::write(&listed, &text).unwrap();
        restore_listed(&volume, &listed).unwrap();
        begin_renewal(&volume, &listed).unwrap();
        assert_eq!(renewed(&volume), Some(brick.clone()));
        fs::remove_file(&listed).unwrap();
        restore_listed(&volume, &listed).unwrap();
        assert_eq!(fs::read_to_string(&listed).unwrap(), text, "glusterd lost it");
        assert!(is_emptied(&volume, &brick) && is_renewing(&volume));
        clear_beside(&volume, Some(&brick), &NodeId("ab".into())).unwrap();
        make_empty(&volume, &brick, &NodeId("ab".into())).unwrap();
        assert!(is_renewing(&volume), "it is not done by that");
        fs::create_dir_all(brick.join(".glusterfs")).unwrap();
        end_renewal(&volume).unwrap();
        end_renewal(&volume).unwrap();
        assert!(!is_emptied(&volume, &brick) && !is_renewing(&volume));
    }

    #[test]
    fn what_never_was_a_brick_goes_and_what_holds_a_file_is_set_aside() {
        let root = tempfile::tempdir().unwrap();
        let (volume, id) = (root.path(), NodeId("ab".into()));
        let there = |name: &str| volume.join(name).exists();
        for checked in ["brick", "brick-2"] {
            fs::create_dir_all(volume.join(checked).join(".glusterfs")).unwrap();
        }
        write(volume.join("brick-3/till"));
        write(volume.join("brick-4/.glusterfs/00/11/only-a-link"));
        write(volume.join("brick-5/till"));
        write(volume.join("set-aside-cd/till"));
        let own = volume.join("brick-5");
        for _ in 0..2 {
            clear_beside(volume, Some(&own), &id).unwrap();
            assert!(!there("brick") && !there("brick-2"));
            assert!(there("brick-5/till") && there("set-aside-cd/till"));
            assert!(there("set-aside-ab/till") && !there("brick-3"));
            assert!(there("set-aside-ab-2/.glusterfs/00/11/only-a-link"));
        }
        clear_beside(volume, None, &id).unwrap();
        assert!(there("set-aside-ab-3/till") && !there("brick-5"));
        set_aside(volume, &own, &id).unwrap();
        clear_beside(&volume.join("none"), None, &id).unwrap();
    }
}
