//! Errors as a person reads them: what happened, and what to do.

use crate::elsewhere::NoBox;
use crate::over_ssh::Refused;
use ashlar_api::{ClientError, Refusal};
use owo_colors::{OwoColorize, Stream};
use std::io::ErrorKind;

pub(crate) fn print(error: &anyhow::Error) {
    let word = "error:".if_supports_color(Stream::Stderr, |w| w.red()).to_string();
    eprintln!("{word} {error:#}");
    if let Some(advice) = advice(error) {
        let word = " help:".if_supports_color(Stream::Stderr, |w| w.cyan()).to_string();
        eprintln!("{word} {advice}");
    }
}

/// The reader of our output went away (`ashlarctl logs | head`): no error.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

const OF_ONE_IMAGE: &str =
    "ashlarctl and the agent are of different releases; use those of one image";

fn advice(error: &anyhow::Error) -> Option<&'static str> {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return Some(refused.advice());
    }
    match error.downcast_ref::<ClientError>()? {
        ClientError::Unreachable { source, .. } => Some(match source.kind() {
            ErrorKind::PermissionDenied => {
                "run it as root, or as a member of `ashlar-admin` or `ashlar-view`"
            }
            _ => {
                "is this an Ashlar node, and does its agent run? \
                 See `systemctl status ashlar-agent` and `ashlarctl logs`"
            }
        }),
        ClientError::NoBox(why) => why.downcast_ref::<NoBox>().map(|why| why.hint),
        ClientError::Late { .. } | ClientError::Broken { .. } => {
            Some("the agent is stuck or was just restarted; see `ashlarctl logs`")
        }
        ClientError::Malformed { .. } => Some(OF_ONE_IMAGE),
        // An agent that is older than this says no more than that.
        ClientError::Refused(error)
            if error.refusal == Refusal::NotFound && error.hint.is_none() =>
        {
            Some(OF_ONE_IMAGE)
        }
        _ => None,
    }
}
