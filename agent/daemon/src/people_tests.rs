//! People from elsewhere, over real TLS on the loopback: who is let in, and to what.

use crate::fakes::loopback;
use crate::network_change::{Desk, Told};
use crate::paths::Paths;
use crate::people::Admission;
use crate::presence::Presence;
use crate::serve::{LocalApi, PeopleApi, routes, serve_people};
use crate::state;
use crate::status::Facts;
use ashlar_api::{
    BootTimes, Connection, IntroductionAnswer, Power, PowerAnswer, PowerRequest, Refusal, Reset,
    ResetAnswer, ResetRequest, RevokedAnswer, RevokedRequest, SiteAfterReset, Status, route,
};
use ashlar_pki::people::{
    Introduction, IntroductionKey, PeopleCa, Person, PersonCertificate, Role,
};
use ashlar_pki::{NodeKey, tls};
use ashlar_site::{PeopleRules, RingKey, Site};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const RING_KEY: [u8; 32] = [7; 32];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A box that lets people in.
struct House {
    ca: PeopleCa,
    paths: Paths,
    site: Site,
    admission: Arc<Admission>,
    address: SocketAddr,
    server: AbortHandle,
    _root: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn site(ca: &PeopleCa) -> Site {
    let ca = Some(BASE64_STANDARD.encode(ca.certificate().der()));
    let people = PeopleRules { ca, revoked: None };
    Site { people, ..Site::new("shop", RingKey::new(RING_KEY)) }
}

fn house(number: u8) -> House {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    state::make_private_dir(&paths.state()).unwrap();
    let ca = PeopleCa::mint("shop", Timestamp::now()).unwrap();
    let site = site(&ca);
    site.save(&paths.site()).unwrap();
    let admission = Arc::new(Admission::open(&paths, &site).unwrap().unwrap());
    let release =
        crate::release::Release { profile: "test".into(), version: "1".into(), book: None };
    let blank = Facts { release, site: None, boot: BootTimes::default() }.blank();
    let local = LocalApi {
        status: watch::channel(blank).1,
        decider: watch::channel(None).1,
        paths: paths.clone(),
        presence: Presence::with_screen(&paths, None),
        changes: Desk {
            asks: tokio::sync::mpsc::channel(1).0,
            told: watch::channel(Told::default()).1,
        },
        people: watch::channel(Some(admission.clone())).1,
    };
    let router = routes(local);
    let api = PeopleApi { router, admission: admission.clone(), paths: paths.clone() };
    let address = SocketAddr::new(loopback(number), ashlar_api::PEOPLE_PORT);
    let server = tokio::spawn(serve_people(api, address)).abort_handle();
    House { ca, paths, site, admission, address, server, _root: root }
}

type Pass = (PersonCertificate, NodeKey);

fn pass(ca: &PeopleCa, name: &str, role: Role) -> Pass {
    let key = NodeKey::generate().unwrap();
    let person = Person::new(name, role).unwrap();
    (ca.issue(&key, &person, Timestamp::now(), DAY).unwrap(), key)
}

async fn stream(from: IpAddr, to: SocketAddr) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        match socket.connect(to).await {
            Ok(stream) => return stream,
            // The listener comes up while the test already asks.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Goes in, once the box has shown that it is of the site.
async fn enter(house: &House, pass: &Pass, from: IpAddr) -> anyhow::Result<Connection> {
    let config = Arc::new(tls::person_client(&pass.0, &pass.1)?);
    let name = tls::server_name(house.address.ip());
    let stream = stream(from, house.address).await;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    let session = Introduction::of(stream.get_ref().1)?;
    let mut connection = Connection::over(stream).await?;
    let said: IntroductionAnswer = connection.get(route::INTRODUCTION).await?;
    let key = IntroductionKey::of(&RING_KEY, &pass.0)?;
    let proofs = said.proofs.iter().map(|proof| BASE64_STANDARD.decode(proof).unwrap());
    anyhow::ensure!(proofs.into_iter().any(|said| key.holds(&session, &said)), "no proof");
    Ok(connection)
}

fn refusal<T>(answer: Result<T, ashlar_api::ClientError>) -> Option<Refusal> {
    answer.err().and_then(|error| error.refusal().map(|error| error.refusal))
}

fn factory() -> ResetRequest {
    let (what, site) = (Reset::Factory, SiteAfterReset::Keep);
    ResetRequest { what, site, dry_run: false, name: None, pin: None }
}

#[tokio::test]
async fn an_admin_may_act_and_a_viewer_may_look() {
    let house = house(210);
    let me = loopback(1);
    let ben = pass(&house.ca, "ben", Role::View);
    let mut his = enter(&house, &ben, me).await.unwrap();
    assert_eq!(his.get::<Status>(route::STATUS).await.unwrap().profile, "test");
    his.get::<ashlar_api::Hardware>(route::HARDWARE).await.unwrap();
    let look = PowerRequest { power: Power::Off, dry_run: true, pin: None };
    let changes = [
        route::NETWORK,
        route::POWER,
        route::RESET,
        route::SITE_RESET,
        route::NODE,
        route::REJOIN,
        route::REVOKED,
    ];
    for path in changes {
        let refused = his.post::<_, serde_json::Value>(path, &look).await;
        assert_eq!(refusal(refused), Some(Refusal::Forbidden), "{path}");
    }
    let refused = his.get::<ashlar_api::Support>(route::SUPPORT).await;
    assert_eq!(refusal(refused), Some(Refusal::Forbidden));
    assert!(!house.paths.reset().exists());

    let anna = pass(&house.ca, "anna", Role::Admin);
    let hers = enter(&house, &anna, me).await.unwrap().longest(ashlar_api::MAX_SUPPORT);
    let mut hers = hers.deadline(Duration::from_secs(60));
    let bundle: ashlar_api::Support = hers.get(route::SUPPORT).await.unwrap();
    assert!(bundle.parts.iter().any(|part| part.name == "status.json"));
    assert!(!hers.post::<_, PowerAnswer>(route::POWER, &look).await.unwrap().begun);
    assert!(hers.post::<_, ResetAnswer>(route::RESET, &factory()).await.unwrap().begun);
    assert!(house.paths.reset().exists());
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there_for_anybody() {
    let house = house(211);
    let anna = pass(&house.ca, "anna", Role::Admin);
    let mut hers = enter(&house, &anna, loopback(1)).await.unwrap();
    for path in [route::CA_KEY, route::SWARM_JOIN, "/v1/none", "/v1/status/"] {
        let refused = hers.post::<_, serde_json::Value>(path, &()).await;
        assert_eq!(refusal(refused), Some(Refusal::NotFound), "{path}");
    }
    let other_method = hers.post::<_, serde_json::Value>(route::HARDWARE, &()).await;
    assert_eq!(refusal(other_method), Some(Refusal::NotFound));
}

#[tokio::test]
async fn who_is_revoked_of_another_site_or_late_is_not_let_in() {
    let house = house(212);
    let me = loopback(1);
    let [anna, eve] = ["anna", "eve"].map(|name| pass(&house.ca, name, Role::Admin));
    let mut hers = enter(&house, &anna, me).await.unwrap();
    enter(&house, &eve, me).await.unwrap();

    let list = house.ca.revoke(&[eve.0.serial()], 2, Timestamp::now()).unwrap();
    let request = RevokedRequest { list: Some(list.to_pem()) };
    let answer: RevokedAnswer = hers.post(route::REVOKED, &request).await.unwrap();
    assert_eq!((answer.number, answer.revoked), (2, 1));
    assert!(enter(&house, &eve, me).await.is_err());
    enter(&house, &anna, me).await.unwrap();

    // An older list, or another CA's, changes nothing; a restart does not forget it.
    let older = house.ca.revoke(&[], 1, Timestamp::now()).unwrap();
    let foreign = PeopleCa::mint("shop", Timestamp::now()).unwrap();
    assert!(!house.admission.offer(&older.to_pem()).unwrap());
    let theirs = foreign.revoke(&[], 9, Timestamp::now()).unwrap();
    assert!(house.admission.offer(&theirs.to_pem()).is_err());
    let restarted = Admission::open(&house.paths, &house.site).unwrap().unwrap();
    assert_eq!(restarted.newest().unwrap(), list);

    let theirs = pass(&foreign, "anna", Role::Admin);
    assert!(enter(&house, &theirs, me).await.is_err());
    let key = NodeKey::generate().unwrap();
    let person = Person::new("late", Role::Admin).unwrap();
    let ended = house.ca.issue(&key, &person, Timestamp::now() - DAY * 2, DAY).unwrap();
    assert!(enter(&house, &(ended, key), me).await.is_err());
}

#[test]
fn a_list_that_cannot_be_read_lets_in_nobody() {
    let root = tempfile::tempdir().unwrap();
    let paths = Paths::under(root.path());
    state::make_private_dir(&paths.state()).unwrap();
    let site = site(&PeopleCa::mint("shop", Timestamp::now()).unwrap());
    state::write(&paths.people_revoked(), b"torn", 0o600).unwrap();
    assert!(Admission::open(&paths, &site).is_err());
    let nobody = Site::new("shop", RingKey::new(RING_KEY));
    assert!(Admission::open(&paths, &nobody).unwrap().is_none(), "without a CA it never listens");
}

#[tokio::test]
async fn a_flood_of_connections_keeps_nobody_else_out() {
    let house = house(213);
    let anna = pass(&house.ca, "anna", Role::Admin);
    let mut inside = enter(&house, &anna, loopback(1)).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(stream(loopback(2), house.address).await);
    }
    let patience = Duration::from_secs(4);
    // Before the first of them is sent away for want of a handshake.
    let entered = timeout(patience, enter(&house, &anna, loopback(3))).await.unwrap();
    let status = entered.unwrap().get::<Status>(route::STATUS).await.unwrap();
    assert_eq!(status.profile, "test");
    inside.get::<Status>(route::STATUS).await.unwrap();
    // Their own address waits until they are gone, and no longer.
    drop(held);
    while enter(&house, &anna, loopback(2)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_shows_no_certificate_is_answered_nothing() {
    let house = house(214);
    let config = Arc::new(tls::enrolment_client().unwrap());
    let name = tls::server_name(house.address.ip());
    let stream = stream(loopback(1), house.address).await;
    // TLS 1.3 lets the caller finish first; the refusal comes with the first answer.
    if let Ok(stream) = TlsConnector::from(config).connect(name, stream).await {
        let mut connection = Connection::over(stream).await.unwrap();
        assert!(connection.get::<Status>(route::STATUS).await.is_err());
    }
}
