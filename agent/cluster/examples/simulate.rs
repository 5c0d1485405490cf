//! Plays one simulated run and prints every event.

use ashlar_cluster::simulate::Scenario;
use std::process::ExitCode;

const HELP: &str = "\
Plays one simulated run of the planner and prints every event in words.

Usage: simulate [--scenario NAME] [--nodes N] [--seed S]
       simulate --seeds COUNT [--scenario NAME] [--nodes N]

  --scenario NAME  the story to play (default: simultaneous-power-on); see below
  --nodes N        how many nodes, 1 to 9 (default: 3); some stories want more than one
  --seed S         the seed (default: 1); the same seed gives the same run
  --seeds COUNT    play seeds 0 to COUNT-1 and print failures only

Scenarios:";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(what) => {
            eprintln!("simulate: {what}\n");
            help();
            ExitCode::from(2)
        }
    }
}

fn help() {
    eprintln!("{HELP}");
    for (name, _) in Scenario::ALL {
        eprintln!("  {name}");
    }
}

fn run() -> Result<ExitCode, String> {
    let (mut scenario, mut nodes, mut seed, mut seeds) =
        (Scenario::SimultaneousPowerOn, 3_usize, 1_u64, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            help();
            return Ok(ExitCode::SUCCESS);
        }
        let value = args.next().ok_or(format!("{arg} wants a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{arg}: `{value}` is no number"));
        match arg.as_str() {
            "--scenario" => {
                let known = Scenario::ALL.iter().find(|(name, _)| *name == value);
                scenario = known.ok_or(format!("there is no scenario `{value}`"))?.1;
            }
            "--nodes" => {
                nodes = usize::try_from(number()?).unwrap_or(usize::MAX);
                if !(1..=9).contains(&nodes) {
                    return Err("--nodes wants 1 to 9".into());
                }
            }
            "--seed" => seed = number()?,
            "--seeds" => seeds = Some(number()?),
            _ => return Err(format!("unknown argument `{arg}`")),
        }
    }
    let least = scenario.least();
    if nodes < least {
        return Err(format!("`{}` wants --nodes {least} to 9", scenario.name()));
    }
    Ok(match seeds {
        Some(count) => play(scenario, nodes, count),
        None => tell(scenario, nodes, seed),
    })
}

fn tell(scenario: Scenario, nodes: usize, seed: u64) -> ExitCode {
    let (report, broken) = scenario.tell(nodes, seed);
    for line in &report.transcript {
        println!("{line}");
    }
    let (s, steps, cuts) = (report.ready_ms / 1000, report.steps, report.cuts);
    println!("\nfirst ready after {s} s, {steps} steps, {cuts} power cuts");
    match broken {
        Some(why) => {
            println!("BROKEN: {why}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn play(scenario: Scenario, nodes: usize, count: u64) -> ExitCode {
    let (mut failed, mut slowest, mut cuts) = (0_u64, 0, 0);
    for seed in 0..count {
        match scenario.play(nodes, seed) {
            Ok(report) => {
                slowest = slowest.max(report.ready_ms);
                cuts += report.cuts;
            }
            Err(failure) => {
                failed += 1;
                let first = failure.why.lines().next().unwrap_or_default();
                println!("seed {seed}: {first}\n  {}", failure.replay);
            }
        }
    }
    println!(
        "{count} seeds, {failed} broken, {cuts} power cuts, slowest ready after {} s",
        slowest / 1000
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
