//! The member's side. One connection carries one enrolment: keep the state
//! with the connection, and drop it with the connection.

use super::message::Blob;
use super::newcomer::{random, say_authorities, say_subject};
use super::transcript::{Role, Transcript};
use super::{Challenge, Channel, EnrolError, Grant, Hello, Proof};
use crate::{Bundle, CaCertificate, ClusterCa, Endorsement, NodeSubject, PkiError, RingKey};
use jiff::Timestamp;
use rustls_pki_types::CertificateSigningRequestDer;

/// A member that answers a hello. It needs the CA's certificate only.
pub struct Member;

/// A member that has sent its challenge.
pub struct Challenged {
    transcript: Transcript,
    ca: CaCertificate,
}

/// A newcomer that has proved itself, before it gets its certificate.
pub struct Admission {
    transcript: Transcript,
    ca: CaCertificate,
    subject: NodeSubject,
    request: CertificateSigningRequestDer<'static>,
}

impl Member {
    /// Answers a hello that came over `channel`: with the CA by which this member signs,
    /// the others that members trust, and what the CA before said of it.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when the system gives no random numbers.
    pub fn challenge(
        ring_key: &RingKey,
        channel: &Channel,
        bundle: &Bundle,
        endorsement: Option<&Endorsement>,
        hello: &Hello,
    ) -> Result<(Challenged, Challenge), EnrolError> {
        let nonce = random()?;
        let mut transcript = Transcript::open(ring_key, channel)?;
        transcript.say(&hello.nonce.0);
        transcript.say(&nonce);
        let ca = bundle.first();
        let also: Vec<_> = bundle.also().iter().map(|ca| Blob(ca.der().to_vec())).collect();
        let endorsed = endorsement.map(|said| Blob(said.0.clone()));
        say_authorities(&mut transcript, ca.der(), &also, endorsed.as_ref());
        let challenge = Challenge {
            nonce: Blob(nonce.to_vec()),
            ca: Blob(ca.der().to_vec()),
            also,
            endorsed,
            mac: Blob(transcript.mac(Role::Challenge)),
        };
        Ok((Challenged { transcript, ca: ca.clone() }, challenge))
    }
}

impl Challenged {
    /// Checks the newcomer's proof.
    ///
    /// # Errors
    /// [`EnrolError::Unproved`] when the newcomer does not know the ring key,
    /// the proof is of another session, or it was changed on the way.
    pub fn admit(mut self, proof: &Proof) -> Result<Admission, EnrolError> {
        say_subject(&mut self.transcript, &proof.subject);
        self.transcript.say(&proof.request.0);
        self.transcript.check(Role::Proof, &proof.mac.0)?;
        Ok(Admission {
            transcript: self.transcript,
            ca: self.ca,
            subject: proof.subject.clone(),
            request: proof.request.0.clone().into(),
        })
    }
}

impl Admission {
    /// Who asks. It has proved the ring key, not that this is its name: check
    /// that the connection comes from [`NodeSubject::address`] and that no
    /// other live member has its name or id.
    #[must_use]
    pub const fn subject(&self) -> &NodeSubject {
        &self.subject
    }

    /// Issues the certificate.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when `ca` is not the one that was proved,
    /// [`PkiError::Malformed`] when the request does not hold.
    pub fn grant(mut self, ca: &ClusterCa, now: Timestamp) -> Result<Grant, EnrolError> {
        if ca.certificate() != &self.ca {
            let other = PkiError::Mismatch(format!("not the key of {}", self.ca));
            return Err(other.into());
        }
        let certificate = ca.issue(&self.request, &self.subject, now)?.der().to_vec();
        self.transcript.say(&certificate);
        let mac = Blob(self.transcript.mac(Role::Grant));
        Ok(Grant { certificate: Blob(certificate), mac })
    }
}
