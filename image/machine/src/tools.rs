//! Where QEMU and OVMF come from: the pinned tools root, so that every
//! host runs the same versions, or else the host's own packages.

use super::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

const QEMU: &str = "usr/bin/qemu-system-x86_64";
const FIRMWARE: &str = "usr/share/OVMF/OVMF_CODE_4M.fd";

/// Programs for running VMs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tools {
    /// A Debian tree that has them; its programs run in it by `bwrap`.
    Root(PathBuf),
    /// The host has them installed.
    Host,
}

impl Tools {
    /// The first of the tools roots that has QEMU, else the host.
    pub fn find<'a>(roots: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let mut looked = Vec::new();
        for root in roots {
            if root.join(QEMU).exists() && root.join(FIRMWARE).exists() {
                return Ok(Self::Root(root.to_owned()));
            }
            looked.push(format!("{} lacks it", root.display()));
        }
        if Path::new("/").join(QEMU).exists() && Path::new("/").join(FIRMWARE).exists() {
            return Ok(Self::Host);
        }
        looked.push("the host lacks it".to_owned());
        Err(Error::NoQemu { looked: looked.join(", ") })
    }

    /// A command that runs `program`; it sees `writable` and `readable` where
    /// they are, and otherwise only the tools.
    pub fn command(&self, program: &str, writable: &[&Path], readable: &[&Path]) -> Command {
        let root = match self {
            Self::Host => return Command::new(program),
            Self::Root(root) => root,
        };
        let mut command = Command::new("bwrap");
        command.arg("--ro-bind").arg(root.join("usr")).arg("/usr");
        command.arg("--ro-bind").arg(root.join("etc")).arg("/etc");
        for link in ["bin", "sbin", "lib", "lib64"] {
            command.arg("--symlink").arg(format!("usr/{link}")).arg(format!("/{link}"));
        }
        command.args(["--proc", "/proc", "--dev-bind", "/dev", "/dev"]);
        command.args(["--ro-bind", "/sys", "/sys", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp"]);
        for path in readable {
            command.arg("--ro-bind").arg(path).arg(path);
        }
        for path in writable {
            command.arg("--bind").arg(path).arg(path);
        }
        // No namespace but the mount one: the network and the process numbers
        // must be the host's, so that nodes meet and we can signal them.
        command.args(["--chdir", "/", "--", program]);
        command
    }

    /// The Debian package that the host lacks when the command cannot start.
    pub fn package(&self) -> &'static str {
        match self {
            Self::Root(_) => "bubblewrap",
            Self::Host => "qemu-system-x86 qemu-utils ovmf",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tools;

    #[test]
    fn a_root_without_qemu_is_passed_over_and_named() {
        let empty = tempfile::tempdir().unwrap();
        let full = tempfile::tempdir().unwrap();
        for file in [super::QEMU, super::FIRMWARE] {
            let path = full.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = Tools::find([empty.path(), full.path()]).unwrap();
        assert_eq!(found, Tools::Root(full.path().to_owned()));
        match Tools::find([empty.path()]) {
            Ok(found) => assert_eq!(found, Tools::Host),
            Err(error) => assert!(error.to_string().contains(empty.path().to_str().unwrap())),
        }
    }
}
