//! Nodes that were struck off the cluster: nobody serves them any more, whatever
//! certificate they show.

use crate::paths::Paths;
use crate::state;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the file that this release writes; it reads the one before too.
const VERSION: u32 = 2;

/// `struck-off.json`.
#[derive(Debug, Serialize, Deserialize)]
struct StruckOff {
    version: u32,
    /// Their ids.
    nodes: BTreeSet<String>,
    /// Those of them that a person took out.
    #[serde(default)]
    removed: BTreeSet<String>,
}

/// Whether a node was struck off. A list that cannot be read strikes everybody
/// off: the error says so.
pub(super) fn contains(paths: &Paths, id: &str) -> Result<bool> {
    Ok(all(paths)?.contains(id))
}

/// Everybody who was struck off.
pub(super) fn all(paths: &Paths) -> Result<BTreeSet<String>> {
    Ok(read(paths)?.nodes)
}

/// Those of them that a person took out.
pub(super) fn removed(paths: &Paths) -> Result<BTreeSet<String>> {
    Ok(read(paths)?.removed)
}

fn read(paths: &Paths) -> Result<StruckOff> {
    let Some(list): Option<StruckOff> = state::read_json(&paths.struck_off())? else {
        return Ok(StruckOff {
            version: VERSION,
            nodes: BTreeSet::new(),
            removed: BTreeSet::new(),
        });
    };
    if !(1..=VERSION).contains(&list.version) {
        bail!(
            "{} is of version {}, this release reads up to version {VERSION}",
            paths.struck_off().display(),
            list.version
        );
    }
    Ok(list)
}

/// Strikes these off as well, some of them because a person took them out: nobody
/// ever comes off the list.
pub(super) fn add(
    paths: &Paths,
    nodes: impl Iterator<Item = String>,
    taken_out: impl Iterator<Item = String>,
) -> Result<()> {
    let mut list = read(paths)?;
    list.nodes.extend(nodes);
    list.removed.extend(taken_out.filter(|id| list.nodes.contains(id)));
    state::write_json(&paths.struck_off(), &StruckOff { version: VERSION, ..list }, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_on_the_list_is_struck_off_and_a_broken_list_lets_nobody_in() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.state()).unwrap();
        assert!(!contains(&paths, "ab12").unwrap());
        std::fs::write(paths.struck_off(), r#"{"version":1,"nodes":["ab12"]}"#).unwrap();
        assert!(contains(&paths, "ab12").unwrap());
        assert!(!contains(&paths, "cd34").unwrap());
        let one = |id: &str| std::iter::once(id.to_owned());
        add(&paths, one("ef56"), one("ef56")).unwrap();
        assert!(contains(&paths, "ab12").unwrap() && contains(&paths, "ef56").unwrap());
        assert_eq!(removed(&paths).unwrap(), ["ef56".to_owned()].into());
        for broken in ["{", r#"{"version":3,"nodes":[]}"#] {
            std::fs::write(paths.struck_off(), broken).unwrap();
            assert!(contains(&paths, "cd34").is_err());
            // Nor is it written over by a release that cannot read it.
            assert!(add(&paths, one("ef56"), std::iter::empty()).is_err());
            assert_eq!(std::fs::read_to_string(paths.struck_off()).unwrap(), broken);
        }
    }
}
