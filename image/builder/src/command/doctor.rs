//! `ashlar doctor`: what this host lacks, and the command that mends it.

use crate::cache_dir::CacheDir;
use crate::context::Context;
use ashlar_build::Store;
use bytesize::ByteSize;
use nix::unistd::{Uid, User};
use owo_colors::{OwoColorize, Stream};
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Say what this host lacks, and the command that mends it.
///
/// Looks, and changes nothing. The exit code is 1 when building is not possible;
/// things that only the lab or fast VMs need are told, and do not count.
///
///   ashlar doctor
///   ashlar doctor --json | jq -r .mend[]
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    cache: CacheDir,
}

/// What is not possible without something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, schemars(rename = "HostNeed"))]
pub(crate) enum Need {
    /// Building: it is required.
    Build,
    /// `ashlar lab`.
    Lab,
    /// VMs at the speed of the machine.
    Speed,
}

/// A program, the Debian package that brings it, and what it is for. QEMU, OVMF
/// and the like are missing here because the tools root brings them.
const PROGRAMS: [(&str, &str, Need, &str); 6] = [
    ("mmdebstrap", "mmdebstrap", Need::Build, "makes the tools root, which brings the rest"),
    ("bwrap", "bubblewrap", Need::Build, "runs build steps away from the host"),
    ("newuidmap", "uidmap", Need::Build, "builds without root"),
    ("systemd-nspawn", "systemd-container", Need::Lab, "runs the lab's nodes"),
    ("ip", "iproute2", Need::Lab, "connects the lab's nodes"),
    ("nft", "nftables", Need::Lab, "cuts links between the lab's nodes"),
];

/// Tools root (1.5 GB), packages, trees and images of one profile, as measured.
const ROOM: u64 = 4_500_000_000;

/// One thing looked at.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "HostCheck"))]
pub(crate) struct Check {
    /// What.
    name: &'static str,
    /// It is as it should be.
    ok: bool,
    /// What it is needed for.
    need: Need,
    /// What was found, or what is wrong.
    found: String,
    /// The Debian package that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<&'static str>,
    /// A command that mends it, when no package does.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

impl Check {
    fn good(name: &'static str, need: Need, found: impl Into<String>) -> Self {
        Self { name, ok: true, need, found: found.into(), package: None, command: None }
    }

    fn bad(name: &'static str, need: Need, found: impl Into<String>) -> Self {
        Self { ok: false, ..Self::good(name, need, found) }
    }
}

/// What `ashlar doctor --json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Diagnosis {
    /// This host can build.
    ok: bool,
    /// What was looked at.
    checks: Vec<Check>,
    /// The commands that mend what is wrong.
    mend: Vec<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, context: &Context) -> miette::Result<ExitCode> {
    let output = &context.output;
    let root = Uid::effective().is_root();
    let project = context.project().ok().map(|project| project.root().to_owned());
    let cache = Store::place(args.cache.cache_dir.as_deref()).ok();
    let checks = look(root, project.as_deref(), cache.as_deref());
    let mend = mend(&checks, root);

    for check in &checks {
        let (mark, color) = match (check.ok, check.need) {
            (true, _) => ("✓", owo_colors::AnsiColors::Green),
            (false, Need::Build) => ("✗", owo_colors::AnsiColors::Red),
            (false, _) => ("!", owo_colors::AnsiColors::Yellow),
        };
        let mark = mark.if_supports_color(Stream::Stdout, |mark| mark.color(color));
        let without = match check.need {
            _ if check.ok => "",
            Need::Build => "",
            Need::Lab => " (only the lab needs it)",
            Need::Speed => " (VMs work without it, slowly)",
        };
        output.line(format_args!("{mark} {:16} {}{without}", check.name, check.found));
    }
    let able = checks.iter().all(|check| check.ok || check.need != Need::Build);
    if !mend.is_empty() {
        output.line("\nThis mends it:\n");
        for command in &mend {
            output.line(format_args!("  {command}"));
        }
    } else if able {
        output.line("\nThis host can build and run images.");
    }
    output.json(&Diagnosis { ok: able, checks, mend })?;
    Ok(if able { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at everything.
fn look(root: bool, project: Option<&Path>, cache: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![system()];
    checks.extend(
        PROGRAMS
            .into_iter()
            // Root maps no ids.
            .filter(|(program, ..)| !(root && *program == "newuidmap"))
            .map(|(name, package, need, purpose)| match find(name) {
                Some(path) => Check::good(name, need, path.display().to_string()),
                None => Check {
                    package: Some(package),
                    ..Check::bad(name, need, format!("missing: {purpose}"))
                },
            }),
    );
    checks.push(keyring(Path::new("/usr/share/keyrings")));
    // Without these the probe would only say again that they are missing.
    let can_probe = find("bwrap").is_some() && (root || find("newuidmap").is_some());
    if can_probe {
        checks.push(sandbox(root));
    }
    checks.push(kvm(Path::new("/dev/kvm")));
    checks.extend(cache.map(|place| room("room for cache", place)));
    checks.extend(project.map(|place| room("room for images", place)));
    checks
}

/// One apt command for all packages, then what no package mends.
fn mend(checks: &[Check], root: bool) -> Vec<String> {
    let failed = || checks.iter().filter(|check| !check.ok);
    let mut packages: Vec<&str> = failed().filter_map(|check| check.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut commands = Vec::new();
    if !packages.is_empty() {
        let sudo = if root { "" } else { "sudo " };
        let packages = packages.join(" ");
        commands.push(format!(
            "{sudo}apt-get update && {sudo}apt-get install --yes --no-install-recommends {packages}"
        ));
    }
    commands.extend(failed().filter_map(|check| check.command.clone()));
    commands
}

fn system() -> Check {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let pretty = field("PRETTY_NAME=").unwrap_or_else(|| "an unknown system".to_owned());
    let (os, cpu) = (std::env::consts::OS, std::env::consts::ARCH);
    if os == "linux" && cpu == "x86_64" {
        Check::good("system", Need::Build, format!("{pretty} on {cpu}"))
    } else {
        let found = format!("{pretty} on {os} {cpu}; images are built on Linux, x86_64");
        Check::bad("system", Need::Build, found)
    }
}

/// Debian's archive keys, those of trixie among them: Debian 12's package has
/// them since 2023.3+deb12u2, other distributions' packages often do not.
fn keyring(folder: &Path) -> Check {
    let name = "archive keys";
    let has = |file: &str| {
        ["gpg", "pgp"].iter().any(|end| folder.join(file).with_extension(end).is_file())
    };
    if has("debian-archive-keyring.gpg") && has("debian-archive-trixie-automatic.gpg") {
        return Check::good(name, Need::Build, "Debian 13's are here");
    }
    let found = if has("debian-archive-keyring.gpg") {
        "debian-archive-keyring is too old: it has no keys of Debian 13 (trixie)"
    } else {
        "missing: Debian's archive is checked against them"
    };
    Check { package: Some("debian-archive-keyring"), ..Check::bad(name, Need::Build, found) }
}

/// Tries what a build step does: a sandbox, as root or in a user namespace.
fn sandbox(root: bool) -> Check {
    let name = "sandbox";
    let mut command = if root {
        Command::new("bwrap")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-auto", "--map-root-user", "bwrap"]);
        command
    };
    command.args(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]);
    command.args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"]);
    let ran = command.stdin(Stdio::null()).output();
    let trouble = match ran {
        Ok(ran) if ran.status.success() => {
            let how = if root { "as root" } else { "without root, in a user namespace" };
            return Check::good(name, Need::Build, format!("works {how}"));
        }
        Ok(ran) => String::from_utf8_lossy(&ran.stderr).trim().replace('\n', "; "),
        Err(error) => error.to_string(),
    };
    let found = format!("build steps cannot be isolated: {trouble}");
    Check { command: sandbox_remedy(root), ..Check::bad(name, Need::Build, found) }
}

fn sandbox_remedy(root: bool) -> Option<String> {
    if root {
        return None;
    }
    let user = User::from_uid(Uid::effective()).ok().flatten()?.name;
    let [uids, gids] = ["/etc/subuid", "/etc/subgid"]
        .map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let listed =
        |ranges: &str| ranges.lines().any(|line| line.split(':').next() == Some(user.as_str()));
    if !listed(&uids) || !listed(&gids) {
        let first = free_ids(&[&uids, &gids].map(String::as_str));
        let range = format!("{first}-{}", first.saturating_add(65_535));
        return Some(format!("sudo usermod --add-subuids {range} --add-subgids {range} {user}"));
    }
    // Debian's and Ubuntu's own switches; absent elsewhere.
    [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("user.max_user_namespaces", "0", "15000"),
    ]
    .into_iter()
    .find(|(switch, closed, _)| {
        let path = format!("/proc/sys/{}", switch.replace('.', "/"));
        std::fs::read_to_string(path).is_ok_and(|value| value.trim() == *closed)
    })
    .map(|(switch, _, open)| format!("sudo sysctl {switch}={open}"))
}

/// The first id after every range of `/etc/subuid` and `/etc/subgid`: two users
/// with the same ids could read each other's files.
fn free_ids(files: &[&str]) -> u32 {
    let end = |line: &str| {
        let mut numbers = line.split(':').skip(1).map(str::parse::<u32>);
        Some(numbers.next()?.ok()?.saturating_add(numbers.next()?.ok()?))
    };
    files.iter().flat_map(|text| text.lines()).filter_map(end).max().unwrap_or(0).max(100_000)
}

/// The device only; whether it really runs a kernel is tried with the first VM.
fn kvm(device: &Path) -> Check {
    let name = "KVM";
    match std::fs::File::options().read(true).write(true).open(device) {
        Ok(_) => Check::good(name, Need::Speed, "opens; the first VM tries whether it works"),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Check {
            command: Some("sudo usermod --append --groups kvm $USER   # then log in anew".into()),
            ..Check::bad(name, Need::Speed, format!("{} is not yours to open", device.display()))
        },
        Err(_) => Check::bad(name, Need::Speed, "this machine offers no hardware virtualisation"),
    }
}

fn room(name: &'static str, place: &Path) -> Check {
    // What is not there yet will be made in the nearest folder that is.
    let there = place.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let free = match nix::sys::statvfs::statvfs(there) {
        Ok(disk) => disk.fragment_size().saturating_mul(disk.blocks_available()),
        Err(error) => {
            return Check::bad(name, Need::Build, format!("{}: {error}", there.display()));
        }
    };
    let found = format!("{} free in {}", ByteSize(free), there.display());
    if free >= ROOM {
        Check::good(name, Need::Build, found)
    } else {
        Check::bad(name, Need::Build, format!("{found}; a build needs {}", ByteSize(ROOM)))
    }
}

/// A program in `PATH`, or in the folders that only root's `PATH` has.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lacking(package: &'static str, need: Need) -> Check {
        Check { package: Some(package), ..Check::bad("x", need, "missing") }
    }

    #[test]
    fn one_apt_command_mends_all_that_packages_can() {
        let checks = [
            lacking("mmdebstrap", Need::Build),
            Check::good("ok", Need::Build, "here"),
            lacking("bubblewrap", Need::Build),
            lacking("mmdebstrap", Need::Build),
            Check { command: Some("then this".into()), ..Check::bad("y", Need::Speed, "z") },
        ];
        assert_eq!(
            mend(&checks, false),
            [
                "sudo apt-get update && sudo apt-get install --yes --no-install-recommends \
                 bubblewrap mmdebstrap",
                "then this"
            ]
        );
        assert!(mend(&checks, true)[0].starts_with("apt-get update && apt-get install"));
        assert!(mend(&checks[1..2], true).is_empty());
    }

    #[test]
    fn every_package_that_may_be_lacking_is_in_the_setup_list() {
        let list = include_str!("../../../../.ci/packages.debian");
        let listed: Vec<&str> = list
            .lines()
            .filter_map(|line| line.split('#').next()?.split_whitespace().next())
            .collect();
        for (_, package, ..) in PROGRAMS {
            assert!(listed.contains(&package), "{package}");
        }
        assert!(listed.contains(&"debian-archive-keyring"));
    }

    #[test]
    fn keys_without_those_of_trixie_are_too_old() {
        let dir = tempfile::tempdir().unwrap();
        assert!(keyring(dir.path()).found.starts_with("missing"));
        std::fs::write(dir.path().join("debian-archive-keyring.gpg"), "").unwrap();
        assert!(keyring(dir.path()).found.contains("too old"));
        std::fs::write(dir.path().join("debian-archive-trixie-automatic.pgp"), "").unwrap();
        assert!(keyring(dir.path()).ok);
    }

    #[test]
    fn ids_of_other_users_are_not_given_away_again() {
        assert_eq!(free_ids(&["", "# none\n"]), 100_000);
        assert_eq!(
            free_ids(&["ann:100000:65536\nbob:165536:65536\n", "ann:100000:65536"]),
            231_072
        );
    }

    #[test]
    fn a_missing_kvm_is_told_and_does_not_stop_a_build() {
        let check = kvm(Path::new("/nonexistent/kvm"));
        assert!(!check.ok && check.need == Need::Speed);
    }

    #[test]
    fn room_is_measured_where_the_folder_will_be() {
        let dir = tempfile::tempdir().unwrap();
        let check = room("room", &dir.path().join("not/yet"));
        assert!(check.found.contains(&dir.path().display().to_string()), "{}", check.found);
    }
}
