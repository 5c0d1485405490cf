//! `ashlarctl ring`.

use super::facts;
use super::rotation::{Progress, Rotate, say_who_is_away};
use crate::NOT_READY;
use crate::style::plain;
use anyhow::{Context, Result};
use ashlar_api::{Client, RingAnswer, RotationStage};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Replace the ring's key, say how its keys stand, or give out the site that has it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What is asked of the ring's keys.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say which keys every box has, by fingerprint, and what is waited for
    #[command(after_help = "Example: ashlarctl ring status --json | jq -r '.boxes[].lacks'")]
    Status {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Replace the ring's key on every box, and with it what proves a box and seals the CA
    ///
    /// Says first what would change. The new key is made on a box and goes to the others
    /// over mutual TLS. All that are on take it, then use it, then forget the old one; one
    /// that is off takes it when it is back, while it has its place in the cluster. No box
    /// is unreachable for the others meanwhile, and a power cut only makes it go on.
    #[command(after_help = "\
Examples:
  ashlarctl ring rotate --dry-run    what would change
  ashlarctl ring rotate --yes && ashlarctl ring site --to site.toml
  ashlarctl --site shop ring rotate  the same from a workstation, with a pass")]
    Rotate(Rotate),
    /// Give out the site with the ring's new key, for new boxes and their sticks
    ///
    /// Root has it on every box. By a pass it is given out once for each key. It is a
    /// secret: who has it can join the cluster.
    #[command(after_help = "Example: ashlarctl --site shop ring site --to keys/shop/site.new.toml")]
    Site {
        /// Write it here, readable by you alone, and never over a file that is there;
        /// without it, to the standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    match &args.verb {
        Verb::Status { json } => status(client, *json).await,
        Verb::Rotate(options) => rotate(client, options).await,
        Verb::Site { to } => site(client, to.as_deref()).await,
    }
}

async fn status(client: &Client, json: bool) -> Result<ExitCode> {
    let answer = client.ring().await?;
    if json {
        print!("{}", facts::line(&answer)?);
        return Ok(ExitCode::SUCCESS);
    }
    match &answer.rotation {
        None => println!("The ring's key was never replaced."),
        Some(rotation) => {
            let words = RingAnswer::words(rotation.stage);
            println!("The ring's key is {}: {words}.", plain(&rotation.key.0));
            if rotation.stage == RotationStage::Only && rotation.given_out.is_none() {
                println!("The site that has it was not given out yet: `ashlarctl ring site`.");
            }
        }
    }
    for one in &answer.boxes {
        let keys = one.keys.as_ref().map_or_else(
            || "unknown".to_owned(),
            |keys| {
                let also = keys.also.iter().map(|key| format!(", reads {key}"));
                format!("uses {}{}", keys.uses, also.collect::<String>())
            },
        );
        println!("  {:<18} {}", plain(&one.name), plain(&keys));
        if let Some(lacks) = &one.lacks {
            println!("  {:<18} {}", "", plain(lacks));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(client: &Client, options: &Rotate) -> Result<ExitCode> {
    let ask = async |dry_run| client.rotate_ring(dry_run).await;
    let answer = options.ask(ask, |answer: &RingAnswer| &answer.target).await?;
    if answer.decided && !options.no_wait {
        return follow(client, options).await;
    }
    if options.json {
        print!("{}", facts::line(&answer)?);
    }
    Ok(match answer.target.refused {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

async fn follow(client: &Client, options: &Rotate) -> Result<ExitCode> {
    let Some(last) = options.follow(async || client.ring().await).await else {
        return Ok(ExitCode::from(NOT_READY));
    };
    if options.json {
        print!("{}", facts::line(&last)?);
        return Ok(ExitCode::SUCCESS);
    }
    say_who_is_away(&last);
    println!(
        "The ring has a new key. Sticks with the old site let in no box any more; \
         `ashlarctl ring site --to site.toml` gives out the new one."
    );
    Ok(ExitCode::SUCCESS)
}

impl Progress for RingAnswer {
    const STATUS: &str = "ashlarctl ring status";
    const PAUSE: Duration = Duration::from_secs(1);
    const UNHEARD: &str = "nothing was asked for";

    fn stage(&self) -> Option<RotationStage> {
        self.rotation.as_ref().map(|rotation| rotation.stage)
    }

    fn words(stage: RotationStage) -> &'static str {
        match stage {
            RotationStage::Spread => "every box takes it, the old one is in use",
            RotationStage::Use => "every box goes over to it, the old one is still read",
            RotationStage::Only => "in use, and no other",
        }
    }

    fn boxes(&self) -> impl Iterator<Item = (&str, bool, Option<&str>)> {
        self.boxes.iter().map(|one| (one.name.as_str(), one.alive, one.lacks.as_deref()))
    }
}

/// A file that others cannot read, before anything is given out into it.
async fn site(client: &Client, to: Option<&Path>) -> Result<ExitCode> {
    let Some(path) = to else {
        let answer = client.ring_site().await?;
        let text = answer.site.expose_str().context("the site is no text")?;
        std::io::stdout().write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    let given = async {
        let answer = client.ring_site().await?;
        let text = answer.site.expose_str().context("the site is no text")?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
        anyhow::Ok(answer)
    };
    match given.await {
        Ok(answer) => {
            println!(
                "{} has the site {} with the ring key {}. Whoever has it can join the cluster.",
                path.display(),
                plain(&answer.name),
                plain(&answer.key)
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            // It holds nothing; the reason counts more than that it stays.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}
