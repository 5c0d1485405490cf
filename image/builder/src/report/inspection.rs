//! An inspection for people.

use crate::output::Output;
use ashlar_inspect::{Content, Inspection};
use bytesize::ByteSize;
use std::fmt::Write;

/// Prints what was found.
pub(crate) fn print(inspection: &Inspection, output: &Output) {
    output.line(format_args!(
        "{}  {} ({} on this host)",
        inspection.image.display(),
        ByteSize(inspection.size),
        ByteSize(inspection.allocated)
    ));
    output.line(format_args!("disk {}\n", inspection.disk_guid));
    output.line(partitions(inspection));
    for slot in &inspection.slots {
        output.line(format_args!(
            "slot {}   version {}",
            slot.slot,
            slot.version.as_deref().unwrap_or("unknown")
        ));
        output.line(format_args!(
            "         root hash {}",
            slot.root_hash.as_deref().unwrap_or("unknown")
        ));
        output.line(format_args!("         uki {}", slot.uki.as_deref().unwrap_or("none")));
        for problem in &slot.problems {
            output.line(format_args!("         problem: {problem}"));
        }
    }
    for file in inspection.ukis() {
        let uki = &file.uki;
        output.line(format_args!(
            "\nuki      {}  {}{}",
            file.path,
            ByteSize(file.size),
            if uki.signed { ", signed" } else { "" }
        ));
        if let Some(name) = uki.os_release.get("PRETTY_NAME") {
            output.line(format_args!("         {name}"));
        }
        output.line(format_args!("         kernel {}", uki.uname.as_deref().unwrap_or("unknown")));
        for line in uki.command_lines() {
            output.line(format_args!("         command line: {line}"));
        }
        let sections: Vec<String> = uki
            .sections
            .iter()
            .filter(|section| section.size >= 1 << 16)
            .map(|section| format!("{} {}", section.name, ByteSize(section.size)))
            .collect();
        output.line(format_args!("         {}", sections.join(", ")));
    }
    if let Some(packages) = &inspection.packages {
        output.line(format_args!("\n{} packages", packages.len()));
        let wide = packages.iter().map(|package| package.name.len()).max().unwrap_or(0);
        for package in packages {
            output.line(format_args!(
                "  {:wide$}  {} {}",
                package.name, package.version, package.architecture
            ));
        }
    }
}

fn partitions(inspection: &Inspection) -> String {
    let mut table = String::new();
    let _ = writeln!(
        table,
        "{:>2}  {:10} {:22} {:>10} {:>10} {:>4}  content",
        "#", "label", "type", "size", "used", "%"
    );
    for report in &inspection.partitions {
        let partition = &report.partition;
        let (used, percent) = match report.used {
            Some(used) => (
                ByteSize(used).to_string(),
                (used.saturating_mul(100) / partition.size).to_string(),
            ),
            None => ("?".into(), "?".into()),
        };
        let _ = writeln!(
            table,
            "{:>2}  {:10} {:22} {:>10} {:>10} {:>4}  {}",
            partition.number,
            partition.label,
            partition.kind,
            ByteSize(partition.size),
            used,
            percent,
            content(&report.content)
        );
    }
    table
}

fn content(content: &Content) -> String {
    match content {
        Content::Empty => "empty".into(),
        Content::Unknown => "unknown".into(),
        Content::Vfat(fat) => format!("vfat {}, {} files", fat.label.trim(), fat.files.len()),
        Content::Erofs(erofs) => {
            format!("erofs {} {}, {} inodes", erofs.uuid, erofs.compression.join("+"), erofs.inodes)
        }
        Content::Verity(verity) => {
            format!("verity {}, salt {:.8}…", verity.algorithm, verity.salt)
        }
    }
}
