//! The programs of ours that go into the image, compiled from this workspace.

use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::layer::PROGRAMS;
use crate::project::Project;
use ashlar_sandbox::SandboxError;
use ashlar_sandbox::interrupt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory with the programs: `given`, or the outcome of compiling them.
pub fn ready(project: &Project, given: Option<&Path>, events: &dyn Events) -> Result<PathBuf> {
    let directory = match given {
        Some(directory) => std::path::absolute(directory).at("found", directory)?,
        None => compile(project, events)?,
    };
    for program in PROGRAMS {
        let path = directory.join(program);
        if !path.is_file() {
            return Err(BuildError::Unexpected {
                what: format!("{} is not there; the image needs it", path.display()),
            });
        }
    }
    Ok(directory)
}

fn compile(project: &Project, events: &dyn Events) -> Result<PathBuf> {
    let root = project.root();
    if !root.join("Cargo.toml").is_file() {
        return Err(BuildError::Unexpected {
            what: format!(
                "{} holds no sources of the agent: name the directory that has {} with --agent-dir",
                root.display(),
                PROGRAMS.join(", ")
            ),
        });
    }
    let activity = events.begin("compiling the agent");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release"]).current_dir(root).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    for program in PROGRAMS {
        command.args(["-p", program]);
    }
    let child = command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => SandboxError::NotInstalled { program: "cargo".into() },
        _ => SandboxError::Io { verb: "run", path: "cargo".into(), source },
    })?;
    let running = interrupt::Running::new(&child);
    let ended = child.wait_with_output().at("run", "cargo")?;
    drop(running);
    drop(activity);
    interrupt::check()?;
    if !ended.status.success() {
        return Err(SandboxError::Tool {
            what: "compiling the agent".into(),
            program: "cargo build".into(),
            status: ended.status.to_string(),
            tail: String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
        }
        .into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(root.join(target.unwrap_or_else(|| "target".into())).join("release"))
}
