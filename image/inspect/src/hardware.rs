//! What a machine has, and whether an image can drive it.
//!
//! The kernel gives each device a text, its *modalias*, and `depmod` writes down
//! which module answers to which of them: the same two that udev goes by.

use crate::error::InspectError;
use crate::tree::Tree;
use glob::Pattern;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;

/// Buses that a person can plug into, or that disks and cards hang on.
const PLUGGED: &[&str] = &["pci", "usb", "virtio", "sdio"];
/// Buses of the board itself: only what the running system has a module for is of
/// interest.
const OF_THE_BOARD: &[&str] = &["platform", "mmc", "hid", "i2c", "serio"];

/// A device of the machine that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// The bus that it is on, `pci`.
    pub bus: String,
    /// Its name there, `0000:00:1f.2`.
    pub id: String,
    /// What it calls itself.
    pub modalias: String,
    /// What it is, as far as its class tells.
    pub what: &'static str,
    /// The module or driver that the running system has for it.
    pub driver: Option<String>,
}

impl Device {
    /// Every device below `sys`, which is /sys or a copy of it, sorted by bus and id.
    ///
    /// # Errors
    /// When that is no such directory.
    pub fn all(sys: &Path) -> Result<Vec<Self>, InspectError> {
        let mut found = Vec::new();
        let buses = sys.join("bus");
        if let Err(source) = buses.read_dir() {
            return Err(InspectError::Open { path: buses, source });
        }
        for bus in PLUGGED.iter().chain(OF_THE_BOARD) {
            // A machine may well be without one of them.
            let Ok(entries) = buses.join(bus).join("devices").read_dir() else { continue };
            for entry in entries.flatten() {
                let Some(device) = Self::read(bus, &entry.path()) else { continue };
                let module = entry.path().join("driver/module");
                if PLUGGED.contains(bus) || module.is_symlink() {
                    found.push(device);
                }
            }
        }
        found.sort_by(|one, other| (&one.bus, &one.id).cmp(&(&other.bus, &other.id)));
        Ok(found)
    }

    fn read(bus: &str, place: &Path) -> Option<Self> {
        let modalias = std::fs::read_to_string(place.join("modalias")).ok()?.trim().to_owned();
        let last = |link: &Path| {
            let target = std::fs::read_link(link).ok()?;
            Some(target.file_name()?.to_string_lossy().into_owned())
        };
        let driver = place.join("driver");
        let driver = last(&driver.join("module")).or_else(|| last(&driver));
        let id = place.file_name()?.to_string_lossy().into_owned();
        let what = what(&modalias);
        (!modalias.is_empty()).then(|| Self { bus: bus.to_owned(), id, modalias, what, driver })
    }

    /// Whether a box could not do without it: a disk's controller, a network card, a
    /// port for sticks and keyboards.
    #[must_use]
    pub fn matters(&self) -> bool {
        [DISK, NETWORK, WIRELESS, USB].contains(&self.what)
    }
}

const DISK: &str = "disk";
const NETWORK: &str = "network";
const WIRELESS: &str = "wireless network";
const USB: &str = "USB ports";
const OTHER: &str = "";

/// What a device is, by the class in its modalias.
fn what(modalias: &str) -> &'static str {
    let Some((bus, rest)) = modalias.split_once(':') else { return OTHER };
    // `…bc02sc00i00`: two digits after the letters, which the ids before them,
    // in capitals, cannot hold.
    let after = |letters: &str| rest.rsplit_once(letters)?.1.get(..2);
    match (bus, after("bc"), after("sc"), after("ic")) {
        ("pci", Some("01"), ..) => DISK,
        ("pci", Some("02"), Some("80"), _) | ("sdio", ..) => WIRELESS,
        ("pci", Some("02"), ..) => NETWORK,
        ("pci", Some("03"), ..) => "graphics",
        ("pci", Some("04"), ..) | ("usb", _, _, Some("01")) => "sound or video",
        ("pci", Some("05"), ..) => "memory",
        ("pci", Some("06"), ..) => "bridge",
        ("pci", Some("07"), ..) => "serial port",
        ("pci", Some("0C"), Some("03"), _) => USB,
        ("usb", _, _, Some("02" | "0A")) => "modem, serial or network",
        ("usb", _, _, Some("03")) => "keyboard, scanner or pointer",
        ("usb", _, _, Some("07")) => "printer",
        ("usb", _, _, Some("08")) => "stick or disk",
        ("usb", _, _, Some("09")) => "USB hub",
        ("usb", _, _, Some("0B")) => "card reader",
        ("usb", _, _, Some("0E")) => "camera",
        ("usb", _, _, Some("E0")) => "Bluetooth",
        ("virtio", ..) => match rest.get(1..9) {
            Some("00000001") => NETWORK,
            Some("00000002" | "00000008") => DISK,
            Some("00000010") => "graphics",
            _ => OTHER,
        },
        ("mmc", ..) => DISK,
        _ => OTHER,
    }
}

/// The modules of one kernel, by the devices that they are for.
#[derive(Debug)]
pub struct Drivers(Vec<(Pattern, String)>);

impl Drivers {
    /// Those of an image's kernel; of the newest, should it have several.
    ///
    /// # Errors
    /// When it has none, or their list cannot be read.
    pub fn of(root: &Tree) -> Result<Self, InspectError> {
        let top = "/usr/lib/modules/";
        let lists = root.entries().iter().map(|entry| entry.path.as_str());
        let mut lists: Vec<&str> = lists
            .filter(|path| path.starts_with(top) && path.ends_with("/modules.alias"))
            .collect();
        lists.sort_unstable();
        let place = lists.last().and_then(|path| path.rsplit_once('/')).map(|(place, _)| place);
        Self::read(&root.on_host(place.unwrap_or(top)))
    }

    /// Those of the kernel whose modules are in a directory.
    ///
    /// # Errors
    /// When their list cannot be read.
    pub fn read(modules: &Path) -> Result<Self, InspectError> {
        let read = |name: &str| {
            let path = modules.join(name);
            std::fs::read(&path).map_err(|source| InspectError::Open { path, source })
        };
        let list = read("modules.alias")?;
        let list = String::from_utf8_lossy(&list);
        let mut drivers: Vec<_> = list.lines().filter_map(alias).collect();
        // What the kernel has built in; older ones do not say.
        let builtin = read("modules.builtin.modinfo").unwrap_or_default();
        let builtin = String::from_utf8_lossy(&builtin);
        drivers.extend(builtin.split('\0').filter_map(builtin_alias));
        Ok(Self(drivers))
    }

    /// The modules that answer to a device, by name.
    #[must_use]
    pub fn of_device(&self, device: &Device) -> BTreeSet<&str> {
        let answers = |(pattern, _): &&(Pattern, String)| pattern.matches(&device.modalias);
        self.0.iter().filter(answers).map(|(_, module)| module.as_str()).collect()
    }
}

/// `alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e`
fn alias(line: &str) -> Option<(Pattern, String)> {
    let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once(' ')?;
    Some((Pattern::new(pattern).ok()?, module.to_owned()))
}

/// `ahci.alias=pci:v*d*sv*sd*bc01sc06i01*`
fn builtin_alias(entry: &str) -> Option<(Pattern, String)> {
    let (module, pattern) = entry.split_once(".alias=")?;
    Some((Pattern::new(pattern).ok()?, module.to_owned()))
}

/// What becomes of a device under an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "driven", rename_all = "kebab-case")]
pub enum Driven {
    /// By these modules of the image.
    Yes {
        /// Their names.
        modules: BTreeSet<String>,
    },
    /// By none, and the running system has one for it.
    No {
        /// The modules that it would need.
        lacks: BTreeSet<String>,
    },
    /// By none here either.
    Nowhere,
}

impl Driven {
    /// Asks the image, and `here`, the running system's modules where it has any.
    #[must_use]
    pub fn of(device: &Device, image: &Drivers, here: Option<&Drivers>) -> Self {
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect();
        let mut modules: BTreeSet<String> = owned(image.of_device(device));
        if modules.is_empty() {
            let core = |name: &&String| OF_EACH_KERNEL.contains(&name.as_str());
            modules.extend(device.driver.iter().filter(core).cloned());
        }
        if !modules.is_empty() {
            return Self::Yes { modules };
        }
        let mut lacks: BTreeSet<String> =
            here.map(|here| owned(here.of_device(device))).unwrap_or_default();
        if lacks.is_empty() {
            lacks.extend(device.driver.clone());
        }
        if lacks.is_empty() { Self::Nowhere } else { Self::No { lacks } }
    }
}

/// Drivers of the kernel's core, which are no modules and answer to no alias.
const OF_EACH_KERNEL: &[&str] = &["pcieport", "usb", "hub", "virtio-pci"];

#[cfg(test)]
mod tests;
