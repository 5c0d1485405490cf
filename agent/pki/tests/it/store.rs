use crate::site::{CLUSTER, Node, RING_KEY};
use ashlar_pki::{ClusterCa, Holdings, NodeKey, PkiError, Store};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

fn day(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

#[test]
fn a_node_that_has_nothing_serves_nothing() {
    let node = Node::new(1);
    assert_eq!(node.store.holdings(&RING_KEY, Timestamp::now()).unwrap(), Holdings::default());
    assert!(node.store.credentials().unwrap().is_none());
    assert!(node.store.authority(&RING_KEY).unwrap().is_none());
}

#[test]
fn a_founder_holds_everything_and_shows_no_key() {
    let node = Node::founder();
    let holdings = node.store.holdings(&RING_KEY, Timestamp::now()).unwrap();
    assert_eq!(
        holdings,
        Holdings {
            cluster: Some(CLUSTER.into()),
            certificate: true,
            renewal_due: false,
            ca_key: true
        }
    );
    for (name, mode) in
        [("ca.pem", 0o644), ("node.pem", 0o644), ("node.key", 0o600), ("ca.key.sealed", 0o600)]
    {
        let meta = std::fs::metadata(node.file(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, mode, "{name}");
    }
    let dir = std::fs::metadata(node.file("")).unwrap();
    assert_eq!(dir.permissions().mode() & 0o777, 0o700);

    let authority = node.store.authority(&RING_KEY).unwrap().unwrap();
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(node.file("ca.key.sealed")).unwrap()).unwrap();
    let sealed = BASE64_STANDARD.decode(file["sealed"].as_str().unwrap()).unwrap();
    assert!(!sealed.windows(16).any(|w| authority.key().windows(16).any(|k| k == w)));
    let node_key = node.store.node_key().unwrap();
    assert!(format!("{authority:?}").contains("PrivateKey(…)"));
    assert_eq!(format!("{node_key:?}"), "NodeKey(PrivateKey(…))");
}

#[test]
fn the_ca_key_opens_with_the_site_s_ring_key_only() {
    let node = Node::founder();
    let refused = node.store.authority(&[9; 32]).unwrap_err();
    assert!(refused.to_string().contains("ca.key.sealed"), "{refused}");
    assert!(refused.to_string().contains("another ring key"), "{refused}");
}

#[test]
fn a_changed_seal_does_not_open() {
    let node = Node::founder();
    let path = node.file("ca.key.sealed");
    let whole = std::fs::read_to_string(&path).unwrap();
    let at = whole.find("\"sealed\":\"").unwrap() + 20;
    let swapped = if whole.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = format!("{}{swapped}{}", &whole[..at], &whole[at + 1..]);
    std::fs::write(&path, changed).unwrap();
    assert!(node.store.authority(&RING_KEY).is_err());
}

#[test]
fn a_seal_of_another_cluster_counts_as_none() {
    let (node, other) = (Node::founder(), Node::founder_of("deadbeef"));
    std::fs::copy(other.file("ca.key.sealed"), node.file("ca.key.sealed")).unwrap();
    assert!(node.store.authority(&RING_KEY).unwrap().is_none());
    assert!(!node.store.holdings(&RING_KEY, Timestamp::now()).unwrap().ca_key);
}

#[test]
fn a_founding_that_a_power_cut_stopped_goes_on_with_the_same_ca() {
    // The files in the order in which they are written; the cut comes after any
    // of them.
    const ORDER: [&str; 4] = ["ca.key.sealed", "ca.pem", "node.key", "node.pem"];
    for written in 0..=ORDER.len() {
        let node = Node::founder();
        let ca = node.store.ca().unwrap().unwrap();
        for lost in &ORDER[written..] {
            std::fs::remove_file(node.file(lost)).unwrap();
        }
        let half = node.file(".new-a1b2c3");
        std::fs::write(&half, "half").unwrap();

        let store = Store::open(node.file("")).unwrap();
        assert!(!half.exists());
        let again = store
            .found("0ther", &node.subject, &RING_KEY, Timestamp::now(), Timestamp::now())
            .unwrap();
        if written >= 2 {
            assert_eq!(again, ca, "after {written} files");
        } else {
            assert_eq!(again.cluster(), "0ther");
        }
        assert!(store.holdings(&RING_KEY, Timestamp::now()).unwrap().certificate);
        assert!(store.authority(&RING_KEY).unwrap().is_some());
    }
}

#[test]
fn a_node_that_joined_a_cluster_cannot_found_one() {
    let founder = Node::founder();
    let member = Node::member(2, &founder);
    let refused =
        member.store.found("new", &member.subject, &RING_KEY, Timestamp::now(), Timestamp::now());
    assert!(matches!(refused, Err(PkiError::AlreadyEnrolled { .. })));
}

#[test]
fn a_key_survives_until_its_certificate_comes() {
    let node = Node::new(2);
    let first = node.store.node_key().unwrap().to_pem();
    let again = Store::open(node.file("")).unwrap().node_key().unwrap().to_pem();
    assert_eq!(*first, *again);
}

#[test]
fn a_certificate_of_another_key_is_not_kept() {
    let founder = Node::founder();
    let node = Node::new(2);
    let ca = founder.store.authority(&RING_KEY).unwrap().unwrap();
    let request = NodeKey::generate().unwrap().request(&node.subject).unwrap();
    let certificate = ca.issue(&request, &node.subject, Timestamp::now()).unwrap();
    let refused = node.store.install(ca.certificate(), &certificate, Timestamp::now());
    assert!(matches!(refused, Err(PkiError::Mismatch(_))));
    assert!(node.store.ca().unwrap().is_none());
}

#[test]
fn a_certificate_of_another_ca_is_not_kept() {
    let node = Node::founder();
    let request = node.store.node_key().unwrap().request(&node.subject).unwrap();
    let other = ClusterCa::mint(CLUSTER, Timestamp::now(), Timestamp::now()).unwrap();
    let certificate = other.issue(&request, &node.subject, Timestamp::now()).unwrap();
    let ca = node.store.ca().unwrap().unwrap();
    let refused = node.store.install(&ca, &certificate, Timestamp::now());
    assert!(matches!(refused, Err(PkiError::Untrusted { .. })));
}

#[test]
fn a_certificate_left_over_from_another_cluster_counts_as_absent() {
    let (node, other) = (Node::founder(), Node::founder_of("deadbeef"));
    std::fs::copy(other.file("ca.pem"), node.file("ca.pem")).unwrap();
    let holdings = node.store.holdings(&RING_KEY, Timestamp::now()).unwrap();
    assert_eq!(holdings.cluster.as_deref(), Some("deadbeef"));
    assert!(!holdings.certificate && !holdings.ca_key);
}

#[test]
fn a_manager_keeps_the_ca_key_that_another_sent() {
    let founder = Node::founder();
    let member = Node::member(2, &founder);
    let ca = founder.store.authority(&RING_KEY).unwrap().unwrap();
    let sent = ClusterCa::from_parts(ca.certificate().clone(), &ca.key()).unwrap();
    member.store.keep_authority(&sent, &RING_KEY).unwrap();
    assert!(member.store.holdings(&RING_KEY, Timestamp::now()).unwrap().ca_key);

    let stranger = ClusterCa::mint("deadbeef", Timestamp::now(), Timestamp::now()).unwrap();
    assert!(member.store.keep_authority(&stranger, &RING_KEY).is_err());
    assert!(ClusterCa::from_parts(ca.certificate().clone(), &stranger.key()).is_err());
}

#[test]
fn a_certificate_is_renewed_around_two_thirds_of_its_life_and_keeps_its_key() {
    let node = Node::founder();
    let now = Timestamp::now();
    let at = |days| node.store.holdings(&RING_KEY, now + day(days)).unwrap();
    assert!(at(0).certificate && !at(0).renewal_due);
    assert!(!at(17).renewal_due);
    assert!(at(20).renewal_due && at(20).certificate);
    assert!(!at(31).certificate);

    let before = node.credentials().certificate;
    let ca = node.store.authority(&RING_KEY).unwrap().unwrap();
    let csr = node.store.node_key().unwrap().request_pem(&node.subject).unwrap();
    let later = now + day(25);
    let renewed = ca.issue_pem(&csr, &node.subject, later).unwrap();
    node.store.install(ca.certificate(), &renewed, later).unwrap();
    let after = node.store.holdings(&RING_KEY, now + day(31)).unwrap();
    assert!(after.certificate && !after.renewal_due);
    assert_ne!(node.credentials().certificate.der(), before.der());
}

#[test]
fn nodes_that_formed_together_do_not_renew_in_one_minute() {
    let founder = Node::founder();
    let due: std::collections::BTreeSet<_> =
        (2..12).map(|n| Node::member(n, &founder).credentials().certificate.renewal()).collect();
    let (first, last) = (due.first().unwrap(), due.last().unwrap());
    assert_eq!(due.len(), 10);
    assert!(last.duration_since(*first) > SignedDuration::from_hours(2), "{first} to {last}");
}

/// A founder whose clock is that far off, in days, and whose release was made
/// two months ago.
fn founder_off_by(days: i64) -> Node {
    let node = Node::new(1);
    let (now, build) = (Timestamp::now() + day(days), Timestamp::now() - day(60));
    node.store.found(CLUSTER, &node.subject, &RING_KEY, now, build).unwrap();
    node
}

#[test]
fn a_box_that_goes_by_the_time_of_its_release_takes_the_certificates_of_a_cluster() {
    let credentials = founder_off_by(0).credentials();
    credentials.certificate.verify(credentials.bundle.first(), Timestamp::now() - day(60)).unwrap();
    let wrong = Timestamp::now() - day(61);
    let refused = credentials.certificate.verify(credentials.bundle.first(), wrong).unwrap_err();
    assert!(refused.to_string().contains("check the clocks"), "{refused}");
}

#[test]
fn a_founder_whose_clock_was_a_year_ahead_leaves_a_ca_that_holds_today() {
    let founder = founder_off_by(365);
    assert!(founder.store.ca().unwrap().unwrap().not_before() < Timestamp::now());
    assert!(founder.store.holdings(&RING_KEY, Timestamp::now()).unwrap().certificate);
}

#[test]
fn a_seal_that_does_not_open_is_no_key_and_a_fetched_one_takes_its_place() {
    let node = Node::founder();
    let ca = node.store.authority(&RING_KEY).unwrap().unwrap();
    assert!(!node.store.holdings(&[9; 32], Timestamp::now()).unwrap().ca_key);
    node.store.keep_authority(&ca, &[9; 32]).unwrap();
    assert!(node.store.holdings(&[9; 32], Timestamp::now()).unwrap().ca_key);
}

#[test]
fn a_key_that_was_given_up_is_gone() {
    let node = Node::founder();
    node.store.drop_authority().unwrap();
    node.store.drop_authority().unwrap();
    assert!(!node.file("ca.key.sealed").exists());
    let holdings = node.store.holdings(&RING_KEY, Timestamp::now()).unwrap();
    assert!(holdings.certificate && !holdings.ca_key);
}

#[test]
fn a_request_whose_signature_does_not_hold_gets_nothing() {
    let node = Node::founder();
    let ca = node.store.authority(&RING_KEY).unwrap().unwrap();
    let mut request = node.store.node_key().unwrap().request(&node.subject).unwrap().to_vec();
    *request.last_mut().unwrap() ^= 1;
    assert!(ca.issue(&request.into(), &node.subject, Timestamp::now()).is_err());
}

proptest! {
    #[test]
    fn noise_is_never_a_certificate_a_key_or_a_request(
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(ashlar_pki::CaCertificate::from_der(&noise).is_err());
        prop_assert!(ashlar_pki::NodeCertificate::from_der(&noise).is_err());
        prop_assert!(NodeKey::from_pem(&noise).is_err());
    }
}
