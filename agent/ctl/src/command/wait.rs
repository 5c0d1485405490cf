//! `ashlarctl wait`.

use super::facts;
use crate::NOT_READY;
use anyhow::Result;
use ashlar_api::{Client, ClientError, Phase, Status};
use clap::{ValueEnum, builder::PossibleValue};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Wait until this node has reached a phase, or until time is up
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Until this phase holds.
    #[arg(
        long,
        short,
        value_name = "PHASE",
        default_value = "ready",
        conflicts_with = "answering"
    )]
    phase: Wanted,
    /// Until the agent answers, whatever it says.
    #[arg(long)]
    answering: bool,
    /// Give up after this many seconds.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,
    /// The status when the wait is over, as one JSON object.
    #[arg(long)]
    json: bool,
}

/// A [`Phase`] as a word of the command line.
#[derive(Clone, Copy, Debug)]
struct Wanted(Phase);

impl ValueEnum for Wanted {
    fn value_variants<'a>() -> &'a [Self] {
        use Phase::{Identity, Pki, Ready, Ring, Storage, Swarm};
        &[Self(Identity), Self(Ring), Self(Pki), Self(Storage), Self(Swarm), Self(Ready)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

/// How often the agent is asked. It answers from memory, over a local socket.
const ASK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let wanted = (!options.answering).then_some(options.phase.0);
    let deadline = Instant::now() + Duration::from_secs(options.timeout);
    let mut tick = tokio::time::interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = Progress::default();
    let mut last: Option<Result<Status, ClientError>> = None;
    let reached = async {
        loop {
            tick.tick().await;
            let answer = client.status().await;
            let reached = match (&answer, wanted) {
                (Ok(status), Some(phase)) => holds(status, phase),
                (answer, None) => answer.is_ok(),
                (Err(_), _) => false,
            };
            progress.show(&answer, wanted);
            last = Some(answer);
            if reached {
                return;
            }
        }
    };
    let reached = tokio::time::timeout_at(deadline, reached).await.is_ok();
    if let Some(Ok(status)) = last.as_ref().filter(|_| options.json) {
        print!("{}", facts::line(status)?);
    }
    if reached {
        return Ok(ExitCode::SUCCESS);
    }
    let goal = wanted.map_or("an answer".into(), |phase| format!("phase {phase}"));
    let waited = format!("waited {} s for {goal}", options.timeout);
    match last {
        Some(Ok(status)) => {
            eprintln!("{waited}; {}", standing(&status, wanted));
            Ok(ExitCode::from(NOT_READY))
        }
        Some(Err(error)) => Err(anyhow::Error::new(error).context(waited)),
        None => Err(anyhow::anyhow!("{waited}; the agent did not answer in time")),
    }
}

fn holds(status: &Status, phase: Phase) -> bool {
    match phase {
        Phase::Ready => status.ready,
        _ => status.phases.iter().any(|p| p.phase == phase && p.holds),
    }
}

/// What the node is waiting for, in one line.
fn standing(status: &Status, wanted: Option<Phase>) -> String {
    if let Some(trouble) = &status.trouble {
        return format!("trouble: {trouble}");
    }
    let Some(wanted) = wanted else { return String::new() };
    if wanted != Phase::Ready && status.phases.iter().all(|p| p.phase != wanted) {
        return format!("this node's recipe has no phase {wanted}");
    }
    status
        .phases
        .iter()
        .find(|p| !p.holds)
        .map_or("no phase holds yet".into(), |p| format!("{}: {}", p.phase, p.detail))
}

/// Says on a terminal what it is waiting for, whenever that changes; a unit's
/// journal gets the last word only.
#[derive(Default)]
struct Progress {
    said: String,
}

impl Progress {
    fn show(&mut self, answer: &Result<Status, ClientError>, wanted: Option<Phase>) {
        let now = match answer {
            Ok(status) => standing(status, wanted),
            Err(_) => "the agent does not answer yet".into(),
        };
        if now != self.said && !now.is_empty() && std::io::stderr().is_terminal() {
            eprintln!("… {now}");
            self.said = now;
        }
    }
}
