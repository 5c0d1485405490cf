//! The tools root: a small Debian 13 with every program that makes or runs an
//! image. Bootstrapped once, so that all hosts use the same tools.

use crate::error::{At, Result};
use crate::events::Events;
use crate::store::Store;
use crate::{archive, digest, layer};
use ashlar_sandbox::Sandbox;
use ashlar_sandbox::host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is in it, each with its reason: `data/tools.list`.
const LIST: &str = include_str!("../data/tools.list");

/// Counts changes of how the root is made.
const REVISION: u32 = 2;

/// A ready tools root.
#[derive(Clone, Debug)]
pub struct Toolbox {
    root: PathBuf,
    versions: BTreeMap<String, String>,
}

impl Toolbox {
    /// Where it is, or will be.
    pub fn place(store: &Store) -> PathBuf {
        store.step("tools", &digest::text(format!("{REVISION}{LIST}"))[..32])
    }

    /// Bootstraps it if it is not there yet. Needs the network only then.
    pub fn ready(store: &Store, events: &dyn Events) -> Result<Self> {
        let place = Self::place(store);
        host::check(&["bwrap"])?;
        if !place.is_dir() {
            host::check(&["mmdebstrap"])?;
            let activity = events.begin("bootstrapping the tools (once)");
            let made = bootstrap(store, &place);
            drop(activity);
            made?;
        }
        store.touch(&place);
        let list = place.join("versions");
        let text = std::fs::read_to_string(&list).at("read", &list)?;
        let versions = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .collect();
        Ok(Self { root: place.join("root"), versions })
    }

    /// Where tools are run.
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::new(&self.root)
    }

    /// Hash over the versions of these tools, which decide about a step's events.
    pub fn digest_of(&self, packages: &[&str]) -> String {
        let lines = packages.iter().map(|name| {
            format!("{name} {}\n", self.versions.get(*name).map_or("", String::as_str))
        });
        digest::text(lines.collect::<String>())
    }

    /// The versions of the tools that were asked for by name.
    pub fn named_versions(&self) -> BTreeMap<String, String> {
        let version = |name: &str| self.versions.get(name).cloned();
        packages().filter_map(|name| Some((name.to_owned(), version(name)?))).collect()
    }
}

fn packages() -> impl Iterator<Item = &'static str> {
    LIST.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|name| !name.is_empty())
}

fn bootstrap(store: &Store, place: &Path) -> Result<()> {
    let draft = store.draft("tools")?;
    let root = draft.path().join("root");
    let include: Vec<&str> = packages().collect();
    Sandbox::host()
        .command("bootstrapping the tools root", "mmdebstrap")
        .network()
        .args(["--mode=root", "--variant=apt", "--format=directory", "--architectures=amd64"])
        .arg("--dpkgopt=force-unsafe-io")
        .arg("--aptopt=APT::Install-Recommends false")
        .arg(format!("--include={}", include.join(",")))
        .arg("trixie")
        .arg(&root)
        .args(archive::suites(&["main"]))
        .run()?;
    // What mmdebstrap copied from the host would end up in images.
    for name in ["etc/resolv.conf", "etc/hosts", "etc/hostname"] {
        layer::put(&root, name, b"", 0o644)?;
    }
    let versions = Sandbox::new(&root)
        .command("listing the tools", "dpkg-query")
        .args(["--show", "--showformat=${Package} ${Version}\\n"])
        .run()?;
    let list = draft.path().join("versions");
    std::fs::write(&list, versions).at("written", &list)?;
    draft.keep(place)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_tools_has_no_comments_or_blanks_left_in_its_names() {
        let names: Vec<_> = super::packages().collect();
        assert!(names.contains(&"mmdebstrap"));
        assert!(names.iter().all(|name| !name.contains([' ', '#'])));
    }
}
