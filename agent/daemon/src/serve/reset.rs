//! `POST /v1/reset`: says what a reset would take away, and notes the one that was
//! asked for.

use super::local::refuse;
use super::said::Said;
use crate::paths::Paths;
use crate::presence::{Asker, Peer, Presence};
use crate::{identity, reset, retirement};
use anyhow::Result;
use ashlar_api::{ApiError, Losses, Refusal, Reset, ResetAnswer, ResetRequest, Status, route};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use tokio::sync::watch;

type Asked = (watch::Receiver<Status>, Paths, Presence);

/// The route, with all that it needs.
pub(super) fn router(status: watch::Receiver<Status>, paths: Paths, presence: Presence) -> Router {
    Router::new()
        .route(route::RESET, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((status, paths, presence))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((status, paths, presence)): State<Asked>,
    Said(mut request): Said<ResetRequest>,
) -> Response {
    let losses = Losses::of(request.what, &status.borrow(), &local_volumes(&paths));
    let shown = status.borrow().identity.clone();
    // One that does not go by its identity, a copied disk's, has its name all the same.
    let identity = shown.or_else(|| identity::load(&paths).ok().flatten());
    let name = identity.map(|identity| identity.name);
    let pin = request.pin.take();
    let may = async {
        let asker = presence.asker(peer)?;
        if request.dry_run {
            return Ok(());
        }
        may(asker, &request, &losses, name.as_deref())?;
        presence.admit(asker, pin).await
    };
    if let Err(error) = may.await {
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

/// At the screen the name is always typed: nobody who means another box resets
/// this one.
fn may(
    asker: Asker,
    request: &ResetRequest,
    losses: &Losses,
    name: Option<&str>,
) -> Result<(), ApiError> {
    let typed = request.name.is_some() && request.name.as_deref() == name;
    if let (Some(why), false) = (&losses.unbearable, typed) {
        let hint = format!("to do it all the same, give --name {}", name.unwrap_or("NAME"));
        let hint = match asker {
            Asker::Root | Asker::Elsewhere => hint,
            Asker::AtTheScreen => "type this node's name".into(),
        };
        return Err(
            ApiError::new(Refusal::Forbidden, format!("{why}: nothing is reset")).hint(hint)
        );
    }
    if asker == Asker::AtTheScreen && name.is_some() && !typed {
        let words = "that is not this node's name: nothing is reset";
        return Err(ApiError::new(Refusal::Forbidden, words));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_api::SiteAfterReset;

    fn request(name: Option<&str>) -> ResetRequest {
        let name = name.map(str::to_owned);
        ResetRequest {
            what: Reset::Factory,
            site: SiteAfterReset::Keep,
            dry_run: false,
            name,
            pin: None,
        }
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
    fn the_last_healthy_copy_goes_only_with_the_name_typed() {
        let losses = Losses { unbearable: Some("the last copy".into()), ..Losses::default() };
        for asker in [Asker::Root, Asker::AtTheScreen] {
            let may = |name| may(asker, &request(name), &losses, Some("ashlar-aa"));
            assert!(may(None).is_err());
            assert!(may(Some("ashlar-bb")).is_err());
            assert!(may(Some("ashlar-aa")).is_ok());
        }
    }

    #[test]
    fn at_the_screen_the_name_is_always_typed_if_the_box_has_one() {
        let may = |asker, typed, name| may(asker, &request(typed), &Losses::default(), name);
        assert!(may(Asker::Root, None, Some("ashlar-aa")).is_ok());
        assert!(may(Asker::AtTheScreen, None, Some("ashlar-aa")).is_err());
        assert!(may(Asker::AtTheScreen, Some("ashlar-bb"), Some("ashlar-aa")).is_err());
        assert!(may(Asker::AtTheScreen, Some("ashlar-aa"), Some("ashlar-aa")).is_ok());
        assert!(may(Asker::AtTheScreen, None, None).is_ok());
    }
}
