//! The keys of a ring.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit, Nonce, Tag};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key of 16, 24 or 32 bytes, which chooses AES-128, -192 or -256.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key(Vec<u8>);

/// Most keys of a keyring: a rotation needs two.
const MOST_KEYS: usize = 64;

/// Why something is no key, or a keyring cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Of another length. The words are Go's: people search for them.
    #[error("key size must be 16, 24 or 32 bytes")]
    Length,
    /// Not base64.
    #[error("the key is not base64")]
    Encoding,
    /// As many keys as are held already. Each packet that no key fits is tried
    /// with every one.
    #[error("the keyring is full: it holds {MOST_KEYS} keys, remove those no longer used")]
    Full,
    /// Asked to use a key that was not installed.
    #[error("requested key is not in the keyring")]
    Unknown,
    /// Asked to remove the key that is in use.
    #[error("removing the primary key is not allowed")]
    Primary,
}

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes.to_vec())),
            _ => Err(KeyError::Length),
        }
    }

    /// A key written in base64, as in keyring files and on command lines.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let mut bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| KeyError::Encoding)?;
        let key = Self::new(&bytes);
        bytes.zeroize();
        key
    }

    /// In base64.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(&self.0)
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A key made ready for use: its schedule is computed once.
#[derive(Clone)]
enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

impl Cipher {
    fn new(key: &Key) -> Result<Self, KeyError> {
        let length = |_| KeyError::Length;
        Ok(match key.0.len() {
            16 => Self::Aes128(Box::new(KeyInit::new_from_slice(&key.0).map_err(length)?)),
            24 => Self::Aes192(Box::new(KeyInit::new_from_slice(&key.0).map_err(length)?)),
            _ => Self::Aes256(Box::new(KeyInit::new_from_slice(&key.0).map_err(length)?)),
        })
    }

    fn seal(&self, nonce: &[u8; 12], data: &[u8], buffer: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::from_slice(nonce);
        match self {
            Self::Aes128(c) => c.encrypt_in_place_detached(nonce, data, buffer),
            Self::Aes192(c) => c.encrypt_in_place_detached(nonce, data, buffer),
            Self::Aes256(c) => c.encrypt_in_place_detached(nonce, data, buffer),
        }
        .ok()
    }

    fn open(&self, nonce: &[u8], data: &[u8], buffer: &mut [u8], tag: &[u8]) -> bool {
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        match self {
            Self::Aes128(c) => c.decrypt_in_place_detached(nonce, data, buffer, tag),
            Self::Aes192(c) => c.decrypt_in_place_detached(nonce, data, buffer, tag),
            Self::Aes256(c) => c.decrypt_in_place_detached(nonce, data, buffer, tag),
        }
        .is_ok()
    }
}

/// The keys of a ring: the first encrypts, every one decrypts.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<(Key, Cipher)>,
}

impl Keyring {
    /// A keyring with one key.
    pub fn new(primary: Key) -> Result<Self, KeyError> {
        let cipher = Cipher::new(&primary)?;
        Ok(Self { keys: vec![(primary, cipher)] })
    }

    /// Several keys, the primary one first.
    pub fn from_keys(keys: impl IntoIterator<Item = Key>) -> Result<Self, KeyError> {
        let mut keys = keys.into_iter();
        let mut ring = Self::new(keys.next().ok_or(KeyError::Length)?)?;
        for key in keys {
            ring.install(key)?;
        }
        Ok(ring)
    }

    /// Every key, the primary one first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.keys.iter().map(|(key, _)| key)
    }

    /// The key that encrypts.
    pub fn primary(&self) -> Option<&Key> {
        self.keys().next()
    }

    /// Adds a key; nothing happens if it is there.
    pub fn install(&mut self, key: Key) -> Result<(), KeyError> {
        if !self.keys().any(|known| *known == key) {
            if self.keys.len() >= MOST_KEYS {
                return Err(KeyError::Full);
            }
            let cipher = Cipher::new(&key)?;
            self.keys.push((key, cipher));
        }
        Ok(())
    }

    /// Encrypts with this key from now on.
    pub fn use_key(&mut self, key: &Key) -> Result<(), KeyError> {
        let place = self.keys().position(|known| known == key).ok_or(KeyError::Unknown)?;
        if let Some(front) = self.keys.get_mut(..=place) {
            front.rotate_right(1);
        }
        Ok(())
    }

    /// Forgets a key; nothing happens if it is not there.
    pub fn remove(&mut self, key: &Key) -> Result<(), KeyError> {
        if self.primary() == Some(key) {
            return Err(KeyError::Primary);
        }
        self.keys.retain(|(known, _)| known != key);
        Ok(())
    }

    /// Encrypts `buffer` in place and returns the tag.
    pub(crate) fn seal(&self, nonce: &[u8; 12], data: &[u8], buffer: &mut [u8]) -> Option<Tag> {
        self.keys.first()?.1.seal(nonce, data, buffer)
    }

    /// Decrypts `sealed` with whichever key fits.
    pub(crate) fn open(
        &self,
        nonce: &[u8],
        data: &[u8],
        sealed: &[u8],
        tag: &[u8],
    ) -> Option<Vec<u8>> {
        let mut plain = sealed.to_vec();
        for (_, cipher) in &self.keys {
            if cipher.open(nonce, data, &mut plain, tag) {
                return Some(plain);
            }
            // A failed attempt may have left anything.
            plain.copy_from_slice(sealed);
        }
        None
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_key_in_use_is_the_first_and_cannot_be_removed() {
        let mut ring = Keyring::new(key(1)).unwrap();
        ring.install(key(2)).unwrap();
        ring.install(key(3)).unwrap();
        ring.use_key(&key(3)).unwrap();
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&key(3), &key(1), &key(2)]);
        assert_eq!(ring.remove(&key(3)), Err(KeyError::Primary));
        ring.remove(&key(1)).unwrap();
        assert_eq!(ring.use_key(&key(1)), Err(KeyError::Unknown));
    }

    #[test]
    fn a_message_sealed_with_an_old_key_still_opens() {
        let mut ring = Keyring::new(key(1)).unwrap();
        let mut buffer = *b"stones";
        let tag = ring.seal(&[9; 12], b"label", &mut buffer).unwrap();
        ring.install(key(2)).unwrap();
        ring.use_key(&key(2)).unwrap();
        assert_eq!(ring.open(&[9; 12], b"label", &buffer, &tag).unwrap(), b"stones");
        assert!(ring.open(&[9; 12], b"other", &buffer, &tag).is_none());
    }

    #[test]
    fn a_keyring_that_somebody_floods_is_full_one_day() {
        let mut ring = Keyring::new(key(0)).unwrap();
        for byte in 1..64 {
            ring.install(key(byte)).unwrap();
        }
        assert_eq!(ring.install(key(64)), Err(KeyError::Full));
        ring.install(key(63)).unwrap();
        ring.remove(&key(63)).unwrap();
        ring.install(key(64)).unwrap();
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        assert_eq!(
            format!("{:?} {:?}", key(1), Keyring::new(key(1)).unwrap()),
            "Key(…) Keyring(1 keys)"
        );
    }
}
