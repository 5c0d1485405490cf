use super::*;
use serde_json::json;

/// Three boxes that are ready, seen from one of them.
pub(in crate::command::check) fn a_well_box() -> Facts {
    let status = json!({
        "release": "1", "profile": "retail", "site": "shop",
        "identity": { "id": "a", "name": "ashlar-a", "address": "10.83.0.1" },
        "cluster": "c",
        "phases": [
            { "phase": "ring", "holds": true, "reached": 1.0, "detail": "3 members" },
            { "phase": "pki", "holds": true, "reached": 1.0, "detail": "" },
            { "phase": "storage", "holds": true, "reached": 1.0, "detail": "3 copies" },
            { "phase": "swarm", "holds": true, "reached": 1.0, "detail": "leader" },
            { "phase": "ready", "holds": true, "reached": 1.0, "detail": "" },
        ],
        "ready": true,
        "members": [
            { "name": "ashlar-a", "address": "10.83.0.1", "status": "alive", "same_cluster": true },
            { "name": "ashlar-b", "address": "10.83.0.2", "status": "alive", "same_cluster": true },
        ],
        "storage": null, "swarm": null, "doing": [], "trouble": null,
        "disks": [{ "name": "data", "bytes": 1, "used_percent": 12 }],
        "boot": { "userspace": 1.0, "agent": 1.0 },
    });
    let network = json!({
        "links": [{
            "name": "eno1", "kind": "wired", "mac": null, "carrier": true, "speed_mbit": 1000,
            "addresses": [{ "address": "10.83.0.1", "prefix": 16 }],
        }],
        "gateways": ["192.168.1.1"], "name_servers": [],
    });
    let now = Timestamp::UNIX_EPOCH;
    Facts {
        status: serde_json::from_value(status).unwrap(),
        hardware: Hardware { clock_synchronised: true, ..Hardware::default() },
        network: serde_json::from_value(network).unwrap(),
        here: Some(Here {
            volume: Some(Ok(())),
            called: BTreeMap::from([("ashlar-b".to_owned(), Ok(()))]),
            certificate_ends: Some(now + jiff::SignedDuration::from_hours(24 * 60)),
            now,
            mtu: Some(("eno1".to_owned(), 1500)),
        }),
    }
}

fn here(change: impl FnOnce(&mut Here)) -> Facts {
    let mut facts = a_well_box();
    change(facts.here.as_mut().unwrap());
    facts
}

/// What is wrong, by part and name; each with something to do about it.
fn wrong(facts: &Facts) -> Vec<(Area, String)> {
    let wrong: Vec<_> = judge(facts).into_iter().filter(|line| line.verdict.is_wrong()).collect();
    assert!(wrong.iter().all(|line| line.cure.is_some()), "{wrong:?}");
    wrong.into_iter().map(|line| (line.part, line.id)).collect()
}

#[test]
fn a_box_that_is_well_has_a_line_for_every_part_and_none_of_them_wrong() {
    let facts = a_well_box();
    assert_eq!(wrong(&facts), []);
    let lines = judge(&facts);
    for part in
        [Area::Ring, Area::Pki, Area::Storage, Area::Swarm, Area::Time, Area::Disk, Area::Network]
    {
        assert!(lines.iter().any(|line| line.part == part), "nothing of {part:?}");
    }
}

#[test]
fn what_is_wrong_is_told_in_its_part_with_a_cure() {
    let one = |facts: &Facts, part, id: &str| assert_eq!(wrong(facts), [(part, id.to_owned())]);
    one(&here(|h| h.volume = Some(Err("no answer".into()))), Area::Storage, "written-and-read");
    one(&here(|h| h.certificate_ends = Some(h.now)), Area::Pki, "certificate");
    one(&here(|h| h.mtu = Some(("eno1".into(), 1400))), Area::Network, "mtu");
    let refused = |h: &mut Here| {
        h.called.insert("ashlar-b".into(), Err("connection refused".into()));
    };
    one(&here(refused), Area::Network, "reach");
    let mut facts = a_well_box();
    facts.hardware.clock_synchronised = false;
    one(&facts, Area::Time, "time-server");
    let mut facts = a_well_box();
    facts.network.links[0].carrier = false;
    one(&facts, Area::Network, "cable");
    let mut facts = a_well_box();
    facts.status.members[1].status = MemberStatus::Failed;
    one(&facts, Area::Ring, "members");
    let mut facts = a_well_box();
    facts.status.phases[3].holds = false;
    one(&facts, Area::Swarm, "phase-swarm");
}

#[test]
fn an_alert_stands_in_the_part_that_it_is_about_and_a_notice_is_nothing_wrong() {
    let mut facts = a_well_box();
    let alert = |id: &str, severity| Alert {
        severity,
        id: id.into(),
        subject: "data".into(),
        since_ms: 0,
        words: "words".into(),
        cure: "cure".into(),
    };
    facts.status.alerts =
        vec![alert("disk-full", Severity::Critical), alert("healing", Severity::Notice)];
    assert_eq!(wrong(&facts), [(Area::Disk, "disk-full".to_owned())]);
    let lines = judge(&facts);
    assert!(lines.iter().any(|l| l.part == Area::Storage && l.verdict == Verdict::Note));
    assert!(!lines.iter().any(|l| l.id == "disk"), "the disk is not called good as well");
}

#[test]
fn what_root_alone_may_see_is_left_out_and_is_nothing_wrong() {
    let facts = here(|h| {
        h.volume = Some(Err("root only".into()));
        h.certificate_ends = None;
    });
    assert_eq!(wrong(&facts), []);
    assert_eq!(wrong(&Facts { here: None, ..a_well_box() }), []);
}
