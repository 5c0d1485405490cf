//! As much of OpenPGP (RFC 9580) as it takes to tell which key a file holds and
//! which keys signed something. Whether a signature is good is apt's affair.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Packet types.
const SIGNATURE: u8 = 2;
const PUBLIC_KEY: u8 = 6;
const PUBLIC_SUBKEY: u8 = 14;

/// The certificates in a key file: of each, its own fingerprint, and then those
/// of its subkeys. Upper-case hexadecimal.
#[must_use]
pub fn fingerprints(file: &[u8]) -> Vec<Vec<String>> {
    let mut certificates: Vec<Vec<String>> = Vec::new();
    for (kind, body) in packets(&dearmoured(file)) {
        match (kind, fingerprint(body)) {
            (PUBLIC_KEY, Some(fingerprint)) => certificates.push(vec![fingerprint]),
            (PUBLIC_SUBKEY, Some(fingerprint)) => {
                if let Some(certificate) = certificates.last_mut() {
                    certificate.push(fingerprint);
                }
            }
            _ => {}
        }
    }
    certificates
}

/// The fingerprints of the keys that signatures say they are of. `file` is a
/// detached signature or a clear-signed text, such as an archive's `InRelease`.
#[must_use]
pub fn signers(file: &[u8]) -> Vec<String> {
    let bytes = dearmoured(file);
    let signatures = packets(&bytes).into_iter().filter(|(kind, _)| *kind == SIGNATURE);
    signatures.filter_map(|(_, body)| issuer(body)).collect()
}

/// Whether a file is text armour and not bare packets.
#[must_use]
pub fn is_armoured(file: &[u8]) -> bool {
    file.starts_with(b"-----BEGIN PGP ")
}

/// The packets of a file, whatever it is wrapped in. All armoured blocks of a
/// file are read, and clear-signed text between them is not.
fn dearmoured(file: &[u8]) -> Vec<u8> {
    if !is_armoured(file) {
        return file.to_vec();
    }
    let text = String::from_utf8_lossy(file);
    let mut bytes = Vec::new();
    for block in text.split("-----BEGIN PGP ").skip(1) {
        if block.starts_with("SIGNED MESSAGE") {
            continue;
        }
        let lines = block.lines().skip_while(|line| !line.trim().is_empty());
        let body: String = lines
            .skip(1)
            .map(str::trim)
            // A line that starts so is the checksum.
            .take_while(|line| !line.starts_with('=') && !line.starts_with("-----"))
            .collect();
        bytes.extend(STANDARD.decode(body).unwrap_or_default());
    }
    bytes
}

/// Type and body of each packet; what cannot be read ends the list.
fn packets(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((kind, body, after)) = packet(rest) {
        found.push((kind, body));
        rest = after;
    }
    found
}

fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
    let (kind, octets, length) = if tag & 0x40 != 0 {
        let first = *rest.first()?;
        match first {
            0..192 => (tag & 0x3f, 1, usize::from(first)),
            192..224 => {
                let second = usize::from(*rest.get(1)?);
                (tag & 0x3f, 2, ((usize::from(first) - 192) << 8) + second + 192)
            }
            255 => (tag & 0x3f, 5, number(rest.get(1..5)?)),
            // Partial lengths are for data, which no key file holds.
            _ => return None,
        }
    } else {
        let octets = match tag & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        ((tag >> 2) & 0xf, octets, number(rest.get(..octets)?))
    };
    let body = rest.get(octets..octets.checked_add(length)?)?;
    Some((kind, body, rest.get(octets + length..)?))
}

fn fingerprint(key: &[u8]) -> Option<String> {
    let digest = match key.first()? {
        4 => {
            let length = u16::try_from(key.len()).ok()?.to_be_bytes();
            let hash = Sha1::new().chain_update([0x99]).chain_update(length).chain_update(key);
            hash.finalize().to_vec()
        }
        6 => {
            let length = u32::try_from(key.len()).ok()?.to_be_bytes();
            let hash = Sha256::new().chain_update([0x9b]).chain_update(length).chain_update(key);
            hash.finalize().to_vec()
        }
        _ => return None,
    };
    Some(hex::encode_upper(digest))
}

/// The issuer fingerprint (subpacket 33) of a signature's hashed part.
fn issuer(signature: &[u8]) -> Option<String> {
    let (octets, start) = match signature.first()? {
        4 => (2, 4),
        6 => (4, 4),
        _ => return None,
    };
    let length = signature.get(start..start + octets)?;
    let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
    let mut area = signature.get(start + octets..(start + octets).checked_add(length)?)?;
    while let Some(&first) = area.first() {
        let (octets, length): (usize, usize) = match first {
            0..192 => (1, usize::from(first)),
            192..255 => (2, ((usize::from(first) - 192) << 8) + usize::from(*area.get(1)?) + 192),
            255 => {
                let length = area.get(1..5)?;
                (5, length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
            }
        };
        let subpacket = area.get(octets..octets.checked_add(length)?)?;
        // The first octet is the type, with a bit for "critical"; then the
        // version of the key.
        if let [kind, _, fingerprint @ ..] = subpacket
            && kind & 0x7f == 33
        {
            return Some(hex::encode_upper(fingerprint));
        }
        area = area.get(octets + length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `gpg --quick-generate-key` for this test; nothing trusts it.
    const KEY: &[u8] = include_bytes!("../tests/golden/vendor.asc");
    const FINGERPRINT: &str = include_str!("../tests/golden/vendor.fingerprint");
    const SIGNED: &[u8] = include_bytes!("../tests/golden/InRelease");

    #[test]
    fn a_key_file_tells_the_fingerprint_that_gpg_tells() {
        let found = fingerprints(KEY);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0][0], FINGERPRINT.trim());
        let bare = dearmoured(KEY);
        assert!(!is_armoured(&bare));
        assert_eq!(fingerprints(&bare), found);
    }

    #[test]
    fn a_signed_release_tells_who_signed_it() {
        assert_eq!(signers(SIGNED), [FINGERPRINT.trim()]);
    }

    #[test]
    fn what_is_no_key_has_no_fingerprint() {
        for text in ["", "-----BEGIN PGP PUBLIC KEY BLOCK-----", "\u{99}\u{0}", "hello"] {
            assert!(fingerprints(text.as_bytes()).is_empty(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = (fingerprints(&bytes), signers(&bytes));
        }

        #[test]
        fn a_damaged_key_makes_no_panic(at in 0..1000_usize, byte: u8) {
            let mut key = dearmoured(KEY);
            let place = at % key.len();
            key[place] = byte;
            let _ = (fingerprints(&key), signers(&key));
        }
    }
}
