//! The machine.

use super::{UNKNOWN, fact, faint, heading};
use crate::known::Known;
use ashlar_api::{Drive, bytes};
use ratatui::style::Color;
use ratatui::text::Line;

pub(super) fn lines(known: &Known<'_>, width: usize) -> Vec<Line<'static>> {
    let Some(hardware) = known.hardware else { return faint(UNKNOWN, width) };
    let mut lines = vec![heading("machine", width)];
    let mut row = |name: &str, value: &str| lines.extend(fact(name, value, Color::White, width));
    let told = |fact: &Option<String>| fact.clone().unwrap_or_else(|| "not told".into());
    row("maker", &told(&hardware.vendor));
    row("product", &told(&hardware.product));
    row("serial", &told(&hardware.serial));
    row("firmware", &told(&hardware.firmware));
    let secure_boot = match hardware.secure_boot {
        Some(true) => "Secure Boot on",
        Some(false) => "Secure Boot off",
        None => "Secure Boot not told",
    };
    let tpm = if hardware.tpm { "TPM" } else { "no TPM" };
    row("trust", &format!("{secure_boot}, {tpm}"));
    row("cpu", &format!("{} × {}", hardware.processors, told(&hardware.processor)));
    let [all, free] = [hardware.memory, hardware.memory_available].map(bytes);
    row("memory", &format!("{all}, {free} free"));
    row("kernel", &told(&hardware.kernel));
    lines.push(heading("disks and sticks", width));
    if hardware.drives.is_empty() {
        lines.extend(faint("none", width));
    }
    for drive in &hardware.drives {
        lines.extend(fact(&drive.name, &told_of(drive), Color::White, width));
    }
    lines
}

fn told_of(drive: &Drive) -> String {
    let mut facts = vec![bytes(drive.bytes)];
    facts.extend(drive.model.clone());
    facts.extend(drive.serial.as_ref().map(|serial| format!("serial {serial}")));
    facts.extend(drive.removable.then(|| "can be pulled out".to_owned()));
    facts.join(", ")
}
