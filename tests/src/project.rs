//! Projects and caches of one's own, beside the real ones.

use crate::command::{Ashlar, workspace};
use anyhow::{Context, Result, ensure};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A copy of our recipes and overlays at another path.
#[derive(Debug)]
pub struct Project {
    directory: TempDir,
}

impl Project {
    /// With all our recipes and locks.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn copy() -> Result<Self> {
        let directory = scratch("project")?;
        let copied = Command::new("cp")
            .args(["--archive", "recipes", "overlays"])
            .arg(directory.path())
            .current_dir(workspace())
            .status()?;
        ensure!(copied.success(), "cp ended with {copied}");
        Ok(Self { directory })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a recipe.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn recipe(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join("recipes").join(format!("{name}.toml"));
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// `ashlar build --profile …` in it, with the agent as it was built for the
    /// real project.
    ///
    /// # Errors
    /// When `ashlar` was not built.
    pub fn build(&self, profile: &str) -> Result<Ashlar> {
        Ok(Ashlar::new(["build", "--json", "--profile", profile])?
            .project(self.path())
            .arg("--agent-dir")
            .arg(programs()?))
    }

    /// Nothing was published, and nothing half-made is left in it.
    ///
    /// # Errors
    /// With what there is.
    pub fn is_clean(&self) -> Result<()> {
        let made = entries(&self.path().join("out"))?;
        let mut inside = Vec::new();
        for profile in made {
            inside.extend(entries(&profile)?);
        }
        ensure!(inside.is_empty(), "something was left: {inside:?}");
        Ok(())
    }
}

/// A cache without finished steps. It shares the user's packages and tools,
/// which are told apart by their contents.
#[derive(Debug)]
pub struct Cache {
    directory: TempDir,
}

impl Cache {
    /// Without any finished step.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn empty() -> Result<Self> {
        let users = users_cache()?;
        // Beside the user's: packages are linked, which only one file system can.
        let beside = users.parent().context("a directory")?;
        let directory = tempfile::Builder::new().prefix(".ashlar-test-").tempdir_in(beside)?;
        std::fs::create_dir_all(directory.path().join("steps"))?;
        for shared in ["debs", "apt", "steps/tools"] {
            symlink(existing(&users.join(shared))?, directory.path().join(shared))?;
        }
        Ok(Self { directory })
    }

    /// Makes a directory of another file system such a cache.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fill(directory: &Path) -> Result<()> {
        let users = users_cache()?;
        std::fs::create_dir_all(directory.join("steps"))?;
        symlink(existing(&users.join("steps/tools"))?, directory.join("steps/tools"))?;
        for own in ["debs", "apt"] {
            let copied = Command::new("cp")
                .arg("--recursive")
                .args([existing(&users.join(own))?, directory.join(own)])
                .status()?;
            ensure!(copied.success(), "cp ended with {copied}");
        }
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Nothing half-made is in it.
    ///
    /// # Errors
    /// With what there is.
    pub fn is_clean(&self) -> Result<()> {
        is_clean(self.path())
    }
}

/// Our programs, as the real project's last build compiled them for the image.
///
/// # Errors
/// When none were compiled yet.
pub fn programs() -> Result<PathBuf> {
    let found = entries(&users_cache()?.join("programs"))?;
    let written = |path: &PathBuf| path.join("compiled.json").metadata()?.modified();
    let newest = found.into_iter().filter_map(|path| Some((written(&path).ok()?, path))).max();
    let (_, path) = newest.context("no programs yet: build the image first")?;
    Ok(path.join("out"))
}

/// Copies the sources of the workspace, as git knows them, into a directory.
///
/// # Errors
/// When they cannot be copied.
pub fn sources(to: &Path) -> Result<()> {
    let copy = "git ls-files -z | tar --create --null --files-from=- | tar --extract -C \"$1\"";
    let copied = Command::new("bash")
        .args(["-o", "pipefail", "-euc", copy, "bash"])
        .arg(to)
        .current_dir(workspace())
        .status()?;
    ensure!(copied.success(), "copying the sources ended with {copied}");
    Ok(())
}

/// The directory of the Rust toolchain that compiles the workspace.
///
/// # Errors
/// When there is none.
pub fn toolchain() -> Result<PathBuf> {
    let asked = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(workspace())
        .output()
        .context("rustc")?;
    ensure!(asked.status.success(), "rustc ended with {}", asked.status);
    Ok(String::from_utf8(asked.stdout)?.trim().into())
}

fn existing(path: &Path) -> Result<PathBuf> {
    ensure!(path.is_dir(), "{} is missing: build the image first", path.display());
    Ok(path.to_owned())
}

/// Nothing half-made is in a cache.
///
/// # Errors
/// With what there is.
pub fn is_clean(cache: &Path) -> Result<()> {
    let left = entries(&cache.join("tmp"))?;
    ensure!(left.is_empty(), "half-made things are left: {left:?}");
    Ok(())
}

/// The cache that `ashlar build` uses by itself.
///
/// # Errors
/// When the user has no home.
pub fn users_cache() -> Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = from("ASHLAR_CACHE_DIR") {
        return Ok(named.into());
    }
    let base = from("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(from("HOME")?).join(".cache")));
    Ok(base.context("no HOME")?.join("ashlar"))
}

/// The tools root, for a test's own look at things.
///
/// # Errors
/// When there is none yet.
pub fn tools_root() -> Result<PathBuf> {
    let found = entries(&users_cache()?.join("steps/tools"))?;
    let roots = found.into_iter().filter(|path| path.is_dir());
    let newest = roots.max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok());
    Ok(newest.context("no tools root yet: build the image first")?.join("root"))
}

/// A directory that goes away by itself, with room for an image.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(what: &str) -> Result<TempDir> {
    let out = workspace().join("out");
    std::fs::create_dir_all(&out)?;
    let made = tempfile::Builder::new().prefix(&format!(".test-{what}-")).tempdir_in(&out)?;
    Ok(made)
}

/// What is in a directory; nothing if there is none.
///
/// # Errors
/// When it cannot be read.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let read = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    read.map(|entry| Ok(entry?.path())).collect()
}
