//! The crates that our programs are made of, by cargo's own account.

use super::SbomCrate;
use crate::cargo::absent;
use crate::error::{At, BuildError, Result};
use crate::layer::PROGRAMS;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The file beside compiled programs that lists their crates: who is handed the
/// programs may have neither their sources nor cargo.
pub(crate) const LIST: &str = "crates.json";

/// The text of that file, for the programs of a workspace. `words` tell cargo where
/// the crates are.
pub(crate) fn list(workspace: &Path, words: &[String]) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(&of(workspace, words)?).unwrap_or_default())
}

/// Reads that file.
pub(super) fn read(path: &Path) -> Result<Vec<SbomCrate>> {
    let text = std::fs::read(path).at("read", path)?;
    serde_json::from_slice(&text).map_err(|error| BuildError::Unexpected {
        what: format!("{} is no list of crates: {error}", path.display()),
    })
}

/// Asks cargo in a workspace.
fn of(workspace: &Path, words: &[String]) -> Result<Vec<SbomCrate>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(words)
        .current_dir(workspace)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| absent("cargo", source))?;
    let failed = |why: &str| BuildError::Unexpected {
        what: format!("cargo does not say which crates our programs are made of: {}", why.trim()),
    };
    if !asked.status.success() {
        return Err(failed(&String::from_utf8_lossy(&asked.stderr)));
    }
    parse(&asked.stdout).map_err(|error| failed(&error.to_string()))
}

/// What our programs link: neither tests nor build scripts.
fn parse(json: &[u8]) -> serde_json::Result<Vec<SbomCrate>> {
    let metadata: Metadata = serde_json::from_slice(json)?;
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let ours = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_none() && PROGRAMS.contains(&package.name.as_str()));
    let mut queue: Vec<&str> = ours.map(|package| package.id.as_str()).collect();
    let mut linked = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !linked.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
        let normal =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        queue.extend(dependencies.iter().filter(normal).map(|dependency| dependency.pkg.as_str()));
    }
    // Our own stand for themselves, as programs.
    let mut crates: Vec<SbomCrate> = metadata
        .packages
        .iter()
        .filter(|package| linked.contains(package.id.as_str()) && package.source.is_some())
        .map(|package| SbomCrate {
            name: package.name.clone(),
            version: package.version.clone(),
            // An old spelling of the same.
            licence: package.license.as_ref().map(|text| text.replace('/', " OR ")),
        })
        .collect();
    crates.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn only_what_is_linked_into_a_program_counts() {
        let package = |name: &str, source: Option<&str>| json!({ "id": name, "name": name, "version": "1", "license": "MIT/Apache-2.0", "source": source });
        let dependency = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let registry = Some("registry");
        let metadata = json!({
            "packages": [
                package("ashlar-agent", None), package("serf-rs", None), package("ashlar", None),
                package("tokio", registry), package("proptest", registry), package("clap", registry),
                package("bytes", registry),
            ],
            "resolve": { "nodes": [
                { "id": "ashlar-agent", "deps": [dependency("serf-rs", None), dependency("proptest", Some("dev"))] },
                { "id": "serf-rs", "deps": [dependency("tokio", None)] },
                { "id": "tokio", "deps": [dependency("bytes", None)] },
                { "id": "ashlar", "deps": [dependency("clap", None)] },
            ] },
        });
        let crates = parse(metadata.to_string().as_bytes()).unwrap();
        let names: Vec<&str> = crates.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["bytes", "tokio"]);
        assert_eq!(crates[0].licence.as_deref(), Some("MIT OR Apache-2.0"));
    }
}
