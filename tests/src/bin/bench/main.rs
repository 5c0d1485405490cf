//! The second half of `just bench`: what images and running nodes take, beside
//! the budgets of the design. The first half, `ashlar bench image`, measures the
//! builds. Writes `out/bench.json`.
//!
//! usage: `bench [image] [ring] [lab] [vm]`; all of them when none is named

mod image;
mod nodes;
mod ring;
mod row;

use anyhow::{Result, bail};
use ashlar_tests::command::workspace;
use row::Row;

/// A group of measurements.
type Group = (&'static str, fn() -> Result<Vec<Row>>);

const GROUPS: &[Group] =
    &[("image", image::sizes), ("ring", ring::compare), ("lab", nodes::lab), ("vm", nodes::vm)];

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !GROUPS.iter().any(|(n, _)| n == name)) {
        bail!("there is no group `{unknown}`; there are: image ring lab vm");
    }
    let mut rows = Vec::new();
    for (name, measure) in GROUPS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("measuring {name} …");
            rows.extend(measure()?);
        }
    }
    row::print(&rows);
    row::write(&rows, &workspace().join("out/bench.json"))
}
