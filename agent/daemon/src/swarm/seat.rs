//! A seat: a copy of what the Swarm's manager knows, kept by the second of two boxes.
//!
//! Copied while the engine runs. Raft's log only grows, and its reader cuts off a last
//! entry that is not whole; what else is in it is written once. So a copy is good if the
//! same files are there after it as before it (docs/decisions/0035).

use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::{Context, Result, bail, ensure};
use ashlar_api::Secret;
use ashlar_api::cluster::{SeatAnswer, SeatFile, SeatRequest};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use zeroize::Zeroizing;

/// How much of a file travels at once.
const PIECE: u64 = 512 * 1024;

/// How large a seat may be: more than Raft writes between two of its snapshots.
const LARGEST: u64 = 256 << 20;

/// What the manager's certificate, key and log lie in, below the engine's own directory.
const DIRECTORIES: [&str; 3] = ["certificates", "raft/snap-v3-encrypted", "raft/wal-v3-encrypted"];

/// The engine's own note of its addresses.
const ADDRESSES: &str = "docker-state.json";

/// Its note of the managers that it knows.
const MANAGERS: &str = "state.json";

/// Ours: this is another box's seat, and was not there from the start.
const TAKEN: &str = "ashlar-seat";

/// The version that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "it is copied anew while the other box is there" };

/// `seat/kept.json`: written last, when all of the copy is on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// When it was as it is there, in seconds of the wall clock.
    at: u64,
    files: Vec<SeatFile>,
}

/// The files of a manager below `dir`.
fn list(dir: &Path) -> Result<Vec<SeatFile>> {
    let mut files = Vec::new();
    let mut add = |path: PathBuf| -> Result<()> {
        let name = path.strip_prefix(dir)?.to_str().context("a name is no text")?.to_owned();
        // What Raft has not begun to write to yet.
        if name.ends_with(".tmp") {
            return Ok(());
        }
        let meta = fs::metadata(&path)?;
        let used = used(&path, meta.len())?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        files.push(SeatFile { path: name, length: meta.len(), used, changed });
        Ok(())
    };
    for name in DIRECTORIES {
        for entry in fs::read_dir(dir.join(name)).with_context(|| format!("no {name}"))? {
            add(entry?.path())?;
        }
    }
    add(dir.join(ADDRESSES))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let all: u64 = files.iter().map(|f| f.used).sum();
    ensure!(all <= LARGEST, "what the Swarm knows is {all} bytes, too many to keep");
    Ok(files)
}

/// How much of a file there is before the zeros with which Raft begins its log.
fn used(path: &Path, length: u64) -> Result<u64> {
    let mut file = File::open(path)?;
    let mut piece = Zeroizing::new(vec![0; usize::try_from(PIECE)?]);
    let mut end = length;
    while end > 0 {
        let from = end.saturating_sub(PIECE);
        let part = &mut piece[..usize::try_from(end - from)?];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(part)?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// What a manager answers.
pub(crate) fn give(paths: &Paths, request: &SeatRequest) -> Result<SeatAnswer> {
    let dir = paths.engine_swarm();
    let SeatRequest { piece: Some((name, from)) } = request else {
        return Ok(SeatAnswer { files: list(&dir)?, piece: None });
    };
    let known = list(&dir)?.into_iter().find(|f| f.path == *name);
    let known = known.with_context(|| format!("{name} is no part of a seat"))?;
    let mut file = File::open(dir.join(&known.path))?;
    file.seek(SeekFrom::Start(*from))?;
    let mut bytes = Vec::new();
    file.take(PIECE.min(known.used.saturating_sub(*from))).read_to_end(&mut bytes)?;
    Ok(SeatAnswer { files: Vec::new(), piece: Some(Secret::new(bytes)) })
}

/// Asks the manager for one thing.
pub(crate) trait Ask {
    /// Its answer.
    async fn ask(&self, request: SeatRequest) -> Result<SeatAnswer>;
}

/// Brings the copy up to date, as of `now`.
pub(crate) async fn keep(paths: &Paths, now: u64, manager: &impl Ask) -> Result<()> {
    let list =
        async || Ok::<_, anyhow::Error>(manager.ask(SeatRequest { piece: None }).await?.files);
    let files = list().await?;
    files.iter().try_for_each(|f| inside(&f.path).map(drop))?;
    let kept = FILE.read::<Kept>(&paths.seat().join("kept.json")).ok().flatten();
    if let Some(kept) = kept.filter(|kept| kept.files == files) {
        // Rarely: it says how old the copy is, and costs a write.
        return if now.saturating_sub(kept.at) < 300 { Ok(()) } else { note(paths, now, files) };
    }
    let new = paths.seat().with_extension("new");
    state::remove_dir(&new)?;
    for file in &files {
        let to = new.join(inside(&file.path)?);
        state::make_private_dir(to.parent().unwrap_or(&new))?;
        let mut out = File::options().create_new(true).write(true).mode(0o600).open(&to)?;
        let mut from = 0;
        while from < file.used {
            let piece = SeatRequest { piece: Some((file.path.clone(), from)) };
            let piece = manager.ask(piece).await?.piece.context("the manager sent nothing")?;
            ensure!(!piece.expose().is_empty(), "{} became shorter", file.path);
            let left = usize::try_from(file.used - from)?;
            let bytes = &piece.expose()[..piece.expose().len().min(left)];
            out.write_all(bytes)?;
            from += bytes.len() as u64;
        }
        out.set_len(file.length)?;
        out.sync_all()?;
    }
    let after = list().await?;
    ensure!(goes_on(&files, &after), "what the Swarm knows changed while it was copied");
    state::remove_dir(&paths.seat())?;
    fs::rename(&new, paths.seat()).context("cannot keep the seat")?;
    note(paths, now, files)
}

/// Whether what was there is there still: a log may have grown meanwhile.
fn goes_on(before: &[SeatFile], after: &[SeatFile]) -> bool {
    before.len() == after.len()
        && before.iter().zip(after).all(|(one, other)| {
            let grows = one.path.ends_with(".wal") && other.used >= one.used;
            one == other || (one.path == other.path && one.length == other.length && grows)
        })
}

fn note(paths: &Paths, at: u64, files: Vec<SeatFile>) -> Result<()> {
    let kept = Kept { version: VERSION, at, files };
    state::write_json(&paths.seat().join("kept.json"), &kept, 0o600)
}

/// A path that leads nowhere else.
fn inside(path: &str) -> Result<&Path> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() {
        bail!("{} leads out of the seat", path.display());
    }
    Ok(path)
}

/// When what is kept was so; `None` if nothing is.
pub(crate) fn kept_at(paths: &Paths) -> Option<u64> {
    let kept = FILE.read::<Kept>(&paths.seat().join("kept.json")).ok().flatten();
    kept.map(|kept| kept.at)
}

/// Keeps none.
pub(crate) fn drop_it(paths: &Paths) -> Result<()> {
    state::remove_dir(&paths.seat().with_extension("new"))?;
    state::remove_dir(&paths.seat())
}

/// Whether the engine sits on another box's seat.
pub(crate) fn is_taken(paths: &Paths) -> bool {
    paths.engine_swarm().join(TAKEN).exists()
}

/// Puts the kept copy in the place of what the engine, which does not run, has of the
/// Swarm. Once only: what it decided since would be lost by a second time.
pub(crate) fn take(paths: &Paths, own: IpAddr) -> Result<()> {
    if is_taken(paths) {
        return Ok(());
    }
    let kept = FILE.read::<Kept>(&paths.seat().join("kept.json"))?;
    let kept = kept.context("this box keeps no copy of what the Swarm knows")?;
    let swarm = paths.engine_swarm();
    let (new, old) = (swarm.with_extension("seat"), swarm.with_extension("left"));
    state::remove_dir(&new)?;
    for file in &kept.files {
        let to = new.join(inside(&file.path)?);
        state::make_private_dir(to.parent().unwrap_or(&new))?;
        let mut from = File::open(paths.seat().join(inside(&file.path)?))?.take(file.used);
        let mut out = File::options().create_new(true).write(true).mode(0o600).open(&to)?;
        std::io::copy(&mut from, &mut out)?;
        out.set_len(file.length)?;
        out.sync_all()?;
    }
    let addresses = fs::read(new.join(ADDRESSES))?;
    state::write(&new.join(ADDRESSES), &moved(&addresses, own)?, 0o600)?;
    let managers = serde_json::json!([{ "addr": format!("{own}:{}", super::SWARM_PORT) }]);
    state::write(&new.join(MANAGERS), managers.to_string().as_bytes(), 0o600)?;
    state::write(&new.join(TAKEN), b"of another box\n", 0o600)?;
    state::remove_dir(&old)?;
    if swarm.exists() {
        fs::rename(&swarm, &old).context("cannot set aside what the engine knew")?;
    }
    fs::rename(&new, &swarm).context("cannot take the seat")?;
    File::open(paths.engine())?.sync_all()?;
    state::remove_dir(&old)
}

/// The engine's addresses, all of them this box's own.
fn moved(addresses: &[u8], own: IpAddr) -> Result<Vec<u8>> {
    let mut value: serde_json::Value =
        serde_json::from_slice(addresses).context("the engine's addresses cannot be read")?;
    let fields = value.as_object_mut().context("the engine's addresses are none")?;
    let (plain, port) = (own.to_string(), format!("{own}:{}", super::SWARM_PORT));
    for (name, text) in [
        ("LocalAddr", plain.as_str()),
        ("DataPathAddr", &plain),
        ("ListenAddr", &port),
        ("AdvertiseAddr", &port),
        ("RemoteAddr", ""),
    ] {
        fields.insert(name.into(), text.into());
    }
    Ok(serde_json::to_vec(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager whose files lie under another root.
    struct Manager(Paths);

    impl Ask for Manager {
        async fn ask(&self, request: SeatRequest) -> Result<SeatAnswer> {
            give(&self.0, &request)
        }
    }

    fn manager(root: &Path) -> Manager {
        let paths = Paths::under(root);
        let dir = paths.engine_swarm();
        for name in DIRECTORIES {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        fs::write(dir.join("certificates/swarm-node.key"), "key").unwrap();
        let mut log = vec![7; 700_000];
        log.resize(2_000_000, 0);
        fs::write(dir.join("raft/wal-v3-encrypted/0-0.wal"), log).unwrap();
        fs::write(dir.join("raft/wal-v3-encrypted/0.tmp"), [0; 64]).unwrap();
        let there = r#"{"LocalAddr":"10.83.0.1","ListenAddr":"10.83.0.1:2377","SubnetSize":24}"#;
        fs::write(dir.join(ADDRESSES), there).unwrap();
        Manager(paths)
    }

    #[tokio::test]
    async fn what_the_manager_knows_is_copied_and_taken_up_under_the_own_address() {
        let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (manager, paths) = (manager(there.path()), Paths::under(here.path()));
        fs::create_dir_all(paths.engine_swarm()).unwrap();
        fs::create_dir_all(paths.state()).unwrap();
        assert!(take(&paths, IpAddr::from([127, 0, 0, 2])).is_err(), "nothing is kept");
        keep(&paths, 100, &manager).await.unwrap();
        assert_eq!(kept_at(&paths), Some(100));
        take(&paths, IpAddr::from([127, 0, 0, 2])).unwrap();
        let swarm = paths.engine_swarm();
        let log = fs::read(swarm.join("raft/wal-v3-encrypted/0-0.wal")).unwrap();
        assert_eq!((log.len(), log[699_999], log[700_000]), (2_000_000, 7, 0));
        assert!(!swarm.join("raft/wal-v3-encrypted/0.tmp").exists());
        let addresses: serde_json::Value =
            serde_json::from_slice(&fs::read(swarm.join(ADDRESSES)).unwrap()).unwrap();
        assert_eq!(addresses["ListenAddr"], "127.0.0.2:2377");
        assert_eq!(addresses["SubnetSize"], 24);
        // Whatever it decides from now on stays.
        fs::write(swarm.join("raft/wal-v3-encrypted/0-0.wal"), "newer").unwrap();
        take(&paths, IpAddr::from([127, 0, 0, 2])).unwrap();
        assert_eq!(fs::read(swarm.join("raft/wal-v3-encrypted/0-0.wal")).unwrap(), b"newer");
        drop_it(&paths).unwrap();
        assert!(kept_at(&paths).is_none() && is_taken(&paths));
    }

    #[test]
    fn a_log_may_grow_meanwhile_and_nothing_else_may_change() {
        let file =
            |path: &str, used| SeatFile { path: path.into(), length: 64, used, changed: (0, 0) };
        let before = [file("raft/wal-v3-encrypted/0.wal", 5)];
        assert!(goes_on(&before, &[file("raft/wal-v3-encrypted/0.wal", 9)]));
        assert!(!goes_on(&before, &[file("raft/wal-v3-encrypted/0.wal", 4)]));
        assert!(!goes_on(&before, &[]), "Raft made a snapshot");
        assert!(!goes_on(&[file("docker-state.json", 5)], &[file("docker-state.json", 6)]));
    }

    #[test]
    fn nothing_is_given_or_taken_that_is_no_part_of_a_seat() {
        let root = tempfile::tempdir().unwrap();
        let Manager(paths) = manager(root.path());
        for name in ["../certificates/swarm-node.key", "worker/tasks.db", "/etc/passwd"] {
            assert!(give(&paths, &SeatRequest { piece: Some((name.into(), 0)) }).is_err());
        }
        for path in ["../x", "/x", "a/../../x", ""] {
            assert!(inside(path).is_err(), "{path}");
        }
    }
}
