//! A factory reset, as far as the running system takes it: a note in state, the
//! site in the seed for those that keep one, a variable of the firmware, a reboot.
//! The initrd does the rest (`/usr/lib/ashlar/reset-disk`) for as long as it finds
//! the variable, so that a power cut only makes it begin again.

use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, bail, ensure};
use ashlar_api::SiteAfterReset;
use ashlar_site::Site;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: u32 = 1;

/// What the initrd looks for: the first four bytes are a variable's attributes
/// (kept, and readable before and after boot services end).
const MARK: &str = "/sys/firmware/efi/efivars/AshlarReset-0c7e1c0a-62b7-4d3f-9b0e-3f2f1f7c8a55";
const MARK_TEXT: &[u8] = b"\x07\0\0\x001 factory\n";

/// A reset that was asked for, as state keeps it until it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    version: u32,
    /// Which file becomes the site of the box that comes back.
    site: Option<PathBuf>,
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
}

/// What a reset does, in order: the seed before the mark, because after the mark
/// nothing of this state is read again.
fn plan(note: &Note) -> Vec<Step> {
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
    state::write_json(&paths.reset(), &Note { version: VERSION, site }, 0o600)
}

/// What a reset does to the machine.
trait Effects {
    fn stamp_seed(&mut self, site: &Path) -> Result<()>;
    fn mark(&mut self) -> Result<()>;
    fn reboot(&mut self) -> Result<()>;
}

/// Carries out the reset that is noted.
fn carry_out(paths: &Paths, effects: &mut impl Effects) -> Result<()> {
    let Some(note) = state::read_json::<Note>(&paths.reset())? else { return Ok(()) };
    if note.version != VERSION {
        bail!(
            "{} was written by another release: ask for the reset again",
            paths.reset().display()
        );
    }
    for step in plan(&note) {
        tracing::warn!("factory reset: {step:?}");
        match step {
            Step::StampSeed(site) => effects.stamp_seed(&site),
            Step::Mark => effects.mark(),
            Step::Reboot => effects.reboot(),
        }?;
    }
    Ok(())
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
        if fs::read(MARK).is_ok_and(|text| text == MARK_TEXT) {
            return Ok(());
        }
        // One call of write(2), as efivarfs asks for.
        fs::write(MARK, MARK_TEXT).context(
            "the firmware does not keep a note of the reset, so that a power cut could leave it half \
             done: nothing is reset",
        )
    }

    fn reboot(&mut self) -> Result<()> {
        call(Command::new("systemctl").args(["reboot", "--force"]))
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

    const SITE: &str = "version = 1\nname = \"demo\"\n\
        ring-key = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

    /// A box whose power fails at the nth effect, before or after it happened.
    #[derive(Default)]
    struct Fake {
        seed: Option<String>,
        marked: bool,
        rebooted: bool,
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
    fn without_a_note_nothing_happens() {
        let (_root, paths) = node();
        let mut fake = Fake::default();
        carry_out(&paths, &mut fake).unwrap();
        assert_eq!(fake.effects, 0);
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
