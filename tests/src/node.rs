//! One node of a fleet, as seen by someone with a root shell on it.

use crate::fleet::Fleet;
use anyhow::{Context, Result, ensure};
use ashlar_api::Status;
use ashlar_machine::{Cluster, Exec, Finished};
use std::time::Duration;

/// How long a single command may take, on a slow machine that is busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) name: &'a str,
}

impl Node<'_> {
    /// Its name within the fleet: `node1`.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.name
    }

    /// The machines that it is one of.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        self.fleet.cluster()
    }

    /// Runs a shell script as root, whatever comes of it.
    ///
    /// # Errors
    /// When the node is off or does not answer.
    pub fn try_sh(&self, script: &str) -> Result<Finished> {
        self.exec(&Exec::script(script).within(PATIENCE))
    }

    /// Runs a shell script as root and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with all that it printed.
    pub fn sh(&self, script: &str) -> Result<String> {
        self.succeeded(script, &self.try_sh(script)?)
    }

    /// The same, with bytes on its standard input.
    ///
    /// # Errors
    /// When it fails, with all that it printed.
    pub fn sh_with(&self, script: &str, stdin: &[u8]) -> Result<String> {
        self.succeeded(script, &self.exec(&Exec::script(script).stdin(stdin).within(PATIENCE))?)
    }

    /// What the agent says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Status> {
        // Its exit code says whether the node is ready; either answer is one.
        let done = self.try_sh("ashlarctl status --json")?;
        serde_json::from_slice(&done.stdout)
            .with_context(|| format!("{}: no status: {}", self.name, done.error_text()))
    }

    /// The cluster address.
    ///
    /// # Errors
    /// When it has none yet.
    pub fn address(&self) -> Result<String> {
        let identity = self.status()?.identity.context("no identity yet")?;
        Ok(identity.address.to_string())
    }

    /// The host name, which is also the name in ring and Swarm.
    ///
    /// # Errors
    /// When it has none yet.
    pub fn hostname(&self) -> Result<String> {
        Ok(self.status()?.identity.context("no identity yet")?.name)
    }

    /// The kernel's id of this boot.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn boot_id(&self) -> Result<String> {
        self.sh("cat /proc/sys/kernel/random/boot_id")
    }

    /// What a person would want to see after a failure: status, failed units,
    /// the agent's journal, the console's last lines.
    #[must_use]
    pub fn report(&self) -> String {
        let script = "ashlarctl status 2>&1; systemctl --failed --no-legend --plain; \
                      journalctl --no-pager -o short-monotonic -n 40 -u ashlar-agent; \
                      journalctl --no-pager -o short-monotonic -n 15 -p warning";
        let seen = match self.exec(&Exec::script(script).within(Duration::from_secs(30))) {
            Ok(done) => done.text(),
            Err(error) => format!("(no shell: {error:#})"),
        };
        let console = self.fleet.cluster().console_tail(self.name, 15);
        format!("── {} ──\n{seen}\n── console of {} ──\n{console}\n", self.name, self.name)
    }

    fn exec(&self, exec: &Exec) -> Result<Finished> {
        self.fleet.cluster().exec(self.name, exec).with_context(|| self.name.to_owned())
    }

    fn succeeded(&self, script: &str, done: &Finished) -> Result<String> {
        ensure!(
            done.success(),
            "{}: `{script}` ended with {}:\n{}{}",
            self.name,
            done.code,
            done.text(),
            done.error_text()
        );
        Ok(done.text().trim_end().to_owned())
    }
}
