//! What comes as it happens: events, answers to queries, log lines.

use super::client::Answers;
use super::wire;
use crate::agent::handle::{Asking, Events, Occurred, QueryReply};
use crate::agent::journal::{Journal, Level, Line};
use crate::event::{Change, Event};
use std::io;
use tokio::sync::broadcast;

/// Which events a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads `member-join,user:deploy,query` and the like; none if a part is no
    /// type of event.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = if text.is_empty() { "*" } else { text };
        let changes = [Change::Join, Change::Leave, Change::Failed, Change::Update, Change::Reap];
        let parts = text.split(',').map(str::trim).map(|part| {
            let (kind, name) = part.split_once(':').unwrap_or((part, ""));
            let known = kind == "*"
                || changes.iter().any(|change| change.as_str() == kind)
                || matches!(kind, "user" | "query");
            let named = name.is_empty() || matches!(kind, "user" | "query");
            (known && named).then(|| (kind.to_owned(), name.to_owned()))
        });
        parts.collect::<Option<_>>().map(Self)
    }

    fn want(&self, event: &Event) -> bool {
        let (kind, name) = match event {
            Event::Members { change, .. } => (change.as_str(), ""),
            Event::User(user) => ("user", user.name.as_str()),
            Event::Query(query) => ("query", query.name.as_str()),
        };
        self.0.iter().any(|(wanted, only)| {
            wanted == "*" || wanted == kind && (only.is_empty() || only == name)
        })
    }
}

/// Sends events until the client goes.
pub(super) async fn events(
    mut events: Events,
    filters: Filters,
    answers: Answers,
    seq: u64,
    journal: Journal,
) {
    while let Some(occurred) = events.next().await {
        let event = match occurred {
            Occurred::Event(event) if filters.want(&event) => event,
            Occurred::Event(_) => continue,
            Occurred::Missed(missed) => {
                journal.note(
                    Level::Warn,
                    format_args!("an RPC client reads too slowly: it missed {missed} events"),
                );
                continue;
            }
        };
        if send_event(&answers, seq, event).await.is_err() {
            return;
        }
    }
}

async fn send_event(answers: &Answers, seq: u64, event: Event) -> io::Result<()> {
    match event {
        Event::Members { change, members } => {
            let members = members.iter().map(Into::into).collect();
            let event = change.as_str().to_owned();
            answers.send(seq, None, &wire::MembersRecord { event, members }).await
        }
        Event::User(user) => {
            let record = wire::UserRecord {
                event: "user".to_owned(),
                ltime: user.ltime,
                name: user.name,
                payload: user.payload,
                coalesce: user.coalesce,
            };
            answers.send(seq, None, &record).await
        }
        Event::Query(query) => {
            let record = wire::QueryEventRecord {
                event: "query".to_owned(),
                id: query.id.0,
                ltime: query.ltime,
                name: query.name,
                payload: query.payload,
            };
            answers.send(seq, None, &record).await
        }
    }
}

/// Sends the replies to a query until its time is over.
pub(super) async fn replies(mut asking: Asking, answers: Answers, seq: u64) {
    while let Some(reply) = asking.next().await {
        let record = match reply {
            QueryReply::Ack(from) => {
                wire::QueryRecord { kind: "ack".to_owned(), from, ..Default::default() }
            }
            QueryReply::Answer { from, payload } => {
                wire::QueryRecord { kind: "response".to_owned(), from, payload }
            }
        };
        if answers.send(seq, None, &record).await.is_err() {
            return;
        }
    }
    let done = wire::QueryRecord { kind: "done".to_owned(), ..Default::default() };
    // A client that has gone does not wait for the end.
    let _ = answers.send(seq, None, &done).await;
}

/// Sends log lines until the client goes.
pub(super) async fn lines(
    last: Vec<Line>,
    mut lines: broadcast::Receiver<Line>,
    level: Level,
    answers: Answers,
    seq: u64,
) {
    for line in last {
        if send_line(&answers, seq, level, &line).await.is_err() {
            return;
        }
    }
    loop {
        let line = match lines.recv().await {
            Ok(line) => line,
            Err(broadcast::error::RecvError::Lagged(missed)) => Line {
                level: Level::Warn,
                text: format!("[WARN] serf: {missed} lines were not shown").into(),
            },
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if send_line(&answers, seq, level, &line).await.is_err() {
            return;
        }
    }
}

async fn send_line(answers: &Answers, seq: u64, level: Level, line: &Line) -> io::Result<()> {
    if line.level < level {
        return Ok(());
    }
    answers.send(seq, None, &wire::LogRecord { log: line.text.to_string() }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_serfs_and_others_are_refused() {
        assert!(Filters::read("").is_some_and(|f| f == Filters::read("*").unwrap()));
        assert!(Filters::read("member-join,user:deploy, query").is_some());
        assert!(Filters::read("member-jion").is_none());
        assert!(Filters::read("member-join:x").is_none());
    }
}
