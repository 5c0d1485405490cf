//! `ashlarctl power`.

use super::facts;
use crate::ask;
use anyhow::{Result, bail};
use ashlar_api::{Client, Power, PowerRequest};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  ashlarctl power off --dry-run    may it be switched off?
  ashlarctl power reboot --yes";

/// Restart this box, or switch it off, after saying what is missing meanwhile
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What is to be done.
    #[arg(value_name = "WHAT")]
    what: What,
    /// Say what would be missing, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    json: bool,
}

/// How it goes down.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    /// Restart it
    Reboot,
    /// Switch it off
    Off,
}

pub(crate) async fn run(client: &Client, options: &Args) -> Result<ExitCode> {
    let power = match options.what {
        What::Reboot => Power::Reboot,
        What::Off => Power::Off,
    };
    let mut request = PowerRequest { power, dry_run: true, pin: None };
    let mut answer = client.power(&request).await?;
    if !options.json {
        for sentence in answer.absence.sentences(power) {
            println!("{sentence}");
        }
    }
    if !options.dry_run {
        let prompt = format!("Type `yes` to {}", power.as_str());
        if !options.yes && ask::line(&prompt, "--yes")? != "yes" {
            bail!("nothing is done");
        }
        request.dry_run = false;
        answer = client.power(&request).await?;
    }
    if options.json {
        print!("{}", facts::line(&answer)?);
    }
    Ok(ExitCode::SUCCESS)
}
