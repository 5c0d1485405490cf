//! `ashlarctl reset`.

mod unasked;

use super::facts;
use crate::ask;
use anyhow::{Context, Result, bail};
use ashlar_api::{
    Client, Losses, Reset, ResetAnswer, ResetRequest, Secret, SiteAfterReset, SiteResetRequest,
};
use std::path::PathBuf;
use std::process::ExitCode;

/// Take from this box its workloads, its place in the cluster, or all that it is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// How much is taken away.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// What containers left on this box: they start again from nothing
    ///
    /// Stops the container engine, and removes containers, images and local volumes
    /// of this box. It stays in its cluster, and files below /srv/cluster stay.
    #[command(after_help = "\
Examples:
  ashlarctl reset workloads --dry-run             what would be lost
  ashlarctl reset workloads --name ashlar-4f0c    local volumes too, without a question")]
    Workloads(Confirm),
    /// The place of this box in its cluster: it joins anew
    ///
    /// Leaves Swarm, storage, certificates and ring, and keeps the site. The copy of
    /// the volume is set aside below /data/bricks, where it stays. The box then looks
    /// for a cluster as on its first day, as a node of another name and address. A
    /// power cut only makes it go on. Its old place is lost to the others, and is
    /// given away after the grace time.
    #[command(after_help = "\
Examples:
  ashlarctl reset cluster --dry-run               what would be lost
  ashlarctl reset cluster --name ashlar-4f0c      although it may hold the last copy")]
    Cluster(Confirm),
    /// All state and data of this box, for good
    ///
    /// Says first what would be lost, and whether the cluster can bear it. The box
    /// reboots within seconds and comes back as before its first boot; a power cut
    /// only makes it begin again.
    #[command(after_help = "\
Examples:
  ashlarctl reset factory --dry-run               what would be lost
  ashlarctl reset factory --keep-site             come back as a new node of this site
  ashlarctl reset factory --new-site site.toml    come back as a node of another site
  ashlarctl reset factory --name ashlar-4f0c      although it may hold the last copy")]
    Factory(Factory),
    /// All state and data of every box of this site, for good
    ///
    /// Asks every box what it would lose, and for the site's name. Then all of them
    /// reset themselves as by `reset factory`, this one last. A box that does not answer
    /// holds the others back, unless --partial is given: it keeps what it has.
    #[command(after_help = "\
Examples:
  ashlarctl reset site --dry-run             what would be lost on every box
  ashlarctl reset site --keep-site           begin the site anew
  ashlarctl reset site --partial             although a box is off")]
    Site(Site),
}

/// `ashlarctl reset site`.
#[derive(Debug, clap::Args)]
struct Site {
    /// Come back with the site that the boxes have now. Without this they forget it.
    #[arg(long)]
    keep_site: bool,
    /// Go on without the boxes that do not answer.
    #[arg(long)]
    partial: bool,
    /// The name of the site, instead of being asked for it.
    #[arg(long, value_name = "SITE")]
    name: Option<String>,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    json: bool,
}

/// `ashlarctl reset factory`.
#[derive(Debug, clap::Args)]
struct Factory {
    /// Come back with the site that the box has now. Without this and --new-site it
    /// forgets its site.
    #[arg(long, conflicts_with = "new_site")]
    keep_site: bool,
    /// Come back with this site.
    #[arg(long, value_name = "FILE")]
    new_site: Option<PathBuf>,
    #[command(flatten)]
    confirm: Confirm,
}

/// What every reset is told.
#[derive(Debug, clap::Args)]
struct Confirm {
    /// The name of this node: does it even where no other healthy copy is in sight.
    #[arg(long, value_name = "NODE")]
    name: Option<String>,
    /// Do not ask. Still refused where no other healthy copy is in sight.
    #[arg(long, short)]
    yes: bool,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(client: &Client, args: &Args) -> Result<ExitCode> {
    let (what, confirm) = match &args.verb {
        Verb::Workloads(confirm) => (Reset::Workloads, confirm),
        Verb::Cluster(confirm) => (Reset::Cluster, confirm),
        Verb::Factory(factory) => return run_factory(client, factory).await,
        Verb::Site(site) => return run_site(client, site).await,
    };
    let site = SiteAfterReset::Keep;
    ask_and_begin(
        client,
        confirm,
        ResetRequest { what, site, dry_run: true, name: None, pin: None },
    )
    .await
}

async fn run_factory(client: &Client, options: &Factory) -> Result<ExitCode> {
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
async fn run_site(client: &Client, options: &Site) -> Result<ExitCode> {
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
        print!("{}", facts::line(&answer)?);
    }
    if !answer.is_whole() && !options.partial {
        bail!("not every box was reset: ask again when the others answer");
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what would be lost, asks, and begins.
async fn ask_and_begin(
    client: &Client,
    options: &Confirm,
    mut request: ResetRequest,
) -> Result<ExitCode> {
    request.name.clone_from(&options.name);
    let would = match client.reset(&request).await {
        Err(error) if unasked::is_absent(&error) => {
            let done = unasked::reset(options, &request, error)?;
            if done.begun && !options.json {
                println!("{}", begun(request.what));
            }
            return answer(&done, options.json);
        }
        would => would?,
    };
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
    let done = client.reset(&request).await?;
    if !options.json {
        println!("{}", begun(request.what));
    }
    answer(&done, options.json)
}

const fn begun(what: Reset) -> &'static str {
    match what {
        Reset::Workloads => "The engine stops now, and starts again empty.",
        Reset::Cluster => "It leaves its cluster now, and looks for one as on its first day.",
        Reset::Factory => "The box reboots now, and comes back as it was before its first boot.",
    }
}

fn answer(answer: &ResetAnswer, json: bool) -> Result<ExitCode> {
    if json {
        print!("{}", facts::line(answer)?);
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
