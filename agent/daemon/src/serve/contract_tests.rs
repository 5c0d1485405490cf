//! What is answered is what `docs/reference/openapi.json` says, whoever asks for
//! whatever: every route, over a real stream, with right, wrong and hostile requests.

use super::contract::{Answer, Contract};
use super::local::{LocalApi, router};
use super::people::ROUTES;
use super::power::Leave;
use crate::fakes::blank;
use crate::network_change::{Asked, Desk, Request, Told};
use crate::paths::Paths;
use crate::people::Admission;
use crate::presence::{Peer, Presence};
use crate::state;
use ashlar_api::openapi::OPERATIONS;
use ashlar_api::{MAX_REQUEST, route};
use ashlar_pki::people::PeopleCa;
use ashlar_site::{PeopleRules, RingKey, Site};
use axum::extract::connect_info::ConnectInfo;
use axum::{Extension, Router};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// The user of the screen, and one of a group that is let in.
const SCREEN: u32 = 990;
const MEMBER: u32 = 1000;

/// Everybody who may ask.
fn everybody() -> [Peer; 6] {
    let here = [0, SCREEN, MEMBER].map(|uid| Peer::here(Some(uid)));
    let [root, screen, looks] = here;
    [root, screen, looks, Peer::elsewhere(true), Peer::elsewhere(false), Peer::admin(MEMBER)]
}

/// A box with a site that lets people in, and something to tell.
struct House {
    _root: tempfile::TempDir,
    paths: Paths,
    router: Router,
    runtime: Runtime,
    ca: PeopleCa,
}

fn house() -> House {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    state::make_private_dir(&paths.state()).unwrap();
    let ca = PeopleCa::mint("shop", jiff::Timestamp::now()).unwrap();
    let people =
        PeopleRules { ca: Some(BASE64_STANDARD.encode(ca.certificate().der())), revoked: None };
    let site = Site { people, ..Site::new("shop", RingKey::new([7; 32])) };
    site.save(&paths.site()).unwrap();
    let event = json!({"version": 1, "at": "2026-11-25T20:00:00Z", "since_boot_ms": 4,
                       "phase": "storage", "step": "start it", "because": "it is stopped",
                       "error": "no brick", "took_ms": 20});
    state::write(&paths.history(), format!("{event}\n").as_bytes(), 0o600).unwrap();

    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (asks, mut asked) = mpsc::channel(1);
    runtime.spawn(async move {
        while let Some((_, answer)) = asked.recv().await {
            let (_, answer): Request = (Asked::Confirm, answer);
            let _ = answer.send(Ok(Vec::new()));
        }
    });
    let admission = Arc::new(Admission::open(&paths, &site).unwrap().unwrap());
    let api = LocalApi {
        status: watch::channel(blank()).1,
        decider: watch::channel(None).1,
        presence: Presence::with_screen(&paths, Some(SCREEN)),
        changes: Desk { asks, told: watch::channel(Told::default()).1 },
        people: watch::channel(Some(admission)).1,
        paths: paths.clone(),
    };
    let leave: Leave = Arc::new(|_| Box::pin(async { Ok(()) }));
    House { _root: root, paths, router: router(api, leave), runtime, ca }
}

impl House {
    /// Sends these bytes as this peer, and nothing after them if it says so; reads until
    /// the box hangs up.
    fn send(&self, peer: Peer, bytes: &[u8], hang_up: bool) -> Vec<u8> {
        self.runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let router = self.router.clone().layer(Extension(ConnectInfo(peer)));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(theirs), TowerToHyperService::new(router));
            let served = tokio::spawn(served);
            let (mut read, mut write) = ours.into_split();
            let sent = async {
                // Who is refused early may find the stream closed.
                let _ = write.write_all(bytes).await;
                if hang_up {
                    let _ = write.shutdown().await;
                }
            };
            let mut answer = Vec::new();
            let (_, _) = tokio::join!(sent, read.read_to_end(&mut answer));
            let _ = served.await;
            answer
        })
    }

    fn ask(&self, peer: Peer, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: ashlar\r\nconnection: close\r\n{kind}\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let answer = self.send(peer, &[head.as_bytes(), body].concat(), false);
        Answer::read(&String::from_utf8(answer).unwrap())
    }
}

const JSON: &str = "content-type: application/json\r\n";

/// Right requests of each address that takes one.
fn right(ca: &PeopleCa) -> Vec<(&'static str, Value)> {
    let list = ca.revoke(&[], 1, jiff::Timestamp::now()).unwrap().to_pem();
    let site = BASE64_STANDARD.encode("name = 'shop'");
    vec![
        (route::NETWORK, json!({"verb": "look"})),
        (route::NETWORK, json!({"verb": {"set": site}, "pin": BASE64_STANDARD.encode("1")})),
        (route::NETWORK, json!({"verb": {"way-out": {}}, "dry_run": true})),
        (route::NETWORK, json!({"verb": {"way-out": {"address": "192.168.7.21/24"}}})),
        (route::NETWORK, json!({"verb": "confirm"})),
        (route::NETWORK, json!({"verb": "revert"})),
        (route::SUPPORT_STICK, json!({})),
        (route::POWER, json!({"power": "off", "dry_run": true})),
        (route::POWER, json!({"power": "reboot", "dry_run": false})),
        (route::RESET, json!({"site": "keep", "dry_run": true, "name": null})),
        (
            route::RESET,
            json!({"what": "workloads", "site": "keep", "dry_run": false, "name": null}),
        ),
        (
            route::SITE_RESET,
            json!({"site": null, "keep_site": true, "partial": false,
                                   "dry_run": true}),
        ),
        (route::NODE, json!({"name": "ashlar-a", "decision": "remove", "dry_run": true})),
        (route::REJOIN, json!({})),
        (route::RING, json!({"verb": "rotate", "dry_run": true})),
        (route::RING_SITE, json!({})),
        (route::PKI, json!({"dry_run": true})),
        (route::MERGE, json!({"into": "c0ffee", "site": null, "partial": false, "dry_run": true})),
        (route::ALONE, json!({"typed": null, "dry_run": true})),
        (route::REVOKED, json!({})),
        (route::REVOKED, json!({"list": list})),
    ]
}

#[test]
fn the_table_of_what_people_may_ask_is_the_published_one() {
    let told: Vec<_> = OPERATIONS.iter().map(|o| (o.method, o.path, o.role)).collect();
    let table: Vec<_> = ROUTES.iter().map(|(m, path, role)| (*m, *path, role.as_str())).collect();
    assert_eq!(told, table);
}

/// Nothing decides about these where there is no cluster, and tells of this one where
/// there is no journal.
const OF_A_CLUSTER: [&str; 7] = [
    route::NODE,
    route::PKI,
    route::RING,
    route::RING_SITE,
    route::MERGE,
    route::ALONE,
    route::LOGS,
];

#[test]
fn whoever_may_ask_is_answered_as_published_and_the_others_are_refused() {
    let (house, contract) = (house(), Contract::read());
    let gets = OPERATIONS.iter().filter(|o| o.method == "GET" && o.here.is_some());
    let gets = gets.map(|operation| ("GET", operation.path, Value::Null));
    let posts = right(&house.ca).into_iter().map(|(path, body)| ("POST", path, body));
    for (method, path, body) in gets.chain(posts) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answers = everybody().map(|peer| {
            let answer = house.ask(peer, method, path, JSON, text.as_bytes());
            // One reset begins at a time.
            let _ = std::fs::remove_file(house.paths.reset());
            contract
                .holds(method, path, &answer)
                .unwrap_or_else(|why| panic!("{method} {path} {text}: {why}\n{answer:?}"))
        });
        if !OF_A_CLUSTER.contains(&path) {
            let admins = answers[3] && answers[5];
            assert!(answers[0] && admins, "root and admins may {method} {path} {text}");
        }
        let here = OPERATIONS.iter().find(|o| (o.method, o.path) == (method, path)).unwrap().here;
        let screen = here.is_some_and(|who| who.contains("screen"));
        if !OF_A_CLUSTER.contains(&path) && method == "POST" {
            assert_eq!(answers[1], screen || body["verb"] == "look", "{method} {path} {text}");
        }
    }
}

/// Anything that JSON can say.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop_oneof![Just("off"), Just("keep"), Just("look"), Just("factory")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let key = prop_oneof![
            Just("site".to_owned()),
            Just("dry_run".to_owned()),
            Just("pin".to_owned()),
            Just("new".to_owned()),
            "\\PC{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A right request with another value for one of its keys, or a key more.
fn spoilt(right: Vec<(&'static str, Value)>) -> impl Strategy<Value = (String, Vec<u8>)> {
    (prop::sample::select(right), any::<prop::sample::Index>(), any_json()).prop_map(
        |((path, mut body), at, other)| {
            if let Some(map) = body.as_object_mut() {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.push("of-a-newer-release".into());
                map.insert(keys[at.index(keys.len())].clone(), other);
            }
            (path.to_owned(), body.to_string().into_bytes())
        },
    )
}

#[test]
fn no_request_is_a_fault_of_the_box_and_every_answer_is_a_published_one() {
    let (house, contract) = (house(), Contract::read());
    let paths: Vec<String> = OPERATIONS.iter().map(|o| o.path.to_owned()).collect();
    let anywhere = prop_oneof![
        3 => prop::sample::select(paths),
        1 => "/(v[0-9]/)?[a-z0-9%._~!$&'()*+,;=:@/?-]{0,30}",
    ];
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|value| value.to_string().into_bytes()),
        Just(vec![b'['; 20_000]),
        Just(vec![b' '; MAX_REQUEST + 1]),
    ];
    let method = prop::sample::select(vec![
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW",
    ]);
    let kind = prop::sample::select(vec![
        JSON,
        "",
        "content-type: text/plain\r\n",
        "content-type: application/json; charset=utf-16\r\n",
        "content-type: ;;\r\n",
    ]);
    let spoilt = spoilt(right(&house.ca)).prop_map(|(path, body)| ("POST", path, JSON, body));
    let hostile = (method, anywhere, kind, body);
    let request = (prop_oneof![spoilt, hostile], prop::sample::select(everybody().to_vec()));
    let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
    let outcome = runner.run(&request, |((method, path, kind, body), peer)| {
        let plain = path.split('?').next().unwrap_or_default();
        // Which reads whole journals: asked for once, above.
        if plain == route::SUPPORT {
            return Ok(());
        }
        let answer = house.ask(peer, method, &path, kind, &body);
        contract
            .holds(method, plain, &answer)
            .map(drop)
            .map_err(|why| TestCaseError::fail(format!("{why}: {answer:?}")))
    });
    outcome.unwrap();
    let status = house.ask(Peer::here(Some(0)), "GET", route::STATUS, "", b"");
    assert_eq!(contract.holds("GET", route::STATUS, &status), Ok(true));
}

#[test]
fn what_is_no_http_harms_nobody() {
    let (house, contract) = (house(), Contract::read());
    let mut runner = TestRunner::new(Config { cases: 100, ..Config::default() });
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let outcome = runner.run(&bytes, |bytes| {
        let answer = house.send(Peer::here(Some(0)), &bytes, true);
        prop_assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 5"));
        Ok(())
    });
    outcome.unwrap();
    let status = house.ask(Peer::here(Some(0)), "GET", route::STATUS, "", b"");
    assert_eq!(contract.holds("GET", route::STATUS, &status), Ok(true));
}

#[test]
fn a_tool_of_another_release_is_told_that_it_is_one() {
    let house = house();
    for (path, body) in [
        ("/v2/power", json!({"power": "off"})),
        ("/v1/firmware", json!({})),
        (route::NODE, json!({"name": "a", "decision": "remove", "dry_run": true, "at": "noon"})),
        (route::NODE, json!({"name": "a", "decision": "sell", "dry_run": true})),
        (route::POWER, json!({"power": "sleep", "dry_run": true})),
    ] {
        let text = body.to_string();
        let answer = house.ask(Peer::here(Some(0)), "POST", path, JSON, text.as_bytes());
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(answer.body.contains("use those of one image"), "{path}: {answer:?}");
    }
}
