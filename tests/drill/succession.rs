//! Another CA for a cluster that writes: `just drill pki-rotate`.

use anyhow::{Context, Result, ensure};
use ashlar_tests::fleet::{Fleet, Node};
use ashlar_tests::site;
use std::time::{Duration, Instant};

/// As in the lab tier.
const PATIENCE: Duration = Duration::from_secs(240);

/// A session of the cluster port is ended after a minute, whatever happens.
const SESSION: u32 = 55;

/// Writes a file every 200 ms and takes down every write that fails.
const WRITER: &str = "n=0; while [ ! -e /run/enough ]; do n=$((n+1)); \
    echo $n >/srv/cluster/till.new && sync -f /srv/cluster/till.new && \
    mv /srv/cluster/till.new /srv/cluster/till || echo $n >>/run/failed; \
    echo $n >/run/written; sleep 0.2; done";

/// One of three writes, and one keeps a session to another open, while the CA is
/// replaced. Then it is replaced once more while one is off, which takes it when it is
/// back, and the brick of each dies and lives again with certificates of the new CA.
#[test]
fn a_ca_is_replaced_under_a_writer_and_no_connection_is_dropped() -> Result<()> {
    let fleet = Fleet::off("lab-ca", 3, &site::expecting(3, "lab-ca")?)?;
    let all = fleet.all();
    all.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(&all, PATIENCE)?;
    let before = cas(&all)?;
    ensure!(before.len() == 1, "{before:?}");
    let own = std::env::current_exe()?;
    let built = own.ancestors().nth(2).context("a directory")?.join("member");
    let program = std::fs::read(&built).with_context(|| built.display().to_string())?;
    all[0].sh_with("cat >/run/member && chmod 0700 /run/member", &program)?;
    all[1].sh(&format!("systemd-run --unit=writer sh -c '{WRITER}'"))?;
    let address = all[2].address()?;
    let session =
        format!("/run/member {address} {SESSION} >/run/answers 2>&1; echo $? >/run/ended");
    all[0].sh(&format!("systemd-run --unit=session sh -c '{session}'"))?;

    let asked = Instant::now();
    println!("{}", all[0].sh("ashlarctl pki rotate --yes --no-wait")?);
    let over = || one_ca(&all, &before);
    let after = fleet.until("every box has the new CA alone", PATIENCE, over)?;
    println!("over {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    println!("{}", all[1].sh("ashlarctl pki status")?);
    fleet.until("the session is over", PATIENCE, || {
        Ok(all[0].try_sh("test -e /run/ended")?.success().then_some(()))
    })?;
    let answers = all[0].sh("cat /run/ended /run/answers")?;
    println!("the session: {answers}");
    ensure!(answers.starts_with("0\n"), "a session that was open before was dropped: {answers}");
    wrote_on(&fleet, &all[1])?;

    // A brick that begins anew is let in, and lets in, by certificates of the new CA.
    all[2].sh("pkill -9 glusterfsd")?;
    fleet.until_ready(&all, PATIENCE)?;
    wrote_on(&fleet, &all[1])?;

    // Once more, while one is off.
    fleet.kill(all[0].name())?;
    fleet.until("it is asked for without the one that is off", PATIENCE, || {
        let asked = all[1].try_sh("ashlarctl pki rotate --yes --no-wait")?;
        Ok(asked.success().then_some(()))
    })?;
    let last = fleet.until("the others have it alone", PATIENCE, || one_ca(&all[1..], &after))?;
    wrote_on(&fleet, &all[1])?;
    fleet.start(all[0].name())?;
    fleet.until("it has it too", PATIENCE, || {
        Ok((cas(&all[..1]).is_ok_and(|cas| cas == last)).then_some(()))
    })?;
    fleet.until_ready(&all, PATIENCE)?;
    wrote_on(&fleet, &all[1])?;
    all[1].sh("touch /run/enough")?;
    let written = all[1].sh("cat /srv/cluster/till")?;
    ensure!(all[0].sh("cat /srv/cluster/till")? == written, "another file");
    fleet.consoles_are_clean()
}

/// The CAs that these trust or have certificates of, by fingerprint.
fn cas(of: &[Node<'_>]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for node in of {
        let text = node.sh("ashlarctl pki status --json")?;
        let told: serde_json::Value = serde_json::from_str(&text)?;
        let authorities = told["authorities"].as_array().context("a list")?;
        all.extend(
            authorities.iter().filter_map(|ca| ca["fingerprint"].as_str()).map(str::to_owned),
        );
        ensure!(told["own"].is_object(), "{} has no certificate", node.name());
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The one CA that all of these trust, once that is another than before.
fn one_ca(of: &[Node<'_>], before: &[String]) -> Result<Option<Vec<String>>> {
    let now = cas(of)?;
    let told: serde_json::Value = serde_json::from_str(&of[0].sh("ashlarctl pki status --json")?)?;
    let boxes = told["boxes"].as_array().context("a list")?;
    let follow = boxes.iter().all(|one| one["alive"] == false || one["lacks"].is_null());
    Ok((now.len() == 1 && now != before && follow).then_some(now))
}

/// The writer goes on, and no write of it failed.
fn wrote_on(fleet: &Fleet, node: &Node<'_>) -> Result<()> {
    let written = || node.sh("cat /run/written");
    let before = written()?;
    fleet.until("it writes on", PATIENCE, || Ok((written()? != before).then_some(())))?;
    let failed = node.sh("cat /run/failed 2>/dev/null || true")?;
    ensure!(failed.is_empty(), "writes failed: {failed}");
    Ok(())
}
