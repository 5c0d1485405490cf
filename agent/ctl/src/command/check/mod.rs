//! `ashlarctl check`: whether this box is as it should be, part by part, and what cures
//! what is not.

mod judge;
mod look;

use crate::NOT_READY;
use crate::style::{bad, faint, good, heading, plain, waiting};
use anyhow::Result;
use ashlar_api::Client;
use judge::{Facts, Line, Verdict, judge};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

const EXAMPLES: &str = "\
As root it also writes a file to the volume and reads it back, and looks at this box's \
certificate. It ends with 3 when a line is marked ! or ✘.

Examples:
  ashlarctl check                 every part, and what cures what is wrong
  ashlarctl check --json | jq -r '.checks[] | select(.cure) | .words'
  ashlarctl check --schema        what --json prints, as JSON Schema";

/// Check this box part by part: ring, certificates, storage, Swarm, time, disk, network
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of that object, and do nothing else.
    #[arg(long, conflicts_with = "json")]
    schema: bool,
}

/// What `--json` prints, as JSON Schema.
pub(crate) const SCHEMA: &str = include_str!("schema.json");

impl Args {
    /// A schema is of no box.
    pub(crate) fn is_of_one_box(&self) -> bool {
        !self.schema
    }
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    if options.schema {
        std::io::stdout().write_all(SCHEMA.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if !options.json && std::io::stderr().is_terminal() {
        eprintln!("… looking; this may take some seconds");
    }
    let status = client.status().await?;
    let (hardware, network) = (client.hardware().await?, client.network().await?);
    let here = if client.is_elsewhere() { None } else { Some(look::here(&status, &network).await) };
    let lines = judge(&Facts { status, hardware, network, here });
    let well = lines.iter().all(|line| !line.verdict.is_wrong());
    let text = if options.json { json(well, &lines)? } else { table(&lines)? };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

fn json(well: bool, lines: &[Line]) -> Result<String> {
    let found = serde_json::json!({ "version": 1, "well": well, "checks": lines });
    Ok(found.to_string() + "\n")
}

fn table(lines: &[Line]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for line in lines {
        let words = plain(&line.words);
        let marked = match line.verdict {
            Verdict::Good => format!("{} {words}", good("✔")),
            Verdict::Note => format!("· {words}"),
            Verdict::Warning => waiting(&format!("! {words}")),
            Verdict::Bad => bad(&format!("✘ {words}")),
            Verdict::Skipped => faint(&format!("- {words}")),
        };
        writeln!(out, "{} {marked}", heading(line.part.as_str()))?;
        if let Some(cure) = &line.cure {
            writeln!(out, "{} {}", heading(""), faint(&format!("  {}", plain(cure))))?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{SCHEMA, json, judge, judge::tests::a_well_box};
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Every key and every word of what is printed stands in the schema, and no other.
    #[test]
    fn the_schema_says_what_is_printed() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let printed: Value =
            serde_json::from_str(&json(true, &judge(&a_well_box())).unwrap()).unwrap();
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
        };
        assert_eq!(keys(&schema["properties"]), keys(&printed));
        let line = &schema["properties"]["checks"]["items"];
        let known = keys(&line["properties"]);
        let words = |key: &str| -> BTreeSet<String> {
            let words = line["properties"][key]["enum"].as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        for check in printed["checks"].as_array().unwrap() {
            assert!(keys(check).is_subset(&known), "{check}");
            for required in line["required"].as_array().unwrap() {
                assert!(check.get(required.as_str().unwrap()).is_some(), "{required}: {check}");
            }
            for key in ["part", "verdict"] {
                assert!(words(key).contains(check[key].as_str().unwrap()), "{check}");
            }
        }
    }
}
