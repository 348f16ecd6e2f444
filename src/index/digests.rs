//! Exact digests: sorted, found by binary search.

use super::layout::Section;
use super::records::{DIGEST_DISCOUNTED, DIGEST_PIXELS, DigestRecord};
use super::{Inner, PartId};
use crate::error::Result;
use crate::fingerprint::Digest;

/// What a digest was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DigestKind {
    /// The bytes of a part.
    Bytes,
    /// The pixels of a picture.
    Pixels,
}

/// A part with the digest that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestHit {
    /// What the digest was made of.
    pub kind: DigestKind,
    /// Whose it is.
    pub part: PartId,
    /// Whether ignore or background files have it too.
    pub discounted: bool,
}

/// The exact digests of an index.
///
/// ```
/// # use leakprint::example::{MEMO, memo_index};
/// # let index = memo_index()?;
/// use leakprint::Digest;
///
/// let mut hits = index.digests().find(&Digest::of_bytes(MEMO.as_bytes()));
/// let part = hits.next().unwrap()?.part;
/// assert_eq!(index.item_name(index.part(part)?.item)?, "memo.txt");
/// assert!(index.digests().find(&Digest::of_bytes(b"another")).next().is_none());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Digests<'a> {
    inner: &'a Inner,
    digests: &'a [[u8; 32]],
    refs: &'a [DigestRecord],
}

impl<'a> Digests<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            inner,
            digests: inner.slice(Section::Digests),
            refs: inner.slice(Section::DigestRefs),
        }
    }

    /// The number of entries; a digest that several parts share counts for each.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// All of them, sorted.
    pub(super) fn all(&self) -> &'a [[u8; 32]] {
        self.digests
    }

    /// The parts with a digest, those by bytes first, then by part. Takes
    /// log2 of [`len`](Self::len) steps; each hit may be a
    /// [`Corrupt`](crate::ErrorKind::Corrupt) error if the file is damaged.
    pub fn find(&self, digest: &Digest) -> impl Iterator<Item = Result<DigestHit>> + use<'a> {
        let Self {
            inner,
            digests,
            refs,
        } = *self;
        let digest = digest.0;
        let start = digests.partition_point(|other| *other < digest);
        digests
            .iter()
            .zip(refs)
            .skip(start)
            .take_while(move |(other, _)| **other == digest)
            .map(|(_, record)| record.hit(inner))
    }
}

impl DigestRecord {
    pub(super) fn hit(&self, inner: &Inner) -> Result<DigestHit> {
        if self.flags & !(DIGEST_PIXELS | DIGEST_DISCOUNTED) != 0 {
            return Err(Section::DigestRefs.corrupt("unknown flags"));
        }
        Ok(DigestHit {
            kind: if self.flags & DIGEST_PIXELS == 0 {
                DigestKind::Bytes
            } else {
                DigestKind::Pixels
            },
            part: inner.checked_part(Section::DigestRefs, self.part)?,
            discounted: self.flags & DIGEST_DISCOUNTED != 0,
        })
    }
}
