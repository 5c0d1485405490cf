//! Checks of the files in the root: who may do what with them, and what should
//! not be there at all.

use super::Severity::{Error, Warning};
use super::{Check, Findings, Subject};
use crate::tree::Kind;
use miette::IntoDiagnostic;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "world-writable",
        severity: Error,
        rule: "nothing is writable for everybody, except directories with the sticky bit",
        explanation: "The root is read-only on a node, but /etc is an overlay and /var is copied \
                      from here: a file that everybody may write is one that a container or a \
                      service without privileges may change.",
        run: world_writable,
    },
    Check {
        name: "setuid",
        severity: Error,
        rule: "only known files change the user or group that they run as",
        explanation: "Each set-user-id program is a way to become root. Those that stay are in \
                      the list `[setuid]` with a reason. A new one came with a package: leave the \
                      package or the bit out, or add it to recipes/lint.toml with a reason.",
        run: setuid,
    },
    Check {
        name: "file-capabilities",
        severity: Error,
        rule: "only known files have capabilities of their own",
        explanation: "A file with capabilities gives them to whoever runs it, as setuid does. \
                      Those that stay are in the list `[capabilities]` with a reason.",
        run: file_capabilities,
    },
    Check {
        name: "dangling-units",
        severity: Error,
        rule: "no link in /etc/systemd leads nowhere",
        explanation: "A link to a unit that is not in the image is a unit that somebody believes \
                      is enabled. systemd ignores it silently.",
        run: dangling_units,
    },
    Check {
        name: "build-leftovers",
        severity: Error,
        rule: "nothing of the build itself is left in the image",
        explanation: "Package lists, logs of dpkg and apt, the linker's auxiliary cache and \
                      backups of account files are of no use on a node, and differ from build to \
                      build, so that two builds of one lock would not be alike.",
        run: build_leftovers,
    },
    Check {
        name: "var-empty",
        severity: Error,
        rule: "no file is in /var",
        explanation: "On a node /var is the state partition, laid over what the image has there: \
                      a file in the image's /var is space spent on something that nobody will \
                      ever see. Make it with tmpfiles.d instead, or move it to /usr.",
        run: var_empty,
    },
    Check {
        name: "licences-kept",
        severity: Warning,
        rule: "the copyright file of every package is in the image",
        explanation: "Most licences ask that their text goes with the program. Documentation may \
                      be left out of an image to save room; /usr/share/doc/*/copyright may not.",
        run: licences_kept,
    },
];

/// Where the build leaves things, and what it is.
const LEFTOVERS: &[(&str, &str)] = &[
    ("/etc/group-", "a backup of an account file"),
    ("/etc/gshadow-", "a backup of an account file"),
    ("/etc/passwd-", "a backup of an account file"),
    ("/etc/shadow-", "a backup of an account file"),
    ("/etc/subgid-", "a backup of an account file"),
    ("/etc/subuid-", "a backup of an account file"),
    ("/etc/apt/apt.conf.d/99mmdebstrap", "a setting of the bootstrap"),
    ("/etc/resolv.conf.mmdebstrap", "the build host's"),
    ("/root/.bash_history", "somebody's history"),
    ("/var/cache/ldconfig/aux-cache", "it differs from build to build"),
    ("/var/cache/debconf/config.dat-old", "a backup"),
    ("/var/cache/debconf/templates.dat-old", "a backup"),
];

/// Directories that must be empty.
const EMPTY: &[(&str, &str)] = &[
    ("/boot", "kernel and initrd are in the UKI"),
    ("/run", "it is a file system in memory"),
    ("/tmp", "it is a file system in memory"),
    ("/var/cache/apt", "apt's lists and packages"),
    ("/var/lib/apt/lists", "apt's lists"),
    ("/var/log", "a log of the build"),
    ("/var/tmp", "a temporary file of the build"),
];

fn world_writable(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries() {
        let sticky = entry.kind == Kind::Directory && entry.mode & 0o1000 != 0;
        if entry.kind != Kind::Link && entry.mode & 0o002 != 0 && !sticky {
            findings.add(&entry.path, format!("mode {:04o}", entry.mode));
        }
    }
    Ok(())
}

fn setuid(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries() {
        let special = entry.kind == Kind::File && entry.mode & 0o6000 != 0;
        if special && !subject.allow.setuid.contains_key(&entry.path) {
            findings.add(&entry.path, format!("mode {:04o} is not in the list", entry.mode));
        }
    }
    Ok(())
}

fn file_capabilities(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries().iter().filter(|entry| entry.kind == Kind::File) {
        let names = xattr::list(tree.on_host(&entry.path)).into_diagnostic()?;
        let has = names.into_iter().any(|name| name == "security.capability");
        if has && !subject.allow.capabilities.contains_key(&entry.path) {
            findings.add(&entry.path, "its capabilities are not in the list");
        }
    }
    Ok(())
}

fn dangling_units(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.below("/etc/systemd").filter(|entry| entry.kind == Kind::Link) {
        let target = std::fs::read_link(tree.on_host(&entry.path)).into_diagnostic()?;
        // A unit that is masked names the device, which only a running system has.
        let masked = target.as_os_str() == "/dev/null";
        if !masked && !tree.exists(&entry.path) {
            findings.add(&entry.path, format!("{} is not in the image", target.display()));
        }
    }
    Ok(())
}

fn build_leftovers(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries() {
        if let Some((_, what)) = LEFTOVERS.iter().find(|(path, _)| *path == entry.path) {
            findings.add(&entry.path, *what);
        }
    }
    for (directory, what) in EMPTY {
        for entry in tree.below(directory).filter(|entry| entry.kind != Kind::Directory) {
            if !subject.allow.in_var(&entry.path) {
                findings.add(&entry.path, *what);
            }
        }
    }
    Ok(())
}

fn var_empty(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.below("/var").filter(|entry| entry.kind == Kind::File) {
        if !subject.allow.in_var(&entry.path) {
            findings.add(&entry.path, "it is hidden by the state partition");
        }
    }
    Ok(())
}

fn licences_kept(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(packages) = subject.packages()? else {
        findings.skip("the list of packages is not in the image");
        return Ok(());
    };
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for package in packages {
        let path = format!("/usr/share/doc/{}/copyright", package.name);
        if !tree.exists(&path) && !subject.allow.without_copyright.contains_key(&package.name) {
            findings.add(path, "it is missing");
        }
    }
    Ok(())
}
