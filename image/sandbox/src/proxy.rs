//! The proxy through which this host reaches the network: what its environment
//! says, or else what its apt was told, as Debian's installer does.

use std::process::{Command, Stdio};

/// What a tool inherits when it may use the network, and no other tool does.
pub(crate) const NAMES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// Proxies by scheme. Their addresses may hold passwords, so they go into the
/// environment of tools, on no command line and into no log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http:` URLs.
    pub http: Option<String>,
    /// For `https:` URLs.
    pub https: Option<String>,
    /// Hosts that are reached without one, as in `no_proxy`.
    pub except: Option<String>,
}

/// Without addresses, for they may hold passwords.
impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let there = |proxy: &Option<String>| if proxy.is_some() { "set" } else { "none" };
        f.debug_struct("Proxies")
            .field("http", &there(&self.http))
            .field("https", &there(&self.https))
            .field("except", &self.except)
            .finish()
    }
}

impl Proxies {
    /// This host's.
    #[must_use]
    pub fn of_host() -> Self {
        Self::of(&|name| std::env::var(name).ok(), &ask_apt)
    }

    /// The environment comes first, lower case before upper case, because it is
    /// nearer to the command that a person types; then apt's own setting.
    fn of(variable: &dyn Fn(&str) -> Option<String>, apt: &dyn Fn() -> String) -> Self {
        let named = |name: &str| {
            let value = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
            value.filter(|value| !value.trim().is_empty())
        };
        let (mut http, mut https) = (named("http_proxy"), named("https_proxy"));
        if http.is_none() || https.is_none() {
            let answer = apt();
            let setting = |name: &str| setting(&answer, name);
            http = http.or_else(|| setting("HTTP"));
            // What apt is told for http holds for https as well.
            https = https.or_else(|| setting("HTTPS")).or_else(|| setting("HTTP"));
        }
        let direct = |proxy: Option<String>| proxy.filter(|it| !it.eq_ignore_ascii_case("direct"));
        Self { http: direct(http), https: direct(https), except: named("no_proxy") }
    }

    /// The environment of a tool that may use the network.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let values = [&self.http, &self.https, &self.except];
        let pairs = NAMES.into_iter().zip(values);
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
    }
}

/// What apt would use; nothing where there is no apt.
fn ask_apt() -> String {
    let words = ["shell", "HTTP", "Acquire::http::Proxy", "HTTPS", "Acquire::https::Proxy"];
    let asked = Command::new("apt-config").args(words).stdin(Stdio::null()).output();
    asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// `HTTP='http://proxy:3128'`, as `apt-config shell` prints it.
fn setting(answer: &str, name: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    let value = line.strip_prefix('\'')?.strip_suffix('\'')?.replace(r"'\''", "'");
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], apt: &str) -> Proxies {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::of(&variable, &|| apt.to_owned())
    }

    #[test]
    fn a_proxy_is_taken_from_either_case_and_then_from_apt() {
        let found = of(&[("http_proxy", "http://a"), ("HTTP_PROXY", "http://b")], "");
        assert_eq!(found.http.as_deref(), Some("http://a"));
        let found = of(&[("HTTPS_PROXY", "http://c"), ("NO_PROXY", "example")], "HTTP='http://d'");
        assert_eq!(found.https.as_deref(), Some("http://c"));
        assert_eq!(found.http.as_deref(), Some("http://d"));
        assert_eq!(found.except.as_deref(), Some("example"));
        let found = of(&[], "HTTP='http://me:it'\\''s@d:3128/'\n");
        assert_eq!(found.http.as_deref(), Some("http://me:it's@d:3128/"));
        assert_eq!(found.https, found.http);
        assert_eq!(of(&[], "HTTP='DIRECT'"), Proxies::default());
        assert_eq!(of(&[("http_proxy", "")], ""), Proxies::default());
    }

    #[test]
    fn a_password_is_not_in_what_a_log_would_show() {
        let found = of(&[("http_proxy", "http://me:secret@proxy")], "");
        assert!(!format!("{found:?}").contains("secret"));
        assert!(
            found.environment().contains(&("http_proxy".into(), "http://me:secret@proxy".into()))
        );
    }
}
