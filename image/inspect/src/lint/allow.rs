//! What is allowed in an image, each with its reason.

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use thiserror::Error;

const OURS: &str = include_str!("../../data/lint.toml");

/// Lists of exceptions: what, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Allow {
    /// Set-user-id and set-group-id files and directories, by path.
    pub setuid: BTreeMap<String, String>,
    /// Files with capabilities, by path.
    pub capabilities: BTreeMap<String, String>,
    /// Units that are enabled.
    pub enabled: BTreeMap<String, String>,
    /// Sockets on the network that systemd opens.
    pub network_sockets: BTreeMap<String, String>,
    /// Complaints of `systemd-analyze verify`, by their text.
    pub verify: BTreeMap<String, String>,
    /// What may lie in `/var`, by path; below it too when it ends with `/`.
    pub var: BTreeMap<String, String>,
    /// Packages without a copyright file.
    pub without_copyright: BTreeMap<String, String>,
}

/// Why the exceptions cannot be read.
#[derive(Debug, Error, Diagnostic)]
pub enum AllowError {
    /// The file is there, and cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{message}")]
    #[diagnostic(help(
        "a list of exceptions has tables named setuid, capabilities, enabled, network-sockets, \
         verify, var, without-copyright; in them, what is allowed = \"the reason\""
    ))]
    Parse {
        /// What, and in which file.
        message: String,
        /// The file's text.
        #[source_code]
        text: NamedSource<String>,
        /// Where.
        #[label("here")]
        place: Option<SourceSpan>,
    },
}

impl Allow {
    /// Ours, and those of a project's file if it is there.
    pub fn load(more: Option<&Path>) -> Result<Self, AllowError> {
        let mut allow = parse(OURS, "lint.toml")?;
        if let Some(path) = more {
            let name = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => allow.extend(parse(&text, &name)?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(AllowError::Read { path: name, source }),
            }
        }
        Ok(allow)
    }

    fn extend(&mut self, more: Self) {
        self.setuid.extend(more.setuid);
        self.capabilities.extend(more.capabilities);
        self.enabled.extend(more.enabled);
        self.network_sockets.extend(more.network_sockets);
        self.verify.extend(more.verify);
        self.var.extend(more.var);
        self.without_copyright.extend(more.without_copyright);
    }

    /// Whether a path may lie in `/var`.
    pub fn in_var(&self, path: &str) -> bool {
        self.var.keys().any(|key| path == key || key.ends_with('/') && path.starts_with(key))
    }
}

fn parse(text: &str, name: &str) -> Result<Allow, AllowError> {
    toml::from_str(text).map_err(|error| AllowError::Parse {
        message: format!("{name}: {}", error.message()),
        place: error.span().map(Into::into),
        text: NamedSource::new(name, text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Allow, parse};

    #[test]
    fn our_own_list_is_read_and_gives_a_reason_for_everything() {
        let allow = Allow::load(None).unwrap();
        let reasons = allow.setuid.values().chain(allow.enabled.values());
        for reason in reasons.chain(allow.verify.values()) {
            assert!(reason.len() > 8, "{reason}");
        }
    }

    #[test]
    fn a_project_adds_to_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lint.toml");
        std::fs::write(&file, "[enabled]\n\"till.service\" = \"the till\"\n").unwrap();
        let allow = Allow::load(Some(&file)).unwrap();
        assert!(allow.enabled.contains_key("till.service"));
        assert!(allow.enabled.contains_key("ashlar-agent.service"));
    }

    #[test]
    fn an_unknown_table_is_refused() {
        assert!(parse("[setuids]\n", "x").is_err());
    }
}
