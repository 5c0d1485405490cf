//! `ashlarctl cluster`: two clusters that become one, and one box of two that goes on alone.

use super::facts;
use crate::ask;
use anyhow::{Result, bail};
use ashlar_api::{AloneRequest, Client, MergeAnswer, MergeRequest};
use std::process::ExitCode;

/// Let two clusters of one site become one, or one box of two go on alone
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What becomes of a cluster.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Let the cluster of this box dissolve into another one of its site
    ///
    /// For two clusters of one site that both hold data: no box decides by itself then.
    /// Says first what would be lost, and asks for the site's name. Then each box of this
    /// cluster sets its copy of the volume aside below /data/bricks, where it stays, and
    /// joins the other cluster as a new box. Services, configs and secrets that no recipe
    /// ships are lost: keep what you need of them first.
    #[command(after_help = "\
Examples:
  ashlarctl cluster merge --into 4f0c21aa --dry-run     what would be lost
  ashlarctl cluster merge --into 4f0c21aa               after typing the site's name
  ashlarctl cluster merge --into 4f0c21aa --name shop && ashlarctl wait")]
    Merge(Merge),
    /// Let this box, the second of two, go on although the first is gone for good
    ///
    /// Of two boxes without a witness the first goes on by itself when the second is gone; the
    /// second waits for the first. Say this at the second when the first will never come back:
    /// it says what it has and of when, and asks for the first one's name. Then the volume can
    /// be written here and the Swarm is led here, with services, configs and secrets. Never
    /// switch the first on again without its cable, or while this box is off: it would go on
    /// with its old copy. With its cable it sets that aside and joins as a new box; any fresh
    /// box of the site takes its place.
    #[command(after_help = "\
Examples:
  ashlarctl cluster go-on-alone --dry-run               what would change, or why not
  ashlarctl cluster go-on-alone                         after typing the first one's name
  ashlarctl cluster go-on-alone --name ashlar-4f0c21aa && ashlarctl wait")]
    GoOnAlone(GoOnAlone),
}

/// `ashlarctl cluster go-on-alone`.
#[derive(Debug, clap::Args)]
struct GoOnAlone {
    /// The name of the box that is gone for good, instead of being asked for it.
    #[arg(long, value_name = "BOX")]
    name: Option<String>,
    /// Say what would change, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else; needs --name or --dry-run.
    #[arg(long)]
    json: bool,
}

/// `ashlarctl cluster merge`.
#[derive(Debug, clap::Args)]
struct Merge {
    /// The cluster that goes on: its id, as the alert names it, or the first letters of it.
    #[arg(long, value_name = "CLUSTER")]
    into: String,
    /// Go on without the boxes of this cluster that are not seen.
    #[arg(long)]
    partial: bool,
    /// The name of the site, instead of being asked for it.
    #[arg(long, value_name = "SITE")]
    name: Option<String>,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else; needs --name or --dry-run.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Merge(options) => merge(client, options).await,
        Verb::GoOnAlone(options) => go_on_alone(client, options).await,
    }
}

async fn go_on_alone(client: &Client, options: &GoOnAlone) -> Result<ExitCode> {
    let mut request = AloneRequest { typed: options.name.clone(), dry_run: true, pin: None };
    let mut answer = client.alone(&request).await?;
    if !options.json {
        answer.target.lines.iter().for_each(|line| println!("{line}"));
    }
    let asks_only = options.dry_run || answer.target.refused.is_some();
    if !asks_only {
        if request.typed.is_none() {
            let what = "Type the name of the box that is gone for good";
            request.typed = Some(ask::line(what, "--name with its name")?);
        }
        request.dry_run = false;
        answer = client.alone(&request).await?;
    }
    if options.json {
        print!("{}", facts::line(&answer)?);
    }
    if let Some(why) = &answer.target.refused {
        bail!("{why}");
    }
    if answer.begun && !options.json {
        println!("It goes on: `ashlarctl wait` ends when it is ready.");
    }
    Ok(ExitCode::SUCCESS)
}

async fn merge(client: &Client, options: &Merge) -> Result<ExitCode> {
    let mut request = MergeRequest {
        into: options.into.clone(),
        site: options.name.clone(),
        partial: options.partial,
        dry_run: true,
    };
    let mut answer = client.merge(&request).await?;
    if !options.json {
        for line in &answer.target.lines {
            println!("{line}");
        }
    }
    if let Some(why) = &answer.target.refused {
        tell(&answer, options.json)?;
        bail!("{why}");
    }
    if options.dry_run {
        tell(&answer, options.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !answer.target.away.is_empty() && !options.partial {
        tell(&answer, options.json)?;
        bail!("not every box of this cluster is seen: switch it on first; or add --partial");
    }
    if request.site.is_none() {
        let typed = ask::line("Type the site's name to go on", "--name with the site's name")?;
        request.site = Some(typed);
    }
    request.dry_run = false;
    answer = client.merge(&request).await?;
    tell(&answer, options.json)?;
    if !answer.begun {
        for one in &answer.boxes {
            if let Some(why) = &one.trouble {
                eprintln!("{}: {why}", one.name);
            }
        }
        bail!("not every box wrote it down, and none has left: ask again, or add --partial");
    }
    if !options.json {
        println!("It dissolves: `ashlarctl why` says how far it is.");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(answer: &MergeAnswer, json: bool) -> Result<()> {
    if json {
        print!("{}", facts::line(answer)?);
    }
    Ok(())
}
