//! `GET /v1/logs`: what the agent and the daemons that it runs have written to the
//! journal of a box. The answer is a stream: one [`LogLine`] a line.

use crate::{ApiError, Client, ClientError, Lines, Refusal, route};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So many lines are told at most, the newest.
pub const MAX_LOG_LINES: u32 = 10_000;

/// How long one answer is gone on with that follows: whoever wants more asks again for
/// what comes after the last line. A session ends after twice as long.
pub const LOGS_FOLLOWED: Duration = Duration::from_secs(60);

/// How long a box may be silent that is asked: longer than it goes on with one answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long it takes at least until a box is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// A cursor of the journal has some 130 letters.
const LONGEST_CURSOR: usize = 512;

/// What is asked, in the query of the address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct LogsRequest {
    /// How many of the last lines.
    #[cfg_attr(feature = "schema", schemars(range(max = 10_000)))]
    pub lines: u32,
    /// Of which units.
    pub units: LogUnits,
    /// Every boot that the journal holds, not only this one.
    pub all_boots: bool,
    /// Go on with new lines, for a minute.
    pub follow: bool,
    /// Only what comes after the line with this cursor.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9A-Za-z=;+/.-]{1,512}$")))]
    pub after: Option<String>,
}

/// Whose lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogUnits {
    /// The agent's and those of the daemons that it runs.
    #[default]
    All,
    /// The agent's alone.
    Agent,
}

/// A line of the journal, with the journal's own names of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogLine {
    /// Where it stands in the journal.
    #[serde(rename = "__CURSOR")]
    pub cursor: String,
    /// Microseconds since 1970.
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    pub at: String,
    /// The box's host name at that time.
    #[serde(rename = "_HOSTNAME", default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The unit that wrote it.
    #[serde(rename = "_SYSTEMD_UNIT", default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the program calls itself.
    #[serde(rename = "SYSLOG_IDENTIFIER", default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its process.
    #[serde(rename = "_PID", default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// How bad it is: `0`, the worst, to `7`.
    #[serde(rename = "PRIORITY", default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// What was written.
    #[serde(rename = "MESSAGE", default)]
    pub message: String,
}

impl Default for LogsRequest {
    fn default() -> Self {
        Self { lines: 100, units: LogUnits::All, all_boots: false, follow: false, after: None }
    }
}

impl LogsRequest {
    /// The address with its query.
    #[must_use]
    pub fn path(&self) -> String {
        let Self { lines, units, all_boots, follow, after } = self;
        let units = match units {
            LogUnits::All => "all",
            LogUnits::Agent => "agent",
        };
        let mut path = format!(
            "{}?lines={lines}&units={units}&all_boots={all_boots}&follow={follow}",
            route::LOGS
        );
        if let Some(after) = after {
            let quoted = after.replace('+', "%2B");
            path.push_str(&format!("&after={quoted}"));
        }
        path
    }

    /// What a query asks.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn of_query(query: &str) -> Result<Self, ApiError> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unquoted(value);
            let expected = |what: &str| {
                Err(ApiError::new(Refusal::BadRequest, format!("`{key}`: expected {what}")))
            };
            let flag = match value.as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            };
            match (key, flag) {
                ("lines", _) => match value.parse() {
                    Ok(lines) if lines <= MAX_LOG_LINES => asked.lines = lines,
                    _ => return expected(&format!("a number of lines up to {MAX_LOG_LINES}")),
                },
                ("units", _) => match value.as_str() {
                    "all" => asked.units = LogUnits::All,
                    "agent" => asked.units = LogUnits::Agent,
                    _ => return expected("`all` or `agent`"),
                },
                ("all_boots", Some(flag)) => asked.all_boots = flag,
                ("follow", Some(flag)) => asked.follow = flag,
                ("all_boots" | "follow", None) => return expected("`true` or `false`"),
                ("after", _) if is_cursor(&value) => asked.after = Some(value),
                ("after", _) => return expected("the `__CURSOR` of a line"),
                _ => {
                    let words = format!("`{key}` is nothing that may be asked of the journal");
                    return Err(ApiError::new(Refusal::BadRequest, words));
                }
            }
        }
        Ok(asked)
    }
}

/// It becomes an argument of `journalctl`.
fn is_cursor(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"=;+/.-".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_CURSOR && text.bytes().all(known)
}

/// A value of a query, as it was before it was put there. What is no text stays nonsense.
fn unquoted(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let hex = (*byte == b'%').then(|| after.get(..2)).flatten();
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(*byte));
        rest = if hex.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lines as they come.
#[derive(Debug)]
pub struct LogLines {
    client: Client,
    asked: LogsRequest,
    lines: Option<Lines>,
}

impl LogLines {
    /// The next one; none once all that was asked for is there.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get).
    pub async fn next(&mut self) -> Result<Option<LogLine>, ClientError> {
        loop {
            let lines = match &mut self.lines {
                Some(lines) => lines,
                none => none.insert(open(&self.client, &self.asked).await?),
            };
            match lines.next().await? {
                Some(line) => {
                    let line: LogLine = serde_json::from_slice(&line).map_err(|source| {
                        ClientError::Malformed { path: route::LOGS.into(), source }
                    })?;
                    if self.asked.follow {
                        self.asked.after = Some(line.cursor.clone());
                        self.asked.lines = MAX_LOG_LINES;
                    }
                    return Ok(Some(line));
                }
                None if self.asked.follow => {
                    self.lines = None;
                    // Not a wait for something: a box that ends at once is not asked
                    // without end.
                    tokio::time::sleep(PAUSE).await;
                }
                None => return Ok(None),
            }
        }
    }
}

async fn open(client: &Client, asked: &LogsRequest) -> Result<Lines, ClientError> {
    client.connect().await?.deadline(PATIENCE).lines(&asked.path()).await
}

impl Client {
    /// What was written to the journal of this box; with `follow` as long as anybody
    /// reads on.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root and
    /// admins.
    pub async fn logs(&self, asked: LogsRequest) -> Result<LogLines, ClientError> {
        let lines = Some(open(self, &asked).await?);
        Ok(LogLines { client: self.clone(), asked, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: &str = "s=0b9e;i=4f;b=77c1;m=1a;t=6449;x=ff+1";

    #[test]
    fn what_is_asked_stands_in_the_address_and_is_read_from_it() {
        let all = LogsRequest {
            lines: 7,
            units: LogUnits::Agent,
            all_boots: true,
            follow: true,
            after: Some(CURSOR.into()),
        };
        for asked in [LogsRequest::default(), all] {
            let path = asked.path();
            let (path, query) = path.split_once('?').unwrap();
            assert_eq!(path, route::LOGS);
            assert_eq!(LogsRequest::of_query(query).unwrap(), asked);
        }
        assert_eq!(LogsRequest::of_query("").unwrap(), LogsRequest::default());
        let quoted = "after=s%3D0b9e%3bi%3D4f";
        let after = LogsRequest::of_query(quoted).unwrap().after;
        assert_eq!(after.as_deref(), Some("s=0b9e;i=4f"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        for (query, wanted) in [
            ("lines=10001", "`lines`: expected a number of lines up to 10000"),
            ("lines=-1", "`lines`"),
            ("lines=all", "`lines`"),
            ("units=ssh.service", "`units`: expected `all` or `agent`"),
            ("follow=1", "`follow`: expected `true` or `false`"),
            ("all_boots", "`all_boots`"),
            ("after=", "`after`: expected the `__CURSOR` of a line"),
            ("after=a%20--file=/etc/shadow", "`after`"),
            ("after=%zz", "`after`"),
            ("file=/etc/shadow", "`file` is nothing that may be asked"),
        ] {
            let error = LogsRequest::of_query(query).unwrap_err();
            assert_eq!(error.refusal, Refusal::BadRequest);
            assert!(error.error.contains(wanted), "{query}: {error}");
        }
        let long = format!("after={}", "a".repeat(LONGEST_CURSOR + 1));
        assert!(LogsRequest::of_query(&long).is_err());
    }
}
