//! Who may look after the boxes from elsewhere.

use crate::error::{Problem, Step};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// `[people]`. Boxes listen for people from elsewhere only if it names a CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PeopleRules {
    /// The certificate of the CA that `ashlar site admin` signs with, in base64. It is
    /// no secret; its key never leaves `keys/NAME/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// What `ashlar site admin revoke` took back, in base64. Boxes also learn of it from
    /// each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

impl PeopleRules {
    /// The CA's certificate, DER.
    #[must_use]
    pub fn ca(&self) -> Option<Vec<u8>> {
        decode(self.ca.as_deref())
    }

    /// The list of what was revoked, DER.
    #[must_use]
    pub fn revoked(&self) -> Option<Vec<u8>> {
        decode(self.revoked.as_deref())
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        for (key, value) in [("ca", &self.ca), ("revoked", &self.revoked)] {
            if value.is_some() && decode(value.as_deref()).is_none() {
                let reason = "expected what `ashlar site admin` writes here, in base64";
                return Err(Problem::new(&[Step::Key("people"), Step::Key(key)], reason));
            }
        }
        Ok(())
    }
}

fn decode(text: Option<&str>) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text?).ok().filter(|bytes| !bytes.is_empty())
}

/// The text of a site file with these values in `[people]`, and everything else in it
/// as it was, a person's comments too.
#[must_use]
pub fn with_people(text: &str, ca: &[u8], revoked: Option<&[u8]>) -> String {
    let table = text.lines().position(|line| line.trim() == "[people]");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let start = table.unwrap_or_else(|| {
        lines.extend([String::new(), "[people]".into()]);
        lines.len() - 1
    });
    let rest = lines.split_off(start + 1);
    let line = |key: &str, der: &[u8]| format!("{key} = \"{}\"", BASE64_STANDARD.encode(der));
    lines.push(line("ca", ca));
    lines.extend(revoked.map(|der| line("revoked", der)));
    let mut inside = true;
    lines.extend(rest.into_iter().filter(|line| {
        inside &= !line.trim_start().starts_with('[');
        let key = line.split('=').next().unwrap_or_default().trim();
        !(inside && (key == "ca" || key == "revoked"))
    }));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RingKey, Site};
    use std::path::Path;

    #[test]
    fn what_is_written_for_people_leaves_the_rest_of_a_site_as_it_was() {
        let plain = Site::new("shop", RingKey::new([7; 32])).to_toml().unwrap().to_string();
        let path = Path::new("site.toml");
        let with = with_people(&plain, b"ca", None);
        assert!(with.starts_with(plain.trim_end()));
        assert_eq!(Site::parse(&with, path).unwrap().people.ca().unwrap(), b"ca");

        let mine = with.replace("[people]", "# Mine.\n[people]") + "\n[console]\n# Ours.\n";
        let again = with_people(&mine, b"ca", Some(b"list"));
        let site = Site::parse(&again, path).unwrap();
        assert_eq!(
            (site.people.ca().unwrap(), site.people.revoked().unwrap()),
            (b"ca".to_vec(), b"list".to_vec())
        );
        assert!(again.contains("# Mine.\n[people]") && again.ends_with("[console]\n# Ours.\n"));
        assert_eq!(with_people(&again, b"ca", Some(b"list")), again);
    }

    #[test]
    fn what_is_no_base64_is_told_by_its_line() {
        let plain = Site::new("shop", RingKey::new([7; 32])).to_toml().unwrap().to_string();
        let text = plain + "\n[people]\nca = \"*\"\n";
        let error = Site::parse(&text, Path::new("site.toml")).unwrap_err().to_string();
        assert!(error.contains("ashlar site admin"), "{error}");
    }
}
