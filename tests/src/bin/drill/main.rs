//! `just drill`: what is too long for every day, run once before something is
//! closed. Each drill is a filter of a tier's tests, at full length.

use anyhow::{Context, Result, bail};
use ashlar_tests::command::workspace;
use std::process::{Command, ExitCode};

/// A drill.
struct Drill {
    name: &'static str,
    what: &'static str,
    /// Words of `cargo`: what is built first,
    build: &'static str,
    /// and what is run.
    run: &'static str,
}

const DRILLS: &[Drill] = &[
    Drill {
        name: "vm-loss",
        what: "three VMs that lose one and get it back, and what else the lab proves every day",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture vm::",
    },
    Drill {
        name: "ring-quiet",
        what: "20 agents, ours and HashiCorp's: 10 minutes idle, 5 with 20 % of packets lost",
        build: "build --release --locked -p serf-rs --example serf-rs",
        run: "test --locked --workspace --test interop -- --test-threads=2 calm_twenty",
    },
    Drill {
        name: "ring-table",
        what: "simulated rings of 3 to 1,000: seconds until they form and know of a death",
        build: "test --release --locked -p serf-rs --test simulate --no-run",
        run: "test --release --locked -p serf-rs --test simulate -- --nocapture within_their_bounds",
    },
    Drill {
        name: "hung-daemons",
        what: "of three lab nodes one's engine and storage daemon, and each one's brick, are stopped in their tracks",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 lab::",
    },
    Drill {
        name: "node-remove",
        what: "of four lab nodes the leader is taken out and comes back, or one is struck off that runs on",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture removing::",
    },
    Drill {
        name: "pki-rotate",
        what: "on three lab nodes the CA is replaced while one writes and one keeps a session open, then while one is off",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture succession::",
    },
    Drill {
        name: "ring-rotate",
        what: "the ring's key is replaced while one of three is off; a fourth comes, and an old stick",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture rotating::",
    },
    Drill {
        name: "growth",
        what: "three lab nodes become six while one writes; files move to a second set; one is cut",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture growing::",
    },
    Drill {
        name: "directories",
        what: "three lab nodes make the same directories at once: those that are torn by it open again",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture tearing::",
    },
    Drill {
        name: "emptied",
        what: "one of three lab nodes comes back with an empty data partition while another writes",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture emptied::",
    },
    Drill {
        name: "broken-data",
        what: "a copy that a repair cut short is filled by the others, in the lab; a VM's data partition breaks, twice",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture broken::",
    },
    Drill {
        name: "meet",
        what: "two lab nodes, each of which founded a cluster, meet: one holds data, or both do",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture meeting::",
    },
    Drill {
        name: "witness",
        what: "two lab nodes and a witness: either of the two fails, and comes back without the other",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture witness::",
    },
    Drill {
        name: "alone",
        what: "two lab nodes: the first dies for good, and a person tells the second to go on",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture alone::",
    },
    Drill {
        name: "reset-cluster",
        what: "one of three lab nodes gives up its place and is in again as another box; then all do",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture resetting::",
    },
    Drill {
        name: "two",
        what: "two lab nodes: one is switched off in order, the other one goes on, and hands back",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture two::",
    },
    Drill {
        name: "reset",
        what: "a VM is reset with its site, its power cut while its disk is emptied",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture reset::",
    },
    Drill {
        name: "install",
        what: "a stick installs a VM over another site's disk and stays in; the menu resets it; root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture over_another_site",
    },
    Drill {
        name: "wifi",
        what: "a box reaches out by the wireless network that its site names, on radios of the kernel's own",
        build: "run --release --locked --quiet -p ashlar -- build --profile minimal-metal --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture wifi::",
    },
    Drill {
        name: "late-site",
        what: "a disk that any flasher wrote takes the site that was copied onto it; a box without one takes it from a stick",
        build: "run --release --locked --quiet -p ashlar -- build --profile minimal-metal --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture late::",
    },
    Drill {
        name: "attended",
        what: "an installer asks at the screen, and each question is answered wrongly once; needs root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture attended::",
    },
    Drill {
        name: "try",
        what: "a box is tried from a stick: it answers, and not a byte of disk or stick changes; needs root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture trying::",
    },
    Drill {
        name: "one-stick",
        what: "one stick installs three boxes, which form a cluster; one is reset and joins again; needs root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture one_stick::",
    },
    Drill {
        name: "hardware",
        what: "the same onto an SD card and a SATA disk, with other network cards; needs root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture install::a_box_with",
    },
    Drill {
        name: "hardware-sata",
        what: "of these the SATA disk alone",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture a_box_with_a_sata",
    },
    Drill {
        name: "hardware-sd",
        what: "of these the SD card alone",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture a_box_with_an_sd",
    },
    Drill {
        name: "failing",
        what: "a VM whose boot fails: the words on its screen, no shell, again after five minutes",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture failing::",
    },
    Drill {
        name: "stick",
        what: "a reset is chosen on a VM's stick that no box ran from: it says so until it is out",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture stick::",
    },
    Drill {
        name: "support",
        what: "a box is asked at its screen for a file for whoever helps, and writes it onto a stick",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture support::",
    },
    Drill {
        name: "fallback",
        what: "a wrong address is typed at a VM's screen: cut off, and back two minutes later",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture fallback::",
    },
    Drill {
        name: "uplink",
        what: "two VMs with bonded ports and a VLAN lose a cable; a third goes by a proxy with a password",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture uplink::",
    },
    Drill {
        name: "clocks",
        what: "of three VMs without a time server one is years ahead; it goes by the others",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture clocks::",
    },
    Drill {
        name: "boot",
        what: "instructions of one VM until its agent runs and until it is ready, unit by unit",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture boot::",
    },
    Drill {
        name: "profiles",
        what: "every profile is built, those of real machines start on one; one box by itself runs in the lab and is reset; needs root",
        build: "build --release --locked -p ashlar",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture profiles::",
    },
    Drill {
        name: "bytes",
        what: "an ordinary user, and Debian 13, build from nothing and no network; needs root",
        build: "run --release --locked --quiet -p ashlar -- build --profile retail --locked",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture bytes::",
    },
    Drill {
        name: "formats",
        what: "the minimal image as qcow2, as vmdk, as a DVD and as an ISO on a stick, each booted",
        build: "run --release --locked --quiet -p ashlar -- build --profile minimal --locked --target iso,qcow2,vmdk",
        run: "test --locked --workspace --test drill -- --test-threads=1 --nocapture formats::",
    },
];

fn main() -> Result<ExitCode> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() || wanted.iter().any(|word| word.starts_with('-')) {
        print!("{}", usage());
        return Ok(ExitCode::SUCCESS);
    }
    for name in &wanted {
        let Some(drill) = DRILLS.iter().find(|drill| drill.name == *name) else {
            bail!("there is no drill `{name}`\n\n{}", usage());
        };
        println!("━━ {}: {}", drill.name, drill.what);
        if !cargo(drill.build)? || !cargo(drill.run)? {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn usage() -> String {
    let mut text = "Runs what takes longer than a test may: just drill NAME…\n\n".to_owned();
    for drill in DRILLS {
        text += &format!("  {:<12} {}\n", drill.name, drill.what);
    }
    text
}

/// Whether it succeeds.
fn cargo(words: &str) -> Result<bool> {
    let status = Command::new("cargo")
        .args(words.split(' '))
        .current_dir(workspace())
        // What its tests read to know that they may take their time.
        .env("ASHLAR_DRILL", "1")
        .status()
        .context("`cargo` cannot be started")?;
    Ok(status.success())
}
