//! The machine below the box, as sysfs, DMI and the firmware tell it.

use super::{names, told};
use ashlar_api::{Drive, Hardware};
use std::fs;
use std::path::Path;

/// What makers leave where a number should be.
const EMPTY: &[&str] = &[
    "default string",
    "to be filled by o.e.m.",
    "system serial number",
    "none",
    "0",
    "not specified",
];

/// Secure Boot as the firmware keeps it: four bytes of attributes, then 0 or 1.
const SECURE_BOOT: &str =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// The machine below `root`, which is `/` but in tests.
pub(crate) fn hardware(root: &Path) -> Hardware {
    let dmi = |entry: &str| {
        let text = told(&root.join("sys/class/dmi/id").join(entry))?;
        (!EMPTY.contains(&text.to_ascii_lowercase().as_str())).then_some(text)
    };
    let firmware: Vec<_> = ["bios_version", "bios_date"].into_iter().filter_map(dmi).collect();
    let cpuinfo = told(&root.join("proc/cpuinfo")).unwrap_or_default();
    let meminfo = told(&root.join("proc/meminfo")).unwrap_or_default();
    Hardware {
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        serial: dmi("product_serial"),
        firmware: (!firmware.is_empty()).then(|| firmware.join(", ")),
        secure_boot: fs::read(root.join(SECURE_BOOT)).ok().map(|v| v.get(4) == Some(&1)),
        tpm: root.join("sys/class/tpm/tpm0").exists(),
        processor: value(&cpuinfo, "model name").map(str::to_owned),
        processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        memory: kibibytes(&meminfo, "MemTotal"),
        memory_available: kibibytes(&meminfo, "MemAvailable"),
        kernel: told(&root.join("proc/sys/kernel/osrelease")),
        slot: slot(root),
        clock_synchronised: root.join("run/systemd/timesync/synchronized").exists(),
        drives: drives(root),
    }
}

/// The value of a line `key : value`.
fn value<'a>(table: &'a str, key: &str) -> Option<&'a str> {
    table.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

fn kibibytes(meminfo: &str, key: &str) -> u64 {
    let number = value(meminfo, key).and_then(|v| v.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0_u64).saturating_mul(1024)
}

/// The slot of the verified root: the partition below it is called `root-a` or
/// `root-b`.
fn slot(root: &Path) -> Option<String> {
    let blocks = root.join("sys/class/block");
    let mapped = names(&blocks)
        .into_iter()
        .find(|name| told(&blocks.join(name).join("dm/name")).is_some_and(|name| name == "root"))?;
    names(&blocks.join(mapped).join("slaves")).iter().find_map(|below| {
        let facts = told(&blocks.join(below).join("uevent"))?;
        let label = facts.lines().find_map(|line| line.strip_prefix("PARTNAME="))?;
        label.strip_prefix("root-").map(str::to_owned)
    })
}

fn drives(root: &Path) -> Vec<Drive> {
    let blocks = root.join("sys/block");
    let drive = |name: String| {
        let at = |entry: &str| told(&blocks.join(&name).join(entry));
        // What software made has no device below it; a drive without a medium, no
        // size.
        blocks.join(&name).join("device").exists().then_some(())?;
        let sectors: u64 = at("size")?.parse().ok().filter(|sectors| *sectors > 0)?;
        Some(Drive {
            model: at("device/model").or_else(|| at("device/name")),
            serial: at("device/serial").or_else(|| at("serial")),
            bytes: sectors.saturating_mul(512),
            removable: at("removable").is_some_and(|flag| flag == "1"),
            name,
        })
    };
    names(&blocks).into_iter().filter_map(drive).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_machine_is_told_as_it_stands_on_its_back() {
        let root = machine(&[
            ("sys/class/dmi/id/sys_vendor", "Acme\n"),
            ("sys/class/dmi/id/product_name", "Till 3000\n"),
            ("sys/class/dmi/id/product_serial", "To be filled by O.E.M.\n"),
            ("sys/class/dmi/id/bios_version", "1.2\n"),
            ("sys/class/dmi/id/bios_date", "01/02/2024\n"),
            (SECURE_BOOT, "\u{6}\0\0\0\u{1}"),
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: N100\nprocessor\t: 1\n"),
            ("proc/meminfo", "MemTotal:  8000 kB\nMemAvailable:  5000 kB\n"),
            ("sys/block/nvme0n1/device/model", "Fast 500\n"),
            ("sys/block/nvme0n1/size", "1000\n"),
            ("sys/block/nvme0n1/removable", "0\n"),
            ("sys/block/loop0/size", "1000\n"),
            ("sys/block/sr0/device/model", "DVD\n"),
            ("sys/block/sr0/size", "0\n"),
        ]);
        let hardware = hardware(root.path());
        assert_eq!(hardware.product.as_deref(), Some("Till 3000"));
        assert_eq!(hardware.serial, None, "no number is better than a wrong one");
        assert_eq!(hardware.firmware.as_deref(), Some("1.2, 01/02/2024"));
        assert_eq!(hardware.secure_boot, Some(true));
        assert_eq!((hardware.processors, hardware.processor.as_deref()), (2, Some("N100")));
        assert_eq!((hardware.memory, hardware.memory_available), (8_192_000, 5_120_000));
        let drives: Vec<_> = hardware.drives.iter().map(|d| (d.name.as_str(), d.bytes)).collect();
        assert_eq!(drives, [("nvme0n1", 512_000)]);
    }

    #[test]
    fn the_slot_is_told_by_the_partition_below_the_verified_root() {
        let root = machine(&[
            ("sys/class/block/dm-0/dm/name", "root\n"),
            ("sys/class/block/dm-0/slaves/vda5", ""),
            ("sys/class/block/dm-0/slaves/vda6", ""),
            ("sys/class/block/vda5/uevent", "DEVTYPE=partition\nPARTNAME=root-b\n"),
            ("sys/class/block/vda6/uevent", "PARTNAME=verity-b\n"),
        ]);
        assert_eq!(hardware(root.path()).slot.as_deref(), Some("b"));
    }

    #[test]
    fn a_machine_that_tells_nothing_is_no_fault() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(hardware(root.path()), Hardware::default());
    }
}
