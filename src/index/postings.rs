//! From a gram to the places where it stands: a table of [lines](super::lines) of
//! the cache, and the lists that they lead to.

use super::golomb::{Orders, Pairs};
use super::layout::Section;
use super::lines::{LONG, Line, Spread, Tag};
use super::records::{GRAM_DISCOUNTED, PartRecord};
use super::{Inner, PartId, frequency};
use crate::arch::prefetch;
use crate::error::Result;

/// Look-ups under way at a time: the line of a print is asked for so many prints
/// before it is read, so that the waits overlap.
const AHEAD: usize = 32;

/// The places of one gram.
#[derive(Clone, Copy)]
pub struct PostingList<'a> {
    /// From the first byte of the list to the end of all lists: a reader may look
    /// beyond the end of its own.
    bytes: &'a [u8],
    len: usize,
    weight: u8,
    orders: Orders,
}

impl<'a> PostingList<'a> {
    /// The number of places, at least 1 in an undamaged index. Reads the list.
    pub fn len(&self) -> usize {
        self.pairs().flatten().count()
    }

    /// The most places that there can be, without reading the list.
    pub fn max_len(&self) -> usize {
        self.len.saturating_mul(8) / self.orders.least_bits()
    }

    /// Whether there is no place.
    pub fn is_empty(&self) -> bool {
        self.pairs().next().is_none()
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
        self.pairs().map(|pair| match pair {
            Some((part, at)) => Ok((PartId(part), at)),
            None => Err(Section::Postings.corrupt("a list that is none")),
        })
    }

    /// The code of the document frequency.
    pub(super) fn frequency_code(&self) -> u8 {
        self.weight & !GRAM_DISCOUNTED
    }

    /// The bytes that the list takes.
    pub(super) fn bytes_len(&self) -> u64 {
        self.len as u64
    }

    pub(super) fn pairs(&self) -> Pairs<'a> {
        Pairs::new(self.bytes, self.len, self.orders)
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
    lines: &'a [Line],
    postings: &'a [u8],
    spread: Spread,
    parts: u32,
    place_order: u32,
    grams: u32,
    count: u32,
}

impl<'a> Grams<'a> {
    pub(super) fn new(inner: &'a Inner) -> Self {
        let meta = &inner.meta;
        Self {
            lines: inner.slice(Section::GramLines),
            postings: inner.slice(Section::Postings),
            spread: Spread {
                homes: meta.homes,
                multiplier: meta.multiplier,
            },
            parts: meta.parts,
            place_order: meta.place_order,
            grams: meta.grams,
            count: meta.postings,
        }
    }

    /// The number of distinct grams.
    pub fn len(&self) -> usize {
        self.grams as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.grams == 0
    }

    /// The number of places of all grams.
    pub fn postings(&self) -> usize {
        self.count as usize
    }

    pub(super) fn lines(&self) -> &'a [Line] {
        self.lines
    }

    /// The places of one gram. Two dependent cache misses if the index is
    /// large: [`lookup_batch`](Self::lookup_batch) lets them overlap.
    ///
    /// A gram that the index does not have is taken for one that it has once in ten
    /// billion look-ups: of 64 bits, the index holds what tells its own grams apart.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the file is damaged.
    pub fn get(&self, print: u64) -> Result<Option<PostingList<'a>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let (home, fraction) = self.spread.place(print);
        self.find(home, fraction)
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
        self.lookup_each(prints.len(), |i| prints.get(i).copied(), hits)
    }

    /// [`lookup_batch`](Self::lookup_batch) of the prints that `print` gives for `0..count`.
    pub(crate) fn lookup_each(
        &self,
        count: usize,
        print: impl Fn(usize) -> Option<u64>,
        hits: &mut Vec<(usize, PostingList<'a>)>,
    ) -> Result<()> {
        hits.clear();
        if self.is_empty() {
            return Ok(());
        }
        let mut under_way = [(0, 0); AHEAD];
        let ask = |i: usize| {
            let place = self.spread.place(print(i).unwrap_or_default());
            prefetch(self.lines, place.0);
            place
        };
        for (i, place) in under_way.iter_mut().enumerate().take(count) {
            *place = ask(i);
        }
        for i in 0..count {
            let slot = &mut under_way[i % AHEAD];
            let (home, fraction) = *slot;
            if i + AHEAD < count {
                *slot = ask(i + AHEAD);
            }
            if let Some(list) = self.find(home, fraction)? {
                // Whoever looks a gram up reads its list next.
                prefetch(list.bytes, 0);
                hits.push((i, list));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn find(&self, home: usize, fraction: u64) -> Result<Option<PostingList<'a>>> {
        let lines = self.lines.get(home..).unwrap_or_default();
        let Some((line, behind)) = lines.split_first() else {
            return Err(Section::GramLines.corrupt(format_args!("no line {home}")));
        };
        if let Some(slot) = line.find(Tag::new(0, fraction)) {
            return self.list(line, slot).map(Some);
        }
        // Four bits, so that a damaged file cannot make this long.
        let spill = line.spill() as usize & super::lines::MAX_DISPLACEMENT;
        for (ahead, line) in (1..=spill).zip(behind) {
            if let Some(slot) = line.find(Tag::new(ahead, fraction)) {
                return self.list(line, slot).map(Some);
            }
        }
        Ok(None)
    }

    /// The list of a slot that is filled.
    #[inline(always)]
    pub(super) fn list(&self, line: &Line, slot: usize) -> Result<PostingList<'a>> {
        let weight = line.weights.get(slot).copied().unwrap_or_default();
        let list = || {
            let mut start = line.start();
            let length = *line.lengths.get(slot)?;
            let before = line.lengths.get(..slot)?;
            for &length in before {
                let length = match length {
                    LONG => self.long(start)?.checked_add(8)?,
                    _ => u64::from(length),
                };
                start = start.checked_add(length)?;
            }
            let length = if length == LONG {
                let length = self.long(start)?;
                start = start.checked_add(8)?;
                usize::try_from(length).ok()?
            } else {
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
        list().ok_or_else(|| Section::GramLines.corrupt("a list out of bounds"))
    }

    /// The length that stands before a long list.
    fn long(&self, start: u64) -> Option<u64> {
        let bytes = self.postings.get(usize::try_from(start).ok()?..)?;
        bytes
            .first_chunk()
            .map(|length| u64::from_le_bytes(*length))
    }
}
