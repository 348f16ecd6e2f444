//! The table of grams and their lists.

use std::io::Write;

use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::frequency;
use crate::index::golomb::{self, Orders};
use crate::index::lines::{LONG, Line, MAX_DISPLACEMENT, Placer, SLOTS, Spread, Tag};
use crate::index::postings::count_items;
use crate::index::records::{GRAM_DISCOUNTED, PartRecord};

use super::Posting;
use super::sink::SectionSink;

/// Multipliers that are tried. At a billion grams the first fails once in twenty times,
/// two prints having the same tag; made-up prints that crowd under more than a few cannot be found.
const ATTEMPTS: u64 = 64;

/// Puts the places of all grams in the order of the table, and tells which table.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for prints that no table holds.
pub(super) fn sort(postings: &mut [Posting], exec: &Executor) -> Result<Spread> {
    let mut distinct = None;
    for attempt in 0..ATTEMPTS {
        // How many grams there are is known only once they are sorted: their order
        // does not depend on the number of homes.
        let order = Spread::new(0, attempt);
        exec.sort_by_key(postings, |posting| {
            (order.product(posting.print), posting.part, posting.at)
        });
        let grams = *distinct.get_or_insert_with(|| lists(postings).count());
        let spread = Spread::new(grams, attempt);
        let mut placer = Placer::new(spread);
        if prints(postings).all(|print| placer.next(print).is_some()) {
            return Ok(spread);
        }
    }
    Err(no_table())
}

fn no_table() -> Error {
    Error::limit("tables of grams", ATTEMPTS, "made-up prints that fit none")
}

/// The places of each gram.
fn lists(postings: &[Posting]) -> impl Iterator<Item = &[Posting]> {
    postings.chunk_by(|a, b| a.print == b.print)
}

fn prints(postings: &[Posting]) -> impl Iterator<Item = u64> {
    lists(postings).filter_map(|list| Some(list.first()?.print))
}

/// What the header says about the grams.
pub(super) struct Plan {
    pub(super) spread: Spread,
    pub(super) grams: u32,
    pub(super) discounted: u32,
    pub(super) place_order: u32,
}

impl Plan {
    /// For places in the order that [`sort`] gave them with `spread`, and sorted `common` grams.
    pub(super) fn new(postings: &[Posting], common: &[u64], spread: Spread) -> Self {
        let (mut grams, mut discounted) = (0, 0);
        for print in prints(postings) {
            grams += 1;
            discounted += u32::from(common.binary_search(&print).is_ok());
        }
        let places: u64 = postings.iter().map(|posting| u64::from(posting.at)).sum();
        let mean = places / (postings.len() as u64).max(1);
        Self {
            spread,
            grams,
            discounted,
            place_order: mean.max(1).ilog2(),
        }
    }

    /// Writes the lists and gives the lines that lead to them.
    pub(super) fn put_lists<W: Write>(
        &self,
        postings: &[Posting],
        parts: &[PartRecord],
        common: &[u64],
        sink: &mut SectionSink<'_, W>,
    ) -> Result<Vec<Line>> {
        let homes = self.spread.homes as usize;
        let mut table = Table {
            plan: self,
            parts,
            common,
            lines: Vec::with_capacity(homes + MAX_DISPLACEMENT),
            end: 0,
            coded: Vec::new(),
            list_parts: Vec::new(),
        };
        let mut placer = Placer::new(self.spread);
        let mut line_at = 0;
        let mut lists_of_line: Vec<(Tag, &[Posting])> = Vec::with_capacity(SLOTS);
        for list in lists(postings) {
            let Some((at, tag)) = list.first().and_then(|first| placer.next(first.print)) else {
                return Err(no_table());
            };
            while line_at < at {
                table.put_line(&lists_of_line, sink)?;
                lists_of_line.clear();
                line_at += 1;
            }
            lists_of_line.push((tag, list));
        }
        if !lists_of_line.is_empty() {
            table.put_line(&lists_of_line, sink)?;
        }
        while table.lines.len() < homes {
            table.put_line(&[], sink)?;
        }
        Ok(table.lines)
    }
}

/// A table under way.
struct Table<'a> {
    plan: &'a Plan,
    parts: &'a [PartRecord],
    common: &'a [u64],
    lines: Vec<Line>,
    /// Bytes of lists so far.
    end: u64,
    coded: Vec<u8>,
    list_parts: Vec<u32>,
}

impl Table<'_> {
    fn put_line<W: Write>(
        &mut self,
        lists: &[(Tag, &[Posting])],
        sink: &mut SectionSink<'_, W>,
    ) -> Result<()> {
        let mut line = Line::default();
        line.set_start(self.end)
            .ok_or_else(|| Error::limit("bytes of postings", 1_u64 << 48, self.end))?;
        self.coded.clear();
        // Bytes of each list and where they end, weight, tag.
        let mut coded: Vec<(std::ops::Range<usize>, u8, Tag)> = Vec::with_capacity(SLOTS);
        for &(tag, list) in lists {
            let start = self.coded.len();
            let weight = self.weight(list);
            let orders = Orders::new(
                frequency::decode(weight),
                self.parts.len() as u32,
                self.plan.place_order,
            );
            let pairs = list.iter().map(|posting| (posting.part, posting.at));
            golomb::encode(pairs, orders, &mut self.coded);
            coded.push((start..self.coded.len(), weight, tag));
            let home = self.lines.len().checked_sub(tag.displacement());
            // Not yet there for a gram that is at home.
            if let Some(home) = home.and_then(|home| self.lines.get_mut(home)) {
                home.pass(tag);
            }
        }
        // Where a long list ends stands before it, not in the line: so the short come first.
        coded.sort_by_key(|(bytes, ..)| bytes.len() >= usize::from(LONG));
        for (slot, (bytes, weight, tag)) in coded.into_iter().enumerate() {
            let length = bytes.len().min(usize::from(LONG)) as u8;
            let bytes = self.coded.get(bytes).unwrap_or_default();
            if length == LONG {
                sink.put(&(bytes.len() as u64))?;
                self.end += 8;
            }
            sink.put(bytes)?;
            self.end += bytes.len() as u64;
            line.set(slot, tag, length, weight);
        }
        self.lines.push(line);
        Ok(())
    }

    /// Document frequency and flag of a gram.
    fn weight(&mut self, list: &[Posting]) -> u8 {
        self.list_parts.clear();
        self.list_parts
            .extend(list.iter().map(|posting| posting.part));
        let frequency = frequency::encode(count_items(&self.list_parts, self.parts));
        let print = list.first().map_or(0, |posting| posting.print);
        let common = self.common.binary_search(&print).is_ok();
        frequency | if common { GRAM_DISCOUNTED } else { 0 }
    }
}
