//! Whom a person's certificate names, and what that person may do.

use crate::certificate::{not_after, parse, pem_certificate, uri};
use crate::encoding::to_pem;
use crate::{NodeKey, PkiError};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

/// URI scheme of a person in a certificate, before role and name.
const PERSON_URI: &str = "ashlar:person:";

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at everything, and change nothing.
    View,
    /// All that root may do by `ashlarctl` on a box.
    Admin,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Admin => "admin",
        }
    }
}

/// A person, as the certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    role: Role,
}

impl Person {
    /// A person by name and role.
    ///
    /// # Errors
    /// [`PkiError::Subject`] for a name that no certificate can carry.
    pub fn new(name: &str, role: Role) -> Result<Self, PkiError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_@".contains(&b);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(PkiError::Subject {
                field: "person",
                value: name.to_owned(),
                expected: "1 to 64 of a-z, 0-9 and . - _ @",
            });
        }
        Ok(Self { name: name.to_owned(), role })
    }

    /// What the person is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the person may do.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    pub(super) fn to_uri(&self) -> String {
        format!("{PERSON_URI}{}:{}", self.role.as_str(), self.name)
    }
}

/// A person's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonCertificate {
    der: CertificateDer<'static>,
    person: Person,
    serial: String,
    public_key: Vec<u8>,
    not_after: Timestamp,
}

impl PersonCertificate {
    /// Reads one. Whether it can be trusted is another question, which TLS answers.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is none.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        const EXPECTED: &str = "a person's certificate";
        let x509 = parse(der, EXPECTED)?;
        let named = uri(&x509, PERSON_URI)
            .ok_or_else(|| PkiError::malformed(EXPECTED, "it names nobody"))?;
        let (role, name) = named.split_once(':').unwrap_or_default();
        let role = [Role::View, Role::Admin]
            .into_iter()
            .find(|known| known.as_str() == role)
            .ok_or_else(|| PkiError::malformed(EXPECTED, "a role that this release has not"))?;
        Ok(Self {
            person: Person::new(name, role)?,
            serial: hex::encode(x509.raw_serial()),
            public_key: x509.public_key().raw.to_vec(),
            not_after: not_after(&x509, EXPECTED)?,
            der: CertificateDer::from(der).into_owned(),
        })
    }

    /// Reads one from PEM.
    ///
    /// # Errors
    /// As [`PersonCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, PkiError> {
        Self::from_der(&pem_certificate(text)?)
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        to_pem("CERTIFICATE", &self.der)
    }

    /// As DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Whom it names.
    #[must_use]
    pub const fn person(&self) -> &Person {
        &self.person
    }

    /// Its serial number, in hex: by which it is revoked.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// When it ends.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// It certifies this key.
    #[must_use]
    pub fn matches(&self, key: &NodeKey) -> bool {
        self.public_key == key.public()
    }
}
