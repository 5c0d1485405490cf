//! Something to run on a Swarm that has no registry: one static program, packed
//! as a container image and loaded on every node.

use crate::fleet::{Fleet, Node};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What the image is called on the nodes.
pub const IMAGE: &str = "ashlar-test/workload:1";

/// Waits until it is killed.
const SOURCE: &str = "fn main() { loop { std::thread::park() } }\n";

/// Loads the image on every node that is on.
///
/// # Errors
/// When it cannot be compiled or loaded.
pub fn load(fleet: &Fleet) -> Result<()> {
    load_on(&fleet.all())
}

/// Loads it on these.
///
/// # Errors
/// When it cannot be compiled or loaded.
pub fn load_on(nodes: &[Node<'_>]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let tar = pack(directory.path())?;
    let import = format!(r#"docker import --change 'ENTRYPOINT ["/workload"]' - {IMAGE}"#);
    for node in nodes {
        if !node.try_sh(&format!("docker image inspect {IMAGE}"))?.success() {
            node.sh_with(&import, &tar)?;
        }
    }
    Ok(())
}

/// Begins one task of it, `tills`, with a secret and a config, at a manager.
///
/// # Errors
/// When the Swarm refuses it.
pub fn begin_tills(manager: &Node<'_>) -> Result<()> {
    manager.sh(
        "printf takings | docker secret create till - && printf x | docker config create shop -",
    )?;
    manager.sh(&format!(
        "docker service create -d --name tills --secret till --config shop {IMAGE}"
    ))?;
    Ok(())
}

/// Waits until that runs on one of these.
///
/// # Errors
/// When it does not in that time.
pub fn until_tills_run(fleet: &Fleet, nodes: &[&Node<'_>], within: Duration) -> Result<()> {
    let tasks = "docker ps --quiet --filter name=tills | grep -q .";
    fleet.until("the service runs", within, || {
        let there = |node: &&Node<'_>| node.try_sh(tasks).is_ok_and(|done| done.success());
        Ok(nodes.iter().any(there).then_some(()))
    })
}

/// A tar of a root directory with nothing but the program.
fn pack(directory: &Path) -> Result<Vec<u8>> {
    let source = directory.join("workload.rs");
    std::fs::write(&source, SOURCE)?;
    // Statically linked: the image has no C library.
    let compiled = Command::new("rustc")
        .args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-Cstrip=symbols", "-o"])
        .arg(directory.join("workload"))
        .arg(&source)
        .status()
        .context("rustc")?;
    ensure!(compiled.success(), "rustc ended with {compiled}");
    let packed = Command::new("tar")
        .args(["--create", "--owner=0", "--group=0", "--directory"])
        .arg(directory)
        .arg("workload")
        .output()
        .context("tar")?;
    ensure!(packed.status.success(), "tar ended with {}", packed.status);
    Ok(packed.stdout)
}
