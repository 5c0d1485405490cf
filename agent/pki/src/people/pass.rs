//! The file by which a person is let in: certificate, key, and what proves a box.

use super::{IntroductionKey, PersonCertificate, Role};
use crate::{NodeKey, PkiError};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A pass as it stands in its file. The whole is a secret.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// Format version: 1.
    pub version: u32,
    /// The site that lets this person in.
    pub site: String,
    /// Whom it names, for the eye: the certificate counts.
    pub name: String,
    /// What that person may do, for the eye.
    #[zeroize(skip)]
    pub role: Role,
    /// Until when, for the eye.
    pub until: String,
    /// Addresses of boxes, `ADDRESS` or `ADDRESS:PORT`, asked before the network is.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What only this site's boxes and this person know, base64.
    pub introduction: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

/// A pass that was read: what calling a box takes.
pub struct OpenPass {
    /// The certificate.
    pub certificate: PersonCertificate,
    /// Its key.
    pub key: NodeKey,
    /// By which a box is known.
    pub introduction: IntroductionKey,
}

impl Pass {
    /// The format version that this release reads and writes.
    pub const VERSION: u32 = 1;

    /// Checks it and takes it apart.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] or [`PkiError::Mismatch`] when it is of another version,
    /// was cut, or its parts do not belong together.
    pub fn open(&self) -> Result<OpenPass, PkiError> {
        if self.version != Self::VERSION {
            let reason = format!("it is of version {}", self.version);
            return Err(PkiError::malformed("a pass that this release reads", reason));
        }
        let certificate = PersonCertificate::from_pem(self.certificate.as_bytes())?;
        let key = NodeKey::from_pem(self.key.as_bytes())?;
        if !certificate.matches(&key) {
            return Err(PkiError::Mismatch("certificate and key do not belong together".into()));
        }
        let introduction = IntroductionKey::from_base64(&self.introduction)?;
        Ok(OpenPass { certificate, key, introduction })
    }
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pass({} of {})", self.name, self.site)
    }
}
