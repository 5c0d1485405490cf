//! `POST /v1/power`: says what is missing while this box is down, and takes it down.

use super::local::refuse;
use super::said::Said;
use crate::handing;
use crate::presence::{Peer, Presence};
use anyhow::{Context, Result};
use ashlar_api::{Absence, ApiError, Power, PowerAnswer, PowerRequest, Refusal, Status, route};
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::extract::connect_info::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::watch;

/// Takes the box down.
pub(super) type Leave = Arc<dyn Fn(Power) -> BoxFuture<'static, Result<()>> + Send + Sync>;

type Asked = (watch::Receiver<Status>, Presence, Leave);

/// The route, with all that it needs.
pub(super) fn router(status: watch::Receiver<Status>, presence: Presence, leave: Leave) -> Router {
    Router::new()
        .route(route::POWER, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state((status, presence, leave))
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State((status, presence, leave)): State<Asked>,
    Said(request): Said<PowerRequest>,
) -> Response {
    let absence = Absence::of(&status.borrow());
    let PowerRequest { power, dry_run, pin } = request;
    match go(peer, &presence, &leave, power, dry_run, pin).await {
        Ok(()) => Json(PowerAnswer { absence, begun: !dry_run }).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn go(
    peer: Peer,
    presence: &Presence,
    leave: &Leave,
    power: Power,
    dry_run: bool,
    pin: Option<ashlar_api::Secret>,
) -> Result<(), ApiError> {
    let asker = presence.asker(peer)?;
    if dry_run {
        return Ok(());
    }
    presence.admit(asker, pin).await?;
    tracing::warn!("{}, asked for by {asker:?}", power.as_str());
    leave(power).await.map_err(|error| {
        tracing::error!("cannot {}: {error:#}", power.as_str());
        ApiError::new(Refusal::Internal, format!("{error:#}"))
    })
}

/// By logind, which lets this node hand over first; where there is none, by systemd.
pub(super) fn in_order() -> Leave {
    Arc::new(|power| Box::pin(take_down(power)))
}

async fn take_down(power: Power) -> Result<()> {
    let Err(error) = handing::take_down(power).await else { return Ok(()) };
    tracing::warn!("{error:#}: nothing is handed over to another box");
    start_target(power).await
}

async fn start_target(power: Power) -> Result<()> {
    let target = match power {
        Power::Reboot => "reboot.target",
        Power::Off => "poweroff.target",
    };
    let bus = zbus::Connection::system().await.context("cannot connect to the system bus")?;
    // As `systemctl reboot` does: nothing that is queued later calls it off.
    bus.call_method(
        Some("org.freedesktop.systemd1"),
        "/org/freedesktop/systemd1",
        Some("org.freedesktop.systemd1.Manager"),
        "StartUnit",
        &(target, "replace-irreversibly"),
    )
    .await
    .with_context(|| format!("systemd does not start {target}"))?;
    Ok(())
}
