//! What the site asks of the machine's own daemons, as the files that they read:
//! network links, clock, names, the container engine, Wi-Fi, keyboard. They last
//! for a boot and are written at each start of the agent; a daemon hears of them
//! when they changed.

use crate::host::Host;
use crate::identity::{self, Known};
use crate::networkd;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result};
use ashlar_site::{Pools, Proxy, Site, SiteNode, Wifi};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// One file.
struct File {
    path: PathBuf,
    text: Zeroizing<String>,
    mode: u32,
}

/// What a daemon does about files that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It reads them when it starts, which is later.
    Nothing,
    ReloadNetwork,
    Restart(&'static str),
    /// What runs only where a site asks for it.
    Start(&'static str),
}

/// Files of one daemon.
struct Group {
    /// What they are for, for a person.
    what: &'static str,
    files: Vec<File>,
    /// What another site may have left.
    gone: Vec<PathBuf>,
    then: Then,
}

/// Writes what this site asks for. What fails is told and holds up nothing else:
/// a wrong time zone must not keep a box from its cluster.
pub(crate) async fn apply(paths: &Paths, host: &impl Host, site: &Site) -> Result<()> {
    let links = host.links().await?;
    let known = Known::here(paths, &links);
    let mut groups = groups(paths, site, known.node(site));
    if let Some(links) = groups.iter_mut().find(|group| group.then == Then::ReloadNetwork)
        && let Some(file) = cluster_file(paths, host, site, &known).await?
    {
        links.files.push(file);
    }
    for group in groups {
        if let Err(error) = put(host, &group).await {
            tracing::error!("the site's {} cannot be set up: {error:#}", group.what);
        }
    }
    Ok(())
}

/// The file of the link that carries the cluster address, where that is on one.
async fn cluster_file(
    paths: &Paths,
    host: &impl Host,
    site: &Site,
    known: &Known,
) -> Result<Option<File>> {
    let Some(identity) = identity::load(paths)? else { return Ok(None) };
    let Some(link) = host.link_of(identity.address).await? else { return Ok(None) };
    let text = networkd::cluster(&link, &identity, site, known.node(site));
    let path = paths.networkd().join(networkd::CLUSTER);
    Ok(Some(File { path, text: text.into(), mode: 0o644 }))
}

async fn put(host: &impl Host, group: &Group) -> Result<()> {
    let mut changed = false;
    for file in &group.files {
        let dir = file.path.parent().context("a file to write needs a directory")?;
        if file.mode & 0o077 == 0 {
            state::make_private_dir(dir)?;
        } else {
            state::make_public_dir(dir)?;
        }
        changed |= state::write_if_changed(&file.path, file.text.as_bytes(), file.mode)?;
    }
    for path in group.gone.iter().filter(|path| path.exists()) {
        state::remove(path)?;
        changed = true;
    }
    if !changed {
        return Ok(());
    }
    let heard = match group.then {
        Then::Nothing => Ok(()),
        Then::ReloadNetwork => host.reload_network().await,
        Then::Restart(unit) => host.restart_if_running(unit).await,
        Then::Start(unit) => host.start(unit).await,
    };
    if heard.is_err() {
        // Told again at the agent's next start. The address itself stays where it is.
        let others = |file: &&File| !file.path.ends_with(networkd::CLUSTER);
        for file in group.files.iter().filter(others) {
            state::remove(&file.path)?;
        }
    }
    heard
}

/// Everything that this site asks for.
fn groups(paths: &Paths, site: &Site, node: Option<&SiteNode>) -> Vec<Group> {
    let public = |path: PathBuf, text: String| File { path, text: text.into(), mode: 0o644 };
    let environment = engine(site, &graphics(&paths.graphics()));
    let mut groups = vec![Group {
        what: "network for containers",
        files: vec![File { path: paths.engine_environment(), text: environment, mode: 0o600 }],
        gone: Vec::new(),
        then: Then::Nothing,
    }];
    let mut add = |what, files: Vec<File>, all: Vec<PathBuf>, then| {
        let kept = |path: &PathBuf| files.iter().any(|file| file.path == *path);
        let gone = all.into_iter().filter(|path| !kept(path)).collect();
        groups.push(Group { what, files, gone, then });
    };
    let links = networkd::files(site, node).into_iter();
    let links = links.map(|(name, text)| public(paths.networkd().join(name), text)).collect();
    let all = networkd::NAMES.iter().map(|name| paths.networkd().join(name)).collect();
    add("network links", links, all, Then::ReloadNetwork);
    let names = names(site).map(|text| public(paths.resolved(), text)).into_iter().collect();
    let resolver = Then::Restart("systemd-resolved.service");
    add("name servers", names, vec![paths.resolved()], resolver);
    let time = time_servers(site).map(|text| public(paths.timesyncd(), text)).into_iter().collect();
    let clock = Then::Restart("systemd-timesyncd.service");
    add("time servers", time, vec![paths.timesyncd()], clock);
    if let Some(zone) = &site.time.zone {
        if paths.zone(zone).exists() {
            let file = public(paths.timezone(), format!("ZONE={zone}\n"));
            add("time zone", vec![file], Vec::new(), Then::Start("ashlar-timezone.service"));
        } else {
            tracing::error!("this image does not know the site's time zone {zone}");
        }
    }
    if let Some(network) = &site.network.wifi {
        let (name, text) = wifi(network);
        let file = File { path: paths.wifi().join(name), text, mode: 0o600 };
        add("wireless network", vec![file], Vec::new(), Then::Start("iwd.service"));
    }
    if let Some(keyboard) = &site.console.keyboard {
        let file = public(paths.keyboard(), format!("KEYMAP={keyboard}\n"));
        add("keyboard", vec![file], Vec::new(), Then::Start("ashlar-keyboard.service"));
    }
    groups
}

/// The drivers of graphics cards that can compute and encode, by the kernel's list of
/// devices in `dir`. A card whose driver is not in the image is not among them.
fn graphics(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let renders = entries.filter(|e| e.file_name().to_string_lossy().starts_with("renderD"));
    let drivers = renders.filter_map(|e| std::fs::read_link(e.path().join("device/driver")).ok());
    drivers.filter_map(|driver| Some(driver.file_name()?.to_str()?.to_owned())).collect()
}

/// The engine's environment. Its networks inside a box are cut from the site's
/// pool: Docker's own begin at 172.17.0.0/16, where shops are. Its labels say what
/// graphics the box has, for stacks that want some.
fn engine(site: &Site, graphics: &BTreeSet<String>) -> Zeroizing<String> {
    let pool = site.network.pools().containers;
    let mut text = Zeroizing::new(format!(
        "DOCKER_OPTS=--default-address-pool base={pool},size={}",
        Pools::PIECE
    ));
    if !graphics.is_empty() {
        text.push_str(" --label gpu=yes");
    }
    for driver in graphics {
        text.push_str(&format!(" --label gpu.{driver}=yes"));
    }
    text.push('\n');
    let Some(Proxy { http, https, except }) = &site.network.proxy else { return text };
    for (name, url) in [("HTTP_PROXY", http), ("HTTPS_PROXY", https)] {
        if let Some(url) = url {
            text.push_str(&Zeroizing::new(format!("{name}={}\n", url.expose())));
        }
    }
    let own = ["localhost".to_owned(), "127.0.0.0/8".to_owned(), site.network.cluster.to_string()];
    let direct: Vec<_> = own.iter().chain(except).map(String::as_str).collect();
    text.push_str(&format!("NO_PROXY={}\n", direct.join(",")));
    text
}

fn names(site: &Site) -> Option<String> {
    let network = &site.network;
    let servers: Vec<_> = network.dns.iter().map(ToString::to_string).collect();
    let lines = [("DNS", servers.join(" ")), ("Domains", network.search.join(" "))];
    section("Resolve", &lines)
}

fn time_servers(site: &Site) -> Option<String> {
    section("Time", &[("NTP", site.time.servers.join(" "))])
}

/// A section with those lines that say something, if any does.
fn section(name: &str, lines: &[(&str, String)]) -> Option<String> {
    let said: String = lines
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    (!said.is_empty()).then(|| format!("# Written by ashlar-agent.\n[{name}]\n{said}"))
}

/// The file that iwd knows a network by: its name, or that in hex.
fn wifi(wifi: &Wifi) -> (String, Zeroizing<String>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_ ".contains(c);
    let name = if wifi.ssid.chars().all(plain) {
        wifi.ssid.clone()
    } else {
        format!("={}", hex::encode(&wifi.ssid))
    };
    match &wifi.passphrase {
        Some(secret) => {
            let escaped = Zeroizing::new(secret.expose().replace('\\', "\\\\"));
            let text = format!("[Security]\nPassphrase={}\n", *escaped);
            (format!("{name}.psk"), text.into())
        }
        None => (format!("{name}.open"), Zeroizing::new("[Settings]\nAutoConnect=true\n".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback, site};
    use ashlar_site::SecretText;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn containers_stay_out_of_the_shop_s_way_unless_the_site_says_otherwise() {
        let plain = "DOCKER_OPTS=--default-address-pool base=198.19.0.0/16,size=24\n";
        let none = BTreeSet::new();
        assert_eq!(*engine(&site(""), &none), plain);
        let pools = "[network.pools]\ncontainers = '172.20.0.0/16'";
        assert!(engine(&site(pools), &none).contains("base=172.20.0.0/16,size=24"));
    }

    #[test]
    fn an_engine_is_labelled_by_the_graphics_that_its_box_has() {
        let dir = tempfile::tempdir().unwrap();
        let drm = dir.path().join("drm");
        assert_eq!(graphics(&drm), BTreeSet::new(), "it has none");
        for (device, driver) in
            [("renderD128", "i915"), ("renderD129", "amdgpu"), ("card0", "vkms")]
        {
            std::fs::create_dir_all(drm.join(device).join("device")).unwrap();
            let driver = Path::new("../../../bus/pci/drivers").join(driver);
            std::os::unix::fs::symlink(driver, drm.join(device).join("device/driver")).unwrap();
        }
        let text = engine(&site(""), &graphics(&drm));
        let labels = " --label gpu=yes --label gpu.amdgpu=yes --label gpu.i915=yes\n";
        assert!(text.ends_with(labels), "{}", *text);
    }

    #[test]
    fn the_engine_goes_by_the_proxy_and_to_the_cluster_without_it() {
        let site = site(
            "[network.proxy]\nhttp = 'http://till:s3cret@10.0.0.1:3128'\nexcept = ['.shop.example']",
        );
        let text = engine(&site, &BTreeSet::new());
        assert!(text.contains("\nHTTP_PROXY=http://till:s3cret@10.0.0.1:3128\n"));
        assert!(text.ends_with("NO_PROXY=localhost,127.0.0.0/8,10.83.0.0/16,.shop.example\n"));
        assert!(!text.contains("HTTPS_PROXY"));
    }

    #[test]
    fn names_and_time_come_from_the_servers_that_the_site_names() {
        let site = site(
            "[network]\ndns = ['192.168.7.1', '192.168.7.2']\nsearch = ['shop.example']\n\
             [time]\nservers = ['ntp.shop.example']",
        );
        let head = "# Written by ashlar-agent.\n";
        assert_eq!(
            names(&site).unwrap(),
            format!("{head}[Resolve]\nDNS=192.168.7.1 192.168.7.2\nDomains=shop.example\n")
        );
        assert_eq!(time_servers(&site).unwrap(), format!("{head}[Time]\nNTP=ntp.shop.example\n"));
    }

    #[test]
    fn iwd_finds_a_network_by_its_name_and_reads_any_passphrase() {
        let network = |ssid: &str, passphrase: Option<&str>| {
            let passphrase = passphrase.map(|text| SecretText::new(text.into()));
            wifi(&Wifi { ssid: ssid.into(), passphrase })
        };
        let (name, text) = network("Shop 2", Some("back\\slash"));
        assert_eq!(
            (name.as_str(), text.as_str()),
            ("Shop 2.psk", "[Security]\nPassphrase=back\\\\slash\n")
        );
        assert_eq!(network("Caf\u{e9}/1", Some("x")).0, "=436166c3a92f31.psk");
        assert_eq!(network("guests", None).0, "guests.open");
    }

    #[tokio::test]
    async fn daemons_hear_of_their_files_once_and_what_is_secret_only_root_reads() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(50));
        let site = site(
            "[network]\nvlan = 20\ndns = ['192.168.7.1']\n\
             [network.wifi]\nssid = 'shop'\npassphrase = 'open sesame'\n\
             [time]\nservers = ['ntp.shop.example']\nzone = 'Europe/Berlin'\n",
        );
        let zone = node.paths.zone("Europe/Berlin");
        std::fs::create_dir_all(zone.parent().unwrap()).unwrap();
        std::fs::write(&zone, "").unwrap();
        apply(&node.paths, &fake, &site).await.unwrap();
        let calls = fake.world().calls.clone();
        assert_eq!(
            calls,
            [
                "restart systemd-resolved.service",
                "restart systemd-timesyncd.service",
                "start ashlar-timezone.service",
                "start iwd.service"
            ]
        );
        assert!(fake.world().network_reloaded);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&node.paths.wifi().join("shop.psk")), 0o600);
        assert_eq!(mode(&node.paths.wifi()), 0o700);
        assert_eq!(mode(&node.paths.engine_environment()), 0o600);
        assert_eq!(mode(&node.paths.networkd().join("12-ashlar-uplink.netdev")), 0o644);
        apply(&node.paths, &fake, &site).await.unwrap();
        assert_eq!(fake.world().calls, calls, "nothing changed");
    }

    #[tokio::test]
    async fn a_daemon_that_could_not_hear_is_told_again_and_holds_up_no_other() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(51));
        let site = site("[network.wifi]\nssid = 'shop'\n[console]\nkeyboard = 'de-latin1'");
        fake.world().masked.insert("iwd.service".into());
        apply(&node.paths, &fake, &site).await.unwrap();
        assert!(fake.world().active.contains("ashlar-keyboard.service"));
        fake.world().masked.clear();
        apply(&node.paths, &fake, &site).await.unwrap();
        assert!(fake.world().active.contains("iwd.service"));
    }
}
