//! The end of the journal.

use super::faint;
use crate::known::Known;
use crate::wrap::wrapped;
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    match known.logs {
        None => faint("the journal is being read ...", width),
        Some(Err(why)) => faint(&format!("the journal cannot be read: {why}"), width),
        Some(Ok(lines)) if lines.is_empty() => faint("nothing was written yet", width),
        Some(Ok(lines)) => lines
            .iter()
            .flat_map(|line| wrapped(line, width))
            .map(|line| Line::from(line.fg(Color::White)))
            .collect(),
    }
}
