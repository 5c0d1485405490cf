use crate::site::{Node, RING_KEY, handshake};
use ashlar_pki::{BACKDATE, Bundle, Credentials, NODE_LIFE, tls};
use jiff::Timestamp;
use rustls::ProtocolVersion;

fn server(node: &Node) -> rustls::ServerConfig {
    tls::server(&node.credentials()).unwrap()
}

fn client(node: &Node) -> rustls::ClientConfig {
    tls::client(&node.credentials()).unwrap()
}

#[test]
fn two_members_know_each_other_by_their_certificates() {
    let founder = Node::founder();
    let second = Node::member(2, &founder);
    let name = tls::server_name(founder.subject.address());
    let (called, caller) = handshake(client(&second), server(&founder), name).unwrap();
    assert_eq!(called.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(tls::peer(called.peer_certificates()).unwrap(), Some(founder.subject.clone()));
    assert_eq!(tls::peer(caller.peer_certificates()).unwrap(), Some(second.subject.clone()));
}

#[test]
fn a_member_that_answers_at_another_s_address_is_refused() {
    let founder = Node::founder();
    let second = Node::member(2, &founder);
    let elsewhere = tls::server_name([10, 83, 0, 99].into());
    let refused = handshake(client(&second), server(&founder), elsewhere).unwrap_err();
    assert!(refused.to_string().contains("not valid for"), "{refused}");
}

#[test]
fn a_member_of_another_cluster_is_refused_by_both_sides() {
    let (ours, theirs) = (Node::founder(), Node::founder_of("deadbeef"));
    let name = || tls::server_name(ours.subject.address());
    assert!(handshake(client(&theirs), server(&ours), name()).is_err());

    // The server's side, with a client that does not check.
    let mut careless = tls::enrolment_client().unwrap();
    careless.client_auth_cert_resolver = client(&theirs).client_auth_cert_resolver;
    let refused = handshake(careless, server(&ours), name()).unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

#[test]
fn a_newcomer_gets_through_but_is_nobody() {
    let founder = Node::founder();
    let name = tls::server_name(founder.subject.address());
    let (_, caller) = handshake(tls::enrolment_client().unwrap(), server(&founder), name).unwrap();
    assert_eq!(tls::peer(caller.peer_certificates()).unwrap(), None);
}

#[test]
fn a_caller_whose_certificate_has_ended_is_refused() {
    let founder = Node::founder();
    let second = Node::member(2, &founder);
    let ca = founder.store.authority(&RING_KEY).unwrap().unwrap();
    let key = second.store.node_key().unwrap();
    let long_ago = Timestamp::now() - (NODE_LIFE + BACKDATE);
    let request = key.request(&second.subject).unwrap();
    let certificate = ca.issue(&request, &second.subject, long_ago).unwrap();
    assert!(!certificate.valid_at(Timestamp::now()));
    let ended = Credentials { bundle: Bundle::of(ca.certificate().clone()), certificate, key };
    let name = tls::server_name(founder.subject.address());
    let refused = handshake(tls::client(&ended).unwrap(), server(&founder), name).unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
}
