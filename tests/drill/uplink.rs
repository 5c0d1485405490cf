//! What a shop's network may ask for: `just drill uplink`. Two boxes whose ports are
//! bonds, with their way out in a VLAN, form their cluster beside it; the first loses
//! the cable that worked, and misses nothing. A third box goes by a proxy that wants a
//! password.

use crate::built;
use anyhow::{Context, Result, ensure};
use ashlar_site::{Bond, Proxy, SecretText, Site, SiteNode};
use ashlar_tests::machine::{Machine, Setup, drive, segment, stamped, telling};
use ashlar_tests::project::scratch;
use ashlar_tests::site;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

/// The first port of each of the two boxes.
const MACS: [&str; 2] = ["52:54:00:0b:0d:01", "52:54:00:0b:0d:11"];

/// Says how the box stands in its network, and asks the other one's address there for
/// its MAC address until it is told.
fn tells(other: &str) -> String {
    let asks = |moment: &str| {
        format!(
            "ip neigh flush dev uplink; until ip neigh show {other} dev uplink | grep -q lladdr; \
             do bash -c \"echo > /dev/udp/{other}/9\"; sleep 1; done; \
             echo DRILL: {other} is there {moment}; "
        )
    };
    telling(&format!(
        "ashlarctl wait --timeout 1400 && echo DRILL: ready; \
         echo \"DRILL: $$(ip -d link show uplink | grep -o \"802.1Q id [0-9]*\")\"; {}\
         b=/sys/class/net/bond0/bonding; was=$$(cat $$b/active_slave); \
         echo \"DRILL: $$(cat $$b/mode) by $$was\"; \
         while [ \"$$(cat $$b/active_slave)\" = \"$$was\" ]; do sleep 1; done; \
         echo DRILL: another port; {}\
         ashlarctl wait --timeout 60 && echo DRILL: ready still",
        asks("before"),
        asks("after")
    ))
}

#[test]
fn bonded_boxes_reach_a_vlan_beside_their_cluster_and_lose_a_cable_unharmed() -> Result<()> {
    let image = built("retail")?.disk()?;
    let room = scratch("drill-uplink")?;
    let mut site = Site { expect: Some(2), ..site::fresh("bonded")? };
    site.network.bond = Some(Bond::ActiveBackup);
    site.network.vlan = Some(20);
    for (mac, uplink) in MACS.iter().zip(["192.168.20.1/24", "192.168.20.2/24"]) {
        let node = SiteNode {
            mac: Some((*mac).to_owned()),
            uplink: Some(uplink.parse()?),
            ..SiteNode::default()
        };
        site.network.node.push(node);
    }

    let mut machines = Vec::new();
    for (mac, other) in MACS.into_iter().zip(["192.168.20.2", "192.168.20.1"]) {
        let place = room.path().join(&mac[15..]);
        std::fs::create_dir(&place)?;
        let disk = stamped(&image, &site, &place)?;
        let unit = tells(other);
        let setup = Setup {
            drives: vec![drive("disk", &disk)],
            networks: vec![segment("second")],
            devices: vec![
                "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
                // Their slots, in hex, name them.
                format!("virtio-net-pci,id=enp0s16,addr=10,netdev=segment,mac={mac},romfile="),
                "virtio-net-pci,id=enp0s17,addr=11,netdev=second,romfile=".to_owned(),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        };
        machines.push(Machine::start(&place, "uplink", &setup)?);
    }
    let [first, second] = machines.as_mut_slice() else { unreachable!("two boxes") };
    for machine in [&mut *first, &mut *second] {
        machine.until(Some("is there before"))?;
        machine.until(Some("DRILL: active-backup 1 by"))?;
        let said = machine.said();
        ensure!(said.contains("DRILL: ready"), "it was not ready:\n{said}");
        ensure!(said.contains("DRILL: 802.1Q id 20"), "no VLAN:\n{said}");
    }
    // Which port works was chosen by who came first.
    let said = first.said();
    let works =
        said.split("active-backup 1 by ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let works = works.context("no port works")?;
    println!("the first box goes by {works}");
    first.unplug(works)?;
    first.until(Some("DRILL: another port"))?;
    first.until(Some("is there after"))?;
    first.until(Some("DRILL: ready still"))?;
    Ok(())
}

#[test]
fn the_engine_asks_the_shop_s_proxy_with_its_password_for_an_image() -> Result<()> {
    let image = built("retail")?.disk()?;
    let room = scratch("drill-proxy")?;
    let proxy = TcpListener::bind("127.0.0.1:0")?;
    let port = proxy.local_addr()?.port();
    let mut site = Site { expect: Some(1), ..site::fresh("proxied")? };
    site.network.proxy = Some(Proxy {
        https: Some(SecretText::new("http://till:s3cret@10.0.2.100:3128".to_owned())),
        ..Proxy::default()
    });
    let disk = stamped(&image, &site, room.path())?;
    let unit = telling(
        "ashlarctl wait --timeout 1400 && echo DRILL: ready; \
         docker pull registry.example/till:1; echo DRILL: over",
    );
    let setup = Setup {
        drives: vec![drive("disk", &disk)],
        networks: vec![format!(
            "user,id=shop,restrict=on,guestfwd=tcp:10.0.2.100:3128-tcp:127.0.0.1:{port}"
        )],
        devices: vec![
            "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
            "virtio-net-pci,netdev=shop,romfile=".to_owned(),
        ],
        units: vec![("drill.service", &unit, "multi-user.target")],
        ..Setup::default()
    };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || -> Result<()> {
        for stream in proxy.incoming() {
            let mut stream = stream?;
            let mut head = Vec::new();
            for line in BufReader::new(stream.try_clone()?).lines() {
                let line = line?;
                if line.is_empty() {
                    break;
                }
                head.push(line);
            }
            tell.send(head)?;
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")?;
        }
        Ok(())
    });
    let mut machine = Machine::start(room.path(), "proxy", &setup)?;
    machine.until(Some("DRILL: over"))?;
    let head = told.recv_timeout(Duration::from_secs(5));
    let head = head.with_context(|| format!("nobody asked the proxy:\n{}", machine.said()))?;
    println!("{head:#?}");
    ensure!(head[0].starts_with("CONNECT registry.example:443 "), "it was asked for {head:?}");
    // `till:s3cret`
    let password = head.iter().any(|line| line.ends_with("Basic dGlsbDpzM2NyZXQ="));
    ensure!(password, "it was not told the password: {head:?}");
    Ok(())
}
