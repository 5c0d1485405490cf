//! QEMU's machine protocol: JSON lines over a Unix socket.

use crate::error::{Doing, Error, Result};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A conversation with one node's QEMU. QEMU serves one at a time; others wait.
pub(super) struct Qmp {
    node: String,
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects and leaves the negotiation behind.
    pub(super) fn connect(socket: &Path, node: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket).doing("connecting to", socket)?;
        // Saving a guest's memory to a slow disk is the longest thing asked for.
        stream.set_read_timeout(Some(Duration::from_secs(300))).doing("preparing", socket)?;
        let mut qmp = Self { node: node.to_owned(), stream: BufReader::new(stream) };
        qmp.message("greeting")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs one command and gives its answer; events on the way are dropped.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(|error| self.refused(command, error))?;
        loop {
            let mut message = self.message(command)?;
            if let Some(error) = message.get("error") {
                let reason = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given");
                return Err(self.refused(command, reason));
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }

    /// Runs a command of the human monitor; such a command answers with nothing
    /// or with its complaint.
    pub(super) fn monitor(&mut self, line: &str) -> Result<()> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        match answer.as_str().map(str::trim) {
            None | Some("") => Ok(()),
            Some(complaint) => Err(self.refused(line, complaint)),
        }
    }

    fn message(&mut self, command: &str) -> Result<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(Error::Lost { node: self.node.clone() }),
            Ok(_) => serde_json::from_str(&line).map_err(|error| self.refused(command, error)),
            Err(error) => Err(self.refused(command, error)),
        }
    }

    fn refused(&self, command: &str, reason: impl ToString) -> Error {
        Error::Qmp {
            node: self.node.clone(),
            command: command.to_owned(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Qmp;
    use serde_json::json;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    /// Answers each command with the next script, a list of lines.
    fn qemu(scripts: Vec<Vec<&'static str>>) -> (tempfile::TempDir, Qmp) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("q");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"{\"QMP\": {}}\n").unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for script in std::iter::once(vec!["{\"return\": {}}"]).chain(scripts) {
                lines.next().unwrap().unwrap();
                for line in script {
                    writeln!(stream, "{line}").unwrap();
                }
            }
        });
        let qmp = Qmp::connect(&socket, "node1").unwrap();
        (dir, qmp)
    }

    #[test]
    fn events_before_the_answer_are_passed_over() {
        let (_dir, mut qmp) = qemu(vec![vec!["{\"event\": \"STOP\"}", "{\"return\": 7}"]]);
        assert_eq!(qmp.execute("query-x", json!({})).unwrap(), json!(7));
    }

    #[test]
    fn a_complaint_of_the_human_monitor_is_an_error() {
        let (_dir, mut qmp) = qemu(vec![vec!["{\"return\": \"Error: no such snapshot\\r\\n\"}"]]);
        assert!(qmp.monitor("loadvm x").unwrap_err().to_string().contains("no such snapshot"));
    }

    #[test]
    fn a_node_that_dies_under_a_command_is_reported_as_lost() {
        let (_dir, mut qmp) = qemu(vec![]);
        let error = qmp.execute("savevm", json!({})).unwrap_err().to_string();
        assert!(error.contains("node1"), "{error}");
    }
}
