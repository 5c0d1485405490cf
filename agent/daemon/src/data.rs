//! The data partition, as the program tells of it that looks after it when it does not
//! mount (`/usr/lib/ashlar/mend-data`).

use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::Result;
use ashlar_cluster::{DataPartition, DataStanding, Repair, Unmounted};
use serde::Deserialize;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes the partition anew, if the program called it gone.
pub(crate) const REMAKE_UNIT: &str = "ashlar-remake-data.service";

const STANDING: Versioned =
    Versioned { reads: 1..=1, cure: "restart the box: it is written anew at each start" };

const REPAIRED: Versioned =
    Versioned { reads: 1..=1, cure: "bring the box back to the release that wrote it" };

/// `data.json`, until the next boot.
#[derive(Debug, Deserialize)]
struct Told {
    standing: DataStanding,
    why: String,
}

/// What is known of the partition. What was noted of a time when it was not mounted
/// counts no more once it is.
pub(crate) fn look(paths: &Paths) -> Result<DataPartition> {
    let told = STANDING.read::<Told>(&paths.data_standing())?.filter(|_| !is_mounted(paths));
    let unmounted = told.map(|Told { standing, why }| Unmounted { standing, why });
    Ok(DataPartition { unmounted, repaired: REPAIRED.read::<Repair>(&paths.data_repaired())? })
}

/// What a repair may have cost was given back by others, or is nobody's concern any more.
pub(crate) fn forget_repair(paths: &Paths) -> Result<()> {
    state::remove(&paths.data_repaired())
}

/// Whether a file system is mounted there: otherwise it shows the root's.
pub(crate) fn is_mounted(paths: &Paths) -> bool {
    let data = paths.data();
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    device(&data).is_some_and(|found| data.parent().and_then(device) != Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_of_this_release_writes_is_read() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        fs::create_dir_all(paths.state()).unwrap();
        fs::create_dir_all(paths.run()).unwrap();
        fs::create_dir_all(paths.data()).unwrap();
        assert_eq!(look(&paths).unwrap(), DataPartition::default());
        // As `stand` and `note` of mend-data print them: tests/disk has them of the program.
        let standing = r#"{"version": 1, "standing": "gone", "why": "xfs_repair: Sorry"}"#;
        fs::write(paths.data_standing(), standing).unwrap();
        let repaired = r#"{"version": 1, "at": 1790000000, "log_dropped": true, "torn": 3}"#;
        fs::write(paths.data_repaired(), repaired).unwrap();
        let data = look(&paths).unwrap();
        assert!(data.is_gone() && !data.is_doubted());
        assert_eq!(data.repaired, Some(Repair { log_dropped: true, torn: 3 }));
        fs::remove_file(paths.data_standing()).unwrap();
        assert!(look(&paths).unwrap().is_doubted());
        forget_repair(&paths).unwrap();
        assert_eq!(look(&paths).unwrap(), DataPartition::default());

        fs::write(paths.data_repaired(), r#"{"version": 2}"#).unwrap();
        assert!(look(&paths).unwrap_err().to_string().contains("data-repaired.json"));
    }
}
