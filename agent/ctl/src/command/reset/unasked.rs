//! A reset of a box whose agent is not there. Nobody can be asked what would be lost, or
//! whether the cluster can bear it, so the box's name is always wanted. The request is
//! noted by the agent's own program, and carried out by a unit and the initrd, which
//! need no agent.

use super::Confirm;
use crate::ask;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ashlar_api::{ClientError, Losses, Reset, ResetAnswer, ResetRequest, SiteAfterReset};
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

/// Nobody listens on this box, which is no question of who asks.
pub(super) fn is_absent(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { source, .. }
        if source.kind() != ErrorKind::PermissionDenied)
}

/// Asks a person, and notes the reset.
pub(super) fn reset(
    options: &Confirm,
    request: &ResetRequest,
    error: ClientError,
) -> Result<ResetAnswer> {
    if request.what == Reset::Cluster {
        return Err(anyhow!(error).context("only the agent can leave a cluster"));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(anyhow!(error).context(
            "without the agent only root may reset this box: run it as root, or choose \
             *Factory reset* in the boot menu of its own disk",
        ));
    }
    let losses = losses(request.what);
    if !options.json {
        println!("{error}: nobody can be asked what this box holds.");
        for sentence in losses.sentences(request) {
            println!("{sentence}");
        }
    }
    if options.dry_run {
        return Ok(ResetAnswer { losses, begun: false });
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").context("this box's name")?;
    let name = name.trim();
    let typed = match &options.name {
        Some(typed) => typed.clone(),
        None if options.yes => bail!(
            "whether the cluster can bear it cannot be asked: nothing is reset; to do it all the \
             same, give --name {name}"
        ),
        None => ask::line("Type this node's name to go on", "--name with the node's name")?,
    };
    ensure!(typed == name, "that is not this node's name, {name}: nothing is reset");
    note(request)?;
    Ok(ResetAnswer { losses, begun: true })
}

fn losses(what: Reset) -> Losses {
    let lines: &[&str] = match what {
        Reset::Workloads => &["containers, images and local volumes of its engine"],
        Reset::Cluster | Reset::Factory => &[
            "its identity, and its place in the cluster",
            "its copy of the cluster's volume, if it has one",
            "containers, images and local volumes of its engine",
        ],
    };
    Losses {
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        kept: Vec::new(),
        unbearable: Some("it may hold the last copy of its volume".to_owned()),
    }
}

/// A new site goes by a pipe: it is a secret.
fn note(request: &ResetRequest) -> Result<()> {
    let mut command = Command::new("ashlar-agent");
    command.arg("note-reset");
    let site = match (request.what, &request.site) {
        (Reset::Workloads, _) => {
            command.arg("--workloads");
            None
        }
        (_, SiteAfterReset::Keep) => {
            command.arg("--keep-site");
            None
        }
        (_, SiteAfterReset::New(text)) => {
            command.arg("--new-site");
            Some(text)
        }
        (_, SiteAfterReset::Forget) => None,
    };
    let mut child = command.stdin(Stdio::piped()).spawn().context("ashlar-agent")?;
    if let (Some(mut input), Some(text)) = (child.stdin.take(), site) {
        input.write_all(text.expose()).context("giving the new site to ashlar-agent")?;
    }
    let ended = child.wait().context("ashlar-agent")?;
    ensure!(ended.success(), "the reset cannot be noted: ashlar-agent ended with {ended}");
    Ok(())
}
