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
        // What cannot be read is found out by whoever mounts.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        return if may_mount(&status) { Ok(()) } else { Err(SandboxError::PoorRoot) };
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

/// Whether `/proc/self/status` lists CAP_SYS_ADMIN among the effective capabilities.
fn may_mount(status: &str) -> bool {
    const SYS_ADMIN: u64 = 21;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_none_or(|set| set & (1 << SYS_ADMIN) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_the_host_lacks_is_named() {
        let error = check(&["sh", "no-such-program"]).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[test]
    fn a_root_without_the_right_to_mount_is_told_from_one_that_has_it() {
        // Of a host, and of root in a container as Docker makes it.
        assert!(may_mount("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!may_mount("Name:\tx\nCapEff:\t00000000a80425fb\n"));
        assert!(may_mount(""));
    }
}
