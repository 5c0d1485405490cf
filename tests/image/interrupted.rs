//! Builds that are stopped, hindered or disturbed: nothing half-written is left,
//! and the cache stays good.

use anyhow::{Context, Result, bail, ensure};
use ashlar_machine::Deadline;
use ashlar_tests::command::{Ashlar, Ran};
use ashlar_tests::image::Built;
use ashlar_tests::project::{Cache, Project, entries, is_clean, scratch};
use ashlar_tests::skipped;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// For a step of the small image to begin or to end, while other tiers run.
const PATIENCE: Duration = Duration::from_secs(600);

/// A build that runs in the background.
struct Running {
    child: Child,
    words: String,
}

impl Running {
    fn start(project: &Project, cache: &Path) -> Result<Self> {
        let build = project.build("minimal")?.arg("--target=raw");
        Self::spawn(build.arg("--cache-dir").arg(cache))
    }

    fn spawn(ashlar: Ashlar) -> Result<Self> {
        let mut command = ashlar.into_command();
        let words = format!("{command:?}");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Self { child, words })
    }

    /// Waits until the work on a step has begun.
    fn until_working_on(mut self, step: &str, cache: &Path) -> Result<Self> {
        let begun = Deadline::within(PATIENCE).poll(Duration::from_millis(50), || {
            if self.child.try_wait()?.is_some() {
                return Ok(Some(false));
            }
            let drafts = drafts(cache)?;
            let begins = |path: &PathBuf| {
                path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(step))
            };
            Ok::<_, anyhow::Error>(drafts.iter().any(begins).then_some(true))
        })?;
        match begun {
            Some(true) => Ok(self),
            Some(false) => bail!("the build ended before step {step}:\n{}", self.end()?),
            None => bail!("step {step} did not begin within {PATIENCE:?}"),
        }
    }

    fn end(self) -> Result<Ran> {
        Ok(Ran::new(self.words, self.child.wait_with_output()?))
    }

    fn press_ctrl_c(&self) -> Result<()> {
        self.signal(Signal::SIGINT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }
}

/// What is being made: a directory for each process, and in it one for each thing.
fn drafts(cache: &Path) -> Result<Vec<PathBuf>> {
    let mut drafts = Vec::new();
    for process in entries(&cache.join("tmp"))? {
        drafts.extend(entries(&process)?);
    }
    Ok(drafts)
}

/// The steps whose output is in the cache.
fn cached(project: &Project, cache: &Path) -> Result<Vec<String>> {
    let explain = project.build("minimal")?.arg("--explain").arg("--cache-dir").arg(cache);
    let report = explain.succeeds()?.json()?;
    let steps = report["steps"].as_array().context("steps")?;
    Ok(steps
        .iter()
        .filter(|step| step["cached"] == true)
        .filter_map(|step| step["step"].as_str().map(str::to_owned))
        .collect())
}

#[test]
fn ctrl_c_leaves_nothing_half_written_and_the_next_build_goes_on() -> Result<()> {
    Built::retail()?;
    let (project, cache) = (Project::copy()?, Cache::empty()?);
    let build = Running::start(&project, cache.path())?.until_working_on("system", cache.path())?;

    // Meanwhile a second build of the same cache waits for its turn.
    let second = Running::start(&project, cache.path())?;

    build.press_ctrl_c()?;
    build.end()?.refuses_with(&["interrupted"])?;
    let kept = cached(&project, cache.path())?;
    ensure!(kept.iter().any(|step| step == "base"), "the finished step is lost: {kept:?}");

    // It goes on from what the first one has finished.
    let ran = second.end()?;
    let built = ran.json().with_context(|| ran.to_string())?;
    ensure!(built["seconds"]["system"].is_number(), "it packed no root: {ran}");
    ensure!(built["seconds"]["base"].is_null(), "it was done again: {ran}");
    cache.is_clean()
}

#[test]
fn ctrl_c_while_an_image_is_looked_at_leaves_no_root_and_one_that_was_killed_is_swept() -> Result<()>
{
    let (built, cache) = (Built::retail()?, Cache::empty()?);
    let lint = || {
        let lint = Ashlar::new(["lint"])?.arg("--cache-dir").arg(cache.path());
        Running::spawn(lint.arg(built.disk()?))?.until_working_on("opened", cache.path())
    };
    let looking = lint()?;
    looking.press_ctrl_c()?;
    looking.end()?.refuses_with(&["interrupted"])?;
    cache.is_clean()?;

    let looking = lint()?;
    looking.signal(Signal::SIGKILL)?;
    looking.end()?;
    ensure!(!drafts(cache.path())?.is_empty(), "it was not killed in the middle");
    // Keeps all that a build has used.
    let gc = Ashlar::new(["cache", "gc", "--days", "9999", "--versions", "9999", "--cache-dir"])?;
    gc.arg(cache.path()).succeeds()?;
    cache.is_clean()
}

#[test]
fn too_little_room_is_said_before_the_build_begins() -> Result<()> {
    if !geteuid().is_root() {
        return skipped("too_little_room_is_said_before_the_build_begins", NEEDS_ROOT);
    }
    Built::retail()?;
    let project = Project::copy()?;
    let disk = SmallDisk::mount("600m")?;
    Cache::fill(disk.path())?;
    let build = project.build("minimal")?.arg("--cache-dir").arg(disk.path());
    build.fails_with(&["needs", "free"])?;
    project.is_clean()?;
    is_clean(disk.path())
}

#[test]
fn a_disk_that_fills_up_during_the_build_leaves_nothing_half_written() -> Result<()> {
    if !geteuid().is_root() {
        let name = "a_disk_that_fills_up_during_the_build_leaves_nothing_half_written";
        return skipped(name, NEEDS_ROOT);
    }
    Built::retail()?;
    let project = Project::copy()?;
    let disk = SmallDisk::mount("3g")?;
    Cache::fill(disk.path())?;
    let build = Running::start(&project, disk.path())?.until_working_on("base", disk.path())?;
    let hog = disk.fill()?;
    build.end()?.refuses_with(&["the disk is full"])?;
    project.is_clean()?;
    is_clean(disk.path())?;

    // When there is room again, it goes on; and a package that was damaged meanwhile is
    // noticed when it is used, fetched again and used.
    std::fs::remove_file(hog)?;
    let vendored = scratch("vendored")?;
    let vendor = Ashlar::new(["vendor", "--profile", "minimal"])?.arg(vendored.path());
    vendor.project(project.path()).succeeds()?;
    flip_a_byte(&a_package(&project, disk.path())?)?;
    let build = project.build("minimal")?.arg("--target=raw").arg("--cache-dir").arg(disk.path());
    let ran = build.arg("--vendor").arg(vendored.path()).succeeds()?;
    ensure!(ran.to_string().contains("less in the cache is damaged; fetching it again"), "{ran}");
    is_clean(disk.path())
}

/// Where a cache has the package `less`.
fn a_package(project: &Project, cache: &Path) -> Result<PathBuf> {
    let recipes = project.path().join("recipes");
    let lock = ashlar_recipe::Lock::load(&recipes.join("minimal.lock"))?;
    let less = lock.packages.iter().find(|package| package.name == "less").context("less")?;
    Ok(cache.join("debs").join(format!("{}.deb", less.sha256)))
}

fn flip_a_byte(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    *bytes.get_mut(1000).context("a package has more bytes")? ^= 1;
    Ok(std::fs::write(path, bytes)?)
}

const NEEDS_ROOT: &str = "mounting a small file system needs root";

/// A small file system of its own. Needs root.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Result<Self> {
        let directory = scratch("disk")?;
        let options = format!("size={size},mode=0755");
        mount(Some("tmpfs"), directory.path(), Some("tmpfs"), MsFlags::empty(), Some(&*options))?;
        Ok(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.path().join("hog");
        let mut file = std::fs::File::create(&path)?;
        let block = vec![1; 1 << 20];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(path),
                Err(error) => bail!(error),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}
