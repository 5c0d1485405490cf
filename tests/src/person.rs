//! Another person on this host, who builds an image with what they have.

use crate::command::{Ran, program, run, workspace};
use crate::project::{entries, programs, sources, toolchain, users_cache};
use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An ordinary user of this host for the length of a test, with a home, a project
/// and a cache of their own. Needs root, to make them.
#[derive(Debug)]
pub struct Person {
    name: String,
    home: TempDir,
    lent: Vec<PathBuf>,
    /// Further words of each `ashlar`.
    words: Vec<OsString>,
    network: bool,
}

/// What this person tells every compiler.
const WISH: &str = "-Ctarget-cpu=native";

impl Person {
    /// One who is lent packages, tools and compiled programs by whoever runs the test.
    ///
    /// # Errors
    /// When the host does not let us.
    pub fn arrive() -> Result<Self> {
        let mut person = Self::make(&["project", "programs", "cache/steps", "tmp"])?;
        run(Command::new("cp")
            .args(["--archive", "recipes", "overlays"])
            .arg(person.at("project"))
            .current_dir(workspace()))?;
        run(Command::new("cp").args(entries(&programs()?)?).arg(person.at("programs")))?;
        person.words = vec!["--agent-dir".into(), person.at("programs").into()];
        person.owns_their_home()?;
        for lent in ["debs", "steps/tools"] {
            person.borrow(&users_cache()?.join(lent), &format!("cache/{lent}"))?;
        }
        Ok(person)
    }

    /// One who has the sources, a vendored directory, a Rust toolchain that is lent
    /// to them, and no network.
    ///
    /// # Errors
    /// When the host does not let us.
    pub fn alone_with(vendored: &Path) -> Result<Self> {
        let mut person = Self::make(&["project", "tmp"])?;
        sources(&person.at("project"))?;
        person.words = vec!["--vendor".into(), person.at("vendored").into()];
        person.network = false;
        // What would change every program, if it were heeded.
        let wish = format!("[build]\nrustflags = [{WISH:?}]\n");
        std::fs::create_dir(person.at(".cargo"))?;
        std::fs::write(person.at(".cargo/config.toml"), wish)?;
        person.owns_their_home()?;
        person.borrow(vendored, "vendored")?;
        person.borrow(&toolchain()?, "rust")?;
        Ok(person)
    }

    fn make(directories: &[&str]) -> Result<Self> {
        ensure!(nix::unistd::geteuid().is_root(), "making a user needs root");
        // Where everybody may go, and not a memory file system.
        let home = tempfile::Builder::new().prefix("ashlar-person-").tempdir_in("/var/tmp")?;
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o711))?;
        let name = format!("ashlar{}", std::process::id());
        let person = Self { name, home, lent: Vec::new(), words: Vec::new(), network: true };
        run(Command::new("useradd").arg("--home-dir").arg(person.home.path()).args([
            "--no-create-home",
            "--user-group",
            &person.name,
        ]))?;
        for directory in directories {
            std::fs::create_dir_all(person.at(directory))?;
        }
        run(Command::new("cp").arg(program()?).arg(person.at("ashlar")))?;
        Ok(person)
    }

    fn at(&self, inside: &str) -> PathBuf {
        self.home.path().join(inside)
    }

    fn owns_their_home(&self) -> Result<()> {
        run(Command::new("chown").args(["--recursive", &self.name]).arg(self.home.path())).map(drop)
    }

    fn borrow(&mut self, what: &Path, inside: &str) -> Result<()> {
        let place = self.at(inside);
        std::fs::create_dir_all(&place)?;
        let none: Option<&str> = None;
        mount(Some(what), &place, none, MsFlags::MS_BIND, none)?;
        self.lent.push(place.clone());
        // Whatever happens, what is lent comes back as it was.
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, &place, none, flags, none)?;
        Ok(())
    }

    /// Their cache.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.at("cache")
    }

    /// `ashlar WORDS…` as they run it: on one processor, with a umask that lets
    /// nobody else read, and an environment of their own.
    ///
    /// # Errors
    /// When it fails.
    pub fn ashlar(&self, words: &[&str]) -> Result<Ran> {
        let home = self.home.path();
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
        let mut command = Command::new(if self.network { "env" } else { "unshare" });
        command.args((!self.network).then_some("--net")).arg("setpriv");
        command.args(["--reuid", &self.name, "--regid", &self.name, "--init-groups"]);
        command.args(["env", "-i", "LANG=tr_TR.UTF-8", "TZ=Pacific/Apia"]);
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command.arg(format!("PATH={}/rust/bin:{path}", home.display()));
        command.arg(format!("RUSTFLAGS={WISH}"));
        command.args([variable("HOME", home), variable("TMPDIR", &home.join("tmp"))]);
        command.args(["sh", "-c", "umask 077; exec taskset --cpu-list 0 \"$@\"", "sh"]);
        command.arg(home.join("ashlar")).args(words);
        command.arg("--project").arg(home.join("project"));
        command.args(&self.words);
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
        let _ = run(Command::new("rm").arg("-rf").arg(self.cache()));
        let _ = run(Command::new("userdel").arg(&self.name));
    }
}
