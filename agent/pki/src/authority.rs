//! The cluster's CA: minted once by the founder, held by as many nodes as the
//! cluster can lose.

use crate::key::PrivateKey;
use crate::subject::{CLUSTER_URI, NODE_URI, check_id};
use crate::{CaCertificate, Endorsement, NODE_LIFE, NodeCertificate, NodeSubject, PkiError};
use jiff::Timestamp;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SanType, SerialNumber, SigningKey,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use std::time::Duration;
use zeroize::Zeroizing;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How far in the past a CA starts at least. It starts when the founder's release
/// was made if that is earlier, and every certificate starts with its CA: a box
/// without a battery or a time server goes by the time at which its release was
/// made, and must still be able to join; and a founder whose clock was ahead
/// must not leave a CA that begins next year. A start in the past gives nobody
/// anything: the key did not exist then.
pub const BACKDATE: Duration = Duration::from_secs(DAY);

/// How long a CA holds: longer than the hardware, so that nobody has to replace one in
/// time.
pub const CA_LIFE: Duration = Duration::from_secs(30 * 365 * DAY);

/// A CA with its private key.
#[derive(Debug)]
pub struct ClusterCa {
    certificate: CaCertificate,
    key: PrivateKey,
}

impl ClusterCa {
    /// Mints the CA of a new cluster. `build` is when the founder's release was
    /// made, before which no clock of the site can be right.
    ///
    /// # Errors
    /// [`PkiError::Subject`] for an id that no certificate can carry,
    /// [`PkiError::Crypto`] when the system gives no random numbers.
    pub fn mint(cluster: &str, now: Timestamp, build: Timestamp) -> Result<Self, PkiError> {
        Self::mint_as("", cluster, now, build)
    }

    /// Mints the CA that is to follow this one, and vouches for it.
    ///
    /// # Errors
    /// As [`ClusterCa::mint`].
    pub fn successor(
        &self,
        now: Timestamp,
        build: Timestamp,
    ) -> Result<(Self, Endorsement), PkiError> {
        let mut bytes = [0; 4];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(PkiError::unspecified("cannot draw a name"))?;
        let suffix = format!(" {}", hex::encode(bytes));
        let next = Self::mint_as(&suffix, self.certificate.cluster(), now, build)?;
        let signed = self.key.pair().sign(&Endorsement::words(&next.certificate));
        let signed = signed.map_err(PkiError::crypto("cannot vouch for a CA"))?;
        Ok((next, Endorsement(signed)))
    }

    fn mint_as(
        suffix: &str,
        cluster: &str,
        now: Timestamp,
        build: Timestamp,
    ) -> Result<Self, PkiError> {
        let cluster = check_id("cluster id", cluster.to_owned())?;
        let key = PrivateKey::generate()?;
        let mut params = CertificateParams::default();
        // One name a CA, so that OpenSSL never tries the wrong issuer.
        params.distinguished_name = common_name(&format!("Ashlar cluster {cluster}{suffix}"));
        params.subject_alt_names = vec![uri(&format!("{CLUSTER_URI}{cluster}"))?];
        params.serial_number = Some(serial()?);
        set_life(
            &mut params,
            seconds(now).saturating_sub(BACKDATE).min(seconds(build)),
            now,
            CA_LIFE,
        );
        // Signs nodes, and nothing that signs.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params
            .self_signed(key.pair())
            .map_err(PkiError::crypto("cannot sign the CA certificate"))?;
        Ok(Self { certificate: CaCertificate::from_der(certificate.der())?, key })
    }

    /// A CA from its certificate and PKCS #8 key, as another manager sent them.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] when the two do not belong together.
    pub fn from_parts(certificate: CaCertificate, key: &[u8]) -> Result<Self, PkiError> {
        let key = PrivateKey::from_pkcs8(key)?;
        if key.public() != certificate.public_key() {
            return Err(PkiError::Mismatch(format!("this is not the key of {certificate}")));
        }
        Ok(Self { certificate, key })
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// Its PKCS #8 key, for another manager or for the seal.
    #[must_use]
    pub fn key(&self) -> Zeroizing<Vec<u8>> {
        self.key.pkcs8()
    }

    /// Issues a node certificate. The key comes from the request, whose
    /// signature proves that the sender has it; every name comes from
    /// `subject`, which the caller must have established.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when the request is no P-256 request or its
    /// signature does not hold.
    pub fn issue(
        &self,
        request: &CertificateSigningRequestDer<'_>,
        subject: &NodeSubject,
        now: Timestamp,
    ) -> Result<NodeCertificate, PkiError> {
        const EXPECTED: &str = "a certificate request";
        let request = CertificateSigningRequestParams::from_der(request)
            .map_err(|e| PkiError::malformed(EXPECTED, e))?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(PkiError::malformed(EXPECTED, "its key is not ECDSA P-256"));
        }
        let dns = subject.name().try_into().map_err(PkiError::crypto("cannot write the name"))?;
        let mut params = CertificateParams::default();
        // GlusterFS takes the common name as the peer's name.
        params.distinguished_name = common_name(subject.name());
        params.subject_alt_names = vec![
            uri(&format!("{NODE_URI}{}", subject.id()))?,
            SanType::DnsName(dns),
            SanType::IpAddress(subject.address()),
        ];
        params.serial_number = Some(serial()?);
        set_life(&mut params, seconds(self.certificate.not_before()), now, NODE_LIFE);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Every node serves and calls, in our API and in GlusterFS.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(self.certificate.der(), self.key.pair())
            .map_err(PkiError::crypto("cannot sign as the CA"))?;
        let certificate = params
            .signed_by(&request.public_key, &issuer)
            .map_err(PkiError::crypto("cannot sign the node certificate"))?;
        NodeCertificate::from_der(certificate.der())
    }

    /// [`ClusterCa::issue`] from a PEM request, as the API carries it.
    ///
    /// # Errors
    /// As [`ClusterCa::issue`].
    pub fn issue_pem(
        &self,
        request: &str,
        subject: &NodeSubject,
        now: Timestamp,
    ) -> Result<NodeCertificate, PkiError> {
        let der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes())
            .map_err(|e| PkiError::malformed("a PEM certificate request", e))?;
        self.issue(&der, subject, now)
    }
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CommonName, name);
    dn
}

pub(crate) fn uri(text: &str) -> Result<SanType, PkiError> {
    Ia5String::try_from(text).map(SanType::URI).map_err(PkiError::crypto("cannot write a URI"))
}

/// 16 random bytes, positive and of constant length (RFC 5280 allows 20).
pub(crate) fn serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(PkiError::unspecified("cannot draw a serial number"))?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Since 1970, and never before.
pub(crate) fn seconds(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
}

/// From `start` until `life` from now.
pub(crate) fn set_life(
    params: &mut CertificateParams,
    start: Duration,
    now: Timestamp,
    life: Duration,
) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + start;
    params.not_after = epoch + seconds(now).saturating_add(life);
}
