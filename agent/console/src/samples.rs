//! Boxes for tests: one that is well, one on its way, and one with everything as
//! long as it may be.

use ashlar_api::{Alert, Event, Hardware, MemberView, Network, Phase, Severity, StackView, Status};
use serde_json::json;

/// One of three that is well.
pub(crate) fn ready() -> Status {
    let phase = |name: &str, reached: f64, detail: &str| json!({"phase": name, "holds": true, "reached": reached, "detail": detail});
    let member = |name: &str, address: &str| json!({"name": name, "address": address, "status": "alive", "same_cluster": true});
    let part = |part: &str| json!({"part": part, "age_ms": 4_000, "silent": null, "silent_ms": 0});
    serde_json::from_value(json!({
        "release": "0.1.0", "profile": "retail", "site": "shop-42",
        "identity": {"id": "1a2b3c4d", "name": "ashlar-1a2b3c4d", "address": "10.83.0.1"},
        "cluster": "c0ffee", "ready": true,
        "phases": [
            phase("identity", 1.94, ""), phase("ring", 3.2, "3 alive"),
            phase("pki", 4.0, "certificate until May 1"), phase("storage", 12.5, "mounted"),
            phase("swarm", 14.04, "manager"), phase("ready", 14.1, ""),
        ],
        "members": [
            member("ashlar-00000002", "10.83.12.200"), member("ashlar-1a2b3c4d", "10.83.0.1"),
            member("ashlar-00000003", "10.83.0.3"),
        ],
        "storage": {"volume": "clusterfs", "replicas": 3, "bricks_online": 3, "bricks": 3,
                    "tls": true, "mounted": true, "pending_heals": 0},
        "swarm": {"local": "active", "manager": true, "leader": true, "nodes_up": 3, "nodes": 3},
        "stacks": [{"name": "till", "running": 3, "desired": 3},
                   {"name": "labels", "running": 1, "desired": 1}],
        "disks": [{"name": "state", "bytes": 4_294_967_296_u64, "used_percent": 12},
                  {"name": "data", "bytes": 500_107_862_016_u64, "used_percent": 41}],
        "parts": [part("ring"), part("storage"), part("mount"), part("engine")],
        "doing": [], "trouble": null, "now_ms": 600_000, "boot": {"userspace": 1.0, "agent": 1.5},
    }))
    .unwrap()
}

/// One that has just met the ring.
pub(crate) fn joining() -> Status {
    let mut status = ready();
    (status.ready, status.storage, status.swarm) = (false, None, None);
    for phase in status.phases.iter_mut().skip(1) {
        phase.holds = false;
        phase.detail = "waiting …".into();
        if phase.phase != Phase::Ring {
            phase.reached = None;
        }
    }
    status.members.clear();
    status.stacks.clear();
    status.disks.clear();
    status.doing = vec![
        "starting to listen for the other boxes".into(),
        "calling the other boxes".into(),
        "telling the other boxes how this one stands".into(),
    ];
    status.trouble = Some(
        "the ring does not start: the keyring at /var/lib/ashlar/ring/keyring.json holds no key \
         of 32 bytes; import the site again"
            .into(),
    );
    status
}

/// One that has no site, for this reason.
pub(crate) fn without_a_site(why: &str) -> Status {
    let mut status = joining();
    (status.site, status.trouble, status.identity, status.cluster) = (None, None, None, None);
    status.doing.clear();
    for phase in &mut status.phases {
        (phase.holds, phase.reached) = (false, None);
        phase.detail = if phase.phase == Phase::Identity { why.into() } else { String::new() };
    }
    status
}

/// The reasons, as the agent gives them.
pub(crate) const WITHOUT_A_SITE: [&str; 3] = [
    "this box is only tried: it keeps nothing, takes no site and joins no cluster; restart it, \
     and choose something else in the menu",
    "this runs from a medium that cannot be written: it keeps nothing and joins no cluster; for \
     a node, write the image to a stick or a disk",
    "no site yet: plug in a stick called ASHLARSEED with site.toml on it",
];

pub(crate) fn alert(severity: Severity, words: &str) -> Alert {
    Alert {
        severity,
        id: "volume-read-only".into(),
        subject: "clusterfs".into(),
        since_ms: 0,
        words: words.into(),
        cure: "switch the missing boxes on".into(),
    }
}

/// One of three with trouble of each kind.
pub(crate) fn troubled() -> Status {
    let mut status = ready();
    status.ready = false;
    status.alerts = vec![
        alert(
            Severity::Critical,
            "clusterfs takes no writes: no brick runs on 10.83.0.3, 10.83.12.200",
        ),
        alert(Severity::Warning, "ashlar-00000003 at 10.83.0.3 does not answer"),
        alert(Severity::Warning, "of stack till 1 of 3 tasks run"),
        alert(Severity::Notice, "4 entries of clusterfs await healing"),
    ];
    for member in status.members.iter_mut().filter(|m| m.name.ends_with('3')) {
        member.status = ashlar_api::MemberStatus::Failed;
    }
    status.stacks[0].running = 1;
    status.disks[1].used_percent = 97;
    if let Some(storage) = &mut status.storage {
        (storage.bricks_online, storage.pending_heals) = (1, Some(4));
    }
    status
}

/// One whose every name is as long as it may be.
pub(crate) fn longest() -> Status {
    let mut status = troubled();
    status.site = Some("x".repeat(25));
    status.profile = "p".repeat(63);
    status.release = "2026.11.26-rc.12+metal".into();
    let one = status.members[0].clone();
    status.members = (0..40)
        .map(|n| MemberView {
            name: format!("ashlar-{n:08x}"),
            address: [10, 83, 255, 200 + u8::try_from(n % 50).unwrap()].into(),
            ..one.clone()
        })
        .collect();
    let stack =
        |n| StackView { name: format!("{n:02}{}", "s".repeat(61)), running: 0, desired: 12 };
    status.stacks = (0..6).map(stack).collect();
    status.alerts[0].words =
        format!("clusterfs takes no writes: no brick runs on {}", ["10.83.255.200"; 12].join(", "));
    status
}

pub(crate) fn network() -> Network {
    let address = |address: &str, prefix| json!({"address": address, "prefix": prefix});
    let link = |name: &str, kind: &str, mac: &str, carrier, speed: Option<u32>, addresses| {
        json!({
            "name": name, "kind": kind, "mac": mac, "carrier": carrier, "speed_mbit": speed,
            "addresses": addresses,
        })
    };
    let own = json!([
        address("10.83.0.1", 16),
        address("192.168.178.142", 24),
        address("2001:db8:4711:42:5054:ff:fe12:3456", 64),
        address("fe80::5054:ff:fe12:3456", 64),
    ]);
    serde_json::from_value(json!({
        "links": [
            link("enp1s0", "wired", "52:54:00:12:34:56", true, Some(1000), own),
            link("enp2s0", "wired", "52:54:00:12:34:57", false, None, json!([])),
            link("wlp3s0", "wireless", "52:54:00:12:34:58", false, None, json!([])),
            link("docker0", "virtual", "02:42:3f:00:00:01", false, None,
                 json!([address("172.17.0.1", 16)])),
        ],
        "gateways": ["192.168.178.1"], "name_servers": ["192.168.178.1"],
    }))
    .unwrap()
}

pub(crate) fn hardware() -> Hardware {
    let drive = |name: &str, model: &str, bytes: u64, removable| json!({"name": name, "model": model, "serial": "S64FNX0R123456", "bytes": bytes, "removable": removable});
    serde_json::from_value(json!({
        "vendor": "Acme Computers Incorporated", "product": "Till 3000", "serial": "CZC1234567",
        "firmware": "S14 v02.20, 01/02/2024", "secure_boot": false, "tpm": true,
        "processor": "Intel(R) N100", "processors": 4, "memory": 8_242_491_392_u64,
        "memory_available": 6_011_000_000_u64, "kernel": "6.12.48+deb13-amd64", "slot": "a",
        "clock_synchronised": true,
        "drives": [drive("nvme0n1", "Samsung SSD 980 500GB", 500_107_862_016, false),
                   drive("sda", "Ultra Fit", 61_530_439_680, true)],
    }))
    .unwrap()
}

pub(crate) fn history() -> Vec<Event> {
    let event = |at: &str, step: &str, error: Option<&str>| {
        json!({"version": 1, "at": at, "since_boot_ms": 4_000, "phase": "storage", "step": step,
               "because": "it is not running", "error": error, "took_ms": 800})
    };
    serde_json::from_value(json!([
        event("2026-11-25T20:14:07Z", "start the storage daemon", None),
        event("2026-11-25T20:14:31Z", "mount the volume", Some("no brick runs on 10.83.0.3")),
        event("2026-11-26T03:11:02Z", "mount the volume", None),
    ]))
    .unwrap()
}

pub(crate) fn logs() -> Vec<String> {
    (0..60)
        .map(|n| {
            let tail = if n % 9 == 0 {
                ": a line that is so long that it must be wrapped under itself once or twice"
            } else {
                ""
            };
            format!("2026-11-26T03:{n:02}:00+0000 ashlar-agent[612]: did: step {n}{tail}")
        })
        .collect()
}
