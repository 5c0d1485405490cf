//! Lines of `authorized_keys`. sshd parses them itself; this finds a slip, or a
//! private key in the wrong place, before a node is shipped with it.

/// Why a line is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnSshKey {
    /// It must never leave its owner's machine.
    #[error("this is a private key; give the public one, from the file that ends in `.pub`")]
    Private,
    /// Not `type base64 [comment]`.
    #[error("expected one line of an OpenSSH `.pub` file: `ssh-ed25519 AAAA… comment`")]
    Form,
    /// A type that OpenSSH on the node refuses.
    #[error(
        "expected a key of type ssh-ed25519, ecdsa-sha2-nistp256, -384 or -521, ssh-rsa, \
         sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com"
    )]
    Type,
    /// The base64 is cut off or belongs to another type.
    #[error("the key is damaged: its base64 part does not say the same type as its first word")]
    Damaged,
}

const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Checks one public key.
///
/// # Errors
/// When it is none.
pub fn check_ssh_key(line: &str) -> Result<(), NotAnSshKey> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    if line.contains("PRIVATE KEY") {
        return Err(NotAnSshKey::Private);
    }
    if line.contains(char::is_control) {
        return Err(NotAnSshKey::Form);
    }
    let mut words = line.split(' ');
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else {
        return Err(NotAnSshKey::Form);
    };
    if !TYPES.contains(&kind) {
        return Err(NotAnSshKey::Type);
    }
    let blob = BASE64_STANDARD.decode(blob).map_err(|_| NotAnSshKey::Damaged)?;
    // RFC 4253, 6.6: a chain of length-prefixed strings, the first is the type.
    let mut rest = blob.as_slice();
    let mut first = None;
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(4).ok_or(NotAnSshKey::Damaged)?;
        let length = length.iter().fold(0, |sum: usize, byte| (sum << 8) | usize::from(*byte));
        let (part, after) = after.split_at_checked(length).ok_or(NotAnSshKey::Damaged)?;
        first.get_or_insert(part);
        rest = after;
    }
    if first == Some(kind.as_bytes()) { Ok(()) } else { Err(NotAnSshKey::Damaged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made with ssh-keygen; its private half was never kept.
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@here";

    #[test]
    fn a_line_of_a_pub_file_is_taken() {
        assert_eq!(check_ssh_key(KEY), Ok(()));
        assert_eq!(check_ssh_key(KEY.trim_end_matches(" me@here")), Ok(()));
    }

    #[test]
    fn slips_are_told_apart() {
        assert_eq!(check_ssh_key(""), Err(NotAnSshKey::Form));
        assert_eq!(check_ssh_key("ssh-dss AAAA"), Err(NotAnSshKey::Type));
        assert_eq!(check_ssh_key(&KEY[..50]), Err(NotAnSshKey::Damaged));
        assert_eq!(check_ssh_key(&KEY.replace("ssh-ed", "sk-ssh-ed")), Err(NotAnSshKey::Type));
        assert_eq!(
            check_ssh_key(&KEY.replace("ssh-ed25519", "ssh-rsa")),
            Err(NotAnSshKey::Damaged)
        );
        assert_eq!(check_ssh_key(&format!("{KEY}\nroot")), Err(NotAnSshKey::Form));
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----";
        assert_eq!(check_ssh_key(private), Err(NotAnSshKey::Private));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_check_panic(kind in prop::sample::select(&TYPES), rest: String) {
            let _ = check_ssh_key(&format!("{kind} {rest}"));
            let _ = check_ssh_key(&rest);
        }
    }
}
