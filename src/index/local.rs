//! Local prints of the index's pictures, and the hash tables in which they are looked up.
//!
//! There is a table for each half of the signature. A distinctive print is in one bucket of each:
//! that of the lowest bits of the half (Indyk and Motwani, "Approximate nearest neighbors", 1998).
//! An entry of a bucket is the number of a print and the highest bits of the half, so a look-up
//! reads one run of memory, and the print itself only where these bits agree.

use super::Inner;
use super::layout::Section;
use super::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalEntry, LocalRecord, PictureRecord};
use crate::arch::prefetch;
use crate::error::Result;
use crate::raster::Keypoint;

/// Tables: one for each word of the signature.
pub(crate) const TABLES: usize = 2;

/// Bits of a word that can select a bucket.
pub(crate) const KEY_BITS: usize = 24;

/// Prints per bucket, on average, that the number of key bits aims at. A copy can differ in every
/// further bit, and a bucket of two cache lines is read as fast as one.
const PRINTS_PER_BUCKET: usize = 12;

/// Returns the number of low bits that select a bucket, for this many prints.
pub(super) fn key_bits(listed: usize) -> u32 {
    (listed / PRINTS_PER_BUCKET)
        .checked_ilog2()
        .unwrap_or(0)
        .min(KEY_BITS as u32)
}

/// Returns the number of bucket bounds of all tables for this many prints: one more than buckets.
pub(super) fn bucket_bounds(listed: usize) -> usize {
    (TABLES << key_bits(listed)) + 1
}

/// Returns the number of the bucket of a signature's word, counted through all tables.
pub(super) fn bucket(table: usize, word: u64, bits: u32) -> usize {
    (table << bits) + (word & ((1 << bits) - 1)) as usize
}

/// Returns the bits of a word that are stored with a print's number.
pub(crate) fn check(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Pictures up to which counts of like details need no correction.
const MAX_UNCROWDED_PICTURES: f64 = 150.0;

/// Returns the crowding of an index of this many pictures: the factor by which chance multiplies the
/// number of pictures with a like detail, at least 1.
///
/// Among ten thousand pictures, a detail that eight times as many others have is as common as
/// among 150. The square root is a compromise: details of letters grow in proportion to the number
/// of pictures, details of windows not at all.
pub(super) fn crowding(pictures: usize) -> f64 {
    (pictures as f64 / MAX_UNCROWDED_PICTURES).sqrt().max(1.0)
}

/// One local print of an indexed picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredPrint {
    pub(crate) keypoint: Keypoint,
    pub(crate) signature: [u64; 2],
    /// Other pictures of the index that have a like print, up to 255.
    pub(crate) others: u8,
    /// Whether ignore or background files have a like print.
    pub(crate) discounted: bool,
}

/// The local prints of an index.
#[derive(Clone, Copy)]
pub(crate) struct Locals<'a> {
    pictures: &'a [PictureRecord],
    prints: &'a [LocalRecord],
    bounds: &'a [u32],
    entries: &'a [LocalEntry],
    bits: u32,
}

impl<'a> Locals<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        let entries: &[LocalEntry] = inner.slice(Section::LocalEntries);
        Self {
            pictures: inner.slice(Section::Pictures),
            prints: inner.slice(Section::LocalPrints),
            bounds: inner.slice(Section::LocalBuckets),
            entries,
            bits: key_bits(entries.len() / TABLES),
        }
    }

    /// Returns the [`crowding`] of the index.
    pub(crate) fn crowding(&self) -> f64 {
        crowding(self.pictures.len())
    }

    /// Returns the number of prints.
    pub(crate) fn len(&self) -> usize {
        self.prints.len()
    }

    /// Returns the prints of each picture; none where the file is damaged.
    pub(crate) fn by_picture(&self) -> impl Iterator<Item = &'a [LocalRecord]> + use<'a> {
        let prints = self.prints;
        self.pictures.iter().map(move |record| {
            let start = record.locals_at as usize;
            let range = start..start.saturating_add(record.locals as usize);
            prints.get(range).unwrap_or_default()
        })
    }

    /// Returns whether there is no print to look up.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of low bits of a word that select a bucket.
    pub(crate) fn key_bits(&self) -> u32 {
        self.bits
    }

    /// Returns the number of the bucket of a word.
    pub(crate) fn bucket(&self, table: usize, word: u64) -> u32 {
        bucket(table, word, self.bits) as u32
    }

    /// Prefetches the bounds of a bucket for [`prefetch_entries`](Self::prefetch_entries).
    pub(crate) fn prefetch_bounds(&self, bucket: u32) {
        prefetch(self.bounds, bucket as usize);
    }

    /// Prefetches the entries of a bucket. Reads its bounds.
    pub(crate) fn prefetch_entries(&self, bucket: u32) {
        if let Some(&start) = self.bounds.get(bucket as usize) {
            prefetch(self.entries, start as usize);
        }
    }

    /// Returns the entries of a bucket: the number of a print, and its [`check`].
    pub(crate) fn entries(&self, bucket: u32) -> Result<&'a [LocalEntry]> {
        let at = bucket as usize;
        let find = || {
            let &[start, end] = self.bounds.get(at..at + 2)? else {
                return None;
            };
            self.entries.get(start as usize..end as usize)
        };
        find().ok_or_else(|| Section::LocalBuckets.corrupt("a bucket out of bounds"))
    }

    /// Returns the number of the first print of a picture, and all of its prints.
    pub(crate) fn of_picture(&self, picture: u32) -> Result<(u32, Vec<StoredPrint>)> {
        let find = || {
            let record = self.pictures.get(picture as usize)?;
            let start = record.locals_at as usize;
            let end = start.checked_add(record.locals as usize)?;
            let prints = self.prints.get(start..end)?;
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

    /// Returns a print by its number.
    pub(crate) fn print(&self, print: u32) -> Result<&'a LocalRecord> {
        let record = self.prints.get(print as usize);
        record.ok_or_else(|| Section::LocalEntries.corrupt("a print that does not exist"))
    }

    /// Returns the number of the picture that has a print.
    pub(crate) fn owner(&self, print: u32) -> Result<u32> {
        let after = self
            .pictures
            .partition_point(|picture| picture.locals_at <= print);
        let picture = after.checked_sub(1).map(|picture| picture as u32);
        picture.ok_or_else(|| Section::LocalEntries.corrupt("a print without a picture"))
    }

    /// Checks the invariants that searching relies on.
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
            return Err(Section::LocalPrints.corrupt("prints without a picture"));
        }
        for record in self.prints {
            record.print()?;
        }
        let all = u32::try_from(self.entries.len()).ok();
        if self.bounds.first() != Some(&0)
            || self.bounds.last().copied() != all
            || !self.bounds.is_sorted()
        {
            return Err(Section::LocalBuckets.corrupt("bounds out of order"));
        }
        let mut seen = vec![0_u8; self.prints.len()];
        for (number, bounds) in (0_usize..).zip(self.bounds.windows(2)) {
            let &[start, end] = bounds else { continue };
            let table = number >> self.bits;
            let entries = self.entries.get(start as usize..end as usize);
            for &[print, own] in entries.unwrap_or_default() {
                let record = self.prints.get(print as usize);
                let word = record.and_then(|record| record.signature.get(table));
                let fits = word.is_some_and(|&word| {
                    bucket(table, word, self.bits) == number && check(word) == own
                });
                match seen.get_mut(print as usize) {
                    // Once in each table.
                    Some(seen) if fits && *seen >> table == 0 => *seen |= 1 << table,
                    _ => {
                        return Err(
                            Section::LocalEntries.corrupt("an entry that is not that of its print")
                        );
                    }
                }
            }
        }
        let every = (1_u8 << TABLES) - 1;
        if seen.iter().any(|&tables| tables != 0 && tables != every) {
            return Err(Section::LocalEntries.corrupt("a print that is not in every table"));
        }
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

    /// Returns the size in sixteenths of an octave.
    pub(crate) fn scale(&self) -> u8 {
        self.scale
    }

    /// Returns the direction in 256ths of a turn.
    pub(crate) fn angle(&self) -> u8 {
        self.angle
    }

    /// Returns how many other pictures of the index have a like print, up to 255.
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
        };
        Ok(StoredPrint {
            keypoint: print.keypoint(),
            signature: self.signature,
            others: self.others,
            discounted: self.flags & LOCAL_DISCOUNTED != 0,
        })
    }
}
