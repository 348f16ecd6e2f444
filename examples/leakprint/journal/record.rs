//! A record as bytes.
//!
//! ```text
//! magic 8 | key 16 | state of the input 25 | digest of the input 32 | length of the payload 4
//! | checksum of the payload 32 | checksum of all of that 16 | payload
//! ```
//! Numbers are little-endian, checksums BLAKE3 under a key that is derived from the journal's head.

use leakprint::Digest;

use super::MAX_PAYLOAD;
use crate::stamp::Stamp;

/// No ASCII, and broken by a transfer as text, like that of the index.
pub(super) const MAGIC: [u8; 8] = *b"\x89LKE\r\n\x1a\n";

const SUM: usize = 16;

/// Bytes before the payload.
pub(super) const HEAD: usize = 8 + 16 + Stamp::LEN + 32 + 4 + 32 + SUM;

/// What an input is found by.
pub(crate) type Key = [u8; 16];

/// Binds checksums and keys to one journal.
#[derive(Clone)]
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// That of a journal with this head.
    pub(super) fn of(head: &[u8]) -> Self {
        Self(blake3::derive_key("leakprint 2026 journal records", head))
    }

    fn sum(&self, at: u64, bytes: &[u8]) -> [u8; SUM] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        first(hasher.update(&at.to_le_bytes()).update(bytes).finalize())
    }

    pub(super) fn key(&self, kind: &[u8; 4], bytes: &[u8]) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        first(hasher.update(kind).update(bytes).finalize())
    }
}

fn first(hash: blake3::Hash) -> [u8; 16] {
    let bytes = *hash.as_bytes();
    std::array::from_fn(|i| bytes[i])
}

/// What is to be appended.
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) stamp: Stamp,
    pub(crate) digest: Digest,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub(crate) payload: Vec<u8>,
}

/// What was found.
pub(crate) struct Entry {
    pub(crate) at: u64,
    pub(crate) key: Key,
    pub(crate) stamp: Stamp,
    pub(crate) digest: Digest,
    pub(crate) payload: Vec<u8>,
}

impl Entry {
    /// Bytes of the record in the journal.
    pub(crate) fn bytes(&self) -> u64 {
        (HEAD + self.payload.len()) as u64
    }
}

/// What stands before a payload.
pub(super) struct Head {
    pub(super) key: Key,
    stamp: Stamp,
    digest: Digest,
    pub(super) len: u32,
    checksum: [u8; 32],
}

impl Record {
    pub(super) fn to_bytes(&self, seal: &Seal, at: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.payload.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(&self.stamp.to_bytes());
        bytes.extend_from_slice(&self.digest.0);
        bytes.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(blake3::hash(&self.payload).as_bytes());
        let sum = seal.sum(at, &bytes);
        bytes.extend_from_slice(&sum);
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

impl Head {
    /// The head at a place, if it is one of this journal there.
    pub(super) fn parse(bytes: &[u8; HEAD], seal: &Seal, at: u64) -> Option<Self> {
        let (bytes, sum) = bytes.split_last_chunk::<SUM>()?;
        if !bytes.starts_with(&MAGIC) || seal.sum(at, bytes) != *sum {
            return None;
        }
        let (key, rest) = bytes.get(MAGIC.len()..)?.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = u32::from_le_bytes(*len);
        (len as usize <= MAX_PAYLOAD).then_some(Self {
            key: *key,
            stamp: Stamp::from_bytes(stamp),
            digest: Digest(*digest),
            len,
            checksum: rest.try_into().ok()?,
        })
    }

    /// Where the record ends that begins at a place.
    pub(super) fn end(&self, at: u64) -> u64 {
        at.saturating_add(HEAD as u64 + u64::from(self.len))
    }

    /// The whole record, unless its payload is damaged.
    pub(super) fn entry(self, at: u64, payload: Vec<u8>) -> Option<Entry> {
        let sound = payload.len() == self.len as usize
            && *blake3::hash(&payload).as_bytes() == self.checksum;
        sound.then_some(Entry {
            at,
            key: self.key,
            stamp: self.stamp,
            digest: self.digest,
            payload,
        })
    }
}
