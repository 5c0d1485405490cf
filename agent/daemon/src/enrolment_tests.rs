//! Enrolment and calls between two nodes, over real TLS on the loopback.

use crate::fakes::{Fake, FakeNode, blank, loopback};
use crate::paths::Paths;
use crate::people::Admission;
use crate::serve::{ClusterApi, Decider, serve_cluster};
use crate::swarm::Engine;
use crate::{ring_keys, site_store};
use ashlar_api::{
    BoxMergeRequest, BoxResetRequest, ClientError, Connection, Decision, NodeAnswer, NodeRequest,
    Refusal, RevokedRequest, RingAnswer, RingRequest, RingVerb, route,
};
use ashlar_cluster::{
    Availability, ClusterId, Identity, Intent, KeyPrint, KnownBox, MemberStatus, Observed, Record,
    RingMember, Rotation, RotationStage, Step, Succession, Successor, Swarm, SwarmNode,
};
use ashlar_pki::enrolment::{Channel, Newcomer};
use ashlar_pki::people::PeopleCa;
use ashlar_site::{PeopleRules, Pools, Site};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// A founder that serves the cluster API on its own loopback address.
struct Founder {
    node: FakeNode,
    address: IpAddr,
    server: AbortHandle,
    ring: watch::Sender<Vec<RingMember>>,
    seen: watch::Sender<Arc<Observed>>,
    serves: watch::Sender<Option<Arc<rustls::ServerConfig>>>,
    people: Arc<Admission>,
    people_ca: PeopleCa,
    _root: tempfile::TempDir,
}

impl Drop for Founder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Founder {
    async fn new(number: u8) -> Self {
        let root = tempfile::tempdir().unwrap();
        let address = loopback(number);
        let node = Fake::default().node(root.path(), address);
        for step in [Step::MakeIdentity, Step::Found] {
            node.act(&step, &Observed::default()).await.unwrap();
        }
        let trust = node.trust().unwrap();
        let (serves, configuration) = watch::channel(trust.server().unwrap());
        let (ring, members) = watch::channel(Vec::new());
        let engine = Engine::new(&Paths::under(root.path()), Pools::default());
        let (seen, looks) = watch::channel(Arc::default());
        let decider = Decider {
            trust: trust.clone(),
            engine: engine.clone(),
            wanted: node.wanted.clone(),
            seen: looks,
            wake: Arc::default(),
            status: watch::channel(blank()).1,
            paths: node.paths.clone(),
        };
        let people_ca = PeopleCa::mint("demo", jiff::Timestamp::now()).unwrap();
        let ca = Some(BASE64_STANDARD.encode(people_ca.certificate().der()));
        let site = Site { people: PeopleRules { ca, revoked: None }, ..node.site.clone() };
        let people = Arc::new(Admission::open(&node.paths, &site).unwrap().unwrap());
        let lets_in = Some(people.clone());
        let api = Arc::new(ClusterApi { trust, engine, decider, members, people: lets_in });
        let server = tokio::spawn(serve_cluster(api, configuration)).abort_handle();
        Self { node, address, server, ring, seen, serves, people, people_ca, _root: root }
    }

    /// Serves with the certificate that is here now, as the loop does after each step.
    fn offer(&self) {
        self.serves.send_replace(self.node.trust().unwrap().server().unwrap());
    }

    fn cluster(&self) -> ClusterId {
        self.node.membership().unwrap().unwrap().cluster
    }

    fn enrol(&self) -> Step {
        Step::Enrol { cluster: self.cluster(), via: vec![self.address] }
    }

    fn renew(&self) -> Step {
        Step::RenewCertificate { via: vec![self.address] }
    }

    /// The ring shows it this node, alive, as a member of its cluster.
    fn sees(&self, node: &FakeNode) {
        let identity = node.identity().unwrap();
        self.ring.send_modify(|members| {
            members.retain(|m| m.name != identity.name);
            members.push(RingMember {
                keys: None,
                cas: None,
                id: Some(identity.id),
                name: identity.name,
                address: identity.address,
                status: MemberStatus::Alive,
                cluster: Some(self.cluster()),
                storage_open: false,
                ca_key: false,
                swarm: None,
                witness: false,
                full: false,
                keeps: None,
                yields: None,
                hand: None,
                left: None,
            });
        });
    }

    /// The record as it reads it: the ring's key is replaced, and this node has a place.
    fn replaces(&self, key: &KeyPrint, node: &FakeNode, remove: bool) {
        let Identity { id, name, address } = node.identity().unwrap();
        let known = KnownBox { name, address, lost_since: Some(1), remove };
        let stage = RotationStage::Only;
        let ring = Rotation { number: 1, key: key.clone(), stage, since: 1, given_out: None };
        let intent = Intent { boxes: [(id, known)].into(), ring: Some(ring), ..Intent::default() };
        let swarm = Swarm { record: Record::Known(intent), ..Swarm::default() };
        let seen = Observed { swarm: Some(swarm), ..Observed::default() };
        self.seen.send_replace(Arc::new(seen));
    }

    /// A node with the site, seen in the ring.
    async fn newcomer(&self, root: &std::path::Path, number: u8) -> FakeNode {
        let node = Fake::default().node(root, loopback(number));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        self.sees(&node);
        node
    }
}

/// The listener comes up while the newcomer already asks: as in life, it asks
/// again.
async fn persist(node: &FakeNode, step: &Step) -> anyhow::Result<()> {
    let mut last = Ok(());
    for _ in 0..50 {
        last = node.act(step, &Observed::default()).await;
        match &last {
            Err(error) if format!("{error:#}").contains("refused (os error") => {
                tokio::task::yield_now().await;
            }
            _ => break,
        }
    }
    last
}

#[tokio::test]
async fn a_newcomer_with_the_site_s_key_enrols_and_may_then_renew() {
    let founder = Founder::new(110).await;
    let root = tempfile::tempdir().unwrap();
    let newcomer = founder.newcomer(root.path(), 112).await;
    persist(&newcomer, &founder.enrol()).await.unwrap();

    let membership = newcomer.membership().unwrap().unwrap();
    assert_eq!(membership.cluster, founder.node.membership().unwrap().unwrap().cluster);
    assert!(!membership.founder);
    let pki = newcomer.trust().unwrap().observe().unwrap();
    assert!(pki.ca && pki.certificate && !pki.ca_key);

    let before = std::fs::read(newcomer.paths.pki().join("node.pem")).unwrap();
    newcomer.act(&founder.renew(), &Observed::default()).await.unwrap();
    let after = std::fs::read(newcomer.paths.pki().join("node.pem")).unwrap();
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_node_that_lost_power_while_joining_finishes_joining() {
    let founder = Founder::new(120).await;
    let root = tempfile::tempdir().unwrap();
    let newcomer = founder.newcomer(root.path(), 122).await;
    persist(&newcomer, &founder.enrol()).await.unwrap();
    std::fs::remove_file(newcomer.paths.membership()).unwrap();
    std::fs::remove_file(newcomer.paths.pki().join("node.pem")).unwrap();
    newcomer.act(&founder.enrol(), &Observed::default()).await.unwrap();
    assert!(newcomer.membership().unwrap().is_some());
}

#[tokio::test]
async fn an_outsider_with_another_key_is_not_let_in() {
    let founder = Founder::new(130).await;
    let root = tempfile::tempdir().unwrap();
    let outsider = node_with_key(root.path(), loopback(132), [8; 32]).await;
    founder.sees(&outsider);
    let error = persist(&outsider, &founder.enrol()).await.unwrap_err();
    assert!(format!("{error:#}").contains("ring key"), "{error:#}");
    assert_eq!(outsider.membership().unwrap(), None);
}

/// A node whose site has another ring key.
async fn node_with_key(root: &std::path::Path, address: IpAddr, key: [u8; 32]) -> FakeNode {
    let mut node = Fake::default().node(root, address);
    node.site.ring_key = ashlar_site::RingKey::new(key);
    crate::fakes::write_site(&node.paths, &node.site);
    node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
    node
}

#[tokio::test]
async fn a_certificate_away_from_the_ring_is_worth_no_other_and_no_key() {
    let founder = Founder::new(140).await;
    let root = tempfile::tempdir().unwrap();
    let stolen = founder.newcomer(root.path(), 142).await;
    persist(&stolen, &founder.enrol()).await.unwrap();
    let fetch = Step::FetchCaKey { via: vec![founder.address] };

    founder.ring.send_modify(|members| members[0].status = MemberStatus::Failed);
    for step in [founder.renew(), fetch.clone()] {
        let refused = stolen.act(&step, &Observed::default()).await.unwrap_err();
        assert!(format!("{refused:#}").contains("not alive in the ring"), "{refused:#}");
    }
    founder.sees(&stolen);
    stolen.act(&founder.renew(), &Observed::default()).await.unwrap();
    stolen.act(&fetch, &Observed::default()).await.unwrap();
    assert!(stolen.trust().unwrap().observe().unwrap().ca_key);
}

#[tokio::test]
async fn a_live_member_passes_the_reset_of_its_site_on_and_nobody_else_does() {
    let founder = Founder::new(118).await;
    let root = tempfile::tempdir().unwrap();
    let member = founder.newcomer(root.path(), 119).await;
    persist(&member, &founder.enrol()).await.unwrap();
    let trust = member.trust().unwrap();
    let reset = async |site: &str, dry_run| {
        let request = BoxResetRequest { site: site.into(), keep_site: true, dry_run };
        trust.reset(founder.address, &request).await
    };
    let would = reset("shop", true).await.unwrap();
    assert!(!would.begun && !would.losses.lines.is_empty());
    assert!(reset("another", false).await.is_err());
    founder.ring.send_modify(Vec::clear);
    assert!(reset("shop", false).await.is_err(), "it is not in the ring");
    assert!(!founder.node.paths.reset().exists());
    founder.sees(&member);
    assert!(reset("shop", false).await.unwrap().begun);
    assert!(founder.node.paths.reset().exists());
}

#[tokio::test]
async fn a_box_that_does_not_manage_the_swarm_has_no_other_box_taken_out_or_reset() {
    let founder = Founder::new(114).await;
    let root = tempfile::tempdir().unwrap();
    let worker = founder.newcomer(root.path(), 116).await;
    persist(&worker, &founder.enrol()).await.unwrap();
    let trust = worker.trust().unwrap();
    let seat = |manager| {
        let name = worker.identity().unwrap().name;
        let swarm = Swarm { nodes: vec![seat(&name, manager)], ..Swarm::default() };
        founder.seen.send_replace(Arc::new(Observed { swarm: Some(swarm), ..Default::default() }));
    };
    let own = worker.identity().unwrap().name;
    let refused = async |name: &str, decision, dry_run| {
        let typed = Some(name.to_owned());
        let request = NodeRequest { name: name.into(), decision, dry_run, typed };
        let asked = trust.decide::<_, NodeAnswer>(&[founder.address], route::NODE, &request).await;
        match asked.unwrap_err().downcast_ref() {
            // It does not lead: what was asked came as far as that.
            Some(ClientError::Refused(error)) => error.refusal == Refusal::Forbidden,
            other => panic!("{other:?}"),
        }
    };
    let reset = async |dry_run| {
        let request = BoxResetRequest { site: "shop".into(), keep_site: true, dry_run };
        trust.reset(founder.address, &request).await
    };
    let key = RingRequest { verb: RingVerb::Rotate, dry_run: false };
    let rotate =
        async || trust.decide::<_, RingAnswer>(&[founder.address], route::RING, &key).await;
    seat(false);
    for decision in [Decision::Remove, Decision::Revoke, Decision::Keep] {
        assert!(refused("ashlar-other", decision, false).await, "{decision:?}");
        assert!(!refused("ashlar-other", decision, true).await, "to ask costs nothing");
        assert_eq!(refused(&own, decision, false).await, decision == Decision::Keep);
    }
    let words = format!("{:#}", reset(false).await.unwrap_err());
    assert!(words.contains("does not manage the Swarm"), "{words}");
    assert!(rotate().await.unwrap_err().to_string().contains("counts for nothing"));
    let cluster = founder.cluster();
    let merge = BoxMergeRequest { from: cluster, into: ClusterId("other".into()) };
    assert!(trust.merge(founder.address, &merge).await.is_err());
    assert!(reset(true).await.is_ok() && !founder.node.paths.reset().exists());
    seat(true);
    assert!(!refused("ashlar-other", Decision::Remove, false).await);
    assert!(!rotate().await.unwrap_err().to_string().contains("counts for nothing"));
    assert!(reset(false).await.unwrap().begun);
}

fn seat(name: &str, manager: bool) -> SwarmNode {
    SwarmNode {
        id: "seat".into(),
        name: name.into(),
        address: None,
        up: true,
        manager,
        reachable: manager,
        leader: false,
        availability: Availability::Active,
        tasks: 0,
    }
}

#[tokio::test]
async fn who_was_struck_off_gets_nothing_though_the_ring_shows_it() {
    let founder = Founder::new(150).await;
    let root = tempfile::tempdir().unwrap();
    let thief = founder.newcomer(root.path(), 152).await;
    persist(&thief, &founder.enrol()).await.unwrap();
    let list = format!(r#"{{"version":1,"nodes":["{}"]}}"#, thief.identity().unwrap().id);
    std::fs::write(founder.node.paths.struck_off(), list).unwrap();
    let fetch = Step::FetchCaKey { via: vec![founder.address] };
    for step in [founder.renew(), fetch, founder.enrol()] {
        let refused = thief.act(&step, &Observed::default()).await.unwrap_err();
        assert!(format!("{refused:#}").contains("struck off"), "{refused:#}");
    }
    // One member's word alone does not take its copy from it.
    let id = thief.identity().unwrap().id;
    assert_eq!(thief.lost_place(&id).unwrap(), None);
    std::fs::remove_file(thief.paths.membership()).unwrap();
    assert!(thief.lost_place(&id).unwrap().is_some(), "it has none any more");
}

#[tokio::test]
async fn a_member_shows_its_certificate_and_is_asked_nothing_once_it_was_struck_off() {
    let (founder, root) = (Founder::new(31).await, tempfile::tempdir().unwrap());
    let newcomer = founder.newcomer(root.path(), 32).await;
    persist(&newcomer, &founder.enrol()).await.unwrap();
    let trust = newcomer.trust().unwrap();
    let shown = trust.shown_by(founder.address).await.unwrap();
    assert_eq!(shown.subject().id(), founder.node.identity().unwrap().id.0);
    trust.places(founder.address).await.unwrap();
    trust.let_look(founder.address).await.unwrap();
    let told = founder.node.trust().unwrap();
    assert!(told.take_news() && !told.take_news(), "it looks once");
    let ids = [founder.node.identity().unwrap().id].into();
    trust.strike_off(&ids, &ids).unwrap();
    let refused = trust.places(founder.address).await.unwrap_err().to_string();
    assert!(refused.contains("was struck off"), "{refused}");
}

#[tokio::test]
async fn a_node_gives_up_the_ca_key_only_to_those_that_show_it() {
    let founder = Founder::new(160).await;
    let root = tempfile::tempdir().unwrap();
    let member = founder.newcomer(root.path(), 162).await;
    persist(&member, &founder.enrol()).await.unwrap();
    let fetch = Step::FetchCaKey { via: vec![founder.address] };
    member.act(&fetch, &Observed::default()).await.unwrap();

    let pretender = Step::DropCaKey { via: vec![founder.address, loopback(169)] };
    assert!(member.act(&pretender, &Observed::default()).await.is_err());
    assert!(member.trust().unwrap().observe().unwrap().ca_key);
    let holder = Step::DropCaKey { via: vec![founder.address] };
    member.act(&holder, &Observed::default()).await.unwrap();
    assert!(!member.trust().unwrap().observe().unwrap().ca_key);
}

#[tokio::test]
async fn a_box_with_the_ring_s_new_key_enrols_and_one_with_the_old_key_does_not() {
    let founder = Founder::new(170).await;
    let key = |byte| BASE64_STANDARD.encode([byte; 32]);
    let keyring = founder.node.paths.keyring();
    std::fs::create_dir_all(keyring.parent().unwrap()).unwrap();
    // As `serf keys` leaves it when the new key was installed and is used.
    std::fs::write(&keyring, format!(r#"["{}","{}"]"#, key(9), key(7))).unwrap();
    let trust = founder.node.trust().unwrap();
    assert!(trust.observe().unwrap().ring_key_changed);
    founder.node.act(&Step::AdoptRingKey, &Observed::default()).await.unwrap();
    let pki = trust.observe().unwrap();
    assert!(!pki.ring_key_changed && pki.ca_key);

    let root = tempfile::tempdir().unwrap();
    let newcomer = node_with_key(root.path(), loopback(172), [9; 32]).await;
    founder.sees(&newcomer);
    persist(&newcomer, &founder.enrol()).await.unwrap();
    let root = tempfile::tempdir().unwrap();
    let late = founder.newcomer(root.path(), 173).await;
    let refused = persist(&late, &founder.enrol()).await.unwrap_err();
    assert!(format!("{refused:#}").contains("ring key"), "{refused:#}");
}

#[tokio::test]
async fn a_box_that_was_away_is_given_the_ring_s_new_key_while_it_keeps_its_place() {
    let founder = Founder::new(200).await;
    let root = tempfile::tempdir().unwrap();
    let away = founder.newcomer(root.path(), 202).await;
    persist(&away, &founder.enrol()).await.unwrap();
    for node in [&founder.node, &away] {
        site_store::make_keyring(&node.paths, &[7; 32]).unwrap();
    }
    let key = ring_keys::make_next(&founder.node.paths).unwrap();
    let follow = async |node: &FakeNode, via: Vec<IpAddr>| -> anyhow::Result<()> {
        let (key, keep) = (key.clone(), key.clone());
        let take = Step::TakeRingKey { key: key.clone(), via };
        let steps =
            [take, Step::UseRingKey { key }, Step::AdoptRingKey, Step::DropRingKeys { keep }];
        for step in steps {
            node.act(&step, &Observed::default()).await?;
        }
        Ok(())
    };
    follow(&founder.node, Vec::new()).await.unwrap();

    // The ring shows it nobody who has the old key alone.
    founder.ring.send_modify(Vec::clear);
    let ask = || follow(&away, vec![founder.address]);
    let refused = |outcome: anyhow::Result<()>| {
        let error = format!("{:#}", outcome.unwrap_err());
        assert!(error.contains("no place that it will keep"), "{error}");
    };
    refused(ask().await);
    founder.replaces(&key, &away, true);
    refused(ask().await);
    founder.replaces(&key, &away, false);
    let told = away.trust().unwrap().places(founder.address).await.unwrap();
    assert_eq!(told.rotation.map(|told| told.key), Some(key.clone()));
    ask().await.unwrap();
    let keys = away.trust().unwrap().observe().unwrap().ring_keys.unwrap();
    assert_eq!((&keys.uses, keys.also.len()), (&key, 0));
    let sites = [&founder.node, &away].map(|node| Site::load(&node.paths.site()).unwrap());
    assert_eq!(sites[0].ring_key, sites[1].ring_key);
    let old = Step::TakeRingKey { key: ring_keys::print(&[7; 32]), via: vec![founder.address] };
    assert!(away.act(&old, &Observed::default()).await.is_err(), "nobody gives the old one");
}

/// The record names that CA.
fn names(minted: &Successor, stage: RotationStage) -> Arc<Observed> {
    let succession = Succession {
        number: 1,
        ca: KeyPrint(minted.ca.clone()),
        certificate: minted.certificate.clone(),
        endorsement: minted.endorsement.clone(),
        stage,
        since: 1,
    };
    let record = Record::Known(Intent { ca: Some(succession), ..Intent::default() });
    let swarm = Swarm { record, ..Swarm::default() };
    Arc::new(Observed { swarm: Some(swarm), ..Observed::default() })
}

#[tokio::test]
async fn a_ca_is_replaced_and_boxes_that_were_away_take_it_by_an_enrolment() {
    let founder = Founder::new(210).await;
    let roots = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut boxes = Vec::new();
    for (root, number) in roots.iter().zip(212..) {
        let node = founder.newcomer(root.path(), number).await;
        persist(&node, &founder.enrol()).await.unwrap();
        boxes.push(node);
    }
    let [member, away, late] = boxes.as_slice() else { panic!("three") };
    let trust = founder.node.trust().unwrap();
    let minted = trust.mint_successor().unwrap().unwrap();
    let ca = KeyPrint(minted.ca.clone());
    let by_record = |stage| names(&minted, stage);
    let cas = |node: &FakeNode| node.trust().unwrap().observe().unwrap().cas.unwrap();
    let old = cas(&founder.node).shows;
    assert_eq!(cas(&founder.node).next.as_ref(), Some(&ca));

    let record = by_record(RotationStage::Spread);
    founder.seen.send_replace(record.clone());
    let told = member.trust().unwrap().places(founder.address).await.unwrap().succession.unwrap();
    assert_eq!(told.ca, ca);
    let fetch = Step::FetchNextCaKey { ca: ca.clone(), via: vec![founder.address] };
    for node in [&founder.node, member] {
        for _ in 0..2 {
            node.act(&Step::TrustCa { ca: ca.clone() }, &record).await.unwrap();
        }
        assert!(cas(node).trusts(&ca) && cas(node).shows == old);
    }
    founder.offer();
    member.act(&fetch, &record).await.unwrap();
    assert_eq!(cas(member).next.as_ref(), Some(&ca));
    assert!(late.act(&Step::SignByCa { ca: ca.clone() }, &record).await.is_err());

    let record = by_record(RotationStage::Use);
    for node in [&founder.node, member] {
        node.act(&Step::SignByCa { ca: ca.clone() }, &record).await.unwrap();
        assert_eq!(cas(node).shows, old, "its certificate is none of that CA yet");
    }
    assert!(member.trust().unwrap().observe().unwrap().ca_key, "it has the key of the new one");
    let by_itself = Step::RenewCertificate { via: Vec::new() };
    founder.node.act(&by_itself, &record).await.unwrap();
    founder.offer();
    member.act(&founder.renew(), &record).await.unwrap();
    assert!(cas(&founder.node).shows == ca && cas(member).shows == ca);
    // One that comes back now does not take their certificates, and they take its own.
    assert!(away.act(&founder.renew(), &record).await.is_err());
    away.act(&founder.enrol(), &record).await.unwrap();
    assert!(cas(away).shows == ca && cas(away).trusts(&old));
    away.act(&founder.renew(), &record).await.unwrap();

    let record = by_record(RotationStage::Only);
    for node in [&founder.node, member, away] {
        for _ in 0..2 {
            node.act(&Step::TrustOnlyCa { ca: ca.clone() }, &record).await.unwrap();
        }
        assert!(cas(node).also.is_empty() && cas(node).next.is_none());
    }
    founder.offer();
    assert!(trust.observe().unwrap().ca_key);
    member.trust().unwrap().places(founder.address).await.unwrap();
    // And one that comes back only now.
    assert!(late.act(&founder.renew(), &record).await.is_err());
    late.act(&founder.enrol(), &record).await.unwrap();
    assert_eq!(cas(late), cas(member));
    late.act(&founder.renew(), &record).await.unwrap();
    assert!(late.membership().unwrap().is_some(), "it keeps its place");
}

#[tokio::test]
async fn nobody_has_a_ca_minted_over_the_one_that_is_on_its_way() {
    let founder = Founder::new(214).await;
    let root = tempfile::tempdir().unwrap();
    let manager = founder.newcomer(root.path(), 216).await;
    persist(&manager, &founder.enrol()).await.unwrap();
    let ask = async || manager.trust().unwrap().successor_from(&[founder.address]).await;
    let next = || founder.node.trust().unwrap().observe().unwrap().cas.unwrap().next;
    // One that the record never named keeps nobody from another.
    let dropped = ask().await.unwrap();
    let minted = ask().await.unwrap();
    let ca = KeyPrint(minted.ca.clone());
    assert!(minted.ca != dropped.ca && next().as_ref() == Some(&ca));

    let refused = async || {
        let error = format!("{:#}", ask().await.unwrap_err());
        assert!(error.contains("on its way"), "{error}");
        assert_eq!(next().as_ref(), Some(&ca));
    };
    for stage in [RotationStage::Spread, RotationStage::Use] {
        founder.seen.send_replace(names(&minted, stage));
        refused().await;
    }
    // Nor if it was trusted here and the record is out of sight.
    let spread = names(&minted, RotationStage::Spread);
    founder.node.act(&Step::TrustCa { ca: ca.clone() }, &spread).await.unwrap();
    founder.seen.send_replace(Arc::default());
    refused().await;
}

#[tokio::test]
async fn what_was_revoked_goes_from_box_to_box() {
    let founder = Founder::new(190).await;
    let root = tempfile::tempdir().unwrap();
    let member = founder.newcomer(root.path(), 192).await;
    persist(&member, &founder.enrol()).await.unwrap();
    let trust = member.trust().unwrap();
    let ask = RevokedRequest::default();
    assert_eq!(trust.share_revoked(founder.address, &ask).await.unwrap().list, None);
    let list = founder.people_ca.revoke(&[], 3, jiff::Timestamp::now()).unwrap().to_pem();
    let give = RevokedRequest { list: Some(list.clone()) };
    assert_eq!(trust.share_revoked(founder.address, &give).await.unwrap().number, 3);
    assert_eq!(founder.people.newest().unwrap().to_pem(), list);
    assert_eq!(trust.share_revoked(founder.address, &ask).await.unwrap().list, Some(list));
    // Nobody's word is taken for it.
    let foreign = PeopleCa::mint("demo", jiff::Timestamp::now()).unwrap();
    let list = foreign.revoke(&[], 4, jiff::Timestamp::now()).unwrap().to_pem();
    assert!(
        trust.share_revoked(founder.address, &RevokedRequest { list: Some(list) }).await.is_err()
    );
}

#[tokio::test]
async fn a_session_carries_one_hello() {
    let founder = Founder::new(180).await;
    let address = SocketAddr::new(founder.address, ashlar_api::CLUSTER_PORT);
    let stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let config = Arc::new(ashlar_pki::tls::enrolment_client().unwrap());
    let name = ashlar_pki::tls::server_name(founder.address);
    let stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
    let server = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    let channel = Channel::of(stream.get_ref().1).unwrap();
    let (_, hello) = Newcomer::hello(&[7; 32], &channel, &server).unwrap();
    let mut session = Connection::over(stream).await.unwrap();
    founder.node.trust().unwrap().observe().unwrap();
    let mut say = async || {
        let bytes = hello.encode().unwrap();
        session.post_message(route::ENROL_HELLO, route::ENROL_TYPE, bytes).await
    };
    say().await.unwrap();
    assert!(say().await.unwrap_err().to_string().contains("one hello"));
}
