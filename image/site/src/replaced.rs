//! A site whose ring key is replaced.

use crate::{RingKey, Site};
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

/// So many keys of before are kept in mind: disks of all but the oldest boxes.
const MOST: usize = 32;

impl Site {
    /// How the keys that it had before are called where everybody hears it, the newest
    /// first; see [`RingKey::replaced_mark`].
    #[must_use]
    pub fn replaced_marks(&self) -> Vec<String> {
        self.former_keys.iter().map(|tag| replaced_mark(tag)).collect()
    }
}

/// By a hash of its tag as `former-keys` has it, so that nobody learns how disks are known.
pub(crate) fn replaced_mark(former: &str) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::new().chain_update(b"ashlar: a ring key that was replaced\n");
    let hash = hex::encode(hash.chain_update(former).finalize());
    hash.chars().take(16).collect()
}

/// The text of a site file with another ring key, by which disks of the old one are still
/// known, and everything else in it as it was, a person's comments too. Nothing changes
/// where the old key does not stand as we write keys: whoever asks has to look.
#[must_use]
pub fn with_ring_key(text: &str, old: &RingKey, new: &RingKey) -> Zeroizing<String> {
    let [before, after] =
        [old, new].map(|key| Zeroizing::new(BASE64_STANDARD.encode(key.as_bytes())));
    let text = Zeroizing::new(text.replace(before.as_str(), &after));
    if old == new {
        return text;
    }
    let own = hex::encode(old.disk_tag());
    let is_ours = |line: &str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        key == "former-keys" && line.trim_end().ends_with(']')
    };
    // Room for all of it at once: a string that grows leaves a copy of the key behind.
    let room = MOST * (own.len() + 4) + 20;
    let mut lines = Zeroizing::new(String::with_capacity(text.len() + 1 + room));
    let (mut top, mut place) = (true, None);
    let mut known = vec![own.clone()];
    for line in text.lines() {
        top &= !line.trim_start().starts_with('[');
        if top && is_ours(line) {
            let tags = line.split('"').skip(1).step_by(2).filter(|tag| *tag != own);
            known.extend(tags.map(str::to_owned));
            continue;
        }
        lines.push_str(line);
        lines.push('\n');
        if top && place.is_none() && line.contains(after.as_str()) {
            place = Some(lines.len());
        }
    }
    // Its key stands elsewhere, or in another form.
    let Some(place) = place else { return text };
    known.truncate(MOST);
    lines.insert_str(place, &format!("former-keys = [\"{}\"]\n", known.join("\", \"")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_replaced_key_leaves_the_rest_of_a_site_as_it_was_and_is_remembered_by_a_hash() {
        let keys = [1, 2, 3].map(|byte| RingKey::new([byte; 32]));
        let plain = Site::new("shop", keys[0].clone()).to_toml().unwrap();
        let text = format!("# Of the mall.\n{}\n[people]\n# nobody\n", plain.as_str());
        let second = with_ring_key(&text, &keys[0], &keys[1]);
        let third = with_ring_key(&second, &keys[1], &keys[2]);
        let site = Site::parse(&third, Path::new("site.toml")).unwrap();
        assert_eq!(site.ring_key, keys[2]);
        let tags = [&keys[1], &keys[0]].map(|key| hex::encode(key.disk_tag()));
        assert_eq!(site.former_keys, tags);
        assert!(third.starts_with("# Of the mall.\n") && third.contains("# nobody"));
        // One that was cut and is done again.
        assert_eq!(*with_ring_key(&third, &keys[2], &keys[2]), *third);
        let marks = site.replaced_marks();
        assert!(
            marks.contains(&keys[0].replaced_mark()) && marks.contains(&keys[1].replaced_mark())
        );
        assert!(!marks.contains(&keys[2].replaced_mark()), "that one is in use");
        assert!(marks.iter().all(|mark| mark.len() == 16 && !tags.contains(mark)), "{marks:?}");
        let unlike = with_ring_key(&text, &keys[1], &keys[2]);
        assert_eq!(*unlike, text, "that was not its key");
        let unlike = with_ring_key(&third, &keys[0], &keys[1]);
        assert_eq!(*unlike, *third, "and what it was before is not forgotten");
    }
}
