//! Where clusters keep their state on this host.
//!
//! One directory a cluster: `cluster.json` says what it is, `<node>/` has the
//! node's disk, console and sockets, and `<node>/power.json` exists while the
//! node was last powered on. Disks hold the site's secrets: all of it is 0700.

use super::error::{Doing, Error, Result};
use super::process::Process;
use super::{Accelerator, Backend};
use nix::fcntl::{Flock, FlockArg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of all clusters.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// What a cluster is: `cluster.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub backend: Backend,
    pub name: String,
    /// VM: disk image. Lab: root image or tree.
    pub image: PathBuf,
    /// VM: the disk that all nodes' disks are overlays of. Lab: the root tree.
    pub base: PathBuf,
    /// The site's own copy in the cluster's directory, where the nodes get it at each
    /// start: in a lab, and from the firmware of a VM whose image cannot hold it.
    pub site: Option<PathBuf>,
    pub nodes: Vec<NodeRecord>,
    /// VM: UDP port of the segment.
    pub port: u16,
    pub memory_mib: u32,
    pub cpus: u16,
    pub accelerator: Option<Accelerator>,
}

/// What a node is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeRecord {
    pub name: String,
    pub mac: String,
    pub uuid: String,
}

/// That a node is on: `power.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Power {
    pub process: Process,
    /// The host's boot clock at power-on, in seconds.
    pub since: f64,
    /// How many times the node was powered on, this one included.
    pub times: u32,
}

impl Store {
    /// `$ASHLAR_MACHINES`, or `ashlar/machines` in the user's state directory.
    pub fn of_user() -> Result<Self> {
        if let Some(root) = std::env::var_os("ASHLAR_MACHINES") {
            return Self::at(Path::new(&root));
        }
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
        });
        Self::at(&state.unwrap_or_else(|| "/var/lib".into()).join("ashlar/machines"))
    }

    /// A directory of one's own, for tests.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).doing("resolving", root)?;
        private_dir(&root)?;
        Ok(Self { root })
    }

    /// A cluster's directory.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file for what was learnt about this host.
    pub fn host_facts(&self) -> PathBuf {
        self.root.join(".host.json")
    }

    /// All clusters of a back end, by name.
    pub fn records(&self, backend: Backend) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.root).doing("reading", &self.root)? {
            let path = entry.doing("reading", &self.root)?.path().join("cluster.json");
            if let Some(record) = load::<Record>(&path)?.filter(|found| found.backend == backend) {
                records.push(record);
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// One cluster.
    pub fn record(&self, name: &str) -> Result<Option<Record>> {
        load(&self.dir(name).join("cluster.json"))
    }
}

/// A directory that only its owner can enter.
pub(crate) fn private_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).doing("making", path)
}

/// Reads a JSON file; `None` if it does not exist.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).doing("reading", path),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a JSON file so that it is there whole or not at all.
pub(crate) fn save<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(dir).doing("writing in", dir)?;
    file.write_all(&bytes).doing("writing", path)?;
    file.as_file().sync_all().doing("writing", path)?;
    file.persist(path).map_err(|error| error.error).doing("writing", path)?;
    Ok(())
}

/// Holds a lock file until dropped. With `wait` it waits for its turn.
pub(crate) fn lock(path: &Path, name: &str, wait: bool) -> Result<Flock<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .doing("opening", path)?;
    let how = if wait { FlockArg::LockExclusive } else { FlockArg::LockExclusiveNonblock };
    Flock::lock(file, how).map_err(|(_, error)| match error {
        nix::errno::Errno::EWOULDBLOCK => Error::Busy { name: name.to_owned() },
        other => Error::Io { doing: "locking", path: path.to_owned(), source: other.into() },
    })
}

/// The lock of the cluster in `dir`; beside it, because the directory itself
/// comes and goes.
pub(crate) fn cluster_lock(dir: &Path, wait: bool) -> Result<Flock<File>> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    lock(&dir.with_file_name(format!(".{name}.lock")), &name, wait)
}

/// The host's boot clock, in seconds: it also counts while the host sleeps, as
/// the clock of its guests does.
pub(crate) fn boot_clock() -> f64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map(|time| std::time::Duration::from(time).as_secs_f64())
        .unwrap_or_default()
}

/// Keeps a copy of the site: the nodes get it at each start.
pub(crate) fn keep_site(site: &Path, dir: &Path) -> Result<PathBuf> {
    let copy = dir.join("site.toml");
    let bytes = zeroize::Zeroizing::new(std::fs::read(site).doing("reading", site)?);
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&copy)
        .doing("writing", &copy)?;
    std::io::Write::write_all(&mut file, &bytes).doing("writing", &copy)?;
    Ok(copy)
}
