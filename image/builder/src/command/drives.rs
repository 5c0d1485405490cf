//! The disks of this host, for `ashlar flash`.

use crate::context::Context;
use ashlar_disk::{Bus, Drive, candidates};
use serde::Serialize;
use std::process::ExitCode;

/// What `ashlar flash --json` prints where no disk is named.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Disks {
    /// The disks that could be written.
    disks: Vec<Drive>,
}

/// Lists what could be flashed. It ends as a usage error, so that a script that
/// lost its argument notices.
pub(crate) fn list(context: &Context) -> miette::Result<ExitCode> {
    let drives = candidates();
    for drive in &drives {
        context.output.line(format_args!("{:14} {}", drive.path.display(), words(drive)));
        if let Some(by) = &drive.in_use {
            context.output.line(format_args!("{:14}   in use: {by}", ""));
        }
        match &drive.contents {
            None => context
                .output
                .line(format_args!("{:14}   what is on it cannot be read; try it as root", "")),
            Some(found) => {
                for line in found {
                    context.output.line(format_args!("{:14}   {line}", ""));
                }
            }
        }
    }
    if drives.is_empty() {
        context.output.line("no disk is here that an image could be written to");
    }
    context.output.note("\nsay which: sudo ashlar flash DISK --site SITE");
    context.output.json(&Disks { disks: drives })?;
    Ok(ExitCode::from(2))
}

/// A disk in one line: what it is, how large, how it is connected.
pub(crate) fn words(drive: &Drive) -> String {
    let model = if drive.model.is_empty() { "unknown model" } else { &drive.model };
    let serial = match drive.serial.as_str() {
        "" => String::new(),
        serial => format!(", serial {serial}"),
    };
    let bus = match drive.bus {
        Bus::Usb => match drive.speed {
            Some(speed) => &format!("USB at {speed} Mbit/s"),
            None => "USB",
        },
        Bus::Sd => "SD card",
        Bus::Emmc => "eMMC",
        Bus::Nvme => "NVMe",
        Bus::Sata => "SATA",
        Bus::Virtio => "virtio",
        Bus::Loop => "a file",
        Bus::Other => "unknown bus",
    };
    let fixed = if drive.is_fixed() { ", cannot be pulled" } else { "" };
    let protected = if drive.read_only { ", write-protected" } else { "" };
    format!("{model}{serial}, {:.1} GB, {bus}{fixed}{protected}", drive.size as f64 / 1e9)
}
