//! Answers from a file.

use super::answers::Answers;
use super::cards::Card;
use super::questions::{Question, check};
use ashlar_build::Project;
use ashlar_site::{ConsoleRules, PinHash, SiteOptions};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;
use std::path::Path;

/// What a file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    profile: Option<String>,
    site: Option<String>,
    boxes: Option<u8>,
    network: Option<String>,
    dhcp: Option<bool>,
    #[serde(default)]
    ssh_keys: Vec<String>,
    pin_hash: Option<PinHash>,
    #[serde(default)]
    stacks: Vec<String>,
    #[serde(default)]
    hardware: Vec<String>,
}

/// Answers from a file, each checked as if it were typed.
pub(super) fn read(file: &Path, cards: &[Card], project: &Project) -> miette::Result<Answers> {
    let text = std::fs::read_to_string(file)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be read", file.display()))?;
    let told: File = toml::from_str(&text)
        .map_err(|error| miette!("{}: {}", file.display(), error.to_string().trim_end()))?;
    let mut answers = Answers::first(cards);
    let words = |words: Vec<String>| (!words.is_empty()).then(|| words.join(" "));
    let solo = cards.iter().any(|card| card.is_solo && Some(&card.name) == told.profile.as_ref());
    let unsaid = if solo { "1" } else { "unknown" };
    let boxes = told.boxes.map_or(unsaid.to_owned(), |boxes| boxes.to_string());
    let dhcp = told.dhcp.map(|dhcp| if dhcp { "yes" } else { "no" }.to_owned());
    for (key, question, text) in [
        ("profile", Question::Profile, told.profile),
        ("site", Question::Site, Some(told.site.unwrap_or_else(|| answers.site.clone()))),
        ("boxes", Question::Boxes, Some(boxes)),
        ("network", Question::Network, told.network),
        ("dhcp", Question::Dhcp, dhcp),
        ("ssh-keys", Question::Keys, words(told.ssh_keys)),
        ("stacks", Question::Stacks, words(told.stacks)),
        ("hardware", Question::Hardware, words(told.hardware)),
    ] {
        let Some(text) = text else { continue };
        question
            .take(&text, &mut answers, cards, project)
            .map_err(|why| miette!("{}: `{key}`: {why}", file.display()))?;
    }
    let console = ConsoleRules { pin_hash: told.pin_hash, ..ConsoleRules::default() };
    check("x", SiteOptions { console: console.clone(), ..SiteOptions::default() })
        .map_err(|why| miette!("{}: {why}", file.display()))?;
    answers.pin_hash = console.pin_hash;
    Ok(answers)
}
