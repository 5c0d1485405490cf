//! Another CA for a cluster that writes: `just drill pki-rotate`.

use crate::{PATIENCE, writing};
use anyhow::{Context, Result, ensure};
use ashlar_api::{PkiStatus, RotationStage};
use ashlar_machine::Backend;
use ashlar_tests::command::built_with_the_tests;
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One that just went off is waited for in every stage for the grace time, five minutes.
const GRACE: Duration = Duration::from_secs(300);

/// A session of the cluster port is ended after a minute, whatever happens.
const SESSION: u32 = 55;

/// One of three writes, and one keeps a session to another open, while the CA is
/// replaced. Then it is replaced once more while one is off, which takes it when it is
/// back, and the brick of another dies and lives again with certificates of the new CA.
#[test]
fn a_ca_is_replaced_under_a_writer_and_no_connection_is_dropped() -> Result<()> {
    let fleet = Fleet::on(Backend::Lab, "lab-ca", 3, &site::expecting(3, "lab-ca")?)?;
    let all = fleet.all();
    fleet.until_ready(&all, PATIENCE)?;
    let before = cas(&all)?;
    ensure!(before.len() == 1, "{before:?}");
    writing::begin(&all[1])?;
    begin_session(&all[0], &all[2])?;

    println!("{}", all[1].sh("ashlarctl pki rotate --dry-run")?);
    let asked = Instant::now();
    println!("{}", all[1].sh("ashlarctl pki rotate --yes --timeout 170 2>&1")?);
    println!("over {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    let after =
        fleet.until("every box has the new CA alone", PATIENCE, || one_ca(&all, &before))?;
    println!("{}", all[1].sh("ashlarctl pki status")?);
    fleet.until("the session is over", PATIENCE, || {
        Ok(all[0].try_sh("test -e /run/ended")?.success().then_some(()))
    })?;
    let answers = all[0].sh("cat /run/ended /run/answers")?;
    println!("the session: {answers}");
    ensure!(answers.starts_with("0\n"), "a session that was open before was dropped: {answers}");
    it_writes_on(&fleet, &all[1])?;

    // A brick that begins anew is let in, and lets in, by certificates of the new CA.
    its_brick_begins_anew(&fleet, &all[2], &all[1])?;
    fleet.until_ready(&all, PATIENCE)?;

    let gone = all[0].hostname()?;
    fleet.kill(all[0].name())?;
    fleet.until("it is asked for without the one that is off", PATIENCE, || {
        all[1].sh("ashlarctl pki rotate --yes --no-wait").map(Some)
    })?;
    let asked = Instant::now();
    let patience = GRACE + PATIENCE;
    let last = fleet.until("the others have it alone", patience, || one_ca(&all[1..], &after))?;
    println!("over without one {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    let missing = status(&all[1])?.boxes.into_iter().find(|one| one.name == gone);
    ensure!(missing.is_some_and(|one| !one.alive && one.lacks.is_some()), "{gone} is not missed");
    it_writes_on(&fleet, &all[1])?;
    let back = Instant::now();
    fleet.start(all[0].name())?;
    fleet.until("it has it too", PATIENCE, || Ok((cas(&all)? == last).then_some(())))?;
    println!("taken along {:.1} s after it was switched on", back.elapsed().as_secs_f64());
    writing::until_ready(&fleet, &all)?;
    ensure!(all[0].hostname()? == gone, "it is another box");
    writing::nothing_is_lost(&all[1], &all)?;
    fleet.consoles_are_clean()
}

/// One asks another over one session, once a second.
fn begin_session(from: &Node<'_>, to: &Node<'_>) -> Result<()> {
    let program = std::fs::read(built_with_the_tests("member")?)?;
    from.sh_with("cat >/run/member && chmod 0700 /run/member", &program)?;
    let address = to.address()?;
    let session =
        format!("/run/member {address} {SESSION} >/run/answers 2>&1; echo $? >/run/ended");
    from.sh(&format!("systemd-run --quiet --unit=session sh -c '{session}'")).map(drop)
}

/// How the CA stands, as this node tells it.
fn status(node: &Node<'_>) -> Result<PkiStatus> {
    Ok(serde_json::from_str(&node.sh("ashlarctl pki status --json")?)?)
}

/// The CAs that these trust, by fingerprint.
fn cas(of: &[Node<'_>]) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for node in of {
        let told = status(node)?;
        ensure!(told.own.is_some(), "{} has no certificate", node.name());
        all.extend(told.authorities.into_iter().map(|ca| ca.fingerprint));
    }
    Ok(all)
}

/// The one CA that all of these trust, once it is another than before, and none that is
/// on lacks anything.
fn one_ca(of: &[Node<'_>], before: &BTreeSet<String>) -> Result<Option<BTreeSet<String>>> {
    let told = status(&of[0])?;
    let stage = told.succession.context("nothing was asked for")?.stage;
    let follow = told.boxes.iter().all(|one| !one.alive || one.lacks.is_none());
    let now = cas(of)?;
    let over = stage == RotationStage::Only && follow && now.len() == 1 && now != *before;
    Ok(over.then_some(now))
}

/// The brick dies, is started again, and is written to: what was acknowledged last is on it.
fn its_brick_begins_anew(fleet: &Fleet, node: &Node<'_>, writer: &Node<'_>) -> Result<()> {
    let brick = || node.sh("pidof glusterfsd");
    let died = brick()?;
    node.sh("pkill -9 glusterfsd")?;
    fleet.until("its brick lives again", PATIENCE, || Ok((brick()? != died).then_some(())))?;
    fleet.until("its brick is written to", PATIENCE, || {
        let last = writer.sh("cat /run/acked")?;
        let on_it = format!("find /data/bricks/clusterfs -path '*/tills/{last}' | grep -q .");
        Ok(node.try_sh(&on_it)?.success().then_some(()))
    })
}

/// More writes are acknowledged.
fn it_writes_on(fleet: &Fleet, node: &Node<'_>) -> Result<()> {
    let acknowledged = || node.sh("cat /run/acked");
    let before = acknowledged()?;
    fleet.until("it writes on", PATIENCE, || Ok((acknowledged()? != before).then_some(())))
}
