//! The volume and the disks.

use super::{UNKNOWN, fact, faint, heading};
use crate::known::Known;
use ashlar_api::{DiskView, Part, Status, StorageView, bytes};
use ratatui::style::{Color, Stylize};
use ratatui::text::Line;

/// Cells of the bar that shows how full a disk is.
const BAR: usize = 20;

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let Some(status) = known.status else { return faint(UNKNOWN, width) };
    let mut lines = Vec::new();
    match &status.storage {
        None => lines.extend(faint("This profile has no replicated storage.", width)),
        Some(storage) => lines.extend(volume(storage, known, width)),
    }
    lines.push(heading("partitions of this box", width));
    if status.disks.is_empty() {
        lines.extend(faint(UNKNOWN, width));
    }
    lines.extend(status.disks.iter().map(partition));
    lines.extend(daemons(status, width));
    lines
}

fn volume(storage: &StorageView, known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![heading(&format!("volume {}", storage.volume), width)];
    if storage.replicas == 0 {
        lines.extend(faint("There is no volume yet.", width));
        return lines;
    }
    let StorageView { bricks, bricks_online, .. } = storage;
    let color = if bricks_online == bricks { Color::LightGreen } else { Color::LightYellow };
    let up =
        format!("{bricks_online} of {bricks} run; each file is kept {} times", storage.replicas);
    let yes = |holds, yes: &'static str, no: &'static str| {
        if holds { (yes, Color::LightGreen) } else { (no, Color::LightYellow) }
    };
    let (mounted, at) = yes(storage.mounted, "yes, at /srv/cluster", "no");
    let (tls, seal) = yes(storage.tls, "yes", "no");
    let (heal, healing) = match (storage.pending_heals, known.heals_for) {
        (None, _) => ("not known".into(), Color::LightYellow),
        (Some(0), _) => ("every copy is whole".into(), Color::LightGreen),
        (Some(n), None) => (format!("{n} files to heal: leave the boxes on"), Color::LightYellow),
        (Some(n), Some(rest)) => {
            (format!("{n} files to heal, about {rest}: leave the boxes on"), Color::LightYellow)
        }
    };
    lines.extend(fact("copies", &up, color, width));
    lines.extend(fact("healing", &heal, healing, width));
    lines.extend(fact("mounted", mounted, at, width));
    lines.extend(fact("encrypted", tls, seal, width));
    lines
}

fn partition(disk: &DiskView) -> Line<'static> {
    let filled = usize::from(disk.used_percent) * BAR / 100;
    let color = match disk.used_percent {
        95.. => Color::LightRed,
        85.. => Color::LightYellow,
        _ => Color::LightGreen,
    };
    Line::from(vec![
        format!("{:<10}", disk.name).fg(Color::Gray),
        "█".repeat(filled.min(BAR)).fg(color),
        "·".repeat(BAR.saturating_sub(filled)).fg(Color::Gray),
        format!(" {:>3} % of {}", disk.used_percent, bytes(disk.bytes)).into(),
    ])
}

fn daemons(status: &Status, width: usize) -> Vec<Line<'static>> {
    let here = |part| matches!(part, Part::Storage | Part::Mount);
    super::services::parts(status, here, "what carries it", width)
}
