//! `ashlar site`: the secrets and addresses of one cluster, in `keys/<name>/`.

pub(crate) mod admin;

use crate::context::Context;
use crate::output::Output;
use ashlar_build::Project;
use ashlar_site::{
    ConsoleRules, NetworkPlan, PinHash, Site, SiteNode, SiteOptions, TimeRules, check_ssh_key,
};
use ipnet::Ipv4Net;
use miette::IntoDiagnostic;
use serde::Serialize;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Make and inspect sites: the secrets and addresses of one cluster.
///
///   ashlar site new shop --expect 3
///   ashlar site show shop
///   ashlar site list
///
/// A site reaches a node once, by its seed partition. It never enters an image,
/// and this command never prints its key.
///
///   ashlar site new shop --expect 3
///   ashlar site list
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a new site with a random ring key, in keys/NAME/site.toml (mode 0600).
    ///
    ///   ashlar site new shop
    ///   ashlar site new shop --expect 3 --ssh-key ~/.ssh/id_ed25519.pub
    ///   ashlar site new shop --network 10.20.0.0/24 --node 52:54:00:12:34:56=10.20.0.11
    ///   pass show shop/pin | ashlar site new shop --expect 3 --pin
    #[command(verbatim_doc_comment)]
    New(New),
    /// Show a site without its secrets.
    ///
    ///   ashlar site show shop
    #[command(verbatim_doc_comment)]
    Show {
        /// Its name.
        name: String,
    },
    /// List the sites in keys/.
    ///
    ///   ashlar site list
    #[command(verbatim_doc_comment)]
    List,
    /// Let a person look after the boxes from elsewhere, or take that back.
    ///
    /// Makes a pass, in keys/SITE/admins/NAME.toml: a certificate with its key, and what
    /// proves a box to this person. `ashlarctl --site` takes it. Each has a life, and
    /// counts no more once it was revoked and the boxes were told.
    ///
    ///   ashlar site admin shop anna
    ///   ashlar site admin shop ben --role view --days 30
    ///   ashlar site admin revoke shop anna
    ///   ashlar site admin list shop
    #[command(verbatim_doc_comment)]
    Admin(admin::Args),
    /// Make the hash of a PIN for the boxes' consoles, to put into a site.
    ///
    /// Whoever stands before a box of that site types the PIN before it does
    /// anything. The site file and the box know its hash alone.
    ///
    ///   ashlar site pin
    ///   pass show shop/pin | ashlar site pin
    #[command(verbatim_doc_comment)]
    Pin,
}

#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// Its name: lower-case letters, digits and dashes. Nodes find each other by it.
    pub(crate) name: String,
    /// Found the cluster only once this many nodes are present. Without it a
    /// person is asked, and nobody means: the first node founds it after a short
    /// wait, so that boxes which do not see each other then found one each.
    #[arg(long, value_name = "N")]
    pub(crate) expect: Option<u8>,
    /// A file with public keys that may type `ashlarctl`'s verbs by ssh. Without any, ssh
    /// stays off. May be repeated.
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub(crate) ssh_keys: Vec<PathBuf>,
    /// The network of the cluster addresses; each node takes one for life.
    #[arg(long, value_name = "CIDR", default_value_t = NetworkPlan::default().cluster)]
    pub(crate) network: Ipv4Net,
    /// Give the box with this network card a fixed cluster address. May be repeated.
    #[arg(long = "node", value_name = "MAC=IP", value_parser = node)]
    pub(crate) nodes: Vec<SiteNode>,
    /// A ring address to join besides those that mDNS finds, for nodes in other
    /// networks. May be repeated.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    pub(crate) join: Vec<String>,
    /// Do not ask for a DHCP lease as well.
    #[arg(long)]
    pub(crate) no_dhcp: bool,
    /// Ask for a PIN for the boxes' own screens; it may come by the standard input. The
    /// site knows its hash alone.
    #[arg(long)]
    pub(crate) pin: bool,
    /// The hash of a PIN that was asked for already.
    #[arg(skip)]
    pub(crate) pin_hash: Option<PinHash>,
}

/// What `ashlar site pin --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Pin {
    /// What stands for the PIN in a site, under `[console]`.
    #[cfg_attr(test, schemars(with = "String"))]
    pin_hash: PinHash,
}

/// What `ashlar site new --json` and `ashlar site show --json` print: no secret.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShownSite<'a> {
    /// The site.
    site: &'a str,
    /// Its file.
    file: &'a Path,
    /// What to keep a copy of.
    back_up: Vec<PathBuf>,
    /// By which its ring key is known.
    ring_key_fingerprint: String,
    /// How many boxes found the cluster, if that is said.
    expect: Option<u8>,
    /// `[network]`.
    network: NetworkPlan,
    /// `[time]`.
    time: &'a TimeRules,
    /// Who may type `ashlarctl`'s verbs by ssh.
    ssh_keys: &'a [String],
}

/// What `ashlar site list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Sites {
    /// The sites in keys/.
    sites: Vec<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let (output, project) = (&context.output, context.project()?);
    match &args.verb {
        Verb::New(new) => {
            let site = create(new, true, &project, output)?;
            show(&site, &place(&project, &site.name), output)?;
        }
        Verb::Show { name } => {
            let path = place(&project, name);
            show(&Site::load(&path)?, &path, output)?;
        }
        Verb::List => list(&project, output)?,
        Verb::Admin(args) => admin::run(args, &project, output)?,
        Verb::Pin => pin(output)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn place(project: &Project, name: &str) -> PathBuf {
    project.keys().join(name).join("site.toml")
}

/// `52:54:00:12:34:56=10.20.0.11`
fn node(text: &str) -> Result<SiteNode, String> {
    let (mac, address) =
        text.split_once('=').ok_or("expected MAC=IP, such as 52:54:00:12:34:56=10.83.0.11")?;
    let address: IpAddr =
        address.parse().map_err(|_| format!("`{address}` is not an IP address"))?;
    Ok(SiteNode::by_mac(mac.to_ascii_lowercase()).at(address))
}

/// Makes a site and its file; `may_ask` how many boxes there are, if nobody has said
/// so.
pub(crate) fn create(
    new: &New,
    may_ask: bool,
    project: &Project,
    output: &Output,
) -> miette::Result<Site> {
    let mut ssh_keys = Vec::new();
    for file in &new.ssh_keys {
        for key in read_keys(file)? {
            if !ssh_keys.contains(&key) {
                ssh_keys.push(key);
            }
        }
    }
    let network = NetworkPlan {
        cluster: new.network,
        dhcp: !new.no_dhcp,
        join: new.join.clone(),
        node: new.nodes.clone(),
        ..NetworkPlan::default()
    };
    // What is wrong with the rest must be told before a person is asked.
    let console = ConsoleRules { pin_hash: new.pin_hash.clone(), ..ConsoleRules::default() };
    let options = SiteOptions { expect: new.expect, ssh_keys, network, console };
    let mut site = Site::generate(&new.name, options.clone())?;
    let path = place(project, &new.name);
    if new.expect.is_none() && !path.exists() {
        if may_ask && let Some(expect) = ask_how_many(output)? {
            let options = SiteOptions { expect: Some(expect), ..options };
            site = Site::generate(&new.name, options)?;
        } else {
            output.warning(
                "the site does not say how many boxes it has (--expect): boxes that do not see \
                 each other at their first start found a cluster each",
            );
        }
    }
    if new.pin && !path.exists() {
        site.console.pin_hash = Some(ask_pin()?);
    }
    site.create(&path)?;
    admin::found(project, &site.name)?;
    let site = Site::load(&path)?;
    // Whoever reads nothing else must read this.
    output.warning(format_args!(
        "back up {} now, encrypted: it has the only copy of the cluster's key, by which boxes join, \
         and of the key by which people are let in",
        project.keys().join(&site.name).display()
    ));
    Ok(site)
}

/// Asks for a PIN and prints the lines of a site that stand for it.
fn pin(output: &Output) -> miette::Result<()> {
    let hash = ask_pin()?;
    output.line(format_args!("[console]\npin-hash = \"{hash}\""));
    output.json(&Pin { pin_hash: hash })
}

/// The hash of the PIN that a person types, or that comes by the standard input.
fn ask_pin() -> miette::Result<PinHash> {
    if std::io::stdin().is_terminal() {
        eprint!("The PIN (4 to 12 digits; it is shown as you type): ");
    }
    let mut line = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line).into_diagnostic()?;
    PinHash::of(line.trim()).into_diagnostic()
}

/// How many boxes the cluster begins with; nothing when nobody is there to ask, or
/// the person does not know.
fn ask_how_many(output: &Output) -> miette::Result<Option<u8>> {
    let asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !asked || output.is_json() {
        return Ok(None);
    }
    loop {
        eprint!("How many boxes will the cluster begin with? (Enter: not known yet) ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).into_diagnostic()?;
        match (answer.trim(), answer.trim().parse::<u8>()) {
            ("", _) => return Ok(None),
            (_, Ok(count @ 1..)) => return Ok(Some(count)),
            _ => eprintln!("a number from 1 to 255, please"),
        }
    }
}

/// The keys in a `.pub` or `authorized_keys` file.
pub(crate) fn read_keys(file: &Path) -> miette::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| miette::miette!("{} cannot be read: {error}", file.display()))?;
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        check_ssh_key(line)
            .map_err(|error| miette::miette!("{}:{}: {error}", file.display(), index + 1))?;
        keys.push(line.to_owned());
    }
    if keys.is_empty() {
        return Err(miette::miette!("{} has no public key in it", file.display()));
    }
    Ok(keys)
}

pub(crate) fn show(site: &Site, path: &Path, output: &Output) -> miette::Result<()> {
    let network = &site.network;
    let row = |name: &str, value: &str| output.line(format_args!("{name:10}  {value}"));
    row("site", &site.name);
    row("file", &path.display().to_string());
    for file in back_up(path) {
        row("back up", &file.display().to_string());
    }
    row("ring key", &format!("fingerprint {}", site.ring_key.fingerprint()));
    row(
        "founding",
        &site.expect.map_or_else(
            || "by the first node, after a short wait".to_owned(),
            |count| format!("once {count} nodes are present"),
        ),
    );
    let dhcp = if network.dhcp { "with DHCP besides" } else { "without DHCP" };
    row("network", &format!("{}, {dhcp}", network.cluster));
    for node in &network.node {
        let address = node.address.map(|address| address.to_string());
        let uplink = node.uplink.map(|uplink| format!("{uplink} on the way out"));
        let witness = node.witness.then(|| "a witness".to_owned());
        let fixed: Vec<_> = address.into_iter().chain(uplink).chain(witness).collect();
        row("node", &format!("{} = {}", node.known_by(), fixed.join(", ")));
    }
    for address in &network.join {
        row("join", address);
    }
    if site.ssh_keys.is_empty() {
        row("ssh", "off: the site has no keys");
    }
    for key in &site.ssh_keys {
        row("ssh", &short(key));
    }
    if let Some(wifi) = &network.wifi {
        let secret = if wifi.passphrase.is_some() { "with a passphrase" } else { "open" };
        row("wi-fi", &format!("{}, {secret}", wifi.ssid));
    }
    output.json(&ShownSite {
        site: &site.name,
        file: path,
        back_up: back_up(path),
        ring_key_fingerprint: site.ring_key.fingerprint(),
        expect: site.expect,
        network: network.without_secrets(),
        time: &site.time,
        ssh_keys: &site.ssh_keys,
    })
}

/// What cannot be made again: the site, and the key that lets people in.
pub(crate) fn back_up(site: &Path) -> Vec<PathBuf> {
    let key = site.with_file_name("people-ca.key");
    std::iter::once(site.to_owned()).chain(key.exists().then_some(key)).collect()
}

/// Type, the end of the key, and the comment.
fn short(key: &str) -> String {
    let mut words = key.splitn(3, ' ');
    let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let end = blob.get(blob.len().saturating_sub(12)..).unwrap_or(blob);
    format!("{kind} …{end} {}", words.next().unwrap_or_default()).trim_end().to_owned()
}

fn list(project: &Project, output: &Output) -> miette::Result<()> {
    let folder = project.keys();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| place(project, name).is_file())
        .collect();
    names.sort();
    for name in &names {
        output.line(name);
    }
    if names.is_empty() {
        output.note("no site yet; make one: ashlar site new NAME");
    }
    output.json(&Sites { sites: names })
}

#[cfg(test)]
pub(crate) mod tests;
