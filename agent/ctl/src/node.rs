//! `ashlarctl node`.

use crate::ask;
use crate::cli::{self, NodeWhat};
use crate::style::plain;
use anyhow::{Result, bail};
use ashlar_api::{Client, Decision, NodeAnswer, NodeRequest, TakeOut};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Node) -> Result<ExitCode> {
    match &options.what {
        NodeWhat::Remove(options) => remove(client, options).await,
        NodeWhat::Revoke(options) => revoke(client, options).await,
        NodeWhat::Keep { name, json } => keep(client, name, *json).await,
        NodeWhat::Rejoin(options) => rejoin(client, options.json).await,
    }
}

async fn remove(client: &Client, options: &cli::Remove) -> Result<ExitCode> {
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

async fn revoke(client: &Client, options: &cli::Revoke) -> Result<ExitCode> {
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
        println!("{}", serde_json::to_string(&answer)?);
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
