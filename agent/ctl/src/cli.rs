//! What can be typed.

use crate::command::{
    admin, await_phase, check, cluster, completions, hardware, history, logs, man, members,
    network, node, pki, power, reset, ring, status, support, wait, why,
};
use ashlar_api::{Client, LOCAL_SOCKET};
use clap::{CommandFactory, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ask the Ashlar agent of this node, or of a site elsewhere.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Where the agent listens.
    #[arg(long, global = true, value_name = "PATH", env = "ASHLAR_SOCKET",
          default_value = LOCAL_SOCKET, hide_default_value = true)]
    pub(crate) socket: PathBuf,
    /// Ask a box of this site, from a workstation: the site's name, or the file of a
    /// pass that `ashlar site admin` made.
    #[arg(
        long,
        global = true,
        value_name = "SITE",
        env = "ASHLAR_SITE",
        conflicts_with = "socket"
    )]
    pub(crate) site: Option<String>,
    /// Which box of the site: its address or its name. Without it, any that is found.
    #[arg(long, global = true, value_name = "BOX", requires = "site")]
    pub(crate) node: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `status`, `why` and `wait`: ready; for `check`: nothing is wrong
  1  error: the agent does not answer, or refused
  2  wrong usage
  3  the node answers, but is not (yet) ready; for `check`: something is wrong

Examples:
  ashlarctl status --watch            follow this node until you press Ctrl-C
  ashlarctl wait && docker node ls    go on once the node is ready
  ashlarctl why                       what holds this node back
  ashlarctl check                     is it as it should be, part by part
  ashlarctl logs -f                   what the agent and its daemons write
  ashlarctl reset factory --dry-run   what a factory reset would take away
  ashlarctl --site shop status        the same from a workstation, with a pass
  ashlarctl --site shop --node 192.168.1.20 power reboot
  ashlarctl --site shop --node 192.168.1.20 logs -f";

/// The verbs, in the order in which a person meets them. What they say of themselves
/// stands at their options: a line here would hide it.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Status(status::Args),
    Wait(wait::Args),
    // For a unit, which is no person.
    #[command(hide = true)]
    AwaitPhase(await_phase::Args),
    /// What sshd runs for whoever logs in: the words come from there.
    #[command(hide = true)]
    OverSsh,
    Members(members::Args),
    Why(why::Args),
    Check(check::Args),
    History(history::Args),
    Logs(logs::Args),
    Network(network::Args),
    Hardware(hardware::Args),
    Power(power::Args),
    Node(node::Args),
    Pki(pki::Args),
    Ring(ring::Args),
    Cluster(cluster::Args),
    Support(support::Args),
    Admin(admin::Args),
    Reset(reset::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// It does something to the box that is asked, or tells of that box alone: from
    /// elsewhere that box must be named.
    pub(crate) fn is_of_one_box(&self) -> bool {
        match self {
            Self::Power(_)
            | Self::Reset(_)
            | Self::Network(_)
            | Self::Hardware(_)
            | Self::Cluster(_)
            | Self::Logs(_)
            | Self::Support(_) => true,
            Self::Check(args) => args.is_of_one_box(),
            Self::Node(args) => args.is_of_one_box(),
            _ => false,
        }
    }

    /// Runs the verb that was typed.
    pub(crate) fn run(&self, client: &Client) -> anyhow::Result<ExitCode> {
        match self {
            Self::Status(args) => on_runtime(status::run(client, args)),
            Self::Wait(args) => on_runtime(wait::run(client, args)),
            Self::Members(args) => on_runtime(members::run(client, args)),
            Self::Why(args) => on_runtime(why::run(client, args)),
            Self::Check(args) => on_runtime(check::run(client, args)),
            Self::History(args) => on_runtime(history::run(client, args)),
            Self::Network(args) => on_runtime(network::run(client, args)),
            Self::Hardware(args) => on_runtime(hardware::run(client, args)),
            Self::Power(args) => on_runtime(power::run(client, args)),
            Self::Node(args) => on_runtime(node::run(client, args)),
            Self::Pki(args) => on_runtime(pki::run(client, args)),
            Self::Ring(args) => on_runtime(ring::run(client, args)),
            Self::Cluster(args) => on_runtime(cluster::run(client, args)),
            Self::Support(args) => on_runtime(support::run(client, args)),
            Self::Admin(args) => on_runtime(admin::run(client, args)),
            Self::Reset(args) => on_runtime(reset::run(client, args)),
            Self::Logs(args) => {
                if !client.is_elsewhere() {
                    logs::here(args)?;
                }
                on_runtime(logs::told(client, args))
            }
            Self::AwaitPhase(_) if client.is_elsewhere() => {
                anyhow::bail!("this is for the box itself, and not there from elsewhere")
            }
            Self::AwaitPhase(args) => await_phase::run(args),
            // sshd's own words are the next ones that are parsed; twice is no verb.
            Self::OverSsh => anyhow::bail!("this is for sshd"),
            Self::Completions(args) => completions::run(args, &mut Cli::command()),
            Self::Man(args) => man::run(args, Cli::command()),
        }
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;
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
            "# ashlarctl\n\nOn a box, as root or as a member of the group `ashlar-admin`; to look, \
             of `ashlar-view`. This page is made from `ashlarctl --help`.\n\n```text\n{}\n```\n",
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

    #[test]
    fn every_command_in_the_book_can_be_typed() {
        let typed = crate::commands::typed("ashlarctl");
        assert!(typed.len() > 60, "{} were found", typed.len());
        let mistakes = crate::commands::mistakes::<Cli>(&typed);
        assert!(mistakes.is_empty(), "{mistakes}");
    }
}
