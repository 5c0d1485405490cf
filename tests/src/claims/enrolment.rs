//! Who gets a certificate, and who does not.

use crate::command::built_with_the_tests;
use crate::fleet::{Fleet, Node};
use anyhow::{Context, Result, ensure};
use ashlar_site::{RingKey, Site};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A stranger with another ring key finds a member unproved, is refused when it
/// goes on all the same, and gets nothing without a certificate. With the
/// site's key the same program finds the member true: so it can tell.
///
/// # Errors
/// With the member's answers when they are others.
pub fn enrolment_with_another_key_is_refused(fleet: &Fleet, site: &Site) -> Result<()> {
    let other = crate::site::fresh("outsider")?.ring_key;
    enrolment_is_by_the_sites_key(&fleet.node(2), &site.ring_key, &other)
}

/// The same with these two keys.
///
/// # Errors
/// As [`enrolment_with_another_key_is_refused`].
pub fn enrolment_is_by_the_sites_key(
    node: &Node<'_>,
    key: &RingKey,
    other: &RingKey,
) -> Result<()> {
    let built = built_with_the_tests("stranger")?;
    let program = std::fs::read(&built).with_context(|| built.display().to_string())?;
    node.sh_with("cat >/run/stranger && chmod 0700 /run/stranger", &program)?;
    let address = node.address()?;
    let ask = |key: &[u8; 32]| -> Result<Value> {
        let key = BASE64_STANDARD.encode(key);
        let answer = node.sh_with(&format!("/run/stranger {address}"), key.as_bytes())?;
        Ok(serde_json::from_str(&answer)?)
    };

    let outsider = ask(other.as_bytes())?;
    ensure!(outsider["member_is_proved"] == false, "{outsider}");
    ensure!(outsider["forged_proof"] == 401, "{outsider}");
    let without = outsider["without_certificate"].as_object().context("an object")?;
    ensure!(without.values().all(|status| *status == 401), "{outsider}");

    let insider = ask(key.as_bytes())?;
    ensure!(insider["member_is_proved"] == true, "{insider}");
    // Knowing the key is not enough: the proof must be one.
    ensure!(insider["forged_proof"] == 401, "{insider}");
    node.sh("rm /run/stranger").map(drop)
}
