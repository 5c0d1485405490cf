//! The programs of ours that go into the image, compiled from this workspace in
//! the tools root: against the image's own C library, whatever the host has; by
//! the host's Rust toolchain, which is shown read-only; under paths that are the
//! same for everybody, and with nothing of the caller's environment or cargo
//! configuration.
//!
//! cargo's own directory of compiled things is kept in the cache, one a toolchain
//! and workspace. What was compiled from which sources is written down there, so
//! that nothing is started when nothing has changed, and `--explain` can tell
//! without compiling.

use crate::cargo::{Crates, absent};
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::files::write_whole;
use crate::layer::PROGRAMS;
use crate::project::Project;
use crate::sbom::crates;
use crate::store::Store;
use crate::tools::{Toolbox, ToolsLock};
use crate::workspace::packages;
use crate::{digest, sparse};
use ashlar_sandbox::{Sandbox, SandboxError, Tool};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where things are inside: these end up in the programs, as places of panics.
const SOURCE: &str = "/run/source";
const TARGET: &str = "/run/target";

/// Programs of ours, and the list of what they are made of.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Where they are.
    pub place: PathBuf,
    /// The list of their crates. Those that we compile have one; others may not.
    pub crates: Option<PathBuf>,
}

/// The directory with the programs: `given`, or the outcome of compiling them.
///
/// # Errors
///
/// When one is missing, or does not compile.
pub fn programs(
    project: &Project,
    given: Option<&Path>,
    store: &Store,
    events: &dyn Events,
) -> Result<PathBuf> {
    let programs = match given {
        Some(directory) => as_given(directory)?,
        None => {
            let tools = Toolbox::ready(store, &ToolsLock::of(Some(project))?, events)?;
            compile(project, (&tools, store), None, events)?
        }
    };
    Ok(programs.place)
}

/// The same without compiling, for a build that uses them: nothing, if that would have to
/// be done.
pub(crate) fn at_hand(
    project: &Project,
    given: Option<&Path>,
    (tools, store): (&Toolbox, &Store),
) -> Result<Option<Programs>> {
    if let Some(directory) = given {
        return as_given(directory).map(Some);
    }
    let workshop = Workshop::with_programs(project, tools, store)?;
    Ok(workshop.map(|workshop| {
        store.touch(&workshop.place);
        workshop.programs()
    }))
}

/// The same, of which nothing is written down.
pub(crate) fn known(
    project: &Project,
    given: Option<&Path>,
    tools: Option<&Toolbox>,
    store: &Store,
) -> Result<Option<Programs>> {
    if let Some(directory) = given {
        return as_given(directory).map(Some);
    }
    let Some(tools) = tools else { return Ok(None) };
    Ok(Workshop::with_programs(project, tools, store)?.map(|workshop| workshop.programs()))
}

fn as_given(directory: &Path) -> Result<Programs> {
    let directory = std::path::absolute(directory).at("found", directory)?;
    for program in PROGRAMS {
        let path = directory.join(program);
        if !path.is_file() {
            return Err(BuildError::Unexpected {
                what: format!("{} is not there; the image needs it", path.display()),
            });
        }
    }
    let crates = directory.join(crates::LIST);
    Ok(Programs { crates: crates.is_file().then_some(crates), place: directory })
}

/// What was compiled: `compiled.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Compiled {
    /// Hash of all that it was compiled from.
    sources: String,
    /// The fingerprints of the programs, and of the list of their crates.
    programs: BTreeMap<String, String>,
}

/// Where one toolchain compiles one workspace.
#[derive(Clone, Debug)]
struct Workshop {
    source: PathBuf,
    /// The toolchain's directory.
    sysroot: PathBuf,
    /// What it says about itself.
    compiler: String,
    place: PathBuf,
}

impl Workshop {
    fn of(project: &Project, store: &Store) -> Result<Self> {
        let source = project.root().to_owned();
        if !source.join("Cargo.toml").is_file() {
            return Err(BuildError::Unexpected {
                what: format!(
                    "{} holds no sources of the agent: name the directory that has {} with \
                     --agent-dir",
                    source.display(),
                    PROGRAMS.join(", ")
                ),
            });
        }
        // In the workspace, because a rust-toolchain.toml there decides.
        let rustc = |argument: &[&str]| ask("rustc", argument, &source);
        let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
        let compiler = rustc(&["--version", "--verbose"])?;
        // cargo tells what is fresh by times of files, which two workspaces must
        // not share.
        let key = digest::text(format!("{compiler}\n{}", source.display()));
        let place = store.root().join("programs").join(&key[..32]);
        Ok(Self { source, sysroot, compiler, place })
    }

    /// The one in which the programs are compiled already, if they are.
    fn with_programs(project: &Project, tools: &Toolbox, store: &Store) -> Result<Option<Self>> {
        let workshop = Self::of(project, store)?;
        let sources = workshop.sources(tools)?;
        Ok(workshop.compiled(&sources).then_some(workshop))
    }

    fn out(&self) -> PathBuf {
        self.place.join("out")
    }

    fn programs(&self) -> Programs {
        Programs { place: self.out(), crates: Some(self.out().join(crates::LIST)) }
    }

    /// Hash of all that decides about the programs.
    fn sources(&self, tools: &Toolbox) -> Result<String> {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.compiler,
            tools.digest(),
            digest::text(digest::code(include_str!("programs.rs"))),
        );
        for file in ["Cargo.toml", "Cargo.lock"] {
            text += &digest::file(&self.source.join(file))?;
        }
        for package in packages(&self.source)? {
            text += &format!("{}\n", package.display());
            text += &digest::tree(&self.source.join(package))?;
        }
        Ok(digest::text(text))
    }

    fn compiled(&self, sources: &str) -> bool {
        let read = || {
            let text = std::fs::read(self.place.join("compiled.json")).ok()?;
            serde_json::from_slice::<Compiled>(&text).ok()
        };
        read().is_some_and(|found| {
            found.sources == sources
                && self.fingerprints().is_ok_and(|programs| programs == found.programs)
        })
    }

    fn fingerprints(&self) -> Result<BTreeMap<String, String>> {
        let cancel = ashlar_sandbox::Cancel::default();
        let of = |name: &str| {
            sparse::fingerprint(&self.out().join(name), &cancel).map(|hash| (name.to_owned(), hash))
        };
        PROGRAMS.into_iter().chain([crates::LIST]).map(of).collect()
    }

    /// Compiles once.
    fn compile(&self, tools: &Toolbox, crates: &Crates) -> Result<()> {
        let target = self.place.join("target");
        let out = self.out();
        for directory in [&target, &out] {
            std::fs::create_dir_all(directory).at("made", directory)?;
        }
        let printed = self.cargo(&tools.sandbox(), crates, &target).run()?;
        let found = executables(&printed);
        for program in PROGRAMS {
            let inside = found.get(program).ok_or_else(|| BuildError::Unexpected {
                what: format!("cargo compiled no program {program}"),
            })?;
            let built = target.join(inside.strip_prefix(TARGET).unwrap_or(inside));
            let (new, place) = (out.join(format!(".{program}")), out.join(program));
            std::fs::copy(&built, &new).at("read", &built)?;
            std::fs::rename(&new, &place).at("made", &place)?;
        }
        Ok(())
    }

    /// cargo as it compiles: it sees the sources, the toolchain and the crates, and
    /// neither the caller's environment nor any configuration.
    fn cargo<'a>(&self, sandbox: &'a Sandbox, crates: &Crates, target: &Path) -> Tool<'a> {
        let mut cargo = sandbox
            .command("compiling our programs", "/run/rust/bin/cargo")
            .args(["build", "--profile", "box", "--locked", "--offline"])
            .args(["--message-format=json-render-diagnostics"])
            .args(crates.words())
            .args(["--manifest-path", &format!("{SOURCE}/Cargo.toml"), "--target-dir", TARGET]);
        for program in PROGRAMS {
            cargo = cargo.args(["-p", program]);
        }
        cargo
            .read(&self.source, "source")
            .read(&self.sysroot, "rust")
            .read(&crates.place, &format!("cargo/{}", crates.inside))
            .write(target, "target")
            .env("CARGO_HOME", "/run/cargo")
            .env("CARGO_INCREMENTAL", "0")
            .env("RUSTC", "/run/rust/bin/rustc")
            .env("PATH", "/run/rust/bin:/usr/bin:/bin")
    }
}

/// Compiles them, if that is to be done; with the crates that `ashlar vendor` kept.
pub(crate) fn compile(
    project: &Project,
    (tools, store): (&Toolbox, &Store),
    vendor: Option<&Path>,
    events: &dyn Events,
) -> Result<Programs> {
    let workshop = Workshop::of(project, store)?;
    let mut sources = workshop.sources(tools)?;
    if !workshop.compiled(&sources) {
        let activity = events.begin("compiling our programs");
        let crates = Crates::ready(vendor, project.root(), events)?;
        // Until they held still for as long as it took.
        loop {
            workshop.compile(tools, &crates)?;
            let now = workshop.sources(tools)?;
            if now == sources {
                break;
            }
            sources = now;
        }
        drop(activity);
        let list = crates::list(project.root(), &crates.words_on_host())?;
        write_whole(&workshop.out().join(crates::LIST), &list)?;
        // Last: what is written down counts as whole.
        let compiled = Compiled { programs: workshop.fingerprints()?, sources };
        let text = serde_json::to_vec_pretty(&compiled).unwrap_or_default();
        write_whole(&workshop.place.join("compiled.json"), &text)?;
    }
    store.touch(&workshop.place);
    Ok(workshop.programs())
}

/// The programs that cargo says it made, by name.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let artefact = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = PathBuf::from(message.get("executable")?.as_str()?);
        Some((message.get("target")?.get("name")?.as_str()?.to_owned(), path))
    };
    messages.lines().filter_map(artefact).collect()
}

fn ask(program: &str, arguments: &[&str], at: &Path) -> Result<String> {
    let ran = Command::new(program)
        .args(arguments)
        .current_dir(at)
        .env_remove("RUSTFLAGS")
        .output()
        .map_err(|source| absent(program, source))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    Err(SandboxError::Tool {
        what: "looking for the Rust toolchain".into(),
        program: program.to_owned(),
        status: ran.status.to_string(),
        tail: String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
        log: None,
    }
    .into())
}

/// What compiled a program, by the note that compilers leave in it.
pub(crate) fn compiler_of(program: &[u8]) -> Option<String> {
    use object::{Object, ObjectSection};
    let file = object::File::parse(program).ok()?;
    let comment = file.section_by_name(".comment")?.data().ok()?.to_owned();
    let notes = comment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    notes.map(|note| note.into_owned()).find(|note| note.starts_with("rustc "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_what_cargo_says() {
        let printed = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"serf_rs"},"executable":null}"#,
            "\nnoise\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ashlarctl"},"executable":"/run/target/box/ashlarctl"}"#,
        );
        let found = executables(printed);
        let expected = ("ashlarctl".to_owned(), PathBuf::from("/run/target/box/ashlarctl"));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn the_compiler_is_read_from_the_program() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert!(compiler_of(&own).unwrap().starts_with("rustc version "));
        assert_eq!(compiler_of(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn nothing_of_the_caller_s_environment_or_cargo_configuration_reaches_the_compiler() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home/.cargo");
        std::fs::create_dir_all(home.join("registry")).unwrap();
        std::fs::write(home.join("config.toml"), "[build]\nrustflags = [\"-g\"]\n").unwrap();
        let workshop = Workshop {
            source: dir.path().join("source"),
            sysroot: dir.path().join("rust"),
            compiler: String::new(),
            place: dir.path().join("place"),
        };
        let crates = Crates::at(&home.join("registry"));
        let (told, lines) = std::sync::mpsc::channel();
        let trace = ashlar_sandbox::Trace::new(move |_, line| told.send(line.to_owned()).unwrap());
        // There is no such root: it fails, and has told what it would have been.
        let sandbox = Sandbox::new(&dir.path().join("tools")).traced(Some(trace));
        workshop.cargo(&sandbox, &crates, &dir.path().join("target")).run().unwrap_err();
        let line = lines.recv().unwrap();
        assert!(line.starts_with("env -i "), "{line}");
        let words: Vec<&str> = line.split(' ').collect();
        let given = |name: &str| {
            let mut found =
                words.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.next_back()
        };
        assert_eq!(given("HOME"), Some("/nonexistent"));
        assert_eq!(given("CARGO_HOME"), Some("/run/cargo"));
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
            assert_eq!(given(name), None, "{line}");
        }
        // Of cargo's home the crates alone, without the configuration beside them.
        let shown = format!("{}/registry /run/cargo/registry", home.display());
        assert!(line.contains(&shown) && line.matches("/.cargo").count() == 1, "{line}");
    }
}
