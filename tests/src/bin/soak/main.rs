//! `just soak MINUTES`: boxes write and read while things happen to them, drawn by
//! seed; every acknowledged write must be there after each.

mod befall;
mod draw;
mod gate;
mod hands;
mod ledger;
mod report;
mod verify;
mod writer;

use anyhow::{Context, Result, bail};
use ashlar_tests::claims::Service;
use ashlar_tests::command::workspace;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::site;
use draw::{Drill, Schedule};
use report::{Done, Report};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use writer::Desk;

/// For a cluster to form, or to recover, on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// GiB of a box's data partition: small ones make a witness.
const DATA: u32 = 6;

const USAGE: &str = "\
Boxes of the retail image, in the lab, write to /srv/cluster and read it while drills
drawn by seed befall them; after each, every acknowledged write must be on every box and
in every copy, and the services must run. Needs root. Ends with 1 when something was lost.

usage: just soak MINUTES [--boxes 1..7] [--seed N] [--load N] [--only NAME,…]

  --boxes N      how many boxes (3)
  --seed N       the drills of an earlier run; by default another one each time
  --load N       so many busy threads beside them (0)
  --only NAMES   of power, freeze, cable, reboot, daemon, hang, fill and all, only these

examples:
  just soak 10 --boxes 3 --seed 7
  just soak 60 --boxes 5 --only power,all

What was seen is in out/soak-SEED: report.txt and report.json, every write with what was
answered in acknowledged.jsonl; journals and the copies' marks when something was lost.
";

/// What is asked for.
struct Wanted {
    minutes: u64,
    boxes: usize,
    seed: u64,
    load: usize,
    only: Vec<&'static str>,
}

impl Wanted {
    /// `None` when help is wanted.
    fn from(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut wanted = Self {
            minutes: 0,
            boxes: 3,
            seed: u64::from(rand::random::<u32>()),
            load: 0,
            only: Drill::NAMES.to_vec(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} wants a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "--boxes" => wanted.boxes = value()?.parse().context("--boxes")?,
                "--seed" => wanted.seed = value()?.parse().context("--seed")?,
                "--load" => wanted.load = value()?.parse().context("--load")?,
                "--only" => wanted.only = only(&value()?)?,
                minutes => {
                    let no = || format!("`{minutes}` is no number of minutes: just soak --help");
                    wanted.minutes = minutes.parse().with_context(no)?;
                }
            }
        }
        if !(1..=7).contains(&wanted.boxes) {
            bail!("--boxes is 1 to 7, not {}", wanted.boxes);
        }
        Ok((wanted.minutes > 0).then_some(wanted))
    }

    fn again(&self) -> String {
        let Self { minutes, boxes, seed, load, only } = self;
        let mut words = format!("just soak {minutes} --boxes {boxes} --seed {seed}");
        if *load > 0 {
            words += &format!(" --load {load}");
        }
        if only.len() < Drill::NAMES.len() {
            words += &format!(" --only {}", only.join(","));
        }
        words
    }
}

fn only(names: &str) -> Result<Vec<&'static str>> {
    let known = Drill::NAMES;
    let one = |name: &str| {
        let found = known.iter().find(|known| **known == name).copied();
        found.with_context(|| format!("there is no drill `{name}`; there are: {}", known.join(" ")))
    };
    names.split(',').map(one).collect()
}

fn main() -> Result<ExitCode> {
    let Some(wanted) = Wanted::from(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    let directory = workspace().join(format!("out/soak-{}", wanted.seed));
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("making {}", directory.display()))?;
    println!("{}\nboxes are made", wanted.again());
    let over = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        for _ in 0..wanted.load {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let soaked = soak(&wanted, &directory);
        over.store(true, Relaxed);
        soaked
    })?;
    report.keep(&directory)?;
    print!("\n{}in {}\n", report.text(), directory.display());
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn soak(wanted: &Wanted, directory: &Path) -> Result<Report> {
    let program = hands::program()?;
    // Soaks of different numbers of boxes can run side by side.
    let name = &format!("lab-soak-{}", wanted.boxes);
    let boxes = u16::try_from(wanted.boxes)?;
    let expected = u8::try_from(wanted.boxes)?;
    let fleet = Fleet::off_with_data(name, boxes, &site::expecting(expected, name)?, DATA)?;
    let nodes = fleet.all();
    nodes.iter().try_for_each(|node| fleet.start(node.name()))?;
    let took = fleet.until_ready(&nodes, PATIENCE)?;
    println!("{} boxes ready after {:.1} s", nodes.len(), took.as_secs_f64());
    let service = Service::start(&fleet, "soaked", nodes.len())?;
    let desk = Desk {
        ledger: ledger::Ledger::new(&directory.join("acknowledged.jsonl"))?,
        gate: gate::Gate::default(),
        eyes: nodes.iter().map(|node| hands::Eye::new(*node, &program)).collect(),
        program: &program,
        befallen: Mutex::default(),
        findings: Mutex::default(),
        looks: AtomicU64::new(0),
        late: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        latest: AtomicU64::new(0),
    };
    let drills = std::thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            let desk = &desk;
            scope.spawn(move || writer::write(desk, *node, number + 1));
        }
        let drills = conduct(wanted, &desk, &fleet, &service);
        desk.gate.end();
        drills
    });
    let findings = desk.findings.lock().map(|found| found.clone()).unwrap_or_default();
    let report = Report {
        seed: wanted.seed,
        boxes: wanted.boxes,
        minutes: wanted.minutes,
        load: wanted.load,
        again: wanted.again(),
        drills,
        counts: desk.ledger.counts(),
        looks: desk.looks.load(Relaxed),
        late: desk.late.load(Relaxed),
        refused: desk.refused.load(Relaxed),
        latest_ms: desk.latest.load(Relaxed),
        findings,
    };
    if !report.findings.is_empty() {
        verify::evidence(&fleet, directory)?;
    }
    Ok(report)
}

/// One drill after the other until the time is over, or something is lost: then boxes
/// are left as they are.
fn conduct(wanted: &Wanted, desk: &Desk<'_>, fleet: &Fleet, service: &Service) -> Vec<Done> {
    let since = Instant::now();
    let until = Duration::from_secs(wanted.minutes * 60);
    let everybody: Vec<usize> = (1..=wanted.boxes).collect();
    let mut drills = Vec::new();
    for drill in Schedule::new(wanted.seed, wanted.boxes, &wanted.only) {
        // So that there is something to lose, and reads while all is quiet.
        desk.gate.pause(Duration::from_secs(5));
        let mut done = Done {
            at: since.elapsed().as_secs_f64(),
            words: drill.to_string(),
            ready_after: None,
            drill,
        };
        println!("{:7.1} s  {}", done.at, done.words);
        if let Ok(mut befallen) = desk.befallen.lock() {
            befallen.extend(done.drill.nodes());
        }
        let mut found = Vec::new();
        match befall::befall(fleet, &done.drill, &desk.gate, PATIENCE) {
            Ok(()) => match recovered(desk, fleet, &everybody) {
                Ok(took) => {
                    done.ready_after = Some(took.as_secs_f64());
                    let files = desk.ledger.counts();
                    println!(
                        "           all ready {:.1} s later; looking for {} writes in {} files",
                        took.as_secs_f64(),
                        files.acknowledged,
                        files.files
                    );
                    found = verify::all(desk, fleet, service);
                }
                Err(error) => found.push(format!("{}: {error:#}", done.words)),
            },
            Err(error) => found.push(format!("{}: {error:#}", done.words)),
        }
        drills.push(done);
        found.into_iter().for_each(|finding| desk.found(finding));
        let lost = desk.findings.lock().is_ok_and(|findings| !findings.is_empty());
        if lost || since.elapsed() >= until {
            break;
        }
        if let Ok(mut befallen) = desk.befallen.lock() {
            befallen.clear();
        }
        desk.gate.open();
    }
    drills
}

/// All boxes are ready while they write; then nobody writes, and nothing is to be healed.
fn recovered(desk: &Desk<'_>, fleet: &Fleet, everybody: &[usize]) -> Result<Duration> {
    let since = Instant::now();
    fleet.until("all boxes ready", PATIENCE, || befall::ready(fleet, everybody))?;
    let took = since.elapsed();
    if !desk.gate.close(PATIENCE) {
        bail!("a write hangs for {} s on boxes that are ready", PATIENCE.as_secs());
    }
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    fn wanted(words: &str) -> anyhow::Result<Option<Wanted>> {
        Wanted::from(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_that_repeats_a_soak_asks_for_the_same() {
        let asked = "10 --boxes 5 --seed 7 --load 2 --only power,all";
        let parsed = wanted(asked).unwrap().unwrap();
        assert_eq!(parsed.again(), format!("just soak {asked}"));
    }

    #[test]
    fn what_cannot_be_is_refused_and_nothing_asked_is_a_question() {
        assert!(wanted("").unwrap().is_none());
        assert!(wanted("10 --help").unwrap().is_none());
        for words in ["ten", "10 --boxes 8", "10 --only fire", "10 --seed"] {
            assert!(wanted(words).is_err(), "{words}");
        }
    }
}
