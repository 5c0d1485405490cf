//! One file onto a stick. The agent may not mount anything: it leaves the file and
//! starts `ashlar-support@.service`, which writes it, reads it back from the stick, and
//! leaves what became of it.

use super::sticks;
use crate::host;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, anyhow, bail, ensure};
use ashlar_api::OnStick;
use futures_util::future::BoxFuture;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Longer than any bundle.
const LONGEST: u64 = 16 << 20;

/// Where the file waits, and what it is called there and on the stick.
const FILE: &str = "file";
const NAME: &str = "name";

/// What became of it.
const OUTCOME: &str = "outcome.json";

/// Starts the unit for a volume, and waits until it is done.
pub(crate) type StartWriter = Arc<dyn Fn(String) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// By systemd.
pub(crate) fn by_systemd() -> StartWriter {
    Arc::new(|volume| {
        let unit = format!("ashlar-support@{volume}.service");
        Box::pin(async move { host::run(&unit).await })
    })
}

/// The agent's part: has `bytes` written onto a volume as `name`.
pub(crate) async fn have_written(
    paths: &Paths,
    start: &StartWriter,
    volume: &str,
    name: &str,
    bytes: &[u8],
) -> Result<OnStick> {
    let place = paths.onto_a_stick();
    state::remove_dir(&place)?;
    state::make_private_dir(&place)?;
    state::write(&place.join(FILE), bytes, 0o600)?;
    state::write(&place.join(NAME), name.as_bytes(), 0o600)?;
    let ended = start(volume.to_owned()).await;
    let outcome = state::read_json::<Result<OnStick, String>>(&place.join(OUTCOME));
    state::remove_dir(&place)?;
    match outcome? {
        Some(outcome) => outcome.map_err(|why| anyhow!(why)),
        // It says why itself, unless it could not even begin.
        None => bail!(ended.err().unwrap_or_else(|| anyhow!("nobody wrote it"))),
    }
}

/// The unit's part, for a partition such as `/dev/sdb1`.
pub(crate) fn write(paths: &Paths, partition: &Path) -> Result<()> {
    let outcome = written(paths, partition);
    let said = outcome.as_ref().map_err(|error| format!("{error:#}"));
    state::write_json(&paths.onto_a_stick().join(OUTCOME), &said, 0o600)?;
    outcome.map(|on| tracing::info!("{} is on {}, {} bytes", on.file, on.volume, on.bytes))
}

fn written(paths: &Paths, partition: &Path) -> Result<OnStick> {
    let place = paths.onto_a_stick();
    let bytes = fs::read(place.join(FILE)).context("there is nothing to write")?;
    let file = fs::read_to_string(place.join(NAME)).context("it has no name")?;
    ensure!(!file.contains('/'), "`{file}` is no name of a file");
    ensure!(bytes.len() as u64 <= LONGEST, "{} bytes are too many for a bundle", bytes.len());
    let volume = partition.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let found = sticks::volumes(paths).into_iter().find(|found| found.name == volume);
    let found = found.with_context(|| format!("{volume} is no stick that may be written on"))?;

    let there = Mounted::new(partition, MsFlags::empty())?;
    let free = there.free()?;
    ensure!(
        free > bytes.len() as u64,
        "{} are free on it, and {} are needed: delete something, or take another one",
        ashlar_api::bytes(free),
        ashlar_api::bytes(bytes.len() as u64)
    );
    there.put(&file, &bytes).context("it does not take the file: was it pulled out too early?")?;
    there.end()?;
    // What the kernel remembers of it went with the mount: this comes from the stick.
    let there = Mounted::new(partition, MsFlags::MS_RDONLY)?;
    let back = fs::read(there.place(&file)).context("it does not give the file back")?;
    there.end()?;
    ensure!(back == bytes, "it gives back something else than was written: take another one");
    Ok(OnStick { volume: found.name, file, bytes: bytes.len() as u64 })
}

/// A FAT volume, for as long as it is mounted.
struct Mounted {
    at: Option<TempDir>,
}

impl Mounted {
    fn new(partition: &Path, more: MsFlags) -> Result<Self> {
        let at = tempfile::Builder::new().prefix("ashlar-stick-").tempdir_in("/run")?;
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID | more;
        mount(Some(partition), at.path(), Some("vfat"), flags, None::<&str>).map_err(|error| {
            anyhow!(match error {
                nix::errno::Errno::EROFS | nix::errno::Errno::EACCES =>
                    "it is locked against writing: move its small switch, or take another one"
                        .to_owned(),
                other => format!("it cannot be mounted as FAT: {other}"),
            })
        })?;
        Ok(Self { at: Some(at) })
    }

    fn place(&self, name: &str) -> PathBuf {
        self.at.as_ref().map_or_else(|| name.into(), |at| at.path().join(name))
    }

    fn free(&self) -> Result<u64> {
        let about = rustix::fs::statvfs(self.place(""))?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }

    /// Whole or not at all, and never over what is there.
    fn put(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let folder = self.place("");
        let mut file =
            tempfile::Builder::new().prefix("ashlar-").suffix(".new").tempfile_in(&folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(folder.join(name)).map_err(|error| error.error)?;
        File::open(&folder)?.sync_all()
    }

    fn end(mut self) -> Result<()> {
        let Some(at) = self.at.take() else { return Ok(()) };
        umount2(at.path(), MntFlags::empty()).context("it cannot be unmounted")?;
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let Some(at) = &self.at else { return };
        if let Err(error) = umount2(at.path(), MntFlags::MNT_DETACH) {
            tracing::warn!("a stick cannot be unmounted: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A unit that leaves this.
    fn leaving(paths: &Paths, outcome: Option<Result<OnStick, String>>) -> StartWriter {
        let paths = paths.clone();
        Arc::new(move |volume| {
            let place = paths.onto_a_stick();
            let about = fs::metadata(place.join(FILE)).unwrap();
            assert_eq!(about.permissions().mode() & 0o777, 0o600);
            if let Some(outcome) = &outcome {
                state::write_json(&place.join(OUTCOME), outcome, 0o600).unwrap();
            }
            let failed = !matches!(outcome, Some(Ok(_)));
            Box::pin(async move {
                ensure!(!failed, "the unit for {volume} failed");
                Ok(())
            })
        })
    }

    #[tokio::test]
    async fn what_became_of_a_file_is_told_in_the_writer_s_words_and_the_file_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let there = OnStick { volume: "sdb1".into(), file: "a.tar.zst".into(), bytes: 4 };
        for (outcome, words) in [
            (Some(Ok(there.clone())), None),
            (Some(Err("it is locked".to_owned())), Some("it is locked")),
            (None, Some("the unit for sdb1 failed")),
        ] {
            let start = leaving(&paths, outcome);
            let said = have_written(&paths, &start, "sdb1", "a.tar.zst", b"file").await;
            match words {
                None => assert_eq!(said.unwrap(), there),
                Some(words) => assert_eq!(format!("{:#}", said.unwrap_err()), words),
            }
            assert!(!paths.onto_a_stick().exists());
        }
    }
}
