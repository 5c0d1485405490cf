//! Bringing packages into the cache, from wherever they still are.
//!
//! Every place is asked by path and believed by SHA-256: the archive, its
//! mirrors, and a dated archive at the day of the lock; or, for a build without
//! a network, a directory that `ashlar vendor` filled, and nothing else.

use crate::digest;
use crate::download::{Client, Refused};
use crate::error::{At, BuildError, Result};
use crate::events::{Activity, Events};
use crate::store::Store;
use ashlar_recipe::{Archive, Lock, LockedArchive, LockedPackage};
use ashlar_sandbox::{Cancel, Proxies};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Where packages may be taken from.
#[derive(Clone, Debug)]
pub(crate) struct Places<'a> {
    /// A vendored directory: nothing else is asked then.
    pub vendor: Option<&'a Path>,
    /// The folder below which files of one's own are.
    pub recipes: &'a Path,
    /// The archives as they are known today.
    pub archives: &'a [Archive],
}

/// A place that a package may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Url(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

/// A package that no place had.
#[derive(Clone, Debug)]
pub struct Lost {
    /// The package.
    pub package: LockedPackage,
    /// Each place that was asked, and its answer.
    pub answers: Vec<String>,
    /// Whether one of them said that it does not have it: then it is gone, and
    /// not only out of reach.
    pub gone: bool,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LockedPackage { name, version, .. } = &self.package;
        write!(f, "{name} {version}")?;
        self.answers.iter().try_for_each(|answer| write!(f, "\n    {answer}"))
    }
}

/// How many packages are fetched at once. An archive's limit is often lower than
/// a line's, so more gains nothing.
const AT_ONCE: usize = 6;

/// The packages of a lock that are not in the cache.
pub(crate) fn missing<'a>(lock: &'a Lock, store: &Store) -> Vec<&'a LockedPackage> {
    let there = |package: &LockedPackage| {
        std::fs::metadata(store.deb(&package.sha256)).is_ok_and(|data| data.len() == package.size)
    };
    lock.packages.iter().filter(|package| !there(package)).collect()
}

/// Links a package out of the cache, where it is whole.
pub(crate) fn link(store: &Store, package: &LockedPackage, to: &Path) -> Result<()> {
    if store.link_deb(&package.sha256, to)? {
        return Ok(());
    }
    Err(BuildError::Damaged { name: package.name.clone(), version: package.version.clone() })
}

/// Says that a package is fetched again, which was taken out of the cache.
pub(crate) fn again(name: &str, events: &dyn Events) {
    events.warning(format_args!("{name} in the cache is damaged; fetching it again"));
}

/// Brings every package of the lock into the cache, and gives those that could
/// not be had.
pub(crate) fn fetch(
    places: &Places<'_>,
    store: &Store,
    lock: &Lock,
    events: &dyn Events,
) -> Result<Vec<Lost>> {
    fetch_through(&Proxies::of_host(), places, store, lock, events)
}

fn fetch_through(
    proxies: &Proxies,
    places: &Places<'_>,
    store: &Store,
    lock: &Lock,
    events: &dyn Events,
) -> Result<Vec<Lost>> {
    store.make()?;
    let wanted = missing(lock, store);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let total = wanted.iter().map(|package| package.size).sum();
    let fetching = Fetching {
        places,
        store,
        lock,
        cancel: events.cancel(),
        client: Client::new(proxies)?,
        bar: Mutex::new(events.begin_bytes("fetching packages", total)),
        done: AtomicU64::new(0),
        dead: Mutex::default(),
    };
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new((Vec::new(), None));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(wanted.len()) {
            scope.spawn(|| {
                while let Some(package) = wanted.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let fetched = fetching.package(package);
                    let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                    match fetched {
                        Ok(None) => {}
                        Ok(Some(lost)) => outcome.0.push(lost),
                        // A full disk, or Ctrl-C: nothing else will go better.
                        Err(error) => {
                            outcome.1.get_or_insert(error);
                            next.store(wanted.len(), Ordering::SeqCst);
                        }
                    }
                }
            });
        }
    });
    let (mut lost, failed) = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What did arrive is kept, whatever else failed; power may fail now.
    store.sync_debs()?;
    if let Some(error) = failed {
        return Err(error);
    }
    lost.sort_by(|one: &Lost, other| one.package.cmp(&other.package));
    Ok(lost)
}

struct Fetching<'a> {
    places: &'a Places<'a>,
    store: &'a Store,
    lock: &'a Lock,
    cancel: Cancel,
    client: Client,
    bar: Mutex<Box<dyn Activity>>,
    done: AtomicU64,
    /// Hosts that nobody is at: not every package has to wait for that.
    dead: Mutex<BTreeSet<String>>,
}

impl Fetching<'_> {
    fn arrived(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.bar.lock().unwrap_or_else(PoisonError::into_inner).at(done);
    }

    fn package(&self, package: &LockedPackage) -> Result<Option<Lost>> {
        let mut lost = Lost { package: package.clone(), answers: Vec::new(), gone: false };
        // Another build may be fetching the same package; it is waited for.
        let partial = self.store.deb(&package.sha256).with_extension("part");
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&partial)
            .at("made", &partial)?;
        file.lock().at("locked", &partial)?;
        let place = self.store.deb(&package.sha256);
        if std::fs::metadata(&place).is_ok_and(|data| data.len() == package.size) {
            return Ok(None);
        }
        for from in self.places.of(self.lock, package) {
            self.cancel.check()?;
            let begun = file.metadata().at("read", &partial)?.len() > 0;
            let mut answer = self.from(&from, package, &mut file);
            let mut whole = answer.is_ok() && is_whole(&partial, package)?;
            if answer.is_ok() && begun && !whole {
                // What an earlier build left may have been the damaged part.
                file.set_len(0).at("written", &partial)?;
                answer = self.from(&from, package, &mut file);
                whole = answer.is_ok() && is_whole(&partial, package)?;
            }
            let (refusal, gone) = match answer {
                Ok(()) if whole => {
                    file.sync_all().at("written", &partial)?;
                    std::fs::rename(&partial, &place).at("made", &place)?;
                    return Ok(None);
                }
                Ok(()) => {
                    ("has something else: size or SHA-256 are not the lock's".to_owned(), true)
                }
                Err(Refused::Not(what)) => (what, true),
                Err(Refused::Unreachable(why) | Refused::Dead(why)) => (why, false),
                Err(Refused::Stop(error)) => return Err(error.into()),
            };
            lost.gone |= gone;
            lost.answers.push(format!("{from}: {refusal}"));
            file.set_len(0).and_then(|()| file.rewind()).at("written", &partial)?;
        }
        let _ = std::fs::remove_file(&partial);
        Ok(Some(lost))
    }

    fn from(
        &self,
        place: &Place,
        package: &LockedPackage,
        file: &mut File,
    ) -> std::result::Result<(), Refused> {
        match place {
            Place::File(path) => copy(path, file),
            Place::Url(url) => {
                let host = url.split('/').nth(2).unwrap_or_default();
                let dead = || self.dead.lock().unwrap_or_else(PoisonError::into_inner);
                if dead().contains(host) {
                    return Err(Refused::Unreachable("did not answer before".into()));
                }
                let arrived = |bytes| self.arrived(bytes);
                let got = self.client.get(url, package.size, file, &self.cancel, &arrived);
                if matches!(got, Err(Refused::Dead(_))) {
                    dead().insert(host.to_owned());
                }
                got
            }
        }
    }
}

fn copy(from: &Path, to: &mut File) -> std::result::Result<(), Refused> {
    let mut source = match File::open(from) {
        Ok(source) => source,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Refused::Not("is not there".into()));
        }
        Err(error) => return Err(Refused::Not(error.to_string())),
    };
    let copied = to
        .set_len(0)
        .and_then(|()| to.seek(SeekFrom::Start(0)))
        .and_then(|_| std::io::copy(&mut source, to))
        .and_then(|_| to.flush());
    copied.at("written", from).map_err(Refused::Stop)
}

fn is_whole(path: &Path, package: &LockedPackage) -> Result<bool> {
    let bytes = std::fs::metadata(path).at("read", path)?.len();
    Ok(bytes == package.size && digest::file(path)? == package.sha256)
}

impl Places<'_> {
    /// Where a package may be, the likeliest first.
    fn of(&self, lock: &Lock, package: &LockedPackage) -> Vec<Place> {
        if let Some(vendor) = self.vendor {
            return vec![Place::File(vendor.join("debs").join(package.file_name()))];
        }
        let Some(locked) = lock.archive_of(package) else {
            return vec![Place::File(self.recipes.join(&package.filename))];
        };
        let known = self.archives.iter().find(|archive| archive.name == locked.name);
        let path = escaped(&package.filename);
        let mut urls: Vec<String> = Vec::new();
        if let Some(known) = known {
            urls.push(format!("{}/{path}", known.url));
        }
        urls.push(format!("{}/{path}", locked.url));
        if let Some(known) = known {
            urls.extend(known.mirrors.iter().map(|mirror| format!("{mirror}/{path}")));
            if let Some(snapshot) = &known.snapshot {
                let dates = dates(locked);
                urls.extend(dates.iter().map(|date| dated(snapshot, date, &path, &package.sha256)));
            }
        }
        let mut seen = BTreeSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        urls.into_iter().map(Place::Url).collect()
    }
}

/// A dated archive is made from the real one some hours apart, and answers with
/// the last one before the time that it is asked for. The one that was made
/// after the lock has what the lock saw, and so, mostly, has the one before.
fn dates(locked: &LockedArchive) -> Vec<String> {
    let Ok(date) = locked.date.parse::<jiff::Timestamp>() else { return Vec::new() };
    let later = date.saturating_add(jiff::SignedDuration::from_hours(12)).unwrap_or(date);
    [later, date].map(|at| at.strftime("%Y%m%dT%H%M%SZ").to_string()).to_vec()
}

fn dated(template: &str, date: &str, path: &str, sha256: &str) -> String {
    let whole = template.contains("{path}") || template.contains("{sha256}");
    let url = template.replace("{date}", date).replace("{path}", path).replace("{sha256}", sha256);
    if whole { url } else { format!("{url}/{path}") }
}

/// A path as it stands in a URL.
fn escaped(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~+:@!$&'()*,;=".contains(c);
    let mut text = String::new();
    for c in path.chars() {
        if plain(c) {
            text.push(c);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// What is told when packages are lost.
fn describe(lost: &[Lost]) -> String {
    lost.iter().map(|lost| format!("- {lost}")).collect::<Vec<_>>().join("\n")
}

/// Why a build cannot have its packages; all of them are named.
pub(crate) fn refusal(
    profile: &str,
    lost: &[Lost],
    vendor: Option<&Path>,
    changes: String,
) -> BuildError {
    let profile = profile.to_owned();
    let packages = describe(lost);
    if let Some(directory) = vendor {
        return BuildError::NotVendored { profile, directory: directory.to_owned(), packages };
    }
    if !lost.iter().any(|lost| lost.gone) {
        return BuildError::OutOfReach { profile, packages };
    }
    let relock = match profile.as_str() {
        "tools" => "ashlar lock --tools".to_owned(),
        profile => format!("ashlar lock --profile {profile}"),
    };
    BuildError::Gone { profile, packages, changes, relock }
}

#[cfg(test)]
mod tests;
