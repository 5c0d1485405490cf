//! Lines of the journal for whoever asks from elsewhere: what `journalctl` prints, read
//! line by line and never kept, without a secret of the site.

use super::secrets::Secrets;
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use ashlar_api::{DAEMONS, LOGS_FOLLOWED, LogLine, LogUnits, LogsRequest, OUR_UNITS};
use serde_json::{Map, Value};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// How long the journal may take to tell what it has.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long is waited for a first line where none may ever come.
const FIRST: Duration = Duration::from_secs(1);

/// A line that is longer is passed over: `journalctl` leaves out fields of more than
/// 4 KiB.
const LONGEST: u64 = 128 * 1024;

/// How much of a complaint is read.
const COMPLAINT: u64 = 4096;

const FIELDS: &str =
    "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_PID,_SYSTEMD_UNIT,_HOSTNAME";

/// What is read.
pub(crate) struct Reading {
    child: Child,
    out: BufReader<ChildStdout>,
    line: Vec<u8>,
    secrets: Secrets,
    follow: bool,
    /// When it is over, whatever is there.
    until: Instant,
    first: Option<LogLine>,
}

/// Begins to read: an error if the journal cannot be read at all.
pub(crate) async fn read(program: &Path, paths: &Paths, asked: &LogsRequest) -> Result<Reading> {
    let secrets = Secrets::of(paths)
        .context("what is secret here cannot be told, so nothing is of what was written")?;
    let mut child = Command::new(program)
        .args(arguments(asked))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let out = BufReader::new(child.stdout.take().context("no output")?);
    let until = Instant::now() + if asked.follow { LOGS_FOLLOWED } else { PATIENCE };
    let follow = asked.follow;
    let mut reading = Reading { child, out, line: Vec::new(), secrets, follow, until, first: None };
    let patience = if follow { FIRST } else { PATIENCE };
    match timeout(patience, reading.next()).await {
        Ok(Ok(Some(line))) => reading.first = Some(line),
        Ok(Ok(None)) => reading.complaint().await?,
        Ok(Err(error)) => return Err(error),
        // Nothing was written yet.
        Err(_) => {}
    }
    Ok(reading)
}

impl Reading {
    /// The next line; none when there is no more, or the time is over.
    pub(crate) async fn next(&mut self) -> Result<Option<LogLine>> {
        if let Some(line) = self.first.take() {
            return Ok(Some(line));
        }
        loop {
            let raw = raw(&mut self.out, &mut self.line);
            let Ok(read) = timeout_at(self.until, raw).await else {
                if self.follow {
                    return Ok(None);
                }
                bail!("journalctl takes too long");
            };
            if !read? {
                return Ok(None);
            }
            let read = std::mem::take(&mut self.line);
            if let Some(line) = serde_json::from_slice(&read).ok().and_then(line) {
                return Ok(Some(self.without_secrets(line)));
            }
        }
    }

    fn without_secrets(&self, line: LogLine) -> LogLine {
        LogLine { message: self.secrets.remove(&line.message), ..line }
    }

    /// Why there is nothing, if that is no answer.
    async fn complaint(&mut self) -> Result<()> {
        let mut said = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            stderr.take(COMPLAINT).read_to_end(&mut said).await?;
        }
        if !self.child.wait().await?.success() {
            let said = String::from_utf8_lossy(&said);
            bail!("{}", said.lines().next().unwrap_or("journalctl failed"));
        }
        Ok(())
    }
}

/// Reads on to the end of a line; false at the end of all. What was read stays, when
/// nobody waits for the rest.
async fn raw(out: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> Result<bool> {
    loop {
        let room = LONGEST.saturating_sub(line.len() as u64);
        (&mut *out).take(room).read_until(b'\n', line).await?;
        if line.ends_with(b"\n") {
            return Ok(true);
        }
        if (line.len() as u64) < LONGEST {
            return Ok(!line.is_empty());
        }
        // Its beginning is no JSON, nor is its rest.
        line.clear();
    }
}

fn arguments(asked: &LogsRequest) -> Vec<String> {
    let LogsRequest { lines, units, all_boots, follow, after } = asked;
    let mut args = ["--no-pager", "--quiet", "--output=json", FIELDS].map(str::to_owned).to_vec();
    args.push(format!("--lines={lines}"));
    args.extend((!all_boots).then(|| "--boot".into()));
    args.extend(follow.then(|| "--follow".into()));
    args.extend(after.iter().map(|after| format!("--after-cursor={after}")));
    let daemons = if *units == LogUnits::Agent { &[] } else { DAEMONS };
    args.extend(OUR_UNITS.iter().chain(daemons).map(|unit| format!("--unit={unit}")));
    args
}

/// A line as `journalctl` prints it; none where it has no place in the journal.
fn line(mut fields: Map<String, Value>) -> Option<LogLine> {
    let mut field = |name: &str| fields.remove(name).map(text);
    Some(LogLine {
        cursor: field("__CURSOR")?,
        at: field("__REALTIME_TIMESTAMP")?,
        host: field("_HOSTNAME"),
        unit: field("_SYSTEMD_UNIT"),
        program: field("SYSLOG_IDENTIFIER"),
        pid: field("_PID"),
        priority: field("PRIORITY"),
        message: field("MESSAGE").unwrap_or_default(),
    })
}

/// A field: a text, several, or bytes that are none; nothing where it is too long.
fn text(field: Value) -> String {
    match field {
        Value::String(text) => text,
        Value::Array(all) if all.iter().all(Value::is_u64) => {
            let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let bytes: Vec<u8> = all.iter().filter_map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Value::Array(all) => all.into_iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Null => "(more than 4 KiB, left out)".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::tests::{PIN, node};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A stand-in for `journalctl`.
    fn stand_in(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("journalctl");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    async fn all(reading: &mut Reading) -> Vec<LogLine> {
        let mut lines = Vec::new();
        while let Some(line) = reading.next().await.unwrap() {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn each_line_is_told_as_the_journal_has_it_and_none_is_kept() {
        let (root, paths) = node(Some(PIN));
        let long = LONGEST + 5;
        let program = stand_in(
            root.path(),
            &format!(
                r#"
printf '%s\n' '{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"5","MESSAGE":"it runs","PRIORITY":"6"}}'
printf '%s\n' 'no JSON' '{{"MESSAGE":"without a place"}}'
printf '{{"MESSAGE":"'; head -c {long} /dev/zero | tr '\0' a; printf '"}}\n'
printf '%s\n' '{{"__CURSOR":"s=2","__REALTIME_TIMESTAMP":"6","MESSAGE":[104,255,105],"_PID":["1","2"]}}'
printf '%s\n' '{{"__CURSOR":"s=3","__REALTIME_TIMESTAMP":"7","MESSAGE":null}}'"#
            ),
        );
        let mut reading = read(&program, &paths, &LogsRequest::default()).await.unwrap();
        let lines = all(&mut reading).await;
        let told: Vec<_> = lines.iter().map(|l| (l.cursor.as_str(), l.message.as_str())).collect();
        let left_out = "(more than 4 KiB, left out)";
        assert_eq!(told, [("s=1", "it runs"), ("s=2", "h\u{fffd}i"), ("s=3", left_out)]);
        assert_eq!(
            (lines[0].priority.as_deref(), lines[1].pid.as_deref()),
            (Some("6"), Some("1 2"))
        );
        assert!(reading.line.capacity() <= 2 * LONGEST as usize);
    }

    #[tokio::test]
    async fn no_secret_of_the_site_is_told_though_somebody_wrote_it() {
        let (root, paths) = node(Some(PIN));
        let site = ashlar_site::Site::load(&paths.site()).unwrap();
        let key =
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, site.ring_key.as_bytes());
        let line = format!(
            r#"{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"5","MESSAGE":"the key is {key}."}}"#
        );
        let program = stand_in(root.path(), &format!("echo '{line}'"));
        let mut reading = read(&program, &paths, &LogsRequest::default()).await.unwrap();
        assert_eq!(all(&mut reading).await[0].message, "the key is [removed].");
        std::fs::write(paths.site(), "no site").unwrap();
        let error = read(&program, &paths, &LogsRequest::default()).await.err().unwrap();
        assert!(error.to_string().contains("cannot be told"), "{error:#}");
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_read_says_so_instead_of_nothing() {
        let (root, paths) = node(Some(PIN));
        let asked = LogsRequest::default();
        let program = stand_in(root.path(), "echo 'No journal files were opened' >&2; exit 1");
        let error = read(&program, &paths, &asked).await.err().unwrap();
        assert_eq!(error.to_string(), "No journal files were opened");
        let error = read(&root.path().join("none"), &paths, &asked).await.err().unwrap();
        assert!(error.to_string().contains("cannot run"), "{error:#}");
        let program = stand_in(root.path(), "exit 0");
        let mut empty = read(&program, &paths, &asked).await.unwrap();
        assert_eq!(all(&mut empty).await, []);
    }

    #[tokio::test]
    async fn whoever_does_not_read_on_leaves_no_program_behind() {
        let (root, paths) = node(Some(PIN));
        let script = r#"
printf '%s\n' '{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"5","MESSAGE":"one"}'
exec sleep 100"#;
        let program = stand_in(root.path(), script);
        let asked = LogsRequest { follow: true, ..LogsRequest::default() };
        let mut reading = read(&program, &paths, &asked).await.unwrap();
        assert_eq!(reading.next().await.unwrap().unwrap().message, "one");
        let process = format!("/proc/{}", reading.child.id().unwrap());
        drop(reading);
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::read_to_string(format!("{process}/cmdline")).is_ok_and(|c| !c.is_empty()) {
            assert!(Instant::now() < deadline, "it runs on");
            tokio::task::yield_now().await;
        }
    }

    /// Where there is one: it takes what it is asked, and has nothing or lines.
    #[tokio::test]
    async fn the_real_journalctl_understands_what_it_is_asked() {
        let program = Path::new("/usr/bin/journalctl");
        if !program.exists() {
            eprintln!("skipped: there is no journalctl here");
            return;
        }
        let (_root, paths) = node(Some(PIN));
        let cursor = "s=0639396a2b0c4e92950aaf89ea24d404;i=1;b=53b1f5a2b0d04a5c9e5a3c9d1ad3a4ab;\
                      m=1;t=5f4d5b1a5d0c1;x=1";
        for asked in [
            LogsRequest { lines: 2, all_boots: true, ..LogsRequest::default() },
            LogsRequest { units: LogUnits::Agent, all_boots: true, ..LogsRequest::default() },
            LogsRequest { after: Some(cursor.into()), all_boots: true, ..LogsRequest::default() },
        ] {
            match read(program, &paths, &asked).await {
                Ok(mut reading) => {
                    assert!(all(&mut reading).await.len() <= asked.lines as usize);
                }
                // On a machine without a journal it says that.
                Err(error) => {
                    let said = format!("{error:#}");
                    assert!(said.contains("No data") || said.contains("No journal"), "{said}");
                }
            }
        }
    }
}
