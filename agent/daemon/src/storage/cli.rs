//! The `gluster` command: the only interface of glusterd that is stable.

use super::xml::{self, Output};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a question may take: a look at the storage asks up to four.
pub(super) const READ: Duration = Duration::from_secs(15);

/// How long a change may take: it is a transaction over every peer, and adding
/// a brick alone takes five seconds between idle machines.
pub(super) const CHANGE: Duration = Duration::from_secs(120);

/// How the command is called where it is spoken of.
fn named(args: &[&str]) -> String {
    format!("`gluster {}`", args.join(" "))
}

/// Runs `gluster ARGS` to its end.
async fn ended(args: &[&str], patience: Duration) -> Result<std::process::Output> {
    ended_with(args, "", patience).await
}

/// The same, with lines that it reads.
async fn ended_with(
    args: &[&str],
    lines: &str,
    patience: Duration,
) -> Result<std::process::Output> {
    let mut child = Command::new("gluster")
        // Its log would get lines with every look, and nothing cuts it.
        .args(["--mode=script", "--xml", "--log-level=ERROR"])
        .args(args)
        .stdin(if lines.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", named(args)))?;
    let group = Group::of(&child);
    if let Some(mut reads) = child.stdin.take() {
        // A few words fit into a pipe that nobody reads. One that has ended says why.
        let _ = reads.write_all(lines.as_bytes()).await;
    }
    let late = || format!("{} does not answer within {} s", named(args), patience.as_secs());
    let done = timeout(patience, child.wait_with_output())
        .await
        .with_context(late)?
        .with_context(|| format!("cannot run {}", named(args)))?;
    group.has_ended();
    Ok(done)
}

/// Runs `gluster ARGS` and returns its answer, also if that is a refusal.
pub(super) async fn run(args: &[&str], patience: Duration) -> Result<Output> {
    let what = || named(args);
    let done = ended(args, patience).await?;
    let text = String::from_utf8_lossy(&done.stdout);
    if text.trim().is_empty() {
        // Without a daemon it prints plain words, in spite of `--xml`.
        let words = String::from_utf8_lossy(&done.stderr);
        bail!("{}: {}", what(), words.trim());
    }
    xml::parse(&text).with_context(|| {
        format!(
            "{} printed what is no answer: {}",
            what(),
            text.trim().lines().next().unwrap_or("")
        )
    })
}

/// Asks two questions by one process: to start it costs more than either answer.
pub(super) async fn both(questions: [&str; 2], patience: Duration) -> Result<(Output, Output)> {
    let lines = format!("{}\n{}\n", questions[0], questions[1]);
    let done = ended_with(&[], &lines, patience).await?;
    let text = String::from_utf8_lossy(&done.stdout);
    let what = || questions.map(|question| format!("`gluster {question}`")).join(" and ");
    two(&text).with_context(|| {
        let words = String::from_utf8_lossy(&done.stderr);
        let words = if text.contains(HEAD) { words.trim() } else { text.trim() };
        format!("{} are not both answered: {words}", what())
    })
}

/// How an answer begins.
const HEAD: &str = "<?xml";

/// Two answers, one after the other.
fn two(text: &str) -> Result<(Output, Output)> {
    let begins: Vec<_> = text.match_indices(HEAD).map(|(at, _)| at).collect();
    let [first, second] = begins[..] else { bail!("{} answers", begins.len()) };
    Ok((xml::parse(&text[first..second])?, xml::parse(&text[second..])?))
}

/// The command with what it has started: `heal info` leaves a client of the volume
/// behind when it is killed itself, and on a box that is slow enough for that they
/// become more with every look.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.map(Pid::from_raw))
    }

    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.take() {
            // It may have ended by itself just now.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// Runs a question or a change that must succeed.
pub(super) async fn must(args: &[&str], patience: Duration) -> Result<Output> {
    granted(run(args, patience).await?, &args.join(" "))
}

/// An answer that is no refusal.
pub(super) fn granted(output: Output, question: &str) -> Result<Output> {
    if output.op_ret == 0 {
        return Ok(output);
    }
    let words = if output.op_errstr.is_empty() { &output.output } else { &output.op_errstr };
    bail!("glusterd refuses `{question}`: {}", words.trim())
}

/// Runs the one change that is answered in plain words, in spite of `--xml`. That there is
/// nothing to settle is no failure: another box was quicker.
pub(super) async fn settle_directory(args: &[&str]) -> Result<()> {
    let done = ended(args, CHANGE).await?;
    let words = String::from_utf8_lossy(&done.stdout);
    if done.status.success() || words.contains("not in split-brain") {
        return Ok(());
    }
    bail!("glusterd refuses {}: {}", named(args), words.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_come_one_after_the_other_or_are_none() {
        let answer = |ret: i32| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput>\n  \
                 <opRet>{ret}</opRet>\n</cliOutput>\n"
            )
        };
        let (peers, info) = two(&(answer(0) + &answer(-1))).unwrap();
        assert_eq!((peers.op_ret, info.op_ret), (0, -1));
        assert!(two(&answer(0)).is_err() && two("Connection failed.").is_err());
    }

    #[tokio::test]
    async fn what_a_command_has_started_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let noted = dir.path().join("pid");
        let script =
            format!("sleep 600 & echo $! >{0}.new && mv {0}.new {0}; wait", noted.display());
        let child = Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        let group = Group::of(&child);
        let within = Duration::from_secs(30);
        let started = async {
            loop {
                if let Ok(pid) = std::fs::read_to_string(&noted) {
                    return pid.trim().to_owned();
                }
                tokio::task::yield_now().await;
            }
        };
        let started = timeout(within, started).await.unwrap();
        drop(group);
        // A zombie until whoever adopts it looks.
        let stat = format!("/proc/{started}/stat");
        let ended = async {
            while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
                tokio::task::yield_now().await;
            }
        };
        timeout(within, ended).await.unwrap();
    }
}
