//! Which packages are meant today: asking apt.
//!
//! apt runs with lists of its own and an empty idea of what is installed, so that
//! the host's packages, sources and pins have no say.

use crate::digest;
use crate::draft::Draft;
use crate::error::{At, BuildError, Result};
use crate::events::Events;
use crate::index;
use crate::store::Store;
use ashlar_recipe::{Archive, Lock, LockedArchive, LockedPackage, Wanted, openpgp};
use ashlar_sandbox::{Sandbox, SandboxError, Tool};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a lock is made for.
pub(crate) struct Question<'a> {
    /// The profile, or `tools`.
    pub name: &'a str,
    /// What it asks for.
    pub wanted: &'a Wanted,
    /// The folder below which files of one's own are.
    pub recipes: &'a Path,
    /// Where a package was asked for, as `file:line`.
    pub place_of: &'a dyn Fn(&str) -> Option<String>,
}

/// Asks apt for the packages that are wanted, dependencies included. `apt` is
/// where it runs: the tools root, or, before there is one, the host.
pub(crate) fn resolve(
    apt: &Sandbox,
    store: &Store,
    question: &Question<'_>,
    events: &dyn Events,
) -> Result<Lock> {
    store.make()?;
    let activity = events.begin("asking the archives");
    let lock = Asking::new(apt, store, question).and_then(|asking| asking.lock());
    drop(activity);
    lock
}

struct Asking<'a> {
    apt: &'a Sandbox,
    store: &'a Store,
    question: &'a Question<'a>,
    /// sources.list, preferences, keys, and a repository of files of one's own.
    draft: Draft,
    own: Vec<LockedPackage>,
}

/// Where Debian's keys are, by release: since 13 the name says what is in it.
const KEYRINGS: [&str; 2] = [
    "usr/share/keyrings/debian-archive-keyring.pgp",
    "usr/share/keyrings/debian-archive-keyring.gpg",
];

impl<'a> Asking<'a> {
    fn new(apt: &'a Sandbox, store: &'a Store, question: &'a Question<'a>) -> Result<Self> {
        let draft = store.draft("resolve")?;
        let mut asking = Self { apt, store, question, draft, own: Vec::new() };
        asking.own = asking.own_packages()?;
        let (mut sources, mut pins) = (String::new(), String::new());
        for archive in &question.wanted.archives {
            let keyring = asking.keyring(archive)?;
            sources.push_str(&lines(archive, &keyring));
            pins.push_str(&pin(archive));
        }
        if !asking.own.is_empty() {
            sources.push_str("deb [trusted=yes] copy:/run/asked/own ./\n");
        }
        for (name, text) in [("sources.list", sources), ("preferences", pins)] {
            let path = asking.draft.path().join(name);
            std::fs::write(&path, text).at("written", path)?;
        }
        Ok(asking)
    }

    /// Files of one's own become a repository, and are told by name and version.
    fn own_packages(&self) -> Result<Vec<LockedPackage>> {
        let wanted = &self.question.wanted.debs;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let repository = self.draft.path().join("own");
        std::fs::create_dir(&repository).at("made", &repository)?;
        let mut written = BTreeMap::new();
        for deb in wanted {
            let from = self.question.recipes.join(deb);
            // A path may hold what apt would read as something else.
            let name = format!("{}.deb", &digest::text(deb)[..16]);
            std::fs::copy(&from, repository.join(&name)).at("copied", &from)?;
            written.insert(name, deb.clone());
        }
        let mut packages = index::make(self.apt, &repository)?;
        for package in &mut packages {
            let path = written.get(&package.filename).cloned().unwrap_or_default();
            if !matches!(package.architecture.as_str(), "amd64" | "all") {
                let what = format!(
                    "{path} is for the architecture {}; images are amd64",
                    package.architecture
                );
                return Err(BuildError::Unexpected { what });
            }
            package.filename = path;
        }
        Ok(packages)
    }

    /// The keys that must have signed an archive, as apt finds them.
    fn keyring(&self, archive: &Archive) -> Result<String> {
        let Some(key) = &archive.key else {
            let found = KEYRINGS.iter().find(|path| self.apt.root().join(path).is_file());
            return Ok(format!("/{}", found.unwrap_or(&KEYRINGS[0])));
        };
        let bytes = std::fs::read(&key.path).at("read", &key.path)?;
        let form = if openpgp::is_armoured(&bytes) { "asc" } else { "gpg" };
        let name = format!("{}.{form}", archive.name);
        let path = self.draft.path().join(&name);
        std::fs::write(&path, bytes).at("written", path)?;
        Ok(format!("/run/asked/{name}"))
    }

    fn lock(&self) -> Result<Lock> {
        self.apt_get("reading the package lists", "update").network().run()?;
        let own = self.own.iter().map(|package| format!("{}={}", package.name, package.version));
        let answer = self
            .apt_get("resolving packages", "install")
            .args(["--print-uris", "--yes", "-o", "Acquire::ForceHash=SHA256", "?essential"])
            .args(&self.question.wanted.packages)
            .args(own)
            .run()
            .map_err(|error| self.unresolvable(error))?;
        let chosen: BTreeSet<&str> = answer
            .lines()
            .filter(|line| line.starts_with('\''))
            .map(sha256)
            .collect::<Result<_>>()?;
        let mut lock = Lock {
            version: Lock::VERSION,
            inputs: self.question.wanted.digest(),
            archives: Vec::new(),
            packages: self.own.clone(),
        };
        for target in self.targets()? {
            target.take(&chosen, &mut lock)?;
        }
        let found: BTreeSet<&str> = lock.packages.iter().map(|it| it.sha256.as_str()).collect();
        if let Some(lost) = chosen.difference(&found).next() {
            let line = answer.lines().find(|line| line.contains(lost)).unwrap_or_default();
            let what = format!("apt named a package that is in no package list: {line}");
            return Err(BuildError::Unexpected { what });
        }
        lock.packages.sort();
        // A suite that nothing was taken from decides nothing either.
        let used: BTreeSet<_> =
            lock.packages.iter().map(|it| (it.archive.clone(), it.suite.clone())).collect();
        lock.archives.retain(|it| used.contains(&(Some(it.name.clone()), Some(it.suite.clone()))));
        Ok(lock)
    }

    fn apt_get(&self, what: &str, command: &str) -> Tool<'_> {
        self.apt_tool(what, "apt-get", &[command])
    }

    fn apt_tool(&self, what: &str, program: &str, words: &[&str]) -> Tool<'_> {
        let options = [
            "Dir::Etc::sourcelist=/run/asked/sources.list",
            "Dir::Etc::sourceparts=/dev/null",
            "Dir::Etc::preferences=/run/asked/preferences",
            "Dir::Etc::preferencesparts=/dev/null",
            "Dir::State=/run/apt/state",
            "Dir::State::lists=/run/apt/lists",
            "Dir::State::status=/dev/null",
            "Dir::Cache=/run/apt/cache",
            "APT::Sandbox::User=root",
            "APT::Architecture=amd64",
            "APT::Architectures=amd64",
            "APT::Install-Recommends=false",
            "Acquire::Languages=none",
            "Acquire::GzipIndexes=false",
            "Acquire::Retries=3",
        ];
        let mut tool = self.apt.command(what, program).args(words);
        for option in options {
            tool = tool.arg("-o").arg(option);
        }
        let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
        if certificates.is_file() {
            tool = tool.arg("-o").arg("Acquire::https::CaInfo=/run/certificates.crt");
            tool = tool.read(certificates, "certificates.crt");
        }
        tool.read(self.draft.path(), "asked").write(&self.store.apt(), "apt")
    }

    /// The package lists that were just read, the first archive's first.
    fn targets(&self) -> Result<Vec<Target>> {
        let form = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(FILENAME)";
        let words = ["indextargets", "--format", form, "Created-By: Packages"];
        let listed = self.apt_tool("finding the package lists", "apt-get", &words).run()?;
        let mut found = Vec::new();
        for line in listed.lines() {
            let mut words = line.split('|');
            let (Some(uri), Some(suite), Some(component), Some(file)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let uri = uri.trim_end_matches('/');
            let same = |named: &&String| bare(named) == bare(suite);
            let owner = self.question.wanted.archives.iter().find_map(|archive| {
                let suite = archive.suites.iter().find(same)?;
                (archive.url == uri).then(|| (archive, suite.clone()))
            });
            let Some((archive, suite)) = owner else { continue };
            let file = file.strip_prefix("/run/apt/").unwrap_or(file);
            found.push(Target {
                archive: archive.clone(),
                suite,
                component: Some(component.to_owned()).filter(|it| !it.is_empty()),
                file: self.store.apt().join(file),
                keyring: self.keys(archive)?,
            });
        }
        Ok(found)
    }

    /// Fingerprints of all keys that may sign an archive, subkeys too.
    fn keys(&self, archive: &Archive) -> Result<BTreeSet<String>> {
        let keyring = PathBuf::from(self.keyring(archive)?);
        let path = match (&archive.key, keyring.strip_prefix("/")) {
            (Some(key), _) => key.path.clone(),
            (None, Ok(inside)) => self.apt.root().join(inside),
            (None, Err(_)) => keyring,
        };
        let bytes = std::fs::read(&path).at("read", &path)?;
        Ok(openpgp::fingerprints(&bytes).into_iter().flatten().collect())
    }

    /// Finds the package that apt does not know, and the line that asks for it.
    fn unresolvable(&self, error: SandboxError) -> BuildError {
        let SandboxError::Tool { ref tail, .. } = error else { return error.into() };
        let errors: Vec<&str> = tail.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
        if errors.is_empty() {
            return error.into();
        }
        let named = errors.iter().find_map(|line| {
            let name = line.strip_prefix("Unable to locate package ")?.trim();
            let at = (self.question.place_of)(name);
            Some(at.map_or_else(|| format!("`{name}`"), |at| format!("`{name}` ({at})")))
        });
        BuildError::Unresolvable {
            origin: named.unwrap_or_else(|| format!("the packages of `{}`", self.question.name)),
            reason: errors.join("; "),
        }
    }
}

/// One package list.
struct Target {
    archive: Archive,
    suite: String,
    component: Option<String>,
    file: PathBuf,
    keyring: BTreeSet<String>,
}

impl Target {
    /// Adds what was chosen from this list to the lock, and its suite.
    fn take(&self, chosen: &BTreeSet<&str>, lock: &mut Lock) -> Result<()> {
        let text = std::fs::read_to_string(&self.file).at("read", &self.file)?;
        for stanza in index::stanzas(&text) {
            let here = stanza.field("SHA256").is_some_and(|sum| chosen.contains(sum));
            let Some(mut package) = stanza.package().filter(|_| here) else { continue };
            if lock.packages.iter().any(|known| known.sha256 == package.sha256) {
                continue;
            }
            package.archive = Some(self.archive.name.clone());
            package.suite = Some(self.suite.clone());
            package.component.clone_from(&self.component);
            lock.packages.push(package);
        }
        if !lock.archives.iter().any(|it| it.name == self.archive.name && it.suite == self.suite) {
            lock.archives.push(self.locked()?);
        }
        Ok(())
    }

    fn locked(&self) -> Result<LockedArchive> {
        let release = self.release()?;
        let text = String::from_utf8_lossy(&release);
        let date = text.lines().find_map(|line| line.strip_prefix("Date:")).unwrap_or_default();
        // `UTC` is not in the mail format that this is, but in many archives.
        let date = date.trim().replace("UTC", "GMT");
        let date = jiff::fmt::rfc2822::parse(&date).map_err(|error| BuildError::Unexpected {
            what: format!("the Release file of {} has no date: {error}", self.archive.name),
        })?;
        let signers = openpgp::signers(&release).into_iter();
        Ok(LockedArchive {
            name: self.archive.name.clone(),
            suite: self.suite.clone(),
            url: self.archive.url.clone(),
            components: self.archive.components.clone(),
            date: date.timestamp().to_string(),
            keys: signers.filter(|signer| self.keyring.contains(signer)).collect(),
        })
    }

    /// `InRelease`, or `Release` and its signature, which apt keeps beside the
    /// list under the same beginning.
    fn release(&self) -> Result<Vec<u8>> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let suite = self.suite.replace('/', "_");
        let start = match name.split_once(&format!("_dists_{suite}_")) {
            Some((root, _)) => format!("{root}_dists_{suite}_"),
            None => name.trim_end_matches("Packages").to_owned(),
        };
        let path = self.file.with_file_name(format!("{start}InRelease"));
        if let Ok(bytes) = std::fs::read(&path) {
            return Ok(bytes);
        }
        let path = self.file.with_file_name(format!("{start}Release"));
        Ok(std::fs::read(&path).at("read", path)?)
    }
}

/// A flat repository's suite is a path, written in more than one way.
fn bare(suite: &str) -> &str {
    suite.trim_start_matches("./").trim_end_matches('/')
}

/// One archive in sources.list form.
fn lines(archive: &Archive, keyring: &str) -> String {
    let (url, components) = (&archive.url, archive.components.join(" "));
    let until = if archive.check_valid_until { "" } else { " check-valid-until=no" };
    let line = |suite: &String| {
        let components = if suite.ends_with('/') { "" } else { &components };
        format!("deb [signed-by={keyring}{until}] {url} {suite} {components}\n")
    };
    archive.suites.iter().map(line).collect()
}

/// Its apt priority.
fn pin(archive: &Archive) -> String {
    let host = archive.url.split('/').nth(2).and_then(|host| host.split(':').next());
    match (archive.pin, host) {
        (Some(pin), Some(host)) => {
            format!("Package: *\nPin: origin \"{host}\"\nPin-Priority: {pin}\n\n")
        }
        _ => String::new(),
    }
}

/// `'http://…/bash_5.2-1_amd64.deb' bash_5.2-1_amd64.deb 1490384 SHA256:…`
fn sha256(line: &str) -> Result<&str> {
    let sum = line.split(' ').find_map(|word| word.strip_prefix("SHA256:"));
    sum.ok_or_else(|| BuildError::Unexpected {
        what: format!("apt named a package in a form that is not understood: {line}"),
    })
}

#[cfg(test)]
mod tests;
