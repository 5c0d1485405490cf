//! `ashlarctl node`.

use super::facts::{self, Facts};
use crate::ask;
use crate::style::plain;
use anyhow::{Result, bail};
use ashlar_api::{Client, Decision, NodeAnswer, NodeRequest, TakeOut};
use std::process::ExitCode;

/// Take a box out of the cluster, strike it off at once, or let it in again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What becomes of a box.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take a box out of the cluster
    ///
    /// Shows first what would change, and asks for the box's name. Then its tasks, its
    /// copy of the volume and its seat among the managers go to other boxes; when
    /// nothing is left on it, it loses its place for good and stays out. Any box of
    /// the cluster may be asked.
    #[command(after_help = "\
Examples:
  ashlarctl node remove ashlar-4f0c21aa --dry-run   what would change
  ashlarctl node remove ashlar-4f0c21aa             after typing its name
  ashlarctl node remove ashlar-4f0c21aa --yes && ashlarctl why")]
    Remove(Remove),
    /// Strike a box off at once that was stolen, or is not to be trusted
    ///
    /// Shows first what that box holds, and asks for its name. From then on no box serves
    /// it, whatever certificate it shows; it is not emptied, not waited for and not asked.
    /// Its copy and its seat go to other boxes as those of a lost one. It knows the ring's
    /// key, which must be changed besides. Any other box of the cluster may be asked.
    #[command(after_help = "\
Examples:
  ashlarctl node revoke ashlar-4f0c21aa --dry-run   what it holds, and what would change
  ashlarctl node revoke ashlar-4f0c21aa             after typing its name
  ashlarctl node revoke ashlar-4f0c21aa --typed ashlar-4f0c21aa
                                                    although it may hold the last copy")]
    Revoke(Revoke),
    /// Keep a box that is being taken out, while it has its place
    #[command(after_help = "Example: ashlarctl node keep ashlar-4f0c21aa")]
    Keep {
        /// Its name, as `ashlarctl members` lists it.
        name: String,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Let this box in again, as a new one, after it was taken out
    #[command(after_help = "Example: ashlarctl node rejoin && ashlarctl wait")]
    Rejoin(Facts),
}

/// `ashlarctl node remove`.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Its name, as `ashlarctl members` lists it.
    name: String,
    /// Do not ask. Still refused where the cluster cannot bear it.
    #[arg(long, short)]
    yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else; needs --yes or --dry-run.
    #[arg(long)]
    json: bool,
}

/// `ashlarctl node revoke`.
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Its name, as `ashlarctl members` lists it.
    name: String,
    /// Its name again, instead of being asked for it: does it even where its copy may be
    /// the last one.
    #[arg(long, value_name = "NAME")]
    typed: Option<String>,
    /// Do not ask. Still refused where its copy may be the last one.
    #[arg(long, short)]
    yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else; needs --yes, --typed or --dry-run.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Who is let in again is the box that is asked; others are named.
    pub(crate) fn is_of_one_box(&self) -> bool {
        matches!(self.verb, Verb::Rejoin(_))
    }
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Remove(options) => remove(client, options).await,
        Verb::Revoke(options) => revoke(client, options).await,
        Verb::Keep { name, json } => keep(client, name, *json).await,
        Verb::Rejoin(options) => rejoin(client, options.json).await,
    }
}

async fn remove(client: &Client, options: &Remove) -> Result<ExitCode> {
    let name = options.name.clone();
    let decision = Decision::Remove;
    let mut request = NodeRequest { name, decision, dry_run: true, typed: None };
    let would = ask_leader(client, &request).await?;
    if !options.json {
        show(&would.target);
    }
    if would.target.refused.is_none() && !options.dry_run {
        if !options.yes {
            confirm(&options.name)?;
        }
        request.dry_run = false;
        let decided = ask_leader(client, &request).await?;
        return end(
            &decided,
            options.json,
            &format!(
                "{} is being taken out: `ashlarctl why` says how far it is, `ashlarctl node keep {}` \
             takes it back.",
                options.name, options.name
            ),
        );
    }
    end(&would, options.json, "")
}

async fn revoke(client: &Client, options: &Revoke) -> Result<ExitCode> {
    let name = options.name.clone();
    let decision = Decision::Revoke;
    let mut request = NodeRequest { name, decision, dry_run: true, typed: None };
    let would = ask_leader(client, &request).await?;
    if !options.json {
        show(&would.target);
        if let Some(why) = &would.target.unless_typed {
            println!("Refused unless its name is typed: {}", plain(why));
        }
    }
    if would.target.refused.is_some() || options.dry_run {
        return end(&would, options.json, "");
    }
    request.typed.clone_from(&options.typed);
    if options.typed.is_none() && !options.yes {
        confirm(&options.name)?;
        request.typed = Some(options.name.clone());
    }
    request.dry_run = false;
    let decided = ask_leader(client, &request).await?;
    let done = format!(
        "{} is struck off. `ashlarctl why` says what is left of it, `ashlarctl pki status` who \
         holds the CA's key. Change the ring's key now.",
        options.name
    );
    end(&decided, options.json, &done)
}

async fn keep(client: &Client, name: &str, json: bool) -> Result<ExitCode> {
    let (name, decision) = (name.to_owned(), Decision::Keep);
    let request = NodeRequest { name, decision, dry_run: false, typed: None };
    let answer = ask_leader(client, &request).await?;
    if !json {
        show(&answer.target);
    }
    end(&answer, json, "")
}

async fn rejoin(client: &Client, json: bool) -> Result<ExitCode> {
    let answer = client.rejoin().await?;
    if json {
        print!("{}", facts::line(&answer)?);
    } else if answer.rejoins {
        println!("This box joins again, as a new one.");
    } else {
        println!("This box was not taken out; nothing to do.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask_leader(client: &Client, request: &NodeRequest) -> Result<NodeAnswer> {
    ask::whoever_leads(async || client.node(request).await).await
}

fn show(target: &TakeOut) {
    for line in &target.lines {
        println!("  - {}", plain(line));
    }
    if !target.afterwards.is_empty() {
        println!("Afterwards: {}", plain(&target.afterwards));
    }
}

/// The last words, and the exit code: a refusal is an error.
fn end(answer: &NodeAnswer, json: bool, done: &str) -> Result<ExitCode> {
    if json {
        print!("{}", facts::line(answer)?);
    }
    match &answer.target.refused {
        Some(_) if json => Ok(ExitCode::FAILURE),
        Some(why) => bail!("refused, and nothing is done: {why}"),
        None => {
            if !json && !done.is_empty() {
                println!("{done}");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn confirm(name: &str) -> Result<()> {
    if ask::line("Type the box's name to go on", "--yes")? != name {
        bail!("that is another name: nothing is done");
    }
    Ok(())
}
