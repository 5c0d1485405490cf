//! Checks that an image holds nothing that belongs to one node, one site or one
//! person.

use super::Severity::{Error, Warning};
use super::{Check, Findings, Subject};
use crate::tree::Kind;
use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use miette::IntoDiagnostic;
use zeroize::Zeroizing;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "site-secrets",
        severity: Error,
        rule: "no secret of any site in keys/ is anywhere in the image",
        explanation: "The ring key of every site in the project's keys/ (as bytes, base64 and \
                      hexadecimal) and every private key there are searched for in all files of \
                      the root, in the boot partition, the UKI, its unpacked initrd and the seed. \
                      An image goes to many hands; a site's key makes anyone a member of that \
                      cluster. Sites reach nodes by the seed of a copy, never by the image.",
        run: site_secrets,
    },
    Check {
        name: "ssh-host-keys",
        severity: Error,
        rule: "no ssh host key is in the image",
        explanation: "A host key in an image is the same on every node, and public. Nodes make \
                      their own on first boot; remove what openssh-server's package made.",
        run: ssh_host_keys,
    },
    Check {
        name: "machine-id",
        severity: Error,
        rule: "/etc/machine-id is empty",
        explanation: "Two nodes with one machine id get the same DHCP lease and mix their \
                      journals. The file must be there and empty (or say `uninitialized`), so \
                      that systemd makes one on first boot.",
        run: machine_id,
    },
    Check {
        name: "password-hashes",
        severity: Error,
        rule: "no account has a password, and none is open without one",
        explanation: "There is no default password: every account in /etc/shadow is locked (`!` \
                      or `*`), and /etc/passwd refers to it. A hash in an image can be broken at \
                      leisure and then opens every node.",
        run: password_hashes,
    },
    Check {
        name: "private-keys",
        severity: Warning,
        rule: "no private key lies in the root",
        explanation: "A PEM file with a private key in an image is shared by all nodes and known \
                      to whoever has the image. Test keys that packages bring for their own \
                      documentation are harmless; all others are made on the node.",
        run: private_keys,
    },
];

/// Something that must not be in an image, and whose it is.
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
    what: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("what", &self.what).finish_non_exhaustive()
    }
}

impl Secret {
    /// A key in every form that it is written in: bytes, both alphabets of base64,
    /// and hexadecimal. `what` names it in findings.
    #[must_use]
    pub fn key(key: &[u8], what: &str) -> Vec<Self> {
        let texts = [
            BASE64_STANDARD_NO_PAD.encode(key),
            BASE64_URL_SAFE_NO_PAD.encode(key),
            hex::encode(key),
            hex::encode_upper(key),
        ];
        let texts = texts.map(String::into_bytes);
        std::iter::once(key.to_vec()).chain(texts).map(|bytes| Self::new(bytes, what)).collect()
    }

    /// The lines of a PEM private key, and its bytes; nothing if `text` is none.
    #[must_use]
    pub fn private_key(text: &[u8], what: &str) -> Vec<Self> {
        let Ok(text) = std::str::from_utf8(text) else { return Vec::new() };
        if !text.contains("PRIVATE KEY-----") {
            return Vec::new();
        }
        // The first line of a PEM body is mostly the algorithm's name, alike in all
        // keys; those after it are not.
        let body: Vec<&str> = text.lines().filter(|line| !line.contains("-----")).collect();
        let lines = body.iter().skip(1).filter(|line| line.len() >= 40);
        let mut found: Vec<Self> =
            lines.map(|line| Self::new(line.as_bytes().to_vec(), what)).collect();
        let whole = Zeroizing::new(body.concat());
        if let Ok(bytes) = BASE64_STANDARD_NO_PAD.decode(whole.trim_end_matches('=')) {
            found.push(Self::new(bytes, what));
        }
        found
    }

    fn new(bytes: Vec<u8>, what: &str) -> Self {
        Self { bytes: Zeroizing::new(bytes), what: what.to_owned() }
    }
}

fn site_secrets(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let needles = &subject.options.secrets;
    if needles.is_empty() {
        findings.skip("there are no sites in keys/");
        return Ok(());
    }
    let patterns = needles.iter().map(|needle| needle.bytes.as_slice());
    let search = AhoCorasick::new(patterns).into_diagnostic()?;
    let mut look = |place: &str, bytes: &[u8]| {
        if let Some(found) = search.find(bytes) {
            findings.add(place, needles[found.pattern().as_usize()].what.as_str());
        }
    };

    for report in &subject.image.inspection.partitions {
        let label = &report.partition.label;
        // The root is compressed: its files are searched below.
        let searched = !label.starts_with("root") && !label.starts_with("verity");
        let mut tail = Vec::new();
        for chunk in subject.image.disk.chunks(&report.partition).take_while(|_| searched) {
            // A secret may lie across two chunks.
            tail.extend(chunk.into_diagnostic()?);
            look(label, &tail);
            tail.drain(..tail.len().saturating_sub(4096));
        }
    }
    for file in subject.image.inspection.ukis() {
        let initrd = subject.initrd(file)?;
        look(&format!("{} (initrd)", file.path), &initrd);
    }
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries().iter().filter(|entry| entry.kind == Kind::File) {
        let bytes = std::fs::read(tree.on_host(&entry.path)).into_diagnostic()?;
        if let Some(found) = search.find(&bytes) {
            findings.add(&entry.path, needles[found.pattern().as_usize()].what.as_str());
        }
    }
    Ok(())
}

fn ssh_host_keys(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries() {
        let name = entry.path.rsplit('/').next().unwrap_or_default();
        if name.starts_with("ssh_host_") && name.contains("_key") {
            findings.add(&entry.path, "a host key is made by each node for itself");
        }
    }
    Ok(())
}

fn machine_id(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        let text = tree.text(path).into_diagnostic()?;
        let id = text.as_deref().unwrap_or_default().trim();
        if !id.is_empty() && id != "uninitialized" {
            findings.add(path, "it holds an id");
        }
    }
    if !tree.exists("/etc/machine-id") {
        findings
            .add("/etc/machine-id", "it is missing; systemd cannot make it on a read-only root");
    }
    Ok(())
}

fn password_hashes(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for (path, file) in
        [("/etc/passwd", "passwd"), ("/etc/shadow", "shadow"), ("/etc/gshadow", "gshadow")]
    {
        for line in tree.text(path).into_diagnostic()?.unwrap_or_default().lines() {
            if let Some(why) = open_account(line, file) {
                let account = line.split(':').next().unwrap_or_default();
                findings.add(path, format!("{account} {why}"));
            }
        }
    }
    Ok(())
}

/// What is wrong with a line of passwd, shadow or gshadow.
fn open_account(line: &str, file: &str) -> Option<&'static str> {
    let password = line.split(':').nth(1)?;
    match (file, password) {
        // A group without a password lets nobody in but its members.
        ("gshadow", "") => None,
        (_, "") => Some("has an empty password"),
        ("passwd", "x") => None,
        (_, locked) if locked.trim_start_matches(['!', '*']).is_empty() => None,
        ("passwd", _) => Some("has a password in a file that everybody can read"),
        // `!hash` is locked, but the hash is there to be broken.
        _ => Some("has a password hash"),
    }
}

fn private_keys(subject: &Subject, findings: &mut Findings) -> miette::Result<()> {
    let Some(tree) = subject.tree(findings) else { return Ok(()) };
    for entry in tree.entries().iter().filter(|entry| entry.kind == Kind::File) {
        let path = tree.on_host(&entry.path);
        if std::fs::metadata(&path).into_diagnostic()?.len() > 1 << 16 {
            continue;
        }
        let bytes = std::fs::read(&path).into_diagnostic()?;
        let text = String::from_utf8_lossy(&bytes);
        let begins =
            |line: &str| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----");
        if text.lines().take(200).any(begins) {
            findings.add(&entry.path, "a private key");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Secret, open_account};

    #[test]
    fn locked_accounts_pass_and_all_others_do_not() {
        for locked in ["root:*:1::::::", "x:!:1", "y:!!:1", "z:!*:1"] {
            assert_eq!(open_account(locked, "shadow"), None, "{locked}");
        }
        for open in ["root::1", "x:$y$j9T$abc:1", "y:!$6$abc:1"] {
            assert!(open_account(open, "shadow").is_some(), "{open}");
        }
        assert_eq!(open_account("root:x:0:0", "passwd"), None);
        assert!(open_account("root:$1$x:0:0", "passwd").is_some());
        assert!(open_account("root::0:0", "passwd").is_some());
        assert_eq!(open_account("docker::root:", "gshadow"), None);
    }

    #[test]
    fn a_key_is_searched_for_in_every_form_that_it_is_written_in() {
        let forms = Secret::key(&[0xfb; 32], "x");
        let texts: Vec<_> =
            forms.iter().map(|n| String::from_utf8_lossy(&n.bytes).into_owned()).collect();
        assert!(texts[1].starts_with("+/v7"), "{}", texts[1]);
        assert!(texts[2].starts_with("-_v7"), "{}", texts[2]);
        assert!(texts[3].starts_with("fbfb"), "{}", texts[3]);
        assert_eq!(*forms[0].bytes, vec![0xfb; 32]);
    }

    #[test]
    fn certificates_are_no_secrets_and_private_keys_are() {
        assert!(Secret::private_key(b"-----BEGIN CERTIFICATE-----\nAAAA\n", "x").is_empty());
        let line = "A".repeat(64);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----\n");
        assert_eq!(Secret::private_key(pem.as_bytes(), "x").len(), 2);
    }
}
