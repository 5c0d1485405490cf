//! Whether there is room for a build before it begins.

use crate::error::{BuildError, Result};
use crate::publish;
use crate::request::Request;
use crate::step;
use crate::step_id::StepId;
use ashlar_recipe::Lock;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes that one place will take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need<'a> {
    /// Where.
    pub place: &'a Path,
    /// How much.
    pub bytes: u64,
}

/// Fails if a file system has less room than all places on it need together.
pub(crate) fn check(needs: &[Need<'_>]) -> Result<()> {
    for need in needs {
        let Some(device) = device(need.place) else { continue };
        let together = needs
            .iter()
            .filter(|other| self::device(other.place) == Some(device))
            .map(|other| other.bytes)
            .sum();
        if let Some(free) = free(need.place)
            && free < together
        {
            return Err(BuildError::NoRoom {
                needed: together,
                free,
                place: need.place.to_owned(),
            });
        }
    }
    Ok(())
}

/// Bytes that this user may still write at a place.
pub(crate) fn free(place: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(existing(place)?).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

fn device(place: &Path) -> Option<u64> {
    Some(std::fs::metadata(existing(place)?).ok()?.dev())
}

fn existing(place: &Path) -> Option<&Path> {
    place.ancestors().find(|path| path.exists())
}

/// Bytes that the pending steps take at most, in the cache and in `out/`.
pub(crate) fn room(
    lock: &Lock,
    pending: &BTreeSet<StepId>,
    request: &Request,
    profile: &str,
    version: &str,
) -> (u64, u64) {
    let packed: u64 = lock.packages.iter().map(|package| package.size).sum();
    let of = |id: &StepId| step::find(*id).map_or(0, |step| step.room(packed));
    let published = publish::place(&request.project, profile, version);
    let copies = |id: &StepId| step::find(*id).is_some_and(|s| s.artefacts().iter().any(|a| a.own));
    let own: u64 = request.wanted().iter().filter(|id| copies(id)).map(of).sum();
    (pending.iter().map(of).sum(), if published.is_dir() { 0 } else { own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_needs_of_one_file_system_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let free = free(dir.path()).unwrap();
        let deeper = dir.path().join("not/made/yet");
        let half = Need { place: dir.path(), bytes: free / 2 };
        check(&[half]).unwrap();
        let more = Need { place: &deeper, bytes: free / 2 + free / 4 };
        let error = check(&[half, more]).unwrap_err();
        assert!(matches!(error, BuildError::NoRoom { .. }), "{error}");
    }
}
