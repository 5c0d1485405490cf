//! Another person on this host, who builds an image with what they have.

use crate::command::{Ran, program, workspace};
use crate::project::{entries, programs, users_cache};
use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An ordinary user of this host for the length of a test, with a home, a project
/// and a cache of their own, in which packages and tools are lent by whoever runs
/// the test. Needs root, to make them.
#[derive(Debug)]
pub struct Person {
    name: String,
    home: TempDir,
    lent: Vec<PathBuf>,
}

impl Person {
    /// Makes them.
    ///
    /// # Errors
    /// When the host does not let us.
    pub fn arrive() -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "making a user needs root");
        // Where everybody may go, and not a memory file system.
        let home = tempfile::Builder::new().prefix("ashlar-person-").tempdir_in("/var/tmp")?;
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711))?;
        let name = format!("ashlar{}", std::process::id());
        let mut person = Self { name, home, lent: Vec::new() };
        run(Command::new("useradd").arg("--home-dir").arg(person.home.path()).args([
            "--no-create-home",
            "--user-group",
            &person.name,
        ]))?;
        let at = |inside: &str| person.home.path().join(inside);
        for directory in ["project", "programs", "cache/steps", "tmp"] {
            std::fs::create_dir_all(at(directory))?;
        }
        run(Command::new("cp")
            .args(["--archive", "recipes", "overlays"])
            .arg(at("project"))
            .current_dir(workspace()))?;
        run(Command::new("cp").arg(program()?).arg(at("ashlar")))?;
        run(Command::new("cp").args(entries(&programs()?)?).arg(at("programs")))?;
        run(Command::new("chown").args(["--recursive", &person.name]).arg(person.home.path()))?;
        for lent in ["debs", "steps/tools"] {
            let place = person.home.path().join("cache").join(lent);
            std::fs::create_dir_all(&place)?;
            let none: Option<&str> = None;
            mount(Some(&users_cache()?.join(lent)), &place, none, MsFlags::MS_BIND, none)?;
            person.lent.push(place);
        }
        Ok(person)
    }

    /// Their cache.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.home.path().join("cache")
    }

    /// `ashlar WORDS…` as they run it: on one processor, with a umask that lets
    /// nobody else read, and an environment of their own.
    ///
    /// # Errors
    /// When it fails.
    pub fn ashlar(&self, words: &[&str]) -> Result<Ran> {
        let home = self.home.path();
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &self.name, "--regid", &self.name, "--init-groups"]);
        command.args(["env", "-i", "LANG=tr_TR.UTF-8", "TZ=Pacific/Apia"]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.args([variable("HOME", home), variable("TMPDIR", &home.join("tmp"))]);
        command.args(["sh", "-c", "umask 077; exec taskset --cpu-list 0 \"$@\"", "sh"]);
        command.arg(home.join("ashlar")).args(words);
        command.arg("--project").arg(home.join("project"));
        command.arg("--agent-dir").arg(home.join("programs"));
        command.arg("--cache-dir").arg(self.cache()).current_dir(home);
        let line = format!("{command:?}");
        let output = command.output().context("setpriv")?;
        let ended = output.status;
        let ran = Ran::new(line, output);
        ensure!(ended.success(), "{ran}");
        Ok(ran)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        for place in &self.lent {
            let _ = umount2(place, MntFlags::MNT_DETACH);
        }
        // Some of it belongs to the ids that they may use in namespaces.
        let _ = run(Command::new("rm").arg("-rf").arg(self.home.path().join("cache")));
        let _ = run(Command::new("userdel").arg(&self.name));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
