//! How the box came to be as it is, and how to use this screen.

use super::{fact, faint, heading, home, marked};
use crate::glyphs::{BAD, GOOD};
use crate::known::Known;
use ashlar_api::Event;
use ratatui::style::Color;
use ratatui::text::Line;

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(status) = known.status {
        lines.push(heading("this box", width));
        let mut row =
            |name: &str, value: &str| lines.extend(fact(name, value, Color::White, width));
        row("release", &format!("{} of profile {}", status.release, status.profile));
        row("site", status.site.as_deref().unwrap_or("none yet"));
        let cluster = status.cluster.as_ref().map(ToString::to_string);
        row("cluster", cluster.as_deref().unwrap_or("none yet"));
        if let Some(me) = &status.identity {
            row("id", &me.id.to_string());
        }
        let boot = &status.boot;
        row(
            "started",
            &format!("userspace after {:.1} s, agent after {:.1} s", boot.userspace, boot.agent),
        );
        if let Some(hardware) = known.hardware {
            let clock = if hardware.clock_synchronised { "" } else { "not " };
            row("clock", &format!("{clock}set by a time server since power-on"));
        }
        lines.extend(home::phases(status, "since power-on", width));
    }
    lines.push(heading("this screen", width));
    let mut key = |name: &str, value: &str| lines.extend(fact(name, value, Color::White, width));
    key("1 to 7", "the pages; also ← →");
    key("↑ ↓", "further up and down; also Page up, Page down, Home, End");
    key(
        "a",
        "actions: restart, power off, a file for who helps, another network, factory reset, \
         and of two boxes to go on alone",
    );
    if known.has_book {
        key("c", "a code of the page about what is wrong, for a telephone");
    }
    key("Esc", "back");
    if known.can_quit {
        key("q", "leave");
    }
    lines.extend(faint(
        "There is no shell and no login here. What needs one is done by `ashlarctl` over SSH, if \
         the site has keys for it.",
        width,
    ));
    if !known.history.is_empty() {
        lines.push(heading("what it did, the newest first", width));
        lines.extend(known.history.iter().rev().take(SHOWN).flat_map(|event| did(event, width)));
    }
    lines
}

/// So many steps are shown; `ashlarctl history` has all that are kept.
const SHOWN: usize = 60;

fn did(event: &Event, width: usize) -> Vec<Line<'static>> {
    // The minute will do, and the zone is always UTC.
    let at = event.at.get(..16).unwrap_or(&event.at).replace('T', " ");
    match &event.error {
        None => marked(GOOD, &format!("{at}  {}", event.step), Color::White, width),
        Some(why) => {
            marked(BAD, &format!("{at}  {}: {why}", event.step), Color::LightYellow, width)
        }
    }
}
