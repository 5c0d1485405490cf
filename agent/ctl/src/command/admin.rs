//! `ashlarctl admin`.

use super::facts;
use crate::style::plain;
use anyhow::{Context, Result};
use ashlar_api::{Client, RevokedRequest};
use std::path::PathBuf;
use std::process::ExitCode;

/// Say who is let in from elsewhere no more
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What becomes of passes.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Hand the cluster the list of passes that count no more
    ///
    /// `ashlar site admin revoke` makes it where the site is. Every box that is on takes
    /// it at once; one that is off learns it from the others.
    #[command(after_help = "Example: ashlarctl --site shop admin revoke keys/shop/revoked.pem")]
    Revoke {
        /// The list.
        list: PathBuf,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    let Verb::Revoke { list, json } = &args.verb;
    let text = std::fs::read_to_string(list)
        .with_context(|| format!("cannot read the list {}", list.display()))?;
    let answer = client.revoked(&RevokedRequest { list: Some(text) }).await?;
    if *json {
        print!("{}", facts::line(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    let told = answer.told + 1;
    println!("{} revoked; {told} boxes know it.", answer.revoked);
    for name in &answer.untold {
        println!("  - {} did not answer; it learns it from the others.", plain(name));
    }
    Ok(ExitCode::SUCCESS)
}
