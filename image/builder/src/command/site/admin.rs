//! `ashlar site admin`: who may look after a site's boxes from elsewhere.

use super::place;
use crate::output::Output;
use ashlar_build::Project;
use ashlar_pki::NodeKey;
use ashlar_pki::people::{
    IntroductionKey, Pass, PeopleCa, PeopleCertificate, Person, RevokedList, Role,
};
use ashlar_site::whole_file::{Existing, write_whole};
use ashlar_site::{Site, with_people};
use jiff::Timestamp;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// `ashlar site admin`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    pass: Option<New>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Take a person's passes back.
    ///
    ///   ashlar site admin revoke shop anna
    ///   ashlarctl --site shop admin revoke keys/shop/revoked.pem
    #[command(verbatim_doc_comment)]
    Revoke {
        /// The site.
        site: String,
        /// The person, as `ashlar site admin list` shows it.
        person: String,
    },
    /// List the passes that were made for a site.
    ///
    ///   ashlar site admin list shop
    #[command(verbatim_doc_comment)]
    List {
        /// The site.
        site: String,
    },
}

#[derive(Debug, clap::Args)]
struct New {
    /// The site.
    site: String,
    /// The person: a-z, 0-9 and . - _ @
    person: String,
    /// What the person may do: `view` looks at everything and changes nothing.
    #[arg(long, value_name = "ROLE", default_value = "admin", value_parser = role)]
    role: Role,
    /// How long the pass holds.
    #[arg(long, value_name = "DAYS", default_value_t = 365,
          value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// An address of a box, which `ashlarctl` asks before it looks for one. May be
    /// repeated. Besides, it has those that the site names.
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    address: Vec<String>,
}

fn role(word: &str) -> Result<Role, String> {
    let known = [Role::Admin, Role::View];
    known.into_iter().find(|role| role.as_str() == word).ok_or_else(|| "admin or view".into())
}

/// Every pass that was made, in `keys/NAME/admins.json`: what there is to take back.
#[derive(Debug, Serialize, Deserialize)]
struct Register {
    version: u32,
    /// The number of the last list of what was revoked.
    #[serde(default)]
    list: u64,
    passes: Vec<Made>,
}

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "MadePass"))]
pub(crate) struct Made {
    /// Whose it is.
    name: String,
    /// What the person may do.
    #[cfg_attr(test, schemars(with = "String"))]
    role: Role,
    /// The certificate's number.
    serial: String,
    /// When it ends.
    #[cfg_attr(test, schemars(with = "String"))]
    until: Timestamp,
    /// It was taken back.
    #[serde(default)]
    revoked: bool,
}

const VERSION: u32 = 1;

/// The files of one site.
struct Files {
    site: PathBuf,
    ca_key: PathBuf,
    register: PathBuf,
    passes: PathBuf,
    revoked: PathBuf,
}

fn files(project: &Project, name: &str) -> Files {
    let folder = project.keys().join(name);
    let at = |name: &str| folder.join(name);
    Files {
        site: place(project, name),
        ca_key: at("people-ca.key"),
        register: at("admins.json"),
        passes: at("admins"),
        revoked: at("revoked.pem"),
    }
}

/// What `ashlar site admin --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NewPass<'a> {
    /// The pass.
    pass: &'a Path,
    /// The site.
    site: &'a str,
    /// Whose it is.
    person: &'a str,
    /// What the person may do.
    #[cfg_attr(test, schemars(with = "String"))]
    role: Role,
    /// When it ends.
    until: &'a str,
    /// The certificate's number.
    serial: &'a str,
}

/// What `ashlar site admin revoke --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TakenBack<'a> {
    /// How many passes.
    revoked: usize,
    /// The list for the boxes.
    list: &'a Path,
    /// Its number.
    number: u64,
}

/// What `ashlar site admin list --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Passes<'a> {
    /// Every pass that was made.
    passes: &'a [Made],
}

/// Runs it.
pub(super) fn run(args: &Args, project: &Project, output: &Output) -> miette::Result<()> {
    match (&args.verb, &args.pass) {
        (Some(Verb::Revoke { site, person }), _) => revoke(project, site, person, output),
        (Some(Verb::List { site }), _) => list(project, site, output),
        (None, Some(new)) => make(project, new, output),
        (None, None) => Err(miette!("give a site and a person: ashlar site admin SITE NAME")),
    }
}

/// Makes the people CA of a site, and writes its certificate into the site's file.
pub(super) fn found(project: &Project, name: &str) -> miette::Result<PeopleCa> {
    let files = files(project, name);
    let ca = PeopleCa::mint(name, Timestamp::now()).into_diagnostic()?;
    // The key first: a certificate in the site without it would let in nobody, ever.
    write(&files.ca_key, ca.key_pem().as_bytes(), Existing::Keep)?;
    tell_site(&files, ca.certificate(), None)?;
    Ok(ca)
}

/// Writes into the site's file who signs for people, and what counts no more.
fn tell_site(
    files: &Files,
    ca: &PeopleCertificate,
    revoked: Option<&RevokedList>,
) -> miette::Result<()> {
    let text = Zeroizing::new(std::fs::read_to_string(&files.site).into_diagnostic()?);
    let next = with_people(&text, ca.der(), revoked.map(RevokedList::der));
    let next = Zeroizing::new(next);
    Site::parse(&next, &files.site)?;
    write(&files.site, next.as_bytes(), Existing::Replace)
}

/// The people CA of a site that has one.
fn known(files: &Files, site: &Site) -> miette::Result<Option<PeopleCa>> {
    let Some(certificate) = site.people.ca() else { return Ok(None) };
    let certificate = PeopleCertificate::from_der(&certificate).into_diagnostic()?;
    let key = std::fs::read(&files.ca_key).map(Zeroizing::new).into_diagnostic();
    let key = key.wrap_err_with(|| {
        format!(
            "{} is not here: passes are made where the site was made, or from its backup",
            files.ca_key.display()
        )
    })?;
    PeopleCa::from_parts(certificate, &key).map(Some).into_diagnostic()
}

fn make(project: &Project, new: &New, output: &Output) -> miette::Result<()> {
    let files = files(project, &new.site);
    let site = Site::load(&files.site)?;
    let person = Person::new(&new.person, new.role).into_diagnostic()?;
    let ca = match known(&files, &site)? {
        Some(ca) => ca,
        None => {
            let ca = found(project, &new.site)?;
            output.warning(
                "boxes that have this site already do not know of its people yet: give each the \
                 new file, as root: ashlar-agent import-seed --file site.toml && systemctl \
                 restart ashlar-agent",
            );
            ca
        }
    };
    let now = Timestamp::now();
    let key = NodeKey::generate().into_diagnostic()?;
    let life = Duration::from_secs(u64::from(new.days) * 24 * 3600);
    let certificate = ca.issue(&key, &person, now, life).into_diagnostic()?;
    let introduction =
        IntroductionKey::of(site.ring_key.as_bytes(), &certificate).into_diagnostic()?;
    let pass = Pass {
        version: Pass::VERSION,
        site: site.name.clone(),
        name: new.person.clone(),
        role: new.role,
        until: certificate.not_after().to_string(),
        addresses: addresses(new, &site),
        introduction: introduction.to_base64().to_string(),
        certificate: certificate.to_pem(),
        key: key.to_pem().to_string(),
    };
    let text = Zeroizing::new(toml::to_string(&pass).into_diagnostic()?);
    // On record before it is there: what was made can be taken back.
    let mut register = register(&files)?;
    register.passes.push(Made {
        name: new.person.clone(),
        role: new.role,
        serial: certificate.serial().to_owned(),
        until: certificate.not_after(),
        revoked: false,
    });
    keep(&files, &register)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&files.passes)
        .into_diagnostic()?;
    let path = files.passes.join(format!("{}.toml", new.person));
    write(&path, text.as_bytes(), Existing::Replace)?;
    output.line(format_args!("pass        {}", path.display()));
    output.line(format_args!("role        {}", new.role.as_str()));
    output.line(format_args!("until       {}", pass.until));
    output.note(format_args!(
        "who has this file is let in: give it to {0} alone, who keeps it, mode 0600, as \
         ~/.config/ashlar/{1}.toml and types: ashlarctl --site {1} status",
        new.person, site.name
    ));
    output.json(&NewPass {
        pass: &path,
        site: &site.name,
        person: &new.person,
        role: new.role,
        until: &pass.until,
        serial: certificate.serial(),
    })
}

/// Addresses that were given, and those that the site names, without the ring's port.
fn addresses(new: &New, site: &Site) -> Vec<String> {
    let fixed = site.network.node.iter();
    let fixed = fixed.filter_map(|node| Some(node.uplink?.addr().to_string()));
    let join = site.network.join.iter().map(|address| {
        let socket = address.parse::<std::net::SocketAddr>();
        socket.map_or_else(|_| address.clone(), |socket| socket.ip().to_string())
    });
    let mut all: Vec<String> = new.address.clone();
    for address in fixed.chain(join) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

fn revoke(project: &Project, name: &str, person: &str, output: &Output) -> miette::Result<()> {
    let files = files(project, name);
    let site = Site::load(&files.site)?;
    let ca = known(&files, &site)?
        .ok_or_else(|| miette!("site {name} lets in nobody from elsewhere"))?;
    let mut register = register(&files)?;
    let mut found = 0;
    for made in register.passes.iter_mut().filter(|made| made.name == person) {
        made.revoked = true;
        found += 1;
    }
    if found == 0 {
        return Err(miette!(
            help = format!("ashlar site admin list {name}"),
            "no pass was made here for {person}"
        ));
    }
    let now = Timestamp::now();
    // Also above what a lost register may have counted.
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    register.list = seconds.max(register.list + 1);
    // What has ended needs no list.
    let gone = register.passes.iter().filter(|made| made.revoked && made.until > now);
    let serials: Vec<&str> = gone.map(|made| made.serial.as_str()).collect();
    let revoked = ca.revoke(&serials, register.list, now).into_diagnostic()?;
    keep(&files, &register)?;
    tell_site(&files, ca.certificate(), Some(&revoked))?;
    write(&files.revoked, revoked.to_pem().as_bytes(), Existing::Replace)?;
    let _ = std::fs::remove_file(files.passes.join(format!("{person}.toml")));
    output.line(format_args!("revoked     {found} of {person}"));
    output.line(format_args!("list        {}", files.revoked.display()));
    output.note(format_args!(
        "boxes set up from now on know it; tell those that run: ashlarctl --site {name} admin \
         revoke {}",
        files.revoked.display()
    ));
    output.json(&TakenBack { revoked: found, list: &files.revoked, number: register.list })
}

fn list(project: &Project, name: &str, output: &Output) -> miette::Result<()> {
    let files = files(project, name);
    Site::load(&files.site)?;
    let register = register(&files)?;
    let now = Timestamp::now();
    for made in &register.passes {
        let state = match (made.revoked, made.until < now) {
            (true, _) => "revoked",
            (false, true) => "ended",
            (false, false) => "",
        };
        let (role, until) = (made.role.as_str(), made.until.strftime("%Y-%m-%d"));
        let line = format!("{:<24} {role:<6} until {until}  {state}", made.name);
        output.line(line.trim_end());
    }
    if register.passes.is_empty() {
        output.note(format_args!("no pass yet; make one: ashlar site admin {name} NAME"));
    }
    output.json(&Passes { passes: &register.passes })
}

fn register(files: &Files) -> miette::Result<Register> {
    let shown = files.register.display();
    let text = match std::fs::read_to_string(&files.register) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Register { version: VERSION, list: 0, passes: Vec::new() });
        }
        Err(error) => return Err(miette!("{shown} cannot be read: {error}")),
    };
    let register: Register =
        serde_json::from_str(&text).map_err(|error| miette!("{shown}: {error}"))?;
    if register.version != VERSION {
        return Err(miette!("{shown} is of version {}; use a later release", register.version));
    }
    Ok(register)
}

fn keep(files: &Files, register: &Register) -> miette::Result<()> {
    let text = serde_json::to_string_pretty(register).into_diagnostic()? + "\n";
    write(&files.register, text.as_bytes(), Existing::Replace)
}

fn write(path: &Path, bytes: &[u8], existing: Existing) -> miette::Result<()> {
    write_whole(path, bytes, false, existing)
        .map_err(|error| miette!("{} cannot be written: {error}", path.display()))
}

#[cfg(test)]
mod tests;
