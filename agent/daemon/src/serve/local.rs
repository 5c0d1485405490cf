//! The API for this node's own tools, and what of it people from elsewhere have too.

use super::alone;
use super::power::{self, Leave};
use super::revoked::{self, People};
use super::said::OF_ONE_IMAGE;
use super::{Decider, logs, merging, network, node, pki, reset, ring, site_reset, support};
use crate::inventory;
use crate::ledger;
use crate::network_change::Desk;
use crate::paths::Paths;
use crate::presence::Presence;
use crate::support::onto;
use anyhow::Result;
use ashlar_api::{ApiError, Refusal, Status, route};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a stream is silent at most: less than whoever reads it waits for a line.
const STILL: Duration = Duration::from_secs(5);

/// What the tools of this node are told, and may do.
pub(crate) struct LocalApi {
    /// Where this node stands.
    pub(crate) status: watch::Receiver<Status>,
    /// Who decides which boxes belong to the cluster, once this node has an identity.
    pub(crate) decider: watch::Receiver<Option<Decider>>,
    /// Its files.
    pub(crate) paths: Paths,
    /// Who may act.
    pub(crate) presence: Presence,
    /// Takes changes of the network.
    pub(crate) changes: Desk,
    /// Whom the site lets in from elsewhere.
    pub(crate) people: People,
}

/// All that may be asked, over whatever listener.
pub(crate) fn routes(api: LocalApi) -> Router {
    router(api, power::in_order())
}

/// The same, with a way to take the box down.
pub(super) fn router(api: LocalApi, leave: Leave) -> Router {
    let LocalApi { status, decider, paths, presence, changes, people } = api;
    let (history, root) = (paths.history(), paths.root().to_owned());
    Router::new()
        .route(route::STATUS, get(answer_status))
        .route(route::STATUS_FOLLOW, get(follow_status))
        .route(route::HISTORY, get(move || answer_history(history.clone())))
        .route(route::NETWORK, get(|| looked_at(inventory::network)))
        .route(
            route::HARDWARE,
            get(move || {
                let root = root.clone();
                looked_at(move || Ok(inventory::hardware(&root)))
            }),
        )
        .fallback(nothing_there)
        .with_state(status.clone())
        .merge(site_reset::router(status.clone(), decider.clone(), paths.clone()))
        .merge(merging::router(decider.clone()))
        .merge(alone::router(decider.clone(), presence.clone()))
        .merge(revoked::router(people, decider.clone()))
        .merge(pki::router(decider.clone()))
        .merge(ring::router(decider.clone()))
        .merge(node::router(decider, paths.clone()))
        .merge(logs::router(paths.clone()))
        .merge(support::router(status.clone(), paths.clone(), presence.clone(), onto::by_systemd()))
        .merge(network::router(changes, paths.clone(), presence.clone()))
        .merge(power::router(status.clone(), presence.clone(), leave))
        .merge(reset::router(status, paths, presence))
        .method_not_allowed_fallback(nothing_there)
}

/// What is not there, or not with this method.
async fn nothing_there() -> Response {
    refuse(&ApiError::new(Refusal::NotFound, "no such address").hint(OF_ONE_IMAGE))
}

/// Looks off the thread that the loop runs on: some of the kernel's files wait for
/// a device.
async fn looked_at<T: Serialize + Send + 'static>(
    look: impl FnOnce() -> Result<T> + Send + 'static,
) -> Response {
    let looked = tokio::task::spawn_blocking(look).await.map_err(anyhow::Error::from);
    match looked.and_then(|seen| seen) {
        Ok(seen) => Json(seen).into_response(),
        Err(error) => refuse(&ApiError::new(Refusal::Internal, format!("{error:#}"))),
    }
}

async fn answer_status(State(status): State<watch::Receiver<Status>>) -> Json<Status> {
    Json(status.borrow().clone())
}

/// A line whenever it is another one, and so often when it is not.
async fn follow_status(State(status): State<watch::Receiver<Status>>) -> Response {
    let lines = stream::unfold((status, true), async |(mut status, first)| {
        if !first && let Ok(Err(_)) = timeout(STILL, status.changed()).await {
            return None;
        }
        let line = serde_json::to_vec(&*status.borrow_and_update());
        let line = line.map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        Some((line, (status, false)))
    });
    ([(CONTENT_TYPE, route::LINES_TYPE)], Body::from_stream(lines)).into_response()
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
    use super::super::socket::{bind, serve_local};
    use super::*;
    use crate::fakes::blank;
    use crate::network_change::{Request, Told};
    use crate::presence::tests::{PIN, node, secret};
    use ashlar_api::{
        AloneRequest, Client, ClientError, NetworkRequest, NetworkVerb, Power, PowerRequest, Reset,
        ResetRequest, SiteAfterReset, WayOut,
    };
    use std::sync::{Arc, Mutex};
    use tokio::sync::mpsc;

    fn api(paths: &Paths, screen: Option<u32>) -> LocalApi {
        let (_, status) = watch::channel(blank());
        let presence = Presence::with_screen(paths, screen);
        let (_, decider) = watch::channel(None);
        let (asks, mut asked) = mpsc::channel::<Request>(1);
        let (told, changes) = watch::channel(Told::default());
        tokio::spawn(async move {
            while let Some((_, answer)) = asked.recv().await {
                let _ = answer.send(Ok(Vec::new()));
            }
            drop(told);
        });
        let changes = Desk { asks, told: changes };
        let (_, people) = watch::channel(None);
        LocalApi { status, decider, paths: paths.clone(), presence, changes, people }
    }

    #[tokio::test]
    async fn a_tool_of_this_node_reads_all_that_there_is_and_a_stale_socket_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.sock");
        drop(bind(&path).unwrap());
        let listener = bind(&path).unwrap();
        // Whoever runs this test is the screen.
        let api = api(&Paths::under(dir.path()), Some(nix::unistd::getuid().as_raw()));
        let presence = api.presence.clone();
        let server = tokio::spawn(serve_local(listener, routes(api), presence));
        let client = Client::at(&path);
        assert_eq!(client.status().await.unwrap(), blank());
        assert_eq!(client.history().await.unwrap(), []);
        assert_eq!(client.hardware().await.unwrap(), ashlar_api::Hardware::default());
        client.network().await.unwrap();
        server.abort();
    }

    #[tokio::test]
    async fn whoever_follows_the_status_has_each_one_when_it_changes_and_its_end() {
        let (root, paths) = node(None);
        let path = root.path().join("agent.sock");
        let (tell, status) = watch::channel(blank());
        let uid = nix::unistd::getuid().as_raw();
        let api = LocalApi { status, ..api(&paths, Some(uid)) };
        let presence = api.presence.clone();
        tokio::spawn(serve_local(bind(&path).unwrap(), routes(api), presence));
        let mut follows = Client::at(&path).follow_status().await.unwrap();
        assert_eq!(follows.next().await.unwrap(), Some(blank()));
        let ready = Status { ready: true, ..blank() };
        tell.send_replace(ready.clone());
        assert_eq!(follows.next().await.unwrap(), Some(ready));
        drop(tell);
        assert_eq!(follows.next().await.unwrap(), None);
    }

    /// A box with a PIN, at whose screen this test stands: what it was told to do.
    struct Screen {
        _root: tempfile::TempDir,
        paths: Paths,
        client: Client,
        left: Arc<Mutex<Vec<Power>>>,
    }

    fn screen() -> Screen {
        let (root, paths) = node(Some(PIN));
        let path = root.path().join("agent.sock");
        let left = Arc::new(Mutex::new(Vec::new()));
        let noted = left.clone();
        let leave: Leave = Arc::new(move |power| {
            noted.lock().unwrap().push(power);
            Box::pin(async { Ok(()) })
        });
        let api = api(&paths, Some(nix::unistd::getuid().as_raw()));
        let presence = api.presence.clone();
        tokio::spawn(serve_local(bind(&path).unwrap(), router(api, leave), presence));
        Screen { _root: root, paths, client: Client::at(path), left }
    }

    fn refusal<T>(answer: Result<T, ClientError>) -> Option<Refusal> {
        answer.err().and_then(|error| error.refusal().map(|error| error.refusal))
    }

    #[tokio::test]
    async fn the_screen_takes_a_box_down_with_the_pin_and_not_without() {
        let screen = screen();
        let power = |dry_run, pin: Option<&str>| {
            let request = PowerRequest { power: Power::Off, dry_run, pin: pin.map(secret) };
            let client = screen.client.clone();
            async move { client.power(&request).await }
        };
        assert!(!power(true, None).await.unwrap().begun, "what would be may be asked without");
        assert_eq!(refusal(power(false, None).await), Some(Refusal::PinNeeded));
        assert_eq!(refusal(power(false, Some("0000")).await), Some(Refusal::PinWrong));
        assert_eq!(*screen.left.lock().unwrap(), []);
        assert!(power(false, Some(PIN)).await.unwrap().begun);
        assert_eq!(*screen.left.lock().unwrap(), [Power::Off]);
    }

    #[tokio::test]
    async fn the_screen_changes_the_network_with_the_pin_and_not_without() {
        let screen = screen();
        let change = |verb: NetworkVerb, dry_run, pin: Option<&str>| {
            let request = NetworkRequest { verb, dry_run, pin: pin.map(secret) };
            let client = screen.client.clone();
            async move { client.change_network(&request).await }
        };
        let way = || NetworkVerb::WayOut(WayOut::default());
        change(NetworkVerb::Look, false, None).await.unwrap();
        change(way(), true, None).await.unwrap();
        // Nothing but a way out is only asked about.
        for (verb, dry_run) in
            [(way(), false), (NetworkVerb::Confirm, true), (NetworkVerb::Revert, true)]
        {
            let refused = async |pin| refusal(change(verb.clone(), dry_run, pin).await);
            assert_eq!(refused(None).await, Some(Refusal::PinNeeded), "{verb:?}");
            assert_eq!(refused(Some("0000")).await, Some(Refusal::PinWrong), "{verb:?}");
            assert_eq!(refused(Some(PIN)).await, None, "{verb:?}");
        }
    }

    #[tokio::test]
    async fn the_screen_lets_a_box_go_on_alone_with_the_pin_and_not_without() {
        let screen = screen();
        let alone = async |dry_run, pin: Option<&str>| {
            let typed = Some("ashlar-00000002".to_owned());
            let request = AloneRequest { typed, dry_run, pin: pin.map(secret) };
            refusal(screen.client.alone(&request).await)
        };
        assert_eq!(alone(false, None).await, Some(Refusal::PinNeeded));
        assert_eq!(alone(false, Some("0000")).await, Some(Refusal::PinWrong));
        // It has no cluster, which it says to whoever may ask.
        assert_eq!(alone(false, Some(PIN)).await, Some(Refusal::NotReady));
        assert_eq!(alone(true, None).await, Some(Refusal::NotReady));
    }

    #[tokio::test]
    async fn the_screen_resets_a_box_with_the_pin_and_not_without() {
        let screen = screen();
        let reset = |pin: Option<&str>| {
            let (site, pin) = (SiteAfterReset::Keep, pin.map(secret));
            let request =
                ResetRequest { what: Reset::Factory, site, dry_run: false, name: None, pin };
            let client = screen.client.clone();
            async move { client.reset(&request).await }
        };
        assert_eq!(refusal(reset(None).await), Some(Refusal::PinNeeded));
        assert_eq!(refusal(reset(Some("0000")).await), Some(Refusal::PinWrong));
        assert!(!screen.paths.reset().exists());
        assert!(reset(Some(PIN)).await.unwrap().begun);
        assert!(screen.paths.reset().exists());
    }
}
