//! Which tier starts when. A pure function of how far each is.
//!
//! A machine of few cores is kept busy by two lanes. The *timed* lane has one
//! tier at most: machines and rings with clocks of their own, which wait more
//! than they compute. The *computing* lane has as many tiers as there are cores,
//! one fewer beside a timed one; its processes stand back ([`Pace::niceness`]), so
//! that they use what the timed one leaves and do not make it late. A tier of
//! emulated machines ([`Pace::Alone`]) has the machine to itself, unless that has
//! cores to spare: on few cores it comes last.

use crate::tier::{Pace, Tier};

/// How many cores the machines of a [`Pace::Alone`] fill.
const MACHINES: usize = 3;

/// How far a tier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not begun.
    Waiting,
    /// Begun and not ended.
    Running,
    /// Ended, and what needs it can start.
    Good,
    /// Ended, and what needs it cannot.
    Bad,
}

/// What is to be done with a tier that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start it.
    Start(usize),
    /// It never can: this one failed.
    GiveUp(usize, &'static str),
}

/// What to do now; nothing, until a running tier has ended.
pub(crate) fn next(tiers: &[&Tier], states: &[State], cores: usize) -> Option<Next> {
    let state_of = |name: &str| {
        tiers.iter().position(|tier| tier.name == name).map_or(State::Good, |at| states[at])
    };
    let running = || {
        let all = tiers.iter().zip(states).filter(|(_, state)| **state == State::Running);
        all.map(|(tier, _)| *tier)
    };
    let alone = running().any(|tier| tier.pace == Pace::Alone);
    let timed = running().filter(|tier| tier.pace.is_timed()).count();
    let computing = running().count() - timed;
    let cores = cores.max(1);
    let room = match (alone, timed) {
        (true, _) => cores.saturating_sub(MACHINES),
        (false, timed) => (cores - timed.min(cores)).max(1),
    };
    for (at, tier) in tiers.iter().enumerate().filter(|(at, _)| states[*at] == State::Waiting) {
        if let Some(failed) = tier.needs.iter().find(|name| state_of(name) == State::Bad) {
            return Some(Next::GiveUp(at, failed));
        }
        let lane_is_free = match tier.pace {
            Pace::Timed => timed == 0,
            Pace::Alone => timed == 0 && (computing == 0 || computing + MACHINES <= cores),
            Pace::First | Pace::Filling => computing < room,
        };
        let is_held = tier.holds.is_some() && running().any(|other| other.holds == tier.holds);
        let has_all = tier.needs.iter().all(|name| state_of(name) == State::Good);
        if lane_is_free && has_all && !is_held {
            return Some(Next::Start(at));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Next, State, next};
    use crate::list::TIERS;
    use crate::tier::{Pace, Tier};

    const fn tier(name: &'static str, pace: Pace) -> Tier {
        Tier {
            name,
            what: "",
            needs: &[],
            pace,
            holds: None,
            minutes: 1,
            skip: || None,
            steps: &[],
        }
    }

    /// Starts all that can start; gives their names.
    fn started(tiers: &[&Tier], states: &mut [State], cores: usize) -> Vec<&'static str> {
        let mut names = Vec::new();
        while let Some(Next::Start(at)) = next(tiers, states, cores) {
            states[at] = State::Running;
            names.push(tiers[at].name);
        }
        names
    }

    #[test]
    fn one_timed_tier_takes_a_core_and_each_other_core_has_a_computing_tier() {
        let all = [
            tier("vm", Pace::Timed),
            tier("lab", Pace::Timed),
            tier("unit", Pace::Filling),
            tier("lint", Pace::Filling),
            tier("docs", Pace::First),
        ];
        let tiers: Vec<&Tier> = all.iter().collect();
        let mut states = [State::Waiting; 5];
        assert_eq!(started(&tiers, &mut states, 2), ["vm", "unit"]);
        states[0] = State::Bad;
        assert_eq!(started(&tiers, &mut states, 2), ["lab"]);
        states[1] = State::Good;
        assert_eq!(started(&tiers, &mut states, 2), ["lint"]);
    }

    #[test]
    fn emulated_machines_have_few_cores_to_themselves_and_share_many() {
        let all = [
            tier("vm", Pace::Alone),
            tier("lab", Pace::Timed),
            tier("unit", Pace::Filling),
            tier("lint", Pace::Filling),
        ];
        let tiers: Vec<&Tier> = all.iter().collect();
        let mut states = [State::Good, State::Waiting, State::Waiting, State::Waiting];
        assert_eq!(started(&tiers, &mut states, 2), ["lab", "unit"]);
        states[0] = State::Waiting;
        states[1] = State::Good;
        assert_eq!(started(&tiers, &mut states, 2), ["lint"], "one still computes");
        states[2] = State::Good;
        assert!(started(&tiers, &mut states, 2).is_empty(), "the other still computes");
        states[3] = State::Good;
        assert_eq!(started(&tiers, &mut states, 2), ["vm"]);
        states[3] = State::Waiting;
        assert!(started(&tiers, &mut states, 2).is_empty(), "machines run");
        assert_eq!(started(&tiers, &mut states, 4), ["lint"]);
    }

    #[test]
    fn what_one_tier_holds_no_other_gets() {
        let all = [
            Tier { holds: Some("target"), ..tier("compile", Pace::First) },
            Tier { holds: Some("target"), ..tier("lint", Pace::Filling) },
            tier("fuzz", Pace::Filling),
        ];
        let tiers: Vec<&Tier> = all.iter().collect();
        let mut states = [State::Waiting; 3];
        assert_eq!(started(&tiers, &mut states, 2), ["compile", "fuzz"]);
        states[0] = State::Good;
        assert_eq!(started(&tiers, &mut states, 2), ["lint"]);
    }

    #[test]
    fn a_tier_whose_need_failed_is_given_up() {
        let all =
            [tier("build", Pace::First), Tier { needs: &["build"], ..tier("vm", Pace::Timed) }];
        let tiers: Vec<&Tier> = all.iter().collect();
        assert_eq!(next(&tiers, &[State::Running, State::Waiting], 2), None);
        let given_up = next(&tiers, &[State::Bad, State::Waiting], 2);
        assert_eq!(given_up, Some(Next::GiveUp(1, "build")));
    }

    #[test]
    fn every_tier_of_the_list_has_its_turn_on_any_machine() {
        for cores in [1, 2, 16] {
            let tiers: Vec<&Tier> = TIERS.iter().collect();
            let mut states = vec![State::Waiting; tiers.len()];
            while states.iter().any(|state| *state != State::Good) {
                started(&tiers, &mut states, cores);
                let ends = states.iter().position(|state| *state == State::Running);
                states[ends.expect("nothing runs and nothing can start")] = State::Good;
            }
        }
    }

    #[test]
    fn what_a_tier_needs_is_in_the_list_above_it() {
        for (at, tier) in TIERS.iter().enumerate() {
            for need in tier.needs {
                assert!(TIERS[..at].iter().any(|t| t.name == *need), "{}: {need}", tier.name);
            }
        }
    }
}
