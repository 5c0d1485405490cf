//! The questions, in the order in which they are asked.

use super::answers::Answers;
use super::cards::Card;
use crate::command::site;
use ashlar_build::Project;
use ashlar_site::{NetworkPlan, Site, SiteOptions};
use std::path::{Path, PathBuf};

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Profile,
    Site,
    Boxes,
    Network,
    Dhcp,
    Keys,
    Sure,
}

/// What is on the screen when it is asked.
pub(super) struct Said {
    pub(super) before: String,
    pub(super) prompt: String,
}

impl Question {
    pub(super) const ALL: [Self; 7] =
        [Self::Profile, Self::Site, Self::Boxes, Self::Network, Self::Dhcp, Self::Keys, Self::Sure];

    /// The question, with what Enter answers.
    pub(super) fn said(self, answers: &Answers, cards: &[Card]) -> Said {
        let ask = |question: &str, now: &str| Said {
            before: String::new(),
            prompt: format!("{question} [{now}]:"),
        };
        match self {
            Self::Profile => {
                let numbers = 1..;
                let before = numbers.zip(cards).map(|(number, card)| card.text(number)).collect();
                Said {
                    before,
                    ..ask("What are the boxes for? A number or a name", &answers.profile)
                }
            }
            Self::Site => ask("What is the site called?", &answers.site),
            Self::Boxes => {
                let now = answers.boxes.map_or("unknown".into(), |boxes| boxes.to_string());
                ask("How many boxes will the cluster begin with?", &now)
            }
            Self::Network => {
                ask("Which network may the cluster have?", &answers.network.to_string())
            }
            Self::Dhcp => {
                let now = if answers.dhcp { "yes" } else { "no" };
                ask("Do the boxes get an address for the way out by DHCP?", now)
            }
            Self::Keys => {
                let files = answers.ssh_keys.iter().map(|file| file.display().to_string());
                let now = files.collect::<Vec<_>>().join(" ");
                let now = if now.is_empty() { "none".into() } else { now };
                ask("Files with the public SSH keys of the admins, or none", &now)
            }
            Self::Sure => Said {
                before: format!("This makes the site, by\n  {}\n", answers.command()),
                prompt: "Make it? yes or no:".into(),
            },
        }
    }

    /// For whoever types `?`.
    pub(super) const fn explained(self) -> &'static str {
        match self {
            Self::Profile => {
                "A profile says what an image is made of. Boxes of one cluster have the same one.\n\
                 `ashlar profile show NAME` prints all of it."
            }
            Self::Site => {
                "A site is one customer's cluster. Its boxes find each other by this name, and it\n\
                 cannot be changed later."
            }
            Self::Boxes => {
                "The cluster is founded once so many boxes see each other: none founds one of its\n\
                 own meanwhile. More can join at any time. `unknown`: the first box founds it."
            }
            Self::Network => {
                "Each box takes one address of it for life, and all that the boxes say to each\n\
                 other stays in it. Take one that your other networks do not use."
            }
            Self::Dhcp => "With no, nothing but the cluster's own network can be reached.",
            Self::Keys => {
                "Whoever has one of the keys may log in to each box as root by SSH. With none, SSH\n\
                 stays off. Several files stand one after the other, with spaces between."
            }
            Self::Sure => "Nothing has been made so far. `<` leads back to every answer.",
        }
    }

    /// Takes an answer, or says what is wrong with it: in the words with which a
    /// site is refused.
    pub(super) fn take(
        self,
        text: &str,
        answers: &mut Answers,
        cards: &[Card],
        project: &Project,
    ) -> Result<(), String> {
        match self {
            Self::Profile => {
                let number = text.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
                let card = number.and_then(|n| cards.get(n));
                let card = card.or_else(|| cards.iter().find(|card| card.name == text));
                let names: Vec<_> = cards.iter().map(|card| card.name.as_str()).collect();
                let card = card.ok_or_else(|| {
                    format!("expected 1 to {}, or one of: {}", cards.len(), names.join(", "))
                })?;
                if card.is_solo {
                    answers.boxes = Some(1);
                }
                answers.profile.clone_from(&card.name);
            }
            Self::Site => {
                check(text, SiteOptions::default())?;
                let path = site::place(project, text);
                if path.exists() {
                    return Err(format!("{} exists already: take another name", path.display()));
                }
                answers.site = text.to_owned();
            }
            Self::Boxes
                if text != "1" && cards.iter().any(|c| c.is_solo && c.name == answers.profile) =>
            {
                return Err(format!("{} is for one box by itself: expected 1", answers.profile));
            }
            Self::Boxes if text == "unknown" => answers.boxes = None,
            Self::Boxes => {
                let boxes = text.parse().map_err(|_| "expected a number, or `unknown`")?;
                check("x", SiteOptions { expect: Some(boxes), ..SiteOptions::default() })?;
                answers.boxes = Some(boxes);
            }
            Self::Network => {
                let cluster = text
                    .parse()
                    .map_err(|_| "expected a network with its length, such as 10.83.0.0/16")?;
                let network = NetworkPlan { cluster, ..NetworkPlan::default() };
                let options =
                    SiteOptions { network, expect: answers.boxes, ..SiteOptions::default() };
                check("x", options)?;
                answers.network = cluster;
            }
            Self::Dhcp => {
                answers.dhcp = match text {
                    "yes" | "y" => true,
                    "no" | "n" => false,
                    _ => return Err("expected yes or no".into()),
                };
            }
            Self::Keys if text == "none" => answers.ssh_keys.clear(),
            Self::Keys => {
                let mut files = Vec::new();
                for word in text.split_whitespace() {
                    let file = at_home(word);
                    site::read_keys(&file).map_err(|error| error.to_string())?;
                    files.push(file);
                }
                answers.ssh_keys = files;
            }
            Self::Sure if matches!(text, "yes" | "y") => {}
            Self::Sure => return Err("Please type yes or no.".into()),
        }
        Ok(())
    }
}

/// What a site says of a name and these options.
fn check(name: &str, options: SiteOptions) -> Result<(), String> {
    Site::generate(name, options).map(drop).map_err(|error| error.to_string())
}

/// `~/` as a shell reads it.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}
