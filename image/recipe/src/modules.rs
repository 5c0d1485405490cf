//! Which kernel modules an image keeps.

use glob::{MatchOptions, Pattern};
use serde::Serialize;

/// A module name, a glob over names, or (with a slash) a glob over paths below
/// the kernel's `kernel/` folder. A name with `-` before it is kept where the
/// kernel has it, as systemd writes what may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePattern {
    pattern: Pattern,
    by_path: bool,
    may_be_missing: bool,
    written: String,
}

/// Why a text is no pattern of modules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPattern {
    /// The glob is broken.
    #[error("`{0}` is not a module pattern: {1}")]
    Glob(String, &'static str),
    /// It could never match.
    #[error(
        "`{0}` is not a module pattern: write a name (`nvme`), a glob over names (`virtio_*`), or \
         a glob over paths below the kernel's `kernel/` folder (`drivers/net/phy/**`), without \
         `.ko`"
    )]
    Form(String),
}

/// A star does not cross a slash; `**` does.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl ModulePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is none, or one that could match nothing.
    pub fn new(written: &str) -> Result<Self, NotAPattern> {
        let bad_char = |c: char| c.is_whitespace() || c.is_control();
        let (may_be_missing, name) =
            written.strip_prefix('-').map_or((false, written), |name| (true, name));
        if name.is_empty()
            || name.contains(bad_char)
            || name.starts_with(['/', '.', '-'])
            || name.starts_with("kernel/")
            || name.contains(".ko")
        {
            return Err(NotAPattern::Form(written.to_owned()));
        }
        let pattern = Pattern::new(&same_dashes(name))
            .map_err(|error| NotAPattern::Glob(written.to_owned(), error.msg))?;
        let by_path = name.contains('/');
        Ok(Self { pattern, by_path, may_be_missing, written: written.to_owned() })
    }

    /// Whether it means the module with this path below `/lib/modules/<version>`
    /// (`kernel/drivers/nvme/host/nvme.ko.xz`), compressed or not.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some((path, _)) = path.rsplit_once(".ko") else { return false };
        let path = same_dashes(path.strip_prefix("kernel/").unwrap_or(path));
        let subject = if self.by_path {
            path.as_str()
        } else {
            path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name)
        };
        self.pattern.matches_with(subject, OPTIONS)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether it names exactly one module that must be there, so that its absence
    /// can be told.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.may_be_missing && !self.written.contains(['*', '?', '['])
    }
}

/// How patterns are read and matched, as a text: these sources. It is an input of
/// whatever is chosen by them.
#[must_use]
pub const fn matching() -> &'static str {
    include_str!("modules.rs")
}

/// The kernel takes `-` and `_` in module names for the same; inside a class
/// (`[a-z]`) a dash is a range and stays.
fn same_dashes(text: &str) -> String {
    let mut in_class = false;
    text.chars()
        .map(|c| {
            match c {
                '[' => in_class = true,
                ']' => in_class = false,
                '-' if !in_class => return '_',
                _ => {}
            }
            c
        })
        .collect()
}

impl Serialize for ModulePattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

/// Reads a hardware set: one pattern a line, `#` starts a comment. The error
/// comes with the byte range of the line's pattern.
pub(crate) fn read_set(
    text: &str,
) -> Result<Vec<ModulePattern>, (NotAPattern, std::ops::Range<usize>)> {
    let mut patterns = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or_default();
        let word = written.trim();
        if !word.is_empty() {
            let from = start + (written.len() - written.trim_start().len());
            let pattern =
                ModulePattern::new(word).map_err(|error| (error, from..from + word.len()))?;
            patterns.push(pattern);
        }
        start += line.len();
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_missing_matches_like_any_other_and_is_not_missed() {
        let pattern = ModulePattern::new("-usb-storage").unwrap();
        assert!(pattern.matches("kernel/drivers/usb/storage/usb-storage.ko.xz"));
        assert!(!pattern.is_exact());
        assert!(ModulePattern::new("usb-storage").unwrap().is_exact());
        for wrong in ["-", "--usb"] {
            assert!(ModulePattern::new(wrong).is_err(), "{wrong}");
        }
    }
    use proptest::prelude::*;

    fn matches(pattern: &str, path: &str) -> bool {
        ModulePattern::new(pattern).unwrap().matches(path)
    }

    #[test]
    fn a_name_means_that_module_wherever_it_lies_and_however_it_is_packed() {
        for path in ["kernel/drivers/nvme/host/nvme.ko", "kernel/drivers/nvme/host/nvme.ko.xz"] {
            assert!(matches("nvme", path));
            assert!(!matches("nvme", &path.replace("nvme.ko", "nvme-core.ko")));
        }
    }

    #[test]
    fn dashes_and_underscores_are_the_same_in_names() {
        assert!(matches("nvme_core", "kernel/drivers/nvme/host/nvme-core.ko.xz"));
        assert!(matches("nvme-core", "kernel/drivers/nvme/host/nvme-core.ko"));
        assert!(matches("dm-*", "kernel/drivers/md/dm-verity.ko"));
        assert!(matches("ip[a-c]", "kernel/net/ipb.ko"));
    }

    #[test]
    fn a_path_glob_takes_a_folder_with_or_without_what_is_below() {
        let deep = "kernel/drivers/net/ethernet/intel/igb/igb.ko";
        assert!(matches("drivers/net/ethernet/intel/**", deep));
        assert!(!matches("drivers/net/ethernet/intel/*", deep));
        assert!(matches("drivers/net/ethernet/*/igb/*", deep));
    }

    #[test]
    fn patterns_that_could_match_nothing_are_refused() {
        for bad in ["", "a b", "/etc", "kernel/drivers/**", "nvme.ko.xz", "../x", "[a"] {
            assert!(ModulePattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broken_line_of_a_set_is_pointed_at() {
        let text = "# disks\nnvme\n  bad[ # oops\n";
        let (_, span) = read_set(text).unwrap_err();
        assert_eq!(&text[span], "bad[");
        assert_eq!(read_set("a # b\n\n#c\nd\n").unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_makes_patterns_or_sets_panic(text: String, path: String) {
            if let Ok(pattern) = ModulePattern::new(&text) {
                let _ = pattern.matches(&path);
            }
            let _ = read_set(&text);
        }
    }
}
