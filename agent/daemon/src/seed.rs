//! `import-seed`: takes the site from the seed, once.
//!
//! The order makes a power cut harmless at every point: the site is checked
//! whole, then written and synced, and only then is the seed wiped. A cut
//! before the wipe leaves a seed whose site is already here; the next boot
//! sees that both say the same and wipes it.

use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, bail};
use ashlar_site::Site;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Longest site file that is read.
const LONGEST: u64 = 1024 * 1024;

/// Where an unread site may lie.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The credential `ashlar.site`, as systemd passes it.
    pub(crate) credential: Option<PathBuf>,
    /// The seed partition.
    pub(crate) partition: PathBuf,
}

impl Sources {
    /// Those of a real node.
    pub(crate) fn system() -> Self {
        Self {
            credential: std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|dir| PathBuf::from(dir).join("ashlar.site")),
            partition: "/dev/ashlar/seed".into(),
        }
    }
}

/// What became of the import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Imported {
    /// A site came in.
    Now,
    /// A site was here already.
    Before,
    /// There is none anywhere.
    Nothing,
}

/// How a site is read from the seed partition; tests have no FAT to mount.
pub(crate) type ReadSeed<'a> = &'a dyn Fn(&Path) -> Result<Option<Zeroizing<String>>>;

/// Imports a site if this node has none, and wipes the seed that brought it.
pub(crate) fn import(paths: &Paths, sources: &Sources, read: ReadSeed<'_>) -> Result<Imported> {
    let here = read_site(&paths.site())?;
    let mut outcome = if here.is_some() { Imported::Before } else { Imported::Nothing };
    if here.is_none()
        && let Some(credential) = &sources.credential
        && let Some(text) = read_site(credential)?
    {
        keep(paths, &text, credential)?;
        outcome = Imported::Now;
    }
    let seed = take_seed(paths, sources.partition.as_path(), read)?;
    admit_keys(paths)?;
    Ok(seed.unwrap_or(outcome))
}

/// Takes what the seed partition brings, and wipes it; `None` if it is not
/// there, wiped, or not for this node.
fn take_seed(paths: &Paths, partition: &Path, read: ReadSeed<'_>) -> Result<Option<Imported>> {
    let mut outcome = None;
    if !partition.exists() || is_wiped(partition)? {
        return Ok(outcome);
    }
    let have = read_site(&paths.site())?;
    match (have, read(partition)) {
        (None, seed) => {
            let Some(seed) = seed? else { return Ok(outcome) };
            keep(paths, &seed, &partition.join("site.toml"))?;
            outcome = Some(Imported::Now);
        }
        // A second seed is somebody's intent that only a reset can carry out;
        // wiping it could destroy the only copy.
        (Some(here), Ok(Some(seed))) if *here != *seed => {
            tracing::warn!(
                "the seed carries another site than this node has and is left alone; \
                 to move the node to that site, reset it first"
            );
            return Ok(outcome);
        }
        // The same site, or what a wipe that lost power left: finish the wipe.
        (Some(_), _) => {}
    }
    wipe(partition).with_context(|| format!("cannot wipe {}", partition.display()))?;
    tracing::info!("the seed partition is wiped");
    Ok(outcome)
}

/// Lets those log in whom the site names, at every boot, so that a power cut
/// after the import does not lock them out.
fn admit_keys(paths: &Paths) -> Result<()> {
    let Some(text) = read_site(&paths.site())? else { return Ok(()) };
    let keys = Site::parse(&text, &paths.site())?.ssh_keys;
    let path = paths.authorized_keys();
    if keys.is_empty() {
        return match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        };
    }
    if let Some(dir) = path.parent() {
        state::make_private_dir(dir)?;
    }
    state::write_if_changed(&path, (keys.join("\n") + "\n").as_bytes(), 0o600)?;
    Ok(())
}

/// Checks the site as a whole, then writes it.
fn keep(paths: &Paths, text: &str, origin: &Path) -> Result<()> {
    let site = Site::parse(text, origin)?;
    state::make_private_dir(&paths.state())?;
    state::write(&paths.site(), text.as_bytes(), 0o600)?;
    tracing::info!(site = site.name, "site `{}` imported from {}", site.name, origin.display());
    Ok(())
}

fn read_site(path: &Path) -> Result<Option<Zeroizing<String>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut text = Zeroizing::new(String::new());
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > LONGEST {
        bail!("{} is longer than {LONGEST} bytes: that is no site file", path.display());
    }
    Ok(Some(text))
}

/// Reads `site.toml` from the seed partition; `None` when it carries none.
pub(crate) fn read_seed(partition: &Path) -> Result<Option<Zeroizing<String>>> {
    let dir = tempfile::Builder::new()
        .prefix("ashlar-seed-")
        .tempdir_in("/run")
        .context("cannot make a directory to mount the seed on")?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID;
    mount(Some(partition), dir.path(), Some("vfat"), flags, None::<&str>)
        .with_context(|| format!("cannot mount {} as a FAT file system", partition.display()))?;
    let text = read_site(&dir.path().join("site.toml"));
    umount2(dir.path(), MntFlags::MNT_DETACH).context("cannot unmount the seed")?;
    text
}

/// Whether the partition begins with zeros: a wiped seed has no boot sector.
fn is_wiped(partition: &Path) -> Result<bool> {
    let mut sector = [0_u8; 512];
    let read = File::open(partition).and_then(|mut file| file.read_exact(&mut sector));
    read.with_context(|| format!("cannot read {}", partition.display()))?;
    Ok(sector.iter().all(|byte| *byte == 0))
}

/// Zeros the whole partition, its first blocks last: a cut in between never
/// leaves one that looks wiped while it still holds the site.
fn wipe(partition: &Path) -> std::io::Result<()> {
    const FIRST: u64 = 4096;
    let mut device = OpenOptions::new().write(true).open(fs::canonicalize(partition)?)?;
    let size = device.seek(SeekFrom::End(0))?;
    let zeros = vec![0_u8; 256 * 1024];
    let mut at = device.seek(SeekFrom::Start(FIRST.min(size)))?;
    while at < size {
        let piece = zeros.len().min(usize::try_from(size - at).unwrap_or(zeros.len()));
        at += device.write(&zeros[..piece])? as u64;
    }
    device.sync_all()?;
    device.seek(SeekFrom::Start(0))?;
    device.write_all(&zeros[..usize::try_from(FIRST.min(size)).unwrap_or(0)])?;
    device.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "version = 1\nname = \"demo\"\n\
        ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

    /// A partition as the tests see it: a boot sector, then the site.
    struct Node {
        root: tempfile::TempDir,
        sources: Sources,
    }

    impl Node {
        fn new(seed: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            let partition = root.path().join("seed");
            let mut bytes = vec![b'#'; 8192];
            bytes.extend_from_slice(seed.as_bytes());
            bytes.resize(600_000, 0);
            fs::write(&partition, bytes).unwrap();
            Self { sources: Sources { credential: None, partition }, root }
        }

        fn paths(&self) -> Paths {
            Paths::under(self.root.path())
        }

        fn import(&self) -> Result<Imported> {
            import(&self.paths(), &self.sources, &|path| {
                let bytes = fs::read(path).unwrap();
                let text = String::from_utf8(bytes[8192..].to_vec()).unwrap();
                let text = text.trim_end_matches('\0').to_owned();
                Ok((!text.is_empty()).then(|| Zeroizing::new(text)))
            })
        }

        fn seed_is_zeros(&self) -> bool {
            fs::read(&self.sources.partition).unwrap().iter().all(|b| *b == 0)
        }
    }

    #[test]
    fn a_seed_comes_in_once_and_is_wiped() {
        let node = Node::new(SITE);
        assert_eq!(node.import().unwrap(), Imported::Now);
        assert_eq!(fs::read_to_string(node.paths().site()).unwrap(), SITE);
        assert!(node.seed_is_zeros());
        assert_eq!(node.import().unwrap(), Imported::Before);
    }

    #[test]
    fn keys_of_the_site_may_log_in_and_without_any_nobody_may() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3pXTB0lJ2w3pS0cP2sXzv0c5i5B3bq1o8pD4u1\
            c7bA admin";
        let node =
            Node::new(&SITE.replace("ring-key", &format!("ssh-keys = [\"{key}\"]\nring-key")));
        node.import().unwrap();
        let keys = node.paths().authorized_keys();
        assert_eq!(fs::read_to_string(&keys).unwrap(), format!("{key}\n"));
        fs::write(node.paths().site(), SITE).unwrap();
        node.import().unwrap();
        assert!(!keys.exists());
    }

    #[test]
    fn a_node_that_lost_power_before_the_wipe_wipes_at_the_next_boot() {
        let node = Node::new(SITE);
        state::make_private_dir(&node.paths().state()).unwrap();
        state::write(&node.paths().site(), SITE.as_bytes(), 0o600).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Before);
        assert!(node.seed_is_zeros());
    }

    #[test]
    fn a_node_that_lost_power_during_the_wipe_finishes_it() {
        let node = Node::new("");
        state::make_private_dir(&node.paths().state()).unwrap();
        state::write(&node.paths().site(), SITE.as_bytes(), 0o600).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Before);
        assert!(node.seed_is_zeros());
    }

    #[test]
    fn a_broken_site_is_refused_and_neither_written_nor_wiped() {
        let node = Node::new("version = 1\nname = \"demo\"\nring-key = \"short\"\n");
        let error = format!("{:#}", node.import().unwrap_err());
        assert!(error.contains("ring key"), "{error}");
        assert!(!node.paths().site().exists());
        assert!(!node.seed_is_zeros());
    }

    #[test]
    fn another_site_s_seed_is_left_alone() {
        let node = Node::new(&SITE.replace("demo", "other"));
        state::make_private_dir(&node.paths().state()).unwrap();
        state::write(&node.paths().site(), SITE.as_bytes(), 0o600).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Before);
        assert!(!node.seed_is_zeros());
        assert_eq!(fs::read_to_string(node.paths().site()).unwrap(), SITE);
    }

    #[test]
    fn a_credential_brings_the_site_of_a_machine_without_a_seed() {
        let mut node = Node::new(SITE);
        fs::remove_file(&node.sources.partition).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Nothing);
        fs::write(node.root.path().join("ashlar.site"), SITE).unwrap();
        node.sources.credential = Some(node.root.path().join("ashlar.site"));
        assert_eq!(node.import().unwrap(), Imported::Now);
        assert_eq!(node.import().unwrap(), Imported::Before);
    }
}
