//! Watching a cluster come up: every node's phases, with times since power-on.

use super::error::Result;
use super::store::boot_clock;
use super::{Accelerator, Cluster, Deadline, Error, Exec};
use ashlar_api::{Phase, Status};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two looks at a node.
const PAUSE: Duration = Duration::from_secs(1);
/// The same where the processor is emulated, which needs its time for the boot: a look
/// is half a dozen processes there. When a phase was reached a node says itself.
const EMULATED_PAUSE: Duration = Duration::from_secs(5);

/// A guest that does not answer a look within this time still boots.
const LOOK: Duration = Duration::from_secs(40);

/// When a node passed its phases, in seconds since its power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NodeTimes {
    /// Firmware and boot loader were done.
    pub kernel: Option<f64>,
    /// The agent started.
    pub agent: Option<f64>,
    /// Phase `ring`.
    pub ring: Option<f64>,
    /// Phase `pki`.
    pub pki: Option<f64>,
    /// Phase `storage`.
    pub storage: Option<f64>,
    /// Phase `swarm`.
    pub swarm: Option<f64>,
    /// Phase `ready`.
    pub ready: Option<f64>,
}

/// Where a node stands.
#[derive(Clone, Debug, Default)]
pub struct NodeReport {
    /// Its name in the cluster.
    pub node: String,
    /// The name that it gave itself.
    pub name: Option<String>,
    /// Phases passed so far.
    pub times: NodeTimes,
    /// Every wanted phase holds now.
    pub ready: bool,
    /// What it is doing, in words.
    pub doing: String,
}

/// How to watch.
pub struct Watch<'a> {
    /// Until when all must be ready.
    pub deadline: Deadline,
    /// Told of every look at every node.
    pub report: &'a (dyn Fn(&NodeReport) + Sync),
    /// Says when to give up early.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Watch<'_> {
    /// Watches until all nodes are ready at the same time, the deadline has
    /// passed, or it is cancelled; gives the last look at each.
    pub fn until_ready(&self, cluster: &Cluster) -> Result<Vec<NodeReport>> {
        let names: Vec<String> = cluster.nodes().into_iter().map(|node| node.name).collect();
        let reports: Vec<NodeReport> = names
            .iter()
            .map(|name| NodeReport { node: name.clone(), ..NodeReport::default() })
            .collect();
        let reports = Mutex::new(reports);
        let over = AtomicBool::new(false);
        let done = || over.load(Ordering::Relaxed) || self.deadline.passed() || (self.cancelled)();
        let emulated = cluster.view().accelerator == Some(Accelerator::Tcg);
        let pause = if emulated { EMULATED_PAUSE } else { PAUSE };
        std::thread::scope(|scope| {
            let watchers: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(at, name)| {
                    let (reports, over, done) = (&reports, &over, &done);
                    scope.spawn(move || -> Result<()> {
                        let mut clock = Clock::default();
                        while !done() {
                            let report = look(cluster, name, &mut clock)?;
                            (self.report)(&report);
                            let mut all = reports.lock().unwrap_or_else(PoisonError::into_inner);
                            all[at] = report;
                            if all.iter().all(|report| report.ready) {
                                over.store(true, Ordering::Relaxed);
                            }
                            drop(all);
                            Deadline::within(pause).poll(Duration::from_millis(200), || {
                                Ok::<_, Error>(done().then_some(()))
                            })?;
                        }
                        Ok(())
                    })
                })
                .collect();
            watchers.into_iter().try_for_each(|watcher| {
                let result = watcher.join().unwrap_or(Ok(()));
                if result.is_err() {
                    over.store(true, Ordering::Relaxed);
                }
                result
            })
        })?;
        Ok(reports.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The last lines of a node's journal, or of its console if it does not answer.
#[must_use]
pub fn last_words(cluster: &Cluster, node: &str) -> String {
    let journal = Exec::script("journalctl -n 40 --no-pager --no-hostname 2>&1");
    match cluster.exec(node, &journal.within(Duration::from_secs(60))) {
        Ok(finished) if finished.success() => finished.text(),
        _ => cluster.console_tail(node, 40),
    }
}

/// One look at one node.
fn look(cluster: &Cluster, node: &str, clock: &mut Clock) -> Result<NodeReport> {
    let powered = cluster.powered_on_at(node)?;
    let mut report = NodeReport { node: node.to_owned(), ..NodeReport::default() };
    let question =
        Exec::script("echo \"$(</proc/uptime)\" && exec ashlarctl status --json").within(LOOK);
    let before = boot_clock();
    let finished = match cluster.exec(node, &question) {
        Ok(finished) => finished,
        Err(Error::Deadline { .. } | Error::Busy { .. }) => {
            let console = cluster.console_tail(node, 1);
            let line: String = console.chars().filter(|c| !c.is_control()).collect();
            report.doing = format!("booting: {}", line.trim());
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let text = finished.text();
    let (uptime, status) = text.split_once('\n').unwrap_or((&text, ""));
    if let Some(seconds) = uptime.split(' ').next().and_then(|word| word.parse().ok()) {
        clock.learn(before, boot_clock(), seconds);
    }
    report.times.kernel = clock.zero().map(|zero| round((zero - powered).max(0.0)));
    match serde_json::from_str::<Status>(status) {
        Ok(status) => tell(&mut report, &status, clock, powered),
        Err(_) => report.doing = "waiting for the agent".to_owned(),
    }
    Ok(report)
}

fn tell(report: &mut NodeReport, status: &Status, clock: &Clock, powered: f64) {
    let since_power = |guest: f64| clock.zero().map(|zero| round(zero + guest - powered));
    report.name = status.identity.as_ref().map(|identity| identity.name.clone());
    report.ready = status.ready;
    let times = &mut report.times;
    times.agent = since_power(status.boot.agent);
    for phase in &status.phases {
        let place = match phase.phase {
            Phase::Identity => continue,
            Phase::Ring => &mut times.ring,
            Phase::Pki => &mut times.pki,
            Phase::Storage => &mut times.storage,
            Phase::Swarm => &mut times.swarm,
            Phase::Ready => &mut times.ready,
        };
        *place = phase.reached.and_then(since_power);
    }
    report.doing = match (&status.trouble, status.doing.as_slice()) {
        (Some(trouble), _) => trouble.clone(),
        (None, []) => status
            .phases
            .iter()
            .find(|phase| !phase.holds)
            .map(|phase| format!("{}: {}", phase.phase, phase.detail))
            .unwrap_or_default(),
        (None, doing) => doing.join(", "),
    };
}

/// What the host's clock showed when a guest's clock began. Each look gives an
/// interval; the narrowest is kept, because a busy guest answers late.
#[derive(Debug, Default)]
struct Clock {
    bounds: Option<(f64, f64)>,
}

impl Clock {
    fn learn(&mut self, before: f64, after: f64, uptime: f64) {
        let found = (before - uptime, after - uptime);
        let better = self.bounds.is_none_or(|(low, high)| {
            let rebooted = found.0 > high + 1.0;
            rebooted || found.1 - found.0 < high - low
        });
        if better {
            self.bounds = Some(found);
        }
    }

    fn zero(&self) -> Option<f64> {
        self.bounds.map(|(low, high)| f64::midpoint(low, high))
    }
}

fn round(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_late_answer_does_not_spoil_what_a_prompt_one_told() {
        let mut clock = Clock::default();
        clock.learn(100.0, 109.0, 5.0);
        clock.learn(120.0, 120.2, 20.1);
        clock.learn(130.0, 136.0, 31.0);
        assert!((clock.zero().unwrap() - 100.0).abs() < 0.01);
    }

    #[test]
    fn a_guest_that_rebooted_has_a_new_beginning() {
        let mut clock = Clock::default();
        clock.learn(120.0, 120.2, 20.1);
        clock.learn(190.0, 196.0, 11.0);
        assert!((clock.zero().unwrap() - 182.0).abs() < 0.01);
    }
}
