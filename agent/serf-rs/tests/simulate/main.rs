//! Rings on virtual time: thousands of seeds, and what has to hold in each.
//!
//! A failure prints how to see it again. `SERF_SEEDS` scales how many seeds
//! are tried; `SERF_REPLAY=scenario:n:seed` runs one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so and ends"
)]

mod scenarios;
mod table;
mod world;

use scenarios::{ALL, Scenario, keyring};
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

fn play(scenario: &Scenario, n: usize, seed: u64) -> Result<(), String> {
    let keyring = scenario.sealed.then(keyring);
    let mut world = World::new(seed, n, keyring);
    (scenario.run)(&mut world).map_err(|what| {
        format!(
            "{what}\n  at {:.1} s of {} with {n} nodes, seed {seed}; again:\n  \
             SERF_REPLAY={}:{n}:{seed} cargo test -p serf-rs --test simulate replay -- --nocapture",
            world.now.since_start().as_secs_f64(),
            scenario.name,
            scenario.name,
        )
    })
}

fn scale() -> u64 {
    std::env::var("SERF_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1)
}

/// Every scenario with `seeds` seeds, on every core.
fn try_seeds(n: usize, seeds: u64) {
    let (next, total) = (AtomicU64::new(0), seeds * ALL.len() as u64);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let mut failures = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= total || failures.len() >= 3 {
                    return failures;
                }
                let scenario = &ALL[(job % ALL.len() as u64) as usize];
                failures.extend(play(scenario, n, job / ALL.len() as u64).err());
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn rings_of_three_hold_whatever_happens() {
    try_seeds(3, 200 * scale());
}

#[test]
fn rings_of_ten_hold_whatever_happens() {
    try_seeds(10, 40 * scale());
}

#[test]
fn rings_of_a_hundred_hold_whatever_happens() {
    try_seeds(100, scale());
}

#[test]
fn replay() {
    let Ok(wanted) = std::env::var("SERF_REPLAY") else { return };
    let parts: Vec<&str> = wanted.split(':').collect();
    let [name, n, seed] = parts[..] else { panic!("SERF_REPLAY is scenario:n:seed") };
    let scenario =
        ALL.iter().find(|scenario| scenario.name == name).expect("a scenario of this name");
    let result = play(scenario, n.parse().expect("a number"), seed.parse().expect("a number"));
    assert!(result.is_ok(), "{}", result.unwrap_err());
}

/// The bounds are some way above what `just drill ring-table` prints, which is
/// this with more rings.
#[test]
fn rings_form_and_know_of_a_death_within_their_bounds() {
    let drill = std::env::var_os("ASHLAR_DRILL").is_some();
    let mut sizes =
        vec![(3, 30, 300, 0.2, 12.0), (10, 20, 200, 1.0, 20.0), (100, 2, 30, 3.0, 25.0)];
    if drill {
        // One of these computes for as long as everything else here.
        sizes.push((1000, 0, 3, 30.0, 60.0));
    }
    let table: Vec<table::Rows> = std::thread::scope(|scope| {
        let measure = |&(n, rings, drilled, ..): &(usize, u64, u64, f64, f64)| {
            scope.spawn(move || table::Rows::measure(n, if drill { drilled } else { rings }))
        };
        let running: Vec<_> = sizes.iter().map(measure).collect();
        running.into_iter().map(|size| size.join().expect("no ring panics")).collect()
    });
    for ((n, _, _, formed, known), rows) in sizes.into_iter().zip(&table) {
        let [_, _, worst] = rows.percentiles(|row| row.converged);
        assert!(worst <= formed, "a ring of {n} took {worst:.2} s to form");
        let [_, _, worst] = rows.percentiles(|row| row.known_by_all);
        assert!(worst <= known, "a ring of {n} took {worst:.2} s to know of a death");
    }
    table::print(&table);
}

/// As memberlist does it, there are 41; when only refuted accusations are
/// corrected 24, and when only suspects are asked in person 5.
#[test]
fn where_a_fifth_of_the_packets_is_lost_hardly_anyone_is_taken_for_failed() {
    let mut failures = 0;
    for (n, seeds) in [(3, 100), (20, 20)] {
        for seed in 0..seeds {
            let mut world = World::new(seed, n, None);
            scenarios::form(&mut world).expect("a ring");
            world.network = world::Network { loss: 0.2, ..world::Network::default() };
            let since = world.now;
            world.run(world::seconds(300.0));
            failures += world.false_failures(since);
        }
    }
    assert!(failures <= 3, "{failures} false failures in 120 rings");
}
