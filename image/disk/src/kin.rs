//! Which site a disk was written for. The first half of the id of its boot partition
//! is its own, the second half is its site's: so a stick knows a disk that it made,
//! whatever the firmware remembers. A hash of the ring key, of which nothing leads
//! back to the key.

use ashlar_site::Site;
use std::path::Path;
use uuid::{Builder, Uuid};

/// The id of a new boot partition of a disk of this site; of any, if this is none.
pub(crate) fn id(site: &[u8]) -> Uuid {
    let parsed = std::str::from_utf8(site).ok();
    let parsed = parsed.and_then(|text| Site::parse(text, Path::new("site.toml")).ok());
    parsed.map_or_else(Uuid::new_v4, |site| with_half(Uuid::new_v4(), site.ring_key.disk_tag()))
}

/// Whether the boot partition with this id was made for this site, under the key that it
/// has or one that it had.
#[must_use]
pub fn is_of(site: &Site, partition: &str) -> bool {
    let tag = |text: &String| <[u8; 8]>::try_from(hex::decode(text).ok()?).ok();
    let mut tags = site.former_keys.iter().filter_map(tag).chain([site.ring_key.disk_tag()]);
    Uuid::parse_str(partition).is_ok_and(|id| tags.any(|tag| with_half(id, tag) == id))
}

fn with_half(id: Uuid, tag: [u8; 8]) -> Uuid {
    let mut bytes = id.into_bytes();
    for (byte, tagged) in bytes.iter_mut().skip(8).zip(tag) {
        *byte = tagged;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_site::{RingKey, SiteOptions};

    #[test]
    fn a_disk_is_known_by_the_key_of_its_site_and_no_two_disks_are_the_same() {
        let site = Site::generate("shop", SiteOptions::default()).unwrap();
        let text = site.to_toml().unwrap();
        let (one, two) = (id(text.as_bytes()), id(text.as_bytes()));
        assert_ne!(one, two);
        assert!(is_of(&site, &one.to_string()) && is_of(&site, &two.to_string().to_uppercase()));
        let renamed = Site { name: "store".into(), ..site.clone() };
        assert!(is_of(&renamed, &one.to_string()), "the key is what counts");
        let other = Site { ring_key: RingKey::new([7; 32]), ..site.clone() };
        assert!(!is_of(&other, &one.to_string()));
        let replaced = ashlar_site::with_ring_key(&text, &site.ring_key, &other.ring_key);
        let replaced = Site::parse(&replaced, Path::new("site.toml")).unwrap();
        assert!(is_of(&replaced, &one.to_string()), "a disk of before the key was replaced");
        assert!(is_of(&replaced, &id(replaced.to_toml().unwrap().as_bytes()).to_string()));
        for foreign in [id(b"no site").to_string(), "nothing".into()] {
            assert!(!is_of(&site, &foreign), "{foreign}");
        }
    }
}
