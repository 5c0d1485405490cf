//! `ashlarctl reset`.

use crate::{ask, cli};
use anyhow::{Context, Result, bail};
use ashlar_api::{
    Client, Losses, Reset, ResetAnswer, ResetRequest, Secret, SiteAfterReset, SiteResetRequest,
};
use std::process::ExitCode;

pub(crate) async fn run(client: &Client, options: &cli::Reset) -> Result<ExitCode> {
    let (what, confirm) = match &options.what {
        cli::ResetWhat::Workloads(confirm) => (Reset::Workloads, confirm),
        cli::ResetWhat::Cluster(confirm) => (Reset::Cluster, confirm),
        cli::ResetWhat::Factory(factory) => return run_factory(client, factory).await,
        cli::ResetWhat::Site(site) => return run_site(client, site).await,
    };
    let site = SiteAfterReset::Keep;
    ask_and_begin(
        client,
        confirm,
        ResetRequest { what, site, dry_run: true, name: None, pin: None },
    )
    .await
}

async fn run_factory(client: &Client, options: &cli::Factory) -> Result<ExitCode> {
    let site = match (&options.new_site, options.keep_site) {
        (Some(path), _) => {
            let text = std::fs::read(path)
                .with_context(|| format!("cannot read the new site {}", path.display()))?;
            SiteAfterReset::New(Secret::new(text))
        }
        (None, true) => SiteAfterReset::Keep,
        (None, false) => SiteAfterReset::Forget,
    };
    let request = ResetRequest { what: Reset::Factory, site, dry_run: true, name: None, pin: None };
    ask_and_begin(client, &options.confirm, request).await
}

/// Every box of the site. The name is asked for, because nothing is left of it.
async fn run_site(client: &Client, options: &cli::ResetSite) -> Result<ExitCode> {
    let mut request = SiteResetRequest {
        site: options.name.clone(),
        keep_site: options.keep_site,
        partial: options.partial,
        dry_run: true,
    };
    let mut answer = client.reset_site(&request).await?;
    if !options.json {
        for sentence in answer.sentences(options.keep_site) {
            println!("{sentence}");
        }
    }
    if !options.dry_run {
        if !answer.is_whole() && !options.partial {
            bail!("not every box of the site can be reset: nothing is; or add --partial");
        }
        if request.site.is_none() {
            let typed = ask::line("Type the site's name to go on", "--name with the site's name")?;
            request.site = Some(typed);
        }
        request.dry_run = false;
        answer = client.reset_site(&request).await?;
        if !options.json {
            for line in answer.outcome() {
                println!("{line}");
            }
        }
    }
    if options.json {
        println!("{}", serde_json::to_string(&answer)?);
    }
    if !answer.is_whole() && !options.partial {
        bail!("not every box was reset: ask again when the others answer");
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what would be lost, asks, and begins.
async fn ask_and_begin(
    client: &Client,
    options: &cli::Confirm,
    mut request: ResetRequest,
) -> Result<ExitCode> {
    request.name.clone_from(&options.name);
    let would = client.reset(&request).await?;
    if !options.json {
        for sentence in would.losses.sentences(&request) {
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
        println!(
            "{}",
            match request.what {
                Reset::Workloads => "The engine stops now, and starts again empty.",
                Reset::Cluster =>
                    "It leaves its cluster now, and looks for one as on its first day.",
                Reset::Factory =>
                    "The box reboots now, and comes back as it was before its first boot.",
            }
        );
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
    let wanted = if losses.unbearable.is_some() { "this node's name" } else { "`reset`" };
    let instead = "--yes, or --name with the node's name";
    let typed = ask::line(&format!("Type {wanted} to go on"), instead)?;
    // The agent compares the name; anything else than the word ends it here.
    if losses.unbearable.is_none() && typed != "reset" {
        bail!("nothing is reset");
    }
    Ok(typed)
}
