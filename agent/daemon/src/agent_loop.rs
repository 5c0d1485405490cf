//! The loop: observe → plan → lint → act, on every event and every few seconds.

use crate::backoff::Backoff;
use crate::clock::since_boot;
use crate::health::{self, Pulse};
use crate::host::Host;
use crate::node::Node;
use crate::phases::Phases;
use crate::ring::Ring;
use crate::serve::{ClusterApi, serve_cluster};
use crate::status::Facts;
use crate::storage::Storage;
use crate::swarm::{Engine, Swarm};
use crate::work::{Lane, Outcome, Work};
use anyhow::Context;
use ashlar_api::Status;
use ashlar_cluster::{Observed, Phase, Plan, Planned, RingMember, Wanted, lint, phases, plan};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long one observation may take: every question in it has a time-out of
/// its own below this.
const OBSERVE: Duration = Duration::from_secs(150);

/// The pause between two looks: before there is storage to ask, which is cheap;
/// while something is still to be done; and when all is settled. Events and
/// finished steps cut each short.
const EARLY: Duration = Duration::from_millis(750);
const UNSETTLED: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(15);

/// The least pause: a storm of events must not become a storm of questions.
const LEAST: Duration = Duration::from_millis(150);

/// What the loop tells the rest of the process.
pub(crate) struct Tell {
    /// The status that the API shows.
    pub(crate) status: watch::Sender<Status>,
    /// The ring as last observed.
    pub(crate) members: watch::Sender<Vec<RingMember>>,
    /// rustls' configuration, once there is a certificate.
    pub(crate) server: watch::Sender<Option<Arc<rustls::ServerConfig>>>,
}

/// What goes round.
pub(crate) struct AgentLoop<H, R, S, W> {
    pub(crate) node: Rc<Node<H, R, S, W>>,
    pub(crate) work: Work,
    pub(crate) facts: Facts,
    pub(crate) phases: Phases,
    pub(crate) tell: Tell,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) backoff: Backoff,
    /// What the cluster listener needs; taken when it starts.
    pub(crate) listener: Option<Listener>,
    /// What kept the last observation from being made.
    pub(crate) blind: Option<String>,
}

/// What the cluster listener needs besides this node's keys.
pub(crate) struct Listener {
    pub(crate) engine: Engine,
    pub(crate) members: watch::Receiver<Vec<RingMember>>,
    pub(crate) server: watch::Receiver<Option<Arc<rustls::ServerConfig>>>,
}

impl<H, R, S, W> AgentLoop<H, R, S, W>
where
    H: Host + 'static,
    R: Ring + 'static,
    S: Storage + 'static,
    W: Swarm + 'static,
{
    /// Goes round for ever.
    pub(crate) async fn run(&mut self) {
        loop {
            let pause = self.turn().await;
            self.pulse.promise(pause + OBSERVE);
            tokio::time::sleep(LEAST).await;
            // A wake-up that came during the turn is kept by the `Notify`.
            let _ = timeout(pause, self.wake.notified()).await;
        }
    }

    /// One turn; returns how long to wait before the next one.
    async fn turn(&mut self) -> Duration {
        self.pulse.promise(OBSERVE);
        for outcome in self.work.outcomes() {
            self.note(outcome);
        }
        let looked = timeout(OBSERVE, self.node.observe()).await;
        let observed = match looked.context("looking at this node takes too long").flatten() {
            Ok(observed) => Rc::new(observed),
            Err(error) => {
                self.tell_blindness(&format!("{error:#}"));
                return UNSETTLED;
            }
        };
        self.blind = None;
        if self.node.wanted.ring && observed.identity.is_some() {
            self.listen();
        }
        let plan = self.safe(plan(&observed, &self.node.wanted), &observed, &self.node.wanted);
        self.backoff.keep_only(plan.steps.iter().map(|p| &p.step));
        self.publish(&observed, &plan).await;

        for (lane, steps) in by_lane(plan.steps) {
            let due = |p: &Planned| self.backoff.allows(&p.step, since_boot());
            let steps: Vec<_> = steps.into_iter().filter(due).collect();
            if !steps.is_empty() && !self.work.is_busy(lane) {
                self.work.begin(&self.node, &observed, lane, steps);
            }
        }
        if self.tell.status.borrow().ready
            && self.backoff.next_due().is_none()
            && !self.phases.wavers()
        {
            return SETTLED;
        }
        let due = self.backoff.next_due().map(|due| due.saturating_sub(since_boot()));
        let look = if observed.storage.is_some() { UNSETTLED } else { EARLY };
        due.filter(|due| !due.is_zero()).map_or(look, |due| due.min(look))
    }

    /// This node's own state cannot be read: nothing may be done on a guess,
    /// and a person must hear of it.
    fn tell_blindness(&mut self, error: &str) {
        if self.blind.as_deref() != Some(error) {
            tracing::error!("cannot look at this node: {error}");
            self.blind = Some(error.to_owned());
        }
        health::status(error);
        self.tell.status.send_modify(|status| {
            status.ready = false;
            status.trouble = Some(error.to_owned());
        });
    }

    /// Starts the cluster listener, once: it needs the cluster address.
    fn listen(&mut self) {
        let Ok(trust) = self.node.trust() else { return };
        let Some(Listener { engine, members, server }) = self.listener.take() else { return };
        let managers = self.node.wanted.managers;
        self.offer_certificate();
        tokio::spawn(serve_cluster(
            Arc::new(ClusterApi { trust, engine, managers, members }),
            server,
        ));
    }

    /// The plan, or nothing of it if it breaks a rule.
    fn safe(&self, plan: Plan, observed: &Observed, wanted: &Wanted) -> Plan {
        let violations = lint(&plan, observed, wanted);
        if violations.is_empty() {
            return plan;
        }
        for violation in violations {
            tracing::error!(rule = violation.rule, "the plan breaks a rule: {violation}");
        }
        Plan::default()
    }

    /// Notes how a step went.
    fn note(&mut self, outcome: Outcome) {
        let Outcome { planned: Planned { step, because }, result, took } = outcome;
        let error = result.err().map(|error| format!("{error:#}"));
        let done = error.is_none();
        let news = self.backoff.note(&step, error.clone(), since_boot());
        let seconds = format!("{:.3}", took.as_secs_f64());
        let phase = step.phase();
        match error {
            None if news => {
                tracing::info!(phase = %phase, step = %step, seconds, "did: {step} ({because})");
            }
            Some(error) if news => {
                tracing::warn!(phase = %phase, step = %step, seconds, "cannot {step}: {error}");
            }
            None => tracing::debug!(phase = %phase, step = %step, "did again: {step}"),
            Some(error) => tracing::debug!(phase = %phase, step = %step, "still cannot: {error}"),
        }
        if done && phase == Phase::Pki {
            self.offer_certificate();
        }
    }

    /// Lets the cluster listener serve with the certificate that is here now.
    fn offer_certificate(&self) {
        match self.node.trust().and_then(|trust| trust.server()) {
            Ok(config) => drop(self.tell.server.send_replace(config)),
            Err(error) => tracing::warn!("this node's certificate cannot serve: {error:#}"),
        }
    }

    async fn publish(&mut self, observed: &Observed, plan: &Plan) {
        let now = self.phases.steady(phases(observed, &self.node.wanted), since_boot());
        if let Err(error) = self.phases.tell(&self.node.effects.host, &now).await {
            tracing::warn!("cannot show a phase to systemd: {error:#}");
        }
        let missing = now.iter().find(|p| !p.holds && p.phase != Phase::Ready);
        health::status(&missing.map_or_else(
            || "ready".to_owned(),
            |state| format!("{}: {}", state.phase, state.detail),
        ));
        let mut status = self.facts.status(observed, &self.node.wanted, self.phases.view(&now));
        status.doing = plan.steps.iter().map(|planned| planned.step.to_string()).collect();
        status.trouble = self.backoff.trouble();
        self.tell.status.send_replace(status);
        let members = observed.ring.as_ref().map(|ring| ring.members.clone()).unwrap_or_default();
        self.tell.members.send_replace(members);
    }
}

/// A plan's steps, those of each lane together and in order.
fn by_lane(steps: Vec<Planned>) -> BTreeMap<Lane, Vec<Planned>> {
    let mut lanes: BTreeMap<Lane, Vec<Planned>> = BTreeMap::new();
    for planned in steps {
        lanes.entry(Lane::of(&planned.step)).or_default().push(planned);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use crate::release::Release;
    use ashlar_api::BootTimes;
    use tokio::task::LocalSet;

    /// A loop around a fake node, and what it tells.
    fn around(
        fake: &mut Fake,
        root: &std::path::Path,
        last: u8,
    ) -> (AgentLoop<Fake, Fake, Fake, Fake>, watch::Receiver<Status>) {
        let node = Rc::new(fake.node(root, loopback(last)));
        let release = Release { profile: "test".into(), version: "1".into() };
        let facts = Facts { release, site: None, boot: BootTimes::default() };
        let (status, seen) = watch::channel(facts.blank());
        let wake = Arc::new(Notify::new());
        let agent_loop = AgentLoop {
            phases: Phases::load(&node.paths).unwrap(),
            listener: None,
            tell: Tell {
                status,
                members: watch::Sender::default(),
                server: watch::Sender::default(),
            },
            pulse: Arc::new(Pulse::new(OBSERVE)),
            work: Work::new(wake.clone()),
            backoff: Backoff::default(),
            blind: None,
            node,
            facts,
            wake,
        };
        (agent_loop, seen)
    }

    #[tokio::test]
    async fn a_node_alone_passes_every_phase_and_tells_systemd_of_each() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, mut status) = around(&mut fake, root.path(), 50);
        let ready = async {
            tokio::select! {
                () = agent_loop.run() => {}
                found = status.wait_for(|s| s.ready) => drop(found.unwrap()),
            }
        };
        timeout(Duration::from_secs(60), LocalSet::new().run_until(ready)).await.unwrap();
        let calls = fake.world().calls.clone();
        for phase in Phase::ALL {
            assert!(calls.contains(&format!("start ashlar-{phase}.target")), "{phase}: {calls:?}");
            assert!(agent_loop.node.paths.phases().join(phase.as_str()).exists());
        }
        assert!(status.borrow().phases.iter().all(|p| p.reached.is_some()));
    }

    #[tokio::test]
    async fn a_node_whose_state_is_broken_does_nothing_and_says_why() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, status) = around(&mut fake, root.path(), 51);
        std::fs::write(agent_loop.node.paths.identity(), "{").unwrap();
        agent_loop.turn().await;
        let trouble = status.borrow().trouble.clone().unwrap();
        assert!(trouble.contains("identity.json"), "{trouble}");
        assert!(fake.world().calls.is_empty());
    }
}
