//! What differs between two locks.

use crate::lock::{Lock, LockedPackage};
use serde::Serialize;

/// What differs between two locks, each list sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockDiff {
    /// Packages that only the new lock has.
    pub added: Vec<LockedPackage>,
    /// Packages that only the old lock has.
    pub removed: Vec<LockedPackage>,
    /// Packages in both whose version or contents differ.
    pub moved: Vec<Moved>,
}

/// A package that moved from one version to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Moved {
    /// As the old lock has it.
    pub from: LockedPackage,
    /// As the new lock has it.
    pub to: LockedPackage,
}

impl Lock {
    /// What `new` has that this one has not, and the reverse.
    #[must_use]
    pub fn diff(&self, new: &Self) -> LockDiff {
        let (old, new) = (self.by_name(), new.by_name());
        let mut diff = LockDiff::default();
        for (key, package) in &new {
            match old.get(key) {
                None => diff.added.push((*package).clone()),
                Some(from) if from.sha256 != package.sha256 => {
                    diff.moved.push(Moved { from: (*from).clone(), to: (*package).clone() })
                }
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
        diff.removed.extend(gone.map(|(_, package)| (*package).clone()));
        diff
    }
}

impl LockDiff {
    /// Whether the two locks hold the same packages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.moved.is_empty()
    }
}

/// One line a package: `~ serf 0.10.1 → 0.10.2`, `+ new 1`, `- gone 2`.
impl std::fmt::Display for LockDiff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        for Moved { from, to } in &self.moved {
            let (name, old, new) = (&from.name, &from.version, &to.version);
            lines.push(if old == new {
                format!("~ {name} {old}: same version, other contents")
            } else {
                format!("~ {name} {old} → {new}")
            });
        }
        lines.extend(self.added.iter().map(|new| format!("+ {} {}", new.name, new.version)));
        lines.extend(self.removed.iter().map(|old| format!("- {} {}", old.name, old.version)));
        f.write_str(&lines.join("\n"))
    }
}
