//! The workloads: small, fixed, and of code that runs all the time or on much.

mod shipped;
#[path = "../../../../agent/cluster/tests/situations/mod.rs"]
mod situations;

use anyhow::{Context, Result, anyhow, bail};
use ashlar_build::cpio;
use ashlar_cluster::{Wanted, lint, phases, plan};
use ashlar_inspect::lint as checks;
use ashlar_tests::command::workspace;
use rand::{SeedableRng, rngs::StdRng};
use serf_rs::wire::{Envelope, packet, swim};
use serf_rs::{Key, Keyring};
use std::hint::black_box;

/// Names, and how often each is done to be worth counting.
pub(crate) const LOADS: &[(&str, u32)] =
    &[("planner", 2_000), ("codec", 500), ("cpio", 40), ("lint", 2)];

/// Prepares a workload and does it so many times.
pub(crate) fn run(name: &str, times: u32) -> Result<()> {
    match name {
        "planner" => planner(times),
        "codec" => return codec(times),
        "cpio" => cpio(times),
        "lint" => return image(times),
        _ => bail!("there is no workload `{name}`"),
    }
    Ok(())
}

/// What an agent does at every event, in a settled cluster of three.
fn planner(times: u32) {
    let (observed, wanted) = (situations::settled(1, 3), Wanted::default());
    for _ in 0..times {
        let planned = plan(black_box(&observed), &wanted);
        black_box(lint(&planned, &observed, &wanted));
        black_box(phases(&observed, &wanted));
    }
}

/// Opening, reading and sealing packets: the corpus of the fuzz target.
fn codec(times: u32) -> Result<()> {
    let folder = workspace().join("agent/serf-rs/fuzz/corpus/packet");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    let packets = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let open = Envelope::default();
    let keyring = Keyring::new(Key::new(&[7; 32])?)?;
    let sealed = Envelope { keyring: Some(keyring), label: String::new() };
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..times {
        for bytes in &packets {
            let mut alive = 0_usize;
            let each = |kind, body: &[u8]| {
                alive += usize::from(kind == swim::kind::ALIVE && is_alive(body));
            };
            // Some of the corpus is broken on purpose.
            let _ = black_box(packet::read(black_box(bytes), &open, each));
            let packed = packet::write(&[bytes], false, &sealed, &mut rng);
            let _ = black_box(packet::read(&packed, &sealed, |_, body| {
                black_box(body);
            }));
            black_box(alive);
        }
    }
    Ok(())
}

fn is_alive(body: &[u8]) -> bool {
    swim::decode::<swim::Alive>(body).is_ok()
}

/// An initrd of a few hundred small files and some large ones.
fn cpio(times: u32) {
    let mut tree = cpio::Tree::new();
    for folder in 0..20 {
        tree.insert(format!("usr/lib/{folder}"), cpio::Node::Directory);
        for file in 0..20_u8 {
            let size = if file == 0 { 100_000 } else { 500 };
            let node = cpio::Node::File(0o644, vec![file; size]);
            tree.insert(format!("usr/lib/{folder}/{file}"), node);
        }
    }
    for _ in 0..times {
        black_box(cpio::archive(black_box(&tree)));
    }
}

/// Checks that are made by other programs, whose work is not ours to count.
const BY_TOOLS: &[&str] = &["enabled-units", "unit-exposure", "units-verify", "verity-intact"];

/// The checks of an image that are our own.
fn image(times: u32) -> Result<()> {
    let shipped = shipped::Shipped::new()?;
    for _ in 0..times {
        let subject = shipped.subject()?;
        for check in checks::checks().into_iter().filter(|check| !BY_TOOLS.contains(&check.name)) {
            let verdict = checks::run(check, &subject).map_err(|why| anyhow!("{why:?}"))?;
            black_box(verdict);
        }
    }
    Ok(())
}
