//! Marks, colours and columns. Colours appear on a terminal only, and not when
//! `NO_COLOR` is set.

use owo_colors::{OwoColorize, Stream, Style};

/// Paints `text` if standard output shows colours.
pub(crate) fn paint(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |t| t.style(style)).to_string()
}

pub(crate) fn good(text: &str) -> String {
    paint(text, Style::new().green())
}

pub(crate) fn waiting(text: &str) -> String {
    paint(text, Style::new().yellow())
}

pub(crate) fn bad(text: &str) -> String {
    paint(text, Style::new().red())
}

pub(crate) fn strong(text: &str) -> String {
    paint(text, Style::new().bold())
}

pub(crate) fn faint(text: &str) -> String {
    paint(text, Style::new().dimmed())
}

/// A heading in the left margin; what it heads begins at column 10.
pub(crate) fn heading(text: &str) -> String {
    paint(&format!("{text:<9}"), Style::new().bold())
}

/// Without control characters: some of what we print comes from other
/// machines, and must not steer the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
