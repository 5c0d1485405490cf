//! `ashlarctl hardware`.

use super::facts::{Facts, show};
use crate::style::{faint, heading, plain};
use anyhow::Result;
use ashlar_api::{Client, Hardware, bytes};
use std::fmt::{Display, Write};
use std::process::ExitCode;

/// Say what machine this is: maker, serial number, firmware, memory, disks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ashlarctl hardware --json | jq -r .serial")]
pub(crate) struct Args {
    #[command(flatten)]
    facts: Facts,
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    show(&client.hardware().await?, args.facts.json, machine)
}

fn machine(hardware: &Hardware) -> String {
    let mut out = String::new();
    let mut row = |name: &str, value: &dyn Display| {
        let _ = writeln!(out, "{} {value}", heading(name));
    };
    let unknown = faint("not told");
    let told = |fact: &Option<String>| fact.as_deref().map_or_else(|| unknown.clone(), plain);
    row("maker", &told(&hardware.vendor));
    row("product", &told(&hardware.product));
    row("serial", &told(&hardware.serial));
    row("firmware", &told(&hardware.firmware));
    row("slot", &told(&hardware.slot));
    row("kernel", &told(&hardware.kernel));
    row("cpu", &format_args!("{} × {}", hardware.processors, told(&hardware.processor)));
    let [memory, free] = [hardware.memory, hardware.memory_available].map(bytes);
    row("memory", &format_args!("{memory}, {free} free"));
    row(
        "clock",
        &if hardware.clock_synchronised {
            "set by a time server"
        } else {
            "not set by a time server"
        },
    );
    for drive in &hardware.drives {
        let model = drive.model.as_deref().map(plain).unwrap_or_default();
        let serial = drive.serial.as_deref().map(plain).unwrap_or_default();
        let size = bytes(drive.bytes);
        let line = format!("{:<10} {size:>8}  {model}  {serial}", plain(&drive.name));
        row("disk", &line.trim_end());
    }
    out
}
