//! `yields.json`: that this box's cluster dissolves into another one, written down before
//! anything is done about it.

use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::Result;
use ashlar_cluster::Yielding;
use serde::{Deserialize, Serialize};

/// The version that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned = Versioned {
    reads: VERSION..=VERSION,
    cure: "go back to the newer release, which lets this cluster dissolve",
};

#[derive(Serialize, Deserialize)]
struct Noted {
    version: u32,
    #[serde(flatten)]
    yields: Yielding,
}

pub(crate) fn read(paths: &Paths) -> Result<Option<Yielding>> {
    Ok(FILE.read(&paths.yields())?.map(|Noted { yields, .. }| yields))
}

pub(crate) fn write(paths: &Paths, yields: &Yielding) -> Result<()> {
    state::write_json(&paths.yields(), &Noted { version: VERSION, yields: yields.clone() }, 0o600)
}

pub(crate) fn forget(paths: &Paths) -> Result<()> {
    state::remove(&paths.yields())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::ClusterId;

    #[test]
    fn a_note_is_read_as_it_was_written_and_one_of_a_newer_release_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.yields().parent().unwrap()).unwrap();
        assert_eq!(read(&paths).unwrap(), None);
        let note = Yielding { into: ClusterId("c0ffee".into()), asked: true };
        write(&paths, &note).unwrap();
        let golden = r#"{"version":1,"into":"c0ffee","asked":true}"#;
        let text = std::fs::read_to_string(paths.yields()).unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&text), value(golden));
        assert_eq!(read(&paths).unwrap(), Some(note));
        std::fs::write(paths.yields(), golden.replace("\"version\":1", "\"version\":2")).unwrap();
        assert!(read(&paths).unwrap_err().to_string().contains("version 2"));
        forget(&paths).unwrap();
        assert_eq!(read(&paths).unwrap(), None);
    }
}
