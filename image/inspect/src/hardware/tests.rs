use super::*;
use std::os::unix::fs::symlink;

const SATA: &str = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
const CARD: &str = "pci:v000010ECd00008168sv00001043sd000085AAbc02sc00i00";
const STRANGE: &str = "pci:v0000DEADd0000BEEFsv00000000sd00000000bc02sc00i00";

/// A machine: devices by bus, with their text and the driver that is bound to them.
fn machine(devices: &[(&str, &str, &str, Option<&str>)]) -> tempfile::TempDir {
    let sys = tempfile::tempdir().unwrap();
    for (bus, id, modalias, driver) in devices {
        let bus = sys.path().join("bus").join(bus);
        let place = bus.join("devices").join(id);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("modalias"), format!("{modalias}\n")).unwrap();
        if let Some(driver) = driver {
            let module = sys.path().join("module").join(driver);
            let bound = bus.join("drivers").join(format!("{driver}-driver"));
            std::fs::create_dir_all(&module).unwrap();
            std::fs::create_dir_all(&bound).unwrap();
            let _ = symlink(&module, bound.join("module"));
            symlink(&bound, place.join("driver")).unwrap();
        }
    }
    sys
}

fn modules(list: &str, builtin: &str) -> Drivers {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("modules.alias"), list).unwrap();
    std::fs::write(place.path().join("modules.builtin.modinfo"), builtin).unwrap();
    Drivers::read(place.path()).unwrap()
}

#[test]
fn devices_are_told_by_what_they_are_and_who_drives_them() {
    let machine = machine(&[
        ("pci", "0000:00:1f.2", SATA, Some("ahci")),
        ("pci", "0000:02:00.0", CARD, None),
        ("usb", "1-1:1.0", "usb:v046DpC31Cd6402dc00dsc00dp00ic03isc01ip01in00", Some("usbhid")),
        ("platform", "pcspkr", "platform:pcspkr", None),
        ("platform", "rtc_cmos", "platform:rtc_cmos", Some("rtc_cmos")),
    ]);
    let devices = Device::all(machine.path()).unwrap();
    let told: Vec<_> =
        devices.iter().map(|d| (d.id.as_str(), d.what, d.driver.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("0000:00:1f.2", "disk", Some("ahci")),
            ("0000:02:00.0", "network", None),
            ("rtc_cmos", "", Some("rtc_cmos")),
            ("1-1:1.0", "keyboard, scanner or pointer", Some("usbhid")),
        ]
    );
    assert!(devices[0].matters() && devices[1].matters() && !devices[2].matters());
}

#[test]
fn an_image_drives_what_its_modules_or_its_kernel_answer_to() {
    let image = modules(
        "# Aliases extracted from modules themselves.\n\
         alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\nalias fs-ext4 ext4\n",
        "ahci.license=GPL\0ahci.alias=pci:v*d*sv*sd*bc01sc06i01*\0",
    );
    let device = |modalias: &str, driver: Option<&str>| Device {
        bus: "pci".into(),
        id: "0000:00:00.0".into(),
        modalias: modalias.into(),
        what: what(modalias),
        driver: driver.map(str::to_owned),
    };
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let driven = |modalias, driver| Driven::of(&device(modalias, driver), &image, None);
    assert_eq!(driven(SATA, None), Driven::Yes { modules: of(&["ahci"]) });
    assert_eq!(driven(CARD, Some("r8169")), Driven::Yes { modules: of(&["r8169"]) });
    assert_eq!(driven(STRANGE, None), Driven::Nowhere);
    assert_eq!(driven(STRANGE, Some("pcieport")), Driven::Yes { modules: of(&["pcieport"]) });
    assert_eq!(driven(STRANGE, Some("dead")), Driven::No { lacks: of(&["dead"]) });
    // The running system knows a module for it that is not loaded.
    let here = modules("alias pci:v0000DEADd*sv*sd*bc*sc*i* beef_net\n", "");
    let driven = Driven::of(&device(STRANGE, None), &image, Some(&here));
    assert_eq!(driven, Driven::No { lacks: of(&["beef_net"]) });
}

#[test]
fn a_directory_that_is_no_sys_is_named() {
    let place = tempfile::tempdir().unwrap();
    let error = Device::all(place.path()).unwrap_err();
    assert!(error.to_string().contains("/bus"), "{error}");
}
