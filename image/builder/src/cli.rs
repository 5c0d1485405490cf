//! What can be typed.

use crate::command::{
    bench, build, cache, compare, completions, cve, demo, doctor, export, flash, graph, inspect,
    lab, lint, lock, man, new, profile, sbom, scan, schema, site, size, stamp, vendor, vm,
};
use crate::context::{Context, Global};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Builds immutable edge appliances from recipes, and runs them in VMs and labs.
///
/// From nothing to a running cluster:
///
///   ashlar doctor                      what this host lacks, and how to mend it
///   ashlar profiles                    what can be built
///   ashlar new                         choose by questions; it makes the site too
///   ashlar site new shop               the secrets of one cluster, in keys/shop/
///   ashlar build --profile retail      an image in out/retail/latest/
///   ashlar vm up --site shop -n 3      three machines from that image
///   sudo ashlar flash /dev/sdX --site shop --profile retail-metal
///                                      a stick or disk for a real one
#[derive(Debug, Parser)]
#[command(
    name = "ashlar",
    version,
    propagate_version = true,
    verbatim_doc_comment,
    after_long_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    done, and nothing was found
  1    it failed, or a check found something: lint, lock --check, compare, cve
  2    these are no words of this command
  130  it was interrupted
  …    exec passes on the exit code of what it ran";

/// The verbs, in the order in which a person meets them. What they say of
/// themselves stands at their options: a line here would hide it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Doctor(doctor::Args),
    #[command(visible_alias = "profiles")]
    Profile(profile::Args),
    New(new::Args),
    Site(site::Args),
    Lock(lock::Args),
    Vendor(vendor::Args),
    Build(build::Args),
    Flash(flash::Args),
    Stamp(stamp::Args),
    Vm(vm::Args),
    Lab(lab::Args),
    Scan(scan::Args),
    Inspect(inspect::Args),
    Lint(lint::Args),
    Compare(compare::Args),
    Size(size::Args),
    Sbom(sbom::Args),
    Cve(cve::Args),
    Graph(graph::Args),
    Cache(cache::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
    // The project's own instruments.
    #[command(hide = true)]
    Demo(demo::Args),
    #[command(hide = true)]
    Export(export::Args),
    #[command(hide = true)]
    Bench(bench::Args),
}

impl Command {
    /// Runs the verb that was typed.
    pub(crate) fn run(&self, context: &Context) -> miette::Result<ExitCode> {
        match self {
            Self::Doctor(args) => doctor::run(args, context),
            Self::Profile(args) => profile::run(args, context),
            Self::New(args) => new::run(args, context),
            Self::Site(args) => site::run(args, context),
            Self::Lock(args) => lock::run(args, context),
            Self::Vendor(args) => vendor::run(args, context),
            Self::Build(args) => build::run(args, context),
            Self::Flash(args) => flash::run(args, context),
            Self::Stamp(args) => stamp::run(args, context),
            Self::Vm(args) => vm::run(args, context),
            Self::Lab(args) => lab::run(args, context),
            Self::Scan(args) => scan::run(args, context),
            Self::Inspect(args) => inspect::run(args, context),
            Self::Lint(args) => lint::run(args, context),
            Self::Compare(args) => compare::run(args, context),
            Self::Size(args) => size::run(args, context),
            Self::Sbom(args) => sbom::run(args, context),
            Self::Cve(args) => cve::run(args, context),
            Self::Graph(args) => graph::run(args, context),
            Self::Cache(args) => cache::run(args, context),
            Self::Schema(args) => schema::run(args, context),
            Self::Completions(args) => completions::run(args, &mut Cli::command()),
            Self::Man(args) => man::run(args, Cli::command(), context),
            Self::Demo(args) => demo::run(args, context),
            Self::Export(args) => export::run(args, context),
            Self::Bench(args) => bench::run(args, context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every verb, at any depth, with the words that are typed for it.
    fn verbs(command: &clap::Command, words: &str, all: &mut Vec<(String, clap::Command)>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let words = format!("{words} {}", verb.get_name());
            all.push((words.clone(), verb.clone()));
            verbs(verb, &words, all);
        }
    }

    #[test]
    fn the_help_of_every_verb_shows_an_example_of_it() {
        let mut all = Vec::new();
        let mut cli = Cli::command();
        cli.build();
        verbs(&cli, "ashlar", &mut all);
        assert!(all.len() > 30, "{} verbs", all.len());
        let mut without = Vec::new();
        for (words, mut verb) in all {
            let help = verb.render_long_help().to_string();
            // VMs and labs share verbs and their help.
            let shared = words.replace("ashlar lab", "ashlar vm");
            let plural = words.replace("ashlar profile list", "ashlar profiles");
            let shown = help.lines().map(str::trim_start).any(|line| {
                let line = line.trim_start_matches("sudo ");
                [&words, &shared, &plural].iter().any(|words| line.starts_with(words.as_str()))
            });
            if !shown {
                without.push(words);
            }
        }
        assert!(without.is_empty(), "no example in the help of: {}", without.join(", "));
    }

    #[test]
    fn the_book_has_the_help_of_every_verb() {
        let mut cli = Cli::command().term_width(96);
        cli.build();
        let shown = |mut verb: clap::Command| {
            // What this host has set is no part of the book.
            verb = verb.mut_args(|arg| arg.hide_env_values(true)).term_width(96);
            let help = verb.render_long_help().to_string();
            let help: Vec<_> = help.lines().map(str::trim_end).collect();
            format!("```text\n{}\n```\n", help.join("\n"))
        };
        let mut page = format!(
            "# ashlar\n\nOn the computer that makes images and sites. This page is made from \
             `ashlar --help`.\n\n{}",
            shown(cli.clone())
        );
        let mut all = Vec::new();
        verbs(&cli, "ashlar", &mut all);
        let hidden: Vec<_> = cli.get_subcommands().filter(|verb| verb.is_hide_set()).collect();
        for (words, verb) in all {
            let first = words.split(' ').nth(1);
            if hidden.iter().all(|hidden| Some(hidden.get_name()) != first) {
                page.push_str(&format!("\n## {words}\n\n{}", shown(verb)));
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlar.md");
        if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).is_ok_and(|old| old == page),
            "docs/reference/ashlar.md is out of date; make it anew with\n  \
             ASHLAR_WRITE_BOOK=1 cargo test -p ashlar book"
        );
    }

    #[test]
    fn every_verb_has_one_line_for_the_list_of_verbs() {
        let mut all = Vec::new();
        verbs(&Cli::command(), "ashlar", &mut all);
        for (words, verb) in all {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && about.len() < 130, "{words}: {about:?}");
        }
    }

    #[test]
    fn instruments_of_the_project_are_not_among_a_persons_verbs() {
        let help = Cli::command().render_long_help().to_string();
        for instrument in ["  demo ", "  export ", "  bench "] {
            assert!(!help.contains(instrument), "{help}");
        }
        assert!(help.contains("130  it was interrupted"), "{help}");
        let place = |verb: &str| help.find(&format!("\n  {verb} ")).unwrap();
        let way = ["doctor", "profile", "site", "build", "flash", "vm", "inspect", "man"];
        assert!(way.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{help}");
    }

    #[test]
    fn every_command_in_the_book_can_be_typed() {
        let typed = crate::commands::typed("ashlar");
        assert!(typed.len() > 40, "{} were found", typed.len());
        let mistakes = crate::commands::mistakes::<Cli>(&typed);
        assert!(mistakes.is_empty(), "{mistakes}");
    }
}
