//! Bricks and self-heal daemons that run and answer nobody. GlusterFS's clients pass such
//! a brick by after a while, its management daemon goes on to take it for online, and
//! nobody starts it anew.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill as signal};
use nix::unistd::Pid;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long one may take for an answer. As long as this is short of the volume's
/// ping-timeout, nobody else has given it up yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A ping of GlusterFS's own, as its clients send them: an RPC call (RFC 5531) of the
/// program that every one of its processes serves, without credentials, in one fragment.
fn ping() -> Vec<u8> {
    const LAST_FRAGMENT: u32 = 1 << 31;
    let (call, version, program, procedure, none) = (0, 2, 123_451_501, 2, 0);
    let words = [1, call, version, program, 1, procedure, none, 0, none, 0];
    let length = LAST_FRAGMENT | (4 * words.len() as u32);
    std::iter::once(length).chain(words).flat_map(u32::to_be_bytes).collect()
}

/// The processes behind the sockets in a directory that do not answer. A socket that
/// nobody listens on is no matter.
pub(super) async fn among(directory: &Path, patience: Duration) -> Result<Vec<Pid>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    let mut hung = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|end| end == "socket") {
            let asked = ask(&path, patience).await;
            hung.extend(asked.with_context(|| format!("cannot ask {}", path.display()))?);
        }
    }
    Ok(hung)
}

/// The process behind a socket, if it does not answer.
async fn ask(path: &Path, patience: Duration) -> io::Result<Option<Pid>> {
    let mut stream = match UnixStream::connect(path).await {
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            return Ok(None);
        }
        stream => stream?,
    };
    let process = stream.peer_cred()?.pid().map(Pid::from_raw);
    Ok(if timeout(patience, answers(&mut stream)).await.is_ok() { None } else { process })
}

/// Returns once somebody on the other side reads what is written. One that ends the
/// conversation is no less alive than one that answers.
pub(super) async fn answers(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let asked = stream.write_all(&ping()).await;
    if asked.is_ok() {
        drop(stream.read_u8().await);
    }
}

/// Ends a process that hears nothing else.
pub(super) fn kill(process: Pid) -> Result<()> {
    match signal(process, Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot kill process {process}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn one_that_runs_and_answers_nobody_is_found_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(among(&at("none"), PATIENCE).await.unwrap(), []);
        drop(UnixListener::bind(at("ended.socket")).unwrap());
        std::fs::write(at("brick.pid"), "1").unwrap();
        let lives = UnixListener::bind(at("lives.socket")).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = lives.accept().await.unwrap();
            let mut call = vec![0; ping().len()];
            stream.read_exact(&mut call).await.unwrap();
            stream.write_all(&[0x80, 0, 0, 4, 0, 0, 0, 1]).await.unwrap();
            call
        });
        assert_eq!(among(dir.path(), PATIENCE).await.unwrap(), []);
        assert_eq!(served.await.unwrap()[..4], [0x80, 0, 0, 40]);

        std::fs::remove_file(at("lives.socket")).unwrap();
        // The kernel takes the connection, and nobody reads it.
        let _hung = UnixListener::bind(at("hung.socket")).unwrap();
        let this = Pid::from_raw(i32::try_from(std::process::id()).unwrap());
        assert_eq!(among(dir.path(), Duration::ZERO).await.unwrap(), [this]);
    }
}
