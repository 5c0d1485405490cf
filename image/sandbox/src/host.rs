//! What a build needs of the host, found out before anything starts.

use crate::error::{Result, SandboxError};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the host has a program.
///
/// # Errors
///
/// [`SandboxError::NotInstalled`] when it has none.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|place| place.join(program));
    places
        .find(|place| place.is_file())
        .ok_or_else(|| SandboxError::NotInstalled { program: program.to_owned() })
}

/// Fails if the host lacks a program, or does not let this user build.
///
/// # Errors
///
/// With what is missing, and what mends it.
pub fn check(programs: &[&str]) -> Result<()> {
    for program in programs {
        find(program)?;
    }
    if nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    find("newuidmap")?;
    let tried = Command::new("unshare")
        .args(["--user", "--map-auto", "--map-root-user", "true"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(SandboxError::NoNamespaces { reason })
        }
        Err(error) => Err(SandboxError::NoNamespaces { reason: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_the_host_lacks_is_named() {
        let error = check(&["sh", "no-such-program"]).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
