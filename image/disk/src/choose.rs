//! Onto which disk of a box an installer writes: pure, from what was found and
//! what the site says.

use crate::{Bus, Drive};
use ashlar_site::{DiskBus, InstallRules, Take};
use std::fmt;
use std::path::Path;

/// A disk of the box that is to be installed.
#[derive(Clone, Debug)]
pub struct Disk {
    /// What the kernel tells about it, with what is on it.
    pub drive: Drive,
    /// The firmware has an entry of ours that starts from it, or it was written for
    /// this site: it was installed before.
    pub starts_here: bool,
}

/// Why an installer does not go on by itself.
#[derive(Clone, Debug)]
pub enum Refusal<'a> {
    /// No disk will do: each, with why.
    None(Vec<(&'a Disk, Unfit)>),
    /// Several would do, and the site does not say which.
    Equal(Vec<&'a Disk>),
    /// This one, if what is on it may be lost.
    Foreign(&'a Disk),
    /// This one, if what was installed on this very box may be lost.
    Installed(&'a Disk),
}

/// Why a disk will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The installer runs from it.
    Medium,
    /// It is in use, and who uses it.
    InUse(String),
    /// It is write-protected.
    ReadOnly,
    /// Its sectors have another size than 512 bytes.
    Sectors(u64),
    /// The first boot needs so many bytes.
    Small(u64),
    /// The site's rules for the connection leave it out.
    Bus,
    /// It is smaller than the site's `at-least-gb`.
    Below(u32),
    /// It is larger than the site's `at-most-gb`.
    Above(u32),
    /// The site names another serial number.
    Serial(String),
}

/// The disk to install onto, or why a person has to say it. `medium` is the disk
/// that the installer runs from; `needs` is what the first boot takes.
///
/// # Errors
/// When none will do, several would, or something would be lost.
pub fn choose<'a>(
    disks: &'a [Disk],
    rules: &InstallRules,
    medium: &Path,
    needs: u64,
) -> Result<&'a Disk, Refusal<'a>> {
    let (mut fit, mut unfit) = (Vec::new(), Vec::new());
    for disk in disks {
        match unfit_for(&disk.drive, rules, medium, needs) {
            Some(why) => unfit.push((disk, why)),
            None => fit.push(disk),
        }
    }
    let edge = match rules.take {
        Some(Take::Smallest) => fit.iter().map(|disk| disk.drive.size).min(),
        Some(Take::Largest) => fit.iter().map(|disk| disk.drive.size).max(),
        None => None,
    };
    fit.retain(|disk| edge.is_none_or(|edge| disk.drive.size == edge));
    match fit.as_slice() {
        [] => Err(Refusal::None(unfit)),
        [disk] => overwritten(disk, rules).map_or(Ok(disk), Err),
        _ => Err(Refusal::Equal(fit)),
    }
}

/// What speaks against overwriting a disk that will do.
fn overwritten<'a>(disk: &'a Disk, rules: &InstallRules) -> Option<Refusal<'a>> {
    // Whatever the site allows: a stick that was left in would install again and
    // again.
    if disk.starts_here {
        return Some(Refusal::Installed(disk));
    }
    // A disk that cannot be read may hold anything.
    let empty = disk.drive.contents.as_ref().is_some_and(Vec::is_empty);
    (!empty && !rules.allow_foreign).then_some(Refusal::Foreign(disk))
}

fn unfit_for(drive: &Drive, rules: &InstallRules, medium: &Path, needs: u64) -> Option<Unfit> {
    let gb = |count: u32| u64::from(count) * 1_000_000_000;
    if drive.path == medium {
        return Some(Unfit::Medium);
    }
    if !may_be(drive.bus, &rules.bus) {
        return Some(Unfit::Bus);
    }
    if let Some(by) = &drive.in_use {
        return Some(Unfit::InUse(by.clone()));
    }
    if drive.read_only {
        return Some(Unfit::ReadOnly);
    }
    if drive.sector != crate::SECTOR {
        return Some(Unfit::Sectors(drive.sector));
    }
    if drive.size < needs {
        return Some(Unfit::Small(needs));
    }
    if let Some(least) = rules.at_least_gb.filter(|least| drive.size < gb(*least)) {
        return Some(Unfit::Below(least));
    }
    if let Some(most) = rules.at_most_gb.filter(|most| drive.size > gb(*most)) {
        return Some(Unfit::Above(most));
    }
    let serial = rules.serial.as_ref().filter(|serial| serial.trim() != drive.serial.trim());
    serial.map(|serial| Unfit::Serial(serial.clone()))
}

fn may_be(bus: Bus, listed: &[DiskBus]) -> bool {
    let kind = match bus {
        Bus::Usb => DiskBus::Usb,
        Bus::Sd => DiskBus::Sd,
        Bus::Emmc => DiskBus::Emmc,
        Bus::Nvme => DiskBus::Nvme,
        Bus::Sata => DiskBus::Sata,
        Bus::Virtio => DiskBus::Virtio,
        Bus::Loop | Bus::Other => return listed.is_empty(),
    };
    match listed {
        [] => !matches!(bus, Bus::Usb | Bus::Sd),
        listed => listed.contains(&kind),
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Medium => f.write_str("the installer runs from it"),
            Self::InUse(by) => write!(f, "it is in use: {by}"),
            Self::ReadOnly => f.write_str("it is write-protected"),
            Self::Sectors(bytes) => {
                write!(f, "it has sectors of {bytes} bytes, and 512 are needed")
            }
            Self::Small(needs) => {
                write!(f, "it is too small: {:.1} GB are needed", *needs as f64 / 1e9)
            }
            Self::Bus => f.write_str("the site does not allow disks that are connected like this"),
            Self::Below(least) => write!(f, "the site asks for at least {least} GB"),
            Self::Above(most) => write!(f, "the site asks for at most {most} GB"),
            Self::Serial(serial) => write!(f, "the site asks for serial number {serial}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const GB: u64 = 1_000_000_000;
    const NEEDS: u64 = 13 * GB;

    fn disk(name: &str, bus: Bus, size: u64) -> Disk {
        let drive = Drive {
            path: PathBuf::from("/dev").join(name),
            model: "Disk".into(),
            serial: format!("S-{name}"),
            size,
            sector: 512,
            bus,
            speed: None,
            removable: false,
            read_only: false,
            in_use: None,
            contents: Some(Vec::new()),
        };
        Disk { drive, starts_here: false }
    }

    fn with(mut disk: Disk, change: impl FnOnce(&mut Drive)) -> Disk {
        change(&mut disk.drive);
        disk
    }

    fn full(disk: Disk) -> Disk {
        with(disk, |drive| drive.contents = Some(vec!["NTFS".into()]))
    }

    /// The chosen disk's name, or the refusal in short.
    fn chosen(disks: &[Disk], rules: &InstallRules) -> String {
        let name = |disk: &Disk| {
            disk.drive.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        match choose(disks, rules, Path::new("/dev/sda"), NEEDS) {
            Ok(disk) => name(disk),
            Err(Refusal::Foreign(disk)) => format!("foreign {}", name(disk)),
            Err(Refusal::Installed(disk)) => format!("installed {}", name(disk)),
            Err(Refusal::Equal(disks)) => {
                format!("equal {}", disks.into_iter().map(name).collect::<Vec<_>>().join(" "))
            }
            Err(Refusal::None(unfit)) => {
                let words = unfit.iter().map(|(disk, why)| format!("{}: {why}", name(disk)));
                format!("none ({})", words.collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn any() -> InstallRules {
        InstallRules::default()
    }

    #[test]
    fn the_only_empty_disk_is_taken_without_a_rule() {
        let disks = [disk("sda", Bus::Usb, 32 * GB), disk("nvme0n1", Bus::Nvme, 256 * GB)];
        assert_eq!(chosen(&disks, &any()), "nvme0n1");
    }

    #[test]
    fn the_medium_is_never_taken_whatever_the_rules_say() {
        let disks = [disk("sda", Bus::Usb, 32 * GB)];
        for rules in [
            any(),
            InstallRules { bus: vec![DiskBus::Usb], ..any() },
            InstallRules { serial: Some("S-sda".into()), allow_foreign: true, ..any() },
            InstallRules { take: Some(Take::Largest), ..any() },
        ] {
            assert_eq!(chosen(&disks, &rules), "none (sda: the installer runs from it)");
        }
    }

    #[test]
    fn another_stick_or_card_is_left_alone_unless_the_site_names_the_kind() {
        let disks = [disk("sdb", Bus::Usb, 64 * GB), disk("mmcblk0", Bus::Sd, 64 * GB)];
        let refused = chosen(&disks, &any());
        assert!(refused.starts_with("none (sdb: the site does not allow"), "{refused}");
        let rules = InstallRules { bus: vec![DiskBus::Usb], ..any() };
        assert_eq!(chosen(&disks, &rules), "sdb");
        let rules = InstallRules { bus: vec![DiskBus::Sd], ..any() };
        assert_eq!(chosen(&disks, &rules), "mmcblk0");
    }

    #[test]
    fn a_listed_kind_leaves_all_others_out() {
        let disks = [disk("nvme0n1", Bus::Nvme, 64 * GB), disk("sdb", Bus::Sata, 64 * GB)];
        let rules = InstallRules { bus: vec![DiskBus::Sata], ..any() };
        assert_eq!(chosen(&disks, &rules), "sdb");
        let rules = InstallRules { bus: vec![DiskBus::Sata, DiskBus::Nvme], ..any() };
        assert_eq!(chosen(&disks, &rules), "equal nvme0n1 sdb");
        let rules = InstallRules { bus: vec![DiskBus::Emmc], ..any() };
        assert!(chosen(&disks, &rules).starts_with("none"));
    }

    #[test]
    fn a_kind_that_has_no_name_is_taken_only_where_no_kind_is_asked_for() {
        let disks = [disk("sdb", Bus::Other, 64 * GB)];
        assert_eq!(chosen(&disks, &any()), "sdb");
        let rules = InstallRules { bus: vec![DiskBus::Sata], ..any() };
        assert!(chosen(&disks, &rules).starts_with("none"));
    }

    #[test]
    fn a_disk_that_the_first_boot_does_not_fit_on_is_never_taken() {
        let small = disk("vda", Bus::Virtio, NEEDS - 1);
        let rules = InstallRules { allow_foreign: true, take: Some(Take::Smallest), ..any() };
        assert_eq!(
            chosen(std::slice::from_ref(&small), &rules),
            "none (vda: it is too small: 13.0 GB are needed)"
        );
        assert_eq!(chosen(&[small, disk("vdb", Bus::Virtio, NEEDS)], &rules), "vdb");
    }

    #[test]
    fn sizes_of_the_site_are_kept_to_at_both_ends() {
        let disks = [disk("vda", Bus::Virtio, 64 * GB)];
        for (least, most, expected) in [
            (Some(64), None, "vda"),
            (Some(65), None, "none (vda: the site asks for at least 65 GB)"),
            (None, Some(64), "vda"),
            (None, Some(63), "none (vda: the site asks for at most 63 GB)"),
            (Some(60), Some(70), "vda"),
        ] {
            let rules = InstallRules { at_least_gb: least, at_most_gb: most, ..any() };
            assert_eq!(chosen(&disks, &rules), expected, "{least:?} {most:?}");
        }
    }

    #[test]
    fn the_smallest_or_the_largest_is_taken_and_two_of_one_size_are_not() {
        let disks = [
            disk("vda", Bus::Virtio, 64 * GB),
            disk("vdb", Bus::Virtio, 32 * GB),
            disk("vdc", Bus::Virtio, 128 * GB),
            disk("vdd", Bus::Virtio, 128 * GB),
        ];
        let smallest = InstallRules { take: Some(Take::Smallest), ..any() };
        let largest = InstallRules { take: Some(Take::Largest), ..any() };
        assert_eq!(chosen(&disks, &smallest), "vdb");
        assert_eq!(chosen(&disks, &largest), "equal vdc vdd");
        assert_eq!(chosen(&disks[..3], &largest), "vdc");
        assert_eq!(chosen(&disks[..2], &any()), "equal vda vdb");
    }

    #[test]
    fn the_smallest_is_the_smallest_of_those_that_will_do() {
        let disks = [disk("vda", Bus::Virtio, 4 * GB), disk("vdb", Bus::Virtio, 32 * GB)];
        let rules = InstallRules { take: Some(Take::Smallest), ..any() };
        assert_eq!(chosen(&disks, &rules), "vdb");
    }

    #[test]
    fn a_serial_number_settles_it_and_a_wrong_one_is_said() {
        let disks = [disk("vda", Bus::Virtio, 64 * GB), disk("vdb", Bus::Virtio, 64 * GB)];
        let rules = InstallRules { serial: Some(" S-vdb ".into()), ..any() };
        assert_eq!(chosen(&disks, &rules), "vdb");
        let rules = InstallRules { serial: Some("S-vdc".into()), ..any() };
        let refused = chosen(&disks, &rules);
        assert!(refused.contains("vda: the site asks for serial number S-vdc"), "{refused}");
    }

    #[test]
    fn what_is_on_a_disk_is_lost_only_where_the_site_allows_it() {
        let disks = [full(disk("vda", Bus::Virtio, 64 * GB))];
        assert_eq!(chosen(&disks, &any()), "foreign vda");
        assert_eq!(chosen(&disks, &InstallRules { unattended: true, ..any() }), "foreign vda");
        assert_eq!(chosen(&disks, &InstallRules { allow_foreign: true, ..any() }), "vda");
    }

    #[test]
    fn an_empty_disk_is_not_preferred_to_a_full_one_because_that_is_no_rule_of_the_site() {
        let disks = [full(disk("vda", Bus::Virtio, 64 * GB)), disk("vdb", Bus::Virtio, 64 * GB)];
        assert_eq!(chosen(&disks, &any()), "equal vda vdb");
    }

    #[test]
    fn a_disk_that_cannot_be_read_may_hold_anything() {
        let unread = with(disk("vda", Bus::Virtio, 64 * GB), |drive| drive.contents = None);
        assert_eq!(chosen(&[unread], &any()), "foreign vda");
    }

    #[test]
    fn what_was_installed_on_this_box_is_not_overwritten_by_a_stick_that_was_left_in() {
        let mut done = full(disk("vda", Bus::Virtio, 64 * GB));
        done.starts_here = true;
        let rules = InstallRules { unattended: true, allow_foreign: true, ..any() };
        assert_eq!(chosen(&[done], &rules), "installed vda");
    }

    #[test]
    fn disks_in_use_write_protected_or_of_other_sectors_are_passed_over() {
        let disks = [
            with(disk("vda", Bus::Virtio, 64 * GB), |drive| drive.in_use = Some("vg0".into())),
            with(disk("vdb", Bus::Virtio, 64 * GB), |drive| drive.read_only = true),
            with(disk("vdc", Bus::Virtio, 64 * GB), |drive| drive.sector = 4096),
        ];
        assert_eq!(
            chosen(&disks, &InstallRules { allow_foreign: true, ..any() }),
            "none (vda: it is in use: vg0; vdb: it is write-protected; vdc: it has sectors of \
             4096 bytes, and 512 are needed)"
        );
    }

    #[test]
    fn a_box_without_a_disk_says_so() {
        assert_eq!(chosen(&[], &any()), "none ()");
    }
}
