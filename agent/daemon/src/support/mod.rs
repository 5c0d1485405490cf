//! What somebody needs who is asked what is wrong with this box: no secret of the site
//! is in it. What holds one is not taken; what might quote one, a journal or an error,
//! goes through [`Secrets`].

pub(crate) mod journal;
pub(crate) mod onto;
mod secrets;
pub(crate) mod sticks;

use crate::inventory;
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use ashlar_api::{DAEMONS, OUR_UNITS, Status, Support, SupportPart};
use futures_util::future::join_all;
use secrets::Secrets;
use serde::Serialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::time::timeout;

/// How much is taken of what one command prints, the newest of it,
const MOST: usize = 768 * 1024;

/// of a journal so many lines,
const LINES: &str = "--lines=8000";

/// and how long it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Collects it.
pub(crate) async fn collect(paths: &Paths, status: &Status) -> Result<Support> {
    ask(paths, status, questions()).await
}

/// A command whose words are a file of the bundle.
struct Question {
    name: &'static str,
    program: &'static str,
    args: Vec<String>,
}

fn questions() -> Vec<Question> {
    let units = ["--no-pager", "--plain", "--full", "--all", "list-units"];
    let units = units.map(str::to_owned).to_vec();
    let ours: Vec<_> =
        OUR_UNITS.iter().chain(DAEMONS).map(|unit| format!("--unit={unit}")).collect();
    let journal = |name, more: &[String]| {
        let all = ["--no-pager", "--quiet", "--utc", "--output=short-iso-precise", LINES];
        let args = all.into_iter().map(str::to_owned).chain(more.iter().cloned()).collect();
        Question { name, program: "journalctl", args }
    };
    vec![
        Question { name: "units.txt", program: "systemctl", args: units },
        journal("journal.txt", &ours),
        journal("kernel.txt", &["--dmesg".to_owned()]),
        journal("warnings.txt", &["--priority=warning".to_owned()]),
    ]
}

async fn ask(paths: &Paths, status: &Status, questions: Vec<Question>) -> Result<Support> {
    let said = join_all(questions.iter().map(said)).await;
    let names = questions.into_iter().map(|question| question.name);
    let said: Vec<_> = names.zip(said).collect();
    let (paths, status) = (paths.clone(), status.clone());
    // Off the thread that the loop runs on: some of the kernel's files wait for a
    // device, and long texts are searched.
    let parts = tokio::task::spawn_blocking(move || parts(&paths, &status, said));
    Ok(Support { parts: parts.await.context("the machine cannot be looked at")? })
}

type Named = (&'static str, Result<String>);

fn parts(paths: &Paths, status: &Status, said: Vec<Named>) -> Vec<SupportPart> {
    let facts = [
        ("release.json", file(&paths.release())),
        ("os-release", file(&paths.os_release())),
        ("network.json", inventory::network().and_then(|network| json(&network))),
        ("hardware.json", json(&inventory::hardware(paths.root()))),
    ];
    let words = [("status.json", json(status)), ("history.jsonl", file(&paths.history()))];
    let words = words.into_iter().chain(said);
    let secrets = Secrets::of(paths);
    let part = |name: &str, text: Result<String>| {
        let text = text.unwrap_or_else(|error| format!("not to be had: {error:#}\n"));
        let text = secrets.as_ref().map_or_else(|_| text.clone(), |known| known.remove(&text));
        SupportPart { name: name.to_owned(), text }
    };
    let told = |text: Result<String>| match &secrets {
        Ok(_) => text,
        Err(error) => bail!("what is secret here cannot be told, so nothing is: {error:#}"),
    };
    let facts = facts.into_iter().map(|(name, text)| part(name, text));
    facts.chain(words.map(|(name, text)| part(name, told(text)))).collect()
}

fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn file(path: &Path) -> Result<String> {
    Ok(newest(std::fs::read(path).with_context(|| path.display().to_string())?))
}

/// The end of it, from the beginning of a line on.
fn newest(mut bytes: Vec<u8>) -> String {
    if let Some(more) = bytes.len().checked_sub(MOST).filter(|more| *more > 0) {
        let line = bytes.iter().skip(more).position(|byte| *byte == b'\n');
        bytes.drain(..line.map_or(bytes.len(), |line| more + line + 1));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What a command prints.
async fn said(question: &Question) -> Result<String> {
    let program = question.program;
    let mut child = Command::new(program)
        .args(&question.args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let out = child.stdout.take().context("no output")?;
    let complaint = child.stderr.take().context("no output")?;
    let both = async { tokio::try_join!(end_of(out), end_of(complaint)) };
    let both = timeout(PATIENCE, both).await;
    let (out, complaint) = both.with_context(|| format!("{program} takes too long"))??;
    if out.is_empty() && !complaint.is_empty() {
        bail!("{program}: {}", complaint.trim());
    }
    Ok(out)
}

/// All of it is read, so that the program ends by itself, and its end is kept.
async fn end_of(mut stream: impl AsyncRead + Unpin) -> Result<String> {
    let mut kept = Vec::new();
    while stream.read_buf(&mut kept).await? > 0 {
        if let Some(more) = kept.len().checked_sub(2 * MOST) {
            // One byte more than is kept, so that it shows that a line was cut.
            kept.drain(..more + MOST - 1);
        }
    }
    Ok(newest(kept))
}

#[cfg(test)]
mod tests;
