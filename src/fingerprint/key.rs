//! The secret that makes prints of text and tables one-way.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{LocalKey, SketchKey};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{GramKey, ValueKey};

/// A 32-byte secret, from which BLAKE3 derives the key of each kind of print.
///
/// Who holds the key and an index can test guesses ("does the leak contain this
/// sentence?"), and matching needs it. Without it the prints of grams and
/// cells are 64-bit pseudo-random numbers and the sketches of pictures random bits;
/// digests, PDQ and gradient codes are not keyed. Protect it like the leak itself.
///
/// `Debug` shows only the [id](Self::id), and a key is not serialisable, so that it does not get
/// into a log or a configuration by accident.
///
/// ```
/// use leakprint::Key;
///
/// let key = Key::random()?;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.key");
/// std::fs::write(&path, key.as_bytes()).unwrap();
/// assert_eq!(Key::from_file(&path)?, key);
/// assert_eq!(format!("{key:?}"), format!("Key(id {})", key.id()));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

/// More than any key file holds, white space included.
const MAX_FILE_BYTES: u64 = 4 << 10;

/// Names a [`Key`] without giving it away: 8 bytes derived from it, printed and serialised as 16 hex
/// digits. Every fingerprint and index has it in its [`Recipe`](crate::Recipe), in the clear.
///
/// ```
/// use leakprint::Key;
///
/// let (key, other) = (Key::from_bytes([7; 32]), Key::from_bytes([8; 32]));
/// assert_eq!(key.id().to_string().len(), 16);
/// assert_ne!(key.id(), other.id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl Key {
    /// A key from the operating system's random source.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if there is no random source.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| {
            let message = format!("no random source for a key, give one instead: {e}");
            Error::new(ErrorKind::Io, message)
        })?;
        Ok(Self(bytes))
    }

    /// A key that the caller made: 32 bytes of full entropy, never a password.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key file, of which it reads the first 4 KiB: see
    /// [`from_file_bytes`](Self::from_file_bytes).
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it cannot be read, and as `from_file_bytes`, with the file's name.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(MAX_FILE_BYTES)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read()
            .map_err(|e| Error::io("cannot read the key file", e))
            .and_then(|bytes| Self::from_file_bytes(&bytes))
            .map_err(|e| e.with_path(path))
    }

    /// Reads what a key file holds: exactly 32 bytes, or 64 hex digits with white space around.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for anything else.
    ///
    /// ```
    /// use leakprint::Key;
    ///
    /// assert_eq!(Key::from_file_bytes("07".repeat(32).as_bytes())?, Key::from_bytes([7; 32]));
    /// assert!(Key::from_file_bytes(b"a password").is_err());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn from_file_bytes(bytes: &[u8]) -> Result<Self> {
        if let Ok(key) = <[u8; 32]>::try_from(bytes) {
            return Ok(Self(key));
        }
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| blake3::Hash::from_hex(text.trim()).ok())
            .map(|hash| Self(*hash.as_bytes()))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "a key file holds 32 bytes or 64 hex digits, this one {} bytes: \
                         `openssl rand -hex 32` makes one",
                        bytes.len()
                    ),
                )
            })
    }

    /// The secret itself, for storing it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public name of this key.
    pub fn id(&self) -> KeyId {
        let derived = blake3::derive_key("leakprint 2026 key id", &self.0);
        let mut id = [0; 8];
        id.copy_from_slice(&derived[..8]);
        KeyId(id)
    }

    /// The key of the text grams.
    pub(crate) fn gram_key(&self) -> GramKey {
        GramKey::new(&blake3::derive_key("leakprint 2026 text grams", &self.0))
    }

    /// The key of the cells of tables.
    pub(crate) fn cell_key(&self) -> ValueKey {
        ValueKey::new(blake3::derive_key("leakprint 2026 table cells", &self.0))
    }

    /// The key of the picture sketches.
    pub(crate) fn sketch_key(&self) -> SketchKey {
        SketchKey::new(&blake3::derive_key(
            "leakprint 2026 picture sketches",
            &self.0,
        ))
    }

    /// The key of the local prints.
    pub(crate) fn local_key(&self) -> LocalKey {
        LocalKey::new(&blake3::derive_key("leakprint 2026 local prints", &self.0))
    }
}

impl fmt::Debug for Key {
    /// The id; never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(id {})", self.id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(serde::de::Error::custom("a key id is 16 hex digits"));
        }
        u64::from_str_radix(&text, 16)
            .map(|id| Self(id.to_be_bytes()))
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_bytes_or_hex() {
        let key = Key::from_bytes([0xAB; 32]);
        assert_eq!(Key::from_file_bytes(&[0xAB; 32]).unwrap(), key);
        let hex = format!("{}\n", "ab".repeat(32));
        assert_eq!(Key::from_file_bytes(hex.as_bytes()).unwrap(), key);
        for bad in [&b"password"[..], &[1; 31], &[b'z'; 64]] {
            let error = Key::from_file_bytes(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, hex).unwrap();
        assert_eq!(Key::from_file(&file).unwrap(), key);
        std::fs::write(&file, [b'a'; 9000]).unwrap();
        for (at, kind) in [
            (&file, ErrorKind::InvalidInput),
            (&folder.path().join("none"), ErrorKind::Io),
        ] {
            let error = Key::from_file(at).unwrap_err();
            assert_eq!((error.kind(), error.path()), (kind, Some(at.as_path())));
        }
    }

    #[test]
    fn debug_shows_the_id_alone() {
        let key = Key::from_bytes([7; 32]);
        assert_eq!(format!("{key:?}"), format!("Key(id {})", key.id()));
        assert_ne!(Key::random().unwrap(), Key::random().unwrap());
    }
}
