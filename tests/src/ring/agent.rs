//! One agent, ours or HashiCorp's: they take the same flags, and the same
//! `serf` command asks them.

use super::Ground;
use super::session::Session;
use anyhow::{Context, Result, bail, ensure};
use ashlar_machine::Deadline;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// For a program to start, or to end, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The flag with the key to an agent's RPC.
const AUTH: &str = "-rpc-auth=";

/// Whose program an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This project's.
    Ours,
    /// HashiCorp's.
    Theirs,
}

impl Kind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// A running agent; it ends with this value, without a word to the others.
#[derive(Debug)]
pub struct Agent {
    kind: Kind,
    name: String,
    side: usize,
    address: IpAddr,
    auth: Option<String>,
    child: Child,
    ground: Arc<Ground>,
}

/// A member, as `serf members -format=json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Address and port.
    pub addr: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `alive`, `leaving`, `left` or `failed`.
    pub status: String,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

impl Agent {
    pub(super) fn start(
        ground: &Arc<Ground>,
        kind: Kind,
        side: usize,
        number: u8,
        flags: &[&str],
    ) -> Result<Self> {
        let name = match kind {
            Kind::Ours => format!("ours-{number}"),
            Kind::Theirs => format!("theirs-{number}"),
        };
        let address = (ground.address)(side, number);
        let auth = flags.iter().find_map(|flag| flag.strip_prefix(AUTH));
        let auth = auth.map(str::to_owned);
        let ground = Arc::clone(ground);
        let child = spawn(&ground, kind, side, &name, address, flags)?;
        let mut agent = Self { kind, name, side, address, auth, child, ground };
        agent.until_running()?;
        Ok(agent)
    }

    /// Its name in the ring.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where others reach it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.address, 7946)
    }

    /// The flag with which another agent joins it.
    #[must_use]
    pub fn join_flag(&self) -> String {
        format!("-join={}", self.address())
    }

    /// Everything that it has said, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.ground.folder.path().join(format!("{}.log", self.name))
    }

    /// Its members, by name.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn members(&self) -> Result<BTreeMap<String, Member>> {
        let Members { members } = serde_json::from_str(&self.serf(&["members", "-format=json"])?)?;
        Ok(members.into_iter().map(|member| (member.name.clone(), member)).collect())
    }

    /// What the stock `serf` command says of it; the command must succeed.
    ///
    /// # Errors
    /// With what it says when it fails.
    pub fn serf(&self, words: &[&str]) -> Result<String> {
        let output = self.serf_output(words)?;
        let (said, error) = texts(&output);
        ensure!(output.status.success(), "serf {words:?} of {}: {said}{error}", self.name);
        Ok(said)
    }

    /// What the stock `serf` command says when it fails, as it must.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn serf_fails(&self, words: &[&str]) -> Result<String> {
        let output = self.serf_output(words)?;
        let (said, error) = texts(&output);
        ensure!(!output.status.success(), "serf {words:?} of {} succeeded: {said}", self.name);
        Ok(said + &error)
    }

    fn serf_output(&self, words: &[&str]) -> Result<Output> {
        Ok(self.serf_command(words)?.output()?)
    }

    /// The stock `serf` command, told where this agent is.
    ///
    /// # Errors
    /// Without a subcommand.
    pub fn serf_command(&self, words: &[&str]) -> Result<Command> {
        let (subcommand, rest) = words.split_first().context("a subcommand")?;
        let mut command = self.ground.sides[self.side].companion(&self.ground.peer.program);
        command.arg(subcommand).arg(format!("-rpc-addr={}", self.rpc()));
        // A test may give another key.
        if let Some(auth) = &self.auth
            && !rest.iter().any(|word| word.starts_with(AUTH))
        {
            command.arg(format!("-rpc-auth={auth}"));
        }
        command.args(rest).stdin(Stdio::null());
        Ok(command)
    }

    /// A connection to its RPC.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn session(&self) -> Result<Session> {
        let stream = self.ground.sides[self.side].connect(self.rpc())?;
        Session::new(stream, self.auth.as_deref())
    }

    fn rpc(&self) -> SocketAddr {
        SocketAddr::new(self.address, 7373)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(process, signal).with_context(|| format!("{signal} to {}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// With its log when it goes on.
    pub fn until_ended(&mut self) -> Result<ExitStatus> {
        let deadline = Deadline::within(PATIENCE);
        let child = &mut self.child;
        let ended = deadline.poll(Duration::from_millis(50), || child.try_wait())?;
        ended.with_context(|| format!("{} does not end:\n{}", self.name, self.log()))
    }

    /// Starts it again, once it has ended.
    ///
    /// # Errors
    /// With its log when it does not start.
    pub fn restart(&mut self, flags: &[&str]) -> Result<()> {
        self.until_ended()?;
        std::fs::remove_file(self.log_file())?;
        self.child = spawn(&self.ground, self.kind, self.side, &self.name, self.address, flags)?;
        self.until_running()
    }

    fn until_running(&mut self) -> Result<()> {
        let running = Deadline::within(PATIENCE).poll(Duration::from_millis(20), || {
            if self.log().contains("Serf agent running!") {
                return Ok(Some(()));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}:\n{}", self.name, self.log());
            }
            Ok(None)
        })?;
        running.with_context(|| format!("{} does not start:\n{}", self.name, self.log()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(
    ground: &Ground,
    kind: Kind,
    side: usize,
    name: &str,
    address: IpAddr,
    flags: &[&str],
) -> Result<Child> {
    let program = match kind {
        Kind::Ours => &ground.ours,
        Kind::Theirs => &ground.peer.program,
    };
    let log = File::create(ground.folder.path().join(format!("{name}.log")))?;
    let mut flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    if kind == Kind::Theirs {
        // The one thing that it takes from a file only.
        for flag in flags.iter_mut().filter(|flag| flag.starts_with(AUTH)) {
            let file = ground.folder.path().join(format!("{name}.json"));
            let config = serde_json::json!({ "rpc_auth": flag.trim_start_matches(AUTH) });
            std::fs::write(&file, config.to_string())?;
            *flag = format!("-config-file={}", file.display());
        }
    }
    ground.sides[side]
        .companion(program)
        .arg("agent")
        .arg(format!("-node={name}"))
        .arg(format!("-bind={}", SocketAddr::new(address, 7946)))
        .arg(format!("-rpc-addr={}", SocketAddr::new(address, 7373)))
        .arg("-log-level=debug")
        .args(flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
