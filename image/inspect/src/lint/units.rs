//! Checks of the units in the root.

use super::Severity::Error;
use super::tree::{Kind, Tree};
use super::{Check, Findings, Subject};
use miette::IntoDiagnostic;
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "units-verify",
        severity: Error,
        rule: "systemd finds nothing wrong with any unit",
        explanation: "Every unit in the image is loaded by `systemd-analyze verify`: unknown \
                      settings, programs that are not there, ordering cycles. Complaints about \
                      Debian's own units that never run here are in the list `[verify]`, each \
                      with its reason.",
        run: units_verify,
    },
    Check {
        name: "unit-exposure",
        severity: Error,
        rule: "every ashlar-* service has an exposure of 4.0 at most, or says why not",
        explanation: "`systemd-analyze security` rates from 0 (nothing to attack) to 10. A \
                      service that needs more than 4.0 says why in its unit or in a drop-in, in a \
                      comment that begins with `# Exposure:`.",
        run: unit_exposure,
    },
    Check {
        name: "enabled-units",
        severity: Error,
        rule: "only units in the list are enabled",
        explanation: "Everything that starts on a node is in the list `[enabled]` with a reason; \
                      the preset of the base overlay disables the rest. A new one came with a \
                      package, or is your own: then add it to recipes/lint.toml.",
        run: enabled_units,
    },
    Check {
        name: "network-sockets",
        severity: Error,
        rule: "systemd opens no socket to the network but those in the list",
        explanation: "A socket unit that is wanted by something listens from boot, whether its \
                      service runs or not. Only ours may listen on a network; those are in the \
                      list `[network-sockets]`.",
        run: network_sockets,
    },
];

const UNIT_DIRECTORIES: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];
const MOST_EXPOSURE: f64 = 4.0;

/// The names of all units of some kinds that can be loaded by themselves.
fn units(tree: &Tree, kinds: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in UNIT_DIRECTORIES {
        for entry in tree.below(directory) {
            let Some(name) = entry.path.strip_prefix(directory).map(|rest| &rest[1..]) else {
                continue;
            };
            let kind = name.rsplit('.').next().unwrap_or_default();
            // Not what is in *.wants and *.d, and no template without an instance.
            if !name.contains(['/', '@']) && kinds.contains(&kind) && entry.kind != Kind::Directory
            {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// A unit and its drop-ins, as text.
fn text(tree: &Tree, unit: &str) -> miette::Result<String> {
    let mut text = String::new();
    for directory in UNIT_DIRECTORIES {
        text += &tree.text(&format!("{directory}/{unit}")).into_diagnostic()?.unwrap_or_default();
        text.push('\n');
        let drop_ins = format!("{directory}/{unit}.d");
        for entry in tree.below(&drop_ins).filter(|entry| entry.path.ends_with(".conf")) {
            text += &tree.text(&entry.path).into_diagnostic()?.unwrap_or_default();
            text.push('\n');
        }
    }
    Ok(text)
}

fn units_verify(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let kinds =
        ["automount", "mount", "path", "service", "slice", "socket", "swap", "target", "timer"];
    // It ends with an error when it complains; what it says is what counts.
    let said = subject
        .options
        .sandbox
        .script(
            "verifying the units",
            "systemd-analyze --root=/run/tree --man=no --generators=no --recursive-errors=no \
             verify \"$@\" 2>&1 || true",
        )
        .arg("sh")
        .args(units(tree, &kinds))
        .read(tree.root(), "tree")
        .run()?;
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.replace("/run/tree", "");
        if !subject.allow.verify.keys().any(|known| line.contains(known.as_str())) {
            let (unit, message) = complaint(&line);
            findings.add(unit, message);
        }
    }
    Ok(())
}

/// The unit that a complaint is about, and the complaint.
fn complaint(line: &str) -> (&str, &str) {
    match line.split_once(": ") {
        Some((unit, message)) if !unit.contains(' ') => (unit, message),
        _ => ("systemd", line),
    }
}

fn unit_exposure(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let ours: Vec<String> =
        units(tree, &["service"]).into_iter().filter(|name| name.starts_with("ashlar-")).collect();
    if ours.is_empty() {
        findings.skip("there is no ashlar-* service");
        return Ok(());
    }
    let said = subject
        .options
        .sandbox
        .command("rating the units", "systemd-analyze")
        .args(["--root=/run/tree", "--offline=true", "--no-pager", "security"])
        .args(&ours)
        .read(tree.root(), "tree")
        .run()?;
    for unit in ours {
        match exposure(&said, &unit) {
            None => findings.add(unit, "systemd does not rate it"),
            Some(rating) if rating > MOST_EXPOSURE => {
                if !text(tree, &unit)?.lines().any(|line| line.starts_with("# Exposure:")) {
                    findings.add(unit, format!("exposure {rating:.1}, and no reason for it"));
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The rating of a unit in what `systemd-analyze security` printed.
fn exposure(said: &str, unit: &str) -> Option<f64> {
    let start = format!("Overall exposure level for {unit}:");
    let rest = said.lines().find_map(|line| line.split_once(&start))?.1;
    rest.split_whitespace().next()?.parse().ok()
}

fn enabled_units(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    let said = subject
        .options
        .sandbox
        .command("listing the enabled units", "systemctl")
        .args(["--root=/run/tree", "--no-pager", "--no-legend", "--plain"])
        .args(["--state=enabled,enabled-runtime,linked", "list-unit-files"])
        .read(tree.root(), "tree")
        .run()?;
    for unit in said.lines().filter_map(|line| line.split_whitespace().next()) {
        if !subject.allow.enabled.contains_key(unit) {
            findings.add(unit, "it is enabled and not in the list");
        }
    }
    Ok(())
}

fn network_sockets(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for unit in units(tree, &["socket"]) {
        let wanted = UNIT_DIRECTORIES.iter().any(|directory| {
            tree.below(directory).any(|entry| {
                let in_wants = entry.path.contains(".wants/") || entry.path.contains(".requires/");
                in_wants && entry.path.ends_with(&format!("/{unit}"))
            })
        });
        if !wanted || subject.allow.network_sockets.contains_key(&unit) {
            continue;
        }
        for address in network_addresses(&text(tree, &unit)?) {
            findings.add(&unit, format!("it listens on {address}"));
        }
    }
    Ok(())
}

/// The addresses in a socket unit that others on the network can reach.
fn network_addresses(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| {
            matches!(key.trim(), "ListenStream" | "ListenDatagram" | "ListenSequentialPacket")
        })
        .map(|(_, address)| address.trim())
        // Paths, abstract names, virtual machine sockets, and the machine itself.
        .filter(|address| !address.is_empty() && !address.starts_with(['/', '@', '%']))
        .filter(|address| !address.starts_with("vsock:"))
        .filter(|address| !address.starts_with("127.") && !address.starts_with("[::1]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{complaint, exposure, network_addresses};

    #[test]
    fn the_rating_of_the_right_unit_is_read() {
        let said = "x\n→ Overall exposure level for ashlar-a.service: 2.2 OK 🙂\n\
                    → Overall exposure level for ashlar-ab.service: 9.4 UNSAFE 😨\n";
        assert_eq!(exposure(said, "ashlar-ab.service"), Some(9.4));
        assert_eq!(exposure(said, "ashlar-a.service"), Some(2.2));
        assert_eq!(exposure(said, "ashlar-b.service"), None);
    }

    #[test]
    fn only_what_others_can_reach_is_a_network_address() {
        let unit = "[Socket]\nListenStream=/run/x\nListenStream=22\nListenDatagram=[::]:53\n\
                    ListenStream=127.0.0.1:1\nListenStream=@abstract\nListenStream=vsock::22\nListenStream=\n";
        assert_eq!(network_addresses(unit), ["22", "[::]:53"]);
    }

    #[test]
    fn a_complaint_names_its_unit() {
        assert_eq!(complaint("a.service: Command x"), ("a.service", "Command x"));
        assert_eq!(complaint("Unit x: is masked"), ("systemd", "Unit x: is masked"));
    }
}
