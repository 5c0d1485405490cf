//! `ashlarctl await-phase`: what `ashlar-phase@.service` runs. It waits for the file
//! by which the agent shows that a phase holds, and sleeps until then: five of these
//! wait while a box forms.

use anyhow::{Context, Result};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::path::Path;
use std::process::ExitCode;

/// Wait until the agent shows a phase to systemd: `ashlar-phase@.service`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name.
    phase: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let run = std::env::var_os("ASHLAR_RUN").unwrap_or_else(|| "/run/ashlar".into());
    until(&Path::new(&run).join("phase").join(&args.phase))?;
    Ok(ExitCode::SUCCESS)
}

/// Until there is a file at `path`, whose directories may come later than the call.
fn until(path: &Path) -> Result<()> {
    let flags = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF;
    loop {
        // A new one each time, from the top down: what does not exist yet is made in a
        // directory that is watched already.
        let news = Inotify::init(InitFlags::IN_CLOEXEC).context("no inotify")?;
        let above = path.ancestors().skip(1).collect::<Vec<_>>();
        let watched = above.iter().rev().filter(|near| news.add_watch(**near, flags).is_ok());
        anyhow::ensure!(watched.count() > 0, "nothing above {} can be watched", path.display());
        if path.exists() {
            return Ok(());
        }
        news.read_events().context("inotify")?;
    }
}

#[cfg(test)]
mod tests {
    use super::until;
    use std::path::PathBuf;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Waits in a thread of its own, and says when the wait is over.
    fn waiting(path: PathBuf) -> mpsc::Receiver<()> {
        let (over, hears) = mpsc::channel();
        std::thread::spawn(move || {
            until(&path).unwrap();
            let _ = over.send(());
        });
        hears
    }

    #[test]
    fn a_phase_that_holds_already_is_not_waited_for() {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("ring"), "").unwrap();
        until(&run.path().join("ring")).unwrap();
    }

    #[test]
    fn the_wait_ends_with_the_file_whether_its_directory_is_there_or_not() {
        for levels in ["", "phase", "ashlar/phase"] {
            let run = tempfile::tempdir().unwrap();
            let path = run.path().join(levels).join("ready");
            let over = waiting(path.clone());
            assert!(over.recv_timeout(Duration::from_millis(20)).is_err(), "{levels}");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(run.path().join("another"), "").unwrap();
            std::fs::write(&path, "").unwrap();
            over.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }

    #[test]
    fn an_agent_that_starts_anew_and_makes_its_directory_again_is_waited_for() {
        let run = tempfile::tempdir().unwrap();
        let directory = run.path().join("phase");
        std::fs::create_dir(&directory).unwrap();
        let over = waiting(directory.join("ready"));
        for _ in 0..50 {
            std::fs::remove_dir(&directory).unwrap();
            std::fs::create_dir(&directory).unwrap();
        }
        std::fs::write(directory.join("ready"), "").unwrap();
        over.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
