//! All that matters, the most urgent first.

use super::{UNKNOWN, fact, faint, heading, marked, network};
use crate::glyphs::{BAD, GOOD, WAITING, plain};
use crate::known::Known;
use ashlar_api::{Alert, MemberStatus, MemberView, PhaseStatus, Severity, Status, duration};
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;

/// From this width on there is room for two columns.
const WIDE: usize = 140;

/// So many tasks are named; the page of services has them all.
const DOING: usize = 3;

pub(super) fn columns(known: &Known<'_>, width: usize) -> Vec<Vec<Line<'static>>> {
    let Some(status) = known.status else {
        return vec![unknown(known, width)];
    };
    let two = width >= WIDE;
    let column = if two { width / 2 - 1 } else { width };
    let arrived = !status.phases.is_empty() && status.phases.iter().all(|phase| phase.holds);
    let way = if arrived { Vec::new() } else { phases(status, "on its way", column) };
    let carried = [network::short(known, column), work(known, status, column)].concat();
    let (alerts, members) = (alerts(known, status, column), members(status, column));
    if two {
        return vec![[alerts, carried].concat(), [way, members].concat()];
    }
    vec![[alerts, way, carried, members].concat()]
}

fn unknown(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some((_, why)) = known.silent {
        lines.extend(faint(why, width));
        lines.push(Line::default());
    }
    let words = "The agent is started again by itself. Page 6 shows what it wrote. If this lasts, \
                 switch the box off by its power button, and on again. If the button does \
                 nothing, pull the plug: what was written stays.";
    lines.extend(faint(words, width));
    lines
}

fn alerts(known: &Known<'_>, status: &Status, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for alert in &status.alerts {
        lines.extend(words_and_cure(alert, status.now_ms, width));
    }
    if known.has_book && !lines.is_empty() {
        lines.extend(faint("c: a code for your telephone, with more about it", width));
    }
    // An agent of an older release sends no alerts.
    if let Some(trouble) = status.trouble.as_ref().filter(|_| status.alerts.is_empty()) {
        lines.extend(marked("!", trouble, Color::LightYellow, width));
    }
    lines
}

fn words_and_cure(alert: &Alert, now_ms: u64, width: usize) -> Vec<Line<'static>> {
    let (mark, color) = match alert.severity {
        Severity::Critical => ("!", Color::LightRed),
        Severity::Warning => ("!", Color::LightYellow),
        Severity::Notice => (WAITING, Color::White),
    };
    let long = duration(now_ms.saturating_sub(alert.since_ms));
    let mut lines = marked(mark, &format!("{} (for {long})", alert.words), color, width);
    lines.extend(marked("→", &alert.cure, Color::White, width));
    lines
}

/// What the box does and carries, a line each.
fn work(known: &Known<'_>, status: &Status, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![heading("this box", width)];
    for doing in status.doing.iter().take(DOING) {
        lines.extend(fact("doing", doing, Color::LightYellow, width));
    }
    if let Some(storage) = &status.storage {
        lines.extend(fact("storage", &storage.to_string(), Color::White, width));
    }
    if let Some(rest) = known.heals_for {
        lines.extend(fact("", &format!("healed in about {rest}"), Color::White, width));
    }
    if !status.disks.is_empty() {
        let disks: Vec<_> =
            status.disks.iter().map(|d| format!("{} {} % full", d.name, d.used_percent)).collect();
        lines.extend(fact("disks", &disks.join(", "), Color::White, width));
    }
    if let Some(swarm) = &status.swarm {
        lines.extend(fact("swarm", &swarm.to_string(), Color::White, width));
    }
    if !status.stacks.is_empty() {
        let short = status.stacks.iter().filter(|stack| stack.running < stack.desired).count();
        let all = status.stacks.len();
        let (words, color) = match short {
            0 => (format!("all of {all} stacks run"), Color::White),
            short => (format!("{short} of {all} stacks do not run whole"), Color::LightYellow),
        };
        lines.extend(fact("services", &words, color, width));
    }
    lines
}

pub(super) fn phases(status: &Status, title: &str, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![heading(title, width)];
    if status.phases.is_empty() {
        lines.extend(faint(UNKNOWN, width));
    }
    lines.extend(status.phases.iter().flat_map(|state| phase(state, width)));
    lines
}

fn phase(phase: &PhaseStatus, width: usize) -> Vec<Line<'static>> {
    let (mark, color) =
        if phase.holds { (GOOD, Color::LightGreen) } else { (WAITING, Color::LightYellow) };
    let reached = match phase.reached {
        Some(seconds) if phase.holds => format!("{seconds:.1} s"),
        Some(_) => "lost".into(),
        None => String::new(),
    };
    let text = format!("{:<9} {reached:>8}  {}", phase.phase, phase.detail);
    marked(mark, text.trim_end(), color, width)
}

fn members(status: &Status, width: usize) -> Vec<Line<'static>> {
    let up = status.members.iter().filter(|m| m.status == MemberStatus::Alive).count();
    let caption = format!("members: {up} of {} up", status.members.len());
    let mut lines = vec![heading(&caption, width)];
    if status.members.is_empty() {
        lines.extend(faint("none yet", width));
    }
    let own = status.identity.as_ref().map(|me| me.name.as_str());
    let mut sorted: Vec<&MemberView> = status.members.iter().collect();
    // What is missing is above what is there.
    sorted
        .sort_by_key(|m| (m.status == MemberStatus::Alive, Some(m.name.as_str()) != own, &m.name));
    let names = sorted.iter().map(|m| m.name.chars().count()).max().unwrap_or(0);
    lines.extend(sorted.into_iter().map(|m| member(m, own, names)));
    lines
}

fn member(member: &MemberView, own: Option<&str>, names: usize) -> Line<'static> {
    let (mark, word, color) = match member.status {
        MemberStatus::Alive => (GOOD, "up", Color::LightGreen),
        MemberStatus::Leaving => (WAITING, "leaving", Color::LightYellow),
        MemberStatus::Left => (WAITING, "left", Color::Gray),
        MemberStatus::Failed => (BAD, "silent", Color::LightRed),
    };
    let place = match (Some(member.name.as_str()) == own, member.same_cluster) {
        (true, _) => "this box",
        (false, true) => "",
        (false, false) => "not in this cluster",
    };
    Line::from(vec![
        format!("{mark} {:<names$}  ", plain(&member.name)).fg(color),
        format!("{word:<7}  {:<15}  ", member.address.to_string()).into(),
        place.fg(Color::Gray),
    ])
}
