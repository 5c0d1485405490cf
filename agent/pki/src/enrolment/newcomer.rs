//! The newcomer's side.

use super::message::{Blob, Random};
use super::transcript::{Role, Transcript};
use super::{Challenge, Channel, EnrolError, Grant, Hello, Proof};
use crate::{
    Bundle, CaCertificate, Endorsement, NodeCertificate, NodeKey, NodeSubject, PkiError, RingKey,
};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;

/// A newcomer that has said hello.
pub struct Newcomer {
    transcript: Transcript,
    server: CertificateDer<'static>,
}

/// A newcomer that has found the member true, and awaits its certificate.
pub struct AwaitingGrant {
    transcript: Transcript,
    bundle: Bundle,
    endorsement: Option<Endorsement>,
    subject: NodeSubject,
    public_key_of: NodeKey,
}

/// What a newcomer came for: give it to [`Store::enrol`](crate::Store::enrol).
#[derive(Debug)]
pub struct Enrolled {
    /// The cluster's CA, and the others that its members trust.
    pub bundle: Bundle,
    /// What the CA before said of it.
    pub endorsement: Option<Endorsement>,
    /// This node's certificate.
    pub certificate: NodeCertificate,
}

impl Newcomer {
    /// Says hello over a TLS session opened with
    /// [`enrolment_client`](crate::tls::enrolment_client).
    ///
    /// `server` is the certificate that the member showed in the handshake:
    /// the first of `connection.peer_certificates()`.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when the system gives no random numbers.
    pub fn hello(
        ring_key: &RingKey,
        channel: &Channel,
        server: &CertificateDer<'_>,
    ) -> Result<(Self, Hello), EnrolError> {
        let nonce = random()?;
        let mut transcript = Transcript::open(ring_key, channel)?;
        transcript.say(&nonce);
        Ok((Self { transcript, server: server.clone().into_owned() }, Hello::new(nonce)))
    }

    /// Checks the member, and answers its challenge. `cluster` is the one that
    /// the member's ring tag names; `key` comes from
    /// [`Store::node_key`](crate::Store::node_key), so it is on disk already.
    ///
    /// # Errors
    /// [`EnrolError::Unproved`] when the member does not know the ring key or
    /// someone stands in between, [`EnrolError::OtherCluster`], or
    /// [`PkiError::Untrusted`] when it serves with a certificate of another CA.
    pub fn prove(
        mut self,
        challenge: &Challenge,
        cluster: &str,
        subject: NodeSubject,
        key: NodeKey,
        now: Timestamp,
    ) -> Result<(AwaitingGrant, Proof), EnrolError> {
        self.transcript.say(&challenge.nonce.0);
        say_authorities(
            &mut self.transcript,
            &challenge.ca.0,
            &challenge.also,
            challenge.endorsed.as_ref(),
        );
        self.transcript.check(Role::Challenge, &challenge.mac.0)?;

        let ca = CaCertificate::from_der(&challenge.ca.0)?;
        if ca.cluster() != cluster {
            let (wanted, found) = (cluster.to_owned(), ca.cluster().to_owned());
            return Err(EnrolError::OtherCluster { wanted, found });
        }
        let also = challenge.also.iter().map(|der| CaCertificate::from_der(&der.0));
        let bundle = Bundle::with(ca, also.collect::<Result<Vec<_>, _>>()?)?;
        let server = NodeCertificate::from_der(&self.server)?;
        server.verify(bundle.issuer_of(&server).unwrap_or_else(|| bundle.first()), now)?;

        let request = key.request(&subject)?.to_vec();
        say_subject(&mut self.transcript, &subject);
        self.transcript.say(&request);
        let mac = Blob(self.transcript.mac(Role::Proof));
        let proof = Proof { subject: subject.clone(), request: Blob(request), mac };
        let endorsement = challenge.endorsed.as_ref().map(|said| Endorsement(said.0.clone()));
        let transcript = self.transcript;
        let next = AwaitingGrant { transcript, bundle, endorsement, subject, public_key_of: key };
        Ok((next, proof))
    }
}

impl AwaitingGrant {
    /// Checks what the member granted.
    ///
    /// # Errors
    /// [`EnrolError::Unproved`] when it was changed on the way,
    /// [`EnrolError::OtherNode`] when it is not for this node's name and key,
    /// [`PkiError::Untrusted`] when the CA did not issue it.
    pub fn accept(mut self, grant: &Grant, now: Timestamp) -> Result<Enrolled, EnrolError> {
        self.transcript.say(&grant.certificate.0);
        self.transcript.check(Role::Grant, &grant.mac.0)?;
        let certificate = NodeCertificate::from_der(&grant.certificate.0)?;
        if certificate.subject() != &self.subject || !certificate.matches(&self.public_key_of) {
            return Err(EnrolError::OtherNode);
        }
        certificate.verify(self.bundle.first(), now)?;
        Ok(Enrolled { bundle: self.bundle, endorsement: self.endorsement, certificate })
    }
}

pub(super) fn random() -> Result<Random, PkiError> {
    let mut nonce = [0; 32];
    SystemRandom::new().fill(&mut nonce).map_err(PkiError::unspecified("cannot draw a nonce"))?;
    Ok(nonce)
}

/// The CA; and while there is more to say, all of it. One CA alone is said as every
/// release says it.
pub(super) fn say_authorities(
    transcript: &mut Transcript,
    ca: &[u8],
    also: &[Blob],
    endorsed: Option<&Blob>,
) {
    transcript.say(ca);
    for ca in also {
        transcript.say(ca.0.as_slice());
    }
    if let Some(said) = endorsed {
        transcript.say(b"endorsed");
        transcript.say(&said.0);
    }
}

pub(super) fn say_subject(transcript: &mut Transcript, subject: &NodeSubject) {
    transcript.say(subject.id().as_bytes());
    transcript.say(subject.name().as_bytes());
    transcript.say(subject.address().to_string().as_bytes());
}
