//! Whom a node certificate names.

use crate::PkiError;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// URI scheme of a node id in a certificate.
pub(crate) const NODE_URI: &str = "ashlar:node:";

/// URI scheme of a cluster id in a CA certificate.
pub(crate) const CLUSTER_URI: &str = "ashlar:cluster:";

/// A node as its certificate names it. Every value has been checked: a subject
/// that exists can be written into a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct NodeSubject {
    id: String,
    name: String,
    address: IpAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    id: String,
    name: String,
    address: IpAddr,
}

impl TryFrom<Unchecked> for NodeSubject {
    type Error = PkiError;

    fn try_from(raw: Unchecked) -> Result<Self, PkiError> {
        Self::new(raw.id, raw.name, raw.address)
    }
}

impl NodeSubject {
    /// A node by id, host name and cluster address.
    ///
    /// # Errors
    /// [`PkiError::Subject`] when the id or the name cannot stand in a
    /// certificate.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        address: IpAddr,
    ) -> Result<Self, PkiError> {
        let (id, name) = (check_id("id", id.into())?, name.into());
        let label = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !label {
            return Err(PkiError::Subject {
                field: "name",
                value: name,
                expected: "a lower-case DNS label",
            });
        }
        Ok(Self { id, name, address })
    }

    /// Random id, for life.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Host name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Cluster address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }
}

/// Ids stand in URIs and, for a cluster, in a common name (64 bytes with its
/// prefix), so they are short and plain.
pub(crate) fn check_id(field: &'static str, id: String) -> Result<String, PkiError> {
    let plain = (1..=40).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain {
        Ok(id)
    } else {
        Err(PkiError::Subject {
            field,
            value: id,
            expected: "1 to 40 lower-case letters, digits and dashes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_certificate_can_carry_is_refused() {
        let address = IpAddr::from([10, 83, 0, 1]);
        assert!(NodeSubject::new("0a1b", "ashlar-0a1b", address).is_ok());
        for (id, name) in [
            ("", "ashlar"),
            ("0A", "ashlar"),
            ("0a\n", "ashlar"),
            ("0a", ""),
            ("0a", "-ashlar"),
            ("0a", "ashlar.example"),
            ("0a", "Ashlar"),
        ] {
            assert!(NodeSubject::new(id, name, address).is_err(), "{id:?} {name:?}");
        }
    }

    #[test]
    fn a_subject_read_from_the_network_is_checked_as_well() {
        let bad = r#"{"id":"0a","name":"*","address":"10.83.0.1"}"#;
        assert!(serde_json::from_str::<NodeSubject>(bad).is_err());
    }
}
