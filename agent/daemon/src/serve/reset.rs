//! `POST /v1/reset`: says what a reset would take away, and notes the one that was
//! asked for. Root's alone: the group of the socket may look, not erase.

use super::local::refuse;
use crate::paths::Paths;
use crate::{reset, retirement};
use anyhow::Result;
use ashlar_api::{ApiError, Losses, Refusal, Reset, ResetAnswer, ResetRequest, Status, route};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::watch;

/// Who is at the other end of the socket, as the kernel says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    uid: Option<u32>,
}

impl Peer {
    /// Whether it is root.
    pub(super) fn is_root(self) -> bool {
        self.uid == Some(0)
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

type Asked = (watch::Receiver<Status>, Paths);

/// The route, with all that it needs.
pub(super) fn router(status: watch::Receiver<Status>, paths: Paths) -> Router {
    Router::new()
        .route(route::RESET, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((status, paths))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((status, paths)): State<Asked>,
    Json(request): Json<ResetRequest>,
) -> Response {
    let losses = Losses::of(request.what, &status.borrow(), &local_volumes(&paths));
    let name = status.borrow().identity.as_ref().map(|identity| identity.name.clone());
    if let Err(error) = may(peer, &request, &losses, name.as_deref()) {
        return refuse(&error);
    }
    if !request.dry_run
        && let Err(error) = note(&paths, &request)
    {
        tracing::error!("a reset cannot be noted: {error:#}");
        return refuse(&ApiError::new(Refusal::BadRequest, format!("{error:#}")));
    }
    Json(ResetAnswer { losses, begun: !request.dry_run }).into_response()
}

fn note(paths: &Paths, request: &ResetRequest) -> Result<()> {
    match request.what {
        Reset::Factory => reset::note(paths, &request.site),
        Reset::Workloads => reset::note_workloads(paths),
        Reset::Cluster => retirement::note(paths),
    }
}

/// The local volumes of the container engine, by name.
fn local_volumes(paths: &Paths) -> Vec<String> {
    let entries = std::fs::read_dir(paths.engine().join("volumes")).into_iter().flatten();
    let volumes = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = volumes.filter_map(|v| v.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn may(
    peer: Peer,
    request: &ResetRequest,
    losses: &Losses,
    name: Option<&str>,
) -> Result<(), ApiError> {
    if !peer.is_root() {
        return Err(ApiError::new(Refusal::Forbidden, "only root may reset this box"));
    }
    let typed = request.name.is_some() && request.name.as_deref() == name;
    match &losses.unbearable {
        Some(why) if !request.dry_run && !typed => {
            let hint = format!("to do it all the same, give --name {}", name.unwrap_or("NAME"));
            Err(ApiError::new(Refusal::Forbidden, format!("{why}: nothing is reset")).hint(hint))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_api::SiteAfterReset;

    fn request(name: Option<&str>) -> ResetRequest {
        let name = name.map(str::to_owned);
        ResetRequest { what: Reset::Factory, site: SiteAfterReset::Keep, dry_run: false, name }
    }

    #[test]
    fn local_volumes_are_told_by_name_and_the_engine_s_own_files_are_none() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        assert!(local_volumes(&paths).is_empty());
        for name in ["web_db", "till"] {
            std::fs::create_dir_all(paths.engine().join("volumes").join(name)).unwrap();
        }
        std::fs::write(paths.engine().join("volumes/metadata.db"), "").unwrap();
        assert_eq!(local_volumes(&paths), ["till", "web_db"]);
    }

    #[test]
    fn only_root_may_reset_a_box() {
        let (losses, root) = (Losses::default(), Peer { uid: Some(0) });
        assert!(may(root, &request(None), &losses, Some("a")).is_ok());
        for uid in [Some(1000), None] {
            assert!(may(Peer { uid }, &request(Some("a")), &losses, Some("a")).is_err());
        }
    }

    #[test]
    fn the_last_healthy_copy_goes_only_with_the_name_typed() {
        let losses = Losses { unbearable: Some("the last copy".into()), ..Losses::default() };
        let may = |request: &ResetRequest| {
            may(Peer { uid: Some(0) }, request, &losses, Some("ashlar-aa"))
        };
        assert!(may(&request(None)).is_err());
        assert!(may(&request(Some("ashlar-bb"))).is_err());
        assert!(may(&request(Some("ashlar-aa"))).is_ok());
        assert!(may(&ResetRequest { dry_run: true, ..request(None) }).is_ok());
    }
}
