//! What people may do who are not at a box: they call from another machine, with a pass.

use super::{PATIENCE, THREE};
use anyhow::{Result, ensure};
use ashlar_tests::claims::a_bundle_holds_no_secret;
use ashlar_tests::command::{run, workspace};
use ashlar_tests::desk::Desk;
use ashlar_tests::fleet::Fleet;
use ashlar_tests::office::Office;
use std::ffi::OsStr;
use std::process::Command;

/// What is typed: paths and words.
type Words<'a> = Vec<&'a dyn AsRef<OsStr>>;

#[test]
fn a_person_elsewhere_finds_a_box_and_is_shown_what_it_shows() -> Result<()> {
    THREE.lend(|three| {
        let (desk, anna) = (Desk::set_up(&three.fleet, 1)?, three.office.pass("anna", &[])?);
        // No address is given: a box is found by mDNS.
        let shown = desk.ashlarctl(&[&"--site", &anna, &"status", &"--json"])?;
        ensure!(shown.succeeded() && shown.json()?["ready"] == true, "{shown}");
        let name = three.fleet.node(3).hostname()?;
        let one = desk.ashlarctl(&[&"--site", &anna, &"--node", &name, &"status", &"--json"])?;
        ensure!(one.json()?["identity"]["name"] == *name, "{one}");
        for verb in [&["members"][..], &["why"], &["history"], &["hardware"], &["pki", "status"]] {
            let mut words: Words<'_> = vec![&"--site", &anna, &"--node", &name];
            words.extend(verb.iter().map(|word| word as &dyn AsRef<OsStr>));
            let said = desk.ashlarctl(&words)?;
            ensure!(said.succeeded(), "{said}");
        }
        // The real journal, of the box that is named.
        let lines = desk.ashlarctl(&[
            &"--site", &anna, &"--node", &name, &"logs", &"-n", &"3", &"--agent", &"--json",
        ])?;
        ensure!(lines.succeeded() && lines.stdout().lines().count() == 3, "{lines}");
        for line in lines.stdout().lines() {
            let line: serde_json::Value = serde_json::from_str(line)?;
            ensure!(line["_HOSTNAME"] == *name && line["__CURSOR"].is_string(), "{line}");
        }
        Ok(())
    })
}

/// Each verb that a box answers, in a form that changes nothing.
#[test]
fn every_verb_ends_from_elsewhere_as_it_does_on_the_box() -> Result<()> {
    THREE.lend(|three| {
        let (desk, anna) = (Desk::set_up(&three.fleet, 1)?, three.office.pass("anna", &[])?);
        let node = three.fleet.node(1);
        let (address, other) = (node.address()?, three.fleet.node(2).hostname()?);
        let remove = format!("node remove {other} --dry-run");
        let typed = [
            "status",
            "wait",
            "members",
            "why",
            "check",
            "history",
            "logs -n 3",
            "network",
            "hardware",
            "power off --dry-run",
            &remove,
            "pki rotate --dry-run",
            "ring status",
            "ring rotate --dry-run",
            "cluster merge --into 4f0c21aa --dry-run",
            "support bundle --to /run/bundle-of-a-test",
            "reset factory --dry-run",
            "reset site --dry-run",
            "admin revoke /dev/null",
        ];
        let help = desk.ashlarctl(&[&"help"])?.stdout();
        let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let verbs = verbs.take_while(|line| !line.is_empty());
        for verb in verbs.filter_map(|line| line.split_whitespace().next()) {
            let of_the_tool = ["completions", "man", "help"].contains(&verb);
            let is_tried = typed.iter().any(|words| words.split(' ').next() == Some(verb));
            ensure!(of_the_tool || is_tried, "`{verb}` is not tried");
        }
        for words in typed {
            let here = node.try_sh(&format!("ashlarctl {words}"))?;
            let mut line: Words<'_> = vec![&"--site", &anna, &"--node", &address];
            let parts: Vec<&str> = words.split(' ').collect();
            line.extend(parts.iter().map(|part| part as &dyn AsRef<OsStr>));
            let there = desk.ashlarctl(&line)?;
            ensure!(
                there.code() == Some(i32::from(here.code)),
                "on the box {}: {}\n{}\n{there}",
                here.code,
                String::from_utf8_lossy(&here.stdout),
                String::from_utf8_lossy(&here.stderr),
            );
        }
        node.sh("rm /run/bundle-of-a-test")?;
        std::fs::remove_file("/run/bundle-of-a-test")?;
        Ok(())
    })
}

#[test]
fn a_support_bundle_that_is_asked_for_from_elsewhere_holds_no_secret_of_the_site() -> Result<()> {
    THREE.lend(|three| {
        let (desk, anna) = (Desk::set_up(&three.fleet, 1)?, three.office.pass("anna", &[])?);
        let (name, room) = (three.fleet.node(2).hostname()?, tempfile::tempdir()?);
        let file = room.path().join("shop.tar.zst");
        let at: Words<'_> = vec![&"--site", &anna, &"--node", &name];
        let bundle: Words<'_> = vec![&"support", &"bundle", &"--to", &file];
        let told = desk.ashlarctl(&[at, bundle].concat())?;
        ensure!(told.succeeded(), "{told}");
        a_bundle_holds_no_secret(std::fs::File::open(&file)?, &three.office.site()?)
    })
}

#[test]
fn who_may_look_may_change_nothing() -> Result<()> {
    THREE.lend(|three| {
        let desk = Desk::set_up(&three.fleet, 1)?;
        let ben = three.office.pass("ben", &["--role", "view"])?;
        let node = three.fleet.node(2);
        let (address, boot) = (node.address()?, node.boot_id()?);
        let at: Words<'_> = vec![&"--site", &ben, &"--node", &address];
        let types = |words: Words<'_>| desk.ashlarctl(&[&at[..], &words].concat());
        let shown = types(vec![&"status"])?;
        ensure!(shown.succeeded(), "{shown}");
        types(vec![&"power", &"reboot", &"--yes"])?.refuses_with(&["view"])?;
        types(vec![&"ring", &"rotate", &"--yes"])?.refuses_with(&["view"])?;
        types(vec![&"logs"])?.refuses_with(&["view"])?;
        types(vec![&"support", &"bundle"])?.refuses_with(&["view"])?;
        ensure!(node.boot_id()? == boot, "it restarted");
        Ok(())
    })
}

#[test]
fn a_pass_that_was_taken_back_or_is_of_another_site_opens_no_box() -> Result<()> {
    THREE.lend(|three| {
        let desk = Desk::set_up(&three.fleet, 1)?;
        let (anna, carl) = (three.office.pass("anna", &[])?, three.office.pass("carl", &[])?);
        let kept = tempfile::tempdir()?;
        let copy = kept.path().join("carl.toml");
        std::fs::copy(&carl, &copy)?;
        let list = three.office.take_back("carl")?;
        let told = desk.ashlarctl(&[&"--site", &anna, &"admin", &"revoke", &list])?;
        ensure!(told.succeeded() && told.stdout().contains("3 boxes know it"), "{told}");
        let other = Office::found("another", &[])?;
        let stranger = other.pass("dora", &[])?;
        for node in three.fleet.nodes() {
            let address = node.address()?;
            let at = |pass| desk.ashlarctl(&[&"--site", pass, &"--node", &address, &"status"]);
            at(&copy)?.refuses_with(&["this pass was revoked"])?;
            at(&stranger)?.refuses_with(&["of another site"])?;
            let let_in = at(&anna)?;
            ensure!(let_in.succeeded(), "{let_in}");
        }
        Ok(())
    })
}

/// The table of ports that the book shows.
#[test]
fn no_port_of_a_box_answers_that_the_book_does_not_name() -> Result<()> {
    let book = std::fs::read_to_string(workspace().join("docs/operations.md"))?;
    let named: Vec<(u16, bool)> = book
        .lines()
        .skip_while(|line| !line.starts_with("| port |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split(','))
        .filter_map(|port| {
            let port = port.trim();
            let number = port.split(' ').next()?.parse().ok()?;
            Some((number, port.contains("and up")))
        })
        .collect();
    ensure!(named.len() >= 8, "{named:?}");
    THREE.lend(|three| {
        let desk = Desk::set_up(&three.fleet, 1)?;
        for node in three.fleet.nodes() {
            let open = desk.open_ports(&node.address()?)?;
            ensure!(open.contains(&ashlar_api::CLUSTER_PORT), "{open:?}");
            for port in open {
                let is_named =
                    |(number, up): &(u16, bool)| port == *number || *up && port > *number;
                ensure!(named.iter().any(is_named), "{}: {port} answers", node.name());
            }
        }
        Ok(())
    })
}

#[test]
fn a_flood_from_one_machine_keeps_nobody_at_another_out() -> Result<()> {
    THREE.lend(|three| {
        let (desk, flooding) = (Desk::set_up(&three.fleet, 1)?, Desk::set_up(&three.fleet, 2)?);
        let (anna, address) = (three.office.pass("anna", &[])?, three.fleet.node(1).address()?);
        let flood = flooding.flood(&address, ashlar_api::PEOPLE_PORT, 400)?;
        let shown = desk.ashlarctl(&[&"--site", &anna, &"--node", &address, &"status"])?;
        ensure!(shown.succeeded(), "{shown}");
        drop(flood);
        Ok(())
    })
}

#[test]
fn a_key_of_the_site_opens_the_verbs_over_ssh_and_no_shell() -> Result<()> {
    let kept = tempfile::tempdir()?;
    let pair = |name: &str| -> Result<_> {
        let key = kept.path().join(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
        Ok((key.with_extension("pub"), key))
    };
    let ((known, key), (_, stranger)) = (pair("known")?, pair("stranger")?);
    let file = known.display().to_string();
    let office = Office::found("lab-ssh", &["--ssh-key", &file])?;
    let fleet = Fleet::off("lab-ssh", 1, &office.site()?)?;
    let node = fleet.node(1);
    fleet.start(node.name())?;
    fleet.until_ready(&fleet.all(), PATIENCE)?;
    let (desk, address) = (Desk::set_up(&fleet, 1)?, node.address()?);

    let shown = desk.ssh(&address, &key, &["status", "--json"])?;
    ensure!(shown.succeeded() && shown.json()?["identity"]["name"] == *node.hostname()?, "{shown}");
    let bare = desk.ssh(&address, &key, &[])?;
    ensure!(bare.succeeded() && bare.stdout().contains("ready"), "{bare}");
    for other in ["bash", "/usr/lib/openssh/sftp-server", "status; touch /run/open"] {
        desk.ssh(&address, &key, &[other])?.refuses_with(&["gives no shell"])?;
    }
    desk.ssh(&address, &key, &["status", "$(touch /run/open)"])?.refuses_with(&["unexpected"])?;
    ensure!(node.try_sh("ls /run/open")?.code != 0, "a shell read what was typed");
    let way_on = desk.ssh(&address, &key, &["-W", "127.0.0.1:22"])?;
    ensure!(!way_on.succeeded(), "{way_on}");
    desk.ssh(&address, &stranger, &["status"])?.refuses_with(&["Permission denied"])?;

    // What a recipe adds by the overlay `shell`.
    let overlay = workspace().join("overlays/shell/etc/ssh/sshd_config.d/05-ashlar-shell.conf");
    node.sh_with(
        "cat >/etc/ssh/sshd_config.d/05-ashlar-shell.conf && systemctl restart ssh",
        &std::fs::read(overlay)?,
    )?;
    let allowed = desk.ssh(&address, &key, &["echo $((6 * 7))"])?;
    ensure!(allowed.stdout() == "42\n", "{allowed}");
    fleet.consoles_are_clean()
}
