//! cargo on this host: it brings the crates of our programs, into its own home or,
//! for [`vendor`](crate::vendor()), into a directory beside the packages.
//!
//! Where crates lie ends up in programs, as places of panics. Kept crates are
//! therefore in a folder of the name that cargo gives its own copies, and are shown
//! to the compiler in the same place: both make the same bytes.

use crate::digest;
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::files::children;
use ashlar_sandbox::SandboxError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of a vendored directory with the crates.
pub(crate) const FOLDER: &str = "crates";
/// What cargo writes into each crate: the checksums of its files.
const SUMS: &str = ".cargo-checksum.json";

/// Brings the crates of the lock to where cargo keeps them; with the caller's own
/// configuration, which may name a proxy.
pub(crate) fn fetch(source: &Path, events: &dyn Events) -> Result<()> {
    let words = ["fetch", "--locked", "--quiet", "--target", "x86_64-unknown-linux-gnu"];
    run("fetching the crates of our programs", &words, source, events)
}

/// Fills `crates/` of a vendored directory, and gives the checksum of every crate's
/// own list. Nothing, if the project has no sources of ours.
pub(crate) fn vendor(
    source: &Path,
    directory: &Path,
    events: &dyn Events,
) -> Result<BTreeMap<String, String>> {
    if !source.join("Cargo.lock").is_file() {
        return Ok(BTreeMap::new());
    }
    // Afterwards cargo has a folder of its own, whose name is asked for.
    fetch(source, events)?;
    let own = home()?.join("registry/src");
    let name = only_folder(&own)?;
    let place = directory.join(FOLDER).join(&name);
    std::fs::create_dir_all(&place).at("made", &place)?;
    let place_text = place.to_string_lossy();
    let words = ["vendor", "--locked", "--quiet", "--versioned-dirs", &place_text];
    run("keeping the crates of our programs", &words, source, events)?;
    let mut sums = BTreeMap::new();
    for krate in children(&place)? {
        let list = krate.join(SUMS);
        let inside = list.strip_prefix(directory).unwrap_or(&list);
        sums.insert(inside.to_string_lossy().into_owned(), digest::file(&list)?);
    }
    Ok(sums)
}

/// What is wrong with the crates of a vendored directory, by file.
pub(crate) fn check(
    directory: &Path,
    events: &dyn Events,
) -> Result<BTreeMap<String, &'static str>> {
    #[derive(Deserialize)]
    struct Sums {
        files: BTreeMap<String, String>,
    }
    let mut wrong = BTreeMap::new();
    let place = directory.join(FOLDER);
    if !place.is_dir() {
        return Ok(wrong);
    }
    for krate in children(&place.join(only_folder(&place)?))? {
        events.cancel().check()?;
        let told = |path: &Path| {
            path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned()
        };
        let list = krate.join(SUMS);
        let sums = std::fs::read(&list).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let Some(Sums { files }) = sums else {
            wrong.insert(told(&list), "is not there, or is damaged");
            continue;
        };
        for (name, sum) in files {
            let file = krate.join(name);
            if !file.is_file() {
                wrong.insert(told(&file), "is not there");
            } else if digest::file(&file)? != sum {
                wrong.insert(told(&file), "is damaged: it is not what cargo kept");
            }
        }
    }
    Ok(wrong)
}

/// Where the compiler finds the crates, and what cargo is told of it.
#[derive(Debug)]
pub(crate) struct Crates {
    /// On the host.
    pub(crate) place: PathBuf,
    /// Below `/run/cargo`.
    pub(crate) inside: &'static str,
    /// The folder for crates.io, if they were kept.
    kept: Option<String>,
}

impl Crates {
    /// Of a vendored directory that has them; else fetched.
    pub(crate) fn ready(vendor: Option<&Path>, source: &Path, events: &dyn Events) -> Result<Self> {
        let kept = vendor.map(|vendor| vendor.join(FOLDER)).filter(|place| place.is_dir());
        let Some(place) = kept else {
            fetch(source, events)?;
            let place = home()?.join("registry");
            return Ok(Self { place, inside: "registry", kept: None });
        };
        let place = std::path::absolute(&place).at("found", &place)?;
        let kept = Some(only_folder(&place)?);
        Ok(Self { place, inside: "registry/src", kept })
    }

    /// As cargo keeps its own.
    #[cfg(test)]
    pub(crate) fn at(registry: &Path) -> Self {
        Self { place: registry.to_owned(), inside: "registry", kept: None }
    }

    /// What tells the compiler's cargo where they are.
    pub(crate) fn words(&self) -> Vec<String> {
        self.words_for(&Path::new("/run/cargo").join(self.inside))
    }

    /// What tells the cargo of this host, which may never have seen one of them.
    pub(crate) fn words_on_host(&self) -> Vec<String> {
        self.words_for(&self.place)
    }

    fn words_for(&self, place: &Path) -> Vec<String> {
        let Some(folder) = &self.kept else { return Vec::new() };
        // A basic string of TOML, whatever is in the path.
        let directory = toml::Value::from(place.join(folder).to_string_lossy().as_ref());
        let words = [
            "--config",
            "source.crates-io.replace-with=\"kept\"",
            "--config",
            &format!("source.kept.directory={directory}"),
        ];
        words.map(str::to_owned).to_vec()
    }
}

/// The name of the folder for crates.io; of several the newest, which this cargo uses.
fn only_folder(place: &Path) -> Result<String> {
    let named = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        name.starts_with("index.crates.io-").then(|| name.to_owned())
    };
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let found = children(place)?.into_iter();
    let newest = found.filter_map(|path| Some((changed(&path), named(&path)?))).max();
    newest.map(|(_, name)| name).ok_or_else(|| BuildError::Unexpected {
        what: format!("{} has no crates of crates.io", place.display()),
    })
}

/// Where cargo keeps the crates that it fetches.
fn home() -> Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = from("CARGO_HOME").or_else(|| Some(from("HOME")?.join(".cargo")));
    home.ok_or_else(|| BuildError::Unexpected {
        what: "cargo's directory is not known: set HOME or CARGO_HOME, or give --agent-dir".into(),
    })
}

fn run(what: &str, words: &[&str], source: &Path, events: &dyn Events) -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(source).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| absent("cargo", source))?;
    let cancel = events.cancel();
    let running = cancel.running(&child);
    let ended = child.wait_with_output().at("run", "cargo")?;
    drop(running);
    cancel.check()?;
    if ended.status.success() {
        return Ok(());
    }
    Err(SandboxError::Tool {
        what: what.into(),
        program: format!("cargo {}", words.join(" ")),
        status: ended.status.to_string(),
        tail: String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
        log: None,
    }
    .into())
}

/// A program of the host that cannot be started.
pub(crate) fn absent(program: &str, source: std::io::Error) -> BuildError {
    match source.kind() {
        std::io::ErrorKind::NotFound => {
            SandboxError::NotInstalled { program: program.to_owned() }.into()
        }
        _ => SandboxError::Io { verb: "run", path: program.into(), source }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Silent;

    #[test]
    fn a_kept_crate_that_was_changed_or_lost_a_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let krate = dir.path().join("crates/index.crates.io-0123/tidy-1.0.0");
        std::fs::create_dir_all(krate.join("src")).unwrap();
        std::fs::write(krate.join("src/lib.rs"), "fn tidy() {}\n").unwrap();
        std::fs::write(krate.join("README"), "tidy\n").unwrap();
        let sum = |name: &str| digest::file(&krate.join(name)).unwrap();
        let list = format!(
            r#"{{"files":{{"README":"{}","src/lib.rs":"{}"}},"package":"00"}}"#,
            sum("README"),
            sum("src/lib.rs")
        );
        std::fs::write(krate.join(SUMS), list).unwrap();
        assert!(check(dir.path(), &Silent).unwrap().is_empty());

        std::fs::write(krate.join("src/lib.rs"), "fn evil() {}\n").unwrap();
        std::fs::remove_file(krate.join("README")).unwrap();
        let wrong = check(dir.path(), &Silent).unwrap();
        let names: Vec<_> = wrong.keys().map(|name| name.rsplit_once('/').unwrap().1).collect();
        assert_eq!(names, ["README", "lib.rs"], "{wrong:?}");
        std::fs::remove_file(krate.join(SUMS)).unwrap();
        assert_eq!(check(dir.path(), &Silent).unwrap().len(), 1);
    }

    #[test]
    fn kept_crates_are_shown_where_cargo_s_own_are() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("crates/index.crates.io-0123")).unwrap();
        // No project: cargo is not asked.
        let crates = Crates::ready(Some(dir.path()), Path::new("/nonexistent"), &Silent).unwrap();
        assert_eq!(crates.inside, "registry/src");
        let told = crates.words().join(" ");
        assert!(told.contains("\"/run/cargo/registry/src/index.crates.io-0123\""), "{told}");
        // cargo on the host lists them for the bills; it has no other copy.
        let told = crates.words_on_host().join(" ");
        let place = dir.path().join("crates/index.crates.io-0123");
        assert!(told.contains(&format!("\"{}\"", place.display())), "{told}");
    }
}
