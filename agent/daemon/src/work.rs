//! Steps under way. No step of a plan relies on another of the same plan, so
//! each phase works for itself: a container engine that takes its time to start
//! holds up neither storage nor the next look at the ring.
//!
//! Between the plan and a step's turn minutes may pass. So the parts that a
//! step rests on are looked at again just before it acts, and a step that
//! breaks a rule by then, or whose leadership is another, is let be.

use crate::clock::since_boot_ms;
use crate::host::Host;
use crate::looks::changes;
use crate::node::Node;
use crate::ring::Ring;
use crate::storage::Storage;
use crate::swarm::Swarm;
use anyhow::{Result, anyhow};
use ashlar_cluster::{Phase, Planned, Scope, Step, fence, judge};
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
    pub(crate) result: Result<Done>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// What became of a step that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was done.
    Acted,
    /// It was let be, because of what was seen just before it acted.
    LetBe(String),
}

/// How old a look may be for a step to act on it.
const FRESH_MS: u64 = 1_000;

/// Looks again at what the step rests on, and does it if it is still right.
pub(crate) async fn carefully<H, R, S, W>(
    node: &Node<H, R, S, W>,
    planned: &Planned,
) -> Result<Done>
where
    H: Host,
    R: Ring,
    S: Storage,
    W: Swarm,
{
    let rests_on = planned.step.rests_on();
    for part in node.parts().filter(|part| rests_on.contains(part)).collect::<Vec<_>>() {
        let age = since_boot_ms().saturating_sub(node.sight.borrow().at(part));
        if age > FRESH_MS {
            node.looks.look(part, node.look(part)).await;
        }
    }
    let observed = node.observed().await?;
    if let Some(broken) = judge(&planned.step, &observed, &node.wanted).first() {
        return Ok(Done::LetBe(broken.to_string()));
    }
    if planned.step.scope() == Scope::Cluster && planned.fence != fence(&observed) {
        return Ok(Done::LetBe("the leadership that it was planned under is over".into()));
    }
    node.act(&planned.step, &observed).await?;
    Ok(Done::Acted)
}

enum Report {
    Outcome(Box<Outcome>),
    Idle(Lane),
}

/// The lanes at work.
pub(crate) struct Work {
    busy: BTreeSet<Lane>,
    /// One that came while it was waited for.
    came: Option<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    sender: mpsc::UnboundedSender<Report>,
    wake: Arc<Notify>,
}

impl Work {
    /// Nothing is under way; `wake` is told of every outcome.
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        Self { busy: BTreeSet::new(), came: None, reports, sender, wake }
    }

    /// Whether a step of that lane is under way. What is planned for it now
    /// was planned without its outcome and must wait.
    pub(crate) fn is_busy(&self, lane: Lane) -> bool {
        self.busy.contains(&lane)
    }

    /// Waits until something was done.
    pub(crate) async fn news(&mut self) {
        if self.came.is_none() {
            self.came = self.reports.recv().await;
        }
    }

    /// Takes what was done since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(report) = self.came.take().or_else(|| self.reports.try_recv().ok()) {
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
        lane: Lane,
        steps: Vec<Planned>,
    ) where
        H: Host + 'static,
        R: Ring + 'static,
        S: Storage + 'static,
        W: Swarm + 'static,
    {
        self.busy.insert(lane);
        let node = node.clone();
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        tokio::task::spawn_local(async move {
            for planned in steps {
                let begun = Instant::now();
                let result = timeout(LONGEST, carefully(&node, &planned))
                    .await
                    .unwrap_or_else(|_| Err(anyhow!("not done in {} s", LONGEST.as_secs())));
                // Also by one that failed half-way.
                if !matches!(result, Ok(Done::LetBe(_))) {
                    node.looks.changed(changes(&planned.step));
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, FakeNode, loopback};
    use crate::node::{ENGINE_UNIT, STORAGE_UNIT};
    use ashlar_cluster::{Fence, Observed};

    /// A settled leader, alone, and its plan to set the volume's options.
    async fn leader(fake: &mut Fake, root: &std::path::Path, last: u8) -> (FakeNode, Planned) {
        let node = fake.node(root, loopback(last));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.act(&Step::Found, &Observed::default()).await.unwrap();
        node.effects.storage.create(&[loopback(last)]).await.unwrap();
        node.act(&Step::InitSwarm, &Observed::default()).await.unwrap();
        fake.world().ring = true;
        for unit in [ENGINE_UNIT, STORAGE_UNIT] {
            fake.world().active.insert(unit.into());
        }
        let observed = node.observe().await.unwrap();
        let fence = fence(&observed);
        let planned = Planned { step: Step::TuneVolume, because: "a test says so".into(), fence };
        assert_eq!(judge(&planned.step, &observed, &node.wanted), []);
        (node, planned)
    }

    fn age(node: &FakeNode) {
        *node.sight.borrow_mut() = crate::observe::Sight::default();
    }

    fn tuned(fake: &Fake) -> bool {
        fake.world().volume.as_ref().is_some_and(|v| v.tuned)
    }

    #[tokio::test]
    async fn a_step_whose_leader_was_unseated_meanwhile_is_let_be() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (node, planned) = leader(&mut fake, root.path(), 31).await;
        fake.world().swarm.leader = false;
        age(&node);
        let done = carefully(&node, &planned).await.unwrap();
        let Done::LetBe(why) = done else { panic!("{done:?}") };
        assert!(why.contains("does not lead"), "{why}");
        assert!(!tuned(&fake));
    }

    #[tokio::test]
    async fn a_step_that_was_planned_on_an_older_record_is_let_be() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (node, planned) = leader(&mut fake, root.path(), 32).await;
        fake.world().swarm.index = Some(18);
        age(&node);
        assert!(matches!(carefully(&node, &planned).await.unwrap(), Done::LetBe(_)));
        assert!(!tuned(&fake));
        let fence = planned.fence.clone().map(|f| Fence { index: Some(18), ..f });
        let planned = Planned { fence, ..planned };
        assert_eq!(carefully(&node, &planned).await.unwrap(), Done::Acted);
        assert!(tuned(&fake));
    }
}
