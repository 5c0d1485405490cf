//! The test programs that cargo has compiled.
//!
//! They are run directly and not by `cargo test`, which would first wait for
//! whoever compiles into the same directory.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// What cargo calls it: a library, a program, or a file of `tests/`.
    pub(crate) name: String,
    /// Its package's folder, where it is run.
    pub(crate) package: PathBuf,
    /// The file.
    pub(crate) path: PathBuf,
    /// A plain `cargo test` would run it.
    unit: bool,
}

/// Every one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs(Vec<Program>);

#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    profile: Option<Profile>,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    test: bool,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Programs {
    /// Notes `line` if it is cargo's message of a test program. Gives whether
    /// it is a message at all.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        if !line.starts_with("{\"reason\":") {
            return false;
        }
        let Ok(message) = serde_json::from_str::<Message>(line) else { return false };
        if message.reason == "compiler-artifact"
            && let (Some(target), Some(manifest), Some(path)) =
                (message.target, message.manifest_path, message.executable)
            && message.profile.is_some_and(|profile| profile.test)
            && let Some(package) = manifest.parent().map(Path::to_owned)
        {
            let program = Program { name: target.name, package, path, unit: target.test };
            if !self.0.contains(&program) {
                self.0.push(program);
            }
        }
        true
    }

    /// Those that a plain `cargo test` would run.
    pub(crate) fn units(&self) -> Result<Vec<Program>> {
        let units: Vec<_> = self.0.iter().filter(|program| program.unit).cloned().collect();
        if units.is_empty() {
            bail!("cargo has told of no test program");
        }
        Ok(units)
    }

    /// The one of this name that a plain `cargo test` would not run.
    pub(crate) fn named(&self, name: &str) -> Result<Program> {
        let found = self.0.iter().find(|program| !program.unit && program.name == name);
        found.cloned().with_context(|| format!("cargo has told of no test program `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::Programs;

    fn message(name: &str, unit: bool, executable: &str, test: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"x","manifest_path":"/tree/{name}/Cargo.toml","target":{{"kind":["lib"],"name":"{name}","test":{unit}}},"profile":{{"opt_level":"0","test":{test}}},"executable":{executable},"fresh":true}}"#
        )
    }

    #[test]
    fn only_test_programs_are_remembered_and_each_once() {
        let mut programs = Programs::default();
        assert!(programs.read(&message("pki", true, "\"/t/pki-1\"", true)));
        assert!(programs.read(&message("pki", true, "\"/t/pki-1\"", true)));
        assert!(programs.read(&message("pki", true, "null", false)));
        assert!(programs.read(&message("agent", true, "\"/t/agent\"", false)));
        assert!(programs.read(&message("lab", false, "\"/t/lab-1\"", true)));
        assert!(programs.read(r#"{"reason":"build-finished","success":true}"#));
        assert!(!programs.read("   Compiling pki"));
        let units = programs.units().unwrap();
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].package.to_str(), Some("/tree/pki"));
        assert_eq!(programs.named("lab").unwrap().path.to_str(), Some("/t/lab-1"));
        assert!(programs.named("pki").is_err());
    }
}
