//! The questions about this box's network, in words.

use super::{Words, all, chosen, input, said, sentence};
use crate::dialog::{Field, Question, Way};
use ashlar_api::WayOut;
use ratatui::style::Color;
use ratatui::text::Line;

/// What comes of a change.
const TRIED: &str = "It is tried for two minutes. It is kept as soon as whoever answers this box \
                     now, router and other boxes, answers again; otherwise it is undone by itself, \
                     and so it is by a power cut. No key needs to be pressed for that.";

pub(super) fn words(question: &Question, width: usize) -> Words {
    let title = "change the network of this box".to_owned();
    match question {
        Question::Way { now, undone, at } => {
            let mut lines = Vec::new();
            if let Some(why) = undone {
                let words = format!("The last change was undone: {why}.");
                lines.extend(said(&words, Color::LightYellow, width));
            }
            lines.extend(said(&as_it_is(now), Color::White, width));
            lines.push(Line::default());
            let choices = Way::choices(undone.is_some()).iter().enumerate();
            lines.extend(choices.map(|(n, way)| chosen(n == *at, choice(*way), width)));
            (title, lines, "↑ ↓ choose   Enter   Esc back")
        }
        Question::Value { field, way, typed, wrong, checking, .. } => {
            let mut lines = said(prompt(*field, way.address.is_none()), Color::White, width);
            lines.push(Line::default());
            if let Some(why) = wrong {
                lines.extend(said(&sentence(why), Color::LightRed, width));
            }
            lines.push(input(name(*field), typed, width));
            let keys =
                if *checking { "the agent looks at it ..." } else { "Enter next   Esc back" };
            (title, lines, keys)
        }
        Question::Sure { lines, .. } => {
            let mut all = all(lines, width);
            all.push(Line::default());
            all.extend(said(TRIED, Color::White, width));
            (title, all, "y try it   any other key: back")
        }
        Question::Tried { left } => {
            let lines = match left {
                Some(seconds) => {
                    let words = format!(
                        "The new network is tried, and undone in {seconds} s if nobody answers."
                    );
                    let mut lines = said(&words, Color::LightYellow, width);
                    lines.push(Line::default());
                    lines.extend(said(WAIT, Color::White, width));
                    lines
                }
                None => said("The agent takes it up ...", Color::LightYellow, width),
            };
            (
                "a network is tried".into(),
                lines,
                "k keep it at once   b back to the old one   Esc hide",
            )
        }
    }
}

/// How the box gets out now.
fn as_it_is(now: &WayOut) -> String {
    let names = now.names.join(" ");
    let (how, unsaid) = match (&now.address, &now.gateway) {
        (None, _) => {
            ("This box gets its address by a lease (DHCP)".to_owned(), "those of the lease")
        }
        (Some(address), Some(router)) => {
            (format!("This box has the address {address}, and its router is {router}"), "none")
        }
        (Some(address), None) => {
            (format!("This box has the address {address}, and no router"), "none")
        }
    };
    let names = if names.is_empty() { unsaid } else { &names };
    format!("{how}. Its name servers: {names}.")
}

/// What a person needs to know meanwhile.
const WAIT: &str = "Nothing needs to be done. It is kept by itself when whoever answered before \
                    answers again, and undone by itself when that time is over. k keeps it \
                    although nobody answers: only if you know that it is right.";

const fn choice(way: Way) -> &'static str {
    match way {
        Way::Lease => "a lease: the shop's router gives it an address (DHCP)",
        Way::Address => "an address of its own",
        Way::Forget => "leave it, and hear no more of the change that was undone",
    }
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::Address => "Address: ",
        Field::Gateway => "Router: ",
        Field::Names => "Name servers: ",
    }
}

const fn prompt(field: Field, lease: bool) -> &'static str {
    match (field, lease) {
        (Field::Address, _) => {
            "This box's address in the shop's network, with the length of that network, such as \
             192.168.7.21/24. Its address in the cluster stays."
        }
        (Field::Gateway, _) => {
            "The router of that network, such as 192.168.7.1. Empty: there is no way out."
        }
        (Field::Names, true) => {
            "Name servers, with a blank between them. Empty: those that the lease names."
        }
        (Field::Names, false) => "Name servers, with a blank between them. Empty: none.",
    }
}
