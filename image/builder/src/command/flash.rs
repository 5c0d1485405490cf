//! `ashlar flash`: an image and a site onto a stick.

use crate::command::drives;
use crate::context::Context;
use crate::images::{self, site_file};
use crate::output::Output;
use ashlar_disk::{
    Events, Examined, Image, Job, Medium, Patch, Stage, Start, SumsFile, Target, Written, flash,
    needed,
};
use ashlar_sandbox::Cancel;
use ashlar_site::Site;
use indicatif::ProgressBar;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Write an image onto a stick or disk, with the site in its seed partition.
///
///   ashlar flash                                 which disks there are
///   sudo ashlar flash /dev/sdb --site shop
///   sudo ashlar flash /dev/sdb --image shop.raw.zst --site ./site.toml
///   sudo ashlar flash /dev/sdb --site shop --profile minimal --yes
///   sudo ashlar flash /dev/sdb --site shop --installer
///
/// Everything on the disk is lost. A disk that anything uses is refused, and so
/// is one that is too small for the first boot. The image is compared with the
/// SHA256SUMS beside it before, and the disk with the image after writing. With
/// --image and the path of a site it needs no project, no cache and no tools.
///
/// One stick is one box: its first start makes the stick that box's disk. With
/// --installer it is any number of boxes: each is started from it once, and it
/// copies itself onto the box's own disk. A site that says `unattended = true`
/// under [install] has that done without a word; else the boot menu waits.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The whole disk, for example /dev/sdb. Without it the disks are listed.
    #[arg(requires = "site")]
    disk: Option<PathBuf>,
    /// The site: a name in keys/, or the path of a site.toml.
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Write the newest image of this profile.
    #[arg(long, short, default_value = "retail-metal", value_name = "PROFILE")]
    profile: String,
    /// Write this image instead: .raw or .raw.zst, whoever made it.
    #[arg(long, value_name = "PATH", conflicts_with = "profile")]
    image: Option<PathBuf>,
    /// Compare the image with this list first. Default: SHA256SUMS beside it, if
    /// that names it.
    #[arg(long, value_name = "FILE")]
    sha256sums: Option<PathBuf>,
    /// Make an installer of it, which copies itself onto the disks of boxes.
    #[arg(long)]
    installer: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Also write a disk that cannot be pulled; it may be this machine's own.
    #[arg(long)]
    allow_fixed: bool,
    /// Also write an image whose kernel is made for virtual machines.
    #[arg(long)]
    vm_image: bool,
}

/// What `ashlar flash --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Flashed<'a> {
    /// The disk.
    disk: &'a Path,
    /// The image.
    image: &'a Path,
    /// The site in its seed.
    site: &'a str,
    /// It installs, and is no box's own disk.
    installer: bool,
    /// Bytes that were sent to the disk.
    bytes_sent: u64,
    /// Bytes that were read back.
    bytes_read: u64,
    /// Whether a list of checksums was there, and agrees.
    checksum: bool,
    /// The version of the kernel, where that can be told.
    kernel: Option<&'a str>,
    /// How long it was written.
    write_seconds: f64,
    /// How long it was read back.
    verify_seconds: f64,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let (Some(disk), Some(site)) = (&args.disk, &args.site) else {
        return drives::list(context);
    };
    let image = match &args.image {
        Some(image) => image.clone(),
        None => images::newest(context, &args.profile, images::DISK)?,
    };
    let image = Image::open(&image)?;
    let (site_name, site, start) = read_site(context, site, args.installer)?;
    // A stick that only installs makes nothing on itself.
    let needs = if start == Start::Run { needed(&image) } else { image.length() };
    let target = Target::open(disk, needs, image.length())?;
    if target.drive.is_fixed() && !args.allow_fixed {
        return Err(miette!(
            help = "if it is the right one, add --allow-fixed",
            "{} cannot be pulled out: {}",
            disk.display(),
            drives::words(&target.drive)
        ));
    }

    let progress = Progress::new(&context.output);
    let cancel: OnceLock<Cancel> = OnceLock::new();
    let cancelled = || cancel.get().is_some_and(Cancel::is_cancelled);
    let job = Job { events: &progress, cancelled: &cancelled };
    let sums = match &args.sha256sums {
        Some(path) => Some(SumsFile::read(path)?),
        None => SumsFile::beside(image.path())?,
    };
    let examined = image.examine(sums.as_ref(), job)?;
    fits(&examined, image.path(), args.vm_image)?;
    confirm(args.yes, disk, &target, context)?;
    // Until here Ctrl-C may end it at once, which also leaves the question.
    let _ = cancel.set(context.cancel());

    let mut patch = Patch::for_disk(&image, target.size(), site.as_bytes())?;
    patch.start(&image, &examined, start)?;
    let written = flash(&image, patch, &target, disk, examined.data, target.sequence, job)?;
    target.reread_table();
    report(disk, target.drive.speed, &site_name, start, written, &progress, context);
    context.output.json(&Flashed {
        disk,
        image: image.path(),
        site: &site_name,
        installer: start != Start::Run,
        bytes_sent: written.sent,
        bytes_read: written.read,
        checksum: examined.checked,
        kernel: examined.kernel.as_deref(),
        write_seconds: progress.spent(Stage::Write).as_secs_f64(),
        verify_seconds: progress.spent(Stage::Verify).as_secs_f64(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A site's name and its file's text, after all of it was checked, and what a
/// medium with it starts by itself.
pub(crate) fn read_site(
    context: &Context,
    site: &str,
    installer: bool,
) -> miette::Result<(String, Zeroizing<String>, Start)> {
    let path = site_file(context, site)?;
    let parsed = Site::load(&path)?;
    let alone = parsed.install.is_some_and(|rules| rules.unattended);
    let start = match (installer, alone) {
        (false, _) => Start::Run,
        (true, false) => Start::Ask,
        (true, true) => Start::Install,
    };
    let name = parsed.name;
    let text = std::fs::read_to_string(&path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    Ok((name, Zeroizing::new(text), start))
}

fn fits(examined: &Examined, image: &Path, anyway: bool) -> miette::Result<()> {
    match for_virtual_machines(examined.kernel.as_deref(), image) {
        Some(why) if !anyway => Err(miette!(
            help = "take one for `machine = \"metal\"`, such as retail-metal; or, if the disk is for a \
                    virtual machine, add --vm-image",
            "{why}"
        )),
        _ => Ok(()),
    }
}

/// Why an image is not for real machines, if so: Debian's kernel for clouds has few of
/// their drivers.
pub(crate) fn for_virtual_machines(kernel: Option<&str>, image: &Path) -> Option<String> {
    let kernel = kernel.filter(|kernel| kernel.contains("cloud"))?;
    Some(format!(
        "{} is for virtual machines: its kernel {kernel} has no drivers for most disks, network \
         cards and keyboards of real ones",
        image.display()
    ))
}

/// Asks a person to type the disk's name; without a person, `--yes` is needed.
fn confirm(yes: bool, disk: &Path, target: &Target, context: &Context) -> miette::Result<()> {
    let name = disk.display();
    let mut text = format!("{name}: {}\n", drives::words(&target.drive));
    let contents = target.contents();
    if contents.is_empty() {
        text.push_str("nothing known is on it\n");
    }
    for line in contents {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("everything on it will be lost");
    if yes {
        context.output.note(text);
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(miette!(
            help = "add --yes if you are sure",
            "nobody is here to confirm that {name} may be overwritten"
        ));
    }
    // Whoever is asked must see what about, also with --quiet.
    eprint!("{text}\nType {name} to go on: ");
    std::io::stderr().flush().into_diagnostic()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).into_diagnostic()?;
    if answer.trim() == name.to_string() {
        return Ok(());
    }
    Err(miette!("{name} was not confirmed; nothing was written"))
}

/// Whose disk it is, and what its next start does.
fn outlook(start: Start, site: &str) -> String {
    let key = format!("whoever has the stick has the key of `{site}`");
    match start {
        Start::Run => format!(
            "It is one box's disk: that box's first start from it takes in the site, wipes\n\
             it from the seed and makes the stick its own. Flash one for each box. Until\n\
             then {key}."
        ),
        Start::Ask => format!(
            "It installs any number of boxes: start each from it, choose *Install to this\n\
             box*, and pull it when the screen says so. It keeps the site:\n{key}."
        ),
        Start::Install => format!(
            "Whatever is started from it is installed by itself, as [install] of the site\n\
             says. It keeps the site:\n{key}."
        ),
    }
}

/// What a disk's port carries at best (Mbit/s), for beside what it did.
fn limit(speed: Option<u64>) -> String {
    let bytes = speed.map(|speed| speed / 8);
    bytes.map(|most| format!("; its port carries {most} MB/s at most")).unwrap_or_default()
}

fn report(
    disk: &Path,
    speed: Option<u64>,
    site: &str,
    start: Start,
    written: Written,
    progress: &Progress<'_>,
    context: &Context,
) {
    let rate = |bytes: u64, stage| {
        let seconds = progress.spent(stage).as_secs_f64().max(0.001);
        format!("{:.0} MB/s", bytes as f64 / 1e6 / seconds)
    };
    context.output.line(format_args!(
        "{disk} is ready: {:.0} MB written at {}, read back at {}{limit}.\n\
         {outlook}",
        written.sent as f64 / 1e6,
        rate(written.sent, Stage::Write),
        rate(written.read, Stage::Verify),
        disk = disk.display(),
        limit = limit(speed),
        outlook = outlook(start, site),
    ));
}

/// Bars for whoever watches, and how long each stage took.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    bar: RefCell<Option<ProgressBar>>,
    began: Cell<Option<(Stage, Instant)>>,
    spent: RefCell<Vec<(Stage, Duration)>>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        Self { output, bar: RefCell::default(), began: Cell::new(None), spent: RefCell::default() }
    }

    fn spent(&self, stage: Stage) -> Duration {
        self.spent.borrow().iter().filter(|(of, _)| *of == stage).map(|(_, time)| *time).sum()
    }
}

impl Events for Progress<'_> {
    fn begin(&self, stage: Stage, bytes: u64) {
        let words = match stage {
            Stage::Examine => "looking through the image",
            Stage::Empty => "emptying the disk",
            Stage::Write => "writing",
            Stage::Verify => "reading back",
        };
        if !self.output.is_watched() {
            self.output.note(words);
        }
        *self.bar.borrow_mut() = Some(self.output.byte_bar(bytes, words));
        self.began.set(Some((stage, Instant::now())));
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
        if let Some((stage, began)) = self.began.take() {
            self.spent.borrow_mut().push((stage, began.elapsed()));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn a_rate_is_told_beside_what_the_port_carries_where_that_is_known() {
        assert_eq!(limit(Some(480)), "; its port carries 60 MB/s at most");
        assert_eq!(limit(None), "");
    }
}
