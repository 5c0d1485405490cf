//! Recipes for other image builders: an exit for users, and a second opinion on
//! our own builds.

pub mod mkosi;
mod regex;

use crate::BuildError;
use crate::layer::{PROGRAMS, Release, Settings, agent_settings, lay, program, put};
use ashlar_recipe::Composed;
use ashlar_sandbox::SandboxError;
use miette::{IntoDiagnostic, WrapErr, miette};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files by path, with their text and mode.
pub type Files = BTreeMap<String, File>;

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    text: String,
    mode: u32,
}

impl File {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: 0o644 }
    }

    fn script(text: impl Into<String>) -> Self {
        Self { text: text.into(), mode: 0o755 }
    }
}

/// What goes into an export besides the rendered files.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The recipe.
    pub composed: &'a Composed,
    /// The directory with our programs.
    pub programs: &'a Path,
    /// The image's version.
    pub version: &'a str,
}

/// Writes an mkosi tree into a directory: whole, or not at all. An older export
/// is replaced; anything else is left alone.
pub fn write(contents: &Contents<'_>, files: &Files, to: &Path) -> miette::Result<()> {
    let describe = || format!("the export cannot be written to {}", to.display());
    if to.exists() && !is_replaceable(to).into_diagnostic().wrap_err_with(describe)? {
        return Err(miette!(
            help = "name a new or an empty directory",
            "{} is not empty, and not an earlier export",
            to.display()
        ));
    }
    let parent = parent(to);
    std::fs::create_dir_all(&parent).into_diagnostic().wrap_err_with(describe)?;
    let draft = tempfile::Builder::new()
        .prefix(".export-")
        .tempdir_in(&parent)
        .into_diagnostic()
        .wrap_err_with(describe)?;
    fill(contents, files, draft.path())?;
    let swap = || -> std::io::Result<()> {
        std::fs::set_permissions(draft.path(), std::fs::Permissions::from_mode(0o755))?;
        if to.exists() {
            std::fs::remove_dir_all(to)?;
        }
        std::fs::rename(draft.path(), to)
    };
    swap().into_diagnostic().wrap_err_with(describe)?;
    // Renamed away: there is nothing left to remove.
    let _ = draft.keep();
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn is_replaceable(directory: &Path) -> std::io::Result<bool> {
    if std::fs::read_dir(directory)?.next().is_none() {
        return Ok(true);
    }
    match std::fs::read_to_string(directory.join("mkosi.conf")) {
        Ok(text) => Ok(text.starts_with(mkosi::MARK)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn fill(contents: &Contents<'_>, files: &Files, to: &Path) -> Result<(), BuildError> {
    let release = Release { profile: &contents.composed.name, version: contents.version };
    let extra = to.join("mkosi.extra");
    make(&extra)?;
    let agent = agent_settings(contents.composed)?;
    Settings::of(contents.composed, &agent).fill(&extra)?;
    for name in PROGRAMS {
        program(&extra, name, &contents.programs.join(name))?;
    }
    release.fill(&extra)?;
    let initrd = to.join("mkosi.images/initrd/mkosi.extra");
    for overlay in &contents.composed.initrd_overlays {
        make(&initrd)?;
        lay(overlay, &initrd)?;
    }
    // The image's own partition definitions, with what goes into each.
    let definitions = to.join("mkosi.repart");
    make(&definitions)?;
    lay(&extra.join("usr/lib/repart.d"), &definitions)?;
    for part in mkosi::MADE_ON_FIRST_BOOT {
        let unwanted = [definitions.join(part), definitions.join(format!("{part}.d"))];
        for path in unwanted.iter().filter(|path| path.exists()) {
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.map_err(|source| io("removed", path, source))?;
        }
    }
    for archive in &contents.composed.archives {
        if let Some(key) = &archive.key {
            let bytes = std::fs::read(&key.path).map_err(|source| io("read", &key.path, source))?;
            let name = mkosi::key_file(&archive.name, &key.path);
            put(to, &format!("mkosi.sandbox/etc/apt/keyrings/{name}"), &bytes, 0o644)?;
        }
    }
    for (name, file) in files {
        put(to, name, file.text.as_bytes(), file.mode)?;
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), BuildError> {
    std::fs::create_dir_all(directory).map_err(|source| io("made", directory, source))
}

fn io(verb: &'static str, path: &Path, source: std::io::Error) -> BuildError {
    SandboxError::Io { verb, path: path.to_owned(), source }.into()
}
