//! `GET /v1/support`, and `POST /v1/support/stick`.

use super::local::refuse;
use super::said::Said;
use crate::paths::Paths;
use crate::presence::{Peer, Presence};
use crate::support::onto::{StartWriter, have_written};
use crate::support::{self, sticks};
use ashlar_api::{
    ApiError, OnStick, Refusal, Status, StickAnswer, StickRequest, StickVolume, bundle_name, route,
};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What both need.
#[derive(Clone)]
struct Asked {
    status: watch::Receiver<Status>,
    paths: Paths,
    presence: Presence,
    start: StartWriter,
    /// One at a time: it reads whole journals.
    one: Arc<Semaphore>,
}

/// The routes, with all that they need.
pub(super) fn router(
    status: watch::Receiver<Status>,
    paths: Paths,
    presence: Presence,
    start: StartWriter,
) -> Router {
    let one = Arc::new(Semaphore::new(1));
    Router::new()
        .route(route::SUPPORT, get(answer))
        .route(route::SUPPORT_STICK, post(answer_stick))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state(Asked { status, paths, presence, start, one })
}

async fn answer(ConnectInfo(peer): ConnectInfo<Peer>, State(asked): State<Asked>) -> Response {
    if let Err(error) = peer.must_be_root("have what the journals say") {
        return refuse(&error);
    }
    match asked.collect().await {
        Ok(support) => Json(support).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn answer_stick(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    Said(request): Said<StickRequest>,
) -> Response {
    match asked.stick(peer, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refuse(&error),
    }
}

impl Asked {
    async fn collect(&self) -> Result<ashlar_api::Support, ApiError> {
        let Ok(_only) = self.one.try_acquire() else {
            let words = "somebody else has this collected just now";
            return Err(ApiError::new(Refusal::NotReady, words).hint("ask again"));
        };
        let status = self.status.borrow().clone();
        support::collect(&self.paths, &status).await.map_err(internal)
    }

    async fn stick(&self, peer: Peer, request: StickRequest) -> Result<StickAnswer, ApiError> {
        let asker = self.presence.asker(peer)?;
        let paths = self.paths.clone();
        let volumes = tokio::task::spawn_blocking(move || sticks::volumes(&paths)).await;
        let volumes = volumes.map_err(internal)?;
        let Some(name) = request.volume else {
            return Ok(StickAnswer { volumes, written: None });
        };
        let Some(volume) = volumes.iter().find(|volume| volume.name == name) else {
            let words = format!("`{name}` is no stick in this box that may be written on");
            return Err(ApiError::new(Refusal::BadRequest, words).hint(WHICH));
        };
        self.presence.admit(asker, request.pin).await?;
        tracing::info!("a support bundle is written onto {name}, asked for by {asker:?}");
        let written = self.write(volume).await?;
        Ok(StickAnswer { volumes, written: Some(written) })
    }

    async fn write(&self, volume: &StickVolume) -> Result<OnStick, ApiError> {
        let support = self.collect().await?;
        let name = self.status.borrow().identity.as_ref().map(|me| me.name.clone());
        let now = Timestamp::now();
        let folder = bundle_name(name.as_deref(), now);
        let packed = tokio::task::spawn_blocking(move || {
            let packed = support.packed(&folder, now);
            packed.map(|packed| (folder + ".tar.zst", packed))
        });
        let (file, bytes) = packed.await.map_err(internal)?.map_err(internal)?;
        let written = have_written(&self.paths, &self.start, &volume.name, &file, &bytes).await;
        written.map_err(|error| {
            tracing::warn!("no support bundle on {}: {error:#}", volume.name);
            ApiError::new(Refusal::BadRequest, format!("not on {}: {error:#}", volume.name))
        })
    }
}

/// Which sticks may be.
const WHICH: &str = "it takes a stick or a card with a FAT volume, plugged in now";

fn internal(error: impl Into<anyhow::Error>) -> ApiError {
    ApiError::new(Refusal::Internal, format!("{:#}", error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::blank;
    use crate::presence::tests::{PIN, node, secret};
    use crate::state;
    use crate::support::sticks::tests::{plug, write};
    use std::sync::Mutex;

    const SCREEN: u32 = 990;

    #[tokio::test]
    async fn the_screen_has_a_bundle_written_onto_a_stick_with_the_pin_and_not_without() {
        let (root, paths) = node(Some(PIN));
        write(root.path(), "run/ashlar/boot-disk/nvme0n1", "");
        plug(root.path(), "pci0/usb2/2-1/sdb", "sdb1", "8:17", "vfat", "PHOTOS");
        let written = Arc::new(Mutex::new(Vec::new()));
        let (noted, outcome) = (written.clone(), paths.onto_a_stick().join("outcome.json"));
        let start: StartWriter = Arc::new(move |volume| {
            let on = OnStick { volume: volume.clone(), file: "a.tar.zst".into(), bytes: 1 };
            state::write_json(&outcome, &Ok::<_, String>(on), 0o600).unwrap();
            noted.lock().unwrap().push(volume);
            Box::pin(async { Ok(()) })
        });
        let asked = Asked {
            status: watch::channel(blank()).1,
            presence: Presence::with_screen(&paths, Some(SCREEN)),
            start,
            one: Arc::new(Semaphore::new(1)),
            paths,
        };
        let stick = async |volume: Option<&str>, pin: Option<&str>| {
            let request = StickRequest { volume: volume.map(str::to_owned), pin: pin.map(secret) };
            asked.stick(Peer::here(Some(SCREEN)), request).await
        };
        assert_eq!(stick(None, None).await.unwrap().volumes.len(), 1, "which there are");
        let refused = async |pin| stick(Some("sdb1"), pin).await.unwrap_err().refusal;
        assert_eq!(refused(None).await, Refusal::PinNeeded);
        assert_eq!(refused(Some("0000")).await, Refusal::PinWrong);
        assert!(written.lock().unwrap().is_empty());
        assert!(stick(Some("sdb1"), Some(PIN)).await.unwrap().written.is_some());
        assert_eq!(*written.lock().unwrap(), ["sdb1"]);
    }
}
