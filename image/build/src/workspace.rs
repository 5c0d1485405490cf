//! Which packages of the workspace our programs consist of, by its manifests.

use crate::error::{At, BuildError, Result};
use crate::layer::PROGRAMS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The packages of the workspace that our programs consist of, as folders below
/// its root.
pub(crate) fn packages(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let read = |folder: &Path| -> Result<toml::Table> {
        let path = root.join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).at("read", &path)?;
        toml::from_str(&text).map_err(|error| BuildError::Unexpected {
            what: format!("{} is no manifest: {error}", path.display()),
        })
    };
    let workspace = read(Path::new(""))?;
    let shared = &workspace.get("workspace").and_then(|table| table.get("dependencies"));
    let path_of = |entry: &toml::Value| entry.get("path")?.as_str().map(PathBuf::from);
    let members = workspace.get("workspace").and_then(|table| table.get("members")?.as_array());
    let members = members.into_iter().flatten().filter_map(|member| member.as_str());
    let mut queue = Vec::new();
    for member in members.map(PathBuf::from) {
        let manifest = read(&member)?;
        let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
        if name.is_some_and(|name| PROGRAMS.contains(&name)) {
            queue.push(member);
        }
    }
    let mut found = BTreeSet::new();
    while let Some(folder) = queue.pop() {
        if !found.insert(folder.clone()) {
            continue;
        }
        let manifest = read(&folder)?;
        for kind in ["dependencies", "build-dependencies"] {
            let table = manifest.get(kind).and_then(|table| table.as_table());
            for (name, entry) in table.into_iter().flatten() {
                // A member's own path is relative to it, the workspace's to the root.
                let own = path_of(entry).map(|path| normal(&folder.join(path)));
                let inherited = entry.get("workspace").is_some();
                let of_all = || path_of(shared.as_ref()?.get(name)?);
                queue.extend(own.or_else(|| inherited.then(of_all).flatten()));
            }
        }
    }
    Ok(found)
}

/// A relative path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_programs_consist_of_the_agent_s_packages_and_not_of_the_builder_s() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let found = packages(root).unwrap();
        for folder in ["agent/daemon", "agent/serf-rs", "agent/cluster", "agent/ctl"] {
            assert!(found.contains(Path::new(folder)), "{found:?}");
        }
        assert!(!found.contains(Path::new("image/build")), "{found:?}");
    }
}
