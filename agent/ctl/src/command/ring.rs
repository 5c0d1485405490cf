//! `ashlarctl ring`.

use super::facts;
use super::rotation::Rotate;
use crate::style::plain;
use crate::{NOT_READY, ask};
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, RingAnswer, RotationStage};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

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

/// How often is asked how far it is.
const PAUSE: Duration = Duration::from_secs(1);

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
            println!("The ring's key is {}: {}.", plain(&rotation.key.0), stage(rotation.stage));
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

const fn stage(stage: RotationStage) -> &'static str {
    match stage {
        RotationStage::Spread => "every box takes it, the old one is in use",
        RotationStage::Use => "every box goes over to it, the old one is still read",
        RotationStage::Only => "in use, and no other",
    }
}

async fn rotate(client: &Client, options: &Rotate) -> Result<ExitCode> {
    let would = asked(client, true).await?;
    if !options.json {
        for line in &would.target.lines {
            println!("  - {}", plain(line));
        }
    }
    let mut answer = would;
    if answer.target.refused.is_none() && !options.dry_run {
        if !options.yes && ask::line("Type `rotate` to go on", "--yes")? != "rotate" {
            bail!("that is another word: nothing is done");
        }
        answer = asked(client, false).await?;
    }
    match &answer.target.refused {
        Some(_) if options.json => {
            print!("{}", facts::line(&answer)?);
            return Ok(ExitCode::FAILURE);
        }
        Some(why) => bail!("refused, and nothing is done: {why}"),
        None => {}
    }
    if answer.decided && !options.no_wait {
        return follow(client, options).await;
    }
    if options.json {
        print!("{}", facts::line(&answer)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says how far it is, whenever that changes.
async fn follow(client: &Client, options: &Rotate) -> Result<ExitCode> {
    let until = Instant::now() + Duration::from_secs(options.timeout);
    let mut said = String::new();
    let last = loop {
        // A leader may just have changed.
        if let Ok(answer) = client.ring().await {
            let now = stand(&answer);
            if now != said {
                eprintln!("… {now}");
                said = now;
            }
            if is_over(&answer) {
                break answer;
            }
        }
        if Instant::now() >= until {
            eprintln!("it goes on by itself; `ashlarctl ring status` says how far it is");
            return Ok(ExitCode::from(NOT_READY));
        }
        tokio::time::sleep(PAUSE).await;
    };
    if options.json {
        print!("{}", facts::line(&last)?);
        return Ok(ExitCode::SUCCESS);
    }
    for one in last.boxes.iter().filter(|one| !one.alive) {
        let lacks = one.lacks.as_deref().unwrap_or("is away");
        println!("  - {} {}", plain(&one.name), plain(lacks));
    }
    println!(
        "The ring has a new key. Sticks with the old site let in no box any more; \
         `ashlarctl ring site --to site.toml` gives out the new one."
    );
    Ok(ExitCode::SUCCESS)
}

/// Whether every box that is on has followed to the end.
fn is_over(answer: &RingAnswer) -> bool {
    answer.rotation.as_ref().is_some_and(|rotation| rotation.stage == RotationStage::Only)
        && answer.boxes.iter().all(|one| !one.alive || one.lacks.is_none())
}

/// Where it stands, in one line.
fn stand(answer: &RingAnswer) -> String {
    let Some(rotation) = &answer.rotation else { return "nothing was asked for".into() };
    let behind = answer.boxes.iter().filter(|one| one.alive && one.lacks.is_some());
    let behind: Vec<_> = behind.map(|one| plain(&one.name).to_string()).collect();
    let words = stage(rotation.stage);
    if behind.is_empty() { words.into() } else { format!("{words}: {}", behind.join(", ")) }
}

async fn asked(client: &Client, dry_run: bool) -> Result<RingAnswer> {
    ask::whoever_leads(async || client.rotate_ring(dry_run).await).await
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
