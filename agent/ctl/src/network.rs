//! `ashlarctl network set`, `confirm` and `revert`.

use crate::cli::NetworkWhat;
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, NetworkAnswer, NetworkChange, NetworkRequest, NetworkVerb, Secret};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often it is asked what became of a change. The agent answers from memory.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long the agent may be silent: it starts again when a change is kept.
const SILENT: Duration = Duration::from_secs(60);

pub(crate) async fn run(client: &Client, what: &NetworkWhat) -> Result<ExitCode> {
    let ask = async |verb| client.change_network(&NetworkRequest { verb, pin: None }).await;
    match what {
        NetworkWhat::Set { file, json } => set(client, file, *json).await,
        NetworkWhat::Confirm(options) => {
            end(&ask(NetworkVerb::Confirm).await?, options.json, "The new network is kept.")
        }
        NetworkWhat::Revert(options) => {
            end(&ask(NetworkVerb::Revert).await?, options.json, "The network is as it was.")
        }
    }
}

fn end(answer: &NetworkAnswer, json: bool, words: &str) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(answer)?);
    } else {
        println!("{words}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(client: &Client, file: &Path, json: bool) -> Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let verb = NetworkVerb::Set(Secret::new(text));
    let mut answer = client.change_network(&NetworkRequest { verb, pin: None }).await?;
    if !json {
        println!("The new network is tried: whoever answered before has to answer again.");
        println!("`ashlarctl network confirm` keeps it all the same, `revert` takes it back.");
    }
    let mut tick = tokio::time::interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    while answer.change == Some(NetworkChange::Trying) {
        tick.tick().await;
        let look = NetworkRequest { verb: NetworkVerb::Look, pin: None };
        match client.change_network(&look).await {
            Ok(now) => (answer, heard) = (now, Instant::now()),
            Err(error) if heard.elapsed() > SILENT => return Err(error.into()),
            Err(_) => {}
        }
    }
    if json {
        println!("{}", serde_json::to_string(&answer)?);
    }
    match answer {
        NetworkAnswer { change: Some(NetworkChange::Undone { why }) } => {
            bail!("the new network was undone: {why}")
        }
        _ if json => {}
        _ => println!("The new network is kept."),
    }
    Ok(ExitCode::SUCCESS)
}
