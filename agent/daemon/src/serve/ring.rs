//! `/v1/ring`: another key for the ring, decided by the leader as in `node.rs`; and
//! `/v1/ring/site`, which gives out the site that has it.

use super::Decider;
use super::local::refuse;
use super::node::decider;
use super::said::Said;
use crate::presence::Peer;
use crate::ring_keys;
use ashlar_api::{
    ApiError, Refusal, RingAnswer, RingRequest, RingSiteAnswer, RingSiteRequest, RingVerb, Secret,
    route,
};
use ashlar_cluster::{
    Observed, RotationTarget, boxes_and_keys, current_rotation, give_out, rotate,
};
use ashlar_site::Site;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::watch;
use zeroize::Zeroizing;

impl Decider {
    /// Decides about the ring's key here, if this node leads.
    pub(super) async fn ring_here(&self, request: RingRequest) -> Result<RingAnswer, ApiError> {
        let (seen, index) = self.as_leader().await?;
        let RingRequest { verb, dry_run } = request;
        let (target, next) = match verb {
            RingVerb::Status => (RotationTarget::default(), None),
            RingVerb::GiveOut => match give_out(&seen) {
                Ok(next) => (RotationTarget::default(), Some(next)),
                Err(why) => (RotationTarget { refused: Some(why), ..Default::default() }, None),
            },
            RingVerb::Rotate => self.rotation(&seen, dry_run)?,
        };
        let accepted = next.is_some() && !dry_run;
        let rotation = next.as_ref().filter(|_| accepted).and_then(|next| next.ring.clone());
        if let Some(intent) = next.filter(|_| accepted) {
            self.write(&intent, index).await?;
            tracing::warn!(
                "a person decides: {}",
                match verb {
                    RingVerb::GiveOut => "the site with the ring's new key is given out",
                    _ => "the ring's key is replaced",
                }
            );
            self.wake.notify_one();
        }
        let record = seen.intent();
        let rotation = rotation.or_else(|| record.and_then(|intent| intent.ring.clone()));
        let boxes = boxes_and_keys(&seen, &self.wanted);
        Ok(RingAnswer { target, decided: accepted, rotation, boxes })
    }

    /// What another key would change. The key is made, and kept here, before the record
    /// names it; a dry run makes none.
    fn rotation(
        &self,
        seen: &Observed,
        dry_run: bool,
    ) -> Result<(RotationTarget, Option<ashlar_cluster::Intent>), ApiError> {
        let (target, next) = rotate(seen, &self.wanted, &ashlar_cluster::KeyPrint(String::new()));
        if dry_run || target.refused.is_some() {
            return Ok((target, next));
        }
        let fresh = ring_keys::make_next(&self.paths).map_err(|error| {
            tracing::error!("no ring key can be made: {error:#}");
            ApiError::new(Refusal::Internal, "no key can be made; the journal has the cause")
        })?;
        Ok(rotate(seen, &self.wanted, &fresh))
    }

    /// Decides about the ring's key here, or passes it on to whoever leads.
    async fn ring_anywhere(&self, request: RingRequest) -> Result<RingAnswer, ApiError> {
        self.or_whoever_leads(self.ring_here(request).await, route::RING, &request).await
    }

    /// This node's site, if it has the key that the ring is to use.
    fn site(&self) -> Result<RingSiteAnswer, ApiError> {
        let path = self.paths.site();
        let internal = |error: anyhow::Error| {
            tracing::error!("the site cannot be given out: {error:#}");
            ApiError::new(Refusal::Internal, "the site cannot be read; the journal has the cause")
        };
        let text = std::fs::read_to_string(&path).map(Zeroizing::new);
        let text = text.map_err(|error| internal(error.into()))?;
        let parsed = Site::parse(&text, &path).map_err(|error| internal(error.into()))?;
        let key = parsed.ring_key.fingerprint();
        let seen = self.seen.borrow();
        let pki = &seen.pki;
        let settled = pki.ring_keys.as_ref().is_some_and(|keys| keys.uses.0 == key);
        let other = current_rotation(&seen).is_some_and(|rotation| rotation.key.0 != key);
        if other || !settled || pki.ring_key_changed {
            let words = "the ring's key is being replaced, and this box has not followed yet";
            return Err(ApiError::new(Refusal::NotReady, words).hint("`ashlarctl ring status`"));
        }
        let site = Secret::new(text.as_bytes().to_vec());
        Ok(RingSiteAnswer { name: parsed.name.clone(), key, site })
    }
}

type Asked = watch::Receiver<Option<Decider>>;

/// The routes of the local socket.
pub(super) fn router(decider: Asked) -> Router {
    Router::new()
        .route(route::RING, get(status).post(ask))
        .route(route::RING_SITE, post(site))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state(decider)
}

fn answered(answer: Result<RingAnswer, ApiError>) -> Response {
    answer.map_or_else(|error| refuse(&error), |answer| Json(answer).into_response())
}

async fn status(State(asked): State<Asked>) -> Response {
    let request = RingRequest { verb: RingVerb::Status, dry_run: true };
    match decider(&asked) {
        Ok(decider) => answered(decider.ring_anywhere(request).await),
        Err(error) => refuse(&error),
    }
}

async fn ask(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    Said(request): Said<RingRequest>,
) -> Response {
    let may = peer.must_be_root("replace the ring's key").err().filter(|_| !request.dry_run);
    match may.map_or_else(|| decider(&asked), Err) {
        Ok(decider) => answered(decider.ring_anywhere(request).await),
        Err(error) => refuse(&error),
    }
}

/// Root reads the file whenever it likes. To admins it is given out once a key: a
/// pass that fell into other hands does not get it after its owner.
async fn site(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    Said(RingSiteRequest {}): Said<RingSiteRequest>,
) -> Response {
    let given = async {
        peer.must_be_root("have the site given out")?;
        let decider = decider(&asked)?;
        let site = decider.site()?;
        if !peer.is_root() {
            let request = RingRequest { verb: RingVerb::GiveOut, dry_run: false };
            let answer = decider.ring_anywhere(request).await?;
            if let Some(why) = answer.target.refused {
                return Err(ApiError::new(Refusal::Forbidden, why));
            }
        }
        Ok(site)
    };
    given.await.map_or_else(|error| refuse(&error), |site| Json(site).into_response())
}
