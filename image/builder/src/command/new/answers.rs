//! What was answered, by keyboard or by a file.

use super::cards::Card;
use crate::command::profile::new::More;
use crate::command::site;
use ashlar_site::{NetworkPlan, PinHash, quoted};
use ipnet::Ipv4Net;

use std::path::PathBuf;

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
    /// What stands for the PIN of the boxes' screens, if there is one.
    pub(super) pin_hash: Option<PinHash>,
    /// What makes the profile one of their own.
    pub(super) more: More,
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
            pin_hash: None,
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
            pin: false,
            pin_hash: self.pin_hash.clone(),
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
        if self.pin_hash.is_some() {
            // It asks for the PIN: nobody should read one in a list of commands.
            words.push("--pin".into());
        }
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
