//! From looking for a disk to the restart.

use crate::Args;
use crate::consoles::Consoles;
use crate::page::Page;
use crate::{firmware, words};
use anyhow::{Context, Result, anyhow};
use ashlar_disk::{
    Disk, Drive, Events, Image, Job, Medium, Part, Patch, Refusal, Stage, Start, Table, Target,
    candidates, choose, flash, is_of, needed,
};
use ashlar_site::{InstallRules, Site};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How often a box whose disk is missing, or whose stick is still in, is looked at.
const AGAIN: Duration = Duration::from_secs(5);
/// How long it may show nothing new while it works.
const SILENT: Duration = Duration::from_secs(1);
/// How long a failure stays on the screen of a box that nobody stands at.
const FAILED: Duration = Duration::from_secs(60);

/// The stick: what it holds and what it says.
struct Stick {
    device: PathBuf,
    image: Image,
    site: Zeroizing<String>,
    of: Site,
    rules: InstallRules,
}

impl Stick {
    fn read(args: &Args) -> Result<Self> {
        let device = std::fs::canonicalize(&args.medium)
            .with_context(|| format!("{} cannot be found", args.medium.display()))?;
        let read = |error| anyhow!("{}", words::error(&error));
        let image = Image::on_disk(&device, args.root.as_deref()).map_err(read)?;
        let site = image.site().map_err(read)?.context(
            "no site is on the stick: copy site.toml to its partition ASHLARSEED, or flash it anew \
             with --site",
        )?;
        let parsed = Site::parse(&site, Path::new("site.toml"))
            .map_err(|error| anyhow!("the site on the stick cannot be used: {error}"))?;
        let rules = parsed.install.clone().unwrap_or_default();
        Ok(Self { device, image, site, of: parsed, rules })
    }
}

/// Installs this box.
///
/// # Errors
/// When the stick cannot be installed from, or nobody can be asked.
pub(crate) fn run(args: &Args, consoles: &mut Consoles) -> Result<()> {
    consoles.head(words::heading(None));
    consoles.show(&Page::of("Looking at the stick ...", ""));
    let stick = match Stick::read(args) {
        Ok(stick) => stick,
        Err(error) => {
            consoles.show(&Page::of(format!("{error:#}"), ""));
            return Err(error);
        }
    };
    consoles.head(words::heading(Some(&stick.of.name)));
    let esp = loop {
        let disk = pick(args, &stick, consoles)?;
        match install(&stick, &disk, consoles) {
            Ok(esp) => break esp,
            Err(said) => {
                consoles.show(&words::failed(&disk, &said));
                if !args.box_itself {
                    return Err(anyhow!("it was not installed"));
                }
                let _ = consoles.line(stick.rules.unattended.then_some(FAILED))?;
            }
        }
    };
    let first = firmware::start_from(&args.efivars, &esp);
    // The stick would begin again: only who can pull it ends this.
    let alone = stick.rules.unattended && first.is_ok();
    let end = match (args.box_itself, alone) {
        (false, _) => "",
        (true, false) => words::PULL,
        (true, true) => words::ALONE,
    };
    consoles.show(&words::installed(first.as_ref().copied(), end));
    if args.box_itself {
        leave(&stick.device, alone, consoles)?;
    }
    Ok(())
}

/// The disk to install onto: by the site's rules, or by what is typed.
fn pick(args: &Args, stick: &Stick, consoles: &mut Consoles) -> Result<Drive> {
    let (mut said, mut complaint) = (Vec::new(), String::new());
    loop {
        let disks = look(args, &stick.of)?;
        let refusal = match choose(&disks, &stick.rules, &stick.device, needed(&stick.image)) {
            Ok(disk) => return Ok(disk.drive.clone()),
            Err(refusal) => refusal,
        };
        // What was said of an answer stays until somebody types another.
        let page = Page { complaint: complaint.clone(), ..words::refusal(&refusal) };
        let lines = page.lines();
        if lines != said {
            consoles.show(&page);
            said = lines;
        }
        let patience = matches!(refusal, Refusal::None(_)).then_some(AGAIN);
        let Some(answer) = consoles.line(patience)? else { continue };
        if let Some(disk) = words::named(&refusal, &answer) {
            return Ok(disk.drive.clone());
        }
        complaint = match answer.as_str() {
            "" => String::new(),
            answer => words::complaint(answer),
        };
        said.clear();
    }
}

/// The disks of this box.
fn look(args: &Args, site: &Site) -> Result<Vec<Disk>> {
    let drives = if args.disk.is_empty() {
        candidates()
    } else {
        let of = |path: &PathBuf| Drive::of(path).map_err(|error| anyhow!("{error}"));
        args.disk.iter().map(of).collect::<Result<_>>()?
    };
    let disk = |drive: Drive| {
        let esp = boot_partition(&drive.path);
        // Firmware forgets its entries: when it is reset, and some at every start.
        let ours = |id: &str| firmware::starts_from(&args.efivars, id) || is_of(site, id);
        let starts_here = esp.is_some_and(|esp| ours(&esp.guid));
        Disk { drive, starts_here }
    };
    Ok(drives.into_iter().map(disk).collect())
}

/// The boot partition of a disk that has one of ours.
fn boot_partition(disk: &Path) -> Option<Part> {
    let mut head = vec![0; 64 << 10];
    File::open(disk).ok()?.read_exact_at(&mut head, 0).ok()?;
    Table::read(&head).ok()?.labelled("esp").cloned()
}

/// Writes the disk; the words of why not, or its boot partition.
fn install(stick: &Stick, drive: &Drive, consoles: &mut Consoles) -> Result<Part, String> {
    let image = &stick.image;
    let path = drive.path.as_path();
    consoles.show(&Page::of(words::onto(drive), ""));
    let target =
        Target::open(path, needed(image), image.length()).map_err(|error| words::error(&error))?;
    {
        let progress = Progress::new(consoles);
        let job = Job { events: &progress, cancelled: &|| false };
        let examined = image.examine(None, job).map_err(|error| words::error(&error))?;
        let mut patch = Patch::for_disk(image, target.size(), stick.site.as_bytes())
            .map_err(|error| words::error(&error))?;
        patch.start(image, &examined, Start::Run).map_err(|error| words::error(&error))?;
        flash(image, patch, &target, path, examined.data, target.sequence, job)
            .map_err(|failure| words::failure(&failure))?;
    }
    target.reread_table();
    drop(target);
    boot_partition(path).ok_or_else(|| format!("{} has no boot partition", path.display()))
}

/// Restarts the box, at once or when the stick is out.
fn leave(stick: &Path, alone: bool, consoles: &mut Consoles) -> Result<()> {
    if !alone {
        let device = Path::new("/sys/class/block").join(stick.file_name().unwrap_or_default());
        while device.exists() && consoles.line(Some(Duration::from_secs(1)))?.is_none() {}
    }
    nix::unistd::sync();
    // Not by systemd, whose programs may have left with the stick: nothing that
    // has to be kept is mounted.
    let never = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT)
        .context("the box cannot be restarted: switch it off and on")?;
    match never {}
}

/// Percents on the consoles.
pub(crate) struct Progress<'a> {
    consoles: RefCell<&'a mut Consoles>,
    stage: Cell<Option<(Stage, u64)>>,
    done: Cell<u64>,
    shown: Cell<(u64, Instant)>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(consoles: &'a mut Consoles) -> Self {
        Self {
            consoles: RefCell::new(consoles),
            stage: Cell::new(None),
            done: Cell::new(0),
            shown: Cell::new((0, Instant::now())),
        }
    }

    fn show(&self, percent: u64) {
        let Some((stage, bytes)) = self.stage.get() else { return };
        self.shown.set((percent, Instant::now()));
        let text = words::progress(stage, percent, self.done.get(), bytes);
        self.consoles.borrow_mut().progress(&text);
    }
}

impl Events for Progress<'_> {
    fn begin(&self, stage: Stage, bytes: u64) {
        self.stage.set(Some((stage, bytes)));
        self.done.set(0);
        self.show(0);
    }

    fn advance(&self, bytes: u64) {
        self.done.set(self.done.get() + bytes);
        let Some((_, all)) = self.stage.get() else { return };
        let percent = (self.done.get() * 100 / all.max(1)).min(100);
        let (shown, at) = self.shown.get();
        if percent >= shown + 2 || at.elapsed() >= SILENT {
            self.show(percent);
        }
    }

    fn end(&self) {
        if self.stage.get().is_some() {
            self.show(100);
            self.consoles.borrow_mut().say("");
        }
        self.stage.set(None);
    }
}
