//! Which kernel modules stay: those that the patterns name, and all that they
//! need.

use crate::error::{At, BuildError, Result};
use crate::files::children;
use ashlar_recipe::ModulePattern;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of one kernel, by what its own index files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Path below `/lib/modules/<version>` → paths that it needs.
    needs: BTreeMap<String, Vec<String>>,
    /// Module name → names of modules that should be there too.
    soft: BTreeMap<String, Vec<String>>,
    /// Names of modules that are a part of the kernel itself.
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` and `modules.softdep` of a modules directory.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).at("read", path)
        };
        let builtin = read("modules.builtin")?;
        Ok(Self::parse(&read("modules.dep")?, &read("modules.softdep")?, &builtin))
    }

    fn parse(dep: &str, softdep: &str, builtin: &str) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let needs = dep
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(module, needed)| (module.trim().to_owned(), words(needed)))
            .collect();
        let mut soft: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in softdep.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("softdep") {
                continue;
            }
            let Some(module) = words.next() else { continue };
            let wanted = words.filter(|word| !word.ends_with(':')).map(str::to_owned);
            soft.entry(name(module)).or_default().extend(wanted);
        }
        Self { needs, soft, builtin: builtin.lines().map(name).collect() }
    }

    /// The paths of all modules that match, and of all that they need; all
    /// modules if there are no patterns.
    pub(crate) fn kept(&self, patterns: &[ModulePattern]) -> BTreeSet<String> {
        let matched = |path: &&String| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(path))
        };
        let mut queue: Vec<&str> = self.needs.keys().filter(matched).map(String::as_str).collect();
        let mut kept = BTreeSet::new();
        while let Some(path) = queue.pop() {
            if !kept.insert(path.to_owned()) {
                continue;
            }
            queue.extend(self.needs.get(path).into_iter().flatten().map(String::as_str));
            let soft = self.soft.get(&name(path)).into_iter().flatten();
            queue.extend(soft.filter_map(|wanted| self.path_of(wanted)));
        }
        kept
    }

    /// The patterns that name one module each and match none: a typing error in a
    /// hardware set would be a box without its network card.
    pub(crate) fn absent<'a>(
        &self,
        patterns: impl IntoIterator<Item = &'a ModulePattern>,
    ) -> Vec<String> {
        let exact = patterns.into_iter().filter(|pattern| pattern.is_exact());
        let absent = exact.filter(|pattern| {
            !self.builtin.contains(&name(pattern.as_str()))
                && !self.needs.keys().any(|path| pattern.matches(path))
        });
        absent.map(|pattern| pattern.as_str().to_owned()).collect()
    }

    fn path_of(&self, module: &str) -> Option<&str> {
        let wanted = name(module);
        self.needs.keys().map(String::as_str).find(|path| name(path) == wanted)
    }
}

/// Patterns as an input of a step: one a line.
pub(crate) fn written(patterns: &[ModulePattern]) -> String {
    patterns.iter().map(|pattern| format!("{}\n", pattern.as_str())).collect()
}

/// Reads them back.
pub(crate) fn patterns(written: &str) -> Vec<ModulePattern> {
    written.lines().filter_map(|line| ModulePattern::new(line).ok()).collect()
}

/// A module's name from its path or from another spelling of it.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// The one kernel version that has modules below a directory.
pub(crate) fn version(modules: &Path) -> Result<String> {
    let found: Vec<PathBuf> =
        children(modules)?.into_iter().filter(|path| path.join("modules.dep").exists()).collect();
    match found.as_slice() {
        [one] => Ok(one.file_name().map(|v| v.to_string_lossy().into_owned()).unwrap_or_default()),
        several => Err(BuildError::Unexpected {
            what: format!(
                "expected one kernel in the packages, found {}; an image boots exactly one",
                several.len()
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/fs/xfs/xfs.ko.xz: kernel/lib/libcrc32c.ko.xz\n\
        kernel/lib/libcrc32c.ko.xz:\n\
        kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\n\
        kernel/fs/jbd2/jbd2.ko.xz:\n\
        kernel/arch/x86/crypto/crc32c-intel.ko.xz:\n\
        kernel/sound/snd.ko.xz:\n";

    fn kept(patterns: &[&str]) -> Vec<String> {
        let modules = Modules::parse(DEP, "# softs\nsoftdep libcrc32c pre: crc32c_intel\n", "");
        let patterns: Vec<_> = patterns.iter().map(|p| ModulePattern::new(p).unwrap()).collect();
        modules.kept(&patterns).iter().map(|path| name(path)).collect()
    }

    #[test]
    fn a_module_brings_all_that_it_needs_and_nothing_else() {
        assert_eq!(kept(&["ext4"]), ["ext4", "jbd2"]);
    }

    #[test]
    fn soft_dependencies_are_kept_whatever_their_spelling() {
        assert_eq!(kept(&["xfs"]), ["crc32c_intel", "xfs", "libcrc32c"]);
    }

    #[test]
    fn without_patterns_all_modules_stay() {
        assert_eq!(kept(&[]).len(), 6);
    }

    #[test]
    fn a_name_that_no_module_has_is_told_and_a_built_in_one_or_a_glob_is_not() {
        let modules = Modules::parse(DEP, "", "kernel/drivers/virtio/virtio-pci.ko\n");
        let names = ["ext4", "virtio_pci", "etx4", "drivers/net/**", "kernel_fs/xfs"];
        let written = names.map(|name| ModulePattern::new(name).unwrap());
        assert_eq!(modules.absent(&written), ["etx4", "kernel_fs/xfs"]);
        assert_eq!(patterns(&super::written(&written)).len(), names.len());
    }
}
