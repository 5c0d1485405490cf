//! What is typed over SSH: the verbs of `ashlarctl`, and nothing else.
//!
//! Whatever somebody asks of sshd, it runs `ashlarctl over-ssh` (`ForceCommand`,
//! sshd_config(5)) and says in `SSH_ORIGINAL_COMMAND` what that was. It is parted into
//! words as a shell would, and no shell ever sees it.

use crate::cli::{Cli, Command};
use clap::Parser;

/// Where sshd says what was typed.
const TYPED: &str = "SSH_ORIGINAL_COMMAND";

const NO_SHELL: &str = "over SSH this box takes the verbs of ashlarctl and gives no shell; \
    `ssh root@BOX help` lists them";

/// Not what somebody over SSH may type.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a quotation mark is not closed: {0}")]
    Unclosed(String),
    #[error("no verb of ashlarctl: {0}")]
    NoVerb(String),
}

impl Refused {
    /// What to do instead.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::Unclosed(_) => "your own shell takes one pair of quotation marks away",
            Self::NoVerb(_) => NO_SHELL,
        }
    }
}

/// The verb that was typed, `over-ssh` aside: its words are those of sshd. Wrong usage
/// ends the process as it does anywhere else.
pub(crate) fn typed(cli: Cli) -> Result<Cli, Refused> {
    if !matches!(cli.command, Command::OverSsh) {
        return Ok(cli);
    }
    let typed = std::env::var(TYPED).unwrap_or_default();
    if typed.trim().is_empty() {
        eprintln!("{NO_SHELL}.");
    }
    Ok(Cli::parse_from(words(&typed)?))
}

/// The words of a command line of ours, the program's name first.
fn words(typed: &str) -> Result<Vec<String>, Refused> {
    let mut words = shlex::split(typed).ok_or_else(|| Refused::Unclosed(typed.to_owned()))?;
    if words.first().is_some_and(|word| word == PROGRAM) {
        words.remove(0);
    }
    match words.first() {
        None => words.push("status".to_owned()),
        Some(word) if !is_ours(word) => return Err(Refused::NoVerb(word.clone())),
        Some(_) => {}
    }
    words.insert(0, PROGRAM.to_owned());
    Ok(words)
}

const PROGRAM: &str = "ashlarctl";

/// A verb, or an option before one.
fn is_ours(word: &str) -> bool {
    use clap::CommandFactory;
    let verbs = Cli::command();
    let is_verb =
        verbs.get_subcommands().any(|verb| verb.get_name() == word && !verb.is_hide_set());
    is_verb || word == "help" || word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(typed: &str) -> String {
        match words(typed) {
            Ok(words) => words.join("|"),
            Err(refused) => refused.to_string(),
        }
    }

    #[test]
    fn what_is_typed_over_ssh_is_a_verb_with_its_words() {
        assert_eq!(parted("status --json"), "ashlarctl|status|--json");
        assert_eq!(parted("ashlarctl node remove 'a b'"), "ashlarctl|node|remove|a b");
        assert_eq!(parted("help"), "ashlarctl|help");
        assert_eq!(parted("--version"), "ashlarctl|--version");
        assert_eq!(parted(""), "ashlarctl|status");
        assert_eq!(parted("ashlarctl"), "ashlarctl|status");
    }

    #[test]
    fn what_is_no_verb_of_ours_is_not_run() {
        for other in ["bash", "/usr/lib/openssh/sftp-server", "over-ssh", "await-phase ring"] {
            let name = other.split(' ').next().unwrap();
            assert_eq!(parted(other), format!("no verb of ashlarctl: {name}"));
        }
        assert_eq!(parted("status; bash"), "no verb of ashlarctl: status;");
        assert_eq!(parted("status $(bash)"), "ashlarctl|status|$(bash)");
        assert_eq!(parted("status 'a"), "a quotation mark is not closed: status 'a");
    }
}
