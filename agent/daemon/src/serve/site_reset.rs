//! `POST /v1/reset/site`: a person at one box resets every box of its site. The others
//! are asked first what they would lose, then to begin; this one goes last, so that
//! whoever asked can ask again while one of them did not begin.

use super::Decider;
use super::local::refuse;
use super::said::Said;
use crate::paths::Paths;
use crate::presence::Peer;
use crate::reset;
use ashlar_api::{
    ApiError, BoxReset, BoxResetRequest, Losses, MemberStatus, Refusal, Reset, ResetAnswer,
    SiteAfterReset, SiteResetAnswer, SiteResetRequest, Status, route,
};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long one box may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a box that does not answer is told by whoever reads of it.
const OFF: &str =
    "it does not answer; it keeps what it has until it is reset at its own screen or boot menu";

#[derive(Clone)]
struct Asked {
    status: watch::Receiver<Status>,
    decider: watch::Receiver<Option<Decider>>,
    paths: Paths,
}

/// The route, with all that it needs.
pub(super) fn router(
    status: watch::Receiver<Status>,
    decider: watch::Receiver<Option<Decider>>,
    paths: Paths,
) -> Router {
    Router::new()
        .route(route::SITE_RESET, post(answer))
        .layer(DefaultBodyLimit::max(ashlar_api::MAX_REQUEST))
        .with_state(Asked { status, decider, paths })
}

async fn answer(
    ConnectInfo(peer): ConnectInfo<Peer>,
    State(asked): State<Asked>,
    Said(request): Said<SiteResetRequest>,
) -> Response {
    if let Err(error) = peer.must_be_root("reset a whole site") {
        return refuse(&error);
    }
    match asked.reset(&request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refuse(&error),
    }
}

/// Another box of the site.
struct Other {
    said: BoxReset,
    address: IpAddr,
}

impl Asked {
    async fn reset(&self, request: &SiteResetRequest) -> Result<SiteResetAnswer, ApiError> {
        let status = self.status.borrow().clone();
        let site = is_of(status.site.as_deref(), request.site.as_deref(), request.dry_run)?;
        let mut others = others(&status);
        self.ask(&mut others, &site, request, true).await;
        let complete = others.iter().all(|other| other.said.trouble.is_none());
        if !request.dry_run && (complete || request.partial) {
            self.ask(&mut others, &site, request, false).await;
        }
        let own = self.own(&status, &others, request)?;
        let boxes = others.into_iter().map(|other| other.said).chain([own]).collect();
        Ok(SiteResetAnswer { site, boxes })
    }

    /// Asks each of those that had no trouble so far.
    async fn ask(&self, others: &mut [Other], site: &str, request: &SiteResetRequest, dry: bool) {
        let decider = self.decider.borrow().clone();
        let keep_site = request.keep_site;
        let request = BoxResetRequest { site: site.to_owned(), keep_site, dry_run: dry };
        for Other { said, address } in others.iter_mut().filter(|o| o.said.trouble.is_none()) {
            let Some(decider) = &decider else {
                said.trouble = Some("this box has no certificate to ask it with".into());
                continue;
            };
            match timeout(PATIENCE, decider.trust.reset(*address, &request)).await {
                Ok(Ok(answer)) => {
                    said.loses(&answer.losses);
                    said.begun = answer.begun;
                }
                Ok(Err(error)) => said.trouble = Some(format!("{error:#}")),
                Err(_) => said.trouble = Some(OFF.into()),
            }
        }
    }

    /// This box, which begins when all others have, or are given up.
    fn own(
        &self,
        status: &Status,
        others: &[Other],
        request: &SiteResetRequest,
    ) -> Result<BoxReset, ApiError> {
        let name = status.identity.as_ref().map_or("this box", |me| me.name.as_str());
        let mut own = BoxReset::of(name);
        own.loses(&Losses::of(Reset::Factory, status, &[]));
        if request.dry_run {
            return Ok(own);
        }
        if others.iter().all(|other| other.said.begun) || request.partial {
            note(&self.paths, request.keep_site)?;
            own.begun = true;
        } else {
            own.trouble = Some("another box did not begin, and only this one can ask again".into());
        }
        Ok(own)
    }
}

/// The other boxes of the cluster.
fn others(status: &Status) -> Vec<Other> {
    let own = status.identity.as_ref().map(|me| me.name.as_str());
    let of_cluster = status.members.iter().filter(|m| m.same_cluster);
    of_cluster
        .filter(|m| Some(m.name.as_str()) != own)
        .map(|member| {
            let mut said = BoxReset::of(member.name.as_str());
            if member.status != MemberStatus::Alive {
                said.trouble = Some(OFF.into());
            }
            Other { said, address: member.address }
        })
        .collect()
}

/// The site's name, if that is the one that was typed.
fn is_of(own: Option<&str>, typed: Option<&str>, dry_run: bool) -> Result<String, ApiError> {
    let own = own.ok_or_else(|| ApiError::new(Refusal::NotReady, "this box has no site"))?;
    if !dry_run && typed != Some(own) {
        let words = "that is not the name of this site: nothing is reset";
        return Err(ApiError::new(Refusal::Forbidden, words));
    }
    Ok(own.to_owned())
}

fn note(paths: &Paths, keep_site: bool) -> Result<(), ApiError> {
    let site = if keep_site { SiteAfterReset::Keep } else { SiteAfterReset::Forget };
    reset::note(paths, &site).map_err(|error| {
        tracing::error!("a reset cannot be noted: {error:#}");
        ApiError::new(Refusal::Internal, format!("{error:#}"))
    })
}

/// What this box does whom another one of its site asks.
pub(super) fn of_this_box(
    decider: &Decider,
    request: &BoxResetRequest,
) -> Result<ResetAnswer, ApiError> {
    let status = decider.status.borrow();
    is_of(status.site.as_deref(), Some(&request.site), request.dry_run)?;
    let losses = Losses::of(Reset::Factory, &status, &[]);
    if !request.dry_run {
        note(&decider.paths, request.keep_site)?;
    }
    Ok(ResetAnswer { losses, begun: !request.dry_run })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::blank;
    use crate::presence::tests::node;
    use ashlar_api::{MemberView, NodeId};
    use ashlar_cluster::Identity;

    fn status(others: &[(&str, MemberStatus)]) -> Status {
        let address = IpAddr::from([127, 0, 0, 1]);
        let member = |(name, status): &(&str, MemberStatus)| MemberView {
            name: (*name).into(),
            address,
            status: *status,
            same_cluster: true,
            tenure: None,
            witness: false,
        };
        let mut status = blank();
        status.members = others.iter().map(member).collect();
        status.members.push(member(&("ashlar-aa", MemberStatus::Alive)));
        let (id, name) = (NodeId("aa".into()), "ashlar-aa".into());
        status.identity = Some(Identity { id, name, address });
        status
    }

    fn asked(paths: &Paths, others: &[(&str, MemberStatus)]) -> Asked {
        let status = watch::channel(status(others)).1;
        Asked { status, decider: watch::channel(None).1, paths: paths.clone() }
    }

    fn typed(site: &str, partial: bool) -> SiteResetRequest {
        SiteResetRequest { site: Some(site.into()), partial, ..SiteResetRequest::default() }
    }

    #[tokio::test]
    async fn a_site_is_reset_only_by_its_name_and_a_dry_run_by_none() {
        let (_root, paths) = node(None);
        let asked = asked(&paths, &[]);
        for request in [typed("other", true), SiteResetRequest::default()] {
            assert!(asked.reset(&request).await.is_err());
        }
        let dry = SiteResetRequest { dry_run: true, ..SiteResetRequest::default() };
        let answer = asked.reset(&dry).await.unwrap();
        assert!(!answer.boxes[0].begun && answer.boxes[0].losses[0].contains("ashlar-aa"));
        assert!(!paths.reset().exists());
        let answer = asked.reset(&typed("shop", false)).await.unwrap();
        assert!(answer.is_whole() && answer.boxes[0].begun && paths.reset().exists());
    }

    #[tokio::test]
    async fn a_box_that_is_off_is_named_and_holds_the_others_back_unless_it_is_given_up() {
        let (_root, paths) = node(None);
        let asked = asked(&paths, &[("ashlar-bb", MemberStatus::Failed)]);
        let answer = asked.reset(&typed("shop", false)).await.unwrap();
        assert!(!answer.is_whole() && answer.boxes.iter().all(|one| !one.begun));
        let off = answer.boxes[0].trouble.as_deref().unwrap();
        assert!(off.contains("reset at its own screen"), "{off}");
        assert_eq!(answer.boxes[1].name, "ashlar-aa", "the one that was asked comes last");
        assert!(!paths.reset().exists());
        let answer = asked.reset(&typed("shop", true)).await.unwrap();
        assert!(answer.boxes[0].trouble.is_some() && !answer.boxes[0].begun);
        assert!(answer.boxes[1].begun && paths.reset().exists());
    }

    #[tokio::test]
    async fn a_box_that_cannot_be_asked_keeps_the_one_that_asks() {
        let (_root, paths) = node(None);
        let asked = asked(&paths, &[("ashlar-bb", MemberStatus::Alive)]);
        let answer = asked.reset(&typed("shop", false)).await.unwrap();
        assert!(answer.boxes[0].trouble.is_some());
        assert!(answer.boxes[1].trouble.as_deref().unwrap().contains("did not begin"));
        assert!(!paths.reset().exists());
    }
}
