//! The command line and the environment of a tool: all that decides about what
//! it sees.

use crate::EPOCH;
use crate::proxy::{self, Proxies};
use crate::sandbox::{NAMESPACE, Rights, Tool};
use std::ffi::OsString;
use std::path::Path;

/// The same for every tool, on every host and for every user. The umask of
/// whoever builds would end up in the image, as the modes of what tools make.
const UMASK: &str = "umask 022; exec \"$@\"";

const ENVIRONMENT: [(&str, &str); 7] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("TMPDIR", "/tmp"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    // The image brings its own initrd; Debian's hook would take 25 s.
    ("INITRD", "No"),
];

/// All that a file system's root may do with files, and becoming another user.
const FILES: [&str; 8] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETUID",
];

/// Mounting, `chroot`, device nodes and audit messages of package scripts.
const MOUNTS: [&str; 5] =
    ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_SETPCAP", "CAP_AUDIT_WRITE"];

/// What the sandbox gives to every tool, as a text: an input of every step.
#[must_use]
pub fn conditions() -> String {
    let lines = ENVIRONMENT.iter().map(|(name, value)| format!("{name}={value}\n"));
    format!("{}{UMASK}\nSOURCE_DATE_EPOCH={EPOCH}\n", lines.collect::<String>())
}

impl Tool<'_> {
    /// The whole command line, as it is run on the host. The environment is not
    /// on it: every user of the host can read command lines.
    pub(crate) fn argv(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = ["sh", "-c", UMASK, "ashlar"].map(OsString::from).to_vec();
        if self.sandbox.namespaced {
            argv.push("unshare".into());
            argv.extend(NAMESPACE.map(OsString::from));
        }
        let host = self.sandbox.root == Path::new("/");
        argv.extend(
            ["bwrap", "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc"]
                .map(OsString::from),
        );
        argv.extend(["--unshare-uts", "--hostname", "ashlar"].map(OsString::from));
        if !self.network {
            argv.push("--unshare-net".into());
        }
        let kept: &[&[&str]] = match self.rights {
            Rights::Files => &[&FILES],
            Rights::Mounts => &[&FILES, &MOUNTS],
            Rights::All => &[],
        };
        if !kept.is_empty() {
            argv.extend(["--cap-drop", "ALL"].map(OsString::from));
        }
        for right in kept.iter().copied().flatten() {
            argv.extend(["--cap-add", right].map(OsString::from));
        }
        argv.push("--ro-bind".into());
        argv.extend([self.sandbox.root.clone().into_os_string(), "/".into()]);
        // Debian 12's mmdebstrap expects a console, and bwrap makes none.
        argv.extend(
            ["--dev", "/dev", "--dev-bind", "/dev/null", "/dev/console", "--proc", "/proc"]
                .map(OsString::from),
        );
        for volatile in ["/tmp", "/run", "/var/tmp", "/var/cache", "/var/lib/apt"] {
            if !host || Path::new(volatile).is_dir() {
                argv.extend(["--tmpfs", volatile].map(OsString::from));
            }
        }
        if self.network {
            for file in ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"] {
                let Ok(real) = std::fs::canonicalize(file) else { continue };
                // The host's own is a link into the /run that is covered now.
                let inside = if host { real.clone().into_os_string() } else { file.into() };
                argv.extend(["--ro-bind".into(), real.into_os_string(), inside]);
            }
        }
        for bind in &self.binds {
            argv.push(if bind.writable { "--bind" } else { "--ro-bind" }.into());
            argv.extend([bind.host.clone().into_os_string(), bind.inside.clone()]);
        }
        argv.extend(["--chdir", "/", "--"].map(OsString::from));
        argv.push(self.program.clone().into());
        argv.extend(self.args.iter().cloned());
        argv
    }

    /// Nothing of the host's environment is inherited, except a proxy for apt.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let fixed = ENVIRONMENT.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let mut all: Vec<(String, String)> = fixed.collect();
        all.push(("SOURCE_DATE_EPOCH".into(), EPOCH.to_string()));
        if self.network {
            all.extend(Proxies::of_host().environment());
        }
        all.extend(self.env.iter().cloned());
        all
    }

    /// A line for a shell on the host that does the same by hand. A proxy's
    /// address may hold a password; the shell that repeats the line has it anyway.
    pub(crate) fn by_hand(&self) -> String {
        let mut words = vec!["env".to_owned(), "-i".to_owned()];
        for (name, value) in self.environment() {
            if proxy::NAMES.contains(&name.as_str()) {
                words.push(format!("{name}=\"${name}\""));
            } else {
                words.push(quoted(&format!("{name}={value}")));
            }
        }
        words.extend(self.argv().iter().map(|word| quoted(&word.to_string_lossy())));
        words.join(" ")
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sandbox;

    fn sandbox(namespaced: bool) -> Sandbox {
        Sandbox { namespaced, ..Sandbox::new(Path::new("/cache/tools")) }
    }

    fn words(tool: &Tool<'_>) -> String {
        tool.argv().iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tool_has_no_network_and_a_read_only_root_unless_it_asks() {
        let sandbox = sandbox(false);
        let tool = sandbox.command("packing", "mkfs.erofs").arg("x");
        let line = words(&tool);
        assert!(line.contains(" bwrap "), "{line}");
        assert!(line.contains("--unshare-net"), "{line}");
        assert!(line.contains("--ro-bind /cache/tools /"), "{line}");
        assert!(!line.contains("resolv.conf"), "{line}");
        assert!(line.ends_with("-- mkfs.erofs x"), "{line}");
        assert!(!words(&tool.network()).contains("--unshare-net"));
    }

    #[test]
    fn without_root_the_same_command_runs_in_a_user_namespace() {
        let sandbox = sandbox(true);
        let line = words(&sandbox.command("packing", "true"));
        assert!(line.contains(" unshare --user --map-auto --map-root-user bwrap "), "{line}");
    }

    #[test]
    fn only_what_installs_packages_may_mount() {
        let sandbox = sandbox(false);
        let line = words(&sandbox.command("packing", "true"));
        assert!(line.contains("--cap-drop ALL") && !line.contains("CAP_SYS_ADMIN"), "{line}");
        let line = words(&sandbox.command("installing", "true").mounting());
        assert!(line.contains("--cap-drop ALL") && line.contains("CAP_SYS_ADMIN"), "{line}");
        let line = words(&sandbox.command("another builder", "true").with_all_rights());
        assert!(!line.contains("--cap-drop"), "{line}");
    }

    #[test]
    fn the_environment_is_fixed_and_on_no_command_line() {
        let sandbox = sandbox(false);
        let tool = sandbox.command("packing", "true").env("A", "b");
        let all = tool.environment();
        for (name, value) in [("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("INITRD", "No"), ("A", "b")] {
            assert!(all.contains(&(name.into(), value.into())), "{name}: {all:?}");
            let given = format!("{name}={value}");
            assert!(!words(&tool).contains(&given), "{}", words(&tool));
        }
        assert!(!all.iter().any(|(name, _)| name == "USER" || name == "CARGO"), "{all:?}");
    }

    #[test]
    fn directories_are_read_only_unless_given_for_writing() {
        let sandbox = sandbox(false);
        let tool =
            sandbox.command("x", "true").read(Path::new("/a"), "in").write("/b".as_ref(), "out");
        let line = words(&tool);
        assert!(line.contains("--ro-bind /a /run/in --bind /b /run/out"), "{line}");
    }

    #[test]
    fn a_line_to_repeat_by_hand_survives_a_shell() {
        for word in ["plain", "", "it's", "a b", "$HOME", "x\ny"] {
            let line = format!("printf %s {}", quoted(word));
            let ran = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(ran.stdout).unwrap(), word);
        }
    }
}
