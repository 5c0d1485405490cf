//! Ids that are made from a product line's seed, so that two versions of it
//! compare block by block, and two builds of one version are equal.

use ashlar_recipe::Composed;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The ids of one product line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    seed: Uuid,
}

impl Identity {
    /// From the recipe's `image.repart-seed`, or from its name.
    pub(crate) fn of(composed: &Composed) -> Self {
        let written = composed.recipe.image.repart_seed.as_deref();
        let seed = written.and_then(|text| Uuid::parse_str(text).ok());
        let name = || derive(&Uuid::nil(), &format!("ashlar {}", composed.name));
        Self { seed: seed.unwrap_or_else(name) }
    }

    /// systemd-repart's `--seed`.
    pub(crate) fn seed(&self) -> String {
        self.seed.to_string()
    }

    /// An id for one purpose.
    pub(crate) fn uuid(&self, purpose: &str) -> String {
        derive(&self.seed, purpose).to_string()
    }

    /// The salt of the root's hash tree, 32 bytes in hex.
    pub(crate) fn salt(&self) -> String {
        hex::encode(hash(&self.seed, "verity salt"))
    }

    /// A FAT volume id, eight hex digits.
    pub(crate) fn volume_id(&self, purpose: &str) -> String {
        hex::encode(&hash(&self.seed, purpose)[..4])
    }
}

/// The ids by which the initrd finds root and hash tree: the two halves of the
/// root hash, by the Discoverable Partitions Specification.
pub(crate) fn partitions_of(root_hash: &str) -> Option<(String, String)> {
    let half = |range| Uuid::parse_str(root_hash.get(range)?).ok();
    let (root, verity) = (half(0..32)?, half(32..64)?);
    Some((root.to_string(), verity.to_string()))
}

fn hash(seed: &Uuid, purpose: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed.as_bytes()).chain_update(purpose).finalize().into()
}

fn derive(seed: &Uuid, purpose: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash(seed, purpose)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_purpose_and_stay_the_same_for_one() {
        let line = Identity { seed: Uuid::from_u128(7) };
        assert_eq!(line.uuid("root"), line.uuid("root"));
        assert_ne!(line.uuid("root"), line.uuid("verity"));
        assert_eq!(line.salt().len(), 64);
        assert_eq!(line.volume_id("seed").len(), 8);
    }

    #[test]
    fn the_halves_of_the_root_hash_name_the_partitions() {
        let hash = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
        let (root, verity) = partitions_of(hash).unwrap();
        assert_eq!(root, "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(verity, "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(partitions_of("short"), None);
    }
}
