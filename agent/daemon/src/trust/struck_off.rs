//! Nodes that were struck off the cluster: nobody serves them any more, whatever
//! certificate they show.

use crate::paths::Paths;
use crate::state;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the file that this release reads.
const VERSION: u32 = 1;

/// `struck-off.json`.
#[derive(Debug, Serialize, Deserialize)]
struct StruckOff {
    version: u32,
    /// Their ids.
    nodes: BTreeSet<String>,
}

/// Whether a node was struck off. A list that cannot be read strikes everybody
/// off: the error says so.
pub(super) fn contains(paths: &Paths, id: &str) -> Result<bool> {
    Ok(all(paths)?.contains(id))
}

/// Everybody who was struck off.
pub(super) fn all(paths: &Paths) -> Result<BTreeSet<String>> {
    let Some(list): Option<StruckOff> = state::read_json(&paths.struck_off())? else {
        return Ok(BTreeSet::new());
    };
    if list.version != VERSION {
        bail!(
            "{} is of version {}, this release reads version {VERSION}",
            paths.struck_off().display(),
            list.version
        );
    }
    Ok(list.nodes)
}

/// Strikes these off as well: nobody ever comes off the list.
pub(super) fn add(paths: &Paths, nodes: impl Iterator<Item = String>) -> Result<()> {
    let mut all = all(paths)?;
    all.extend(nodes);
    state::write_json(&paths.struck_off(), &StruckOff { version: VERSION, nodes: all }, 0o600)
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
        add(&paths, std::iter::once("ef56".to_owned())).unwrap();
        assert!(contains(&paths, "ab12").unwrap() && contains(&paths, "ef56").unwrap());
        for broken in ["{", r#"{"version":2,"nodes":[]}"#] {
            std::fs::write(paths.struck_off(), broken).unwrap();
            assert!(contains(&paths, "cd34").is_err());
            // Nor is it written over by a release that cannot read it.
            assert!(add(&paths, std::iter::once("ef56".to_owned())).is_err());
            assert_eq!(std::fs::read_to_string(paths.struck_off()).unwrap(), broken);
        }
    }
}
