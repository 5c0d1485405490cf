//! `ashlarctl completions` and `ashlarctl man`: made from the command line's
//! own definition, so that they cannot be out of date.

use crate::cli::Cli;
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    // clap_complete panics when its writer fails, so it gets memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ashlarctl", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn pages(dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    match dir {
        Some(dir) => clap_mangen::generate_to(Cli::command(), dir)
            .with_context(|| format!("cannot write manual pages into {}", dir.display()))?,
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// The help of each verb as it is shown, one after the other.
    fn verbs(command: &clap::Command, words: &str, page: &mut String) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            if verb.get_name() == "help" {
                continue;
            }
            let words = format!("{words} {}", verb.get_name());
            let help = verb.clone().term_width(96).render_long_help().to_string();
            let help: Vec<_> = help.lines().map(str::trim_end).collect();
            let _ = write!(page, "\n## {words}\n\n```text\n{}\n```\n", help.join("\n"));
            verbs(verb, &words, page);
        }
    }

    #[test]
    fn the_book_has_the_help_of_every_verb() {
        let mut cli = Cli::command().term_width(96).mut_args(|arg| arg.hide_env_values(true));
        cli.build();
        let help = cli.render_long_help().to_string();
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        let mut page = format!(
            "# ashlarctl\n\nOn a box, as root or as a member of the group `ashlar`. This page is \
             made from `ashlarctl --help`.\n\n```text\n{}\n```\n",
            help.join("\n")
        );
        verbs(&cli, "ashlarctl", &mut page);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/ashlarctl.md");
        if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).is_ok_and(|old| old == page),
            "docs/reference/ashlarctl.md is out of date; make it anew with\n  \
             ASHLAR_WRITE_BOOK=1 cargo test -p ashlarctl book"
        );
    }
}
