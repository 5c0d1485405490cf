//! `ashlarctl node`.

use crate::ask;
use crate::cli::{self, NodeWhat};
use crate::style::plain;
use anyhow::{Result, bail};
use ashlar_api::{Client, Decision, NodeAnswer, NodeRequest, Refusal, TakeOut};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a cluster may be without a leader, and how often it is asked again.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(2);

pub(crate) async fn run(client: &Client, options: &cli::Node) -> Result<ExitCode> {
    match &options.what {
        NodeWhat::Remove(options) => remove(client, options).await,
        NodeWhat::Keep { name, json } => keep(client, name, *json).await,
        NodeWhat::Rejoin(options) => rejoin(client, options.json).await,
    }
}

async fn remove(client: &Client, options: &cli::Remove) -> Result<ExitCode> {
    let name = options.name.clone();
    let mut request = NodeRequest { name, decision: Decision::Remove, dry_run: true };
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

async fn keep(client: &Client, name: &str, json: bool) -> Result<ExitCode> {
    let request = NodeRequest { name: name.to_owned(), decision: Decision::Keep, dry_run: false };
    let answer = ask_leader(client, &request).await?;
    if !json {
        show(&answer.target);
    }
    end(&answer, json, "")
}

async fn rejoin(client: &Client, json: bool) -> Result<ExitCode> {
    let answer = client.rejoin().await?;
    if json {
        println!("{}", serde_json::to_string(&answer)?);
    } else if answer.rejoins {
        println!("This box joins again, as a new one.");
    } else {
        println!("This box was not taken out; nothing to do.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks until somebody leads: an election passes, and a leader that is taken out
/// hands over.
async fn ask_leader(client: &Client, request: &NodeRequest) -> Result<NodeAnswer> {
    let since = Instant::now();
    loop {
        match client.node(request).await {
            Err(error)
                if error.refusal().is_some_and(|e| e.refusal == Refusal::NotReady)
                    && since.elapsed() < PATIENCE =>
            {
                eprintln!("{error}; asking again");
                tokio::time::sleep(PAUSE).await;
            }
            answer => return Ok(answer?),
        }
    }
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
        println!("{}", serde_json::to_string(answer)?);
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
