//! What the recipe adds to the base: overlays, our programs, and the files that
//! are made from the recipe. Everything belongs to root, whoever checked the
//! repository out, and has one of three modes.

use crate::error::{At, BuildError, Result};
use crate::files::set_mode;
use ashlar_recipe::{Composed, DiskSettings, Size};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program of ours that goes into `/usr/bin`.
pub const PROGRAMS: [&str; 4] = ["ashlar-agent", "ashlarctl", "ashlar-console", "ashlar-install"];

/// What the image says about itself.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Release<'a> {
    /// The recipe's name.
    pub profile: &'a str,
    /// The image's version.
    pub version: &'a str,
}

impl Release<'_> {
    /// Writes down in a layer which release it is of.
    pub(crate) fn fill(&self, layer: &Path) -> Result<()> {
        let mut about = serde_json::to_string(self).map_err(|error| BuildError::Unexpected {
            what: format!("release.json cannot be written down: {error}"),
        })?;
        about.push('\n');
        put(layer, "usr/lib/ashlar/release.json", about.as_bytes(), 0o644)
    }
}

/// Puts a program of ours into a layer.
pub(crate) fn program(layer: &Path, name: &str, from: &Path) -> Result<()> {
    let content = std::fs::read(from).at("read", from)?;
    put(layer, &format!("usr/bin/{name}"), &content, 0o755)
}

/// What the recipe adds besides our programs, wherever it lies.
#[derive(Clone, Debug)]
pub(crate) struct Settings<'a> {
    /// Trees, in the order in which they are laid.
    pub overlays: &'a [PathBuf],
    /// The agent's settings.
    pub agent: &'a str,
    /// Stacks by name.
    pub stacks: Vec<(String, PathBuf)>,
    /// Sizes by partition definition.
    pub partitions: Vec<(String, String)>,
}

impl<'a> Settings<'a> {
    /// Those of a recipe, as they lie in the project.
    pub(crate) fn of(composed: &'a Composed, agent: &'a str) -> Self {
        let stack = |s: &ashlar_recipe::StackFile| (s.name.clone(), s.path.clone());
        Self {
            overlays: &composed.overlays,
            agent,
            stacks: composed.stacks.iter().map(stack).collect(),
            partitions: partition_sizes(&composed.recipe.disk),
        }
    }

    /// Fills a directory with them.
    pub(crate) fn fill(&self, layer: &Path) -> Result<()> {
        for overlay in self.overlays {
            lay(overlay, layer)?;
        }
        put(layer, "usr/lib/ashlar/agent.toml", self.agent.as_bytes(), 0o644)?;
        for (name, path) in &self.stacks {
            let text = std::fs::read(path).at("read", path)?;
            put(layer, &format!("usr/lib/ashlar/stacks/{name}.yml"), &text, 0o644)?;
        }
        for (definition, sizes) in &self.partitions {
            let path = format!("usr/lib/repart.d/{definition}.conf.d/50-recipe.conf");
            put(layer, &path, sizes.as_bytes(), 0o644)?;
        }
        Ok(())
    }
}

/// The recipe's settings of the agent, as the agent reads them.
pub(crate) fn agent_settings(composed: &Composed) -> Result<String> {
    toml::to_string(&composed.recipe.agent).map_err(|error| BuildError::Unexpected {
        what: format!("the recipe's [agent] table cannot be written down: {error}"),
    })
}

/// Debian's `os-release`, with the image's own name and version. The boot menu and
/// `hostnamectl` show `PRETTY_NAME`; programs that ask which distribution this is
/// are still told Debian. `book` is where the book is; empty without one.
pub(crate) fn os_release(base: &Path, release: &Release<'_>, book: &str) -> Result<String> {
    let path = base.join("usr/lib/os-release");
    let debian = std::fs::read_to_string(&path).at("read", &path)?;
    let theirs = debian.lines().filter(|line| !line.starts_with("PRETTY_NAME="));
    let mut text: String = theirs.map(|line| format!("{line}\n")).collect();
    let Release { profile, version } = release;
    text.push_str(&format!(
        "PRETTY_NAME=\"Ashlar {version} ({profile})\"\n\
         IMAGE_ID=ashlar-{profile}\nIMAGE_VERSION={version}\n"
    ));
    if !book.is_empty() {
        text.push_str(&format!("DOCUMENTATION_URL=\"{book}\"\n"));
    }
    Ok(text)
}

/// The recipe's sizes, as drop-ins for the partition definitions.
pub(crate) fn partition_sizes(disk: &DiskSettings) -> Vec<(String, String)> {
    let fixed = |size: Size| {
        let bytes = size.as_bytes();
        format!("[Partition]\nSizeMinBytes={bytes}\nSizeMaxBytes={bytes}\n")
    };
    let least = |size: Size| format!("[Partition]\nSizeMinBytes={}\n", size.as_bytes());
    [
        ("10-esp", fixed(disk.esp)),
        ("20-root-a", fixed(disk.root)),
        ("21-verity-a", fixed(disk.verity)),
        ("30-root-b", fixed(disk.root)),
        ("31-verity-b", fixed(disk.verity)),
        ("40-seed", fixed(disk.seed)),
        ("50-state", least(disk.state)),
        ("60-data", least(disk.data)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec()
}

/// Copies an overlay over what is there.
pub(crate) fn lay(overlay: &Path, onto: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(overlay).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from).at("read", overlay)?;
        let from = entry.path();
        let name = from.strip_prefix(overlay).unwrap_or(from);
        let to = onto.join(name);
        if entry.file_type().is_dir() {
            make_directories(onto, name)?;
        } else if entry.file_type().is_symlink() {
            let target = std::fs::read_link(from).at("read", from)?;
            remove_if_there(&to)?;
            std::os::unix::fs::symlink(target, &to).at("made", &to)?;
        } else {
            let mode = std::fs::metadata(from).at("read", from)?.permissions().mode();
            let content = std::fs::read(from).at("read", from)?;
            let name = name.to_string_lossy();
            put(onto, &name, &content, if mode & 0o100 == 0 { 0o644 } else { 0o755 })?;
        }
    }
    Ok(())
}

/// Writes one file below `root`.
pub(crate) fn put(root: &Path, name: &str, content: &[u8], mode: u32) -> Result<()> {
    let path = root.join(name);
    if let Some(parent) = Path::new(name).parent() {
        make_directories(root, parent)?;
    }
    remove_if_there(&path)?;
    std::fs::write(&path, content).at("written", &path)?;
    set_mode(&path, mode)
}

/// `mkdir -p` with mode 0755, whatever the umask.
fn make_directories(root: &Path, name: &Path) -> Result<()> {
    let mut path = root.to_owned();
    for part in name.components() {
        path.push(part);
        match std::fs::create_dir(&path) {
            Ok(()) => set_mode(&path, 0o755)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Ok(Err(error).at("made", path)?),
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Ok(Err(error).at("replaced", path)?)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_boot_menu_names_the_release_and_programs_are_told_which_debian_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n";
        std::fs::write(dir.path().join("usr/lib/os-release"), debian).unwrap();
        let release = Release { profile: "shop", version: "7" };
        let text = os_release(dir.path(), &release, "").unwrap();
        assert_eq!(
            text,
            "ID=debian\nPRETTY_NAME=\"Ashlar 7 (shop)\"\nIMAGE_ID=ashlar-shop\nIMAGE_VERSION=7\n"
        );
        let text = os_release(dir.path(), &release, "https://docs.example.org/").unwrap();
        assert!(text.ends_with("\nDOCUMENTATION_URL=\"https://docs.example.org/\"\n"), "{text}");
    }

    #[test]
    fn modes_do_not_depend_on_who_checked_the_overlay_out() {
        let dir = tempfile::tempdir().unwrap();
        let (overlay, onto) = (dir.path().join("overlay"), dir.path().join("onto"));
        std::fs::create_dir_all(overlay.join("usr/lib")).unwrap();
        std::fs::create_dir(&onto).unwrap();
        for (name, given) in [("usr/lib/secretive", 0o600), ("usr/lib/tool", 0o770)] {
            std::fs::write(overlay.join(name), "x").unwrap();
            set_mode(&overlay.join(name), given).unwrap();
        }
        set_mode(&overlay.join("usr/lib"), 0o777).unwrap();
        lay(&overlay, &onto).unwrap();
        assert_eq!(mode(&onto.join("usr/lib/secretive")), 0o644);
        assert_eq!(mode(&onto.join("usr/lib/tool")), 0o755);
        assert_eq!(mode(&onto.join("usr/lib")), 0o755);
    }

    #[test]
    fn a_later_overlay_replaces_a_file_with_a_link_and_the_reverse() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, onto) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("onto"));
        for path in [&a, &b, &onto] {
            std::fs::create_dir(path).unwrap();
        }
        std::fs::write(a.join("x"), "file").unwrap();
        std::os::unix::fs::symlink("/dev/null", b.join("x")).unwrap();
        lay(&a, &onto).unwrap();
        lay(&b, &onto).unwrap();
        assert_eq!(std::fs::read_link(onto.join("x")).unwrap(), Path::new("/dev/null"));
        lay(&a, &onto).unwrap();
        assert_eq!(std::fs::read_to_string(onto.join("x")).unwrap(), "file");
    }

    #[test]
    fn both_slots_get_the_size_that_the_recipe_says() {
        let disk = DiskSettings { root: Size::gibibytes(3), ..DiskSettings::default() };
        let sizes = partition_sizes(&disk);
        let of = |name: &str| sizes.iter().find(|(other, _)| *other == name).unwrap().1.clone();
        assert!(of("20-root-a").contains("SizeMaxBytes=3221225472"));
        assert_eq!(of("20-root-a"), of("30-root-b"));
    }
}
