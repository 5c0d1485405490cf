//! The CA of a site's people. Its key never comes to a box.

use super::{Person, PersonCertificate, RevokedList};
use crate::authority::{CA_LIFE, common_name, seconds, serial, set_life, uri as uri_name};
use crate::certificate::{parse_ca, roots, uri};
use crate::encoding::to_pem;
use crate::key::PrivateKey;
use crate::{NodeKey, PkiError};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use std::time::Duration;
use zeroize::Zeroizing;

/// URI scheme of a people CA, before the site's name.
const PEOPLE_URI: &str = "ashlar:people:";

/// The certificate of a people CA, as the site carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleCertificate {
    der: CertificateDer<'static>,
    site: String,
    public_key: Vec<u8>,
}

impl PeopleCertificate {
    /// Reads one.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is none, or not signed by itself.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        const EXPECTED: &str = "the certificate of a site's people CA";
        let x509 = parse_ca(der, EXPECTED)?;
        let site = uri(&x509, PEOPLE_URI)
            .ok_or_else(|| PkiError::malformed(EXPECTED, "it names no site"))?;
        Ok(Self {
            site,
            public_key: x509.public_key().raw.to_vec(),
            der: CertificateDer::from(der).into_owned(),
        })
    }

    /// As DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    /// The site whose people it lets in.
    #[must_use]
    pub fn site(&self) -> &str {
        &self.site
    }

    pub(crate) fn roots(&self) -> Result<RootCertStore, PkiError> {
        roots(&self.der, || format!("the people of site {}", self.site))
    }
}

/// A people CA with its key.
#[derive(Debug)]
pub struct PeopleCa {
    certificate: PeopleCertificate,
    key: PrivateKey,
}

impl PeopleCa {
    /// Makes the CA of a site's people.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when the system gives no random numbers.
    pub fn mint(site: &str, now: Timestamp) -> Result<Self, PkiError> {
        let key = PrivateKey::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("Ashlar people of {site}"));
        params.subject_alt_names = vec![uri_name(&format!("{PEOPLE_URI}{site}"))?];
        params.serial_number = Some(serial()?);
        set_life(&mut params, Duration::ZERO, now, CA_LIFE);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params
            .self_signed(key.pair())
            .map_err(PkiError::crypto("cannot sign the people CA's certificate"))?;
        Ok(Self { certificate: PeopleCertificate::from_der(certificate.der())?, key })
    }

    /// A CA from its certificate and its PEM key.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is no key, [`PkiError::Mismatch`] when the two
    /// do not belong together.
    pub fn from_parts(certificate: PeopleCertificate, key: &[u8]) -> Result<Self, PkiError> {
        let key = NodeKey::from_pem(key)?.into_private();
        if key.public() != certificate.public_key {
            let site = &certificate.site;
            return Err(PkiError::Mismatch(format!("this is not the people CA's key of {site}")));
        }
        Ok(Self { certificate, key })
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &PeopleCertificate {
        &self.certificate
    }

    /// Its key as PKCS #8 PEM.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.key.pair().serialize_pem())
    }

    /// Issues a certificate for a person's key. It begins in the past: a box whose
    /// clock is behind must let in who can set it right.
    ///
    /// # Errors
    /// [`PkiError::Crypto`] when signing fails.
    pub fn issue(
        &self,
        key: &NodeKey,
        person: &Person,
        now: Timestamp,
        life: Duration,
    ) -> Result<PersonCertificate, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(person.name());
        params.subject_alt_names = vec![uri_name(&person.to_uri())?];
        params.serial_number = Some(serial()?);
        set_life(&mut params, Duration::ZERO, now, life);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(key.pair(), &self.issuer()?)
            .map_err(PkiError::crypto("cannot sign a person's certificate"))?;
        PersonCertificate::from_der(certificate.der())
    }

    /// The list of what is revoked: all of it, each time. Of two lists the one with the
    /// greater number counts, so a number must never be used again.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] for a serial number that is none, [`PkiError::Crypto`]
    /// when signing fails.
    pub fn revoke(
        &self,
        serials: &[&str],
        number: u64,
        now: Timestamp,
    ) -> Result<RevokedList, PkiError> {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let at = epoch + seconds(now);
        let revoked = serials.iter().map(|serial| {
            let bytes = hex::decode(serial)
                .map_err(|e| PkiError::malformed("a certificate's serial number", e))?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&bytes),
                revocation_time: at,
                reason_code: Some(RevocationReason::PrivilegeWithdrawn),
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: epoch,
            // It counts until there is a newer one: a box that is out of reach of the
            // person who makes them must not let in who was sent away.
            next_update: at + CA_LIFE,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params
            .signed_by(&self.issuer()?)
            .map_err(PkiError::crypto("cannot sign the list of what is revoked"))?;
        RevokedList::from_der(list.der(), &self.certificate)
    }

    fn issuer(&self) -> Result<Issuer<'static, &rcgen::KeyPair>, PkiError> {
        Issuer::from_ca_cert_der(self.certificate.der(), self.key.pair())
            .map_err(PkiError::crypto("cannot sign as the people CA"))
    }
}
