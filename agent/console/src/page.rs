//! The pages, each as lines of text that depend on nothing but what is known.

mod about;
mod hardware;
mod home;
mod logs;
mod network;
mod services;
mod storage;

use crate::known::Known;
use crate::wrap::wrapped;
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Span};

/// One page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Page {
    /// All that matters, shortly.
    #[default]
    Home,
    /// Ports and addresses.
    Network,
    /// The volume and the disks.
    Storage,
    /// What runs.
    Services,
    /// The machine.
    Hardware,
    /// The journal.
    Logs,
    /// How the box came to be as it is, and how to use this screen.
    About,
}

impl Page {
    pub(crate) const ALL: [Self; 7] = [
        Self::Home,
        Self::Network,
        Self::Storage,
        Self::Services,
        Self::Hardware,
        Self::Logs,
        Self::About,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Services => "services",
            Self::Hardware => "hardware",
            Self::Logs => "logs",
            Self::About => "about",
        }
    }

    /// The page that many further on, round and round.
    pub(crate) fn turned(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|page| *page == self).unwrap_or_default();
        Self::ALL[(at + by) % Self::ALL.len()]
    }

    /// Its columns: one, or two where there is room for them.
    pub(crate) fn columns(self, known: &Known<'_>, width: usize) -> Vec<Vec<Line<'static>>> {
        let lines = match self {
            Self::Home => return home::columns(known, width),
            Self::Network => network::lines(known, width),
            Self::Storage => storage::lines(known, width),
            Self::Services => services::lines(known, width),
            Self::Hardware => hardware::lines(known, width),
            Self::Logs => logs::lines(known, width),
            Self::About => about::lines(known, width),
        };
        vec![lines]
    }
}

/// What an agent of this box has not told yet.
const UNKNOWN: &str = "not known yet";

/// A heading over the lines that follow.
fn heading(title: &str, width: usize) -> Line<'static> {
    let rule = "─".repeat(width.saturating_sub(title.chars().count() + 4));
    Line::from(vec![
        "── ".fg(Color::Gray),
        title.to_owned().fg(Color::LightCyan),
        format!(" {rule}").fg(Color::Gray),
    ])
}

/// `name      value`, the value wrapped under itself.
fn fact(name: &str, value: &str, color: Color, width: usize) -> Vec<Line<'static>> {
    /// Where values begin.
    const INDENT: usize = 10;
    let mut name = format!("{name:<INDENT$}");
    wrapped(value, width.saturating_sub(INDENT))
        .into_iter()
        .map(|value| {
            let name = std::mem::replace(&mut name, " ".repeat(INDENT));
            Line::from(vec![name.fg(Color::Gray), value.fg(color)])
        })
        .collect()
}

/// Text with a mark before it, the text wrapped under itself.
fn marked(mark: &str, text: &str, color: Color, width: usize) -> Vec<Line<'static>> {
    let mut mark = Span::from(format!("{mark} ")).fg(color);
    wrapped(text, width.saturating_sub(2))
        .into_iter()
        .map(|text| {
            let mark = std::mem::replace(&mut mark, Span::from("  "));
            Line::from(vec![mark, text.fg(color)])
        })
        .collect()
}

fn faint(text: &str, width: usize) -> Vec<Line<'static>> {
    wrapped(text, width).into_iter().map(|line| Line::from(line.fg(Color::Gray))).collect()
}
