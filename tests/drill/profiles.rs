//! Every profile is built, those for real machines start on one, and the one for a single
//! box lives: `just drill profiles`. Needs root, for the lab.

use crate::{PATIENCE, built};
use anyhow::{Context, Result, ensure};
use ashlar_machine::Backend;
use ashlar_site::Site;
use ashlar_tests::command::workspace;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::machine::{Machine, Setup, drive, stamped, telling};
use ashlar_tests::project::{entries, scratch};
use ashlar_tests::{site, workload};

#[test]
fn every_profile_is_built_from_its_lock_within_its_budgets() -> Result<()> {
    let recipes = entries(&workspace().join("recipes"))?;
    let mut locks: Vec<_> = recipes
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "lock"))
        .filter_map(|path| path.file_stem()?.to_str())
        .filter(|name| *name != "tools")
        .collect();
    locks.sort_unstable();
    ensure!(locks.len() >= 6, "{locks:?}");
    // A build that exceeds a budget of its recipe fails.
    for profile in locks {
        let built = built(profile).with_context(|| profile.to_owned())?;
        let size = std::fs::metadata(built.root()?)?.len();
        println!("{profile}: a root of {:.1} MB", size as f64 / 1e6);
    }
    Ok(())
}

/// What is written onto a disk is started from it, as a machine of its own.
#[test]
fn the_profiles_of_real_machines_start_on_one() -> Result<()> {
    for (profile, wanted) in [
        ("solo-metal", "ashlarctl wait --timeout 1400"),
        ("gpu", "ashlarctl wait --timeout 1400"),
        // By itself it votes for nobody: no cluster is founded.
        ("witness", "ashlarctl wait --answering --timeout 1400"),
    ] {
        let room = scratch("drill-profiles")?;
        let site = Site { expect: Some(1), ..site::fresh("alone")? };
        let disk = stamped(&built(profile)?.disk()?, &site, room.path())?;
        let unit = telling(&format!(
            "{wanted} && echo DRILL: as wanted; systemctl --failed --no-legend; \
             ashlarctl status | head -n 30; echo DRILL: over"
        ));
        let setup = Setup {
            drives: vec![drive("disk", &disk)],
            devices: vec![
                "nvme,drive=disk,serial=drill,bootindex=0".to_owned(),
                "e1000e,netdev=segment,romfile=".to_owned(),
            ],
            units: vec![("drill.service", &unit, "multi-user.target")],
            ..Setup::default()
        };
        let mut machine = Machine::start(room.path(), profile, &setup)?;
        machine.until(Some("DRILL: over"))?;
        let said = machine.said();
        ensure!(said.contains("DRILL: as wanted"), "{profile}:\n{said}");
        ensure!(!said.contains(" loaded failed "), "{profile} has units that failed:\n{said}");
        println!("{profile}: {wanted}: seen on a machine of its own");
    }
    Ok(())
}

/// One box: storage and Swarm of its own, what its site asks of its network, and
/// the two resets that leave it its site.
#[test]
fn one_box_by_itself_is_ready_and_survives_its_resets() -> Result<()> {
    let mut site = Site { expect: Some(1), ..site::fresh("lab-solo")? };
    site.network.dns = vec!["192.0.2.1".parse()?];
    site.time.zone = Some("Europe/Berlin".into());
    let root = built("solo")?.root()?;
    let fleet = Fleet::of_image(Backend::Lab, "lab-solo", 1, &site, &root)?;
    let all = fleet.all();
    fleet.until_ready(&all, PATIENCE)?;
    println!("ready {:.1} s after power-on", fleet.since_power_on().as_secs_f64());
    let node = fleet.node(1);
    node.sh("mountpoint /srv/cluster")?;
    node.sh("! command -v glusterd && echo takings >/srv/cluster/till && sync")?;

    // What the site asks of the machine's own daemons.
    let seen = node.sh("resolvectl dns && readlink /etc/localtime && docker network inspect \
                        bridge --format '{{(index .IPAM.Config 0).Subnet}}'")?;
    for words in ["192.0.2.1", "Europe/Berlin", "198.19.0.0/24"] {
        ensure!(seen.contains(words), "{words}: {seen}");
    }
    let complaints = node.sh("journalctl -b -u systemd-networkd -p warning -o cat --no-pager")?;
    ensure!(!complaints.contains("ashlar"), "networkd complains of our files: {complaints}");

    // Its workloads go, and its place stays.
    let name = node.hostname()?;
    workload::load(&fleet)?;
    node.sh(&format!(
        "docker volume create till && docker run -d -v till:/till {}",
        workload::IMAGE
    ))?;
    let refused = node.try_sh("ashlarctl reset workloads --yes")?;
    ensure!(!refused.success() && refused.text().contains("no other box"), "{}", refused.text());
    node.sh(&format!("ashlarctl reset workloads --name {name}"))?;
    fleet.until("an engine that has nothing", PATIENCE, || {
        let left = node.try_sh("docker ps -aq && docker volume ls -q && docker image ls -q")?;
        let over = node.try_sh("test ! -e /var/lib/ashlar/reset.json")?.success();
        Ok((left.success() && left.text().trim().is_empty() && over).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    ensure!(node.hostname()? == name, "it is another node");
    ensure!(node.sh("cat /srv/cluster/till")? == "takings", "the volume's files are gone");

    // It begins a cluster of its own anew, and its copy is set aside.
    node.sh(&format!("ashlarctl reset cluster --name {name}"))?;
    fleet.until("another node of the same site", PATIENCE, || {
        Ok((node.status()?.ready && node.hostname()? != name).then_some(()))
    })?;
    node.sh(
        "grep -q takings /data/bricks/clusterfs/set-aside-*/till && test ! -e /srv/cluster/till",
    )?;
    ensure!(node.status()?.site.as_deref() == Some("lab-solo"), "another site");
    fleet.consoles_are_clean()
}
