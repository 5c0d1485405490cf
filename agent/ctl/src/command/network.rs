//! `ashlarctl network`.

use super::facts::{self, Facts, show};
use crate::style::{faint, good, heading, plain, waiting};
use anyhow::{Context, Result, bail};
use ashlar_api::{
    Client, LinkView, Network, NetworkAnswer, NetworkChange, NetworkRequest, NetworkVerb, Secret,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

const EXAMPLES: &str = "\
Examples:
  ashlarctl network --json | jq -r '.links[].mac'
  ashlarctl network set site.toml    try the network of this site
  ashlarctl network confirm          keep it, whatever answers";

/// List this box's ports: cable, MAC and addresses; or try another network
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    facts: Facts,
}

/// What becomes of the network.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Try the network that a site says, and wait what becomes of it
    ///
    /// The file is this box's site with another `[network]` or `[time]`. It is kept when
    /// the router and another box answer under it as they did before, and undone after
    /// two minutes otherwise; a power cut undoes it too. What a box has for life cannot
    /// be changed so: its cluster address, containers' networks, a bond.
    #[command(after_help = "Example: ashlarctl network set site.toml")]
    Set {
        /// The site.
        file: PathBuf,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Keep the network that is tried, whatever answers
    #[command(after_help = "Example: ashlarctl network confirm")]
    Confirm(Facts),
    /// Take back the network that is tried; or end the message of one that was undone
    #[command(after_help = "Example: ashlarctl network revert")]
    Revert(Facts),
}

/// How often it is asked what became of a change. The agent answers from memory.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long the agent may be silent: it starts again when a change is kept.
const SILENT: Duration = Duration::from_secs(60);

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    let ask = async |verb| client.change_network(&request(verb)).await;
    match &args.verb {
        None => show(&client.network().await?, args.facts.json, ports),
        Some(Verb::Set { file, json }) => set(client, file, *json).await,
        Some(Verb::Confirm(options)) => {
            end(&ask(NetworkVerb::Confirm).await?, options.json, "The new network is kept.")
        }
        Some(Verb::Revert(options)) => {
            end(&ask(NetworkVerb::Revert).await?, options.json, "The network is as it was.")
        }
    }
}

const fn request(verb: NetworkVerb) -> NetworkRequest {
    NetworkRequest { verb, dry_run: false, pin: None }
}

fn ports(network: &Network) -> String {
    let mut out = String::new();
    let width = network.links.iter().map(|link| link.name.len()).max().unwrap_or(0);
    for link in &network.links {
        let mark = if link.carrier { good("✔") } else { waiting("-") };
        let LinkView { name, addresses, .. } = link;
        let mac = link.mac.as_deref().unwrap_or("no MAC");
        let state = link.state();
        let line = format!("{mark} {:<width$}  {mac:<17}  {state:<14}", plain(name));
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "{}", format!("{line}  {}", addresses.join("  ")).trim_end());
    }
    let mut row = |name: &str, values: Vec<String>| {
        let values = if values.is_empty() { faint("none") } else { values.join("  ") };
        let _ = writeln!(out, "{} {values}", heading(name));
    };
    row("gateway", network.gateways.iter().map(ToString::to_string).collect());
    row("names", network.name_servers.iter().map(ToString::to_string).collect());
    out
}

fn end(answer: &NetworkAnswer, json: bool, words: &str) -> Result<ExitCode> {
    if json {
        print!("{}", facts::line(answer)?);
    } else {
        println!("{words}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn set(client: &Client, file: &Path, json: bool) -> Result<ExitCode> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let verb = NetworkVerb::Set(Secret::new(text));
    let mut answer = client.change_network(&request(verb)).await?;
    if !json {
        println!("The new network is tried: whoever answered before has to answer again.");
        println!("`ashlarctl network confirm` keeps it all the same, `revert` takes it back.");
    }
    let mut tick = tokio::time::interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    while answer.change == Some(NetworkChange::Trying) {
        tick.tick().await;
        let look = request(NetworkVerb::Look);
        match client.change_network(&look).await {
            Ok(now) => (answer, heard) = (now, Instant::now()),
            Err(error) if heard.elapsed() > SILENT => return Err(error.into()),
            Err(_) => {}
        }
    }
    if json {
        print!("{}", facts::line(&answer)?);
    }
    match answer {
        NetworkAnswer { change: Some(NetworkChange::Undone { why }), .. } => {
            bail!("the new network was undone: {why}")
        }
        _ if json => {}
        _ => println!("The new network is kept."),
    }
    Ok(ExitCode::SUCCESS)
}
