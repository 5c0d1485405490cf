//! The loop: observe → plan → lint → act, on every event and every few seconds.

use crate::backoff::Backoff;
use crate::clock::{since_boot, since_boot_ms};
use crate::handing;
use crate::health::{self, Pulse};
use crate::host::Host;
use crate::ledger::{self, Ledger};
use crate::looks;
use crate::node::Node;
use crate::people::{self, Admission};
use crate::phases::Phases;
use crate::ring::Ring;
use crate::serve::{ClusterApi, Decider, serve_cluster};
use crate::status::Facts;
use crate::storage::Storage;
use crate::swarm::{Engine, Swarm};
use crate::targets::{self, Holding};
use crate::watch::Watch;
use crate::work::{Done, Lane, Outcome, Work};
use ashlar_api::{Event, Status};
use ashlar_cluster::{
    Alert, Observed, Part, Phase, Plan, Planned, RingMember, Severity, Standing, Step, Troubles,
    Violation, alerts, hands_over, lawful, phases, plan,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout};

/// What a turn itself may take: it waits for nothing but this node's own files.
const TURN: Duration = Duration::from_secs(30);

/// How long a turn waits for the looks that it began. One that takes longer
/// goes on, and wakes the loop when it ends.
const GLANCE: Duration = Duration::from_millis(1_500);

/// The pause between two looks: before there is storage to ask, which is cheap;
/// while something is still to be done; and when all is settled. Events and
/// finished steps cut each short.
const EARLY: Duration = Duration::from_millis(750);
const UNSETTLED: Duration = Duration::from_secs(2);
const SETTLED: Duration = Duration::from_secs(15);

/// The least pause: a storm of events must not become a storm of questions.
const LEAST: Duration = Duration::from_millis(150);
/// A box on which a turn takes longer than that rests from it as long, up to this.
const LONGEST_LEAST: Duration = Duration::from_secs(1);

/// What is written down within this time is looked at together.
const TOGETHER: Duration = Duration::from_secs(1);

/// What the loop tells the rest of the process.
pub(crate) struct Tell {
    /// The status that the API shows.
    pub(crate) status: watch::Sender<Status>,
    /// The ring as last observed.
    pub(crate) members: watch::Sender<Vec<RingMember>>,
    /// rustls' configuration, once there is a certificate.
    pub(crate) server: watch::Sender<Option<Arc<rustls::ServerConfig>>>,
    /// What was seen last.
    pub(crate) seen: watch::Sender<Arc<Observed>>,
    /// Who decides what people ask of the cluster, once there is an identity.
    pub(crate) decider: watch::Sender<Option<Decider>>,
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
    /// What this node did.
    pub(crate) ledger: Ledger,
    /// Since when each alert has stood.
    pub(crate) standing: Standing,
    /// Rules that the plan broke at the last turn.
    pub(crate) broken: Vec<Violation>,
    /// The last plan in words, so that the journal has each once.
    pub(crate) planned: String,
    /// What systemd's targets follow.
    pub(crate) holding: watch::Sender<Holding>,
    /// Of a box that is switched off, whether there is something left to hand over.
    pub(crate) left: watch::Sender<Option<bool>>,
    /// What the storage daemon writes down.
    pub(crate) watch: Option<Watch>,
}

/// What the cluster listener needs besides this node's keys.
pub(crate) struct Listener {
    pub(crate) engine: Engine,
    pub(crate) members: watch::Receiver<Vec<RingMember>>,
    pub(crate) server: watch::Receiver<Option<Arc<rustls::ServerConfig>>>,
    pub(crate) people: Option<Arc<Admission>>,
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
        let (node, follows) = (self.node.clone(), self.holding.subscribe());
        tokio::task::spawn_local(async move {
            targets::follow(&node.effects.host, follows, targets::AGAIN).await;
        });
        if self.node.wanted.storage && self.node.wanted.swarm && !self.node.wanted.solo {
            let (node, wake, left) = (self.node.clone(), self.wake.clone(), self.left.subscribe());
            tokio::task::spawn_local(handing::follow(node, wake, left));
        }
        if self.node.wanted.storage {
            match Watch::new() {
                Ok((watch, news)) => {
                    self.watch = Some(watch);
                    let (node, wake) = (self.node.clone(), self.wake.clone());
                    tokio::task::spawn_local(hear(node, wake, news));
                }
                Err(error) => tracing::warn!("the storage is only looked at: {error:#}"),
            }
        }
        loop {
            let begun = Instant::now();
            let pause = self.turn().await;
            let least = begun.elapsed().clamp(LEAST, LONGEST_LEAST);
            self.pulse.promise(least + pause + TURN);
            // What was done is no storm.
            let _ = timeout(least, self.work.news()).await;
            // A wake-up that came during the turn is kept by the `Notify`.
            let _ = timeout(pause, self.wake.notified()).await;
        }
    }

    /// Begins a look at every part that is due, and waits for as many as are quick, or
    /// until a step is done. Whether there is nothing to wait for any more.
    async fn look(&mut self) -> bool {
        let late = Rc::new(Cell::new(false));
        let watched = self.watch_storage();
        let mut looks = Vec::new();
        for part in self.node.parts().filter(|part| self.is_due(*part)).collect::<Vec<_>>() {
            let (node, wake, late) = (self.node.clone(), self.wake.clone(), late.clone());
            looks.push(tokio::task::spawn_local(async move {
                let again = node.looks.look(part, node.look(part)).await;
                if part == Part::Storage && !again && watched && node.waits_for_a_volume() {
                    node.looks.rest(part, looks::LONGEST_REST);
                }
                if late.get() || again {
                    wake.notify_one();
                }
            }));
        }
        let all = futures_util::future::join_all(looks);
        let (over, quick) = tokio::select! {
            quick = timeout(GLANCE, all) => (true, quick.is_ok()),
            () = self.work.news() => (false, false),
        };
        late.set(!quick);
        over
    }

    /// Lets the loop wake when the storage daemon writes down something. Whether it does.
    fn watch_storage(&self) -> bool {
        let Some(watch) = &self.watch else { return false };
        watch.over(&self.node.effects.storage.writes_at());
        true
    }

    /// Whether a part is to be looked at now. A question to the storage daemon would only
    /// be in the way of a change that is under way, unless that takes long.
    fn is_due(&self, part: Part) -> bool {
        let changes = part == Part::Storage && self.work.is_busy(Lane::Phase(Phase::Storage));
        self.node.looks.is_due(part)
            && !(changes && self.node.looks.is_young(part, looks::LONGEST_REST))
    }

    /// Whether the step would be planned on what was seen before something else was done.
    fn is_planned_early(&self, step: &Step) -> bool {
        let of_storage = step.phase() == Phase::Storage;
        let planned_on =
            |part: &Part| step.rests_on().contains(part) || (of_storage && *part == Part::Storage);
        self.node.parts().filter(planned_on).any(|part| self.node.looks.is_outdated(part))
    }

    /// One turn; returns how long to wait before the next one.
    async fn turn(&mut self) -> Duration {
        self.pulse.promise(TURN);
        loop {
            for outcome in self.work.outcomes() {
                self.note(outcome);
            }
            if self.look().await {
                break;
            }
        }
        let observed = match self.node.observed().await {
            Ok(observed) => Arc::new(observed),
            Err(error) => {
                self.tell_blindness(&format!("{error:#}"));
                return UNSETTLED;
            }
        };
        self.blind = None;
        if self.node.wanted.ring && observed.identity.is_some() {
            self.listen();
        }
        self.tell.seen.send_replace(observed.clone());
        let left = observed.goes_down.then(|| hands_over(&observed, &self.node.wanted));
        self.left.send_replace(left);
        let plan = self.safe(plan(&observed, &self.node.wanted), &observed);
        self.backoff.keep(plan.steps.iter().map(|p| &p.step), since_boot());
        self.publish(&observed, &plan);

        for (lane, steps) in by_lane(plan.steps) {
            let due = |p: &Planned| {
                self.backoff.allows(&p.step, since_boot()) && !self.is_planned_early(&p.step)
            };
            let steps: Vec<_> = steps.into_iter().filter(due).collect();
            if !steps.is_empty() && !self.work.is_busy(lane) {
                self.work.begin(&self.node, lane, steps);
            }
        }
        if self.tell.status.borrow().ready
            && !observed.goes_down
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
            status.alerts = vec![Alert {
                severity: Severity::Critical,
                id: "state-unreadable".into(),
                subject: "this node".into(),
                since_ms: since_boot_ms(),
                words: error.to_owned(),
                cure: "nothing is done on a guess; the file that is named must be mended".into(),
            }];
            status.trouble = Some(error.to_owned());
        });
    }

    /// Starts the cluster listener, once: it needs the cluster address.
    fn listen(&mut self) {
        let Ok(trust) = self.node.trust() else { return };
        let Some(listener) = self.listener.take() else { return };
        let Listener { engine, members, server, people } = listener;
        let decider = Decider {
            trust: trust.clone(),
            engine: engine.clone(),
            wanted: self.node.wanted.clone(),
            seen: self.tell.seen.subscribe(),
            wake: self.wake.clone(),
            status: self.tell.status.subscribe(),
            paths: self.node.paths.clone(),
        };
        self.tell.decider.send_replace(Some(decider.clone()));
        self.offer_certificate();
        if let Some(admission) = &people {
            tokio::spawn(people::keep_up(admission.clone(), trust.clone(), members.clone()));
        }
        tokio::spawn(serve_cluster(
            Arc::new(ClusterApi { trust, engine, decider, members, people }),
            server,
        ));
    }

    /// The plan without the steps that break a rule; what they broke is said
    /// once.
    fn safe(&mut self, plan: Plan, observed: &Observed) -> Plan {
        let (plan, broken) = lawful(plan, observed, &self.node.wanted);
        for violation in broken.iter().filter(|violation| !self.broken.contains(violation)) {
            tracing::error!(rule = violation.rule, "the plan breaks a rule: {violation}");
        }
        self.broken = broken;
        let words = plan.to_string();
        if words != self.planned && !plan.steps.is_empty() {
            tracing::info!("plan:\n{words}");
        }
        self.planned = words;
        plan
    }

    /// Notes how a step went.
    fn note(&mut self, outcome: Outcome) {
        let Outcome { planned: Planned { step, because, .. }, result, took } = outcome;
        let phase = step.phase();
        let error = match result {
            Ok(Done::Acted) => None,
            Ok(Done::LetBe(why)) => {
                tracing::info!(phase = %phase, step = %step, "did not {step}: {why}");
                return;
            }
            Err(error) => Some(format!("{error:#}")),
        };
        let news = self.backoff.note(&step, error.clone(), since_boot());
        let done = error.is_none();
        if news {
            let seconds = format!("{:.3}", took.as_secs_f64());
            match &error {
                None => {
                    tracing::info!(phase = %phase, step = %step, seconds, "did: {step} ({because})");
                }
                Some(error) => tracing::warn!(
                    phase = %phase, step = %step, seconds, "cannot {step} ({because}): {error}"
                ),
            }
            self.ledger.note(&Event {
                version: ledger::VERSION,
                at: jiff::Timestamp::now().to_string(),
                since_boot_ms: since_boot_ms(),
                phase,
                step: step.to_string(),
                because,
                error,
                took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            });
        } else {
            let error = error.unwrap_or_default();
            tracing::debug!(phase = %phase, step = %step, "again: {step} {error}");
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

    fn publish(&mut self, observed: &Observed, plan: &Plan) {
        let now = self.phases.steady(phases(observed, &self.node.wanted), since_boot());
        if let Err(error) = self.phases.tell(&now) {
            tracing::warn!("cannot write down a phase: {error:#}");
        }
        self.holding.send_if_modified(|told| {
            let holding = targets::holding(&now);
            let news = *told != holding;
            *told = holding;
            news
        });
        let missing = now.iter().find(|p| !p.holds && p.phase != Phase::Ready);
        health::status(&missing.map_or_else(
            || "ready".to_owned(),
            |state| format!("{}: {}", state.phase, state.detail),
        ));
        let mut status = self.facts.status(observed, &self.node.wanted, self.phases.view(&now));
        status.doing = plan.steps.iter().map(|planned| planned.step.plain()).collect();
        status.exactly = plan.steps.iter().map(|planned| planned.step.to_string()).collect();
        status.waits.clone_from(&plan.waits);
        status.trouble = self.backoff.trouble();
        status.alerts = self.alerts(observed);
        self.tell.status.send_replace(status);
        let members = observed.ring.as_ref().map(|ring| ring.members.clone()).unwrap_or_default();
        self.tell.members.send_replace(members);
    }

    /// What a person should know; each is written to the journal once.
    fn alerts(&mut self, observed: &Observed) -> Vec<Alert> {
        let failing = self.backoff.failing();
        let troubles = Troubles { failing: &failing, broken: &self.broken };
        let (alerts, news) = self.standing.note(alerts(observed, &self.node.wanted, troubles));
        for Alert { id, severity, words, cure, .. } in news {
            // Steps that fail and rules that break have lines of their own.
            if severity < Severity::Notice && id != "step-fails" && id != "rule-broken" {
                tracing::warn!(alert = id, "{severity}: {words} ({cure})");
            }
        }
        alerts
    }
}

/// Looks at the storage when its daemon wrote down something, one time for what comes
/// together.
async fn hear<H, R, S, W>(
    node: Rc<Node<H, R, S, W>>,
    wake: Arc<Notify>,
    mut news: mpsc::Receiver<()>,
) {
    while news.recv().await.is_some() {
        node.looks.hear(Part::Storage);
        wake.notify_one();
        tokio::time::sleep(TOGETHER).await;
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
        let mut node = fake.node(root, loopback(last));
        node.patience = |_| Duration::from_millis(50);
        let node = Rc::new(node);
        let release = Release { profile: "test".into(), version: "1".into(), book: None };
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
                seen: watch::Sender::default(),
                decider: watch::Sender::default(),
            },
            pulse: Arc::new(Pulse::new(TURN)),
            work: Work::new(wake.clone()),
            backoff: Backoff::default(),
            blind: None,
            ledger: Ledger::open(node.paths.history()),
            standing: Standing::default(),
            broken: Vec::new(),
            planned: String::new(),
            holding: watch::Sender::default(),
            left: watch::Sender::default(),
            watch: None,
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
                () = async {
                    drop(status.wait_for(|s| s.ready).await.unwrap());
                    let started = || fake.world().calls.clone();
                    while !started().contains(&"start ashlar-ready.target".to_owned()) {
                        tokio::task::yield_now().await;
                    }
                } => {}
            }
        };
        timeout(Duration::from_secs(60), LocalSet::new().run_until(ready)).await.unwrap();
        for phase in Phase::ALL {
            assert!(agent_loop.node.paths.phases().join(phase.as_str()).exists());
        }
        assert!(status.borrow().phases.iter().all(|p| p.reached.is_some()));
        let history = ledger::read(&agent_loop.node.paths.history()).unwrap();
        let steps: Vec<_> = history.iter().map(|event| event.step.as_str()).collect();
        assert_eq!(steps[0], "make this node's identity");
        assert!(steps.contains(&"found a cluster"), "{steps:?}");
    }

    #[tokio::test]
    async fn a_node_whose_state_is_broken_does_nothing_and_says_why() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, status) = around(&mut fake, root.path(), 51);
        std::fs::write(agent_loop.node.paths.identity(), "{").unwrap();
        LocalSet::new().run_until(agent_loop.turn()).await;
        let trouble = status.borrow().trouble.clone().unwrap();
        assert!(trouble.contains("identity.json"), "{trouble}");
        assert!(fake.world().calls.is_empty());
    }

    #[tokio::test]
    async fn a_storage_daemon_that_hangs_holds_up_nothing_and_is_killed() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, status) = around(&mut fake, root.path(), 52);
        fake.world().active.insert(crate::node::STORAGE_UNIT.into());
        fake.world().hung.insert(Part::Storage);
        let story = async {
            let mut ring = status.clone();
            drop(ring.wait_for(|s| s.members.len() == 1).await.unwrap());
            let mut hung = status.clone();
            let shown = |s: &Status| s.alerts.iter().any(|a| a.id == "part-hangs");
            drop(hung.wait_for(shown).await.unwrap());
        };
        let local = LocalSet::new();
        local
            .run_until(async {
                tokio::select! {
                    () = agent_loop.run() => {}
                    () = story => {}
                }
            })
            .await;
        let part = status.borrow().parts.iter().find(|p| p.part == Part::Storage).cloned().unwrap();
        assert_eq!(part.silent.as_deref(), Some("no answer within 0 s"));
    }

    #[tokio::test]
    async fn a_look_that_took_long_is_rested_from_until_something_was_done() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, _) = around(&mut fake, root.path(), 54);
        fake.world().active.insert(crate::node::STORAGE_UNIT.into());
        fake.world().hung.insert(Part::Storage);
        let local = LocalSet::new();
        local.run_until(agent_loop.look()).await;
        let seen = |agent: &AgentLoop<_, _, _, _>| agent.node.sight.borrow().at(Part::Storage);
        let first = seen(&agent_loop);
        local.run_until(agent_loop.look()).await;
        assert_eq!(seen(&agent_loop), first, "it was asked again at once");
        agent_loop.node.looks.changed(looks::changes(&Step::TuneVolume));
        local.run_until(agent_loop.look()).await;
        assert!(seen(&agent_loop) > first);
    }

    #[tokio::test]
    async fn what_was_done_is_taken_up_while_a_part_is_still_silent() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, _) = around(&mut fake, root.path(), 55);
        fake.world().active.insert(crate::node::STORAGE_UNIT.into());
        fake.world().hung.insert(Part::Storage);
        Rc::get_mut(&mut agent_loop.node).unwrap().patience = |_| Duration::from_secs(600);
        let local = LocalSet::new();
        let story = async {
            let step = Step::MakeIdentity;
            let planned = Planned { step, because: String::new(), fence: None };
            let lane = Lane::of(&planned.step);
            agent_loop.work.begin(&agent_loop.node, lane, vec![planned]);
            assert!(!agent_loop.look().await, "it waited for the silent part");
            assert_eq!(agent_loop.work.outcomes().len(), 1);
        };
        local.run_until(story).await;
    }

    #[tokio::test]
    async fn nothing_is_planned_on_what_was_seen_before_something_else_was_done() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, _) = around(&mut fake, root.path(), 56);
        let local = LocalSet::new();
        local.run_until(agent_loop.look()).await;
        assert!(!agent_loop.is_planned_early(&Step::TuneVolume));
        agent_loop.node.looks.changed(looks::changes(&Step::StartVolume));
        assert!(agent_loop.is_planned_early(&Step::TuneVolume));
        assert!(!agent_loop.is_planned_early(&Step::AdoptRingKey), "that rests on the ring alone");
        local.run_until(agent_loop.look()).await;
        assert!(!agent_loop.is_planned_early(&Step::TuneVolume));
    }

    #[tokio::test]
    async fn a_step_that_breaks_a_rule_is_told_and_holds_up_no_other() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let (mut agent_loop, _) = around(&mut fake, root.path(), 53);
        let planned = |step| Planned { step, because: "a test says so".into(), fence: None };
        let steps = vec![planned(Step::MakeIdentity), planned(Step::TuneVolume)];
        let observed = Observed { site: true, ..Observed::default() };
        let safe = agent_loop.safe(Plan { steps, ..Plan::default() }, &observed);
        assert_eq!(safe.steps.iter().map(|p| &p.step).collect::<Vec<_>>(), [&Step::MakeIdentity]);
        assert!(agent_loop.alerts(&observed).iter().any(|a| a.id == "rule-broken"));
    }
}
