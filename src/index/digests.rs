//! Exact digests, sorted and found by binary search.

use super::layout::Section;
use super::records::{DIGEST_DISCOUNTED, DIGEST_PIXELS, DigestRecord};
use super::{Inner, PartId};
use crate::error::Result;
use crate::fingerprint::Digest;

/// What a digest was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DigestKind {
    /// The bytes of a part.
    Bytes,
    /// The pixels of a picture.
    Pixels,
}

/// A part that has the digest of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DigestHit {
    /// What the digest was computed from.
    pub kind: DigestKind,
    /// The part that has the digest.
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

    /// Returns the number of entries; a digest that several parts share counts for each.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Returns whether there is no digest.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Returns all digests, sorted.
    pub(super) fn all(&self) -> &'a [[u8; 32]] {
        self.digests
    }

    /// Finds the parts that have a digest, by binary search. Hits are sorted by kind, then by part;
    /// each may be a [`Corrupt`](crate::ErrorKind::Corrupt) error if the file is damaged.
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
