//! The ring's key is replaced under its users' hands: `just drill ring-rotate`.

use crate::PATIENCE;
use crate::writing;
use anyhow::{Result, ensure};
use ashlar_api::{RingAnswer, RotationStage};
use ashlar_pki::Store;
use ashlar_site::Site;
use ashlar_tests::claims;
use ashlar_tests::fleet::{Fleet, Node, always};
use ashlar_tests::office::Office;
use base64::{Engine, prelude::BASE64_STANDARD};
use std::path::Path;
use std::time::Instant;

/// Cluster and site.
const NAME: &str = "lab-rotate";

/// A box that sees nobody, and was not told how many to expect, founds a cluster of its
/// own after 45 s: well over that.
const LONGER_THAN_ONE_WAITS_ALONE: f64 = 90.0;

/// Three boxes, one of which is off, replace the ring's key while one of them writes. The
/// third is taken along when it is back; the new site, given out once, lets a fourth box
/// in; one with the old site founds nothing beside them, says why, and comes in with the
/// new one.
#[test]
fn the_ring_s_key_is_replaced_and_nobody_is_left_behind_but_the_old_site() -> Result<()> {
    // A site that names nobody to expect.
    let office = Office::found(NAME, &[])?;
    let (old, pass) = (office.site()?, std::fs::read(office.pass("anna", &[])?)?);
    let fleet = Fleet::off(NAME, 5, &old)?;
    let all = fleet.all();
    let (first, more) = all.split_at(3);
    first.iter().try_for_each(|node| fleet.start(node.name()))?;
    fleet.until_ready(first, PATIENCE)?;
    let (desk, away) = (&first[0], &first[2]);
    let gone = away.hostname()?;
    writing::begin(desk)?;
    fleet.kill(away.name())?;
    fleet.until("the loss is seen", PATIENCE, || {
        let alerts = desk.status()?.alerts;
        Ok(alerts.iter().any(|a| a.id == "member-lost" && a.subject == gone).then_some(()))
    })?;

    let shown = fleet.until("it says what would change", PATIENCE, || {
        desk.sh("ashlarctl ring rotate --dry-run").map(Some)
    })?;
    println!("{shown}");
    ensure!(
        shown.contains(&format!("{gone} is away: it takes the key when it is back")),
        "{shown}"
    );
    ensure!(!desk.try_sh("ashlarctl ring rotate </dev/null")?.success(), "nobody confirmed it");
    let asked = Instant::now();
    println!("{}", desk.sh("ashlarctl ring rotate --yes --timeout 170 2>&1")?);
    println!("replaced {:.1} s after it was asked for", asked.elapsed().as_secs_f64());
    who_is_missing(desk, &gone)?;

    let text = desk.sh("ashlarctl ring site")? + "\n";
    let new = Site::parse(&text, Path::new("the new site"))?;
    ensure!(new.ring_key != old.ring_key && new.people.ca() == old.people.ca(), "another site");
    by_a_pass_once(&first[1], desk, &pass, &text)?;
    first[..2].iter().try_for_each(|node| has_turned(node, &old, &new))?;

    let back = Instant::now();
    fleet.start(away.name())?;
    writing::until_ready(&fleet, first)?;
    fleet.until("nobody lacks anything", PATIENCE, || {
        let boxes = ring(desk)?.boxes;
        Ok(boxes.iter().all(|one| one.alive && one.lacks.is_none()).then_some(()))
    })?;
    println!("taken along {:.1} s after it was switched on", back.elapsed().as_secs_f64());
    ensure!(away.hostname()? == gone, "it is another box");
    for node in first {
        has_turned(node, &old, &new)?;
        claims::enrolment_is_by_the_sites_key(node, &new.ring_key, &old.ring_key)?;
        claims::an_outsider_is_refused(node, first, &old.ring_key)?;
    }

    let (stale, fresh) = (&more[0], &more[1]);
    fleet.start(stale.name())?;
    let words = fleet.until("it says that its site is of before", PATIENCE, || {
        let alerts = stale.status()?.alerts;
        let said = alerts.into_iter().find(|alert| alert.id == "site-outdated");
        Ok(said.map(|alert| format!("{} → {}", alert.words, alert.cure)))
    })?;
    println!("the box with the old site says: {words}");
    fleet.hand_out(&new)?;
    let plugged = Instant::now();
    fleet.start(fresh.name())?;
    let four: Vec<_> = first.iter().chain([fresh]).copied().collect();
    fleet.until_ready(&four, PATIENCE)?;
    println!("a box with the new site is in {:.1} s after", plugged.elapsed().as_secs_f64());
    fleet.until("the one with the old site could have founded", PATIENCE, || {
        let founded = stale.status()?.cluster;
        always(founded.is_none(), format!("it founded {founded:?}"))?;
        let views = fleet.cluster().nodes().into_iter();
        let on = views.filter(|view| view.name == stale.name()).filter_map(|view| view.seconds);
        Ok((on.sum::<f64>() > LONGER_THAN_ONE_WAITS_ALONE).then_some(()))
    })?;
    let seen = desk.sh("serf members")?;
    ensure!(!seen.contains(&stale.hostname()?), "it is in the ring:\n{seen}");

    stale.sh_with("umask 077; cat >/run/new-site.toml", text.as_bytes())?;
    stale.sh(
        "ashlar-agent import-seed --file /run/new-site.toml && systemctl restart ashlar-agent",
    )?;
    fleet.until_ready(&all, PATIENCE)?;
    writing::nothing_is_lost(desk, std::slice::from_ref(desk))?;
    claims::secrets_are_for_root_only(&fleet)?;
    for site in [&old, &new] {
        claims::secrets_are_not_in_journal_or_arguments(&fleet, site)?;
    }
    fleet.consoles_are_clean()
}

/// How the ring's keys stand, as this node tells it.
fn ring(node: &Node<'_>) -> Result<RingAnswer> {
    Ok(serde_json::from_str(&node.sh("ashlarctl ring status --json")?)?)
}

/// It is over, and this one alone has not followed, because it is away.
fn who_is_missing(desk: &Node<'_>, gone: &str) -> Result<()> {
    let answer = ring(desk)?;
    let stage = answer.rotation.as_ref().map(|rotation| rotation.stage);
    ensure!(stage == Some(RotationStage::Only), "{answer:?}");
    let behind: Vec<_> = answer.boxes.iter().filter(|one| one.lacks.is_some()).collect();
    ensure!(behind.len() == 1 && behind[0].name == gone && !behind[0].alive, "{answer:?}");
    let words = desk.sh("ashlarctl ring status")?;
    println!("{words}");
    ensure!(
        words.contains(gone) && words.contains("it asks for the key when it is back"),
        "{words}"
    );
    Ok(())
}

/// Somebody with a pass of before is given the new site, and nobody after that.
fn by_a_pass_once(node: &Node<'_>, desk: &Node<'_>, pass: &[u8], text: &str) -> Result<()> {
    node.sh_with("umask 077; mkdir -p /run/anna && cat >/run/anna/pass.toml", pass)?;
    let take = format!(
        "ashlarctl --site /run/anna/pass.toml --node {} ring site --to /run/anna",
        desk.address()?
    );
    node.sh(&format!("{take}/site.toml"))?;
    let given = node.sh("cat /run/anna/site.toml")? + "\n";
    ensure!(given == text, "another site is given out");
    let again = node.try_sh(&format!("{take}/again.toml"))?;
    let why = again.error_text();
    ensure!(!again.success() && why.contains("given out already"), "{why}");
    ensure!(!node.try_sh("test -e /run/anna/again.toml")?.success(), "something was written");
    node.sh("rm -r /run/anna").map(drop)
}

/// Keyring, site and the seal of the CA's key are of the new key, and of no other.
fn has_turned(node: &Node<'_>, old: &Site, new: &Site) -> Result<()> {
    let keyring: Vec<String> =
        serde_json::from_str(&node.sh("cat /var/lib/ashlar/ring/keyring.json")?)?;
    let name = node.name();
    ensure!(keyring == [BASE64_STANDARD.encode(new.ring_key.as_bytes())], "{name}: its keyring");
    let site = Site::parse(&node.sh("cat /var/lib/ashlar/site.toml")?, Path::new(name))?;
    let former = hex::encode(old.ring_key.disk_tag());
    ensure!(site.ring_key == new.ring_key && site.former_keys == [former], "{name}: its site");
    let kept = tempfile::tempdir()?;
    for file in ["ca.pem", "ca.key.sealed"] {
        std::fs::write(
            kept.path().join(file),
            node.sh(&format!("cat /var/lib/ashlar/pki/{file}"))?,
        )?;
    }
    let store = Store::open(kept.path())?;
    let opens = store.authority(new.ring_key.as_bytes())?.is_some();
    ensure!(opens && store.authority(old.ring_key.as_bytes()).is_err(), "{name}: the CA's seal");
    Ok(())
}
