//! `import-seed`: takes the site from the seed, once.
//!
//! The order makes a power cut harmless at every point: the site is checked
//! whole, then written and synced, and only then is the seed wiped. A cut
//! before the wipe leaves a seed whose site is already here; the next boot
//! sees that both say the same and wipes it. A cut during it leaves a mark.
//! What is neither is not ours to wipe, and is left alone.

mod partition;

use crate::paths::Paths;
use crate::site_store;
use crate::state;
use anyhow::{Context, Result, bail};
use ashlar_site::{Site, with_people};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use partition::State;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Of a stick by whose name somebody meant to bring a site.
const WITHOUT: &str = "the stick that was plugged in has no file site.toml: it must be called \
    exactly so, and lie in no folder";

/// Longest site file that is read.
const LONGEST: u64 = 1024 * 1024;

/// Where an unread site may lie.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The credential `ashlar.site`, as systemd passes it.
    pub(crate) credential: Option<PathBuf>,
    /// A file that a person named.
    pub(crate) file: Option<PathBuf>,
    /// The seed partition of the disk that this node was booted from.
    pub(crate) partition: PathBuf,
    /// The seed partition of another disk: a stick that was plugged in.
    pub(crate) stick: Option<PathBuf>,
}

impl Sources {
    /// Those of a real node; `appeared` is a seed partition that has just come up.
    pub(crate) fn system(file: Option<PathBuf>, appeared: Option<PathBuf>) -> Self {
        let own = PathBuf::from("/dev/ashlar/seed");
        let is_own = |device: &PathBuf| {
            std::fs::canonicalize(&own)
                .is_ok_and(|own| std::fs::canonicalize(device).is_ok_and(|d| d == own))
        };
        Self {
            file,
            stick: appeared.filter(|device| !is_own(device)),
            credential: std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(|dir| PathBuf::from(dir).join("ashlar.site")),
            partition: own,
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

/// Imports a site if this node has none, or the same site with another ring key,
/// and wipes the seed that brought it.
pub(crate) fn import(paths: &Paths, sources: &Sources, read: ReadSeed<'_>) -> Result<Imported> {
    let outcome = take(paths, sources, read);
    let told = match &outcome {
        Err(error) => note(paths, Some(&format!("{error:#}"))),
        Ok(Imported::Nothing) if sources.stick.is_some() => note(paths, Some(WITHOUT)),
        Ok(Imported::Nothing) => Ok(()),
        Ok(Imported::Now | Imported::Before) => note(paths, None),
    };
    if let Err(error) = told {
        tracing::warn!("cannot note what became of the site: {error:#}");
    }
    // Whatever became of the seed, the site that is here says who may log in.
    admit_keys(paths)?;
    outcome
}

/// Keeps why the last site that was offered was not taken, for whoever stands before
/// the box with the stick in hand.
fn note(paths: &Paths, why: Option<&str>) -> Result<()> {
    let path = paths.refused_site();
    let Some(why) = why else { return state::remove(&path) };
    if let Some(dir) = path.parent() {
        state::make_public_dir(dir)?;
    }
    state::write(&path, why.as_bytes(), 0o644)
}

/// Why the last site that was offered to this node was not taken.
pub(crate) fn refused(paths: &Paths) -> Option<String> {
    std::fs::read_to_string(paths.refused_site()).ok()
}

fn take(paths: &Paths, sources: &Sources, read: ReadSeed<'_>) -> Result<Imported> {
    if let Some(file) = &sources.file {
        let text = read_site(file)?.with_context(|| format!("there is no {}", file.display()))?;
        return match offer(paths, &text, file)? {
            Offer::Taken => Ok(Imported::Now),
            Offer::Known => Ok(Imported::Before),
            Offer::Foreign => bail!(
                "{} is of another site than this node's: a node keeps its site for life; set the \
                 box up anew to move it",
                file.display()
            ),
        };
    }
    if let Some(stick) = &sources.stick {
        return take_stick(paths, stick, read);
    }
    let mut outcome = if paths.site().exists() { Imported::Before } else { Imported::Nothing };
    if outcome == Imported::Nothing
        && let Some(credential) = &sources.credential
        && let Some(text) = read_site(credential)?
    {
        offer(paths, &text, credential)?;
        outcome = Imported::Now;
    }
    Ok(take_seed(paths, &sources.partition, read)?.unwrap_or(outcome))
}

/// Takes the site that somebody else's stick brings to a box without one. The stick
/// is left as it is: it may be meant for the next box as well.
fn take_stick(paths: &Paths, stick: &Path, read: ReadSeed<'_>) -> Result<Imported> {
    if paths.site().exists() {
        tracing::info!("a stick with a site is plugged in, and this node has its own");
        return Ok(Imported::Before);
    }
    let Some(text) = read(stick).context("the stick's seed cannot be read")? else {
        return Ok(Imported::Nothing);
    };
    offer(paths, &text, Path::new("site.toml"))
        .context("the site on the stick that was plugged in cannot be used")?;
    Ok(Imported::Now)
}

/// Takes what the seed partition brings, and wipes it; `None` if it is not there
/// (yet), wiped, or not for this node.
fn take_seed(paths: &Paths, seed: &Path, read: ReadSeed<'_>) -> Result<Option<Imported>> {
    let mut outcome = None;
    if !seed.exists() {
        return Ok(None);
    }
    match partition::state(seed)? {
        State::Wiped => return Ok(None),
        State::Wiping => {}
        State::Written => {
            let text = match read(seed) {
                Ok(Some(text)) => text,
                Ok(None) => return Ok(None),
                Err(error) if paths.site().exists() => {
                    tracing::warn!("the seed cannot be read, and is left alone: {error:#}");
                    return Ok(None);
                }
                Err(error) => return Err(error.context("the seed cannot be read")),
            };
            let offered = offer(paths, &text, Path::new("site.toml"));
            match offered.context("the site on this box's volume ASHLARSEED cannot be used")? {
                Offer::Taken => outcome = Some(Imported::Now),
                // Power failed before the wipe.
                Offer::Known => {}
                // It is somebody's intent, and wiping it could destroy the only
                // copy.
                Offer::Foreign => {
                    tracing::warn!(
                        "the seed carries another site than this node's and is left alone: a node \
                         keeps its site for life; set the box up anew to move it"
                    );
                    return Ok(None);
                }
            }
        }
    }
    partition::wipe(seed).with_context(|| format!("cannot wipe {}", seed.display()))?;
    tracing::info!("the seed partition is wiped");
    Ok(outcome)
}

/// What becomes of a site that is offered.
enum Offer {
    /// It is here now.
    Taken,
    /// It was here.
    Known,
    /// This node has another one.
    Foreign,
}

/// Checks a site as a whole and keeps it, if this node has none or the same one
/// under another ring key: then the site was given out anew.
fn offer(paths: &Paths, text: &str, origin: &Path) -> Result<Offer> {
    let site = Site::parse(text, origin)?;
    let Some(here) = read_site(&paths.site())? else {
        state::make_private_dir(&paths.state())?;
        state::write(&paths.site(), text.as_bytes(), 0o600)?;
        tracing::info!(site = site.name, "site `{}` imported from {}", site.name, origin.display());
        return Ok(Offer::Taken);
    };
    if *here == *text {
        return Ok(Offer::Known);
    }
    let own = Site::parse(&here, &paths.site())?;
    if own.name != site.name {
        return Ok(Offer::Foreign);
    }
    if own.ring_key.as_bytes() == site.ring_key.as_bytes() {
        // Who made the site has decided since that people may call from elsewhere.
        if let (None, Some(ca)) = (own.people.ca(), site.people.ca()) {
            let text = with_people(&here, &ca, site.people.revoked().as_deref());
            let text = Zeroizing::new(text);
            Site::parse(&text, &paths.site())?;
            state::write(&paths.site(), text.as_bytes(), 0o600)?;
            tracing::info!(site = site.name, "site `{}` lets in people from elsewhere", site.name);
            return Ok(Offer::Taken);
        }
        return Ok(Offer::Known);
    }
    site_store::rekey(paths, own.ring_key.as_bytes(), site.ring_key.as_bytes(), text)?;
    tracing::info!(site = site.name, "site `{}` has a new ring key", site.name);
    Ok(Offer::Taken)
}

/// Lets those log in whom the site names, at every boot, so that a power cut
/// after the import does not lock them out.
fn admit_keys(paths: &Paths) -> Result<()> {
    let Some(text) = read_site(&paths.site())? else { return Ok(()) };
    let keys = Site::parse(&text, &paths.site())?.ssh_keys;
    let path = paths.authorized_keys();
    if keys.is_empty() {
        return state::remove(&path);
    }
    if let Some(dir) = path.parent() {
        state::make_private_dir(dir)?;
    }
    state::write_if_changed(&path, (keys.join("\n") + "\n").as_bytes(), 0o600)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SITE: &str = "version = 1\nname = \"demo\"\n\
        ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

    const NEW_KEY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";

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
            let sources = Sources { credential: None, file: None, partition, stick: None };
            Self { sources, root }
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

        fn seed(&self) -> &Path {
            &self.sources.partition
        }

        fn seed_is_zeros(&self) -> bool {
            fs::read(self.seed()).unwrap().iter().all(|b| *b == 0)
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
        let node = Node::new(SITE);
        node.import().unwrap();
        let mut half = vec![b'#'; 600_000];
        half[..32].copy_from_slice(b"ashlar: this seed is being wiped");
        fs::write(node.seed(), half).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Before);
        assert!(node.seed_is_zeros());
    }

    #[test]
    fn a_second_seed_that_cannot_be_read_is_left_alone() {
        let node = Node::new(SITE);
        node.import().unwrap();
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3pXTB0lJ2w3pS0cP2sXzv0c5i5B3bq1o8pD4u1\
            c7bA admin";
        let keyed = SITE.replace("ring-key", &format!("ssh-keys = [\"{key}\"]\nring-key"));
        fs::write(node.paths().site(), keyed).unwrap();
        fs::write(node.seed(), vec![b'#'; 600_000]).unwrap();
        let unreadable = |_: &Path| bail!("no FAT");
        let imported = import(&node.paths(), &node.sources, &unreadable).unwrap();
        assert_eq!(imported, Imported::Before);
        let empty = |_: &Path| Ok(None);
        assert_eq!(import(&node.paths(), &node.sources, &empty).unwrap(), Imported::Before);
        assert!(fs::read(node.seed()).unwrap().iter().all(|b| *b == b'#'), "not a byte is gone");
        assert!(node.paths().authorized_keys().exists(), "and it keeps nobody out");
    }

    #[test]
    fn a_first_seed_that_cannot_be_read_is_an_error_and_left_alone() {
        let node = Node::new(SITE);
        let refused = import(&node.paths(), &node.sources, &|_| bail!("no FAT")).unwrap_err();
        assert!(format!("{refused:#}").contains("no FAT"));
        assert!(!node.seed_is_zeros());
    }

    #[test]
    fn the_same_site_with_a_new_ring_key_is_taken_for_the_new_one() {
        let node = Node::new(SITE);
        node.import().unwrap();
        let new = SITE.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", NEW_KEY);
        let file = node.root.path().join("new.toml");
        fs::write(&file, &new).unwrap();
        let sources = Sources { file: Some(file), ..node.sources.clone() };
        assert_eq!(import(&node.paths(), &sources, &|_| Ok(None)).unwrap(), Imported::Now);
        assert_eq!(fs::read_to_string(node.paths().site()).unwrap(), new);
        assert!(fs::read_to_string(node.paths().keyring()).unwrap().contains(NEW_KEY));
        assert_eq!(import(&node.paths(), &sources, &|_| Ok(None)).unwrap(), Imported::Before);
    }

    #[test]
    fn the_same_site_with_a_people_ca_gives_a_node_that_and_nothing_else() {
        let node = Node::new(SITE);
        node.import().unwrap();
        let file = node.root.path().join("new.toml");
        let sources = Sources { file: Some(file.clone()), ..node.sources.clone() };
        let offered = |text: &str| {
            fs::write(&file, text).unwrap();
            let imported = import(&node.paths(), &sources, &|_| Ok(None)).unwrap();
            (imported, fs::read_to_string(node.paths().site()).unwrap())
        };
        let people = SITE.to_owned() + "expect = 3\n\n[people]\nca = \"Y2E=\"\n";
        let here = SITE.to_owned() + "\n[people]\nca = \"Y2E=\"\n";
        assert_eq!(offered(&people), (Imported::Now, here.clone()));
        // Who may call is not changed by whoever comes next.
        assert_eq!(offered(&people.replace("Y2E=", "b3RoZXI=")), (Imported::Before, here));
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
    fn a_stick_that_is_plugged_in_brings_the_site_of_a_box_without_one_and_stays_as_it_is() {
        let node = Node::new(SITE);
        let stick = node.root.path().join("stick");
        fs::write(&stick, vec![b'#'; 4096]).unwrap();
        let sources = Sources {
            stick: Some(stick.clone()),
            partition: node.root.path().join("none"),
            ..node.sources.clone()
        };
        let import = |text: &'static str| {
            import(&node.paths(), &sources, &move |_| Ok(Some(Zeroizing::new(text.to_owned()))))
        };
        assert!(import("name = 1").is_err(), "what is no site is not taken");
        assert_eq!(import(SITE).unwrap(), Imported::Now);
        assert_eq!(fs::read_to_string(node.paths().site()).unwrap(), SITE);
        // Neither another site nor the same with another key replaces it.
        assert_eq!(import("version = 1\nname = \"other\"\n").unwrap(), Imported::Before);
        assert_eq!(fs::read_to_string(node.paths().site()).unwrap(), SITE);
        assert!(fs::read(&stick).unwrap().iter().all(|byte| *byte == b'#'), "not a byte changed");
        assert!(!node.seed_is_zeros(), "and the box's own seed is no matter of it");
    }

    #[test]
    fn why_a_stick_s_site_is_not_taken_is_told_until_one_is() {
        let node = Node::new("");
        let stick = Some(node.root.path().join("stick"));
        let sources = Sources { stick, ..node.sources.clone() };
        let plug = |text: Option<&'static str>| {
            let text = || text.map(|text| Zeroizing::new(text.to_owned()));
            let _ = import(&node.paths(), &sources, &|_| Ok(text()));
            refused(&node.paths())
        };
        let broken = plug(Some("version = 1\nname = \"shop\"\nring-key = \"c2VjcmV0\"\n")).unwrap();
        assert!(broken.contains("on the stick that was plugged in cannot be used"), "{broken}");
        assert!(broken.contains("site.toml:3: ") && !broken.contains("c2VjcmV0"), "{broken}");
        // The box's own seed, on which nothing is, is no answer to that.
        node.import().unwrap();
        assert_eq!(refused(&node.paths()), Some(broken));
        let without = plug(None).unwrap();
        assert!(without.contains("has no file site.toml"), "{without}");
        assert_eq!(plug(Some(SITE)), None);
    }

    #[test]
    fn a_credential_brings_the_site_of_a_machine_without_a_seed() {
        let mut node = Node::new(SITE);
        fs::remove_file(node.seed()).unwrap();
        assert_eq!(node.import().unwrap(), Imported::Nothing);
        fs::write(node.root.path().join("ashlar.site"), SITE).unwrap();
        node.sources.credential = Some(node.root.path().join("ashlar.site"));
        assert_eq!(node.import().unwrap(), Imported::Now);
        assert_eq!(node.import().unwrap(), Imported::Before);
    }
}
