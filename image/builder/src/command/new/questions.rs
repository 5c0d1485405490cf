//! The questions, in the order in which they are asked.

use super::answers::{Answers, in_lines};
use super::cards::{self, Card};
use crate::command::profile::new::{self, More};
use crate::command::site;
use ashlar_build::Project;
use ashlar_site::{NetworkPlan, PinHash, Site, SiteOptions};
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
    Pin,
    Stacks,
    Hardware,
    Sure,
}

/// What is on the screen when it is asked.
pub(super) struct Said {
    pub(super) before: String,
    pub(super) prompt: String,
}

impl Question {
    pub(super) const ALL: [Self; 10] = [
        Self::Profile,
        Self::Site,
        Self::Boxes,
        Self::Network,
        Self::Dhcp,
        Self::Keys,
        Self::Pin,
        Self::Stacks,
        Self::Hardware,
        Self::Sure,
    ];

    /// The question, with what Enter answers.
    pub(super) fn said(self, answers: &Answers, cards: &[Card]) -> Said {
        let ask = |question: &str, now: &str| Said {
            before: String::new(),
            prompt: format!("{question} [{now}]:"),
        };
        match self {
            Self::Profile => {
                let (mut before, others) = cards::shown(cards);
                if !others.is_empty() {
                    before.push_str(&format!("Also: {} (`?` shows them)\n", others.join(", ")));
                }
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
            Self::Keys => ask(
                "Files with the public SSH keys of the admins, or none",
                &files(&answers.ssh_keys),
            ),
            Self::Pin => {
                let now = if answers.pin_hash.is_some() { "as typed" } else { "none" };
                ask("A PIN for the boxes' own screens (4 to 12 digits), or none", now)
            }
            Self::Stacks => {
                let now = files(&answers.more.stacks);
                ask("Compose files that the boxes run from the beginning, or none", &now)
            }
            Self::Hardware => {
                let now = answers.more.hardware.join(" ");
                let now = if now.is_empty() { "none" } else { &now };
                ask("Hardware lists for what these machines have besides, or none", now)
            }
            Self::Sure => Said {
                before: answers
                    .commands()
                    .iter()
                    .fold("This makes the site, by\n".to_owned(), |before, command| {
                        before + &in_lines(command) + "\n"
                    }),
                prompt: "Make it? yes or no:".into(),
            },
        }
    }

    /// For whoever types `?`.
    pub(super) fn explained(self, cards: &[Card], project: &Project) -> String {
        let words = match self {
            Self::Profile => {
                return format!(
                    "{}A profile says what an image is made of. Boxes of one cluster have the \
                     same one.\n`ashlar profile show NAME` prints all of it.",
                    cards::others(cards)
                );
            }
            Self::Hardware => {
                return format!(
                    "What a machine has that the image does not drive. On such a machine\n\
                     `ashlar scan --write recipes/hardware/till.txt` makes a list. There are:\n\
                     {}.",
                    lists(project).join(", ")
                );
            }
            Self::Stacks => {
                "Each is a Compose file, and becomes a stack of its name on the cluster. Its\n\
                 images come from their registry. The profile is then one of your own, called\n\
                 like the site."
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
                "Whoever has one of the keys may type ashlarctl's verbs at each box by SSH. With\n\
                 none, SSH stays off. Several files stand one after the other, with spaces between."
            }
            Self::Pin => {
                "Whoever stands before a box types it before the box restarts, is reset or takes\n\
                 another network. It is shown as you type; the site keeps its hash alone. It is\n\
                 no protection from whoever can carry the box away."
            }
            Self::Sure => "Nothing has been made so far. `<` leads back to every answer.",
        };
        words.to_owned()
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
                let card = chosen(text, cards)?;
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
            Self::Pin if text == "none" => answers.pin_hash = None,
            Self::Pin => {
                let hash = PinHash::of(text).map_err(|error| error.to_string())?;
                answers.pin_hash = Some(hash);
            }
            Self::Stacks | Self::Hardware => {
                let words = text.split_whitespace().filter(|_| text != "none");
                let mut more = answers.more.clone();
                match self {
                    Self::Stacks => more.stacks = words.map(at_home).collect(),
                    _ => more.hardware = words.map(str::to_owned).collect(),
                }
                own(&more, answers, project)?;
                answers.more = more;
            }
            Self::Sure if matches!(text, "yes" | "y") => {
                // The site or the profile may be another by now.
                own(&answers.more, answers, project)?;
            }
            Self::Sure => return Err("Please type yes or no.".into()),
        }
        Ok(())
    }
}

/// The card of a number or a name.
fn chosen<'a>(text: &str, cards: &'a [Card]) -> Result<&'a Card, String> {
    let number = text.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
    let card = number.and_then(|n| cards.get(n));
    let names: Vec<_> = cards.iter().map(|card| card.name.as_str()).collect();
    card.or_else(|| cards.iter().find(|card| card.name == text))
        .ok_or_else(|| format!("expected 1 to {}, or one of:\n{}", cards.len(), names.join(", ")))
}

/// What a site says of a name and these options.
pub(super) fn check(name: &str, options: SiteOptions) -> Result<(), String> {
    Site::generate(name, options).map(drop).map_err(|error| error.to_string())
}

/// Whether the profile that is chosen can be extended by that, under the site's name.
fn own(more: &More, answers: &Answers, project: &Project) -> Result<(), String> {
    if more.is_empty() {
        return Ok(());
    }
    new::check(project, &answers.profile, more).map_err(|error| error.to_string())?;
    let path = project.recipes().join(format!("{}.toml", answers.site));
    if path.exists() {
        let site = &answers.site;
        return Err(format!(
            "recipes/{site}.toml exists already: add it there, or call the site otherwise (`<`)"
        ));
    }
    Ok(())
}

/// As they are typed.
fn files(files: &[PathBuf]) -> String {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() { "none".into() } else { files.join(" ") }
}

/// The hardware lists that there are.
fn lists(project: &Project) -> Vec<String> {
    let entries = std::fs::read_dir(project.recipes().join("hardware"));
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let lists = paths.filter(|path| path.extension().is_some_and(|end| end == "txt"));
    let mut names: Vec<_> =
        lists.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// `~/` as a shell reads it.
fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}
