//! What time it is for the others: a question that goes round the ring, because the ring
//! alone answers to whom a certificate would say that it has ended, or not begun.

use crate::clock;
use crate::paths::Paths;
use ashlar_cluster::OtherClock;
use jiff::Timestamp;
use serf_rs::agent::{Agent, Occurred, QueryReply};
use serf_rs::{Change, Event, QueryEvent, QueryRequest};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The question's name. Its answer is `SECONDS` since 1970, or `SECONDS synchronised`.
const QUESTION: &str = "ashlar-clock";

/// How often it is asked, besides whenever somebody comes.
const EVERY: Duration = Duration::from_secs(60);

/// For how long answers are awaited: less than a founding waits for others.
const AWAITED: Duration = Duration::from_secs(2);

/// For how long an answer counts, in milliseconds since boot.
const COUNTS_MS: u64 = 180_000;

/// What others answered.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    paths: Paths,
    /// This node's name.
    own: String,
    heard: Heard,
    somebody_came: Arc<Notify>,
}

/// Answers, by who gave them.
pub(super) type Heard = Arc<Mutex<BTreeMap<String, Answer>>>;

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What that clock showed when this node was switched on, in seconds since 1970: stays
    /// true when this node's own clock is set.
    at_boot_s: i64,
    synchronised: bool,
    /// When it came, in milliseconds since boot.
    at_ms: u64,
}

impl Answer {
    /// Reads what came at that time, by a clock that no setting moves.
    fn read(payload: &[u8], at_ms: u64) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let (seconds, synchronised) = match text.strip_suffix(" synchronised") {
            Some(seconds) => (seconds, true),
            None => (text, false),
        };
        // Years from 1970 to 9999: nothing that is added to it overflows.
        let seconds: i64 = seconds.parse().ok().filter(|s| (0..=253_402_300_799).contains(s))?;
        Some(Self { at_boot_s: seconds - seconds_of(at_ms), synchronised, at_ms })
    }
}

fn seconds_of(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}

/// What they show now, as this node's clock has it; what is too old is left out.
pub(super) fn others(heard: &Heard, now: Timestamp, now_ms: u64) -> Vec<OtherClock> {
    let own_at_boot = now.as_second() - seconds_of(now_ms);
    let Ok(heard) = heard.lock() else { return Vec::new() };
    let fresh = heard.iter().filter(|(_, answer)| now_ms.saturating_sub(answer.at_ms) < COUNTS_MS);
    let other = |(name, answer): (&String, &Answer)| OtherClock {
        name: name.clone(),
        ahead_s: answer.at_boot_s - own_at_boot,
        synchronised: answer.synchronised,
    };
    fresh.map(other).collect()
}

impl Clocks {
    pub(super) fn new(paths: &Paths, own: &str, heard: &Heard) -> Self {
        Self {
            paths: paths.clone(),
            own: own.to_owned(),
            heard: heard.clone(),
            somebody_came: Arc::default(),
        }
    }

    /// Answers the question, if this is it. Whether it was something else, which the plan
    /// wants to know of.
    pub(super) async fn hears(&self, agent: &Agent, occurred: &Occurred) -> bool {
        match occurred {
            Occurred::Event(Event::Query(query)) if query.name == QUESTION => {
                self.answer(agent, query).await;
                false
            }
            Occurred::Event(Event::Members { change: Change::Join, .. }) => {
                self.somebody_came.notify_one();
                true
            }
            _ => true,
        }
    }

    async fn answer(&self, agent: &Agent, query: &QueryEvent) {
        let now = Timestamp::now();
        let clock = clock::look(&self.paths, now, Vec::new());
        // A clock that cannot be right is no evidence.
        if clock.before_build || query.from == self.own {
            return;
        }
        let how = if clock.synchronised { " synchronised" } else { "" };
        let payload = format!("{}{how}", now.as_second());
        if let Err(error) = agent.respond(query.id, payload).await {
            tracing::debug!("nobody was told what time it is here: {error}");
        }
    }

    /// Asks again and again, until the agent ends; `wake` hears of what is new.
    pub(super) async fn asks(&self, agent: &Agent, wake: &Notify) {
        loop {
            match self.ask(agent).await {
                Ok(true) => wake.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::debug!("nobody was asked what time it is: {error}"),
            }
            // Over or not: both are a reason to ask.
            let _ = timeout(EVERY, self.somebody_came.notified()).await;
        }
    }

    /// Whether anybody answered for the first time, or shows another time than before.
    async fn ask(&self, agent: &Agent) -> Result<bool, serf_rs::agent::AgentError> {
        let request = QueryRequest {
            name: QUESTION.to_owned(),
            timeout: Some(AWAITED),
            ..QueryRequest::default()
        };
        let mut asking = agent.query(request).await?;
        let mut news = false;
        while let Some(reply) = asking.next().await {
            let QueryReply::Answer { from, payload } = reply else { continue };
            let Some(answer) = Answer::read(&payload, clock::since_boot_ms()) else { continue };
            if from == self.own {
                continue;
            }
            let Ok(mut heard) = self.heard.lock() else { break };
            let before = heard.insert(from, answer);
            news |= before.is_none_or(|before| {
                before.synchronised != answer.synchronised
                    || before.at_boot_s.abs_diff(answer.at_boot_s) > 60
            });
        }
        if let Ok(mut heard) = self.heard.lock() {
            let now_ms = clock::since_boot_ms();
            heard.retain(|_, answer| now_ms.saturating_sub(answer.at_ms) < COUNTS_MS);
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_seconds_and_whether_a_time_server_set_them() {
        let answer = Answer::read(b"1790000000 synchronised", 5_000).unwrap();
        assert!(answer.synchronised);
        assert_eq!(answer.at_boot_s, 1_789_999_995);
        assert!(!Answer::read(b"1790000000", 0).unwrap().synchronised);
        for bad in [&b""[..], b"soon", b"-1", b"9223372036854775807", b"1 2", b"\xff", b"1 sync"] {
            assert_eq!(Answer::read(bad, 0), None, "{bad:?}");
        }
    }

    #[test]
    fn an_answer_stays_true_when_this_node_s_own_clock_is_set() {
        let heard = Heard::default();
        let answer = Answer::read(b"1790000000", 5_000).unwrap();
        heard.lock().unwrap().insert("ashlar-b".into(), answer);
        let ahead = |now: i64, now_ms| {
            others(&heard, Timestamp::from_second(now).unwrap(), now_ms).first().map(|o| o.ahead_s)
        };
        assert_eq!(ahead(1_700_000_000, 5_000), Some(90_000_000));
        assert_eq!(ahead(1_700_000_060, 65_000), Some(90_000_000));
        assert_eq!(ahead(1_790_000_061, 66_000), Some(0));
        assert_eq!(ahead(1_790_000_200, 185_000), None, "it is too old");
    }
}
