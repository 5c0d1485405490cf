//! Enrolment and calls between two nodes, over real TLS on the loopback.

use crate::fakes::{Fake, FakeNode, loopback};
use crate::paths::Paths;
use crate::serve::{ClusterApi, serve_cluster};
use crate::swarm::Engine;
use ashlar_cluster::{Observed, Step};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A founder that serves the cluster API on its own loopback address.
struct Founder {
    node: FakeNode,
    address: IpAddr,
    server: AbortHandle,
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
        let (_, configuration) = watch::channel(trust.server().unwrap());
        let (_, members) = watch::channel(Vec::new());
        let engine = Engine::new(&Paths::under(root.path()));
        let api = Arc::new(ClusterApi { trust, engine, managers: 3, members });
        let server = tokio::spawn(serve_cluster(api, configuration)).abort_handle();
        Self { node, address, server, _root: root }
    }

    fn enrol(&self) -> Step {
        let cluster = self.node.membership().unwrap().unwrap().cluster;
        Step::Enrol { cluster, via: vec![self.address] }
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
    let newcomer = Fake::default().node(root.path(), loopback(112));
    newcomer.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
    persist(&newcomer, &founder.enrol()).await.unwrap();

    let membership = newcomer.membership().unwrap().unwrap();
    assert_eq!(membership.cluster, founder.node.membership().unwrap().unwrap().cluster);
    assert!(!membership.founder);
    let pki = newcomer.trust().unwrap().observe().unwrap();
    assert!(pki.ca && pki.certificate && !pki.ca_key);

    let before = std::fs::read(newcomer.paths.pki().join("node.pem")).unwrap();
    let renew = Step::RenewCertificate { via: vec![founder.address] };
    newcomer.act(&renew, &Observed::default()).await.unwrap();
    let after = std::fs::read(newcomer.paths.pki().join("node.pem")).unwrap();
    assert_ne!(before, after);
}

#[tokio::test]
async fn a_node_that_lost_power_while_joining_finishes_joining() {
    let founder = Founder::new(120).await;
    let root = tempfile::tempdir().unwrap();
    let newcomer = Fake::default().node(root.path(), loopback(122));
    newcomer.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
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
    let mut outsider = Fake::default().node(root.path(), loopback(132));
    outsider.site.ring_key = ashlar_site::RingKey::new([8; 32]);
    outsider.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
    let error = persist(&outsider, &founder.enrol()).await.unwrap_err();
    assert!(format!("{error:#}").contains("ring key"), "{error:#}");
    assert_eq!(outsider.membership().unwrap(), None);
}
