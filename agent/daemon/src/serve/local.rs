//! The API for this node's own tools, over a Unix socket whose file permissions
//! say who may ask.

use super::{Decider, node, reset};
use crate::ledger;
use crate::paths::Paths;
use anyhow::{Context, Result};
use ashlar_api::{ApiError, Refusal, Status, route};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio::sync::watch;

/// Opens the socket: root and the group of the process may connect.
pub(crate) fn bind(path: &Path) -> Result<UnixListener> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            return Err(e).with_context(|| format!("cannot replace {}", path.display()));
        }
        _ => {}
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, Permissions::from_mode(0o660))
        .with_context(|| format!("cannot set the permissions of {}", path.display()))?;
    Ok(listener)
}

/// Serves until the process ends.
pub(crate) async fn serve_local(
    listener: UnixListener,
    status: watch::Receiver<Status>,
    decider: watch::Receiver<Option<Decider>>,
    paths: Paths,
) {
    let service =
        router(status, decider, paths).into_make_service_with_connect_info::<reset::Peer>();
    // `axum::serve` returns only when its listener fails for good.
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(%error, "the local API is gone");
    }
}

fn router(
    status: watch::Receiver<Status>,
    decider: watch::Receiver<Option<Decider>>,
    paths: Paths,
) -> Router {
    let history = paths.history();
    Router::new()
        .route(route::STATUS, get(answer_status))
        .route(route::HISTORY, get(move || answer_history(history.clone())))
        .fallback(async || refuse(&ApiError::new(Refusal::NotFound, "no such address")))
        .with_state(status.clone())
        .merge(node::router(decider, paths.clone()))
        .merge(reset::router(status, paths))
}

async fn answer_status(State(status): State<watch::Receiver<Status>>) -> Json<Status> {
    Json(status.borrow().clone())
}

async fn answer_history(history: PathBuf) -> Response {
    match ledger::read(&history) {
        Ok(events) => Json(events).into_response(),
        Err(error) => refuse(&ApiError::new(Refusal::Internal, format!("{error:#}"))),
    }
}

/// An [`ApiError`] as a response.
pub(crate) fn refuse(error: &ApiError) -> Response {
    (error.refusal.status(), Json(error)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_api::{BootTimes, Client};

    fn blank() -> Status {
        Status {
            release: "1".into(),
            profile: "test".into(),
            site: None,
            identity: None,
            cluster: None,
            phases: Vec::new(),
            ready: false,
            members: Vec::new(),
            storage: None,
            swarm: None,
            doing: Vec::new(),
            trouble: None,
            alerts: Vec::new(),
            waits: Vec::new(),
            parts: Vec::new(),
            now_ms: 0,
            boot: BootTimes::default(),
        }
    }

    #[tokio::test]
    async fn a_tool_of_this_node_reads_the_status_and_a_stale_socket_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        drop(bind(&path).unwrap());
        let listener = bind(&path).unwrap();
        let (_sender, receiver) = watch::channel(blank());
        let (_decider, none) = watch::channel(None);
        let server = tokio::spawn(serve_local(listener, receiver, none, Paths::under(dir.path())));
        let status = Client::at(&path).status().await.unwrap();
        assert_eq!(status, blank());
        assert_eq!(Client::at(&path).history().await.unwrap(), []);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        server.abort();
    }
}
