//! Checks that the papers of an image say what is in it.

use super::Severity::Error;
use super::programs::ours;
use super::{Check, Findings, Subject};
use crate::packages::Package;
use aho_corasick::AhoCorasick;
use miette::IntoDiagnostic;
use std::collections::{BTreeMap, BTreeSet};

/// Below which folder cargo keeps the sources of crates.io.
const REGISTRY: &str = "/index.crates.io-";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "packages-locked",
        severity: Error,
        rule: "the root has exactly the packages of the lock, in the locked versions",
        explanation: "dpkg's list in the root is compared with the lock as the manifest beside the \
                      image has it, or, without one, with the profile's lock of today. A package that is only in the \
                      root came by a way that nobody wrote down, one that is only in the lock got \
                      lost, and neither would be found when a hole in it is announced.",
        run: packages_locked,
    },
    Check {
        name: "bill-of-materials",
        severity: Error,
        rule: "the bill of materials beside the image names all that is in the root",
        explanation: "Scanners read the .cdx.json and not the image. Every package of the root \
                      must stand in it with its version, and so must each program and library \
                      that no package brought, whether an overlay has it or we compiled it, with the \
                      crates that it was compiled from: those that left the place of a panic in \
                      a program are looked for.",
        run: bill_of_materials,
    },
];

fn packages_locked(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(installed) = subject.packages()? else {
        findings.skip("dpkg's list is not in the root");
        return Ok(());
    };
    let locked = match crate::manifest_packages(&subject.image.disk.path)? {
        Some(locked) => Some(locked),
        None => subject.options.locked.clone(),
    };
    let Some(locked) = locked else {
        findings.skip("there is neither a lock nor a manifest; run it inside the project");
        return Ok(());
    };
    compare(&installed, &locked, "the lock", findings);
    Ok(())
}

fn by_name(packages: &[Package]) -> BTreeMap<(&str, &str), &str> {
    packages
        .iter()
        .map(|package| {
            ((package.name.as_str(), package.architecture.as_str()), package.version.as_str())
        })
        .collect()
}

fn compare(installed: &[Package], other: &[Package], what: &str, findings: &mut Findings) {
    let (root, other) = (by_name(installed), by_name(other));
    for (key, version) in &root {
        match other.get(key) {
            None => findings.add(key.0, format!("it is in the root and not in {what}")),
            Some(listed) if listed != version => {
                findings.add(key.0, format!("the root has {version}, {what} {listed}"));
            }
            Some(_) => {}
        }
    }
    for key in other.keys().filter(|key| !root.contains_key(*key)) {
        findings.add(key.0, format!("it is in {what} and not in the root"));
    }
}

fn bill_of_materials(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let directory = subject.image.disk.path.parent().unwrap_or(std::path::Path::new("."));
    let Ok(path) = crate::artefact_in(directory, ".cdx.json") else {
        findings.skip("there is no .cdx.json beside the image");
        return Ok(());
    };
    let text = std::fs::read_to_string(&path).into_diagnostic()?;
    let bill: serde_json::Value = serde_json::from_str(&text).into_diagnostic()?;
    let components = bill["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (mut listed, mut files, mut crates) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for component in components {
        let purl = text(&component["purl"]);
        if let Some(rest) = purl.strip_prefix("pkg:deb/") {
            let architecture = rest.split_once("arch=").map_or("", |(_, rest)| rest);
            listed.push(Package {
                name: text(&component["name"]),
                version: text(&component["version"]),
                architecture: architecture.split('&').next().unwrap_or_default().to_owned(),
                source: None,
            });
        } else if purl.starts_with("pkg:cargo/") {
            crates.insert(format!("{}-{}", text(&component["name"]), text(&component["version"])));
        }
        let properties = component["properties"].as_array().map(Vec::as_slice).unwrap_or_default();
        let paths = properties.iter().filter(|property| property["name"] == "ashlar:path");
        files.extend(paths.map(|property| text(&property["value"])));
    }
    if let Some(installed) = subject.packages()? {
        compare(&installed, &listed, "the bill of materials", findings);
    }
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let owners = crate::packages::owners(tree).into_diagnostic()?;
    for path in tree.programs().into_diagnostic()? {
        if !owners.contains_key(&path) && !files.contains(&path) {
            findings.add(path, "no package brought it, and the bill does not name it");
        }
    }
    let registry = AhoCorasick::new([REGISTRY]).into_diagnostic()?;
    for program in ours(tree) {
        let bytes = std::fs::read(tree.on_host(&program.path)).into_diagnostic()?;
        for name in crates_of(&registry, &bytes).difference(&crates) {
            findings.add(&program.path, format!("the bill does not name its crate {name}"));
        }
    }
    Ok(())
}

/// The crates in whose sources a program may panic, as `name-version`: not all that
/// it is made of, but told by the program itself.
fn crates_of(registry: &AhoCorasick, program: &[u8]) -> BTreeSet<String> {
    let name = |found: aho_corasick::Match| {
        let path = program.get(found.end()..)?;
        let end = path.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(path.len());
        let mut parts = std::str::from_utf8(&path[..end]).ok()?.split('/');
        let (_registry, name) = (parts.next()?, parts.next()?);
        // What follows says that the name is whole.
        parts.next()?;
        Some(name.to_owned())
    };
    registry.find_iter(program).filter_map(name).collect()
}
