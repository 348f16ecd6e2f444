//! From a gram to the places where it stands: a table of [lines](super::lines) of
//! the cache, and the lists that they lead to.

use super::golomb::{Orders, Pairs};
use super::layout::Section;
use super::lines::{LONG, Line, Spread, Tag};
use super::records::{GRAM_DISCOUNTED, PartRecord};
use super::{Inner, PartId, frequency};
use crate::arch::prefetch;
use crate::deadline::{Deadline, Pacer};
use crate::error::Result;

/// Look-ups that go together: the lines of a group are asked for while the group before
/// it is looked up, so that the waits overlap.
const GROUP: usize = 32;

/// A look-up under way.
#[derive(Clone, Copy, Default)]
struct Probe {
    home: usize,
    fraction: u64,
    /// What the home says: slots that may have the gram, else whether it may have passed.
    alike: u32,
    passed: bool,
}

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
    ///
    /// `for_each` and `fold` are faster than a loop.
    #[inline]
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

    pub(super) fn spread(&self) -> Spread {
        self.spread
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
        let mut probe = Probe {
            home,
            fraction,
            ..Probe::default()
        };
        self.look(&mut probe);
        self.answer(&probe)
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
        self.lookup_each(prints, |i, list| hits.push((i, list)))
    }

    /// Calls `found` with the place in `prints` and the list of each print that the index has, in
    /// the order of `prints`. A list that is read at once is in the nearest cache: after a
    /// thousand others it is not, nor is the address of its page.
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

    /// [`lookup_each`](Self::lookup_each) of the prints that `print` gives for `0..count`, each of
    /// which is a step of the pacer.
    ///
    /// # Errors
    /// As there, and those of the pacer.
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
            // Each group of prints is placed, looked at home one round later, and
            // answered another round later: its place among the three stays.
            let [first, second, third] = &mut groups;
            let (new, asked, seen) = match group % 3 {
                0 => (first, third, second),
                1 => (second, first, third),
                _ => (third, second, first),
            };
            let start = group * GROUP;
            for (probe, i) in new.iter_mut().zip(start..count) {
                let (home, fraction) = self.spread.place(print(i).unwrap_or_default());
                prefetch(self.lines, home);
                (probe.home, probe.fraction) = (home, fraction);
            }
            if let Some(start) = start.checked_sub(GROUP) {
                let in_group = count.saturating_sub(start);
                asked.iter_mut().take(in_group).for_each(|p| self.look(p));
            }
            if let Some(start) = start.checked_sub(2 * GROUP) {
                for (probe, i) in seen.iter().zip(start..count) {
                    if let Some(list) = self.answer(probe)? {
                        found(i, list);
                    }
                }
            }
        }
        Ok(())
    }

    /// The places of prints in several tables, which wait for memory together: of the print that
    /// `print` gives for the second of each of `asked` in the table whose number is the first, in that
    /// order. `found` gets the table's number, the print's, and the list.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged, and those of the pacer, which
    /// makes a step for each.
    pub(crate) fn lookup_in_all(
        tables: &[Self],
        mut asked: impl Iterator<Item = (usize, usize)>,
        print: impl Fn(usize) -> Option<u64>,
        pacer: &mut Pacer,
        mut found: impl FnMut(usize, usize, PostingList<'a>),
    ) -> Result<()> {
        let mut groups: [Vec<(usize, usize, Probe)>; 3] = Default::default();
        loop {
            // As in `lookup_all`, but for what a group is made of.
            pacer.steps(GROUP as u32)?;
            groups.rotate_right(1);
            let [new, placed, seen] = &mut groups;
            new.clear();
            for (number, i) in asked.by_ref().take(GROUP) {
                let Some(table) = tables.get(number) else {
                    continue;
                };
                let (home, fraction) = table.spread.place(print(i).unwrap_or_default());
                prefetch(table.lines, home);
                let probe = Probe {
                    home,
                    fraction,
                    ..Probe::default()
                };
                new.push((number, i, probe));
            }
            for (number, _, probe) in placed.iter_mut() {
                if let Some(table) = tables.get(*number) {
                    table.look(probe);
                }
            }
            for (number, i, probe) in seen.iter() {
                let table = tables.get(*number);
                if let Some(list) = table
                    .map(|table| table.answer(probe))
                    .transpose()?
                    .flatten()
                {
                    found(*number, *i, list);
                }
            }
            if groups.iter().all(Vec::is_empty) {
                return Ok(());
            }
        }
    }

    /// Looks at the home of a gram and asks for what comes next: the list or the line
    /// behind. A home that does not exist is for the answer to say.
    #[inline(always)]
    fn look(&self, probe: &mut Probe) {
        let Some(line) = self.lines.get(probe.home) else {
            return;
        };
        probe.alike = line.alike(Tag::new(0, probe.fraction));
        probe.passed = line.passed().may_have(probe.fraction);
        if probe.alike != 0 {
            let slot = probe.alike.trailing_zeros() as usize;
            let start = line.start() + line.short_lengths_before(slot);
            prefetch(self.postings, start as usize);
            // Two lists in five end in the next line.
            let length = line.lengths.get(slot).copied().unwrap_or_default();
            prefetch(
                self.postings,
                start as usize + usize::from(length.max(1)) - 1,
            );
        } else {
            // Without a condition that nobody can foretell: at worst for what is there.
            prefetch(self.lines, probe.home + usize::from(probe.passed));
        }
    }

    /// The list of a gram whose home was looked at.
    #[inline(always)]
    fn answer(&self, probe: &Probe) -> Result<Option<PostingList<'a>>> {
        if probe.alike == 0 && !probe.passed {
            return Ok(None);
        }
        let Probe { home, fraction, .. } = *probe;
        let lines = self.lines.get(home..).unwrap_or_default();
        let Some((line, behind)) = lines.split_first() else {
            return Err(Section::GramLines.corrupt(format_args!("no line {home}")));
        };
        if let Some(slot) = line.find(Tag::new(0, fraction), probe.alike) {
            return self.list(line, slot).map(Some);
        }
        if probe.passed {
            for (ahead, line) in (1..=line.passed().reach()).zip(behind) {
                let tag = Tag::new(ahead, fraction);
                if let Some(slot) = line.find(tag, line.alike(tag)) {
                    let list = self.list(line, slot)?;
                    // Not asked for before: whoever looks a gram up reads its list next.
                    prefetch(list.bytes, 0);
                    return Ok(Some(list));
                }
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
            let length = if length == LONG {
                // Only long ones stand behind a long one.
                for &length in line.lengths.get(..slot)? {
                    let length = match length {
                        LONG => self.long(start)?.checked_add(8)?,
                        _ => u64::from(length),
                    };
                    start = start.checked_add(length)?;
                }
                let length = self.long(start)?;
                start = start.checked_add(8)?;
                usize::try_from(length).ok()?
            } else {
                start += line.short_lengths_before(slot);
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
