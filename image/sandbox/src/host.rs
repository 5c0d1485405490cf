//! What a build needs of the host, found out before anything starts.

use crate::error::{Result, SandboxError};
use std::process::{Command, Stdio};

/// Fails if the host lacks a program, or does not let this user build.
pub fn check(programs: &[&str]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &&str| std::env::split_paths(&path).any(|place| place.join(name).is_file());
    if let Some(missing) = programs.iter().find(|name| !found(name)) {
        return Err(SandboxError::NotInstalled { program: (*missing).to_owned() });
    }
    if nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    if !found(&"newuidmap") {
        return Err(SandboxError::NotInstalled { program: "newuidmap".into() });
    }
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
