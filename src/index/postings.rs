//! Posting lists: from a gram to its places, by a hash table of [buckets](super::buckets) that
//! point to the lists.

use super::buckets::{Bucket, GramHasher, LONG_LIST, Tag};
use super::frequency::Standing;
use super::golomb::{Orders, Pairs};
use super::layout::Section;
use super::records::PartRecord;
use super::{Inner, PartId, frequency};
use crate::arch::prefetch;
use crate::deadline::{Deadline, Pacer};
use crate::error::Result;

/// Look-ups in a group: the buckets of a group are prefetched while the group before it is looked
/// up, so that cache misses overlap.
const GROUP: usize = 32;

/// A look-up in progress.
#[derive(Clone, Copy, Default)]
struct Probe {
    home: usize,
    fraction: u64,
    /// Bits of the slots of the home that may have the gram.
    candidates: u32,
    /// Whether the gram may be in a later bucket.
    may_overflow: bool,
}

/// The places of one gram.
#[derive(Clone, Copy)]
pub struct PostingList<'a> {
    /// From the first byte of the list to the end of all lists: the decoder may read beyond the
    /// end of its list.
    bytes: &'a [u8],
    len: usize,
    weight: u8,
    orders: Orders,
}

impl<'a> PostingList<'a> {
    /// Returns the number of places, at least 1 in an undamaged index. Decodes the list.
    pub fn len(&self) -> usize {
        self.pairs().flatten().count()
    }

    /// Returns an upper bound of the number of places, without reading the list.
    pub fn max_len(&self) -> usize {
        self.len.saturating_mul(8) / self.orders.min_bits()
    }

    /// Returns whether there is no place, as in a damaged index.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
    }

    /// Returns the number of items that have the gram, without reading the list: exact up to 48,
    /// beyond that up to an eighth too low; exact up to 16 and then up to a fifth too low for a gram that
    /// is [discounted](Self::discounted) or [vouched](Self::vouched).
    pub fn document_frequency(&self) -> u32 {
        frequency::decode(self.weight)
    }

    /// Returns whether an ignore file or several background files have the gram.
    pub fn discounted(&self) -> bool {
        frequency::standing(self.weight) == Standing::Discounted
    }

    /// Returns whether the gram is content, however many items have it: nearly all of them have it in a
    /// message that consists of little else.
    pub fn vouched(&self) -> bool {
        frequency::standing(self.weight) == Standing::Vouched
    }

    /// Returns the places, sorted: the part, and the gram's [`at`](crate::fingerprint::Gram::at) in
    /// it. In a damaged file a part may not exist, which [`Index::part`](super::Index::part)
    /// reports, and the last place may be a [`Corrupt`](crate::ErrorKind::Corrupt) error.
    ///
    /// `for_each` and `fold` are faster than a loop.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Result<(PartId, u32)>> + use<'a> {
        self.pairs().map(|pair| match pair {
            Some((part, at)) => Ok((PartId(part), at)),
            None => Err(Section::Postings.corrupt("an invalid list")),
        })
    }

    /// Returns whether the coded document frequency is that of so many items.
    pub(super) fn is_of(&self, items: u32) -> bool {
        self.weight == frequency::encode(items, frequency::standing(self.weight))
    }

    /// Returns the encoded length of the list in bytes.
    pub(super) fn bytes_len(&self) -> u64 {
        self.len as u64
    }

    pub(super) fn pairs(&self) -> Pairs<'a> {
        Pairs::new(self.bytes, self.len, self.orders)
    }
}

/// Returns the number of distinct items among parts in ascending order.
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
///
/// ```
/// # use leakprint::example::{memo_index, memo_print};
/// # let (print, index) = (memo_print()?, memo_index()?);
/// let text = print.parts[0].text.as_ref().unwrap();
/// let list = index.grams().get(text.grams[0].print)?.unwrap();
/// let places: Vec<_> = list.iter().collect::<leakprint::Result<_>>()?;
/// assert_eq!((places[0].1, list.document_frequency()), (text.grams[0].at, 1));
/// assert!(index.grams().get(!text.grams[0].print)?.is_none());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Grams<'a> {
    buckets: &'a [Bucket],
    postings: &'a [u8],
    hasher: GramHasher,
    parts: u32,
    place_order: u32,
    grams: u32,
    count: u32,
}

impl<'a> Grams<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        let meta = &inner.meta;
        Self {
            buckets: inner.slice(Section::GramBuckets),
            postings: inner.slice(Section::Postings),
            hasher: GramHasher {
                homes: meta.homes,
                multiplier: meta.multiplier,
            },
            parts: meta.parts,
            place_order: meta.place_order,
            grams: meta.grams,
            count: meta.postings,
        }
    }

    /// Returns the number of distinct grams.
    pub fn len(&self) -> usize {
        self.grams as usize
    }

    /// Returns whether there is no gram.
    pub fn is_empty(&self) -> bool {
        self.grams == 0
    }

    /// Returns the number of places of all grams.
    pub fn postings(&self) -> usize {
        self.count as usize
    }

    pub(super) fn buckets(&self) -> &'a [Bucket] {
        self.buckets
    }

    pub(super) fn hasher(&self) -> GramHasher {
        self.hasher
    }

    /// Finds the places of one gram. Costs two dependent cache misses in a large index;
    /// [`lookup_batch`](Self::lookup_batch) overlaps them.
    ///
    /// About one look-up in ten billion finds an absent gram: of the 64 bits of each gram, the index
    /// stores only those that distinguish it from the others.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    pub fn get(&self, print: u64) -> Result<Option<PostingList<'a>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let (home, fraction) = self.hasher.place(print);
        let mut probe = Probe {
            home,
            fraction,
            ..Probe::default()
        };
        self.probe_home(&mut probe);
        self.find(&probe)
    }

    /// Finds the places of many grams: replaces `hits` by (position in `prints`, list) for each
    /// print that the index has, in the order of `prints`.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged; `hits` then has the lists
    /// that were found before.
    pub fn lookup_batch(
        &self,
        prints: &[u64],
        hits: &mut Vec<(usize, PostingList<'a>)>,
    ) -> Result<()> {
        hits.clear();
        self.lookup_each(prints, |i, list| hits.push((i, list)))
    }

    /// Calls `found` with the position in `prints` and the list of each print that the index has,
    /// in the order of `prints`. Reading the list in `found` is cheaper than later: it was
    /// prefetched.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    pub fn lookup_each(
        &self,
        prints: &[u64],
        found: impl FnMut(usize, PostingList<'a>),
    ) -> Result<()> {
        let mut pacer = Deadline::never().pacer(u32::MAX);
        let print = |i: usize| prints.get(i).copied();
        self.lookup_all(prints.len(), print, &mut pacer, found)
    }

    /// Looks up the prints that `print` returns for `0..count`, as [`lookup_each`](Self::lookup_each).
    /// Each is a step of the pacer.
    ///
    /// # Errors
    /// As [`lookup_each`](Self::lookup_each), and those of the pacer.
    #[inline]
    pub(crate) fn lookup_all(
        &self,
        count: usize,
        print: impl Fn(usize) -> Option<u64>,
        pacer: &mut Pacer,
        mut found: impl FnMut(usize, PostingList<'a>),
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let mut groups = [[Probe::default(); GROUP]; 3];
        for group in 0..count.div_ceil(GROUP) + 2 {
            pacer.steps(GROUP as u32)?;
            // Each group is hashed and its homes prefetched, its homes are probed one round
            // later, and its lists are found another round later. It stays in its array.
            let [first, second, third] = &mut groups;
            let (new, hashed, probed) = match group % 3 {
                0 => (first, third, second),
                1 => (second, first, third),
                _ => (third, second, first),
            };
            let start = group * GROUP;
            for (probe, i) in new.iter_mut().zip(start..count) {
                let (home, fraction) = self.hasher.place(print(i).unwrap_or_default());
                prefetch(self.buckets, home);
                (probe.home, probe.fraction) = (home, fraction);
            }
            if let Some(start) = start.checked_sub(GROUP) {
                let in_group = count.saturating_sub(start);
                let hashed = hashed.iter_mut().take(in_group);
                hashed.for_each(|probe| self.probe_home(probe));
            }
            if let Some(start) = start.checked_sub(2 * GROUP) {
                for (probe, i) in probed.iter().zip(start..count) {
                    if let Some(list) = self.find(probe)? {
                        found(i, list);
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks up prints in several tables, so that their cache misses overlap. `lookups` are pairs of
    /// a position in `tables` and a number for which `print` returns the print. Calls `found` with
    /// both and the list, in the order of `lookups`.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged, and those of the pacer, for
    /// which each look-up is a step.
    pub(crate) fn lookup_in_all(
        tables: &[Self],
        mut lookups: impl Iterator<Item = (usize, usize)>,
        print: impl Fn(usize) -> Option<u64>,
        pacer: &mut Pacer,
        mut found: impl FnMut(usize, usize, PostingList<'a>),
    ) -> Result<()> {
        let mut groups: [Vec<(usize, usize, Probe)>; 3] = Default::default();
        loop {
            // The three rounds of `lookup_all`, for groups of pairs.
            pacer.steps(GROUP as u32)?;
            groups.rotate_right(1);
            let [new, hashed, probed] = &mut groups;
            new.clear();
            for (number, i) in lookups.by_ref().take(GROUP) {
                let Some(table) = tables.get(number) else {
                    continue;
                };
                let (home, fraction) = table.hasher.place(print(i).unwrap_or_default());
                prefetch(table.buckets, home);
                let probe = Probe {
                    home,
                    fraction,
                    ..Probe::default()
                };
                new.push((number, i, probe));
            }
            for (number, _, probe) in hashed.iter_mut() {
                if let Some(table) = tables.get(*number) {
                    table.probe_home(probe);
                }
            }
            for (number, i, probe) in probed.iter() {
                let table = tables.get(*number);
                if let Some(list) = table.map(|table| table.find(probe)).transpose()?.flatten() {
                    found(*number, *i, list);
                }
            }
            if groups.iter().all(Vec::is_empty) {
                return Ok(());
            }
        }
    }

    /// Reads the home of a gram and prefetches what is read next: the list or the next bucket.
    /// [`find`](Self::find) reports a home that does not exist.
    #[inline(always)]
    fn probe_home(&self, probe: &mut Probe) {
        let Some(bucket) = self.buckets.get(probe.home) else {
            return;
        };
        probe.candidates = bucket.candidates(Tag::new(0, probe.fraction));
        probe.may_overflow = bucket.overflow().may_have(probe.fraction);
        if probe.candidates != 0 {
            let slot = probe.candidates.trailing_zeros() as usize;
            let start = bucket.start() + bucket.short_lengths_before(slot);
            prefetch(self.postings, start as usize);
            // Two lists in five end in the next cache line.
            let length = bucket.lengths.get(slot).copied().unwrap_or_default();
            prefetch(
                self.postings,
                start as usize + usize::from(length.max(1)) - 1,
            );
        } else {
            // Not a branch, which could not be predicted: at worst the home is prefetched again.
            prefetch(self.buckets, probe.home + usize::from(probe.may_overflow));
        }
    }

    /// Finds the list of a gram whose home was [probed](Self::probe_home).
    #[inline(always)]
    fn find(&self, probe: &Probe) -> Result<Option<PostingList<'a>>> {
        if probe.candidates == 0 && !probe.may_overflow {
            return Ok(None);
        }
        let Probe { home, fraction, .. } = *probe;
        let buckets = self.buckets.get(home..).unwrap_or_default();
        let Some((bucket, rest)) = buckets.split_first() else {
            return Err(Section::GramBuckets.corrupt(format_args!("no bucket {home}")));
        };
        if let Some(slot) = bucket.find(Tag::new(0, fraction), probe.candidates) {
            return self.list(bucket, slot).map(Some);
        }
        if probe.may_overflow {
            for (displacement, bucket) in (1..=bucket.overflow().max_displacement()).zip(rest) {
                let tag = Tag::new(displacement, fraction);
                if let Some(slot) = bucket.find(tag, bucket.candidates(tag)) {
                    let list = self.list(bucket, slot)?;
                    // Not prefetched yet, and read next.
                    prefetch(list.bytes, 0);
                    return Ok(Some(list));
                }
            }
        }
        Ok(None)
    }

    /// Returns the list of a filled slot.
    #[inline(always)]
    pub(super) fn list(&self, bucket: &Bucket, slot: usize) -> Result<PostingList<'a>> {
        let weight = bucket.weights.get(slot).copied().unwrap_or_default();
        let list = || {
            let mut start = bucket.start();
            let length = *bucket.lengths.get(slot)?;
            let length = if length == LONG_LIST {
                // All lists after a long one are long.
                for &length in bucket.lengths.get(..slot)? {
                    let length = match length {
                        LONG_LIST => self.long_length(start)?.checked_add(8)?,
                        _ => u64::from(length),
                    };
                    start = start.checked_add(length)?;
                }
                let length = self.long_length(start)?;
                start = start.checked_add(8)?;
                usize::try_from(length).ok()?
            } else {
                start += bucket.short_lengths_before(slot);
                usize::from(length)
            };
            let bytes = self.postings.get(usize::try_from(start).ok()?..)?;
            let frequency = frequency::decode(weight);
            (length <= bytes.len()).then(|| PostingList {
                bytes,
                len: length,
                weight,
                orders: Orders::new(frequency, self.parts, self.place_order),
            })
        };
        list().ok_or_else(|| Section::GramBuckets.corrupt("a list out of bounds"))
    }

    /// Reads the length that precedes a long list.
    fn long_length(&self, start: u64) -> Option<u64> {
        let bytes = self.postings.get(usize::try_from(start).ok()?..)?;
        bytes
            .first_chunk()
            .map(|length| u64::from_le_bytes(*length))
    }
}
