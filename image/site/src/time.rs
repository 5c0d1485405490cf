//! `[time]`: what a box's clock shows, and who sets it.

use crate::error::{Problem, Step};
use crate::form::{is_domain, listed_once};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `[time]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TimeRules {
    /// The time zone, such as `Europe/Berlin`; UTC unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Time servers, instead of those that a lease names and Debian's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
}

impl TimeRules {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if let Some(zone) = &self.zone
            && !is_zone(zone)
        {
            let reason = "expected a time zone by its place, such as `Europe/Berlin`, or `UTC`";
            return Err(Problem::new(&[Step::Key("time"), Step::Key("zone")], reason));
        }
        for (index, server) in self.servers.iter().enumerate() {
            let path = [Step::Key("time"), Step::Key("servers"), Step::Index(index)];
            if server.parse::<IpAddr>().is_err() && !is_domain(server) {
                let reason = "expected an address or a host name, such as `ntp.shop.example`";
                return Err(Problem::new(&path, reason));
            }
            listed_once(&self.servers, index, &path)?;
        }
        Ok(())
    }
}

/// Names of tzdata: words with a slash between them, and nothing that leads out
/// of its folder.
fn is_zone(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    text.len() <= 64 && text.split('/').count() <= 3 && text.split('/').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_place_and_never_a_path() {
        for zone in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+2"] {
            assert!(is_zone(zone), "{zone}");
        }
        for zone in ["", "/etc/passwd", "../UTC", "Europe/../UTC", "Europe/", "CET;", "berlin"] {
            assert!(!is_zone(zone), "{zone}");
        }
    }
}
