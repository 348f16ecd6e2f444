//! Local prints of the index's pictures, and the tables in which they are looked up.
//!
//! Every print stands in one bucket of each table: that of the leading bits of
//! one of its keys (Indyk and Motwani, "Approximate nearest neighbors", 1998).
//! Beside its number a bucket holds the first half of its signature, so that a
//! look-up reads one run of memory and touches the print itself only where that
//! half agrees.

use super::Inner;
use super::layout::Section;
use super::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalRecord, PictureRecord};
use crate::error::Result;
use crate::fingerprint::{KEY_BITS, KEYS};
use crate::raster::Keypoint;

/// Prints to a bucket, on average, that the number of key bits aims at.
const BUCKET: usize = 24;

/// The leading bits of a key that select a bucket, for so many prints.
pub(super) fn key_bits(prints: usize) -> u32 {
    (prints / BUCKET)
        .checked_ilog2()
        .unwrap_or(0)
        .min(KEY_BITS as u32)
}

/// Bucket bounds of all tables for so many prints, one more than there are buckets.
pub(super) fn bucket_bounds(prints: usize) -> usize {
    (KEYS << key_bits(prints)) + 1
}

/// The place of a bucket among those of all tables.
pub(super) fn bucket(table: usize, key: u16, bits: u32) -> usize {
    (table << bits) + (usize::from(key) >> (KEY_BITS as u32 - bits))
}

/// One local print of an indexed picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredPrint {
    pub(crate) keypoint: Keypoint,
    pub(crate) signature: [u64; 2],
    /// Other pictures of the index that have one like it, up to 255.
    pub(crate) others: u8,
    /// Whether ignore or background files have it too.
    pub(crate) discounted: bool,
}

/// The local prints of an index.
#[derive(Clone, Copy)]
pub(crate) struct Locals<'a> {
    inner: &'a Inner,
    pictures: &'a [PictureRecord],
    prints: &'a [LocalRecord],
    bounds: &'a [u32],
    ids: &'a [u32],
    codes: &'a [u64],
    bits: u32,
}

impl<'a> Locals<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        let prints: &[LocalRecord] = inner.slice(Section::LocalPrints);
        Self {
            inner,
            pictures: inner.slice(Section::Pictures),
            prints,
            bounds: inner.slice(Section::LocalBuckets),
            ids: inner.slice(Section::LocalIds),
            codes: inner.slice(Section::LocalCodes),
            bits: key_bits(prints.len()),
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.prints.is_empty()
    }

    /// The bits of a key that count.
    pub(crate) fn key_bits(&self) -> u32 {
        self.bits
    }

    /// The prints of a bucket: their numbers, and the first halves of their signatures.
    pub(crate) fn bucket(&self, table: usize, key: u16) -> Result<(&'a [u32], &'a [u64])> {
        let at = bucket(table, key, self.bits);
        let find = || {
            let &[start, end] = self.bounds.get(at..at + 2)? else {
                return None;
            };
            let range = start as usize..end as usize;
            Some((self.ids.get(range.clone())?, self.codes.get(range)?))
        };
        find().ok_or_else(|| Section::LocalBuckets.corrupt("a bucket out of bounds"))
    }

    /// The prints of a picture: the number of the first, and their records.
    pub(crate) fn of_picture(&self, picture: u32) -> Result<(u32, Vec<StoredPrint>)> {
        let find = || {
            let record = self.pictures.get(picture as usize)?;
            let start = record.locals_at as usize;
            let prints = self.prints.get(start..start + record.locals as usize)?;
            Some((record.locals_at, prints))
        };
        let (first, prints) =
            find().ok_or_else(|| Section::Pictures.corrupt("local prints out of bounds"))?;
        let prints = prints
            .iter()
            .map(LocalRecord::print)
            .collect::<Result<_>>()?;
        Ok((first, prints))
    }

    /// The signature of a print and the picture that it is of.
    pub(crate) fn owner(&self, print: u32) -> Result<(u32, &'a LocalRecord)> {
        let record = self.prints.get(print as usize);
        let behind = self
            .pictures
            .partition_point(|picture| picture.locals_at <= print);
        let (Some(record), Some(picture)) = (record, behind.checked_sub(1)) else {
            return Err(Section::LocalIds.corrupt("a print of no picture"));
        };
        Ok((picture as u32, record))
    }

    /// Checks all that searching relies on.
    pub(super) fn verify(&self) -> Result<()> {
        let mut next = 0;
        for picture in self.pictures {
            if picture.locals_at != next {
                return Err(Section::Pictures.corrupt("local prints are not in order"));
            }
            next = next
                .checked_add(picture.locals)
                .ok_or_else(|| Section::Pictures.corrupt("too many local prints"))?;
        }
        if next as usize != self.prints.len() {
            return Err(Section::LocalPrints.corrupt("prints of no picture"));
        }
        for record in self.prints {
            record.print()?;
        }
        let all = u32::try_from(self.ids.len()).ok();
        if self.bounds.first() != Some(&0)
            || self.bounds.last().copied() != all
            || !self.bounds.is_sorted()
        {
            return Err(Section::LocalBuckets.corrupt("bounds out of order"));
        }
        let mut seen = vec![0_u8; self.prints.len()];
        for (&id, &code) in self.ids.iter().zip(self.codes) {
            let same = self.prints.get(id as usize).map(|p| p.signature[0]) == Some(code);
            match seen.get_mut(id as usize) {
                Some(seen) if same => *seen += 1,
                _ => return Err(Section::LocalCodes.corrupt("a code that is not its print's")),
            }
        }
        if seen.iter().any(|&times| usize::from(times) != KEYS) {
            return Err(Section::LocalIds.corrupt("a print that does not stand in every table"));
        }
        let _ = self.inner;
        Ok(())
    }
}

impl LocalRecord {
    pub(crate) fn is_bright(&self) -> bool {
        self.flags & LOCAL_BRIGHT != 0
    }

    pub(crate) fn is_discounted(&self) -> bool {
        self.flags & LOCAL_DISCOUNTED != 0
    }

    /// The size in sixteenths of an octave.
    pub(crate) fn scale(&self) -> u8 {
        self.scale
    }

    /// The direction in 256ths of a turn.
    pub(crate) fn angle(&self) -> u8 {
        self.angle
    }

    /// Other pictures of the index that have one like it.
    pub(crate) fn others(&self) -> u8 {
        self.others
    }

    fn print(&self) -> Result<StoredPrint> {
        if self.flags & !(LOCAL_BRIGHT | LOCAL_DISCOUNTED) != 0 {
            return Err(Section::LocalPrints.corrupt("unknown flags"));
        }
        let print = crate::fingerprint::LocalPrint {
            x: self.x,
            y: self.y,
            scale: self.scale,
            angle: self.angle,
            bright: self.flags & LOCAL_BRIGHT != 0,
            signature: self.signature,
            keys: [0; KEYS],
        };
        Ok(StoredPrint {
            keypoint: print.keypoint(),
            signature: self.signature,
            others: self.others,
            discounted: self.flags & LOCAL_DISCOUNTED != 0,
        })
    }
}
