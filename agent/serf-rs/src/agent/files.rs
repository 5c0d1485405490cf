//! Files that survive a power cut.

use super::AgentError;
use crate::keyring::{Key, Keyring};
use crate::snapshot::{Snapshot, SnapshotLine};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A snapshot is rewritten when it is larger than this, and than twice what it
/// has to say: HashiCorp's agent does at the same size.
const COMPACT_AT: u64 = 128 * 1024;
const BYTES_A_NODE: u64 = 128;

/// Replaces a file by one of this content: whole, or not at all.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".serf")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The new name has to be safe as well.
    File::open(folder)?.sync_all()
}

/// Keeps a keyring: a JSON list of base64 keys, the primary one first.
pub(super) fn write_keyring(path: &Path, keyring: &Keyring) -> io::Result<()> {
    replace(path, &format_keyring(keyring)?, 0o600)
}

fn format_keyring(keyring: &Keyring) -> io::Result<Zeroizing<Vec<u8>>> {
    let keys: Vec<Zeroizing<String>> =
        keyring.keys().map(|key| Zeroizing::new(key.to_base64())).collect();
    let words: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
    let mut json = Zeroizing::new(serde_json::to_vec_pretty(&words)?);
    json.push(b'\n');
    Ok(json)
}

/// Reads a keyring file's content, and once more what is written of it.
#[cfg(fuzzing)]
pub(crate) fn rehearse_keyring(text: &[u8]) {
    let Ok(keyring) = parse_keyring(text) else { return };
    let again = format_keyring(&keyring).map_err(|error| error.to_string());
    let again = again.and_then(|text| parse_keyring(&text));
    assert!(again.is_ok_and(|again| again.keys().eq(keyring.keys())), "keys were lost");
}

/// Reads a keyring file.
pub fn read_keyring(path: &Path) -> Result<Keyring, AgentError> {
    let text = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| AgentError::File { path: path.to_owned(), source })?;
    parse_keyring(&text).map_err(|why| AgentError::Keyring { path: path.to_owned(), why })
}

/// Reads what is in a keyring file, or says why it is none.
pub(crate) fn parse_keyring(text: &[u8]) -> Result<Keyring, String> {
    let words: Vec<Zeroizing<String>> = serde_json::from_slice::<Vec<String>>(text)
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(Zeroizing::new)
        .collect();
    let keys = words.iter().enumerate().map(|(place, word)| {
        Key::from_base64(word).map_err(|error| format!("key {}: {error}", place + 1))
    });
    let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err("it holds no key".to_owned());
    }
    Keyring::from_keys(keys).map_err(|error| error.to_string())
}

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    path: PathBuf,
    file: File,
    size: u64,
    state: Snapshot,
}

impl SnapshotFile {
    /// Opens a snapshot, and returns what it says.
    pub(super) fn open(path: &Path) -> Result<(Self, Snapshot), AgentError> {
        let wrap = |source| AgentError::File { path: path.to_owned(), source };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrap(error)),
        };
        let state = Snapshot::read(&text);
        // A line that a power cut left unfinished would spoil the next one.
        let content = state.write();
        replace(path, content.as_bytes(), 0o600).map_err(wrap)?;
        let file = append(path).map_err(wrap)?;
        let size = content.len() as u64;
        Ok((Self { path: path.to_owned(), file, size, state: state.clone() }, state))
    }

    /// Adds lines; rewrites the file if it has grown.
    pub(super) fn add(&mut self, lines: Vec<SnapshotLine>) -> io::Result<()> {
        let text: String = lines.iter().map(ToString::to_string).collect();
        for line in lines {
            self.state.apply(line);
        }
        self.size += text.len() as u64;
        let needed = self.state.alive.len() as u64 * BYTES_A_NODE;
        if self.size > COMPACT_AT.max(2 * needed) {
            return self.compact();
        }
        self.file.write_all(text.as_bytes())
    }

    /// Forgets everybody: this node left, and stays away.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.state = Snapshot { left: true, ..Snapshot::default() };
        self.compact()
    }

    fn compact(&mut self) -> io::Result<()> {
        let content = self.state.write();
        replace(&self.path, content.as_bytes(), 0o600)?;
        self.file = append(&self.path)?;
        self.size = content.len() as u64;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_is_kept_whole_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        let first = Key::new(&[1; 32]).unwrap();
        let mut ring = Keyring::new(first).unwrap();
        ring.install(Key::new(&[2; 16]).unwrap()).unwrap();
        write_keyring(&path, &ring).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = read_keyring(&path).unwrap();
        assert!(read.keys().eq(ring.keys()));
    }

    #[test]
    fn a_keyring_that_is_none_is_refused_with_its_name_and_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.json");
        for (text, why) in [("[\"AAEC", "EOF"), ("[]", "no key"), ("[\"AAEC\"]", "key 1")] {
            std::fs::write(&path, text).unwrap();
            let error = read_keyring(&path).unwrap_err().to_string();
            assert!(error.contains("keyring.json") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_snapshot_goes_on_after_a_line_that_a_power_cut_left_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        std::fs::write(&path, "alive: a 10.0.0.1:1\nalive: b 10.0.0").unwrap();
        let (mut file, state) = SnapshotFile::open(&path).unwrap();
        assert_eq!(state.alive.len(), 1);
        file.add(vec![SnapshotLine::Clock(7)]).unwrap();
        let again = Snapshot::read(&std::fs::read(&path).unwrap());
        assert_eq!((again.alive.len(), again.clocks.members), (1, 7));
    }

    #[test]
    fn a_snapshot_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        let (mut file, _) = SnapshotFile::open(&path).unwrap();
        for clock in 0..20_000 {
            file.add(vec![SnapshotLine::Clock(clock)]).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() <= COMPACT_AT);
        assert_eq!(Snapshot::read(&std::fs::read(&path).unwrap()).clocks.members, 19_999);
    }
}
