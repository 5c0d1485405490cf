//! What runs, and what is still to be done.

use super::{UNKNOWN, fact, faint, heading, marked};
use crate::glyphs::{BAD, GOOD, WAITING};
use crate::known::Known;
use ashlar_api::{Part, Status, duration};
use ratatui::style::Color;
use ratatui::text::Line;

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let Some(status) = known.status else { return faint(UNKNOWN, width) };
    let mut lines = vec![heading("stacks", width)];
    match &status.swarm {
        None => lines.extend(faint("This profile runs no containers.", width)),
        Some(swarm) => {
            lines.extend(fact("swarm", &swarm.to_string(), Color::White, width));
            if status.stacks.is_empty() {
                let words = if swarm.manager {
                    "No stack is deployed."
                } else {
                    "A manager of the Swarm knows which stacks run; this box is none."
                };
                lines.extend(faint(words, width));
            }
        }
    }
    for stack in &status.stacks {
        let (mark, color) = match (stack.running, stack.desired) {
            (running, desired) if running >= desired => (GOOD, Color::LightGreen),
            (0, _) => (BAD, Color::LightRed),
            _ => (WAITING, Color::LightYellow),
        };
        let text = format!("{}: {} of {} tasks run", stack.name, stack.running, stack.desired);
        lines.extend(marked(mark, &text, color, width));
    }
    lines.extend(parts(status, |_| true, "what carries them", width));
    if !status.doing.is_empty() || !status.waits.is_empty() {
        lines.push(heading("to be done", width));
    }
    for doing in &status.doing {
        lines.extend(fact("doing", doing, Color::LightYellow, width));
    }
    for wait in &status.waits {
        let text = format!("{} waits: {} (rule {})", wait.wanted, wait.what_for, wait.rule);
        lines.extend(fact("waits", &text, Color::LightYellow, width));
    }
    lines
}

/// When each of some parts of the box was last looked at, and what it said.
pub(super) fn parts(
    status: &Status,
    which: impl Fn(Part) -> bool,
    title: &str,
    width: usize,
) -> Vec<Line<'static>> {
    let views: Vec<_> = status.parts.iter().filter(|view| which(view.part)).collect();
    let mut lines = Vec::new();
    if !views.is_empty() {
        lines.push(heading(title, width));
    }
    for view in views {
        let (mark, color, text) = match &view.silent {
            None => (GOOD, Color::LightGreen, format!("answered {} ago", duration(view.age_ms))),
            Some(why) => {
                let long = duration(view.silent_ms);
                (WAITING, Color::LightYellow, format!("silent for {long}: {why}"))
            }
        };
        lines.extend(marked(mark, &format!("{:<17} {text}", view.part.to_string()), color, width));
    }
    lines
}
