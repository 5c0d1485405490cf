//! What `--json` prints, as JSON Schema: `docs/reference/ashlarctl.schema.json` is made
//! from the types that are printed, so that it cannot be out of date.

use crate::cli::Cli;
use crate::command::{check, status, support, why};
use ashlar_api::{
    AloneAnswer, Event, Hardware, LogLine, MemberView, MergeAnswer, Network, NetworkAnswer,
    NodeAnswer, PkiAnswer, PkiStatus, PowerAnswer, RejoinAnswer, ResetAnswer, RevokedAnswer,
    RingAnswer, SiteResetAnswer, Status,
};
use clap::CommandFactory;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Printed = fn(&mut SchemaGenerator) -> Schema;

/// What each verb prints. `tests/ctl/published.rs` sees each of them print it.
const VERBS: &[(&str, Printed)] = &[
    ("status", of::<Status>),
    ("status --watch", watched),
    ("wait", of::<Status>),
    ("members", of::<Vec<MemberView>>),
    ("why", of::<why::Reasons<'_>>),
    ("check", checks),
    ("history", of::<Vec<Event>>),
    ("logs", journal),
    ("network", of::<Network>),
    ("network set", of::<NetworkAnswer>),
    ("network confirm", of::<NetworkAnswer>),
    ("network revert", of::<NetworkAnswer>),
    ("hardware", of::<Hardware>),
    ("power", of::<PowerAnswer>),
    ("node remove", of::<NodeAnswer>),
    ("node keep", of::<NodeAnswer>),
    ("node revoke", of::<NodeAnswer>),
    ("node rejoin", of::<RejoinAnswer>),
    ("pki status", of::<PkiStatus>),
    ("pki rotate", of::<PkiAnswer>),
    ("ring status", of::<RingAnswer>),
    ("ring rotate", of::<RingAnswer>),
    ("cluster merge", of::<MergeAnswer>),
    ("cluster go-on-alone", of::<AloneAnswer>),
    ("support bundle", of::<support::Bundle<'_>>),
    ("admin revoke", of::<RevokedAnswer>),
    ("reset workloads", of::<ResetAnswer>),
    ("reset cluster", of::<ResetAnswer>),
    ("reset factory", of::<ResetAnswer>),
    ("reset site", of::<SiteResetAnswer>),
];

/// What prints a script, a page or a site, and no facts.
const NO_FACTS: [&str; 3] = ["completions", "man", "ring site"];

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A line for each change.
fn watched(generator: &mut SchemaGenerator) -> Schema {
    let (status, silence) = (of::<Status>(generator), of::<status::Silence>(generator));
    json_schema!({ "anyOf": [status, silence], "description": "One a line, for each change." })
}

/// As `journalctl` prints it, or as the agent of a box elsewhere tells it.
fn journal(generator: &mut SchemaGenerator) -> Schema {
    let (told, whole) = (of::<LogLine>(generator), json_schema!({ "type": "object" }));
    json_schema!({
        "anyOf": [told, whole],
        "description": "One a line: of a box elsewhere a `LogLine`; on the box all the fields of \
            the journal, as `journalctl` prints them.",
    })
}

/// As `ashlarctl check --schema` prints it.
fn checks(_: &mut SchemaGenerator) -> Schema {
    let schema: Value = serde_json::from_str(check::SCHEMA).unwrap();
    schema.try_into().unwrap()
}

fn published() -> String {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let verbs: serde_json::Map<String, Value> = VERBS
        .iter()
        .map(|(verb, printed)| ((*verb).to_owned(), printed(&mut generator).to_value()))
        .collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What ashlarctl prints with --json",
        "type": "object",
        "properties": verbs,
        "$defs": generator.take_definitions(true),
    });
    format!("{schema:#}\n")
}

/// Every verb that does something, at any depth, and whether it has `--json`.
fn verbs(command: &clap::Command, words: &str, all: &mut Vec<(String, bool)>) {
    let shown = |verb: &&clap::Command| !verb.is_hide_set() && verb.get_name() != "help";
    for verb in command.get_subcommands().filter(shown) {
        let words = format!("{words} {}", verb.get_name()).trim_start().to_owned();
        if !verb.is_subcommand_required_set() {
            let json = verb.get_arguments().any(|arg| arg.get_long() == Some("json"));
            all.push((words.clone(), json));
        }
        verbs(verb, &words, all);
    }
}

#[test]
fn every_verb_prints_json_whose_schema_is_published() {
    let mut all = Vec::new();
    verbs(&Cli::command(), "", &mut all);
    let facts = all.iter().filter(|(verb, _)| !NO_FACTS.contains(&verb.as_str()));
    let without: Vec<_> = facts.clone().filter(|(_, json)| !json).collect();
    assert!(without.is_empty(), "no --json: {without:?}");
    let there: BTreeSet<&str> = facts.map(|(verb, _)| verb.as_str()).collect();
    let told: BTreeSet<&str> =
        VERBS.iter().map(|(verb, _)| verb.split(" --").next().unwrap_or(verb)).collect();
    assert_eq!(there, told);
}

#[test]
fn the_book_has_the_schema_of_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlarctl.schema.json");
    let schema = published();
    if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|old| old == schema),
        "docs/reference/ashlarctl.schema.json is out of date; make it anew with\n  \
         ASHLAR_WRITE_BOOK=1 cargo test -p ashlarctl book"
    );
}
