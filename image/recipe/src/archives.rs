//! Where packages come from: Debian's archives, and those that a shop adds in
//! `recipes/archives.toml`.

use crate::document::explain;
use crate::error::{Fault, RecipeError};
use crate::openpgp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeTable;

/// The file, in `recipes/`.
pub(crate) const FILE: &str = "archives.toml";

/// The release of Debian that images are made of.
pub const RELEASE: &str = "trixie";

/// Every archive by name: `debian` and `debian-security`, of which the keys that
/// are written replace the built-in ones, and third-party repositories, which a
/// recipe takes with `repositories`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct ArchivesFile(BTreeMap<String, ArchiveSettings>);

/// One archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ArchiveSettings {
    /// Its root: what stands before `/dists/`, or before a suite that ends in a
    /// slash. Package lists are read from here, and packages first asked for.
    pub url: Option<String>,
    /// Suites, such as `trixie`; one that ends in a slash is a flat repository.
    pub suites: Option<Vec<String>>,
    /// Components, such as `main`. Debian's follow from the kernel's flavour,
    /// and these are added.
    pub components: Vec<String>,
    /// Further places with the same paths, asked in this order for packages that
    /// `url` does not have any more.
    pub mirrors: Vec<String>,
    /// A dated archive, asked last: a URL with `{date}` (20260131T120000Z), and
    /// perhaps `{path}` or `{sha256}`; without those two, the package's path is
    /// added at the end. Nothing for an archive that has none.
    pub snapshot: Option<String>,
    /// The file of its OpenPGP key, beside this file.
    pub key: Option<String>,
    /// The fingerprint that the key must have; spaces are allowed.
    pub fingerprint: Option<String>,
    /// Its apt priority. Debian's own is 500; what a third-party repository has
    /// by default, 100, is only for packages that Debian does not have.
    pub pin: Option<i16>,
    /// Whether a package list past its date is refused. Say no for a dated
    /// archive.
    pub check_valid_until: Option<bool>,
}

/// An archive that a recipe takes packages from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Archive {
    /// Its name in `archives.toml` and in locks.
    pub name: String,
    /// Its root.
    pub url: String,
    /// Its suites.
    pub suites: Vec<String>,
    /// Its components; none for a flat repository.
    pub components: Vec<String>,
    /// Further places with the same paths.
    pub mirrors: Vec<String>,
    /// A dated archive, as a template.
    pub snapshot: Option<String>,
    /// The key that must have signed it; without one, Debian's keyring.
    pub key: Option<ArchiveKey>,
    /// Its apt priority, if not apt's own choice.
    pub pin: Option<i16>,
    /// Whether a package list past its date is refused.
    pub check_valid_until: bool,
}

/// The key of an archive, which has the fingerprint that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ArchiveKey {
    /// Its file.
    pub path: PathBuf,
    /// The fingerprint of the certificate, in upper-case hexadecimal.
    pub fingerprint: String,
}

/// What apt gives to a repository that is only asked for what no other has.
const LAST_RESORT: i16 = 100;

/// Debian's own archives, with these components.
fn debian(components: &[&str]) -> Vec<Archive> {
    let archive = |name: &str, suites: &[&str]| Archive {
        name: name.into(),
        url: format!("http://deb.debian.org/{name}"),
        suites: suites.iter().map(|suite| format!("{RELEASE}{suite}")).collect(),
        components: components.iter().map(|&word| word.to_owned()).collect(),
        mirrors: Vec::new(),
        snapshot: Some(format!("http://snapshot.debian.org/archive/{name}/{{date}}")),
        key: None,
        pin: None,
        check_valid_until: true,
    };
    vec![archive("debian", &["", "-updates"]), archive("debian-security", &["-security"])]
}

/// `recipes/archives.toml`, checked value by value.
#[derive(Debug, Default)]
pub struct Archives {
    folder: PathBuf,
    file: PathBuf,
    text: Arc<str>,
    settings: BTreeMap<String, ArchiveSettings>,
}

impl Archives {
    /// Reads `<recipes>/archives.toml`; without it, there is Debian alone.
    ///
    /// # Errors
    /// When it is there and wrong: with its line.
    pub fn read(recipes: &Path) -> Result<Self, RecipeError> {
        let file = recipes.join(FILE);
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(text.into(), recipes, file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { folder: recipes.to_owned(), file, ..Self::default() })
            }
            Err(error) => Err(RecipeError::read(&file, error)),
        }
    }

    fn parse(text: Arc<str>, folder: &Path, file: PathBuf) -> Result<Self, RecipeError> {
        let spans = DeTable::parse(&text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let reason = error.message().to_owned();
            RecipeError::at(Fault::Syntax { reason }, &file, &text, &span)
        })?;
        let ArchivesFile(settings) = toml::from_str(&text)
            .map_err(|error| explain(&file, &text, spans.get_ref(), &error))?;
        let archives = Self { folder: folder.to_owned(), file, text: Arc::clone(&text), settings };
        for (name, settings) in &archives.settings {
            archives.check(name, settings)?;
        }
        Ok(archives)
    }

    /// The third-party repositories, by name.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        self.settings.keys().filter(|name| !is_debians(name)).cloned().collect()
    }

    /// Debian's archives with these components.
    ///
    /// # Errors
    /// When a key file of one is missing or has another fingerprint.
    pub fn debian(&self, components: &[&str]) -> Result<Vec<Archive>, RecipeError> {
        let mut archives = debian(components);
        for archive in &mut archives {
            if let Some(settings) = self.settings.get(&archive.name) {
                self.apply(settings, archive)?;
            }
        }
        Ok(archives)
    }

    /// A third-party repository; nothing if the file has none of that name.
    ///
    /// # Errors
    /// When its key file is missing or has another fingerprint.
    pub fn repository(&self, name: &str) -> Result<Option<Archive>, RecipeError> {
        let Some(settings) = self.settings.get(name).filter(|_| !is_debians(name)) else {
            return Ok(None);
        };
        let mut archive = Archive {
            name: name.to_owned(),
            url: String::new(),
            suites: Vec::new(),
            components: Vec::new(),
            mirrors: Vec::new(),
            snapshot: None,
            key: None,
            pin: Some(LAST_RESORT),
            check_valid_until: true,
        };
        self.apply(settings, &mut archive)?;
        Ok(Some(archive))
    }

    fn apply(&self, settings: &ArchiveSettings, archive: &mut Archive) -> Result<(), RecipeError> {
        let bare = |url: &String| url.trim_end_matches('/').to_owned();
        if let Some(url) = &settings.url {
            archive.url = bare(url);
        }
        if let Some(suites) = &settings.suites {
            archive.suites.clone_from(suites);
        }
        for component in &settings.components {
            if !archive.components.contains(component) {
                archive.components.push(component.clone());
            }
        }
        archive.mirrors.extend(settings.mirrors.iter().map(bare));
        if settings.snapshot.is_some() {
            archive.snapshot = settings.snapshot.as_ref().map(bare);
        }
        if settings.pin.is_some() {
            archive.pin = settings.pin;
        }
        if let Some(check) = settings.check_valid_until {
            archive.check_valid_until = check;
        }
        if let (Some(key), Some(fingerprint)) = (&settings.key, &settings.fingerprint) {
            archive.key = Some(self.key(&archive.name, key, fingerprint)?);
        }
        Ok(())
    }

    /// Reads a key file and compares the key's fingerprint.
    fn key(&self, name: &str, key: &str, wanted: &str) -> Result<ArchiveKey, RecipeError> {
        let path = self.folder.join(key);
        let bytes = std::fs::read(&path).map_err(|error| {
            let reason = format!("{} cannot be read: {error}", path.display());
            self.wrong(name, "key", reason)
        })?;
        let wanted = bare_fingerprint(wanted);
        let found = openpgp::fingerprints(&bytes);
        let [certificate] = found.as_slice() else {
            let reason = format!(
                "{} holds {} OpenPGP keys; expected one, and no other",
                path.display(),
                found.len()
            );
            return Err(self.wrong(name, "key", reason));
        };
        match certificate.first() {
            Some(fingerprint) if *fingerprint == wanted => {
                Ok(ArchiveKey { path, fingerprint: wanted })
            }
            fingerprint => {
                let reason = format!(
                    "the key in {} has the fingerprint {}: either the file is not the \
                     repository's key, or the repository has a new one",
                    path.display(),
                    fingerprint.map_or("", String::as_str)
                );
                Err(self.wrong(name, "fingerprint", reason))
            }
        }
    }

    fn check(&self, name: &str, settings: &ArchiveSettings) -> Result<(), RecipeError> {
        if !ashlar_site::is_name(name) {
            let reason = "this is not a name: write lower-case letters, digits and dashes";
            return Err(self.wrong(name, "", reason.into()));
        }
        let urls = settings.url.iter().map(|url| ("url", url));
        let urls = urls.chain(settings.mirrors.iter().map(|url| ("mirrors", url)));
        for (key, url) in urls.chain(settings.snapshot.iter().map(|url| ("snapshot", url))) {
            if !is_url(url) {
                let reason = format!("`{url}` is not a URL that begins with http:// or https://");
                return Err(self.wrong(name, key, reason));
            }
            if has_password(url) {
                let reason = "a password here would be in git and in locks; let a proxy add it";
                return Err(self.wrong(name, key, reason.into()));
            }
        }
        for (key, words) in [
            ("suites", settings.suites.as_deref().unwrap_or_default()),
            ("components", &settings.components),
        ] {
            let odd = |word: &&String| {
                word.is_empty() || word.contains(|c: char| c.is_whitespace() || "[]#".contains(c))
            };
            if let Some(word) = words.iter().find(odd) {
                return Err(self.wrong(name, key, format!("`{word}` is not one word")));
            }
        }
        if settings.key.is_some() != settings.fingerprint.is_some() {
            let (has, lacks) = match settings.key {
                Some(_) => ("key", "fingerprint"),
                None => ("fingerprint", "key"),
            };
            let reason = format!("`{has}` needs `{lacks}` beside it");
            return Err(self.wrong(name, has, reason));
        }
        if let Some(fingerprint) = &settings.fingerprint {
            let bare = bare_fingerprint(fingerprint);
            if ![40, 64].contains(&bare.len()) || !bare.chars().all(|c| c.is_ascii_hexdigit()) {
                let reason = "expected a whole fingerprint, 40 or 64 hexadecimal digits; \
                              `gpg --show-keys FILE` prints it";
                return Err(self.wrong(name, "fingerprint", reason.into()));
            }
        }
        if is_debians(name) {
            return Ok(());
        }
        let suites = settings.suites.as_deref().unwrap_or_default();
        let flat = suites.iter().all(|suite| suite.ends_with('/'));
        for (key, there) in [
            ("url", settings.url.is_some()),
            ("suites", !suites.is_empty()),
            ("components", flat || !settings.components.is_empty()),
            ("key", settings.key.is_some()),
        ] {
            if !there {
                return Err(self.wrong(name, "", format!("a repository needs `{key}`")));
            }
        }
        Ok(())
    }

    /// An error at a key of an archive, or, without one, at its name.
    fn wrong(&self, name: &str, key: &str, reason: String) -> RecipeError {
        let dotted = if key.is_empty() { name.to_owned() } else { format!("{name}.{key}") };
        let fault = Fault::WrongValue { key: dotted, reason };
        RecipeError::at(fault, &self.file, &self.text, &self.span(name, key))
    }

    fn span(&self, name: &str, key: &str) -> Range<usize> {
        let Ok(table) = DeTable::parse(&self.text) else { return 0..0 };
        let table = table.get_ref();
        let inside = table.get(name).and_then(|archive| archive.get_ref().as_table());
        let value = inside.and_then(|archive| archive.get(key)).map(toml::Spanned::span);
        let title = table.keys().find(|title| title.get_ref() == name).map(toml::Spanned::span);
        value.or(title).unwrap_or(0..0)
    }
}

fn is_debians(name: &str) -> bool {
    matches!(name, "debian" | "debian-security")
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn has_password(url: &str) -> bool {
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    host.is_some_and(|host| host.contains('@'))
}

fn bare_fingerprint(text: &str) -> String {
    text.split_whitespace().collect::<String>().to_ascii_uppercase()
}
