//! What a site's values must be beyond their types.

use crate::error::{Problem, Step};
use crate::form::is_name;
use crate::{InstallRules, Site, check_ssh_key};

/// Nodes find each other by the mDNS service `_serf_<name>`, and programs that
/// speak mDNS announce no service with more than 30 bytes there.
const LONGEST_NAME: usize = 25;

/// For how long a lost box may keep its place, in seconds: from what tests need
/// to a year.
const GRACE: std::ops::RangeInclusive<u64> = 10..=31_536_000;

impl Site {
    /// Checks everything that the types do not.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.version != Self::VERSION {
            let known = Self::VERSION;
            let reason = format!("expected {known}; this program knows no other version");
            return Err(Problem::new(&[Step::Key("version")], reason));
        }
        if !is_name(&self.name) || self.name.len() > LONGEST_NAME {
            let reason = format!(
                "expected a DNS label: lower-case letters, digits and dashes, no dash at either \
                 end, at most {LONGEST_NAME} characters, because nodes announce it by mDNS"
            );
            return Err(Problem::new(&[Step::Key("name")], reason));
        }
        self.network.check()?;
        self.time.check()?;
        self.console.check()?;
        self.people.check()?;
        self.install.as_ref().map_or(Ok(()), InstallRules::check)?;
        if self.ring_key.as_bytes() == &[0; 32] {
            let reason = "this key is all zeros; expected 32 random bytes in base64";
            return Err(Problem::new(&[Step::Key("ring-key")], reason));
        }
        for (index, tag) in self.former_keys.iter().enumerate() {
            if tag.len() != 16 || !tag.bytes().all(|b| b.is_ascii_hexdigit()) {
                let at = [Step::Key("former-keys"), Step::Index(index)];
                return Err(Problem::new(
                    &at,
                    "expected 16 hexadecimal digits, as a box wrote them",
                ));
            }
        }
        let most = self.network.capacity();
        if self.expect.is_some_and(|count| count == 0 || u32::from(count) > most) {
            let reason = format!("expected 1 to {}", most.min(u8::MAX.into()));
            return Err(Problem::new(&[Step::Key("expect")], reason));
        }
        if self.grace_seconds.is_some_and(|seconds| !GRACE.contains(&seconds)) {
            let reason = format!("expected {} to {}", GRACE.start(), GRACE.end());
            return Err(Problem::new(&[Step::Key("grace-seconds")], reason));
        }
        for (index, line) in self.ssh_keys.iter().enumerate() {
            check_ssh_key(line).map_err(|error| {
                Problem::new(&[Step::Key("ssh-keys"), Step::Index(index)], error.to_string())
            })?;
        }
        Ok(())
    }
}
