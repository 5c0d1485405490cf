//! `ashlarctl reset`.

use crate::cli;
use anyhow::{Context, Result, bail};
use ashlar_api::{Client, Losses, ResetAnswer, ResetRequest, Secret, SiteAfterReset};
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Reset) -> Result<ExitCode> {
    let cli::ResetWhat::Factory(options) = &options.what;
    let site = match (&options.new_site, options.keep_site) {
        (Some(path), _) => {
            let text = std::fs::read(path)
                .with_context(|| format!("cannot read the new site {}", path.display()))?;
            SiteAfterReset::New(Secret::new(text))
        }
        (None, true) => SiteAfterReset::Keep,
        (None, false) => SiteAfterReset::Forget,
    };
    let mut request = ResetRequest { site, dry_run: true, name: options.name.clone(), pin: None };
    let would = client.reset(&request).await?;
    if !options.json {
        for sentence in would.losses.sentences(&request.site) {
            println!("{sentence}");
        }
    }
    if options.dry_run {
        return answer(&would, options.json);
    }
    if !options.yes && options.name.is_none() {
        request.name = Some(asked(&would.losses)?);
    }
    request.dry_run = false;
    let begun = client.reset(&request).await?;
    if !options.json {
        println!("The box reboots now, and comes back as it was before its first boot.");
    }
    answer(&begun, options.json)
}

fn answer(answer: &ResetAnswer, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string(answer)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person types: the node's name where something could be lost that no other
/// node has, else `reset`.
fn asked(losses: &Losses) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm this: add --yes, or --name with the node's name");
    }
    let wanted = if losses.unbearable.is_some() { "this node's name" } else { "`reset`" };
    print!("Type {wanted} to go on: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let typed = line.trim();
    // The agent compares the name; anything else than the word ends it here.
    if losses.unbearable.is_none() && typed != "reset" {
        bail!("nothing is reset");
    }
    Ok(typed.to_owned())
}
