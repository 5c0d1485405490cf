//! Makes phases visible outside the agent: a systemd target, a file in
//! `/run/ashlar/phase/`, a journal entry, and the time at which each was first
//! reached in this boot.

use crate::clock::since_boot;
use crate::paths::Paths;
use crate::state;
use anyhow::Result;
use ashlar_api::PhaseStatus;
use ashlar_cluster::{Phase, PhaseState};
use std::collections::BTreeMap;
use std::time::Duration;

/// For how long a phase that held is still told to hold. The election of a
/// Swarm leader, and the time-out of storage on a peer that lost power, pass
/// within this; nobody should stop a service for them.
const GRACE: Duration = Duration::from_secs(15);

/// What the outside was told of each phase.
#[derive(Debug)]
pub(crate) struct Phases {
    paths: Paths,
    told: BTreeMap<Phase, bool>,
    reached: BTreeMap<Phase, f64>,
    lost: BTreeMap<Phase, Duration>,
}

impl Phases {
    /// Takes up what an earlier agent process of this boot told: its restart
    /// takes no phase away that holds.
    pub(crate) fn load(paths: &Paths) -> Result<Self> {
        state::make_public_dir(&paths.phases())?;
        // A broken file costs a time stamp, not the node.
        let reached = state::read_json(&reached_file(paths)).ok().flatten().unwrap_or_default();
        let held = Phase::ALL.into_iter().filter(|phase| mark(paths, *phase).exists());
        let told = held.map(|phase| (phase, true)).collect();
        Ok(Self { paths: paths.clone(), told, reached, lost: BTreeMap::new() })
    }

    /// What to tell at `time` (since boot) of what was observed: a phase that
    /// was told to hold and does not any more holds on for the grace, and says
    /// what is wrong.
    pub(crate) fn steady(&mut self, mut now: Vec<PhaseState>, time: Duration) -> Vec<PhaseState> {
        for state in &mut now {
            if state.holds || self.told.get(&state.phase) != Some(&true) {
                self.lost.remove(&state.phase);
                continue;
            }
            let since = *self.lost.entry(state.phase).or_insert(time);
            state.holds = time.saturating_sub(since) < GRACE;
        }
        now
    }

    /// Whether a phase holds by grace alone.
    pub(crate) fn wavers(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Writes down every phase that changed, for whoever looks for its file.
    /// One that cannot be written is tried again at the next call, and holds up
    /// no other. systemd's targets follow in [`crate::targets`].
    pub(crate) fn tell(&mut self, now: &[PhaseState]) -> Result<()> {
        let mut outcome = Ok(());
        for state in now {
            if self.told.get(&state.phase) == Some(&state.holds) {
                continue;
            }
            match self.change(state) {
                Ok(()) => drop(self.told.insert(state.phase, state.holds)),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    fn change(&mut self, state: &PhaseState) -> Result<()> {
        let PhaseState { phase, holds, detail } = state;
        let mark = mark(&self.paths, *phase);
        if *holds {
            let now = since_boot().as_secs_f64();
            let first = !self.reached.contains_key(phase);
            let reached = *self.reached.entry(*phase).or_insert(now);
            if first {
                state::write_json(&reached_file(&self.paths), &self.reached, 0o644)?;
            }
            state::write(&mark, format!("{reached:.3}\n").as_bytes(), 0o644)?;
            tracing::info!(phase = %phase, seconds = format!("{now:.3}"), "phase {phase} holds: {detail}");
            return Ok(());
        }
        state::remove(&mark)?;
        if self.told.get(phase) == Some(&true) {
            tracing::warn!(phase = %phase, "phase {phase} does not hold any more: {detail}");
        }
        Ok(())
    }

    /// The phases as the API shows them.
    pub(crate) fn view(&self, now: &[PhaseState]) -> Vec<PhaseStatus> {
        now.iter()
            .map(|state| PhaseStatus {
                phase: state.phase,
                holds: state.holds,
                reached: self.reached.get(&state.phase).copied(),
                detail: state.detail.clone(),
            })
            .collect()
    }
}

fn mark(paths: &Paths, phase: Phase) -> std::path::PathBuf {
    paths.phases().join(phase.as_str())
}

fn reached_file(paths: &Paths) -> std::path::PathBuf {
    paths.run().join("reached.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holds: bool) -> Vec<PhaseState> {
        vec![PhaseState { phase: Phase::Swarm, holds, detail: String::new() }]
    }

    #[test]
    fn a_phase_that_comes_back_within_the_grace_was_never_lost() {
        let root = tempfile::tempdir().unwrap();
        let mut phases = Phases::load(&Paths::under(root.path())).unwrap();
        let holds = |phases: &mut Phases, holds, seconds| {
            phases.steady(seen(holds), Duration::from_secs(seconds))[0].holds
        };
        assert!(!holds(&mut phases, false, 1), "what never held has no grace");
        phases.told.insert(Phase::Swarm, true);
        assert!(holds(&mut phases, false, 10));
        assert!(phases.wavers());
        assert!(holds(&mut phases, false, 24));
        assert!(holds(&mut phases, true, 24));
        assert!(!phases.wavers());
        assert!(holds(&mut phases, false, 30), "the grace starts anew");
        assert!(!holds(&mut phases, false, 45));
    }

    #[test]
    fn a_restart_of_the_agent_takes_no_phase_away() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let mut before = Phases::load(&paths).unwrap();
        before.tell(&seen(true)).unwrap();
        let mut after = Phases::load(&paths).unwrap();
        let first_look = after.steady(seen(false), Duration::from_secs(100));
        assert!(first_look[0].holds, "it is not known yet, and held a moment ago");
        after.tell(&first_look).unwrap();
        assert!(paths.phases().join("swarm").exists());
        let later = after.steady(seen(false), Duration::from_secs(116));
        after.tell(&later).unwrap();
        assert!(!paths.phases().join("swarm").exists());
    }
}
