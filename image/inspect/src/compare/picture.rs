//! What can be compared of an image, as plain lists.

use crate::error::InspectError;
use crate::packages;
use crate::tree::{Entry, Kind, Tree};
use crate::{Inspection, Opened, uki, unit_files};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// What is compared, each list by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Name and version of the image and of its kernel.
    pub image: BTreeMap<String, String>,
    /// Partitions by label: type and size.
    pub partitions: BTreeMap<String, String>,
    /// Bytes of root, UKIs and their sections.
    pub sizes: BTreeMap<String, String>,
    /// Words of the kernel command lines, without the root hash, which differs
    /// with every file.
    pub command_line: BTreeMap<String, String>,
    /// Accounts.
    pub accounts: BTreeMap<String, String>,
    /// Keys and certificates that the image trusts or holds.
    pub keys: BTreeMap<String, String>,
    /// Settings of the ssh server, and who may log in.
    pub ssh: BTreeMap<String, String>,
    /// Files that run as somebody else, or with capabilities.
    pub privileged: BTreeMap<String, String>,
    /// Sockets to the network that systemd opens.
    pub listening: BTreeMap<String, String>,
    /// Units that something starts.
    pub enabled: BTreeMap<String, String>,
    /// Packages and their versions.
    pub packages: BTreeMap<String, String>,
    /// Units and the hash of their text.
    pub units: BTreeMap<String, String>,
    /// Every file of the root.
    pub files: BTreeMap<String, FileFact>,
}

/// A file of the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFact {
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Hash of its content, or where a link leads.
    pub content: String,
}

impl fmt::Display for FileFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o} {} bytes {:.12}", self.mode, self.size, self.content)
    }
}

/// Where keys and certificates lie.
const KEYS: [&str; 6] = [
    "/etc/apt/trusted.gpg.d/",
    "/etc/ssh/",
    "/etc/ssl/",
    "/usr/share/ca-certificates/",
    "/usr/share/keyrings/",
    "/usr/lib/verity.d/",
];

impl Picture {
    /// Of an open image.
    ///
    /// # Errors
    /// When its root cannot be read.
    pub fn of(image: &Opened) -> Result<Self, InspectError> {
        let mut picture = Self::of_tree(image.root()?).map_err(|source| InspectError::Read {
            path: image.disk.path.clone(),
            what: "the root".to_owned(),
            source,
        })?;
        picture.disk(&image.inspection);
        Ok(picture)
    }

    fn disk(&mut self, inspection: &Inspection) {
        for report in &inspection.partitions {
            let partition = &report.partition;
            let fact = format!("{}, {} bytes", partition.kind, partition.size);
            self.partitions.insert(partition.label.clone(), fact);
            if let Some(used) = report.used.filter(|used| *used > 0) {
                self.sizes.insert(format!("{} in use", partition.label), used.to_string());
            }
        }
        for file in inspection.ukis() {
            let uki = &file.uki;
            self.sizes.insert("UKI".to_owned(), file.size.to_string());
            for section in &uki.sections {
                self.sizes.insert(format!("UKI {}", section.name), section.size.to_string());
            }
            for key in ["IMAGE_ID", "IMAGE_VERSION"] {
                let value = uki.os_release.get(key).cloned().unwrap_or_default();
                self.image.insert(key.to_owned(), value);
            }
            self.image.insert("kernel".to_owned(), uki.uname.clone().unwrap_or_default());
            let signed = if uki.signed { "yes" } else { "no" };
            self.keys.insert("Secure Boot signature".to_owned(), signed.to_owned());
            for (entry, line) in uki.command_lines().enumerate() {
                let entry = if entry == 0 { String::new() } else { format!("entry {entry}: ") };
                let words = line.split_whitespace();
                for word in words.filter(|word| uki::parameter(word, "roothash").is_none()) {
                    self.command_line.insert(format!("{entry}{word}"), "set".to_owned());
                }
            }
        }
    }

    /// Of an unpacked root.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_tree(tree: &Tree) -> std::io::Result<Self> {
        let mut picture = Self::default();
        for entry in tree.entries() {
            picture.file(tree, entry)?;
        }
        let text = |path: &str| Ok::<_, std::io::Error>(tree.text(path)?.unwrap_or_default());
        for line in text("/etc/passwd")?.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, uid, gid, _, home, shell] = fields.as_slice() {
                let fact = format!("uid {uid}, gid {gid}, {home}, {shell}");
                picture.accounts.insert((*name).to_owned(), fact);
            }
        }
        for line in text("/etc/group")?.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, _, members] = fields.as_slice()
                && !members.is_empty()
            {
                picture.accounts.insert(format!("group {name}"), (*members).to_owned());
            }
        }
        for path in packages::DPKG_STATUS {
            for package in packages::from_dpkg_status(&text(path)?) {
                let name = format!("{}:{}", package.name, package.architecture);
                picture.packages.insert(name, package.version);
            }
        }
        picture.units(tree)?;
        Ok(picture)
    }

    fn file(&mut self, tree: &Tree, entry: &Entry) -> std::io::Result<()> {
        let path = &entry.path;
        let content = match entry.kind {
            Kind::File => {
                let bytes = std::fs::read(tree.on_host(path))?;
                if path.starts_with("/etc/ssh/sshd_config") {
                    self.ssh_settings(&String::from_utf8_lossy(&bytes));
                }
                hex::encode(Sha256::digest(bytes))
            }
            Kind::Link => std::fs::read_link(tree.on_host(path))?.display().to_string(),
            Kind::Directory | Kind::Other => return Ok(()),
        };
        if entry.kind == Kind::File && entry.mode & 0o6000 != 0 {
            self.privileged.insert(path.clone(), format!("mode {:04o}", entry.mode));
        }
        if entry.kind == Kind::File
            && let Ok(Some(_)) = xattr::get(tree.on_host(path), "security.capability")
        {
            self.privileged.insert(path.clone(), "capabilities".to_owned());
        }
        let settings = path.contains("sshd_config") || path.contains("ssh_config");
        if path.ends_with("/authorized_keys") {
            self.ssh.insert(path.clone(), format!("{content:.12}"));
        } else if entry.kind == Kind::File
            && KEYS.iter().any(|folder| path.starts_with(folder))
            && !settings
        {
            self.keys.insert(path.clone(), format!("{content:.12}"));
        }
        let fact = FileFact { mode: entry.mode, size: entry.size, content };
        self.files.insert(path.clone(), fact);
        Ok(())
    }

    /// sshd takes the first value of a keyword.
    fn ssh_settings(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            if let Some((key, value)) = line.split_once(char::is_whitespace) {
                let key = key.to_ascii_lowercase();
                self.ssh.entry(key).or_insert_with(|| value.trim().to_owned());
            }
        }
    }

    fn units(&mut self, tree: &Tree) -> std::io::Result<()> {
        let kinds = ["service", "socket", "timer", "mount", "path", "target"];
        for unit in unit_files::all(tree, &kinds) {
            let text = unit_files::text(tree, &unit)?;
            let hash = hex::encode(Sha256::digest(&text));
            self.units.insert(unit.clone(), format!("{hash:.12}"));
            if !unit_files::is_wanted(tree, &unit) {
                continue;
            }
            self.enabled.insert(unit.clone(), "enabled".to_owned());
            let addresses = unit_files::network_addresses(&text);
            if unit.ends_with(".socket") && !addresses.is_empty() {
                self.listening.insert(unit, addresses.join(", "));
            }
        }
        Ok(())
    }
}
