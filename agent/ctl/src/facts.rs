//! `ashlarctl network` and `ashlarctl hardware`, and how facts are shown.

use crate::cli;
use crate::style::{faint, good, heading, plain, waiting};
use anyhow::Result;
use ashlar_api::{Client, Hardware, LinkView, Network, bytes};
use serde::Serialize;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::process::ExitCode;

pub(crate) async fn network(client: &Client, options: &cli::Facts) -> Result<ExitCode> {
    show(&client.network().await?, options.json, ports)
}

pub(crate) async fn hardware(client: &Client, options: &cli::Facts) -> Result<ExitCode> {
    show(&client.hardware().await?, options.json, machine)
}

/// As JSON, or in words.
pub(crate) fn show<T: Serialize>(
    facts: &T,
    json: bool,
    words: fn(&T) -> String,
) -> Result<ExitCode> {
    let text = if json { serde_json::to_string(facts)? + "\n" } else { words(facts) };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn ports(network: &Network) -> String {
    let mut out = String::new();
    let width = network.links.iter().map(|link| link.name.len()).max().unwrap_or(0);
    for link in &network.links {
        let mark = if link.carrier { good("✔") } else { waiting("-") };
        let LinkView { name, addresses, .. } = link;
        let mac = link.mac.as_deref().unwrap_or("no MAC");
        let state = link.state();
        let line = format!("{mark} {:<width$}  {mac:<17}  {state:<14}", plain(name));
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}", format!("{line}  {}", addresses.join("  ")).trim_end());
    }
    let mut row = |name: &str, values: Vec<String>| {
        let values = if values.is_empty() { faint("none") } else { values.join("  ") };
        let _ = writeln!(out, "{} {values}", heading(name));
    };
    row("gateway", network.gateways.iter().map(ToString::to_string).collect());
    row("names", network.name_servers.iter().map(ToString::to_string).collect());
    out
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
