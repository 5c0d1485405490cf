//! An agent on the command line, with the flags of `serf agent`.
//!
//! ```sh
//! cargo run --release --example serf-rs -- agent -node=mason -bind=127.0.0.1:7946
//! serf members
//! ```

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serf_rs::agent::{Agent, AgentConfig, Announcements, Discover, read_keyring};
use serf_rs::{Config, Key, Keyring, Profile};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

/// A Serf agent in Rust; `serf members`, `serf event` and all others work with it.
#[derive(Parser)]
#[command(name = "serf-rs", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an agent until it is interrupted (then it leaves) or terminated
    Agent(Box<AgentArgs>),
    /// Print a new key for -encrypt
    Keygen,
}

#[derive(Args)]
struct AgentArgs {
    /// Its name, unique in the ring; the machine's by default
    #[arg(long)]
    node: Option<String>,
    /// Where to listen, and where others reach it: address or address:port
    #[arg(long, default_value = "127.0.0.1:7946")]
    bind: String,
    /// Where others reach it, if not at -bind
    #[arg(long)]
    advertise: Option<String>,
    /// Where the `serf` command connects; empty for nowhere
    #[arg(long, default_value = "127.0.0.1:7373")]
    rpc_addr: String,
    /// A key that the `serf` command has to know
    #[arg(long, env = "SERF_RPC_AUTH")]
    rpc_auth: Option<String>,
    /// The ring's key, in base64; better a file, which others cannot see
    #[arg(long)]
    encrypt: Option<String>,
    /// The file that holds the ring's keys, and that keeps their changes
    #[arg(long)]
    keyring_file: Option<PathBuf>,
    /// Join this node at once, or fail; may be given more than once
    #[arg(long)]
    join: Vec<String>,
    /// Ask this node to let us in until it does; may be given more than once
    #[arg(long)]
    retry_join: Vec<String>,
    /// Find nodes of this cluster by mDNS
    #[arg(long)]
    discover: Option<String>,
    /// Use mDNS on this interface only
    #[arg(long)]
    iface: Option<String>,
    /// A tag; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// Remember members and clocks in this file
    #[arg(long)]
    snapshot: Option<PathBuf>,
    /// Rejoin the remembered members even after leaving
    #[arg(long)]
    rejoin: bool,
    /// Hear the ring's past events when joining
    #[arg(long)]
    replay: bool,
    /// lan, wan or local
    #[arg(long, default_value = "lan")]
    profile: String,
    /// trace, debug, info, warn or err
    #[arg(long, default_value = "info")]
    log_level: String,
}

fn main() -> Result<()> {
    // Go's flags have one dash.
    let words = std::env::args().map(|word| match word.strip_prefix('-') {
        Some(flag) if !flag.starts_with('-') && flag.len() > 1 => format!("-{word}"),
        _ => word,
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match CommandLine::parse_from(words).command {
        Command::Agent(args) => runtime.block_on(run(*args)),
        Command::Keygen => {
            let mut key = [0; 32];
            OsRng.try_fill_bytes(&mut key).context("the kernel gives no random numbers")?;
            println!("{}", Key::new(&key)?.to_base64());
            Ok(())
        }
    }
}

async fn run(args: AgentArgs) -> Result<()> {
    let level = match args.log_level.as_str() {
        "err" => "error",
        level => level,
    };
    let level: LevelFilter = level.parse().context("-log-level")?;
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let (config, join) = configuration(args)?;
    let replay = config.replay;
    let name = config.node.name.clone();
    let agent = Agent::start(config).await?;
    println!("==> Serf agent running!");
    println!("     Node name: '{name}'");
    println!("     Bind addr: '{}'", agent.address());
    for address in join {
        let address = tokio::net::lookup_host(&address).await?.next().context("no such address")?;
        agent.join(vec![address], replay).await?;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => agent.leave().await?,
        _ = terminate.recv() => {}
        () = agent.ended() => {}
    }
    agent.shutdown().await;
    Ok(())
}

fn configuration(args: AgentArgs) -> Result<(AgentConfig, Vec<String>)> {
    let bind = address(&args.bind)?;
    let advertise = args.advertise.as_deref().map_or(Ok(bind), address)?;
    let name = match args.node {
        Some(name) => name,
        None => std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned(),
    };
    let mut node = Config::new(name, advertise);
    node.profile = match args.profile.as_str() {
        "lan" => Profile::LAN,
        "wan" => Profile::WAN,
        "local" => Profile::LOCAL,
        other => bail!("-profile is lan, wan or local, not `{other}`"),
    };
    for tag in &args.tag {
        let (key, value) = tag.split_once('=').with_context(|| format!("-tag={tag} has no `=`"))?;
        node.tags.insert(key.to_owned(), value.to_owned());
    }
    node.keyring = match (&args.encrypt, &args.keyring_file) {
        (_, Some(path)) if path.exists() => Some(read_keyring(path)?),
        (Some(key), _) => Some(Keyring::new(Key::from_base64(key).context("-encrypt")?)?),
        (None, Some(path)) => bail!("-keyring-file={}: there is no such file", path.display()),
        (None, None) => None,
    };
    let mut config = AgentConfig::new(node);
    config.bind = Some(bind);
    config.keyring_file = args.keyring_file;
    config.snapshot = args.snapshot;
    config.rejoin_after_leave = args.rejoin;
    config.retry_join = args.retry_join;
    config.replay = args.replay;
    config.discover = args.discover.map(|cluster| Discover {
        cluster,
        interface: args.iface,
        announcements: Announcements::default(),
    });
    if !args.rpc_addr.is_empty() {
        config.rpc = Some((address(&args.rpc_addr)?, args.rpc_auth));
    }
    let join = args.join.iter().map(|join| Ok(address(join)?.to_string()));
    Ok((config, join.collect::<Result<_>>()?))
}

/// Address, or address and port.
fn address(text: &str) -> Result<SocketAddr> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, 7946));
    }
    text.parse().with_context(|| format!("`{text}` is no address like 10.0.0.1 or 10.0.0.1:7946"))
}
