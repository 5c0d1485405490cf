//! `ashlarctl cluster merge`.

use super::facts;
use crate::ask;
use anyhow::{Result, bail};
use ashlar_api::{Client, MergeAnswer, MergeRequest};
use std::process::ExitCode;

/// Let two clusters of one site become one
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
    let Verb::Merge(options) = &args.verb;
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
