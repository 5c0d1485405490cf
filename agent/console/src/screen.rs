//! The screen as a function of what is known.

use crate::big;
use crate::glyphs::{BAD, GOOD, WAITING, plain};
use ashlar_api::{MemberStatus, MemberView, PhaseStatus, Severity, Status};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

/// So many alerts are shown: the screen is small, and the first one matters.
const ALERTS: usize = 2;

/// One frame.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    /// What the agent last said.
    pub(crate) status: Option<&'a Status>,
    /// Seconds for which it has not answered, and why.
    pub(crate) silent: Option<(u64, &'a str)>,
    /// First member shown.
    pub(crate) scroll: usize,
    /// A key may end the program.
    pub(crate) can_quit: bool,
}

impl Widget for &Screen<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        match self.status {
            Some(status) => self.known(status, area, buffer),
            None => self.waiting(area, buffer),
        }
    }
}

impl Screen<'_> {
    fn waiting(&self, area: Rect, buffer: &mut Buffer) {
        let mut lines = title("ashlar", area.width);
        lines.extend([Line::default(), Line::from("waiting for the agent".fg(Color::Yellow))]);
        if let Some((seconds, why)) = self.silent {
            lines.push(Line::from(format!("for {seconds} s: {}", plain(why)).fg(Color::Gray)));
        }
        let [body, keys] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
        Paragraph::new(lines).wrap(Wrap { trim: true }).render(body, buffer);
        self.keys().render(keys, buffer);
    }

    fn known(&self, status: &Status, area: Rect, buffer: &mut Buffer) {
        let name = status.identity.as_ref().map_or("ashlar", |me| me.name.as_str());
        let title = title(name, area.width);
        let summary = self.summary(status);
        // The summary wraps, trouble may be long: count what it needs.
        let summary = Paragraph::new(summary).wrap(Wrap { trim: false });
        let summary_height = u16::try_from(summary.line_count(area.width)).unwrap_or(u16::MAX);
        let phases = u16::try_from(status.phases.len().max(1)).unwrap_or(u16::MAX);
        // On a small screen the members give way first, then the phases; name,
        // trouble and keys stay.
        let [head, facts, phase_box, member_box, foot, keys] = Layout::vertical([
            Constraint::Length(u16::try_from(title.len()).unwrap_or(1)),
            Constraint::Length(1),
            Constraint::Max(phases.saturating_add(2)),
            Constraint::Fill(1),
            Constraint::Length(summary_height.min(area.height / 2)),
            Constraint::Length(1),
        ])
        .areas(area);
        Paragraph::new(title).render(head, buffer);
        facts_line(status).render(facts, buffer);
        phase_list(status).render(phase_box, buffer);
        self.members(status, member_box, buffer);
        summary.render(foot, buffer);
        self.keys().render(keys, buffer);
    }

    fn members(&self, status: &Status, area: Rect, buffer: &mut Buffer) {
        let all = status.members.len();
        let rows = usize::from(area.height.saturating_sub(2));
        // No empty rows below the last member.
        let first = self.scroll.min(all.saturating_sub(rows));
        let caption = if all > rows && rows > 0 {
            let last = all.min(first + rows);
            format!(" members {} to {last} of {all} ", first + 1)
        } else {
            " members ".into()
        };
        let own = status.identity.as_ref().map(|me| me.name.as_str());
        let mut sorted: Vec<&MemberView> = status.members.iter().collect();
        sorted.sort_by_key(|m| (Some(m.name.as_str()) != own, &m.name));
        let width = sorted.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
        let lines: Vec<Line<'_>> = if sorted.is_empty() {
            vec![Line::from("none yet".fg(Color::Gray))]
        } else {
            sorted.into_iter().skip(first).map(|m| member(m, own, width)).collect()
        };
        Paragraph::new(lines).block(Block::bordered().title(caption)).render(area, buffer);
    }

    fn summary(&self, status: &Status) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut say = |heading: &str, text: &str, color| {
            let heading = format!("{heading:<9}").fg(Color::Gray);
            lines.push(Line::from(vec![heading, plain(text).fg(color)]));
        };
        if let Some(storage) = &status.storage {
            say("storage", &storage.to_string(), Color::White);
        }
        if let Some(swarm) = &status.swarm {
            say("swarm", &swarm.to_string(), Color::White);
        }
        match status.doing.as_slice() {
            [] => {}
            [only] => say("doing", only, Color::Yellow),
            [first, rest @ ..] => {
                say("doing", &format!("{first}, then {} more", rest.len()), Color::Yellow);
            }
        }
        // The worst ones with their cures; the command line has the rest.
        let alerts = status.alerts.iter().filter(|alert| alert.severity < Severity::Notice);
        let more = alerts.clone().count().saturating_sub(ALERTS);
        for alert in alerts.take(ALERTS) {
            let color = match alert.severity {
                Severity::Critical => Color::LightRed,
                _ => Color::Yellow,
            };
            say(alert.severity.as_str(), &alert.words, color);
            say("", &alert.cure, Color::Gray);
        }
        if more > 0 {
            say("", &format!("and {more} more: `ashlarctl why`"), Color::Gray);
        }
        if let Some(trouble) = status.trouble.as_ref().filter(|_| status.alerts.is_empty()) {
            say("trouble", trouble, Color::LightRed);
        }
        if let Some((seconds, _)) = self.silent {
            let text =
                format!("the agent has not answered for {seconds} s: what is shown is as old");
            say("silent", &text, Color::LightRed);
        }
        lines
    }

    fn keys(&self) -> Line<'static> {
        let quit = if self.can_quit { "q leave   " } else { "" };
        Line::from(format!("{quit}↑↓ members   this screen only shows: no shell, no login"))
            .fg(Color::DarkGray)
    }
}

fn title(name: &str, width: u16) -> Vec<Line<'static>> {
    let lines = big::lines(name, width).unwrap_or_else(|| vec![Line::from(plain(name))]);
    lines.into_iter().map(|line| line.fg(Color::LightCyan)).collect()
}

fn facts_line(status: &Status) -> Line<'static> {
    let mut facts = vec![match &status.site {
        Some(site) => format!("site {site}"),
        None => "no site yet".into(),
    }];
    facts.extend(status.identity.as_ref().map(|me| me.address.to_string()));
    facts.push(format!("release {} ({})", status.release, status.profile));
    let facts = Span::from(plain(&facts.join("   ")));
    let verdict = if status.ready {
        "   ready".fg(Color::LightGreen)
    } else {
        "   not ready".fg(Color::Yellow)
    };
    Line::from(vec![facts, verdict])
}

fn phase_list(status: &Status) -> Paragraph<'static> {
    let lines: Vec<Line<'_>> = if status.phases.is_empty() {
        vec![Line::from("the agent has just started".fg(Color::Gray))]
    } else {
        status.phases.iter().map(phase).collect()
    };
    Paragraph::new(lines).block(Block::bordered().title(" phases "))
}

fn phase(phase: &PhaseStatus) -> Line<'static> {
    let (mark, color) =
        if phase.holds { (GOOD, Color::LightGreen) } else { (WAITING, Color::Yellow) };
    let reached = match phase.reached {
        Some(seconds) if phase.holds => format!("{seconds:.1} s"),
        Some(_) => "lost".into(),
        None => String::new(),
    };
    Line::from(vec![
        format!("{mark} {:<9}", phase.phase).fg(color),
        format!("{reached:>8}  ").into(),
        plain(&phase.detail).fg(Color::Gray),
    ])
}

fn member(member: &MemberView, own: Option<&str>, width: usize) -> Line<'static> {
    let (mark, word, color) = match member.status {
        MemberStatus::Alive => (GOOD, "alive", Color::LightGreen),
        MemberStatus::Leaving => (WAITING, "leaving", Color::Yellow),
        MemberStatus::Left => (WAITING, "left", Color::Gray),
        MemberStatus::Failed => (BAD, "failed", Color::LightRed),
    };
    let place = match (Some(member.name.as_str()) == own, member.same_cluster) {
        (true, _) => "this box",
        (false, true) => "",
        (false, false) => "not in this cluster",
    };
    Line::from(vec![
        format!("{mark} {:<width$}  ", plain(&member.name)).fg(color),
        format!("{:<15}  {word:<7}  ", member.address.to_string()).into(),
        place.fg(Color::Gray),
    ])
}

#[cfg(test)]
mod tests;
