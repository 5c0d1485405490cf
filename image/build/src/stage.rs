//! What a step may read: its inputs, staged and then hashed.
//!
//! Files are copied into a directory of the build's own and hashed there, so that
//! an editor that saves in the middle of a build changes the next build and never
//! puts new bytes under an old key. A step is handed its [`Work`] and nothing
//! else: what it did not declare, it does not find.

use crate::draft::Draft;
use crate::error::{At, BuildError, Result};
use crate::programs::Programs;
use crate::sbom::crates;
use crate::step_id::StepId;
use crate::store::Store;
use crate::tools::Toolbox;
use crate::{digest, layer};
use ashlar_recipe::{Composed, Lock};
use ashlar_sandbox::{Cancel, Sandbox};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A step's inputs by name: what they are, or a hash of it.
pub(crate) type Inputs = BTreeMap<String, String>;

/// The input of a step that runs tools: all of them, because each uses others.
const TOOLS: &str = "tools";

/// What a build is made from. Something may not be known yet when a build is
/// only explained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// The recipe.
    pub composed: &'a Composed,
    /// Its packages.
    pub lock: Option<&'a Lock>,
    /// Where our programs are.
    pub programs: Option<&'a Programs>,
    /// The tools.
    pub tools: Option<&'a Toolbox>,
}

/// The inputs of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staged {
    /// By name: what they are, or a hash of it.
    pub values: Inputs,
    /// Where staged files and trees are.
    pub(crate) places: BTreeMap<String, PathBuf>,
    /// Whether the image's version is one.
    pub versioned: bool,
    /// What is not known yet.
    pub unknown: Vec<String>,
}

impl Staged {
    /// Where a staged file or tree is.
    pub(crate) fn place(&self, name: &str) -> Option<&Path> {
        self.places.get(name).map(PathBuf::as_path)
    }
}

/// Takes the inputs of one step.
#[derive(Debug)]
pub(crate) struct Staging<'a> {
    sources: Sources<'a>,
    stage: Option<PathBuf>,
    staged: Staged,
}

impl<'a> Staging<'a> {
    /// With what is an input of every step. Files go into the directory `stage`;
    /// nowhere if nothing will be run.
    pub(crate) fn begin(sources: Sources<'a>, stage: Option<PathBuf>) -> Result<Self> {
        if let Some(stage) = &stage {
            std::fs::create_dir_all(stage).at("made", stage)?;
        }
        let mut staging = Self { sources, stage, staged: Staged::default() };
        staging.value("sandbox", digest::text(ashlar_sandbox::conditions()));
        Ok(staging)
    }

    /// All that was taken.
    pub(crate) fn finish(self) -> Staged {
        self.staged
    }

    /// The recipe.
    pub(crate) fn recipe(&self) -> &'a Composed {
        self.sources.composed
    }

    /// An input that is a text.
    pub(crate) fn value(&mut self, name: &str, value: impl Into<String>) {
        self.staged.values.insert(name.to_owned(), value.into());
    }

    /// The image's version.
    pub(crate) fn version(&mut self) {
        self.staged.versioned = true;
    }

    /// How the root is packed.
    pub(crate) fn packing(&mut self) {
        let image = &self.recipe().recipe.image;
        let packing = format!("{},level={}", image.compression.as_str(), image.compression_level);
        self.value("compression", packing);
        self.value("cluster size", image.cluster_size.as_bytes().to_string());
    }

    /// That it chooses kernel modules by patterns, which `recipe` knows how to match.
    pub(crate) fn matching(&mut self) {
        self.value("matching of modules", digest::text(digest::code(ashlar_recipe::matching())));
    }

    /// That it runs tools.
    pub(crate) fn tools(&mut self) {
        match self.sources.tools {
            Some(tools) => self.value(TOOLS, tools.digest()),
            None => self.unknown("the tools, before they are there"),
        }
    }

    /// The locked packages: `sha256 name architecture version`, a line each.
    pub(crate) fn packages(&mut self) {
        let Some(lock) = self.sources.lock else {
            return self.unknown("the packages, before they are locked");
        };
        let line = |p: &ashlar_recipe::LockedPackage| {
            format!("{} {} {} {}\n", p.sha256, p.name, p.architecture, p.version)
        };
        self.value("packages", lock.packages.iter().map(line).collect::<String>());
    }

    /// Our programs.
    pub(crate) fn programs(&mut self) -> Result<()> {
        let Some(programs) = self.sources.programs else {
            self.unknown("our programs, before they are compiled");
            return Ok(());
        };
        layer::PROGRAMS.iter().try_for_each(|name| self.file(name, &programs.place.join(name)))?;
        match &programs.crates {
            Some(list) => self.file(crates::LIST, list),
            None => Ok(()),
        }
    }

    fn unknown(&mut self, what: &str) {
        self.staged.unknown.push(what.to_owned());
    }

    /// A file of the project.
    pub(crate) fn file(&mut self, name: &str, from: &Path) -> Result<()> {
        let place = self.place(name);
        let hashed = match &place {
            None => from,
            Some(to) => {
                std::fs::copy(from, to).at("read", from)?;
                to
            }
        };
        let hash = digest::file(hashed)?;
        self.keep(name, hash, place);
        Ok(())
    }

    /// A tree of the project.
    pub(crate) fn tree(&mut self, name: &str, from: &Path) -> Result<()> {
        let place = self.place(name);
        if let Some(to) = &place {
            std::fs::create_dir(to).at("made", to)?;
            layer::lay(from, to)?;
        }
        let hash = digest::tree(place.as_deref().unwrap_or(from))?;
        self.keep(name, hash, place);
        Ok(())
    }

    /// Several trees, whose order counts.
    pub(crate) fn overlays(&mut self, overlays: &[PathBuf]) -> Result<()> {
        for (place, overlay) in overlays.iter().enumerate() {
            let name = overlay.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = format!("overlay {:02} {}", place + 1, name.unwrap_or_default());
            self.tree(&name, overlay)?;
        }
        Ok(())
    }

    fn place(&self, name: &str) -> Option<PathBuf> {
        self.stage.as_ref().map(|stage| stage.join(name.replace('/', "-")))
    }

    fn keep(&mut self, name: &str, hash: String, place: Option<PathBuf>) {
        self.value(name, hash);
        self.staged.places.extend(place.map(|place| (name.to_owned(), place)));
    }
}

/// What a step is handed.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) id: StepId,
    pub(crate) staged: &'a Staged,
    pub(crate) version: &'a str,
    /// Outputs of the steps that it needs.
    pub(crate) outputs: BTreeMap<StepId, PathBuf>,
    /// The empty directory that it fills.
    pub(crate) out: &'a Path,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) store: &'a Store,
}

impl Work<'_> {
    /// An input that is a text.
    pub(crate) fn value(&self, name: &str) -> Result<&str> {
        let found = self.staged.values.get(name).map(String::as_str);
        found.ok_or_else(|| self.undeclared(name))
    }

    /// An input that is a file or a tree.
    pub(crate) fn place(&self, name: &str) -> Result<&Path> {
        self.staged.place(name).ok_or_else(|| self.undeclared(name))
    }

    /// The staged inputs whose names begin so, in order, without that beginning.
    pub(crate) fn places(&self, beginning: &str) -> Vec<(String, PathBuf)> {
        let places = self.staged.places.iter();
        let named = places.filter_map(|(name, place)| {
            Some((name.strip_prefix(beginning)?.to_owned(), place.clone()))
        });
        named.collect()
    }

    /// The texts whose names begin so, without that beginning.
    pub(crate) fn values(&self, beginning: &str) -> Vec<(String, String)> {
        let values = self.staged.values.iter();
        let named = values.filter_map(|(name, value)| {
            Some((name.strip_prefix(beginning)?.to_owned(), value.clone()))
        });
        named.collect()
    }

    /// The image's version.
    pub(crate) fn version(&self) -> Result<&str> {
        if self.staged.versioned { Ok(self.version) } else { Err(self.undeclared("version")) }
    }

    /// The output of a step that it needs.
    pub(crate) fn output(&self, step: StepId) -> Result<&Path> {
        let found = self.outputs.get(&step).map(PathBuf::as_path);
        found.ok_or_else(|| self.undeclared(step.as_str()))
    }

    /// A file of that output, as text.
    pub(crate) fn text(&self, step: StepId, file: &str) -> Result<String> {
        let path = self.output(step)?.join(file);
        Ok(std::fs::read_to_string(&path).at("read", path)?.trim_end().to_owned())
    }

    /// Where its tools run.
    pub(crate) fn tools(&self) -> Result<&Sandbox> {
        self.value(TOOLS)?;
        Ok(self.sandbox)
    }

    /// What ends it.
    pub(crate) fn cancel(&self) -> &Cancel {
        self.sandbox.cancel()
    }

    /// A directory for what does not stay.
    pub(crate) fn draft(&self, name: &str) -> Result<Draft> {
        self.store.draft(name)
    }

    /// The locked packages as an archive's pool: linked from the cache under
    /// readable names, and hashed again.
    pub(crate) fn pool(&self, into: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for line in self.value("packages")?.lines() {
            let mut words = line.split(' ').map(str::to_owned);
            let (Some(sha256), Some(name), Some(architecture)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let to = into.join(format!("{name}_{architecture}.deb"));
            if !self.store.link_deb(&sha256, &to)? {
                let version = words.next().unwrap_or_default();
                return Err(BuildError::Damaged { name, version });
            }
            names.push(name);
        }
        Ok(names)
    }

    fn undeclared(&self, name: &str) -> BuildError {
        let step = self.id;
        BuildError::Unexpected {
            what: format!("step {step} reads {name}, which is not among its inputs"),
        }
    }
}

#[cfg(test)]
mod tests;
