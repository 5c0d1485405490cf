//! Hands on boxes: one program each, that is told what to write and read.

use anyhow::{Context, Result, anyhow, bail, ensure};
use ashlar_machine::Exec;
use ashlar_tests::command::workspace;
use ashlar_tests::fleet::Node;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Where the writers' files are, for a box.
pub(crate) const DIRECTORY: &str = "/srv/cluster/soak";

/// Where the program lies on a box; gone after a reboot.
const PROGRAM: &str = "/run/ashlar-soak-hand";

/// A box that does not take a program for so long does not take one now.
const START: Duration = Duration::from_secs(30);

/// The program, compiled so that it needs nothing of a box.
pub(crate) fn program() -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let compiled = directory.path().join("hand");
    let status = Command::new("rustc")
        .args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-Cstrip=symbols", "-o"])
        .arg(&compiled)
        .arg(workspace().join("tests/src/bin/hand.rs"))
        .status()
        .context("rustc")?;
    ensure!(status.success(), "rustc ended with {status}");
    std::fs::read(&compiled).context("the compiled hand")
}

/// One hand.
#[derive(Debug)]
pub(crate) struct Hand {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Hand {
    /// In a directory of a box, as a service of that box: what befalls it befalls the hand.
    pub(crate) fn start(node: Node<'_>, program: &[u8], directory: &str) -> Result<Self> {
        let cluster = node.cluster();
        let there = Exec::script(format!("test -x {PROGRAM} && test -d {directory}")).within(START);
        if !cluster.exec(node.name(), &there)?.success() {
            let put = format!(
                "mkdir -p {directory} && cat >{PROGRAM}.new && chmod 755 {PROGRAM}.new && \
                 mv {PROGRAM}.new {PROGRAM}"
            );
            let done =
                cluster.exec(node.name(), &Exec::script(put).stdin(program).within(START))?;
            ensure!(done.success(), "{}: {}", node.name(), done.error_text());
        }
        let run = format!("systemd-run --quiet --pipe --collect {PROGRAM} {directory}");
        let mut child = cluster.spawn(node.name(), &run)?;
        let orders = child.stdin.take().context("its standard input")?;
        let output = child.stdout.take().context("its standard output")?;
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { return };
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, orders, answers })
    }

    /// Gives an order and waits for its answer. After an error the hand is to be
    /// dropped: a late answer would be taken for the next one's.
    pub(crate) fn ask(&mut self, order: &str, within: Duration) -> Result<String> {
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .context("the hand is gone")?;
        self.next(within)
    }

    fn next(&self, within: Duration) -> Result<String> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        self.answers.recv_timeout(within).map_err(|error| match error {
            Timeout => anyhow!("no answer within {} s", within.as_secs()),
            Disconnected => anyhow!("the hand is gone"),
        })
    }

    /// The names of all files there.
    pub(crate) fn list(&mut self, within: Duration) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut line = self.ask("list", within)?;
        while line != "end" {
            ensure!(!line.starts_with("failed"), "{line}");
            names.push(line);
            line = self.next(within)?;
        }
        Ok(names)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // Its program ends with its standard input.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A hand that reads on a box, made anew whenever it is lost.
#[derive(Debug)]
pub(crate) struct Eye<'a> {
    node: Node<'a>,
    program: &'a [u8],
    hand: Mutex<Option<Hand>>,
}

impl<'a> Eye<'a> {
    pub(crate) const fn new(node: Node<'a>, program: &'a [u8]) -> Self {
        Self { node, program, hand: Mutex::new(None) }
    }

    /// What it reads; an error says that it cannot.
    pub(crate) fn look(&self, order: &str, within: Duration) -> Result<String> {
        let Ok(mut slot) = self.hand.lock() else { bail!("a reader panicked") };
        if slot.is_none() {
            *slot = Some(Hand::start(self.node, self.program, DIRECTORY)?);
        }
        let answer = slot.as_mut().context("a hand")?.ask(order, within);
        if answer.is_err() {
            *slot = None;
        }
        answer
    }
}

/// Writes a file of the report.
pub(crate) fn keep(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())
}
