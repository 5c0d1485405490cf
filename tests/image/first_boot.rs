//! How the first boot divides a disk: systemd-repart of the tools, with the definitions of
//! the overlay `base`, over the finished image. Nothing is formatted.

use anyhow::{Context, Result, ensure};
use ashlar_machine::Tools;
use ashlar_tests::command::{run, workspace};
use ashlar_tests::image::Built;
use ashlar_tests::project::{scratch, tools_root};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const GIB: u64 = 1 << 30;

/// Label, size before and size afterwards of each partition.
type Division = Vec<(String, u64, u64)>;

/// What it would make of a disk that is so large; nothing where that is too small.
fn division(disk: &Path, size: u64) -> Result<Option<Division>> {
    let definitions = workspace().join("overlays/base/usr/lib/repart.d");
    let folder = disk.parent().context("a folder")?;
    let mut repart =
        Tools::Root(tools_root()?).command("systemd-repart", &[folder], &[&definitions]);
    repart.args(["--dry-run=yes", "--offline=yes", "--json=short"]);
    repart.arg(format!("--size={size}")).arg("--definitions").arg(&definitions).arg(disk);
    let output = repart.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("Can't fit requested partitions"), "{said}");
        return Ok(None);
    }
    let told: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let one = |part: &Value| {
        let label = part["label"].as_str()?.to_owned();
        Some((label, part["old_size"].as_u64()?, part["raw_size"].as_u64()?))
    };
    told.iter()
        .map(|part| one(part).with_context(|| part.to_string()))
        .collect::<Result<_>>()
        .map(Some)
}

#[test]
fn the_first_boot_fits_itself_to_16_gb_and_to_4_tb() -> Result<()> {
    let room = scratch("first-boot")?;
    let disk = room.path().join("disk.raw");
    let image = Built::retail()?.disk()?;
    run(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(image).arg(&disk))?;
    ensure!(division(&disk, 14_000_000_000)?.is_none(), "it fits into less than people have");
    // What is sold as 16 GB is less.
    let expected =
        [(15_500_000_000, 4 * GIB..5 * GIB), (4_000_000_000_000, 16 * GIB..16 * GIB + 1)];
    for (size, state) in expected {
        let parts = division(&disk, size / 4096 * 4096)?.context("no room")?;
        let of = |label: &str| -> Result<u64> {
            let part = parts.iter().find(|(name, ..)| name == label);
            Ok(part.with_context(|| format!("no {label}: {parts:?}"))?.2)
        };
        for (label, before, after) in &parts {
            ensure!(*before == 0 || before == after, "{label} was shipped: {before}, {after}");
        }
        ensure!(of("root-a")? == of("root-b")? && of("verity-a")? == of("verity-b")?, "{parts:?}");
        ensure!(state.contains(&of("state")?) && of("data")? >= 4 * GIB, "{parts:?}");
        let all: u64 = parts.iter().map(|(.., size)| size).sum();
        ensure!(all <= size && size - all < GIB / 16, "{all} of {size} bytes: {parts:?}");
    }
    Ok(())
}
