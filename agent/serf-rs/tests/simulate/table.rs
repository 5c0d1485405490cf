//! How fast rings form and notice a death, by size.

use crate::world::{World, seconds};
use serf_rs::Status;

/// One ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Seconds until all see all, all joining one at once.
    pub(crate) converged: f64,
    /// Seconds from a death until the first knows,
    pub(crate) known_by_one: f64,
    /// and until all know.
    pub(crate) known_by_all: f64,
}

/// Forms a ring and kills one.
pub(crate) fn measure(n: usize, seed: u64) -> Row {
    let mut world = World::new(seed, n, None);
    for machine in 0..n {
        world.start(machine);
    }
    for machine in 1..n {
        world.join(machine, 0);
    }
    let elapsed = |world: &World, since: serf_rs::Time| (world.now - since).as_secs_f64();
    let begun = world.now;
    world.run_until(seconds(120.0), World::all_see_all);
    let converged = elapsed(&world, begun);
    world.run(seconds(10.0));
    let dead = n / 2;
    let begun = world.now;
    world.kill(dead);
    let knows =
        |world: &World, machine: &usize| world.belief(*machine, dead) == Some(Status::Failed);
    world.run_until(seconds(120.0), |world| world.running().iter().any(|m| knows(world, m)));
    let known_by_one = elapsed(&world, begun);
    world.run_until(seconds(120.0), |world| world.running().iter().all(|m| knows(world, m)));
    Row { converged, known_by_one, known_by_all: elapsed(&world, begun) }
}

/// Rings of one size.
pub(crate) struct Rows {
    pub(crate) n: usize,
    pub(crate) rows: Vec<Row>,
}

impl Rows {
    pub(crate) fn measure(n: usize, rings: u64) -> Self {
        Self { n, rows: (0..rings).map(|seed| measure(n, seed)).collect() }
    }

    /// Of one column: the median, what 95 % keep to, and the worst.
    pub(crate) fn percentiles(&self, column: fn(&Row) -> f64) -> [f64; 3] {
        let mut values: Vec<f64> = self.rows.iter().map(column).collect();
        values.sort_by(f64::total_cmp);
        [0.5, 0.95, 1.0].map(|share| values[((values.len() - 1) as f64 * share).round() as usize])
    }
}

pub(crate) fn print(table: &[Rows]) {
    println!("                seconds: median, 95 %, worst");
    println!(
        "{:>5} {:>5}  {:^20}  {:^20}  {:^20}",
        "N", "rings", "all see all", "one knows", "all know"
    );
    for rows in table {
        let text = |column: fn(&Row) -> f64| {
            let [median, most, worst] = rows.percentiles(column);
            format!("{median:6.2} {most:6.2} {worst:6.2}")
        };
        let (seen, one, all) =
            (text(|row| row.converged), text(|row| row.known_by_one), text(|row| row.known_by_all));
        println!("{:>5} {:>5}  {seen}  {one}  {all}", rows.n, rows.rows.len());
    }
}
