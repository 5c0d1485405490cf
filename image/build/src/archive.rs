//! Debian's archive: which packages a recipe means today, and fetching them.
//!
//! Both are apt's work, run inside the tools root with lists of its own and an
//! empty idea of what is installed, so that the host's packages, sources and
//! pins have no say.

use crate::digest;
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::store::Store;
use ashlar_recipe::{Composed, Lock, LockedPackage};
use ashlar_sandbox::SandboxError;
use ashlar_sandbox::{Sandbox, Tool};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The archives, in sources.list form.
pub(crate) fn suites(components: &[&str]) -> Vec<String> {
    let components = components.join(" ");
    [
        ("http://deb.debian.org/debian", "trixie"),
        ("http://deb.debian.org/debian", "trixie-updates"),
        ("http://deb.debian.org/debian-security", "trixie-security"),
    ]
    .map(|(archive, suite)| format!("deb {archive} {suite} {components}"))
    .to_vec()
}

/// Asks apt which packages the recipe needs, dependencies included.
pub(crate) fn resolve(
    tools: &Sandbox,
    store: &Store,
    composed: &Composed,
    events: &dyn Events,
) -> Result<Lock> {
    let suites = suites(&composed.components());
    let activity = events.begin("asking Debian's archive");
    let answer = ask(tools, store, composed, &suites);
    drop(activity);
    let mut packages: Vec<LockedPackage> = answer?
        .lines()
        .filter(|line| line.starts_with('\''))
        .map(parse_uri)
        .collect::<Result<_>>()?;
    packages.sort();
    Ok(Lock {
        version: Lock::VERSION,
        inputs: Lock::inputs_of(composed, &suites),
        suites,
        packages,
    })
}

fn ask(tools: &Sandbox, store: &Store, composed: &Composed, suites: &[String]) -> Result<String> {
    let draft = store.draft("resolve")?;
    let sources = draft.path().join("sources.list");
    let keyring = "/usr/share/keyrings/debian-archive-keyring.pgp";
    let lines = suites
        .iter()
        .map(|suite| suite.replacen("deb ", &format!("deb [signed-by={keyring}] "), 1) + "\n");
    std::fs::write(&sources, lines.collect::<String>()).at("written", &sources)?;
    let lists = store.apt();
    let apt = |what: &str, command: &str| {
        apt_get(tools, what, command).read(&sources, "sources.list").write(&lists, "apt")
    };
    apt("reading Debian's package lists", "update").network().run()?;
    apt("resolving packages", "install")
        .args(["--print-uris", "--yes", "-o", "Acquire::ForceHash=SHA256", "?essential"])
        .args(composed.packages())
        .run()
        .map_err(|error| unresolvable(error, composed))
}

fn apt_get<'a>(tools: &'a Sandbox, what: &str, command: &str) -> Tool<'a> {
    let options = [
        "Dir::Etc::sourcelist=/run/sources.list",
        "Dir::Etc::sourceparts=/dev/null",
        "Dir::State=/run/apt/state",
        "Dir::State::lists=/run/apt/lists",
        "Dir::State::status=/dev/null",
        "Dir::Cache=/run/apt/cache",
        "APT::Sandbox::User=root",
        "APT::Architecture=amd64",
        "APT::Architectures=amd64",
        "APT::Install-Recommends=false",
        "Acquire::Languages=none",
        "Acquire::Retries=3",
    ];
    let tool = tools.command(what, "apt-get").arg(command);
    options.iter().fold(tool, |tool, option| tool.arg("-o").arg(option))
}

/// Finds the package that apt does not know, and the line that asks for it.
fn unresolvable(error: SandboxError, composed: &Composed) -> BuildError {
    let SandboxError::Tool { ref tail, .. } = error else { return error.into() };
    let errors: Vec<&str> = tail.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
    if errors.is_empty() {
        return error.into();
    }
    let named = errors.iter().find_map(|line| {
        let name = line.strip_prefix("Unable to locate package ")?.trim();
        let at = composed.origins.get(&format!("packages[{name:?}]"));
        Some(at.map_or_else(|| format!("`{name}`"), |at| format!("`{name}` ({at})")))
    });
    BuildError::Unresolvable {
        origin: named.unwrap_or_else(|| format!("the packages of `{}`", composed.name)),
        reason: errors.join("; "),
    }
}

/// `'http://…/pool/main/b/bash/bash_5.2-1_amd64.deb' bash_5.2-1_amd64.deb 1490384 SHA256:…`
fn parse_uri(line: &str) -> Result<LockedPackage> {
    let parsed = || {
        let mut words = line.split(' ');
        let uri = decode(words.next()?.trim_matches('\''));
        let file = decode(words.next()?);
        let size = words.next()?.parse().ok()?;
        let sha256 = words.next()?.strip_prefix("SHA256:")?.to_owned();
        let mut parts = file.strip_suffix(".deb")?.split('_');
        let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
        Some(LockedPackage {
            name: name.to_owned(),
            architecture: architecture.to_owned(),
            version: version.to_owned(),
            filename: format!("pool/{}", uri.split_once("/pool/")?.1),
            size,
            sha256,
        })
    };
    parsed().ok_or_else(|| BuildError::Unexpected {
        what: format!("apt named a package in a form that is not understood: {line}"),
    })
}

/// Undoes apt's quoting of file names (`%3a`, `%7e`, `%2b`).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where a package is downloaded from.
fn url(lock: &Lock, package: &LockedPackage) -> String {
    let archives = || lock.suites.iter().filter_map(|suite| suite.split(' ').nth(1));
    // Only the security archive has pool/updates/.
    let security = package.filename.starts_with("pool/updates/");
    let archive = archives().find(|archive| archive.ends_with("-security") == security);
    format!("{}/{}", archive.or_else(|| archives().next()).unwrap_or_default(), package.filename)
}

/// What fetching came to.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// All packages are in the cache.
    All,
    /// The archive does not have these any more.
    Vanished(Vec<LockedPackage>),
}

/// The packages of a lock that are not in the cache.
pub(crate) fn missing<'a>(lock: &'a Lock, store: &Store) -> Vec<&'a LockedPackage> {
    lock.packages.iter().filter(|package| !store.deb(&package.sha256).is_file()).collect()
}

/// Brings every package of the lock into the cache.
pub(crate) fn fetch(
    tools: &Sandbox,
    store: &Store,
    lock: &Lock,
    events: &dyn Events,
) -> Result<Fetched> {
    let wanted = missing(lock, store);
    if wanted.is_empty() {
        return Ok(Fetched::All);
    }
    let draft = store.draft("fetch")?;
    let done = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| watch(draft.path(), &wanted, &done, events));
        let mut helper = tools
            .command("fetching packages", "/usr/lib/apt/apt-helper")
            .args(["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "download-file"])
            .network()
            .write(draft.path(), "debs");
        for package in &wanted {
            helper = helper
                .arg(url(lock, package))
                .arg(format!("/run/debs/{}.deb", package.sha256))
                .arg(format!("SHA256:{}", package.sha256));
        }
        let result = helper.run();
        done.store(true, Ordering::SeqCst);
        result
    });
    // Whatever else failed, what did arrive whole is kept.
    for package in &wanted {
        let file = draft.path().join(format!("{}.deb", package.sha256));
        let whole = std::fs::metadata(&file).is_ok_and(|data| data.len() == package.size);
        if whole && digest::file(&file)? == package.sha256 {
            let place = store.deb(&package.sha256);
            std::fs::rename(&file, &place).at("made", &place)?;
        }
    }
    let still: Vec<LockedPackage> = missing(lock, store).into_iter().cloned().collect();
    match (result, still.first()) {
        (Err(error @ (SandboxError::Interrupted | SandboxError::DiskFull { .. })), _) => {
            Err(error.into())
        }
        (_, None) => Ok(Fetched::All),
        (Err(SandboxError::Tool { tail, .. }), Some(_)) if tail.contains("404 ") => {
            Ok(Fetched::Vanished(still))
        }
        (result, Some(first)) => Err(BuildError::Fetch {
            name: first.name.clone(),
            version: first.version.clone(),
            reason: match result {
                Err(error) => error.to_string(),
                Ok(_) => "its contents are not what the lock says".into(),
            },
        }),
    }
}

/// Draws how much has arrived; apt tells nobody but a terminal.
fn watch(directory: &Path, wanted: &[&LockedPackage], done: &AtomicBool, events: &dyn Events) {
    let bar =
        events.begin_bytes("fetching packages", wanted.iter().map(|package| package.size).sum());
    while !done.load(Ordering::SeqCst) {
        let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
        bar.at(files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "'http://deb.debian.org/debian/pool/main/u/util-linux/bsdutils_2.41.5-0%2bdeb13u1_amd64.deb' \
        bsdutils_1%3a2.41.5-0+deb13u1_amd64.deb 100 SHA256:cd8c";

    #[test]
    fn apt_s_answer_gives_name_version_with_epoch_and_path() {
        let package = parse_uri(LINE).unwrap();
        assert_eq!(package.name, "bsdutils");
        assert_eq!(package.version, "1:2.41.5-0+deb13u1");
        assert_eq!(package.architecture, "amd64");
        assert_eq!(package.filename, "pool/main/u/util-linux/bsdutils_2.41.5-0+deb13u1_amd64.deb");
        assert_eq!((package.size, package.sha256.as_str()), (100, "cd8c"));
    }

    #[test]
    fn an_answer_without_a_sha256_is_refused() {
        assert!(parse_uri(&LINE.replace("SHA256", "MD5Sum")).is_err());
    }

    #[test]
    fn security_updates_come_from_the_security_archive() {
        let mut package = parse_uri(LINE).unwrap();
        let lock =
            Lock { version: 1, inputs: String::new(), suites: suites(&["main"]), packages: vec![] };
        assert!(url(&lock, &package).starts_with("http://deb.debian.org/debian/pool/main/"));
        package.filename = "pool/updates/main/l/linux/x.deb".into();
        assert!(url(&lock, &package).starts_with("http://deb.debian.org/debian-security/pool/up"));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_parser_panic(line: String) {
            let _ = parse_uri(&line);
        }
    }
}
