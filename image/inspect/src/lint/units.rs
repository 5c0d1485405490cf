//! Checks of the units in the root.

use super::Severity::Error;
use super::{Check, Findings, Subject};
use crate::unit_files;
use miette::IntoDiagnostic;

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

const MOST_EXPOSURE: f64 = 4.0;

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
        .args(unit_files::all(tree, &kinds))
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
    let ours: Vec<String> = unit_files::all(tree, &["service"])
        .into_iter()
        .filter(|name| name.starts_with("ashlar-"))
        .collect();
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
                let text = unit_files::text(tree, &unit).into_diagnostic()?;
                if !text.lines().any(|line| line.starts_with("# Exposure:")) {
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
    for unit in unit_files::all(tree, &["socket"]) {
        if !unit_files::is_wanted(tree, &unit) || subject.allow.network_sockets.contains_key(&unit)
        {
            continue;
        }
        let text = unit_files::text(tree, &unit).into_diagnostic()?;
        for address in unit_files::network_addresses(&text) {
            findings.add(&unit, format!("it listens on {address}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{complaint, exposure};

    #[test]
    fn the_rating_of_the_right_unit_is_read() {
        let said = "x\n→ Overall exposure level for ashlar-a.service: 2.2 OK 🙂\n\
                    → Overall exposure level for ashlar-ab.service: 9.4 UNSAFE 😨\n";
        assert_eq!(exposure(said, "ashlar-ab.service"), Some(9.4));
        assert_eq!(exposure(said, "ashlar-a.service"), Some(2.2));
        assert_eq!(exposure(said, "ashlar-b.service"), None);
    }

    #[test]
    fn a_complaint_names_its_unit() {
        assert_eq!(complaint("a.service: Command x"), ("a.service", "Command x"));
        assert_eq!(complaint("Unit x: is masked"), ("systemd", "Unit x: is masked"));
    }
}
