//! rustls configurations of the cluster port: TLS 1.3 only, the cluster's CAs, no
//! resumption (calls are rare, and a resumed session would outlive the
//! certificate that it was opened with).
//!
//! | who | server certificate | client certificate |
//! |---|---|---|
//! | a member that serves ([`server`]) | its own | asked for; without one a caller may only enrol |
//! | a member that calls ([`client`]) | must chain to a CA of the cluster and name the called node | its own |
//! | a newcomer ([`enrolment_client`]) | any, checked by the enrolment's proof | none |
//! | a box that serves people ([`people_server`]) | one of this moment, which says nothing | a person's, of the site's people CA, not revoked |
//! | a person ([`person_client`]) | any, checked by the [introduction](crate::people::IntroductionKey) | its own |
//!
//! Every one needs [`Credentials`] but the newcomer: before a node has a
//! certificate it serves nothing.

use crate::key::PrivateKey;
use crate::people::{PeopleCertificate, PersonCertificate, RevokedList};
use crate::{Credentials, NodeCertificate, NodeKey, NodeSubject, PkiError};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use std::net::IpAddr;
use std::sync::Arc;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn failed(whose: &str) -> impl FnOnce(rustls::Error) -> PkiError {
    let whose = whose.to_owned();
    move |source| PkiError::Untrusted { whose, source }
}

/// A server that offers its own certificate and asks for the caller's. A
/// caller with a certificate of another CA, or one that has ended, is refused
/// in the handshake; a caller without one gets through, and the handlers must
/// let it do nothing but enrol (see [`peer`]).
///
/// # Errors
/// [`PkiError`] when the credentials do not fit each other.
pub fn server(credentials: &Credentials) -> Result<ServerConfig, PkiError> {
    let roots = Arc::new(credentials.bundle.roots()?);
    let callers = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|e| PkiError::Crypto { doing: "cannot check callers", reason: e.to_string() })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed("this node"))?
        .with_client_cert_verifier(callers)
        .with_single_cert(vec![credentials.certificate.der().clone()], credentials.key.to_rustls())
        .map_err(failed("this node"))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// A client with its own certificate, for calls between members. The called
/// node must prove the address that it was called by: use [`server_name`].
///
/// # Errors
/// [`PkiError`] when the credentials do not fit each other.
pub fn client(credentials: &Credentials) -> Result<ClientConfig, PkiError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed("this node"))?
        .with_root_certificates(credentials.bundle.roots()?)
        .with_client_auth_cert(
            vec![credentials.certificate.der().clone()],
            credentials.key.to_rustls(),
        )
        .map_err(failed("this node"))?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A client for a node that has no certificate yet. It takes whatever
/// certificate the server shows, as long as the server has its key.
///
/// This is safe for enrolment and for nothing else: the enrolment's proofs are
/// bound to this TLS session (which covers the certificate shown), so someone
/// in between has another session on each side and fails on both; and
/// [`Newcomer`](crate::enrolment::Newcomer) then checks that the certificate
/// shown is one of the proved CA. Nothing secret is sent before that.
///
/// # Errors
/// [`PkiError`] when the cryptographic library cannot do TLS 1.3.
pub fn enrolment_client() -> Result<ClientConfig, PkiError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed("this node"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ProvedLater(provider())))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A server for people. Who shows no certificate of this CA, or one that has ended or
/// was revoked, does not get through the handshake.
///
/// Its own certificate is of this moment and says nothing: a box must answer before it
/// has one of a cluster. The introduction proves who it is.
///
/// # Errors
/// [`PkiError`] when the cryptographic library fails.
pub fn people_server(
    ca: &PeopleCertificate,
    revoked: Option<&RevokedList>,
) -> Result<ServerConfig, PkiError> {
    let key = PrivateKey::generate()?;
    let own = rcgen::CertificateParams::default()
        .self_signed(key.pair())
        .map_err(PkiError::crypto("cannot sign a certificate of this moment"))?;
    let lists = revoked.map(|list| CertificateRevocationListDer::from(list.der().to_vec()));
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::new(ca.roots()?), provider())
        .with_crls(lists)
        // Strangers need not learn whose box this is.
        .clear_root_hint_subjects()
        .build()
        .map_err(|e| PkiError::Crypto { doing: "cannot check people", reason: e.to_string() })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed("this node"))?
        .with_client_cert_verifier(callers)
        .with_single_cert(vec![own.der().clone()], NodeKey::from_private(key).to_rustls())
        .map_err(failed("this node"))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// A person's client. It takes whatever certificate the box shows: nothing may be
/// asked of it before its introduction holds.
///
/// # Errors
/// [`PkiError`] when certificate and key do not fit each other.
pub fn person_client(
    certificate: &PersonCertificate,
    key: &NodeKey,
) -> Result<ClientConfig, PkiError> {
    let whose = certificate.person().name();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(failed(whose))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ProvedLater(provider())))
        .with_client_auth_cert(vec![certificate.der().clone()], key.to_rustls())
        .map_err(failed(whose))?;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The name to connect under: a node's certificate carries its cluster address.
#[must_use]
pub fn server_name(address: IpAddr) -> ServerName<'static> {
    ServerName::IpAddress(address.into())
}

/// Who is on the other end: the certificate that rustls has verified, read.
/// `None` for a caller without one, who may only enrol.
///
/// Give it `connection.peer_certificates()` of a finished handshake made with
/// [`server`] or [`client`], never of [`enrolment_client`], which verifies
/// nothing.
///
/// # Errors
/// [`PkiError::Malformed`] when it is no node certificate.
pub fn peer(certificates: Option<&[CertificateDer<'_>]>) -> Result<Option<NodeSubject>, PkiError> {
    certificates
        .and_then(<[_]>::first)
        .map(|der| NodeCertificate::from_der(der).map(|c| c.subject().clone()))
        .transpose()
}

/// Checks the server's possession of its key, and leaves the rest to the proof of an
/// enrolment or an introduction.
#[derive(Debug)]
struct ProvedLater(Arc<CryptoProvider>);

impl ServerCertVerifier for ProvedLater {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
