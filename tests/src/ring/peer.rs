//! HashiCorp's `serf`, as Debian ships it.
//!
//! Its package would start a daemon when installed, so it is only unpacked,
//! into `target/serf-peers/`: the host's own version, and the one that the
//! retail image had before our agent took its place, whose exact file the
//! recipe's lock names.

use crate::command::{run, workspace};
use crate::project::users_cache;
use anyhow::{Context, Result, bail, ensure};
use ashlar_recipe::{Lock, LockedPackage};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One version of HashiCorp's program: agent and command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Debian's version.
    pub version: String,
    /// The program.
    pub program: PathBuf,
}

static PEERS: Mutex<Option<Vec<Peer>>> = Mutex::new(None);

impl Peer {
    /// The host's own version.
    ///
    /// # Errors
    /// When the host's archive does not give it.
    pub fn of_host() -> Result<Self> {
        Self::all()?.into_iter().next().context("no peer")
    }

    /// Every version that can be had here, at least one. What is missing is
    /// said, once.
    ///
    /// # Errors
    /// When there is none.
    pub fn all() -> Result<Vec<Self>> {
        let mut peers = PEERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peers) = peers.as_ref() {
            return Ok(peers.clone());
        }
        let mut found = vec![host()?];
        match locked() {
            Ok(peer) if peer.version == found[0].version => {}
            Ok(peer) => found.push(peer),
            Err(error) => say(&format!("the image's version of serf is not tested: {error:#}")),
        }
        let versions: Vec<&str> = found.iter().map(|peer| peer.version.as_str()).collect();
        say(&format!("peers: HashiCorp serf {}", versions.join(" and ")));
        Ok(peers.insert(found).clone())
    }

    /// The claim holds with every version. They are tried side by side.
    ///
    /// # Errors
    /// With the version with which it does not.
    pub fn each(claim: impl Fn(&Self) -> Result<()> + Sync) -> Result<()> {
        let peers = Self::all()?;
        std::thread::scope(|scope| {
            let tried: Vec<_> =
                peers.iter().map(|peer| (peer, scope.spawn(|| claim(peer)))).collect();
            let results = tried.into_iter().map(|(peer, tried)| {
                let result = tried.join().unwrap_or_else(|_| bail!("it panicked"));
                result.with_context(|| format!("with HashiCorp serf {}", peer.version))
            });
            let failed: Vec<anyhow::Error> = results.filter_map(Result::err).collect();
            let texts: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
            ensure!(failed.is_empty(), "{}", texts.join("\n\n"));
            Ok(())
        })
    }
}

/// Says something that a person sees even when all tests pass.
pub fn say(text: &str) {
    // Nobody may read it.
    let _ = writeln!(std::io::stderr(), "interop: {text}");
}

fn shelf() -> Result<PathBuf> {
    let shelf = workspace().join("target/serf-peers");
    fs::create_dir_all(&shelf).with_context(|| shelf.display().to_string())?;
    Ok(shelf)
}

/// From the host's archive.
fn host() -> Result<Peer> {
    let place = shelf()?.join("host");
    if let Ok(peer) = unpacked(&place) {
        return Ok(peer);
    }
    let fetched = tempfile::tempdir()?;
    // Asked by hand first: lists may be missing on a new machine, where
    // fetching them is all that it takes.
    if let Err(error) =
        run(Command::new("apt-get").args(["download", "serf"]).current_dir(fetched.path()))
    {
        run(Command::new("apt-get").args(["-q", "update"]).current_dir(fetched.path()))?;
        run(Command::new("apt-get").args(["download", "serf"]).current_dir(fetched.path()))
            .context(error)?;
    }
    let mut files = fs::read_dir(fetched.path())?;
    let deb = files.next().context("apt-get downloaded nothing")??.path();
    unpack(&deb, &place)
}

/// The package that the recipe's lock names: from the builder's cache, or from
/// the archive that the lock names.
fn locked() -> Result<Peer> {
    let path = workspace().join("recipes/retail.lock");
    let lock = Lock::load(&path)?;
    let package = lock.packages.iter().find(|package| package.name == "serf");
    let package = package.with_context(|| format!("{} has no serf", path.display()))?;
    let place = shelf()?.join(&package.sha256);
    if let Ok(peer) = unpacked(&place) {
        return Ok(peer);
    }
    let cached = users_cache()?.join("debs").join(format!("{}.deb", package.sha256));
    if cached.is_file() {
        return unpack(&cached, &place);
    }
    let fetched = tempfile::tempdir()?;
    let deb = fetched.path().join("serf.deb");
    fetch(&lock, package, &deb)?;
    unpack(&deb, &place)
}

fn fetch(lock: &Lock, package: &LockedPackage, to: &Path) -> Result<()> {
    let archive = &lock.archive_of(package).context("the lock names no archive")?.url;
    let mut helper = Command::new("/usr/lib/apt/apt-helper");
    helper.args(["-o", "APT::Sandbox::User=root", "download-file"]);
    helper.arg(format!("{archive}/{}", package.filename)).arg(to);
    run(helper.arg(format!("SHA256:{}", package.sha256)).current_dir("/")).map(drop)
}

/// Unpacks a package beside `place`, and puts it there whole: other processes
/// may be doing the same.
fn unpack(deb: &Path, place: &Path) -> Result<Peer> {
    let draft = tempfile::tempdir_in(shelf()?)?;
    run(Command::new("dpkg-deb").arg("-x").arg(deb).arg(draft.path()).current_dir("/"))?;
    let version = run(Command::new("dpkg-deb").arg("-f").arg(deb).arg("Version").current_dir("/"))?;
    fs::write(draft.path().join("version"), version.trim())?;
    let draft = draft.keep();
    if fs::rename(&draft, place).is_err() {
        // Somebody was faster.
        fs::remove_dir_all(&draft)?;
    }
    unpacked(place)
}

fn unpacked(place: &Path) -> Result<Peer> {
    let version = fs::read_to_string(place.join("version"))?;
    let program = place.join("usr/bin/serf");
    ensure!(program.is_file(), "no {}", program.display());
    Ok(Peer { version, program })
}
