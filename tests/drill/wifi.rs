//! A second way out by Wi-Fi: `just drill wifi`. The kernel's own test driver gives a
//! machine two radios that hear each other. One becomes the shop's access point, in a
//! network namespace of its own; the other is the box's card: with what the site says it
//! finds the network, is let in by its passphrase, and has an address from there. As
//! nowhere else, this checks that the kernel modules which the guide's Wi-Fi recipe brings
//! are enough for WPA.

use anyhow::{Context, Result, ensure};
use ashlar_site::{SecretText, Site, Wifi};
use ashlar_tests::image::Built;
use ashlar_tests::machine::{Machine, Setup, drive, stamped, telling};
use ashlar_tests::project::{Project, scratch};
use ashlar_tests::site;

/// The guide's, with the radios of this drill instead of a card's firmware, and with what
/// an access point needs. Both radios under one iwd end it (3.8, by signal 11).
const RECIPE: &str = r#"
description = "A box that also reaches out by Wi-Fi"
extends = "minimal-metal"
overlays = ["wifi"]
packages = ["iwd", "iw", "hostapd", "dnsmasq-base"]

[firmware]
packages = ["wireless-regdb"]

[hardware]
sets = ["wifi"]
modules = ["mac80211_hwsim"]

[budget]
root = "420MB"
"#;

/// A name that iwd's file cannot have as it is.
const SSID: &str = "Till & sons";
const PASSPHRASE: &str = "open sesame";

/// The access point, which gives addresses; then how the box stands.
fn tells() -> String {
    telling(&format!(
        "modprobe mac80211_hwsim radios=2; ip netns add shop; \
         until iw phy phy1 set netns name shop; do sleep 1; done; \
         shop() {{ ip netns exec shop \"$$@\"; }}; shop iw phy phy1 interface add air type managed; \
         shop ip link set lo up; shop ip address add 192.168.77.1/24 dev air; \
         printf \"interface=air\\nssid={SSID}\\nhw_mode=g\\nchannel=1\\nwpa=2\\n\
         wpa_key_mgmt=WPA-PSK\\nrsn_pairwise=CCMP\\nwpa_passphrase={PASSPHRASE}\\n\" > /run/shop.conf; \
         shop hostapd -B /run/shop.conf && echo DRILL: the shop has a network; \
         shop dnsmasq --interface=air --port=0 --dhcp-range=192.168.77.50,192.168.77.99,1h; \
         until systemctl is-active --quiet iwd; do sleep 1; \
         ! systemctl is-failed --quiet iwd || break; done; \
         tries=0; until ip -4 -o address | grep wlan | grep -q 192.168.77; do sleep 1; \
         tries=$$((tries + 1)); [ $$tries -lt 240 ] || break; done; \
         networkctl --no-pager; iwctl station wlan0 get-networks; \
         journalctl --no-pager -b -q -u iwd -o cat | grep -v Bitrate; \
         echo \"DRILL: address $$(ip -4 -o address | grep wlan | grep -o 192.168.77.[0-9]*)\"; \
         echo \"DRILL: route $$(ip route show default | grep wlan)\"; \
         echo \"DRILL: file $$(stat -c %%a /run/ashlar/iwd/*.psk)\"; \
         echo \"DRILL: told $$(journalctl --no-pager -b -q -o cat | grep -c \"{PASSPHRASE}\")\"; \
         echo DRILL: over"
    ))
}

#[test]
fn a_box_reaches_out_by_the_wireless_network_that_its_site_names() -> Result<()> {
    let project = Project::copy()?;
    project.recipe("air", RECIPE)?;
    let image = Built::from_json(project.build("air")?.succeeds()?.json()?)?.disk()?;
    let room = scratch("drill-wifi")?;
    let mut site = Site { expect: Some(1), ..site::fresh("air")? };
    let passphrase = Some(SecretText::new(PASSPHRASE.to_owned()));
    site.network.wifi = Some(Wifi { ssid: SSID.to_owned(), passphrase });
    let disk = stamped(&image, &site, room.path())?;

    let unit = tells();
    let setup = Setup {
        drives: vec![drive("disk", &disk)],
        devices: vec![
            "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
            "virtio-net-pci,netdev=segment,romfile=".to_owned(),
        ],
        units: vec![("drill.service", &unit, "multi-user.target")],
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "air", &setup)?;
    machine.until(Some("DRILL: over"))?;
    let said = machine.said();
    let from = said.find("DRILL: the shop").context("no network of the shop")?;
    println!("{}", &said[from..]);
    ensure!(said.contains("DRILL: address 192.168.77."), "no address:\n{said}");
    ensure!(said.contains("metric 2048"), "not the second way out:\n{said}");
    ensure!(said.contains("DRILL: file 600"), "others may read the passphrase:\n{said}");
    ensure!(said.contains("DRILL: told 0"), "the journal has the passphrase:\n{said}");
    Ok(())
}
