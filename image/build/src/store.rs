//! The cache: outputs of finished steps by the hash of their inputs, and
//! packages by the hash of their contents.
//!
//! ```text
//! <cache>/steps/<step>/<key>/…          the output of a step, never changed
//! <cache>/steps/<step>/<key>.contents   what is in it; without this it does not count
//! <cache>/debs/<sha256>.deb             packages
//! <cache>/apt/                          apt's lists
//! <cache>/programs/<key>/               where our own programs are compiled
//! <cache>/last/<profile>.json           the inputs of the last build, for --explain
//! <cache>/logs/                         all that failed tools printed
//! <cache>/tmp/<process>/                what is being made; locked while its process lives
//! <cache>/build.lock                    held by the one running build
//! ```
//!
//! Opening it writes nothing; what is needed is made when it is needed.

use crate::contents::{Check, Contents, Depth, record_of};
use crate::digest;
use crate::draft::{Draft, Drafts};
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::files::{let_everybody_read, sync, write_whole};
use ashlar_sandbox::{Cancel, Sandbox};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The cache directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    drafts: Drafts,
}

/// Held while a build runs.
#[derive(Debug)]
pub struct BuildLock(#[expect(dead_code, reason = "held")] Flock<File>);

impl Store {
    /// Where the cache is: `named`, or `$XDG_CACHE_HOME/ashlar`, or
    /// `~/.cache/ashlar`. Nothing is made.
    ///
    /// # Errors
    ///
    /// When none of them is set.
    pub fn place(named: Option<&Path>) -> Result<PathBuf> {
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match (named, from("XDG_CACHE_HOME"), from("HOME")) {
            (Some(named), ..) => named.to_owned(),
            (None, Some(cache), _) => PathBuf::from(cache).join("ashlar"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/ashlar"),
            (None, None, None) => {
                let what = "no place for the cache: set HOME, or give --cache-dir".into();
                return Err(BuildError::Unexpected { what });
            }
        };
        Ok(std::path::absolute(&root).at("found", &root)?)
    }

    /// Opens the cache in its [place](Self::place).
    ///
    /// # Errors
    ///
    /// When there is no place for it.
    pub fn open(named: Option<&Path>) -> Result<Self> {
        let root = Self::place(named)?;
        Ok(Self { drafts: Drafts::below(root.join("tmp")), root })
    }

    /// The cache directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes this the only build that uses the cache, once those before it have
    /// ended, and removes what killed ones left half-written.
    ///
    /// # Errors
    ///
    /// When the cache cannot be written, or the wait is cancelled.
    pub fn lock(&self, events: &dyn Events) -> Result<BuildLock> {
        self.make()?;
        let lock = self.hold("build", events)?;
        self.sweep()?;
        Ok(lock)
    }

    /// Removes what killed processes left half-written.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn sweep(&self) -> Result<()> {
        self.make()?;
        self.drafts.sweep()
    }

    /// Makes the directories that others write into.
    pub(crate) fn make(&self) -> Result<()> {
        for directory in ["steps", "debs", "apt/lists/partial", "apt/state", "last", "tmp"] {
            let path = self.root.join(directory);
            std::fs::create_dir_all(&path).at("made", path)?;
        }
        Ok(())
    }

    /// Waits for a lock of the cache; with a word, if another process has it.
    pub(crate) fn hold(&self, name: &str, events: &dyn Events) -> Result<BuildLock> {
        std::fs::create_dir_all(&self.root).at("made", &self.root)?;
        let path = self.root.join(format!("{name}.lock"));
        let open = || {
            let mut options = File::options();
            options.create(true).truncate(false).read(true).write(true).open(&path)
        };
        let mut file = open().at("opened", &path)?;
        let cancel = events.cancel();
        let mut waiting = None;
        let mut lock = loop {
            cancel.check()?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((mut held, _)) => {
                    if waiting.is_none() {
                        let mut pid = String::new();
                        let _ = held.read_to_string(&mut pid);
                        let pid = pid.trim();
                        events.note(format_args!(
                            "another build{} uses {}; this one waits for it",
                            if pid.is_empty() {
                                String::new()
                            } else {
                                format!(" (process {pid})")
                            },
                            self.root.display()
                        ));
                        waiting = Some(events.begin("waiting for another build"));
                    }
                    // Waiting inside `flock` could not be cancelled.
                    std::thread::sleep(Duration::from_millis(100));
                    file = held;
                }
            }
        };
        drop(waiting);
        lock.set_len(0).and_then(|()| lock.rewind()).at("written", &path)?;
        writeln!(lock, "{}", std::process::id()).at("written", &path)?;
        Ok(BuildLock(lock))
    }

    /// Where the output of a step is, or will be.
    pub fn step(&self, step: &str, key: &str) -> PathBuf {
        self.root.join("steps").join(step).join(key)
    }

    /// Where a package is, or will be.
    pub fn deb(&self, sha256: &str) -> PathBuf {
        self.root.join("debs").join(format!("{sha256}.deb"))
    }

    /// Links a package out of the cache and reads it: what is there may have been damaged
    /// since. Then it is removed, and this is false.
    pub(crate) fn link_deb(&self, sha256: &str, to: &Path) -> Result<bool> {
        let deb = self.deb(sha256);
        // A cache of packages that somebody else lends allows no links.
        std::fs::hard_link(&deb, to)
            .or_else(|_| std::fs::copy(&deb, to).map(drop))
            .at("read", &deb)?;
        if digest::file(to)? != sha256 {
            for damaged in [deb.as_path(), to] {
                std::fs::remove_file(damaged).at("removed", damaged)?;
            }
            return Ok(false);
        }
        let_everybody_read(to)?;
        self.touch(&deb);
        Ok(true)
    }

    /// Makes sure that packages which were just put there survive a power cut.
    pub(crate) fn sync_debs(&self) -> Result<()> {
        let debs = self.root.join("debs");
        Ok(File::open(&debs).and_then(|directory| directory.sync_all()).at("written", debs)?)
    }

    /// apt's own directory.
    pub fn apt(&self) -> PathBuf {
        self.root.join("apt")
    }

    /// Where all that failed tools printed is kept.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The inputs of the last build of a profile.
    pub fn last(&self, profile: &str) -> PathBuf {
        self.root.join("last").join(format!("{profile}.json"))
    }

    /// A directory to work in; removed when dropped, unless kept.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn draft(&self, name: &str) -> Result<Draft> {
        self.drafts.make(name)
    }

    /// Whether the output of a step is there, as far as can be told without
    /// looking into it.
    pub(crate) fn has(&self, output: &Path) -> bool {
        output.is_dir() && record_of(output).is_file()
    }

    /// What is wrong with the output of a step; nothing, if it is what was written.
    pub(crate) fn damage(
        &self,
        output: &Path,
        depth: Depth,
        cancel: &Cancel,
    ) -> Result<Option<String>> {
        if !output.is_dir() {
            return Ok(Some("it is not there".to_owned()));
        }
        let Some(mut contents) = self.contents(output) else {
            return Ok(Some("it was never finished".to_owned()));
        };
        Ok(match contents.check(output, depth, cancel)? {
            Check::Same => None,
            Check::Restamped => {
                // A cache that somebody lends cannot be written: it is read again.
                let _ = write_record(output, &contents);
                None
            }
            Check::Damaged(name) => Some(format!("{name} is not what was written")),
        })
    }

    /// Whether the output of a step is there and is what it was; if it is not, it
    /// is removed, with a word.
    pub(crate) fn usable(&self, output: &Path, depth: Depth, events: &dyn Events) -> Result<bool> {
        let Some(damage) = self.damage(output, depth, &events.cancel())? else { return Ok(true) };
        if output.is_dir() {
            let named = output.strip_prefix(self.root.join("steps")).unwrap_or(output);
            let named = named.display();
            events.warning(format_args!("{named} is damaged and is made again: {damage}"));
            self.remove(output)?;
        }
        Ok(false)
    }

    /// The record of a step's contents.
    pub(crate) fn contents(&self, output: &Path) -> Option<Contents> {
        serde_json::from_slice(&std::fs::read(record_of(output)).ok()?).ok()
    }

    /// Makes the output of a step count: all of it is brought to the disk, then
    /// written down.
    pub(crate) fn seal(&self, output: &Path, cancel: &Cancel) -> Result<()> {
        let contents = Contents::of(output, cancel)?;
        sync(output)?;
        write_record(output, &contents)
    }

    pub(crate) fn remove(&self, output: &Path) -> Result<()> {
        let record = record_of(output);
        if record.exists() {
            std::fs::remove_file(&record).at("removed", record)?;
        }
        Ok(Sandbox::remove(output)?)
    }

    /// Notes that a build used this entry just now, for `cache gc`.
    pub fn touch(&self, entry: &Path) {
        if let Ok(directory) = File::open(entry) {
            let _ = directory.set_modified(SystemTime::now());
        }
    }
}

fn write_record(output: &Path, contents: &Contents) -> Result<()> {
    let path = record_of(output);
    let text = serde_json::to_vec(contents).map_err(|error| BuildError::Unexpected {
        what: format!("{} cannot be written as JSON: {error}", path.display()),
    })?;
    write_whole(&path, &text)?;
    // Whoever is lent the output looks at it by this.
    let_everybody_read(&path)
}

#[cfg(test)]
mod tests;
