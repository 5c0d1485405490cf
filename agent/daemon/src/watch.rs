//! What others write on this box, heard of at once and for nothing: a question to the
//! storage daemon costs a process, and what it knows it has written down.

use anyhow::{Context, Result};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Directories that are watched.
pub(crate) struct Watch(Arc<Inotify>);

impl Watch {
    /// Watches nothing yet. Gives what hears of news; several at once may be one.
    ///
    /// # Errors
    /// When the kernel gives no watch, or no thread.
    pub(crate) fn new() -> Result<(Self, mpsc::Receiver<()>)> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC).context("cannot watch files")?;
        let inotify = Arc::new(inotify);
        let (tell, news) = mpsc::channel(1);
        let reads = inotify.clone();
        std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                while reads.read_events().is_ok() {
                    // One that is not taken yet says as much.
                    if let Err(mpsc::error::TrySendError::Closed(())) = tell.try_send(()) {
                        return;
                    }
                }
            })
            .context("cannot watch files")?;
        Ok((Self(inotify), news))
    }

    /// Watches these directories, as far as they are there. One that is watched already
    /// stays so.
    pub(crate) fn over(&self, directories: &[PathBuf]) {
        let written = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        for directory in directories {
            // One that is not there is made below another one.
            let _ = self.0.add_watch(directory, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_into_a_directory_is_heard_of() {
        let dir = tempfile::tempdir().unwrap();
        let (watch, mut news) = Watch::new().unwrap();
        let missing = dir.path().join("missing");
        watch.over(&[missing.clone(), dir.path().to_owned()]);
        std::fs::write(dir.path().join("info"), "status=1").unwrap();
        news.recv().await.unwrap();
        std::fs::create_dir(&missing).unwrap();
        news.recv().await.unwrap();
        watch.over(std::slice::from_ref(&missing));
        std::fs::write(missing.join("x"), "").unwrap();
        news.recv().await.unwrap();
    }
}
