use crate::site::{CLUSTER, Node, RING_KEY, handshake};
use ashlar_pki::enrolment::{
    AwaitingGrant, Challenge, Challenged, Channel, EnrolError, Enrolled, Grant, Hello, Member,
    Newcomer, Proof,
};
use ashlar_pki::{ClusterCa, PkiError, RingKey, tls};
use jiff::Timestamp;
use proptest::prelude::*;
use rustls::{ClientConnection, ServerConnection};

/// An enrolment under way: a newcomer, a member, and the network between them.
struct Attempt {
    newcomer: Node,
    member: Node,
    session: (ClientConnection, ServerConnection),
    /// The ring key as the newcomer knows it.
    newcomer_key: RingKey,
    /// The ring key as the member knows it.
    member_key: RingKey,
    /// The cluster that the newcomer was told of.
    cluster: &'static str,
}

impl Attempt {
    fn new() -> Self {
        let (newcomer, member) = (Node::new(2), Node::founder());
        let session = session_with(&member);
        Self {
            newcomer,
            member,
            session,
            newcomer_key: RING_KEY,
            member_key: RING_KEY,
            cluster: CLUSTER,
        }
    }

    fn newcomer_hello(&self) -> Result<(Newcomer, Hello), EnrolError> {
        let (client, _) = &self.session;
        let server = client.peer_certificates().unwrap().first().unwrap();
        Newcomer::hello(&self.newcomer_key, &Channel::of(client)?, server)
    }

    fn member_challenge(&self, hello: &Hello) -> Result<(Challenged, Challenge), EnrolError> {
        let bundle = self.member.store.bundle().unwrap().unwrap();
        let said = self.member.store.endorsement().unwrap();
        let channel = Channel::of(&self.session.1)?;
        Member::challenge(&self.member_key, &channel, &bundle, said.as_ref(), hello)
    }

    fn newcomer_proof(
        &self,
        newcomer: Newcomer,
        challenge: &Challenge,
    ) -> Result<(AwaitingGrant, Proof), EnrolError> {
        let key = self.newcomer.store.node_key()?;
        let subject = self.newcomer.subject.clone();
        newcomer.prove(challenge, self.cluster, subject, key, Timestamp::now())
    }

    fn authority(&self) -> ClusterCa {
        self.member.store.authority(&RING_KEY).unwrap().unwrap()
    }

    /// Runs all four messages through `network`, which may change them.
    fn run(
        &self,
        mut network: impl FnMut(usize, Vec<u8>) -> Vec<u8>,
    ) -> Result<Enrolled, EnrolError> {
        let (newcomer, hello) = self.newcomer_hello()?;
        let hello = Hello::decode(&network(0, hello.encode()?))?;
        let (challenged, challenge) = self.member_challenge(&hello)?;
        let challenge = Challenge::decode(&network(1, challenge.encode()?))?;
        let (awaiting, proof) = self.newcomer_proof(newcomer, &challenge)?;
        let proof = Proof::decode(&network(2, proof.encode()?))?;
        let grant = challenged.admit(&proof)?.grant(&self.authority(), Timestamp::now())?;
        let grant = Grant::decode(&network(3, grant.encode()?))?;
        awaiting.accept(&grant, Timestamp::now())
    }
}

fn session_with(member: &Node) -> (ClientConnection, ServerConnection) {
    let server = tls::server(&member.credentials()).unwrap();
    let name = tls::server_name(member.subject.address());
    handshake(tls::enrolment_client().unwrap(), server, name).unwrap()
}

#[test]
fn a_newcomer_with_the_ring_key_becomes_a_member() {
    let attempt = Attempt::new();
    let enrolled = attempt.run(|_, bytes| bytes).unwrap();
    assert_eq!(enrolled.certificate.subject(), &attempt.newcomer.subject);

    let store = &attempt.newcomer.store;
    store.enrol(&enrolled, Timestamp::now()).unwrap();
    let client = tls::client(&store.credentials().unwrap().unwrap()).unwrap();
    let server = tls::server(&attempt.member.credentials()).unwrap();
    let name = tls::server_name(attempt.member.subject.address());
    let (_, caller) = handshake(client, server, name).unwrap();
    assert_eq!(
        tls::peer(caller.peer_certificates()).unwrap(),
        Some(attempt.newcomer.subject.clone())
    );
}

#[test]
fn a_newcomer_without_the_ring_key_is_refused() {
    let attempt = Attempt { newcomer_key: [8; 32], ..Attempt::new() };
    // It would refuse the member first, so let it not look: answer the
    // challenge of a member that it made up itself.
    let (newcomer, hello) = attempt.newcomer_hello().unwrap();
    let (challenged, challenge) = attempt.member_challenge(&hello).unwrap();
    let refused = attempt.newcomer_proof(newcomer, &challenge).err().unwrap();
    assert!(matches!(refused, EnrolError::Unproved { by: "member" }), "{refused}");

    let pretender = Attempt { member_key: [8; 32], ..attempt };
    let (newcomer, hello) = pretender.newcomer_hello().unwrap();
    let (_, own_challenge) = pretender.member_challenge(&hello).unwrap();
    let (_, proof) = pretender.newcomer_proof(newcomer, &own_challenge).unwrap();
    let refused = challenged.admit(&proof).err().unwrap();
    assert!(matches!(refused, EnrolError::Unproved { by: "newcomer" }), "{refused}");
}

#[test]
fn a_member_without_the_ring_key_is_refused_before_the_newcomer_says_who_it_is() {
    let attempt = Attempt { member_key: [8; 32], ..Attempt::new() };
    let mut messages = Vec::new();
    let refused = attempt.run(|step, bytes| {
        messages.push(step);
        bytes
    });
    assert!(matches!(refused, Err(EnrolError::Unproved { by: "member" })));
    assert_eq!(messages, [0, 1]);
}

#[test]
fn someone_in_between_is_refused() {
    // The attacker has a session with each side and passes messages on
    // unchanged; it even shows a certificate of the same CA.
    let attacker_side = Attempt::new();
    let newcomer_side = Attempt { session: session_with(&attacker_side.member), ..Attempt::new() };
    let (newcomer, hello) = newcomer_side.newcomer_hello().unwrap();
    let (_, challenge) = attacker_side.member_challenge(&hello).unwrap();
    let refused = newcomer_side.newcomer_proof(newcomer, &challenge).err().unwrap();
    assert!(matches!(refused, EnrolError::Unproved { by: "member" }), "{refused}");
}

#[test]
fn a_proof_is_worth_nothing_in_another_session() {
    let attempt = Attempt::new();
    let mut recorded = Vec::new();
    attempt
        .run(|_, bytes| {
            recorded.push(bytes.clone());
            bytes
        })
        .unwrap();
    let replay = Attempt { session: session_with(&attempt.member), ..attempt };
    let (challenged, _) = replay.member_challenge(&Hello::decode(&recorded[0]).unwrap()).unwrap();
    let refused = challenged.admit(&Proof::decode(&recorded[2]).unwrap()).err().unwrap();
    assert!(matches!(refused, EnrolError::Unproved { by: "newcomer" }), "{refused}");
}

#[test]
fn a_proof_is_worth_nothing_twice_in_one_session() {
    let attempt = Attempt::new();
    let mut recorded = Vec::new();
    attempt
        .run(|_, bytes| {
            recorded.push(bytes.clone());
            bytes
        })
        .unwrap();
    // The same hello on the same connection draws a new nonce.
    let (challenged, _) = attempt.member_challenge(&Hello::decode(&recorded[0]).unwrap()).unwrap();
    assert!(challenged.admit(&Proof::decode(&recorded[2]).unwrap()).is_err());
}

#[test]
fn a_member_that_serves_with_another_ca_s_certificate_is_refused() {
    // It knows the ring key and the CA certificate of the cluster, and has a
    // session in which it showed a certificate that this CA never issued.
    let attempt =
        Attempt { session: session_with(&Node::founder_of("deadbeef")), ..Attempt::new() };
    let refused = attempt.run(|_, bytes| bytes).unwrap_err();
    assert!(matches!(refused, EnrolError::Pki(PkiError::Untrusted { .. })), "{refused}");
}

#[test]
fn a_member_of_another_cluster_than_the_ring_said_is_refused() {
    let attempt = Attempt { cluster: "feedface", ..Attempt::new() };
    let refused = attempt.run(|_, bytes| bytes).unwrap_err();
    assert!(matches!(refused, EnrolError::OtherCluster { .. }), "{refused}");
}

#[test]
fn a_member_cannot_grant_from_another_ca_than_it_showed() {
    let attempt = Attempt::new();
    let (newcomer, hello) = attempt.newcomer_hello().unwrap();
    let (challenged, challenge) = attempt.member_challenge(&hello).unwrap();
    let (_, proof) = attempt.newcomer_proof(newcomer, &challenge).unwrap();
    let other = ClusterCa::mint(CLUSTER, Timestamp::now(), Timestamp::now()).unwrap();
    let refused = challenged.admit(&proof).unwrap().grant(&other, Timestamp::now());
    assert!(matches!(refused, Err(EnrolError::Pki(PkiError::Mismatch(_)))));
}

#[test]
fn a_session_that_is_not_open_yet_carries_no_enrolment() {
    let config = std::sync::Arc::new(tls::enrolment_client().unwrap());
    let name = tls::server_name([127, 0, 0, 1].into());
    let client = ClientConnection::new(config, name).unwrap();
    assert!(matches!(Channel::of(&client), Err(EnrolError::Channel(_))));
}

#[test]
fn a_newer_protocol_says_which_node_to_update() {
    let (_, hello) = Attempt::new().newcomer_hello().unwrap();
    let newer = String::from_utf8(hello.encode().unwrap()).unwrap();
    let newer = newer.replace("\"version\":1", "\"version\":2");
    let refused = Hello::decode(newer.as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("version 2") && refused.contains("update"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_changed_byte_anywhere_is_refused(
        step in 0..4_usize, place: prop::sample::Index, flip in 1..=255_u8,
    ) {
        let outcome = Attempt::new().run(|at, mut bytes| {
            if at == step {
                let place = place.index(bytes.len());
                bytes[place] ^= flip;
            }
            bytes
        });
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn noise_is_never_a_message(noise in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Hello::decode(&noise).is_err());
        prop_assert!(Challenge::decode(&noise).is_err());
        prop_assert!(Proof::decode(&noise).is_err());
        prop_assert!(Grant::decode(&noise).is_err());
    }
}
