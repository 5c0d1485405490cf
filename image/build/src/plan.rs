//! The plan of a build: its steps, what each depends on, and a key for each that
//! is the hash of all its inputs. Pure; nothing is read or run here.

use crate::stage::{Inputs, Staged};
use crate::step::{Step, StepId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Hash of its inputs and of the keys of the steps that it needs.
    pub key: String,
    /// Its own inputs.
    pub inputs: Inputs,
    /// What is not known yet of its inputs, or of those before it. Then the key
    /// means nothing.
    #[serde(skip)]
    pub unknown: BTreeSet<String>,
}

/// All steps of a build by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    steps: BTreeMap<String, Planned>,
}

impl Plan {
    /// Keys every step, from its own inputs and those that it builds upon.
    /// `steps` are in an order in which they can run.
    pub(crate) fn new(
        steps: &[&dyn Step],
        staged: &BTreeMap<StepId, Staged>,
        version: &str,
    ) -> Self {
        let mut plan = Self::default();
        for step in steps {
            let Some(staged) = staged.get(&step.id()) else { continue };
            let mut inputs = staged.values.clone();
            if staged.versioned {
                inputs.insert("version".into(), version.into());
            }
            let mut unknown: BTreeSet<String> = staged.unknown.iter().cloned().collect();
            for need in step.needs() {
                let before = plan.step(*need).map(|need| need.unknown.clone());
                unknown.extend(before.unwrap_or_default());
            }
            let key = plan.key_of(*step, &inputs);
            plan.steps.insert(step.id().to_string(), Planned { key, inputs, unknown });
        }
        plan
    }

    fn key_of(&self, step: &dyn Step, inputs: &Inputs) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("step {}\n", step.id()));
        for (name, value) in inputs {
            // Lengths, so that no two sets of inputs read alike.
            hash.update(format!("{}:{name}={}:{value}\n", name.len(), value.len()));
        }
        for need in step.needs() {
            hash.update(format!("after {}\n", self.key(*need)));
        }
        hex::encode(&hash.finalize()[..16])
    }

    /// A step.
    pub(crate) fn step(&self, id: StepId) -> Option<&Planned> {
        self.steps.get(id.as_str())
    }

    /// Whether all that decides about a step is known, so that its key means something.
    pub(crate) fn is_known(&self, id: StepId) -> bool {
        self.step(id).is_some_and(|step| step.unknown.is_empty())
    }

    /// A step's key.
    pub(crate) fn key(&self, id: StepId) -> &str {
        self.step(id).map_or("", |step| step.key.as_str())
    }

    /// Why a step must run, compared with the last build: which inputs changed.
    /// Nothing, if none did.
    pub(crate) fn changes(&self, step: &dyn Step, last: Option<&Self>) -> Vec<String> {
        let id = step.id();
        let Some(now) = self.step(id) else { return Vec::new() };
        let Some(then) = last.and_then(|last| last.step(id)) else {
            return vec!["never built before".into()];
        };
        let mut changes: Vec<String> =
            now.unknown.iter().map(|what| format!("not known: {what}")).collect();
        for (name, value) in &now.inputs {
            match then.inputs.get(name) {
                None => changes.push(format!("{name} is new")),
                Some(old) if old != value => {
                    changes.push(format!("{name}: {} → {}", brief(old), brief(value)));
                }
                Some(_) => {}
            }
        }
        if now.unknown.is_empty() {
            let gone = then.inputs.keys().filter(|name| !now.inputs.contains_key(*name));
            changes.extend(gone.map(|name| format!("{name} is gone")));
        }
        for need in step.needs() {
            if last.is_some_and(|last| last.key(*need) != self.key(*need)) {
                changes.push(format!("step {need} changed"));
            }
        }
        changes
    }
}

/// A value as a person or a manifest gets it: what is long, by its hash.
pub(crate) fn shown(value: &str) -> String {
    if value.len() > 128 || value.contains('\n') {
        crate::digest::text(value)
    } else {
        value.to_owned()
    }
}

/// A hash is told apart by its first digits; anything else is shown as it is.
fn brief(value: &str) -> String {
    let value = shown(value);
    let hash = value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit());
    if hash { value[..8].to_owned() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{self, ALL, BASE, DISK, INITRD, MODULES, ROOT, SYSTEM, UKI};

    /// Every step with its real sources, and inputs as given.
    fn staged(inputs: &[(StepId, &str, &str)]) -> BTreeMap<StepId, Staged> {
        let of = |id: StepId| {
            let sources = step::sources_of(id);
            let mut values: Inputs =
                sources.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            let given = inputs.iter().filter(|(step, ..)| *step == id);
            values.extend(given.map(|(_, name, value)| ((*name).into(), (*value).into())));
            (id, Staged { values, ..Staged::default() })
        };
        ALL.iter().map(|step| of(step.id())).collect()
    }

    fn plan(agent: &str, packages: &str) -> Plan {
        let inputs = [(BASE, "packages", packages), (ROOT, "ashlar-agent", agent)];
        Plan::new(&ALL, &staged(&inputs), "1")
    }

    fn moved(a: &Plan, b: &Plan) -> Vec<StepId> {
        ALL.iter().map(|step| step.id()).filter(|id| a.key(*id) != b.key(*id)).collect()
    }

    /// A step, and all that follow it.
    fn from(first: StepId) -> Vec<StepId> {
        let mut found: Vec<StepId> = Vec::new();
        for step in ALL {
            if step.id() == first || step.needs().iter().any(|need| found.contains(need)) {
                found.push(step.id());
            }
        }
        found
    }

    #[test]
    fn a_changed_line_in_a_step_s_sources_rebuilds_exactly_that_step_and_what_follows() {
        let before = Plan::new(&ALL, &staged(&[]), "1");
        for step in ALL {
            let own = format!("src/step/{}.rs", step.id());
            let mut changed = staged(&[]);
            let text = changed.get_mut(&step.id()).unwrap().values.get_mut(&own).unwrap();
            text.push_str("// another line\n");
            let after = Plan::new(&ALL, &changed, "1");
            assert_eq!(moved(&before, &after), from(step.id()));
            let why = after.changes(step, Some(&before));
            assert!(why[0].starts_with(&own), "{why:?}");
        }
        // And a file that several share, all of these.
        let shared = |id: &StepId| step::sources_of(*id).any(|(name, _)| name == "src/modules.rs");
        let users: Vec<StepId> = ALL.iter().map(|step| step.id()).filter(shared).collect();
        assert_eq!(users, [MODULES, INITRD]);
    }

    #[test]
    fn a_changed_agent_leaves_base_initrd_and_the_packed_system_alone() {
        let moved = moved(&plan("1", "x"), &plan("2", "x"));
        assert_eq!(moved, from(ROOT));
        let left = [BASE, INITRD, SYSTEM];
        assert!(left.iter().all(|id| !moved.contains(id)) && moved.contains(&DISK), "{moved:?}");
    }

    #[test]
    fn a_changed_package_list_reaches_every_step() {
        assert_eq!(moved(&plan("1", "x"), &plan("1", "y")).len(), ALL.len());
    }

    #[test]
    fn the_version_reaches_the_steps_that_carry_it_and_no_other() {
        let mut staged = staged(&[]);
        staged.get_mut(&UKI).unwrap().versioned = true;
        let (one, two) = (Plan::new(&ALL, &staged, "1"), Plan::new(&ALL, &staged, "2"));
        assert_eq!(moved(&one, &two), from(UKI));
    }

    #[test]
    fn explain_names_the_input_that_changed_and_what_follows_from_it() {
        let (old, new) = (plan("1", "x"), plan("2", "x"));
        let why = |id| new.changes(step::find(id).unwrap(), Some(&old));
        assert_eq!(why(ROOT), ["ashlar-agent: 1 → 2"]);
        assert_eq!(why(DISK), ["step root changed", "step uki changed"]);
        assert_eq!(why(BASE), Vec::<String>::new());
        assert_eq!(new.changes(step::find(BASE).unwrap(), None), ["never built before"]);
    }

    #[test]
    fn what_is_not_known_is_said_of_the_step_and_of_all_that_follow() {
        let mut staged = staged(&[]);
        staged.get_mut(&ROOT).unwrap().unknown.push("our programs".into());
        let plan = Plan::new(&ALL, &staged, "1");
        for id in from(ROOT) {
            assert!(plan.step(id).unwrap().unknown.contains("our programs"), "{id}");
        }
        assert!(plan.step(INITRD).unwrap().unknown.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn different_inputs_never_share_a_key(a: Inputs, b: Inputs) {
            let key = |inputs: &Inputs| Plan::default().key_of(ALL[0], inputs);
            proptest::prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }
}
