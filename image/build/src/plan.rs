//! The plan of a build: named steps, what each depends on, and a key for each
//! that is the hash of all its inputs. Pure; nothing is read or run here.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The steps, in an order in which they can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepId {
    /// Locked packages unpacked and configured.
    Base,
    /// Kernel modules that the hardware needs.
    Modules,
    /// What runs before the root is there.
    Initrd,
    /// The root file system and its hash tree.
    Root,
    /// Kernel, initrd and command line in one EFI program.
    Uki,
    /// The disk image.
    Disk,
    /// The hash of the disk image.
    Checksum,
    /// The disk image, compressed.
    Compressed,
}

impl StepId {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::Modules,
        Self::Initrd,
        Self::Root,
        Self::Uki,
        Self::Disk,
        Self::Checksum,
        Self::Compressed,
    ];

    /// The steps whose output it reads.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Base => &[],
            Self::Modules => &[Self::Base],
            Self::Initrd | Self::Root => &[Self::Base, Self::Modules],
            Self::Uki => &[Self::Base, Self::Initrd, Self::Root],
            Self::Disk => &[Self::Root, Self::Uki],
            Self::Checksum | Self::Compressed => &[Self::Disk],
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Modules => "modules",
            Self::Initrd => "initrd",
            Self::Root => "root",
            Self::Uki => "uki",
            Self::Disk => "disk",
            Self::Checksum => "checksum",
            Self::Compressed => "compressed",
        }
    }

    /// What it does, for people.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Base => "unpack and configure the locked packages",
            Self::Modules => "keep the kernel modules that the hardware needs",
            Self::Initrd => "pack what runs before the root is there",
            Self::Root => "lay overlays and agent over the base, pack, hash",
            Self::Uki => "join kernel, initrd and root hash in one EFI program",
            Self::Disk => "partition and fill the disk image",
            Self::Checksum => "hash the disk image",
            Self::Compressed => "compress the disk image",
        }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A step's inputs by name: what they are, or a hash of it.
pub(crate) type Inputs = BTreeMap<String, String>;

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Which.
    pub id: StepId,
    /// Hash of its inputs and of the keys of the steps that it needs.
    pub key: String,
    /// Its own inputs.
    pub inputs: Inputs,
}

/// All steps, in an order in which they can run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// Keys every step, from its own inputs and those that it builds upon.
    pub(crate) fn new(mut inputs: impl FnMut(StepId) -> Inputs) -> Self {
        let mut plan = Self::default();
        for id in StepId::ALL {
            let inputs = inputs(id);
            let key = plan.key_of(id, &inputs);
            plan.steps.push(Step { id, key, inputs });
        }
        plan
    }

    fn key_of(&self, id: StepId, inputs: &Inputs) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("step {id}\n"));
        for (name, value) in inputs {
            // Lengths, so that no two sets of inputs read alike.
            hash.update(format!("{}:{name}={}:{value}\n", name.len(), value.len()));
        }
        for need in id.needs() {
            hash.update(format!("after {}\n", self.key(*need)));
        }
        hex::encode(&hash.finalize()[..16])
    }

    /// The steps.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// A step's key.
    pub(crate) fn key(&self, id: StepId) -> &str {
        self.steps.iter().find(|step| step.id == id).map_or("", |step| step.key.as_str())
    }

    /// Why a step must run, compared with the last build: which inputs changed.
    /// Nothing, if none did.
    pub(crate) fn changes(&self, id: StepId, last: Option<&Self>) -> Vec<String> {
        let find = |plan: &Self| plan.steps.iter().find(|step| step.id == id).cloned();
        let Some(now) = find(self) else { return Vec::new() };
        let Some(then) = last.and_then(find) else { return vec!["never built before".into()] };
        let mut changes = Vec::new();
        for (name, value) in &now.inputs {
            match then.inputs.get(name) {
                None => changes.push(format!("{name} is new")),
                Some(old) if old != value => {
                    changes.push(format!("{name}: {} → {}", brief(old), brief(value)));
                }
                Some(_) => {}
            }
        }
        let gone = then.inputs.keys().filter(|name| !now.inputs.contains_key(*name));
        changes.extend(gone.map(|name| format!("{name} is gone")));
        for need in id.needs() {
            if last.is_some_and(|last| last.key(*need) != self.key(*need)) {
                changes.push(format!("step {need} changed"));
            }
        }
        changes
    }
}

/// A hash is told apart by its first digits; anything else is shown as it is.
fn brief(value: &str) -> &str {
    let hash = value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit());
    if hash { &value[..8] } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(agent: &str, packages: &str) -> Plan {
        Plan::new(|id| match id {
            StepId::Base => Inputs::from([("packages".into(), packages.into())]),
            StepId::Root => Inputs::from([("agent".into(), agent.into())]),
            _ => Inputs::new(),
        })
    }

    fn moved(a: &Plan, b: &Plan) -> Vec<StepId> {
        StepId::ALL.into_iter().filter(|id| a.key(*id) != b.key(*id)).collect()
    }

    #[test]
    fn every_step_comes_after_those_that_it_needs() {
        for (place, id) in StepId::ALL.iter().enumerate() {
            for need in id.needs() {
                assert!(StepId::ALL.iter().position(|other| other == need).unwrap() < place);
            }
        }
    }

    #[test]
    fn a_changed_agent_leaves_base_and_initrd_alone() {
        let moved = moved(&plan("1", "x"), &plan("2", "x"));
        assert!(moved.contains(&StepId::Root) && moved.contains(&StepId::Compressed));
        assert!(!moved.contains(&StepId::Base) && !moved.contains(&StepId::Initrd));
    }

    #[test]
    fn a_changed_package_list_reaches_every_step() {
        assert_eq!(moved(&plan("1", "x"), &plan("1", "y")), StepId::ALL);
    }

    #[test]
    fn explain_names_the_input_that_changed_and_what_follows_from_it() {
        let (old, new) = (plan("1", "x"), plan("2", "x"));
        assert_eq!(new.changes(StepId::Root, Some(&old)), ["agent: 1 → 2"]);
        assert_eq!(
            new.changes(StepId::Disk, Some(&old)),
            ["step root changed", "step uki changed"]
        );
        assert_eq!(new.changes(StepId::Base, Some(&old)), Vec::<String>::new());
        assert_eq!(new.changes(StepId::Base, None), ["never built before"]);
    }

    proptest::proptest! {
        #[test]
        fn different_inputs_never_share_a_key(a: Inputs, b: Inputs) {
            let key = |inputs: &Inputs| Plan::default().key_of(StepId::Base, inputs);
            proptest::prop_assert_eq!(a == b, key(&a) == key(&b));
        }
    }
}
