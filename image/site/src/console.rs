//! `[console]`: the screen and keyboard of a box.

use crate::error::{Problem, Step};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};

/// `[console]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConsoleRules {
    /// The keyboard's layout, such as `de-latin1` or `fr`. Needs a profile with
    /// the overlay `keyboard` and Debian's packages `kbd` and `console-data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<String>,
    /// What `ashlar site pin` prints of a PIN. Whoever stands before a box and wants
    /// it to do something has to type that PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub pin_hash: Option<PinHash>,
}

/// A PIN as a salted Argon2id hash in PHC form. It slows guessing down; four
/// digits are found all the same by whoever has the site file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PinHash(String);

/// Why a PIN is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPin {
    /// A keypad has digits alone.
    #[error("expected 4 to 12 digits")]
    Form,
    /// Whoever guesses begins with these.
    #[error("this PIN is among the first that anybody tries")]
    Obvious,
    /// No random salt, or no memory for the hash.
    #[error("the operating system gave no random bytes or too little memory for a hash")]
    System,
}

/// What a hash may cost the box, so that no site can stop it: OWASP's least, 19
/// MiB, is what we make.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_PASSES: u32 = 10;

impl std::fmt::Display for PinHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl PinHash {
    /// Hashes a PIN with a salt of its own.
    ///
    /// # Errors
    /// When it is no PIN, or is an obvious one.
    pub fn of(pin: &str) -> Result<Self, NotAPin> {
        if !(4..=12).contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAPin::Form);
        }
        let steps: Vec<i16> = pin
            .as_bytes()
            .windows(2)
            .filter_map(|two| Some(i16::from(*two.last()?) - i16::from(*two.first()?)))
            .collect();
        if [0, 1, -1].iter().any(|step| steps.iter().all(|other| other == step)) {
            return Err(NotAPin::Obvious);
        }
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).map_err(|_| NotAPin::System)?;
        let salt = SaltString::encode_b64(&bytes).map_err(|_| NotAPin::System)?;
        let hash = Argon2::default().hash_password(pin.as_bytes(), &salt);
        hash.map(|hash| Self(hash.to_string())).map_err(|_| NotAPin::System)
    }

    /// Whether that is the PIN. Takes a few tens of milliseconds and 19 MiB.
    #[must_use]
    pub fn is(&self, pin: &str) -> bool {
        let Ok((hash, params)) = self.parsed() else { return false };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.verify_password(pin.as_bytes(), &hash).is_ok()
    }

    fn parsed(&self) -> Result<(PasswordHash<'_>, Params), &'static str> {
        let form = "expected what `ashlar site pin` prints: `$argon2id$v=19$…`";
        let hash = PasswordHash::new(&self.0).map_err(|_| form)?;
        if hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) {
            return Err(form);
        }
        if hash.hash.is_none_or(|hash| hash.len() < 16) || hash.salt.is_none() {
            return Err("expected a hash with its salt, as `ashlar site pin` prints it");
        }
        let params = Params::try_from(&hash).map_err(|_| form)?;
        if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > MOST_PASSES {
            return Err("this hash would cost a box more than 64 MiB or 10 passes");
        }
        Ok((hash, params))
    }
}

impl ConsoleRules {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let wrong =
            |key, reason: &str| Err(Problem::new(&[Step::Key("console"), Step::Key(key)], reason));
        let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match &self.keyboard {
            Some(name)
                if !name.starts_with(|c: char| c.is_ascii_lowercase())
                    || name.len() > 40
                    || !name.chars().all(letters) =>
            {
                return wrong(
                    "keyboard",
                    "expected the name of a console keymap, such as `de-latin1`",
                );
            }
            _ => {}
        }
        match self.pin_hash.as_ref().map(PinHash::parsed) {
            Some(Err(reason)) => wrong("pin-hash", reason),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_known_again_and_its_hash_is_another_each_time() {
        let [one, two] = [(); 2].map(|()| PinHash::of("830142").unwrap());
        assert_ne!(one, two);
        assert!(one.is("830142") && !one.is("830143") && !one.is(""));
        assert!(!one.0.contains("830142"));
    }

    #[test]
    fn what_is_no_pin_or_the_first_guess_is_refused() {
        for form in ["", "123", "12a4", "1234567890123", "１２３４"] {
            assert_eq!(PinHash::of(form), Err(NotAPin::Form), "{form}");
        }
        for obvious in ["0000", "1234", "987654", "23456789"] {
            assert_eq!(PinHash::of(obvious), Err(NotAPin::Obvious), "{obvious}");
        }
    }

    #[test]
    fn a_hash_that_would_stop_a_box_or_is_none_matches_nothing() {
        let made = PinHash::of("830142").unwrap().0;
        for text in [
            "830142".to_owned(),
            made.replace("argon2id", "argon2d"),
            made.replace("m=19456", "m=9999999"),
            made.rsplit_once('$').unwrap().0.to_owned(),
        ] {
            let hash = PinHash(text);
            assert!(hash.parsed().is_err() && !hash.is("830142"), "{hash:?}");
        }
    }
}
