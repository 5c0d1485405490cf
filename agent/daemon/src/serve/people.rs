//! The listener for people from elsewhere: mutual TLS 1.3 on every address. Who shows
//! no certificate of the site's does not get through the handshake, so nothing is done
//! for strangers. Behind it are the routes of the local socket, each for those roles
//! that [`ROUTES`] says.

use super::listen::{Arrived, answer, listen};
use super::local::refuse;
use super::said::OF_ONE_IMAGE;
use crate::paths::Paths;
use crate::people::Admission;
use crate::presence::Peer;
use crate::site_store;
use anyhow::{Context, Result};
use ashlar_api::{ApiError, IntroductionAnswer, Refusal, route};
use ashlar_pki::people::{Introduction, IntroductionKey, Person, PersonCertificate, Role};
use ashlar_site::Site;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who may ask what, and all that anybody may ask: a route that is not here is not
/// there.
pub(super) const ROUTES: &[(&str, &str, Role)] = &[
    ("GET", route::INTRODUCTION, Role::View),
    ("GET", route::STATUS, Role::View),
    ("GET", route::STATUS_FOLLOW, Role::View),
    ("GET", route::HISTORY, Role::View),
    ("GET", route::NETWORK, Role::View),
    ("GET", route::HARDWARE, Role::View),
    ("GET", route::PKI, Role::View),
    ("GET", route::LOGS, Role::Admin),
    ("GET", route::SUPPORT, Role::Admin),
    ("POST", route::SUPPORT_STICK, Role::Admin),
    ("POST", route::NETWORK, Role::Admin),
    ("POST", route::POWER, Role::Admin),
    ("POST", route::RESET, Role::Admin),
    ("POST", route::SITE_RESET, Role::Admin),
    ("POST", route::NODE, Role::Admin),
    ("POST", route::REJOIN, Role::Admin),
    ("GET", route::RING, Role::View),
    ("POST", route::RING, Role::Admin),
    ("POST", route::RING_SITE, Role::Admin),
    ("POST", route::PKI, Role::Admin),
    ("POST", route::REVOKED, Role::Admin),
    ("POST", route::MERGE, Role::Admin),
    ("POST", route::ALONE, Role::Admin),
];

/// How long a session may last.
const SESSION: Duration = Duration::from_secs(120);

/// What answering people takes.
pub(crate) struct PeopleApi {
    /// The routes of the local socket.
    pub(crate) router: Router,
    /// Whom the site lets in.
    pub(crate) admission: Arc<Admission>,
    /// Where the ring's keys are.
    pub(crate) paths: Paths,
}

/// Serves until the process ends.
pub(crate) async fn serve_people(api: PeopleApi, address: SocketAddr) {
    let api = Arc::new(api);
    let admission = api.admission.clone();
    let config = || Some(admission.config());
    listen("the people's API", address, config, SESSION, move |arrived| {
        session(api.clone(), arrived)
    })
    .await;
}

async fn session(api: Arc<PeopleApi>, arrived: Arrived) -> Result<()> {
    let Arrived { stream, remote, stranger, doors } = arrived;
    let (_, tls) = stream.get_ref();
    let shown = tls.peer_certificates().and_then(<[_]>::first).context("no certificate")?;
    let certificate = PersonCertificate::from_der(shown)?;
    let _place = doors.member(stranger).context("too many people call at once")?;
    let answer_to_it = introduction(&api.paths, &certificate, &Introduction::of(tls)?)?;
    let person = certificate.person().clone();
    let peer = Peer::elsewhere(person.role() == Role::Admin);
    let router = api
        .router
        .clone()
        .route(route::INTRODUCTION, get(async || Json(answer_to_it)))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .layer(Extension(ConnectInfo(peer)))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            gate(person.clone(), remote, request, next)
        }));
    answer(stream, router, SESSION).await
}

/// A proof for each ring key that this node knows, the one before the last replacement
/// too: the person has one of them, or one that it does not know.
fn introduction(
    paths: &Paths,
    certificate: &PersonCertificate,
    session: &Introduction,
) -> Result<IntroductionAnswer> {
    let site = Site::load(&paths.site())?;
    let keys = site_store::all_keys(paths, site.ring_key.as_bytes());
    let proof = |key: &ashlar_pki::RingKey| -> Result<String> {
        let said = IntroductionKey::of(key, certificate)?.sign(session);
        Ok(BASE64_STANDARD.encode(said))
    };
    Ok(IntroductionAnswer { proofs: keys.iter().map(|key| proof(key)).collect::<Result<_>>()? })
}

/// The one place that says whether a person may ask this.
async fn gate(person: Person, remote: SocketAddr, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let (name, role) = (person.name(), person.role());
    match least(method, path) {
        None => refuse(&ApiError::new(Refusal::NotFound, "no such address").hint(OF_ONE_IMAGE)),
        Some(needed) if role < needed => {
            tracing::warn!(person = name, "{name} may not {method} {path}, from {remote}");
            let (role, needed) = (role.as_str(), needed.as_str());
            let words = format!("this needs the role `{needed}`, and {name} has `{role}`");
            refuse(&ApiError::new(Refusal::Forbidden, words))
        }
        Some(_) => {
            if method != "GET" {
                tracing::info!(person = name, "{name} asks for {method} {path}, from {remote}");
            }
            next.run(request).await.into_response()
        }
    }
}

fn least(method: &str, path: &str) -> Option<Role> {
    ROUTES.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, role)| *role)
}
