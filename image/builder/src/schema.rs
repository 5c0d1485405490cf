//! What `--json` prints, as JSON Schema: `docs/reference/ashlar.schema.json` is made from
//! the types that are printed, so that it cannot be out of date.

use crate::cli::Cli;
use crate::command::{
    cache, compare, cve, doctor, drives, flash, lint, lock, machines, man, new, profile, sbom,
    scan, site, size, stamp, vendor,
};
use crate::graph::Graph;
use crate::output::Failure;
use ashlar_build::{Built, Report};
use ashlar_inspect::Inspection;
use ashlar_machine::ClusterView;
use clap::CommandFactory;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Printed = fn(&mut SchemaGenerator) -> Schema;

/// What each verb prints. `tests/published.rs` sees those print it that need no image.
const VERBS: &[(&str, Printed)] = &[
    ("doctor", of::<doctor::Diagnosis>),
    ("profile list", of::<profile::list::Profiles>),
    ("profile show", of::<profile::show::ShownProfile<'_>>),
    ("profile new", of::<profile::new::Begun<'_>>),
    ("profile check", of::<profile::check::AllChecked>),
    ("profile diff", of::<profile::diff::Differences<'_>>),
    ("new", of::<new::NewSite<'_>>),
    ("site new", of::<site::ShownSite<'_>>),
    ("site show", of::<site::ShownSite<'_>>),
    ("site list", of::<site::Sites>),
    ("site admin", of::<site::admin::NewPass<'_>>),
    ("site admin revoke", of::<site::admin::TakenBack<'_>>),
    ("site admin list", of::<site::admin::Passes<'_>>),
    ("site pin", of::<site::Pin>),
    ("lock", of::<lock::Locks>),
    ("vendor", of::<vendor::Kept<'_>>),
    ("build", built),
    ("flash", flashed),
    ("stamp", of::<stamp::Stamped<'_>>),
    ("vm up", of::<ClusterView>),
    ("vm down", done),
    ("vm list", of::<machines::Clusters>),
    ("vm start", done),
    ("vm stop", done),
    ("vm kill", done),
    ("vm cut", done),
    ("vm restore", done),
    ("vm exec", of::<machines::Executed<'_>>),
    ("vm screenshot", done),
    ("vm press", done),
    ("vm snapshot", done),
    ("vm rewind", done),
    ("lab up", of::<ClusterView>),
    ("lab down", done),
    ("lab list", of::<machines::Clusters>),
    ("lab start", done),
    ("lab stop", done),
    ("lab kill", done),
    ("lab cut", done),
    ("lab restore", done),
    ("lab exec", of::<machines::Executed<'_>>),
    ("scan", of::<scan::Scanned<'_>>),
    ("inspect", of::<Inspection>),
    ("lint", linted),
    ("compare", of::<compare::Compared<'_>>),
    ("size", of::<size::Shares<'_>>),
    ("sbom", bill),
    ("cve", of::<cve::Holes<'_>>),
    ("graph", of::<Graph>),
    ("cache list", of::<cache::Entries<'_>>),
    ("cache check", of::<cache::Read>),
    ("cache gc", of::<cache::Collected<'_>>),
    ("man", of::<man::Pages<'_>>),
];

/// What prints a script or a schema, or is a terminal, and no facts.
const NO_FACTS: [&str; 3] = ["completions", "schema", "vm console"];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn done(generator: &mut SchemaGenerator) -> Schema {
    of::<machines::Done<'_>>(generator)
}

fn built(generator: &mut SchemaGenerator) -> Schema {
    let (built, report) = (of::<Built>(generator), of::<Report>(generator));
    let about = "The second with --dry-run or --explain.";
    json_schema!({ "anyOf": [built, report], "description": about })
}

fn flashed(generator: &mut SchemaGenerator) -> Schema {
    let (flashed, disks) = (of::<flash::Flashed<'_>>(generator), of::<drives::Disks>(generator));
    let about = "The second where no disk is named.";
    json_schema!({ "anyOf": [flashed, disks], "description": about })
}

fn linted(generator: &mut SchemaGenerator) -> Schema {
    let linted = of::<lint::Linted<'_>>(generator);
    let (checks, check) = (of::<lint::Checks>(generator), of::<lint::Described>(generator));
    let about = "The second with --list, the third with --explain.";
    json_schema!({ "anyOf": [linted, checks, check], "description": about })
}

fn bill(generator: &mut SchemaGenerator) -> Schema {
    let written = of::<sbom::Bill<'_>>(generator);
    let about = "The first with --output; else the bill itself, as SPDX 2.3 or CycloneDX 1.5.";
    json_schema!({ "anyOf": [written, { "type": "object" }], "description": about })
}

fn published() -> String {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let failure: (&str, Printed) = ("failure", of::<Failure>);
    let verbs: serde_json::Map<String, Value> = VERBS
        .iter()
        .chain([&failure])
        .map(|(verb, printed)| ((*verb).to_owned(), printed(&mut generator).to_value()))
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What ashlar prints with --json",
        "type": "object",
        "properties": verbs,
        "$defs": generator.take_definitions(true),
    });
    format!("{schema:#}\n")
}

/// Every verb that does something, at any depth.
fn verbs(command: &clap::Command, words: &str, all: &mut BTreeSet<String>) {
    let shown = |verb: &&clap::Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        let words = format!("{words} {}", verb.get_name()).trim_start().to_owned();
        if !verb.is_subcommand_required_set() && words != "profile" {
            all.insert(words.clone());
        }
        verbs(verb, &words, all);
    }
}

#[test]
fn the_schema_of_what_every_verb_prints_is_published() {
    let mut all = BTreeSet::new();
    verbs(&Cli::command(), "", &mut all);
    let told: BTreeSet<String> =
        VERBS.iter().map(|(verb, _)| *verb).chain(NO_FACTS).map(str::to_owned).collect();
    assert_eq!(all, told);
}

#[test]
fn the_book_has_the_schema_of_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlar.schema.json");
    let schema = published();
    if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|old| old == schema),
        "docs/reference/ashlar.schema.json is out of date; make it anew with\n  \
         ASHLAR_WRITE_BOOK=1 cargo test -p ashlar book"
    );
}
