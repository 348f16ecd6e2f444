//! Local prints of the index's pictures, and the tables in which they are looked up.
//!
//! There is a table for each half of the signature. A print that tells a picture stands in one
//! bucket of each: that of the lowest bits of that half (Indyk and Motwani, "Approximate nearest
//! neighbors", 1998). Beside its number a bucket holds the highest bits of the half, so that a
//! look-up reads one run of memory and touches the print itself only where these agree.

use super::Inner;
use super::layout::Section;
use super::records::{LOCAL_BRIGHT, LOCAL_DISCOUNTED, LocalEntry, LocalRecord, PictureRecord};
use crate::arch::prefetch;
use crate::error::Result;
use crate::raster::Keypoint;

/// Tables: one for each word of the signature.
pub(crate) const TABLES: usize = 2;

/// Bits of a word that can select a bucket; the rest is kept beside the print's number.
pub(crate) const KEY_BITS: usize = 24;

/// Prints to a bucket, on average, that the number of key bits aims at: more bits would be more
/// in which a copy can differ, and a bucket of two lines of the cache is read as fast as one.
const BUCKET: usize = 12;

/// The number of low bits that select a bucket, for so many prints.
pub(super) fn key_bits(listed: usize) -> u32 {
    (listed / BUCKET)
        .checked_ilog2()
        .unwrap_or(0)
        .min(KEY_BITS as u32)
}

/// Bucket bounds of all tables for so many prints, one more than there are buckets.
pub(super) fn bucket_bounds(listed: usize) -> usize {
    (TABLES << key_bits(listed)) + 1
}

/// The place of the bucket of a signature's word among those of all tables.
pub(super) fn bucket(table: usize, word: u64, bits: u32) -> usize {
    (table << bits) + (word & ((1 << bits) - 1)) as usize
}

/// What stands beside a print's number in the table of a word.
pub(crate) fn check(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Pictures up to which what others have too is as rare as it seems.
const FEW: f64 = 150.0;

/// By how much chance likenesses grow in an index of so many pictures: among ten thousand, eight
/// times as many others have a detail like this one as among a hundred and fifty before it is as
/// common. (In proportion to the number it would be for letters, not at all for windows.)
pub(super) fn crowding(pictures: usize) -> f64 {
    (pictures as f64 / FEW).sqrt().max(1.0)
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

    /// See [`crowding`].
    pub(crate) fn crowding(&self) -> f64 {
        crowding(self.pictures.len())
    }

    /// The number of prints.
    pub(crate) fn len(&self) -> usize {
        self.prints.len()
    }

    /// The prints of each picture; none where the file is damaged.
    pub(crate) fn by_picture(&self) -> impl Iterator<Item = &'a [LocalRecord]> + use<'a> {
        let prints = self.prints;
        self.pictures.iter().map(move |record| {
            let start = record.locals_at as usize;
            let range = start..start.saturating_add(record.locals as usize);
            prints.get(range).unwrap_or_default()
        })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The low bits of a word that select a bucket.
    pub(crate) fn key_bits(&self) -> u32 {
        self.bits
    }

    /// The number of a bucket.
    pub(crate) fn bucket(&self, table: usize, word: u64) -> u32 {
        bucket(table, word, self.bits) as u32
    }

    /// Asks for the bounds of a bucket, so that [`ask`](Self::ask) finds them in the cache.
    pub(crate) fn ask_bounds(&self, bucket: u32) {
        prefetch(self.bounds, bucket as usize);
    }

    /// Asks for the entries of a bucket.
    pub(crate) fn ask(&self, bucket: u32) {
        if let Some(&start) = self.bounds.get(bucket as usize) {
            prefetch(self.entries, start as usize);
        }
    }

    /// The entries of a bucket: the number of a print, and its [`check`].
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

    /// The prints of a picture: the number of the first, and their records.
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

    /// A print.
    pub(crate) fn print(&self, print: u32) -> Result<&'a LocalRecord> {
        let record = self.prints.get(print as usize);
        record.ok_or_else(|| Section::LocalEntries.corrupt("a print that is not there"))
    }

    /// The picture that a print is of.
    pub(crate) fn owner(&self, print: u32) -> Result<u32> {
        let behind = self
            .pictures
            .partition_point(|picture| picture.locals_at <= print);
        let picture = behind.checked_sub(1).map(|picture| picture as u32);
        picture.ok_or_else(|| Section::LocalEntries.corrupt("a print of no picture"))
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
                            Section::LocalEntries.corrupt("an entry that is not its print's")
                        );
                    }
                }
            }
        }
        let every = (1_u8 << TABLES) - 1;
        if seen.iter().any(|&tables| tables != 0 && tables != every) {
            return Err(Section::LocalEntries.corrupt("a print that does not stand in every table"));
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
        };
        Ok(StoredPrint {
            keypoint: print.keypoint(),
            signature: self.signature,
            others: self.others,
            discounted: self.flags & LOCAL_DISCOUNTED != 0,
        })
    }
}
