//! A factory reset, as far as the running system takes it: a note in state, the
//! site in the seed for those that keep one, a variable of the firmware, a reboot.
//! The initrd does the rest (`/usr/lib/ashlar/reset-disk`) for as long as it finds
//! the variable, so that a power cut only makes it begin again. The variable names the
//! state partition, because the box may start from another disk before that.
//!
//! And a reset of what containers left: the engine is stopped and its directories are
//! emptied, but for what it knows of the Swarm. The agent stands still meanwhile,
//! because it would start the engine again.

use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::{Context, Result, bail, ensure};
use ashlar_api::SiteAfterReset;
use ashlar_site::Site;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of a factory reset, the only one that an older release knows.
const VERSION: u32 = 1;

/// Of any other: an older release must not take it for a factory reset.
const OTHER: u32 = 2;

const FILE: Versioned = Versioned { reads: VERSION..=OTHER, cure: "ask for the reset again" };

/// What the initrd looks for: the first four bytes are a variable's attributes
/// (kept, and readable before and after boot services end).
const MARK: &str = "/sys/firmware/efi/efivars/AshlarReset-0c7e1c0a-62b7-4d3f-9b0e-3f2f1f7c8a55";
const MARK_TEXT: &[u8] = b"\x07\0\0\x001 factory";

/// A reset that was asked for, as state keeps it until it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    version: u32,
    /// Which file becomes the site of the box that comes back.
    site: Option<PathBuf>,
    /// What containers left, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    workloads: bool,
}

/// One step. Each is safe to repeat, and a reset that was cut starts with the first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The seed carries this site over.
    StampSeed(PathBuf),
    /// From here on every boot begins with the reset.
    Mark,
    /// Within seconds: what runs here is lost anyway.
    Reboot,
    /// Agent, engine and containers.
    Stop,
    /// What the engine keeps, but for the Swarm.
    EmptyEngine,
    /// It is done.
    Forget,
}

/// What a reset does, in order: the seed before the mark, because after the mark
/// nothing of this state is read again.
fn plan(note: &Note) -> Vec<Step> {
    if note.workloads {
        return vec![Step::Stop, Step::EmptyEngine, Step::Forget];
    }
    let seed = note.site.clone().map(Step::StampSeed);
    seed.into_iter().chain([Step::Mark, Step::Reboot]).collect()
}

/// Notes a reset. systemd sees the file and starts `ashlar-reset.service`.
pub(crate) fn note(paths: &Paths, site: &SiteAfterReset) -> Result<()> {
    let site = match site {
        SiteAfterReset::Keep => {
            let path = paths.site();
            ensure!(path.exists(), "this box has no site that it could keep");
            Some(path)
        }
        SiteAfterReset::Forget => None,
        SiteAfterReset::New(text) => {
            let path = paths.state().join("reset-site.toml");
            let Some(text) = text.expose_str() else { bail!("the new site is no text") };
            Site::parse(text, Path::new("the new site"))?;
            state::write(&path, text.as_bytes(), 0o600)?;
            Some(path)
        }
    };
    let note = Note { version: VERSION, site, workloads: false };
    state::write_json(&paths.reset(), &note, 0o600)
}

/// Notes a reset of what containers left here.
pub(crate) fn note_workloads(paths: &Paths) -> Result<()> {
    ensure!(!paths.reset().exists(), "another reset has begun");
    let note = Note { version: OTHER, site: None, workloads: true };
    state::write_json(&paths.reset(), &note, 0o600)
}

/// What a reset does to the machine.
trait Effects {
    fn stamp_seed(&mut self, site: &Path) -> Result<()>;
    fn mark(&mut self) -> Result<()>;
    fn reboot(&mut self) -> Result<()>;
    fn stop(&mut self) -> Result<()>;
}

/// Carries out the reset that is noted.
fn carry_out(paths: &Paths, effects: &mut impl Effects) -> Result<()> {
    let Some(note) = FILE.read::<Note>(&paths.reset())? else { return Ok(()) };
    if note.version != if note.workloads { OTHER } else { VERSION } {
        bail!(
            "{} was written by another release: ask for the reset again",
            paths.reset().display()
        );
    }
    for step in plan(&note) {
        tracing::warn!("reset: {step:?}");
        match step {
            Step::StampSeed(site) => effects.stamp_seed(&site),
            Step::Mark => effects.mark(),
            Step::Reboot => effects.reboot(),
            Step::Stop => effects.stop(),
            Step::EmptyEngine => empty_engine(paths),
            Step::Forget => state::remove(&paths.reset()),
        }?;
    }
    Ok(())
}

/// Removes what the engine keeps: containers, images, local volumes, networks. The
/// node stays in its Swarm, whose state is its own.
fn empty_engine(paths: &Paths) -> Result<()> {
    let dir = paths.engine();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        if path == paths.engine_swarm() {
            continue;
        }
        if path.is_dir() { state::remove_dir(&path) } else { state::remove(&path) }?;
    }
    state::remove_dir(&paths.containerd())
}

/// The text of the mark: it names the state partition that is to be emptied, so that a
/// stick that was left in the box neither takes it for its own nor ends it.
fn mark_of(dev: &Path) -> Result<Vec<u8>> {
    let own = fs::canonicalize(dev.join("ashlar/state"))
        .context("this box has no state partition that could be emptied")?;
    let all = fs::read_dir(dev.join("ashlar/by-partuuid"))
        .context("the partitions of this box's disk have no names")?;
    let of_state = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|device| device == own);
    let link = all.flatten().map(|entry| entry.path()).find(of_state);
    let link = link.context("the state partition of this box has no name")?;
    let name = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok([MARK_TEXT, format!(" {name}\n").as_bytes()].concat())
}

/// `ashlar-agent reset`.
pub(crate) fn run() -> Result<()> {
    carry_out(&Paths::system(), &mut TheBox)
}

/// The box itself.
struct TheBox;

impl Effects for TheBox {
    fn stamp_seed(&mut self, site: &Path) -> Result<()> {
        let seed = Path::new("/dev/ashlar/seed");
        call(Command::new("mkfs.vfat").args(["-n", "ASHLARSEED"]).arg(seed))?;
        let dir = tempfile::Builder::new()
            .prefix("ashlar-seed-")
            .tempdir_in("/run")
            .context("cannot make a directory to mount the seed on")?;
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID;
        mount(Some(seed), dir.path(), Some("vfat"), flags, None::<&str>)
            .context("cannot mount the seed")?;
        let copied = fs::read(site)
            .map_err(anyhow::Error::from)
            .and_then(|text| state::write(&dir.path().join("site.toml"), &text, 0o600))
            .context("cannot put the site into the seed");
        umount2(dir.path(), MntFlags::empty()).context("cannot unmount the seed")?;
        copied
    }

    fn mark(&mut self) -> Result<()> {
        let mark = mark_of(Path::new("/dev"))?;
        if fs::read(MARK).is_ok_and(|text| text == mark) {
            return Ok(());
        }
        if Path::new(MARK).exists() {
            // That of another disk, of which the system does not know that it is ours.
            call(Command::new("chattr").args(["-i", MARK]))?;
        }
        // One call of write(2), as efivarfs asks for.
        fs::write(MARK, mark).context(
            "the firmware does not keep a note of the reset, so that a power cut could leave it half \
             done: nothing is reset",
        )
    }

    fn reboot(&mut self) -> Result<()> {
        call(Command::new("systemctl").args(["reboot", "--force"]))
    }

    fn stop(&mut self) -> Result<()> {
        // The agent first: it starts what it misses. It comes back when this is over,
        // whatever becomes of it (`ExecStopPost=` of the unit).
        let units =
            ["ashlar-agent.service", "docker.socket", "docker.service", "containerd.service"];
        for unit in units {
            call(Command::new("systemctl").args(["stop", unit]))?;
        }
        Ok(())
    }
}

fn call(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{name} ended with {}: {said}", output.status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_api::Secret;
    use std::os::unix::fs::symlink;

    const SITE: &str = "version = 1\nname = \"demo\"\n\
        ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

    /// A box whose power fails at the nth effect, before or after it happened.
    #[derive(Default)]
    struct Fake {
        seed: Option<String>,
        marked: bool,
        rebooted: bool,
        stopped: bool,
        effects: u32,
        fails_at: Option<(u32, bool)>,
    }

    impl Fake {
        fn effect(&mut self, act: impl FnOnce(&mut Self)) -> Result<()> {
            self.effects += 1;
            let fails = self.fails_at.filter(|(at, _)| *at == self.effects);
            if fails.is_none_or(|(_, after)| after) {
                act(self);
            }
            ensure!(fails.is_none(), "the power failed");
            Ok(())
        }
    }

    impl Effects for Fake {
        fn stamp_seed(&mut self, site: &Path) -> Result<()> {
            let text = fs::read_to_string(site)?;
            self.effect(|fake| fake.seed = Some(text))
        }

        fn mark(&mut self) -> Result<()> {
            self.effect(|fake| fake.marked = true)
        }

        fn reboot(&mut self) -> Result<()> {
            self.effect(|fake| fake.rebooted = true)
        }

        fn stop(&mut self) -> Result<()> {
            self.effect(|fake| fake.stopped = true)
        }
    }

    fn node() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        state::make_private_dir(&paths.state()).unwrap();
        state::write(&paths.site(), SITE.as_bytes(), 0o600).unwrap();
        (root, paths)
    }

    #[test]
    fn a_box_that_keeps_its_site_carries_it_over_before_anything_is_marked() {
        let (_root, paths) = node();
        note(&paths, &SiteAfterReset::Keep).unwrap();
        let note = state::read_json::<Note>(&paths.reset()).unwrap().unwrap();
        assert_eq!(plan(&note), [Step::StampSeed(paths.site()), Step::Mark, Step::Reboot]);
        assert_eq!(plan(&Note { site: None, ..note }), [Step::Mark, Step::Reboot]);
    }

    #[test]
    fn power_that_fails_at_any_step_leaves_a_reset_that_goes_on_with_its_site() {
        for at in 1..=3 {
            for after in [false, true] {
                let (_root, paths) = node();
                note(
                    &paths,
                    &SiteAfterReset::New(Secret::new(SITE.replace("demo", "other").into())),
                )
                .unwrap();
                let mut fake = Fake { fails_at: Some((at, after)), ..Fake::default() };
                assert!(carry_out(&paths, &mut fake).is_err());
                // Once marked, the next boot erases state: the seed must be whole.
                if !fake.marked {
                    carry_out(&paths, &mut fake).unwrap();
                }
                assert!(fake.marked, "{at} {after}");
                assert!(fake.seed.unwrap().contains("other"), "{at} {after}");
            }
        }
    }

    #[test]
    fn nothing_is_noted_without_a_site_to_keep_or_with_one_that_no_node_can_use() {
        let (_root, paths) = node();
        let broken = Secret::new(b"name = 1".to_vec());
        assert!(note(&paths, &SiteAfterReset::New(broken)).is_err());
        fs::remove_file(paths.site()).unwrap();
        assert!(note(&paths, &SiteAfterReset::Keep).is_err());
        assert!(!paths.reset().exists());
    }

    #[test]
    fn what_containers_left_goes_and_the_place_in_the_swarm_stays_at_any_power_cut() {
        let (_root, paths) = node();
        let write = |file: &str| {
            let path = paths.data().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for file in ["docker/swarm/raft/wal", "docker/volumes/till/db", "docker/engine-id"] {
            write(file);
        }
        write("containerd/io.containerd.content.v1.content/blob");
        write("bricks/clusterfs/brick/takings");
        note_workloads(&paths).unwrap();
        assert!(note_workloads(&paths).is_err(), "one after the other");
        let mut fake = Fake { fails_at: Some((1, true)), ..Fake::default() };
        assert!(carry_out(&paths, &mut fake).is_err());
        assert!(paths.reset().exists(), "it goes on at the next start");
        carry_out(&paths, &mut fake).unwrap();
        assert!(fake.stopped && !fake.marked && !fake.rebooted);
        let left = |file: &str| paths.data().join(file).exists();
        assert!(left("docker/swarm/raft/wal") && left("bricks/clusterfs/brick/takings"));
        assert!(!left("docker/volumes") && !left("docker/engine-id") && !left("containerd"));
        assert!(!paths.reset().exists());
        carry_out(&paths, &mut fake).unwrap();
    }

    #[test]
    fn an_older_release_never_takes_a_small_reset_for_a_large_one() {
        let (_root, paths) = node();
        note_workloads(&paths).unwrap();
        let note = state::read_json::<Note>(&paths.reset()).unwrap().unwrap();
        assert_ne!(note.version, VERSION);
        state::write_json(&paths.reset(), &Note { workloads: false, ..note }, 0o600).unwrap();
        let mut fake = Fake::default();
        assert!(carry_out(&paths, &mut fake).is_err() && fake.effects == 0);
    }

    #[test]
    fn without_a_note_nothing_happens() {
        let (_root, paths) = node();
        let mut fake = Fake::default();
        carry_out(&paths, &mut fake).unwrap();
        assert_eq!(fake.effects, 0);
    }

    #[test]
    fn the_mark_names_the_state_partition_of_the_disk_that_the_box_runs_from() {
        let dev = tempfile::tempdir().unwrap();
        assert!(mark_of(dev.path()).is_err());
        let links = dev.path().join("ashlar/by-partuuid");
        fs::create_dir_all(&links).unwrap();
        for (device, name) in [("sda1", "1111-aa"), ("sda9", "9999-aa")] {
            fs::write(dev.path().join(device), "").unwrap();
            symlink(format!("../../{device}"), links.join(name)).unwrap();
        }
        symlink("../sda9", dev.path().join("ashlar/state")).unwrap();
        let mark = mark_of(dev.path()).unwrap();
        assert_eq!(mark, b"\x07\0\0\x001 factory 9999-aa\n");
    }

    #[test]
    fn initrd_and_agent_name_the_same_variable() {
        let overlays = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../overlays/initrd/usr/lib");
        for file in ["ashlar/reset-disk", "systemd/system/ashlar-reset-disk.service"] {
            let text = fs::read_to_string(overlays.join(file)).unwrap();
            assert!(text.contains(MARK), "{file}");
        }
    }
}
