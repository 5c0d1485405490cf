//! Steps under way. No step of a plan relies on another of the same plan, so
//! each phase works for itself: a container engine that takes its time to start
//! holds up neither storage nor the next look at the ring.

use crate::host::Host;
use crate::node::Node;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Result, anyhow};
use ashlar_cluster::{Observed, Phase, Planned, Step};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// How long one step may take: longer than the time-outs of the effects in it,
/// which know better what they wait for.
const LONGEST: Duration = Duration::from_secs(280);

/// Steps that are done one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Those of a phase.
    Phase(Phase),
    /// Joins, which wait long for addresses where nobody is.
    Joins,
}

impl Lane {
    /// The lane of a step.
    pub(crate) const fn of(step: &Step) -> Self {
        match step {
            Step::JoinRing { .. } => Self::Joins,
            other => Self::Phase(other.phase()),
        }
    }
}

/// A step that was done, or could not be.
pub(crate) struct Outcome {
    /// What was to be done, and why.
    pub(crate) planned: Planned,
    /// How it went.
    pub(crate) result: Result<()>,
    /// How long it took.
    pub(crate) took: Duration,
}

enum Report {
    Outcome(Box<Outcome>),
    Idle(Lane),
}

/// The lanes at work.
pub(crate) struct Work {
    busy: BTreeSet<Lane>,
    reports: mpsc::UnboundedReceiver<Report>,
    sender: mpsc::UnboundedSender<Report>,
    wake: Arc<Notify>,
}

impl Work {
    /// Nothing is under way; `wake` is told of every outcome.
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        Self { busy: BTreeSet::new(), reports, sender, wake }
    }

    /// Whether a step of that lane is under way. What is planned for it now
    /// was planned without its outcome and must wait.
    pub(crate) fn is_busy(&self, lane: Lane) -> bool {
        self.busy.contains(&lane)
    }

    /// Takes what was done since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Outcome(outcome) => outcomes.push(*outcome),
                Report::Idle(lane) => drop(self.busy.remove(&lane)),
            }
        }
        outcomes
    }

    /// Does these steps of one lane, in order, beside everything else. Needs
    /// a `LocalSet`.
    pub(crate) fn begin<H, R, S, W>(
        &mut self,
        node: &Rc<Node<H, R, S, W>>,
        observed: &Rc<Observed>,
        lane: Lane,
        steps: Vec<Planned>,
    ) where
        H: Host + 'static,
        R: Ring + 'static,
        S: Storage + 'static,
        W: Swarm + 'static,
    {
        self.busy.insert(lane);
        let (node, observed) = (node.clone(), observed.clone());
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        tokio::task::spawn_local(async move {
            for planned in steps {
                let begun = Instant::now();
                let result = timeout(LONGEST, node.act(&planned.step, &observed))
                    .await
                    .unwrap_or_else(|_| Err(anyhow!("not done in {} s", LONGEST.as_secs())));
                let outcome = Outcome { planned, result, took: begun.elapsed() };
                // The loop that listens lives as long as this task.
                let _ = sender.send(Report::Outcome(Box::new(outcome)));
                wake.notify_one();
            }
            let _ = sender.send(Report::Idle(lane));
            wake.notify_one();
        });
    }
}
