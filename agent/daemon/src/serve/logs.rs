//! `GET /v1/logs`.

use super::local::refuse;
use super::said::OF_ONE_IMAGE;
use crate::paths::Paths;
use crate::presence::Peer;
use crate::support::journal::{self, Reading};
use ashlar_api::{ApiError, LogsRequest, Refusal, route};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many may read at once: each has a `journalctl` of its own.
const READERS: usize = 4;

/// What answering takes.
#[derive(Clone)]
struct Asked {
    program: PathBuf,
    paths: Paths,
    readers: Arc<Semaphore>,
}

/// The route, with all that it needs.
pub(super) fn router(paths: Paths) -> Router {
    of("journalctl".into(), paths)
}

fn of(program: PathBuf, paths: Paths) -> Router {
    let readers = Arc::new(Semaphore::new(READERS));
    Router::new().route(route::LOGS, get(answer)).with_state(Asked { program, paths, readers })
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    RawQuery(query): RawQuery,
) -> Response {
    match asked.begin(peer, &query.unwrap_or_default()).await {
        Ok((reading, place)) => {
            ([(CONTENT_TYPE, route::LINES_TYPE)], body(reading, place)).into_response()
        }
        Err(error) => refuse(&error),
    }
}

impl Asked {
    async fn begin(
        &self,
        peer: Peer,
        query: &str,
    ) -> Result<(Reading, OwnedSemaphorePermit), ApiError> {
        peer.must_be_root("have what the journals say")?;
        let request = LogsRequest::of_query(query).map_err(|error| error.hint(OF_ONE_IMAGE))?;
        let Ok(place) = self.readers.clone().try_acquire_owned() else {
            let words = format!("{READERS} others read the journal of this box just now");
            return Err(ApiError::new(Refusal::NotReady, words).hint("ask again"));
        };
        let reading = journal::read(&self.program, &self.paths, &request).await;
        let unread = |error| {
            ApiError::new(Refusal::NotReady, format!("the journal cannot be read: {error:#}"))
        };
        Ok((reading.map_err(unread)?, place))
    }
}

/// Line by line, as fast as they are taken; whoever hangs up ends it, and one that breaks
/// off is no whole answer.
fn body(reading: Reading, place: OwnedSemaphorePermit) -> Body {
    let lines = stream::unfold(Some((reading, place)), |reading| async move {
        let (mut reading, place) = reading?;
        let line = match reading.next().await {
            Ok(line) => serde_json::to_vec(&line?).map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        match line {
            Ok(mut line) => {
                line.push(b'\n');
                Some((Ok(Bytes::from(line)), Some((reading, place))))
            }
            Err(error) => {
                tracing::warn!("the journal cannot be told to the end: {error:#}");
                Some((Err(error), None))
            }
        }
    });
    Body::from_stream(lines)
}

#[cfg(test)]
mod tests {
    use super::super::socket::{bind, serve_local};
    use super::*;
    use crate::presence::Presence;
    use crate::presence::tests::{PIN, node};
    use ashlar_api::{Client, LogLines};
    use std::os::unix::fs::PermissionsExt;

    /// A box whose journal is what this script prints.
    fn telling(script: &str) -> (tempfile::TempDir, Client) {
        telling_to(Peer::here(Some(0)), script)
    }

    fn telling_to(peer: Peer, script: &str) -> (tempfile::TempDir, Client) {
        let (root, paths) = node(Some(PIN));
        let screen = Presence::with_screen(&paths, Some(nix::unistd::getuid().as_raw()));
        let program = root.path().join("journalctl");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let socket = root.path().join("agent.sock");
        let router = of(program, paths).layer(axum::Extension(ConnectInfo(peer)));
        tokio::spawn(serve_local(bind(&socket).unwrap(), router, screen));
        (root, Client::at(socket))
    }

    const THREE: &str = r#"for n in 1 2 3; do
printf '{"__CURSOR":"s=%s","__REALTIME_TIMESTAMP":"5","MESSAGE":"%s"}\n' $n "$*"
done"#;

    async fn lines(mut told: LogLines, most: usize) -> Vec<ashlar_api::LogLine> {
        let mut lines = Vec::new();
        while let Some(line) = told.next().await.unwrap() {
            lines.push(line);
            if lines.len() == most {
                break;
            }
        }
        lines
    }

    #[tokio::test]
    async fn lines_come_as_journalctl_is_asked_for_them() {
        let (_root, client) = telling(THREE);
        let asked = LogsRequest { lines: 3, ..LogsRequest::default() };
        let told = lines(client.logs(asked).await.unwrap(), 9).await;
        assert_eq!(told.len(), 3);
        let words = &told[0].message;
        for word in ["--lines=3", "--boot", "--output=json", "--unit=ashlar-*", "--unit=docker"] {
            assert!(words.contains(word), "{words}");
        }
        assert!(!words.contains("--follow"), "{words}");
    }

    #[tokio::test]
    async fn root_and_admins_are_told_and_nobody_else() {
        let looks = Peer::here(Some(1000));
        for (peer, may) in [
            (Peer::elsewhere(true), true),
            (Peer::elsewhere(false), false),
            (Peer::admin(1000), true),
            (looks, false),
        ] {
            let (_root, client) = telling_to(peer, THREE);
            let told = client.logs(LogsRequest::default()).await;
            assert_eq!(told.is_ok(), may, "{peer:?}");
            if let Err(error) = told {
                assert!(error.to_string().contains("only root and admins may have"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn whoever_follows_goes_on_after_the_last_line_when_an_answer_ends() {
        let (_root, client) = telling(THREE);
        let asked = LogsRequest { follow: true, lines: 3, ..LogsRequest::default() };
        let told = lines(client.logs(asked).await.unwrap(), 4).await;
        assert!(told[0].message.contains("--follow"), "{told:?}");
        assert!(!told[0].message.contains("--after-cursor"), "{told:?}");
        assert!(told[3].message.contains("--after-cursor=s=3"), "{told:?}");
    }

    #[tokio::test]
    async fn a_line_is_told_when_it_is_written_and_not_when_the_answer_is_whole() {
        let (root, client) = telling("cat \"$0.pipe\"");
        let pipe = root.path().join("journalctl.pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let write = |text: &'static str| {
            let pipe = pipe.clone();
            tokio::task::spawn_blocking(move || {
                let mut open = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
                std::io::Write::write_all(&mut open, text.as_bytes()).unwrap();
                open
            })
        };
        let first =
            write("{\"__CURSOR\":\"s=1\",\"__REALTIME_TIMESTAMP\":\"5\",\"MESSAGE\":\"1\"}\n");
        let asked = LogsRequest { follow: true, ..LogsRequest::default() };
        let mut told = client.logs(asked).await.unwrap();
        assert_eq!(told.next().await.unwrap().unwrap().message, "1");
        let _open = first.await.unwrap();
        let _second =
            write("{\"__CURSOR\":\"s=2\",\"__REALTIME_TIMESTAMP\":\"6\",\"MESSAGE\":\"2\"}\n")
                .await;
        assert_eq!(told.next().await.unwrap().unwrap().message, "2");
    }

    #[tokio::test]
    async fn so_many_read_at_once_and_whoever_hangs_up_makes_room() {
        let line = "{\"__CURSOR\":\"s=1\",\"__REALTIME_TIMESTAMP\":\"5\"}";
        let (_root, client) = telling(&format!("echo '{line}'; exec sleep 100"));
        let asked = LogsRequest { follow: true, ..LogsRequest::default() };
        let mut open = Vec::new();
        for _ in 0..READERS {
            open.push(client.logs(asked.clone()).await.unwrap());
        }
        let error = client.logs(asked.clone()).await.unwrap_err();
        assert!(error.to_string().contains("others read the journal"), "{error}");
        open.pop();
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
        while client.logs(asked.clone()).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "nobody made room");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_cannot_be_asked_or_read_is_refused_with_why() {
        let (_root, client) = telling("echo 'No journal files were opened' >&2; exit 1");
        let error = client.logs(LogsRequest::default()).await.unwrap_err();
        assert!(error.to_string().contains("No journal files were opened"), "{error}");
        let asked = LogsRequest { lines: 20_000, ..LogsRequest::default() };
        let error = client.logs(asked).await.unwrap_err();
        assert!(error.to_string().contains("up to 10000"), "{error}");
    }
}
