//! From a gram to the places where it stands: sorted keys behind a directory of
//! their leading bits.
//!
//! Prints are the output of a keyed cipher, so they spread evenly and a
//! directory entry leads to about four keys, one cache line. Where they do
//! not, because a fingerprint was made up, the search in the bucket is still
//! logarithmic.

use std::ops::Range;

use super::layout::Section;
use super::records::{GRAM_DISCOUNTED, PartRecord};
use super::varint::Pairs;
use super::{Inner, PartId, frequency};
use crate::arch::prefetch;
use crate::error::Result;

/// Prints that are looked up together: each step is taken for all of them before
/// the next, and asks for the memory that the next will read, so that the waits
/// overlap. A print that is absent waits for two cache lines, one that is there
/// for three more.
const GROUP: usize = 32;

/// The places of one gram.
#[derive(Clone, Copy)]
pub struct PostingList<'a> {
    bytes: &'a [u8],
    weight: u8,
}

impl<'a> PostingList<'a> {
    /// The number of places, at least 1 in an undamaged index. Reads the list.
    pub fn len(&self) -> usize {
        // Every number ends with a byte below 128, and a place is two numbers.
        self.bytes.iter().filter(|byte| **byte < 0x80).count() / 2
    }

    /// The most places that there can be, without reading the list; two to three times too many.
    pub fn max_len(&self) -> usize {
        self.bytes.len() / 2
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of items that have the gram, without reading the list: exact
    /// below 48, else up to an eighth too low.
    pub fn document_frequency(&self) -> u32 {
        frequency::decode(self.weight)
    }

    /// Whether an ignore file or several background files have the gram.
    pub fn discounted(&self) -> bool {
        self.weight & GRAM_DISCOUNTED != 0
    }

    /// The places, sorted: the part, and the gram's
    /// [`at`](crate::fingerprint::Gram::at) in it. In a damaged file the part
    /// may be none of the index, which [`Index::part`](super::Index::part) then says, or
    /// the last place is a [`Corrupt`](crate::ErrorKind::Corrupt) error.
    pub fn iter(&self) -> impl Iterator<Item = Result<(PartId, u32)>> + use<'a> {
        Pairs::new(self.bytes).map(|pair| match pair {
            Some((part, at)) => Ok((PartId(part), at)),
            None => Err(Section::Postings.corrupt("a list that is none")),
        })
    }
}

/// The number of distinct items among parts in ascending order.
pub(super) fn count_items(parts: &[u32], table: &[PartRecord]) -> u32 {
    let mut items = parts
        .iter()
        .map(|&part| table.get(part as usize).map(|record| record.item));
    let Some(mut last) = items.next() else {
        return 0;
    };
    let mut count = 1;
    for item in items {
        if item != last {
            count += 1;
            last = item;
        }
    }
    count
}

/// The grams of an index.
#[derive(Clone, Copy)]
pub struct Grams<'a> {
    directory: &'a [u32],
    directory_bits: u32,
    keys: &'a [u64],
    lists: &'a [u32],
    weights: &'a [u8],
    postings: &'a [u8],
    count: u32,
}

/// How many leading bits the directory of `keys` keys has: about four keys an entry.
pub(super) fn directory_bits(keys: usize) -> u32 {
    keys.checked_ilog2().unwrap_or(0).saturating_sub(2)
}

/// The directory entry of a print.
pub(super) fn bucket(print: u64, directory_bits: u32) -> usize {
    // No bits, no shift: a shift by 64 does not exist.
    print.checked_shr(64 - directory_bits).unwrap_or(0) as usize
}

impl<'a> Grams<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        Self {
            directory: inner.slice(Section::GramDirectory),
            directory_bits: inner.meta.directory_bits,
            keys: inner.slice(Section::GramKeys),
            lists: inner.slice(Section::GramLists),
            weights: inner.slice(Section::GramWeights),
            postings: inner.slice(Section::Postings),
            count: inner.meta.postings,
        }
    }

    /// The number of distinct grams.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of places of all grams.
    pub fn postings(&self) -> usize {
        self.count as usize
    }

    /// The places of one gram. Two dependent cache misses if the index is
    /// large: [`lookup_batch`](Self::lookup_batch) lets them overlap.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    pub fn get(&self, print: u64) -> Result<Option<PostingList<'a>>> {
        let keys = self.bucket_keys(print)?;
        self.find(print, keys).map(|key| self.list(key)).transpose()
    }

    /// The places of many grams: replaces `hits` by (place in `prints`, list)
    /// for each print that the index has, in the order of `prints`.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged; `hits`
    /// then holds what was found before.
    pub fn lookup_batch(
        &self,
        prints: &[u64],
        hits: &mut Vec<(usize, PostingList<'a>)>,
    ) -> Result<()> {
        hits.clear();
        for (group, prints) in prints.chunks(GROUP).enumerate() {
            for &print in prints {
                prefetch(self.directory, bucket(print, self.directory_bits));
            }
            let mut buckets = [const { 0..0 }; GROUP];
            for (bucket, &print) in buckets.iter_mut().zip(prints) {
                *bucket = self.bucket_keys(print)?;
                // Most buckets lie in one line or two.
                prefetch(self.keys, bucket.start);
                prefetch(self.keys, bucket.end);
            }
            let mut found = [(0, 0); GROUP];
            let mut count = 0;
            for (i, (bucket, &print)) in buckets.into_iter().zip(prints).enumerate() {
                if let Some(key) = self.find(print, bucket) {
                    prefetch(self.lists, key);
                    prefetch(self.weights, key);
                    if let Some(found) = found.get_mut(count) {
                        *found = (i, key);
                    }
                    count += 1;
                }
            }
            for &(i, key) in found.iter().take(count) {
                let list = self.list(key)?;
                // Whoever looks a gram up reads its list next.
                prefetch(list.bytes, 0);
                hits.push((group * GROUP + i, list));
            }
        }
        Ok(())
    }

    /// The keys that share the leading bits of a print.
    fn bucket_keys(&self, print: u64) -> Result<Range<usize>> {
        let entry = bucket(print, self.directory_bits);
        match self.directory.get(entry..).unwrap_or_default() {
            &[start, end, ..] if start <= end && end as usize <= self.keys.len() => {
                Ok(start as usize..end as usize)
            }
            _ => Err(Section::GramDirectory.corrupt(format_args!("entry {entry} out of order"))),
        }
    }

    /// The place of a print among the keys of its bucket.
    fn find(&self, print: u64, bucket: Range<usize>) -> Option<usize> {
        let start = bucket.start;
        let keys = self.keys.get(bucket)?;
        // Counting beats branching on the few keys that a bucket nearly always has.
        let below = if keys.len() <= 16 {
            keys.iter().filter(|&&key| key < print).count()
        } else {
            keys.partition_point(|&key| key < print)
        };
        (keys.get(below) == Some(&print)).then_some(start + below)
    }

    fn list(&self, key: usize) -> Result<PostingList<'a>> {
        let list = || {
            let &[start, end, ..] = self.lists.get(key..)? else {
                return None;
            };
            let range = start as usize..end as usize;
            Some(PostingList {
                bytes: self.postings.get(range)?,
                weight: *self.weights.get(key)?,
            })
        };
        list().ok_or_else(|| Section::GramLists.corrupt(format_args!("list {key} out of bounds")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_covers_all_prints() {
        for keys in [0, 1, 3, 4, 7, 8, 1000, 1 << 20] {
            let bits = directory_bits(keys);
            assert_eq!(bucket(0, bits), 0);
            assert_eq!(bucket(u64::MAX, bits), (1 << bits) - 1, "{keys} keys");
        }
        assert_eq!(directory_bits(1 << 20), 18);
    }
}
