//! What a build is asked for.

use crate::error::Result;
use crate::events::Events;
use crate::locking::{Locking, Locksmith};
use crate::project::Project;
use crate::step::{StepId, Target};
use crate::store::Store;
use crate::tools::ToolsLock;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the recipes are, and where the image goes.
    pub project: Project,
    /// Which recipe.
    pub profile: String,
    /// Whether a stale lock is renewed.
    pub locking: Locking,
    /// A version instead of the one that the contents give.
    pub version: Option<String>,
    /// Where our programs are, instead of compiling them.
    pub agent_dir: Option<PathBuf>,
    /// A directory that `ashlar vendor` filled, instead of locks and archives.
    pub vendor: Option<PathBuf>,
    /// The cache, instead of the user's.
    pub cache_dir: Option<PathBuf>,
    /// What people shall get.
    pub targets: BTreeSet<Target>,
}

impl Request {
    /// The packages that the tools root is made of.
    pub(crate) fn tools(&self) -> Result<ToolsLock> {
        match &self.vendor {
            Some(vendor) => ToolsLock::vendored(vendor),
            None => ToolsLock::of(Some(&self.project)),
        }
    }

    /// What handles its lock.
    pub(crate) fn locksmith<'a>(
        &'a self,
        recipes: &'a Path,
        store: &'a Store,
        events: &'a dyn Events,
    ) -> Locksmith<'a> {
        Locksmith { recipes, vendor: self.vendor.as_deref(), locking: self.locking, store, events }
    }

    /// The steps of its targets.
    pub(crate) fn wanted(&self) -> Vec<StepId> {
        let steps = self.targets.iter().flat_map(|target| target.steps());
        steps.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }
}
