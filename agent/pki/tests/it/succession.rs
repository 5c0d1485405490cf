//! Another CA for a cluster that runs.

use crate::site::{Node, RING_KEY, handshake};
use ashlar_pki::enrolment::Enrolled;
use ashlar_pki::{Bundle, ClusterCa, Credentials, Endorsement, Store, tls};
use jiff::Timestamp;
use std::process::Command;

/// A founder and two members, the successor of their CA, and what vouches for it.
struct Shop {
    nodes: Vec<Node>,
    next: ClusterCa,
    said: Endorsement,
}

impl Shop {
    fn new() -> Self {
        let founder = Node::founder();
        let old = authority(&founder);
        let (next, said) = old.successor(Timestamp::now(), Timestamp::now()).unwrap();
        let nodes = vec![Node::member(2, &founder), Node::member(3, &founder)];
        Self { nodes: std::iter::once(founder).chain(nodes).collect(), next, said }
    }

    fn print(&self) -> String {
        self.next.certificate().fingerprint()
    }

    /// Does what a node has to do in this stage.
    fn follow(&self, node: &Node, stage: usize) {
        match stage {
            0 => node.store.trust(self.next.certificate(), &self.said).unwrap(),
            1 => {
                node.store.sign_by(&self.print()).unwrap();
                issue(&self.next, node);
            }
            _ => node.store.trust_only(&self.print()).unwrap(),
        }
    }

    /// Each of them calls each other one.
    fn all_verify_each_other(&self, when: &str) {
        for (c, caller) in self.nodes.iter().enumerate() {
            for (s, server) in self.nodes.iter().enumerate().filter(|(s, _)| *s != c) {
                let client = tls::client(&caller.credentials()).unwrap();
                let name = tls::server_name(server.subject.address());
                let config = tls::server(&server.credentials()).unwrap();
                let done = handshake(client, config, name);
                assert!(done.is_ok(), "{c} calls {s} {when}: {:?}", done.err());
            }
        }
    }
}

fn authority(node: &Node) -> ClusterCa {
    node.store.authority(&RING_KEY).unwrap().unwrap()
}

fn issue(ca: &ClusterCa, node: &Node) {
    let request = node.store.node_key().unwrap().request(&node.subject).unwrap();
    let certificate = ca.issue(&request, &node.subject, Timestamp::now()).unwrap();
    node.store.install(ca.certificate(), &certificate, Timestamp::now()).unwrap();
}

#[test]
fn a_ca_is_replaced_box_by_box_and_no_two_ever_refuse_each_other() {
    let shop = Shop::new();
    for stage in 0..3 {
        for (n, node) in shop.nodes.iter().enumerate() {
            shop.follow(node, stage);
            shop.all_verify_each_other(&format!("after {n} in stage {stage}"));
        }
    }
    for node in &shop.nodes {
        assert_eq!(
            node.store.bundle().unwrap().unwrap(),
            Bundle::of(shop.next.certificate().clone())
        );
    }
    let stranger = Node::member(9, &Node::founder());
    let client = tls::client(&stranger.credentials()).unwrap();
    let server = tls::server(&shop.nodes[0].credentials()).unwrap();
    let name = tls::server_name(shop.nodes[0].subject.address());
    assert!(handshake(client, server, name).is_err());
}

#[test]
fn who_has_a_certificate_of_the_ca_before_is_refused_once_that_is_dropped() {
    let shop = Shop::new();
    let thief = Node::new(8);
    issue(&authority(&shop.nodes[0]), &thief);
    let Credentials { bundle, certificate, key } = thief.credentials();
    let also = [shop.next.certificate().clone()];
    let bundle = Bundle::with(bundle.first().clone(), also).unwrap();
    let thief = Credentials { bundle, certificate, key };
    for stage in 0..3 {
        shop.nodes.iter().for_each(|node| shop.follow(node, stage));
        let client = tls::client(&thief).unwrap();
        let server = tls::server(&shop.nodes[0].credentials()).unwrap();
        let name = tls::server_name(shop.nodes[0].subject.address());
        assert_eq!(handshake(client, server, name).is_ok(), stage < 2, "stage {stage}");
    }
}

#[test]
fn nobody_trusts_a_ca_that_the_one_before_does_not_vouch_for() {
    let shop = Shop::new();
    let member = &shop.nodes[1].store;
    let same = Node::founder();
    let (foreign, said) = authority(&same).successor(Timestamp::now(), Timestamp::now()).unwrap();
    assert!(member.trust(foreign.certificate(), &said).is_err(), "another CA's word");
    assert!(member.trust(foreign.certificate(), &shop.said).is_err(), "a word about another CA");
    assert_eq!(member.bundle().unwrap().unwrap().iter().count(), 1);
    assert!(member.sign_by(&shop.print()).is_err(), "it is not trusted yet");
    assert!(Endorsement::decode("?").is_err());
    // Nor by way of an enrolment, for which the ring's key is enough.
    let node = &shop.nodes[1];
    let request = node.store.node_key().unwrap().request(&node.subject).unwrap();
    let bundle = Bundle::of(foreign.certificate().clone());
    let certificate = foreign.issue(&request, &node.subject, Timestamp::now()).unwrap();
    for endorsement in [None, Some(said), Some(shop.said.clone())] {
        let enrolled =
            Enrolled { bundle: bundle.clone(), endorsement, certificate: certificate.clone() };
        assert!(member.enrol(&enrolled, Timestamp::now()).is_err());
    }
    assert_eq!(node.credentials().bundle.iter().count(), 1);
}

#[test]
fn a_box_that_was_away_takes_the_ca_that_its_own_vouches_for() {
    let shop = Shop::new();
    let node = &shop.nodes[2];
    let request = node.store.node_key().unwrap().request(&node.subject).unwrap();
    let certificate = shop.next.issue(&request, &node.subject, Timestamp::now()).unwrap();
    let bundle = Bundle::of(shop.next.certificate().clone());
    let endorsement = Some(shop.said.clone());
    node.store.enrol(&Enrolled { bundle, endorsement, certificate }, Timestamp::now()).unwrap();
    assert_eq!(&node.store.ca().unwrap().unwrap(), shop.next.certificate());
    assert_eq!(node.store.endorsement().unwrap(), Some(shop.said));
    assert!(node.store.credentials().unwrap().is_some());
}

#[test]
fn the_key_of_the_next_ca_outlasts_a_power_cut_between_any_two_files() {
    let shop = Shop::new();
    let holder = &shop.nodes[0];
    let reopened = || Store::open(holder.file("")).unwrap();
    let signs = || authority(holder).certificate().fingerprint();
    let old = signs();
    holder.store.keep_next(&shop.next, &RING_KEY).unwrap();
    assert!(reopened().next_authority(&RING_KEY).unwrap().is_some());
    // Sealed anew, each where it lies.
    holder.store.keep_authority(&authority(holder), &RING_KEY).unwrap();
    shop.follow(holder, 0);
    assert_eq!(signs(), old, "it is trusted and does not sign yet");
    shop.follow(holder, 1);
    assert_eq!(signs(), shop.print());
    assert!(
        reopened().next_authority(&RING_KEY).unwrap().is_none(),
        "it is not to follow any more"
    );
    // The seal has moved, and the cut came before the rest.
    std::fs::rename(holder.file("next-ca.key.sealed"), holder.file("ca.key.sealed")).unwrap();
    assert_eq!(authority(holder).certificate().fingerprint(), shop.print());
    for _ in 0..2 {
        shop.follow(holder, 2);
        assert_eq!(authority(holder).certificate().fingerprint(), shop.print());
        assert!(
            !holder.file("next-ca.key.sealed").exists() && !holder.file("next-ca.pem").exists()
        );
    }
}

#[test]
fn a_holder_that_is_late_does_not_lose_the_key_by_which_it_signs() {
    let shop = Shop::new();
    let holder = &shop.nodes[0];
    holder.store.keep_next(&shop.next, &RING_KEY).unwrap();
    shop.follow(holder, 0);
    shop.follow(holder, 1);
    let (third, said) = shop.next.successor(Timestamp::now(), Timestamp::now()).unwrap();
    holder.store.keep_next(&third, &RING_KEY).unwrap();
    holder.store.trust(third.certificate(), &said).unwrap();
    assert_eq!(authority(holder).certificate(), shop.next.certificate());
    assert!(holder.store.next_authority(&RING_KEY).unwrap().is_some());
}

#[test]
fn openssl_takes_certificates_of_both_cas_from_the_one_file() {
    let shop = Shop::new();
    let [holder, late, _] = shop.nodes.as_slice() else { panic!("three") };
    shop.follow(holder, 0);
    shop.follow(holder, 1);
    for node in [holder, late] {
        let verified = Command::new("openssl")
            .args(["verify", "-x509_strict", "-verify_depth", "1", "-CAfile"])
            .args([holder.file("ca.pem"), node.file("node.pem")])
            .output()
            .expect("the openssl command is installed");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}

#[test]
fn a_file_of_cas_is_read_as_it_was_written_and_none_of_another_cluster_beside_them() {
    let shop = Shop::new();
    shop.follow(&shop.nodes[0], 0);
    let text = std::fs::read_to_string(shop.nodes[0].file("ca.pem")).unwrap();
    let read = Bundle::from_pem(text.as_bytes()).unwrap();
    assert_eq!((read.to_pem(), read.iter().count()), (text.clone(), 2));
    let other = Node::founder_of("deadbeef").store.ca().unwrap().unwrap();
    let mixed = format!("{text}{}", other.to_pem());
    assert!(Bundle::from_pem(mixed.as_bytes()).is_err());
    assert!(Bundle::from_pem(b"").is_err());
}
