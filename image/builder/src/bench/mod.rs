//! How long an image takes, here and with mkosi on the same packages, in one run
//! on one machine.
//!
//! Both builders get the same packages, in a directory as `ashlar vendor` fills
//! it, and ask no archive: what is measured is there whatever the archive did
//! since. Tools are there too. *Cold* then is a build with nothing else kept;
//! *rebuild* is what follows a change of the agent.

mod ours;
mod peer;

pub(crate) use ours::measure as measure_ours;
pub(crate) use peer::measure as measure_mkosi;

use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Our times may be at most this share of mkosi's (DESIGN, *Budgets*).
pub(crate) const COLD_BUDGET: f64 = 0.4;
/// The same, for the rebuild after a changed agent.
pub(crate) const REBUILD_BUDGET: f64 = 0.25;
/// At most so many seconds for a build when nothing changed.
pub(crate) const UNCHANGED_BUDGET: f64 = 2.0;

/// What one builder took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Measured {
    /// Seconds of a build with packages and tools at hand, and nothing else.
    pub(crate) cold_seconds: f64,
    /// Seconds of the build after a change of the agent.
    pub(crate) rebuild_seconds: f64,
    /// Seconds of the build after that, with no change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unchanged_seconds: Option<f64>,
    /// Seconds of a build without a network, from the vendored directory and with
    /// no package in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vendored_seconds: Option<f64>,
    /// Seconds of each step of the rebuild.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rebuild_steps: BTreeMap<String, f64>,
    /// Bytes of the packed root.
    pub(crate) root_bytes: u64,
    /// Bytes of the UKI.
    pub(crate) uki_bytes: u64,
    /// Packages in the image.
    pub(crate) packages: usize,
}

/// Our share of the peer's times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Ratio {
    /// Of the cold build.
    pub(crate) cold: f64,
    /// Of the rebuild.
    pub(crate) rebuild: f64,
    /// Whether both are within budget, and the build without a change as well.
    pub(crate) within_budget: bool,
}

impl Ratio {
    /// Ours by theirs.
    pub(crate) fn of(ours: &Measured, theirs: &Measured) -> Self {
        let cold = ours.cold_seconds / theirs.cold_seconds;
        let rebuild = ours.rebuild_seconds / theirs.rebuild_seconds;
        let quick = ours.unchanged_seconds.is_none_or(|seconds| seconds <= UNCHANGED_BUDGET);
        let within_budget = cold <= COLD_BUDGET && rebuild <= REBUILD_BUDGET && quick;
        Self { cold, rebuild, within_budget }
    }
}

/// Our programs in a directory of the benchmark's own, where they can change.
#[derive(Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Copies of the real ones.
    pub(crate) fn copy(from: &Path, to: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&to)?;
        for program in ashlar_build::PROGRAMS {
            std::fs::copy(from.join(program), to.join(program))?;
        }
        Ok(Self(to))
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Another agent: the same program with `note` behind its end, which no
    /// loader looks at.
    pub(crate) fn change_agent(&self, note: &str) -> std::io::Result<()> {
        use std::io::Write;
        let path = self.0.join("ashlar-agent");
        let mut file = std::fs::File::options().append(true).open(path)?;
        file.write_all(note.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Measured, Ratio};

    fn took(cold_seconds: f64, rebuild_seconds: f64, unchanged: f64) -> Measured {
        Measured {
            cold_seconds,
            rebuild_seconds,
            unchanged_seconds: Some(unchanged),
            vendored_seconds: None,
            rebuild_steps: BTreeMap::new(),
            root_bytes: 1,
            uki_bytes: 1,
            packages: 1,
        }
    }

    #[test]
    fn a_build_is_within_budget_only_when_all_its_times_are() {
        let peer = took(100.0, 40.0, 40.0);
        assert!(Ratio::of(&took(40.0, 10.0, 2.0), &peer).within_budget);
        assert!(!Ratio::of(&took(41.0, 10.0, 2.0), &peer).within_budget);
        assert!(!Ratio::of(&took(40.0, 11.0, 2.0), &peer).within_budget);
        assert!(!Ratio::of(&took(40.0, 10.0, 3.0), &peer).within_budget);
    }
}
