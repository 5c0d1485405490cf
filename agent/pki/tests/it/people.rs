//! People from elsewhere: who gets through the handshake, and whom they believe.

use crate::site::{Node, RING_KEY, handshake};
use ashlar_pki::people::{
    Introduction, IntroductionKey, PeopleCa, PeopleCertificate, Person, PersonCertificate,
    RevokedList, Role,
};
use ashlar_pki::{NodeKey, PkiError, tls};
use jiff::Timestamp;
use rustls::{ClientConnection, ServerConnection};
use rustls_pki_types::ServerName;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn ca(site: &str) -> PeopleCa {
    PeopleCa::mint(site, Timestamp::now()).unwrap()
}

fn person(ca: &PeopleCa, name: &str, role: Role) -> (PersonCertificate, NodeKey) {
    let key = NodeKey::generate().unwrap();
    let person = Person::new(name, role).unwrap();
    (ca.issue(&key, &person, Timestamp::now(), DAY).unwrap(), key)
}

fn box_name() -> ServerName<'static> {
    tls::server_name([192, 0, 2, 1].into())
}

fn calls(
    ca: &PeopleCertificate,
    revoked: Option<&RevokedList>,
    (certificate, key): &(PersonCertificate, NodeKey),
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let client = tls::person_client(certificate, key).unwrap();
    handshake(client, tls::people_server(ca, revoked).unwrap(), box_name())
}

#[test]
fn a_person_of_the_site_is_known_by_name_and_role() {
    let ca = ca("shop");
    for (name, role) in [("anna", Role::Admin), ("ben@shop.example", Role::View)] {
        let (_, caller) = calls(ca.certificate(), None, &person(&ca, name, role)).unwrap();
        let shown = caller.peer_certificates().unwrap();
        let shown = PersonCertificate::from_der(&shown[0]).unwrap();
        assert_eq!((shown.person().name(), shown.person().role()), (name, role));
    }
    assert!(Person::new("Anna", Role::View).is_err());
    assert!(Person::new("anna:admin", Role::View).is_err());
}

#[test]
fn who_is_of_another_site_has_no_certificate_or_one_that_ended_does_not_get_through() {
    let ours = ca("shop");
    // Of the same name, even.
    let theirs = ca("shop");
    let refused = calls(ours.certificate(), None, &person(&theirs, "anna", Role::Admin));
    assert!(matches!(refused, Err(rustls::Error::InvalidCertificate(_))));

    let key = NodeKey::generate().unwrap();
    let anna = Person::new("anna", Role::Admin).unwrap();
    let long_ago = Timestamp::now() - DAY * 2;
    let ended = (ours.issue(&key, &anna, long_ago, DAY).unwrap(), key);
    let refused = calls(ours.certificate(), None, &ended).unwrap_err().to_string();
    assert!(refused.contains("xpired"), "{refused}");

    let server = || tls::people_server(ours.certificate(), None).unwrap();
    assert!(handshake(tls::enrolment_client().unwrap(), server(), box_name()).is_err());
    // A box's certificate is none of a person's, though the box is of the site.
    let mut node = tls::enrolment_client().unwrap();
    node.client_auth_cert_resolver =
        tls::client(&Node::founder().credentials()).unwrap().client_auth_cert_resolver;
    assert!(handshake(node, server(), box_name()).is_err());
}

#[test]
fn a_person_is_no_node() {
    let founder = Node::founder();
    let (certificate, key) = person(&ca("shop"), "anna", Role::Admin);
    let client = tls::person_client(&certificate, &key).unwrap();
    let server = tls::server(&founder.credentials()).unwrap();
    assert!(handshake(client, server, box_name()).is_err());
}

#[test]
fn who_was_revoked_does_not_get_through_and_the_others_do() {
    let ca = ca("shop");
    let (anna, ben) = (person(&ca, "anna", Role::Admin), person(&ca, "ben", Role::View));
    let list = ca.revoke(&[anna.0.serial()], 7, Timestamp::now()).unwrap();
    assert_eq!((list.number(), list.serials().len()), (7, 1));
    let read = RevokedList::from_pem(list.to_pem().as_bytes(), ca.certificate()).unwrap();
    assert_eq!(read, list);
    let refused = calls(ca.certificate(), Some(&list), &anna).unwrap_err().to_string();
    assert!(refused.contains("Revoked"), "{refused}");
    calls(ca.certificate(), Some(&list), &ben).unwrap();
    let none = ca.revoke(&[], 1, Timestamp::now()).unwrap();
    calls(ca.certificate(), Some(&none), &anna).unwrap();
}

#[test]
fn a_list_that_another_ca_signed_revokes_nobody() {
    let (ours, theirs) = (ca("shop"), ca("shop"));
    let list = theirs.revoke(&[], 9, Timestamp::now()).unwrap();
    let refused = RevokedList::from_der(list.der(), ours.certificate());
    assert!(matches!(refused, Err(PkiError::Malformed { .. })));
    let mut torn = ours.revoke(&[], 9, Timestamp::now()).unwrap().der().to_vec();
    torn.push(0);
    assert!(RevokedList::from_der(&torn, ours.certificate()).is_err());
}

#[test]
fn the_ca_is_its_certificate_and_its_own_key() {
    let ours = ca("shop");
    let certificate = PeopleCertificate::from_der(ours.certificate().der()).unwrap();
    assert_eq!(certificate.site(), "shop");
    PeopleCa::from_parts(certificate.clone(), ours.key_pem().as_bytes()).unwrap();
    assert!(PeopleCa::from_parts(certificate, ca("shop").key_pem().as_bytes()).is_err());
    let cluster = Node::founder();
    assert!(PeopleCertificate::from_der(cluster.credentials().bundle.first().der()).is_err());
}

#[test]
fn a_box_proves_itself_to_each_person_in_this_session_alone() {
    let ca = ca("shop");
    let (anna, ben) = (person(&ca, "anna", Role::Admin), person(&ca, "ben", Role::View));
    let session = |of| {
        let (client, server) = calls(ca.certificate(), None, of).unwrap();
        [Introduction::of(&client).unwrap(), Introduction::of(&server).unwrap()]
    };
    let [hers, at_the_box] = session(&anna);
    assert!(hers == at_the_box);
    let key = IntroductionKey::of(&RING_KEY, &anna.0).unwrap();
    let said = key.sign(&at_the_box);
    let kept = IntroductionKey::from_base64(&key.to_base64()).unwrap();
    assert!(kept.holds(&hers, &said));
    // Not in another session, nor with another ring key, nor for another person.
    assert!(!kept.holds(&session(&anna)[0], &said));
    let others = IntroductionKey::of(&[8; 32], &anna.0).unwrap();
    assert!(!kept.holds(&hers, &others.sign(&hers)));
    let his = IntroductionKey::of(&RING_KEY, &ben.0).unwrap();
    assert!(!kept.holds(&hers, &his.sign(&hers)));
}
