//! Finds the sources of each step, because they are one of its inputs: its own
//! file, the files that this one uses, and the scripts that those include.
//!
//! `src/sources.rs` includes what is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Modules that carry a step and do not decide about what it makes: how it is
/// found, keyed, run, stored and told of.
const CARRIERS: [&str; 26] = [
    "cargo", "contents", "digest", "download", "draft", "entries", "error", "events", "execute",
    "explain", "fetch", "files", "index", "locking", "pipeline", "plan", "programs", "publish",
    "request", "resolve", "stage", "step", "step_id", "store", "tools", "vendor",
];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=data");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut steps = BTreeMap::new();
    for entry in std::fs::read_dir(root.join("src/step"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name != "mod" {
            let mut files = BTreeSet::new();
            gather(&root, path, &mut files)?;
            steps.insert(name, files);
        }
    }
    let mut text = String::from("&[\n");
    for (step, files) in steps {
        let _ = writeln!(text, "({step:?}, &[");
        for file in files {
            let name = file.strip_prefix(&root).unwrap_or(&file);
            let _ = writeln!(text, "({name:?}, include_str!({file:?})),");
        }
        let _ = writeln!(text, "]),");
    }
    text.push(']');
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap_or_default());
    std::fs::write(out.join("sources.rs"), text)
}

/// Adds a file, and all that it uses.
fn gather(root: &Path, file: PathBuf, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    if !files.insert(file.clone()) || file.extension().is_none_or(|end| end != "rs") {
        return Ok(());
    }
    let text = std::fs::read_to_string(&file)?;
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    for part in text.split("include_str!(\"").skip(1) {
        let included = part.split('"').next().unwrap_or_default();
        let directory = file.parent().unwrap_or(root);
        gather(root, directory.join(included).canonicalize()?, files)?;
    }
    for name in modules(text) {
        let path = root.join("src").join(format!("{name}.rs"));
        if path.is_file() && !CARRIERS.contains(&name.as_str()) {
            gather(root, path, files)?;
        }
    }
    Ok(())
}

/// The names that follow `crate::`, also within braces.
fn modules(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("crate::").skip(1) {
        let mut depth = 0_u32;
        let mut name = String::new();
        let mut first = true;
        for c in part.chars() {
            match c {
                '{' => {
                    depth += 1;
                    first = depth == 1;
                    name.clear();
                }
                ',' if depth == 1 => {
                    found.push(std::mem::take(&mut name));
                    first = true;
                }
                '}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                ':' if depth == 0 => break,
                ':' => first = false,
                c if c.is_alphanumeric() || c == '_' => name.extend(first.then_some(c)),
                _ if depth == 0 => break,
                _ => {}
            }
        }
        found.push(name);
    }
    found
}
