//! The machine below a node: which one it was set up on, and which of its ports
//! the cluster address belongs on.
//!
//! A disk that was copied stands for the same node as its original. If both ran
//! as that node, the cluster would see one member in two places; so a disk in a
//! machine that shares nothing with the recorded one takes no part until nobody
//! answers at its address, or a person says that it was moved on purpose.

use crate::host::Link;
use crate::paths::Paths;
use crate::state::{self, Versioned};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the file that this release reads and writes.
const VERSION: u32 = 1;

const FILE: Versioned =
    Versioned { reads: VERSION..=VERSION, cure: "go back to the newer release" };

/// Ports that are kept in mind; a machine that had more has been rebuilt often.
const MOST: usize = 16;

/// Numbers that firmware makers leave in thousands of machines.
const EMPTY_NUMBERS: &[&str] = &[
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];

/// What makers leave where a serial number belongs, in lower case and without spaces.
const EMPTY_SERIALS: &[&str] = &[
    "tobefilledbyo.e.m.",
    "tobefilledbyoem",
    "defaultstring",
    "systemserialnumber",
    "boardserialnumber",
    "baseboardserialnumber",
    "chassisserialnumber",
    "serialnumber",
    "notspecified",
    "notapplicable",
    "notavailable",
    "nottouched",
    "unknown",
    "invalid",
    "empty",
    "none",
    "null",
    "oem",
    "n/a",
    "na",
    "0123456789",
    "1234567890",
    "123456789",
    "12345678",
    "123456",
    "1234",
];

/// `machine.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    version: u32,
    /// The firmware's number of the machine, if it has one.
    uuid: Option<String>,
    /// Serial numbers of the machine and of its board, if they have any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    serials: BTreeSet<String>,
    /// MAC addresses of its wired ports, as their makers gave them.
    macs: BTreeSet<String>,
    /// The port that the cluster address belongs on: the first with a cable.
    #[serde(default)]
    home: Option<String>,
}

impl Machine {
    /// The machine that this process runs on.
    pub(crate) fn here(paths: &Paths, links: &[Link]) -> Self {
        let uuid = std::fs::read_to_string(paths.machine_uuid()).ok();
        let uuid = uuid.map(|text| text.trim().to_ascii_lowercase());
        Self {
            version: VERSION,
            uuid: uuid.filter(|u| !u.is_empty() && !EMPTY_NUMBERS.contains(&u.as_str())),
            serials: [paths.machine_serial(), paths.board_serial()]
                .iter()
                .filter_map(|path| serial(&std::fs::read_to_string(path).ok()?))
                .collect(),
            macs: links
                .iter()
                .flat_map(Link::macs)
                .filter(|mac| is_its_makers(mac))
                .map(str::to_owned)
                .collect(),
            home: None,
        }
    }

    /// The machine on record.
    pub(crate) fn load(paths: &Paths) -> Result<Option<Self>> {
        FILE.read(&paths.machine())
    }

    /// The MAC address of the port that the cluster address belongs on.
    pub(crate) fn home(&self) -> Option<&str> {
        self.home.as_deref()
    }

    /// Whether nothing of this machine is known of `here`, though something could be.
    /// A machine whose board, ports or number were changed, but not all of them, is the
    /// same. A serial number alone does not stand against number and ports together: too
    /// many makers print one for all.
    pub(crate) fn is_another(&self, here: &Self) -> bool {
        let number = self.uuid.as_ref().zip(here.uuid.as_ref()).map(|(one, other)| one == other);
        let ports = shared(&self.macs, &here.macs);
        let serials = shared(&self.serials, &here.serials);
        if number == Some(true) || ports == Some(true) {
            return false;
        }
        let differs = number == Some(false) || ports == Some(false) || serials == Some(false);
        let both_differ = number == Some(false) && ports == Some(false);
        differs && (both_differ || serials != Some(true))
    }

    /// Takes up what `here` has besides, and `home` if there was none; says
    /// whether anything is new.
    pub(crate) fn learn(&mut self, here: &Self, home: Option<&str>) -> bool {
        let before = self.clone();
        if here.uuid.is_some() {
            self.uuid.clone_from(&here.uuid);
        }
        if !here.serials.is_empty() {
            self.serials.clone_from(&here.serials);
        }
        let room = MOST.saturating_sub(self.macs.len());
        let new: Vec<_> = here.macs.difference(&self.macs).take(room).cloned().collect();
        self.macs.extend(new);
        if self.home.is_none() {
            self.home = home.map(str::to_owned);
        }
        *self != before
    }

    /// Writes it down.
    pub(crate) fn keep(&self, paths: &Paths) -> Result<()> {
        state::write_json(&paths.machine(), self, 0o600)
    }
}

/// Whether two of a kind have one in common; nothing where one of them has none.
fn shared(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Option<bool> {
    (!one.is_empty() && !other.is_empty()).then(|| !one.is_disjoint(other))
}

/// A serial number that tells machines apart.
fn serial(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let same = plain.chars().all(|c| plain.starts_with(c) || ".-_/".contains(c));
    (!same && !EMPTY_SERIALS.contains(&plain.as_str())).then_some(text)
}

/// Whether a MAC address is its maker's: one that is locally administered, of a
/// virtual machine or a container for one, may be another at the next start.
fn is_its_makers(mac: &str) -> bool {
    let first = mac.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    first.is_some_and(|byte| byte & 0x02 == 0)
}

/// Takes this machine for the node's own, because a person says so.
pub(crate) fn accept(paths: &Paths, links: &[Link]) -> Result<()> {
    let before = Machine::load(paths)?.context("this node was set up on no machine yet")?;
    let here = Machine::here(paths, links);
    if before.is_another(&here) {
        here.keep(paths)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(uuid: Option<&str>, macs: &[&str]) -> Machine {
        with_serials(uuid, &[], macs)
    }

    fn with_serials(uuid: Option<&str>, serials: &[&str], macs: &[&str]) -> Machine {
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let uuid = uuid.map(str::to_owned);
        Machine { version: VERSION, uuid, serials: set(serials), macs: set(macs), home: None }
    }

    #[test]
    fn a_machine_with_a_new_board_or_new_ports_is_still_the_same() {
        let recorded = with_serials(Some("u1"), &["label", "board"], &["a", "b"]);
        for (what, here) in [
            ("other ports", with_serials(Some("u1"), &["label", "board"], &["c"])),
            ("a board with another number", with_serials(Some("u2"), &["b2"], &["b", "c"])),
            ("a board that was told the label", with_serials(Some("u2"), &["label"], &[])),
            ("a port more", with_serials(Some("u1"), &["label", "board"], &["a", "b", "c"])),
            ("no port has come up yet", with_serials(Some("u1"), &["label", "board"], &[])),
            ("firmware that tells nothing", machine(None, &["a"])),
            ("nothing is known", machine(None, &[])),
        ] {
            assert!(!recorded.is_another(&here), "{what}");
        }
        // A virtual machine without DMI, whose addresses its host makes up.
        assert!(!machine(None, &[]).is_another(&machine(None, &[])));
        assert!(!machine(None, &[]).is_another(&machine(Some("u1"), &["a"])));
    }

    #[test]
    fn a_copied_disk_finds_itself_in_another_machine() {
        for (recorded, here) in [
            (machine(Some("u1"), &["a"]), machine(Some("u2"), &["b"])),
            (machine(None, &["a"]), machine(None, &["b"])),
            (machine(Some("u1"), &["a"]), machine(None, &["b"])),
            // A virtual machine that was cloned: its ports are made up.
            (machine(Some("u1"), &[]), machine(Some("u2"), &[])),
            (with_serials(None, &["s1"], &[]), with_serials(None, &["s2"], &[])),
            (with_serials(None, &["s1"], &["a"]), with_serials(None, &["s2"], &["b"])),
            // A maker who prints one serial number for all, which we do not know.
            (with_serials(Some("u1"), &["x1"], &["a"]), with_serials(Some("u2"), &["x1"], &["b"])),
        ] {
            assert!(recorded.is_another(&here), "{recorded:?} {here:?}");
        }
    }

    #[test]
    fn what_makers_print_on_every_machine_is_no_serial_number() {
        for text in [
            "To be filled by O.E.M.",
            "To Be Filled By O.E.M.\n",
            "Default string",
            "System Serial Number",
            "Not Specified",
            "None",
            "00000000",
            "0",
            "........",
            "..-..",
            "XXXXXXX",
            "123456789",
            " ",
            "",
        ] {
            assert_eq!(serial(text), None, "{text:?}");
        }
        assert_eq!(serial(" CZC1234XYZ\n").as_deref(), Some("czc1234xyz"));
        assert_eq!(serial("/7QHX1C3/CNFCW0012300AB/").as_deref(), Some("/7qhx1c3/cnfcw0012300ab/"));
    }

    #[test]
    fn an_address_that_nobody_made_tells_nothing() {
        let root = tempfile::tempdir().unwrap();
        let link = |mac: &str| Link {
            name: "host0".into(),
            mac: mac.into(),
            ports: Vec::new(),
            carrier: true,
            index: 2,
        };
        let links = ["00:1b:21:00:00:01", "52:54:00:12:34:56", "ca:00:19:5e:45:25"].map(link);
        let here = Machine::here(&Paths::under(root.path()), &links);
        assert_eq!(here.macs, ["00:1b:21:00:00:01".to_owned()].into());
    }

    #[test]
    fn a_number_that_thousands_of_machines_have_tells_nothing() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.machine_uuid().parent().unwrap()).unwrap();
        std::fs::write(paths.machine_uuid(), "03000200-0400-0500-0006-000700080009\n").unwrap();
        assert_eq!(Machine::here(&paths, &[]).uuid, None);
        std::fs::write(paths.machine_uuid(), "4C4C4544-0042\n").unwrap();
        assert_eq!(Machine::here(&paths, &[]).uuid.as_deref(), Some("4c4c4544-0042"));
    }

    #[test]
    fn what_is_on_record_can_be_read_for_ever() {
        let golden = r#"{"version":1,"uuid":"u1","macs":["aa:bb:cc:00:00:01"],"home":null}"#;
        let read: Machine = serde_json::from_str(golden).unwrap();
        assert_eq!(read, machine(Some("u1"), &["aa:bb:cc:00:00:01"]));
        assert_eq!(serde_json::to_string(&read).unwrap(), golden);
        let golden_2 = r#"{"version":1,"uuid":"u1","serials":["s1"],"macs":[],"home":"a"}"#;
        let read: Machine = serde_json::from_str(golden_2).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), golden_2);
        assert_eq!(read.serials, ["s1".to_owned()].into());
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        std::fs::create_dir_all(paths.state()).unwrap();
        std::fs::write(paths.machine(), golden.replace(":1,", ":2,")).unwrap();
        assert!(Machine::load(&paths).unwrap_err().to_string().contains("newer"));
    }
}
