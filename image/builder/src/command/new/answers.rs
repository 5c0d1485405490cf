//! What was answered, by keyboard or by a file.

use super::cards::Card;
use super::questions::Question;
use crate::command::profile::new::More;
use crate::command::site;
use ashlar_build::Project;
use ashlar_site::{NetworkPlan, quoted};
use ipnet::Ipv4Net;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) profile: String,
    pub(super) site: String,
    /// How many boxes the cluster begins with, if that is known.
    pub(super) boxes: Option<u8>,
    pub(super) network: Ipv4Net,
    pub(super) dhcp: bool,
    /// Files with public keys.
    pub(super) ssh_keys: Vec<PathBuf>,
    /// What makes the profile one of their own.
    pub(super) more: More,
}

/// The same in a file.
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
    #[serde(default)]
    stacks: Vec<String>,
    #[serde(default)]
    hardware: Vec<String>,
}

impl Answers {
    /// What Enter, pressed again and again, answers.
    pub(super) fn first(cards: &[Card]) -> Self {
        let network = NetworkPlan::default();
        Self {
            profile: cards.first().map(|card| card.name.clone()).unwrap_or_default(),
            site: "shop".into(),
            boxes: Some(3),
            network: network.cluster,
            dhcp: network.dhcp,
            ssh_keys: Vec::new(),
            more: More::default(),
        }
    }

    /// What `ashlar site new` is given.
    pub(super) fn site(&self) -> site::New {
        site::New {
            name: self.site.clone(),
            expect: self.boxes,
            ssh_keys: self.ssh_keys.clone(),
            network: self.network,
            nodes: Vec::new(),
            join: Vec::new(),
            no_dhcp: !self.dhcp,
        }
    }

    /// The profile that is built: their own, called like the site, if it has something of
    /// its own.
    pub(super) fn built(&self) -> &str {
        if self.more.is_empty() { &self.profile } else { &self.site }
    }

    /// The commands that do the same.
    pub(super) fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        if !self.more.is_empty() {
            let mut words = vec![format!("ashlar profile new {}", self.site)];
            words.push(format!("--extends {}", self.profile));
            words.extend(self.more.stacks.iter().map(|file| format!("--stack {}", quoted(file))));
            words.extend(self.more.hardware.iter().map(|list| format!("--hardware {list}")));
            commands.push(words.join(" "));
        }
        commands.push(self.command());
        commands
    }

    /// The command that makes the same site.
    pub(super) fn command(&self) -> String {
        let mut words = vec!["ashlar site new".to_owned(), self.site.clone()];
        words.extend(self.boxes.map(|boxes| format!("--expect {boxes}")));
        if self.network != NetworkPlan::default().cluster {
            words.push(format!("--network {}", self.network));
        }
        if !self.dhcp {
            words.push("--no-dhcp".into());
        }
        words.extend(self.ssh_keys.iter().map(|file| format!("--ssh-key {}", quoted(file))));
        words.join(" ")
    }
}

/// A command within 80 cells, two of them its margin: a line that goes on ends as a shell
/// reads it, before an option.
pub(super) fn in_lines(command: &str) -> String {
    const MARGIN: &str = "  ";
    const GOES_ON: &str = " \\";
    let mut lines = vec![MARGIN.to_owned()];
    for (n, piece) in command.split(" --").enumerate() {
        let piece = if n == 0 { piece.to_owned() } else { format!(" --{piece}") };
        let last = lines.last().map_or(0, |line| line.chars().count());
        if n > 0 && last + piece.chars().count() + GOES_ON.len() > 80 {
            lines.push(format!("{MARGIN}{MARGIN}{}", piece.trim_start()));
        } else if let Some(line) = lines.last_mut() {
            line.push_str(&piece);
        }
    }
    lines.join(&format!("{GOES_ON}\n"))
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
    Ok(answers)
}
