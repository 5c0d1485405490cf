//! What the screen says.

use crate::page::{Listed, Page};
use ashlar_disk::{Bus, Disk, Drive, Failure, FlashError, Refusal, Stage};
use miette::Diagnostic;
use std::path::Path;

/// A disk's short name, which is typed.
pub(crate) fn name(drive: &Drive) -> String {
    drive.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A disk in one line.
pub(crate) fn about(drive: &Drive) -> String {
    let bus = match drive.bus {
        Bus::Usb => "USB",
        Bus::Sd => "SD card",
        Bus::Emmc => "eMMC",
        Bus::Nvme => "NVMe",
        Bus::Sata => "SATA",
        Bus::Virtio => "virtual",
        Bus::Loop => "a file",
        Bus::Other => "other",
    };
    let mut text = format!("{}  {:.0} GB  {bus}", name(drive), drive.size as f64 / 1e9);
    for word in [&drive.model, &drive.serial] {
        if !word.is_empty() {
            text.push_str("  ");
            text.push_str(word);
        }
    }
    text
}

/// A disk with what is said of it.
fn listed(disk: &Disk, details: Vec<String>) -> Listed {
    Listed { name: name(&disk.drive), title: about(&disk.drive), details }
}

/// A disk with what is on it.
fn with_contents(disk: &Disk) -> Listed {
    let details = match &disk.drive.contents {
        Some(contents) if contents.is_empty() => vec!["nothing known is on it".to_owned()],
        Some(contents) => contents.clone(),
        None => vec!["what is on it cannot be read".to_owned()],
    };
    listed(disk, details)
}

/// What the heading of every page is.
pub(crate) fn heading(site: Option<&str>) -> String {
    let of = site.map(|site| format!(", for site {site}")).unwrap_or_default();
    format!("Installing Ashlar to this box{of}")
}

/// Why it does not go on by itself, and what to type.
pub(crate) fn refusal(refusal: &Refusal<'_>) -> Page {
    let page = |lead: &str, list, ask: String| Page { list, ..Page::of(lead, ask) };
    match refusal {
        Refusal::None(unfit) if unfit.is_empty() => Page::of(
            "No disk of this box can be installed onto:\n  it has none",
            "It is looked for again every few seconds.",
        ),
        Refusal::None(unfit) => page(
            "No disk of this box can be installed onto:",
            unfit.iter().map(|(disk, why)| listed(disk, vec![why.to_string()])).collect(),
            "It is looked for again every few seconds.".into(),
        ),
        Refusal::Equal(disks) => page(
            "Several disks could be installed onto:",
            disks.iter().map(|disk| with_contents(disk)).collect(),
            "Everything on the one that you choose will be lost. Type its name to install:".into(),
        ),
        Refusal::Foreign(disk) => page(
            "Something is on the disk of this box:",
            vec![with_contents(disk)],
            format!("Everything on it will be lost. Type {} to install:", name(&disk.drive)),
        ),
        Refusal::Installed(disk) => page(
            "This box was installed already, from a stick of this site, onto",
            vec![with_contents(disk)],
            format!(
                "Pull the stick and switch the box off and on to start from it.\nOr, to lose \
                 everything on it and install again, type {}:",
                name(&disk.drive)
            ),
        ),
    }
}

/// What is said of an answer that names none of the disks.
pub(crate) fn complaint(answer: &str) -> String {
    /// Whoever leans on the keyboard fills no screen.
    const LONGEST: usize = 32;
    let mut shown: String = answer.chars().take(LONGEST).collect();
    if answer.chars().count() > LONGEST {
        shown.push_str("...");
    }
    format!("`{shown}` is none of these; nothing was written.")
}

/// What is written onto which disk; how far it is stands below.
pub(crate) fn onto(drive: &Drive) -> String {
    format!("Onto {}", about(drive))
}

/// Why it was not installed.
pub(crate) fn failed(drive: &Drive, said: &str) -> Page {
    Page::of(format!("{}\n{said}", onto(drive)), "Enter begins again.")
}

/// What it is after all, and how it starts from its own disk.
pub(crate) fn installed(firmware: Result<(), &anyhow::Error>, end: &str) -> Page {
    let starts = match firmware {
        Ok(()) => "Its firmware starts from its own disk from now on.".to_owned(),
        Err(error) => format!(
            "Its firmware could not be told to start from its own disk ({error:#}): if it starts \
             from the stick again, change the order in its settings."
        ),
    };
    Page::of(format!("This box is installed.\n{starts}"), end)
}

/// What whoever stands before it does.
pub(crate) const PULL: &str =
    "Pull the stick: the box restarts when it is out. (Enter restarts it at once.)";
/// What happens where nobody does.
pub(crate) const ALONE: &str = "It restarts now. The stick may stay in, or serve the next box.";

/// The disk that an answer names, of those that were offered.
pub(crate) fn named<'a>(refusal: &Refusal<'a>, answer: &str) -> Option<&'a Disk> {
    let offered = match refusal {
        Refusal::None(_) => return None,
        Refusal::Equal(disks) => disks.clone(),
        Refusal::Foreign(disk) | Refusal::Installed(disk) => vec![*disk],
    };
    let is = |disk: &&Disk| answer == name(&disk.drive) || Path::new(answer) == disk.drive.path;
    offered.into_iter().find(is)
}

/// What a stage does.
pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Examine => "Reading the stick",
        Stage::Empty => "Emptying the disk",
        Stage::Write => "Writing",
        Stage::Verify => "Reading back",
    }
}

/// How far it is: of a large disk two percent take long, so that all of it is told.
pub(crate) fn progress(of: Stage, percent: u64, done: u64, bytes: u64) -> String {
    let what = stage(of);
    if bytes < 10_000_000_000 {
        return format!("{what}: {percent} % of {} MB", bytes / 1_000_000);
    }
    let done = if percent == 100 { bytes } else { done };
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    format!("{what}: {percent} %, {:.1} of {:.1} GB", gigabytes(done), gigabytes(bytes))
}

/// A failure with what to do.
pub(crate) fn failure(failure: &Failure) -> String {
    let now = match failure.now {
        ashlar_disk::DiskNow::Untouched => "nothing was written to it",
        ashlar_disk::DiskNow::NotBootable => "it does not start, and is written whole next time",
        ashlar_disk::DiskNow::Unknown => "whether it starts is not known",
    };
    format!("It failed: {failure}\n{}: {now}.", failure.disk.display())
}

/// An error with its help.
pub(crate) fn error(error: &FlashError) -> String {
    let help = error.help().map(|help| format!("\n{help}")).unwrap_or_default();
    format!("{error}{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_disk_shows_more_than_percents_as_it_is_emptied() {
        let said = |percent, done| progress(Stage::Empty, percent, done, 4_000_787_030_016);
        assert_eq!(said(0, 1_073_741_824), "Emptying the disk: 0 %, 1.1 of 4000.8 GB");
        assert_eq!(said(0, 2_147_483_648), "Emptying the disk: 0 %, 2.1 of 4000.8 GB");
        assert_eq!(said(100, 0), "Emptying the disk: 100 %, 4000.8 of 4000.8 GB");
        let said = progress(Stage::Write, 12, 0, 812_000_000);
        assert_eq!(said, "Writing: 12 % of 812 MB");
    }
}
