//! Which of the grams that many items have are content all the same.
//!
//! A memo in sixty mailboxes and a disclaimer below sixty mails are equally frequent. What tells them
//! apart is what is beside them. The memo is a message by itself: in its copies, replies, forwards and
//! attachments a message consists of little else, and what else there is (a signature, a disclaimer) is as
//! frequent or more so. The disclaimer is beside text that is far rarer than itself. So each item with
//! a gram *vouches* for it if a message with the gram in it contains hardly any text that is far rarer
//! than the gram. Content is what all but a fifth of its items vouch for: comments and quotations, of
//! which every memo has some, are the fifth.
//!
//! Nothing is learnt from a gram that a handful of items have: it has its full weight anyway.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Posting;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::Index;
use crate::index::frequency::Standing;
use crate::index::records::PartRecord;
use crate::text::GRAM_LEN;

/// Items from which on a gram is looked at.
pub(crate) const MIN_ITEMS: u32 = 5;

/// Symbols of a cell; what is known of a text is how frequent the grams in each cell are.
const CELL: u32 = 8;

/// Cells with rarer text that a message may have, whatever its length: a salutation, "see below".
const MAX_FOREIGN_CELLS: u32 = 2;

/// The share of a message that may be rarer text, as a divisor.
const MAX_FOREIGN_SHARE: u32 = 20;

/// Classes of frequencies by which rarer text is rarer: two, that is by a factor between two and eight.
const RARER: u8 = 2;

/// The share of items, as a divisor, that need not vouch; and how many more, in halves, since a small
/// sample shows too little.
const MAX_FOREIGN_ITEMS: u64 = 5;
const MORE_FOREIGN_HALVES: u64 = 3;

/// Places of a gram that are looked at; of longer lists, evenly spread ones.
const MAX_PLACES: usize = 1 << 12;

/// Places that one task processes.
const TASK: usize = 1 << 16;

/// The messages of the texts added so far.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// First symbol and one past the last, without the closing.
    spans: Vec<(u32, u32)>,
    /// The end of the messages of each part.
    ends: Vec<u32>,
}

impl Messages {
    /// Adds the messages of the next part.
    pub(super) fn push(&mut self, messages: impl Iterator<Item = (u32, u32)>) {
        self.spans.extend(messages);
        self.ends.push(self.spans.len() as u32);
    }

    fn range(&self, part: u32) -> Range<usize> {
        let end = |part: u32| self.ends.get(part as usize).map_or(0, |end| *end as usize);
        part.checked_sub(1).map_or(0, end)..end(part)
    }

    fn of_part(&self, part: u32) -> &[(u32, u32)] {
        self.spans.get(self.range(part)).unwrap_or_default()
    }

    /// Returns the message with a symbol of a part; one in a closing counts to the message before it.
    fn find(&self, part: u32, at: u32) -> Option<usize> {
        let range = self.range(part);
        let first = range.start;
        if range.len() < 2 {
            return (range.len() == 1).then_some(first);
        }
        let begun = self
            .of_part(part)
            .partition_point(|(start, _)| *start <= at);
        Some(first + begun.saturating_sub(1))
    }
}

/// The class of a frequency: 0 for those of a handful of items.
fn class(items: u32) -> u8 {
    if items < MIN_ITEMS {
        return 0;
    }
    items.ilog2() as u8
}

/// Which prints are those of no closing, by some of their bits: of most it is known without a search.
struct ClosingFilter(Vec<u64>);

impl ClosingFilter {
    /// Bits of a print that are looked at: two megabytes.
    const BITS: u32 = 24;

    fn new(closings: &[(u64, u32)]) -> Self {
        if closings.is_empty() {
            return Self(Vec::new());
        }
        let mut words = vec![0_u64; 1 << (Self::BITS - 6)];
        for (print, _) in closings {
            let (word, bit) = Self::place(*print);
            if let Some(word) = words.get_mut(word) {
                *word |= bit;
            }
        }
        Self(words)
    }

    fn place(print: u64) -> (usize, u64) {
        let place = print >> (64 - Self::BITS);
        ((place >> 6) as usize, 1 << (place & 63))
    }

    fn may_have(&self, print: u64) -> bool {
        let (word, bit) = Self::place(print);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// How many items have a gram.
#[derive(Clone, Copy)]
struct Count {
    /// In this index.
    items: u32,
    /// The class of the number in the whole collection.
    class: u8,
}

/// The postings of some lists, and the count of each list.
type Task<'a> = (&'a Range<usize>, &'a Vec<Count>);

/// The writer's data that tell which grams are vouched for.
pub(super) struct Vouching<'a> {
    /// Sorted as lists.
    pub(super) postings: &'a [Posting],
    pub(super) parts: &'a [PartRecord],
    pub(super) messages: &'a Messages,
    /// Other indexes of the same collection.
    pub(super) siblings: &'a [Index],
    /// The grams in signatures and footers, each with its items, sorted.
    pub(super) closings: &'a [(u64, u32)],
    /// Grams to discount, sorted.
    pub(super) common: &'a [u64],
    /// Grams that the owner vouches for, sorted.
    pub(super) sure: &'a [u64],
}

impl Vouching<'_> {
    /// Returns the standing of the gram of each list.
    pub(super) fn of_lists(&self, exec: &Executor) -> Result<Vec<Standing>> {
        let tasks = self.tasks();
        let counts = exec.map(&tasks, |task| self.counts(task.clone()));
        let counts: Vec<Vec<Count>> = counts.into_iter().collect::<Result<_>>()?;
        let of_tasks: Vec<_> = tasks.iter().zip(&counts).collect();
        let is_any_common = counts.iter().flatten().any(|count| count.class > 0);
        let foreign = match is_any_common {
            true => self.foreign_classes(&of_tasks, exec),
            false => Vec::new(),
        };
        let filter = ClosingFilter::new(self.closings);
        let standings = exec.map(&of_tasks, |(task, counts)| {
            let lists = self.lists(task).zip(counts.iter());
            lists
                .map(|(list, count)| self.standing(list, *count, &foreign, &filter))
                .collect::<Vec<Standing>>()
        });
        Ok(standings.concat())
    }

    fn standing(
        &self,
        list: &[Posting],
        count: Count,
        foreign: &[u8],
        filter: &ClosingFilter,
    ) -> Standing {
        let print = list.first().map_or(0, |posting| posting.print);
        let is_in = |grams: &[u64]| grams.binary_search(&print).is_ok();
        if is_in(self.sure) {
            Standing::Vouched
        } else if is_in(self.common) || (filter.may_have(print) && self.closes(print, count.items))
        {
            Standing::Discounted
        } else if count.class > 0 && self.is_vouched(list, count.class, foreign) {
            Standing::Vouched
        } else {
            Standing::Plain
        }
    }

    /// Returns whether half of the items that have a gram have it in a signature or footer.
    fn closes(&self, print: u64, items: u32) -> bool {
        let start = self.closings.partition_point(|(other, _)| *other < print);
        let rest = self.closings.get(start..).unwrap_or_default();
        let closing = rest.iter().take_while(|(other, _)| *other == print).count();
        closing > 0 && closing.saturating_mul(2) >= items as usize
    }

    /// Divides the postings at the bounds of lists.
    fn tasks(&self) -> Vec<Range<usize>> {
        let mut tasks = Vec::new();
        let mut start = 0;
        while start < self.postings.len() {
            let mut end = (start + TASK).min(self.postings.len());
            while let (Some(last), Some(next)) =
                (self.postings.get(end - 1), self.postings.get(end))
                && last.print == next.print
            {
                end += 1;
            }
            tasks.push(start..end);
            start = end;
        }
        tasks
    }

    fn lists(&self, task: &Range<usize>) -> impl Iterator<Item = &[Posting]> {
        let postings = self.postings.get(task.clone()).unwrap_or_default();
        postings.chunk_by(|a, b| a.print == b.print)
    }

    /// Returns how many items have the gram of each list.
    fn counts(&self, task: Range<usize>) -> Result<Vec<Count>> {
        let own = self.lists(&task).map(|list| {
            let places = list.windows(2).filter(|pair| match pair {
                [a, b] => self.item(a) != self.item(b),
                _ => false,
            });
            places.count() as u32 + 1
        });
        let own: Vec<u32> = own.collect();
        let mut all = own.clone();
        if !self.siblings.is_empty() {
            let prints: Vec<u64> = self
                .lists(&task)
                .filter_map(|list| Some(list.first()?.print))
                .collect();
            for sibling in self.siblings {
                sibling.grams().lookup_each(&prints, |i, list| {
                    if let Some(items) = all.get_mut(i) {
                        *items = items.saturating_add(list.document_frequency());
                    }
                })?;
            }
        }
        let counts = own.into_iter().zip(all.into_iter().map(class));
        Ok(counts
            .map(|(items, class)| Count { items, class })
            .collect())
    }

    fn item(&self, posting: &Posting) -> u32 {
        let part = self.parts.get(posting.part as usize);
        part.map_or(u32::MAX, |part| part.item)
    }

    /// Writes the class of the most frequent gram that touches a cell into it.
    fn mark(&self, task: &Range<usize>, counts: &[Count], cells_at: &[usize], cells: &[AtomicU8]) {
        for (list, &Count { class, .. }) in self.lists(task).zip(counts) {
            if class == 0 {
                continue;
            }
            for posting in list {
                let Some(&first) = cells_at.get(posting.part as usize) else {
                    continue;
                };
                let last = posting.at + GRAM_LEN as u32 - 1;
                let touched = first + (posting.at / CELL) as usize..=first + (last / CELL) as usize;
                for cell in cells.get(touched).unwrap_or_default() {
                    if cell.load(Ordering::Relaxed) < class {
                        cell.fetch_max(class, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Returns for each message the least class of grams to which the rest of the message is foreign.
    fn foreign_classes(&self, of_tasks: &[Task<'_>], exec: &Executor) -> Vec<u8> {
        const PARTS: usize = 1 << 10;
        let mut cells_at = Vec::with_capacity(self.parts.len());
        let mut count = 0_usize;
        for part in self.parts {
            cells_at.push(count);
            count += part.folded.div_ceil(CELL) as usize;
        }
        let cells: Vec<AtomicU8> = std::iter::repeat_with(AtomicU8::default)
            .take(count)
            .collect();
        exec.map(of_tasks, |(task, counts)| {
            self.mark(task, counts, &cells_at, &cells);
        });
        let firsts: Vec<usize> = (0..self.parts.len()).step_by(PARTS).collect();
        let of_parts = exec.map(&firsts, |&first| {
            let parts = first..self.parts.len().min(first + PARTS);
            let mut foreign = Vec::new();
            for (part, &start) in parts.clone().zip(cells_at.get(parts).unwrap_or_default()) {
                for &(from, to) in self.messages.of_part(part as u32) {
                    let inside = from.div_ceil(CELL) as usize..(to / CELL) as usize;
                    let inside = start + inside.start..start + inside.end.max(inside.start);
                    foreign.push(foreign_class(cells.get(inside).unwrap_or_default()));
                }
            }
            foreign
        });
        of_parts.concat()
    }

    fn is_vouched(&self, list: &[Posting], class: u8, foreign: &[u8]) -> bool {
        let step = list.len().div_ceil(MAX_PLACES);
        let (mut items, mut foreign_items) = (0_u64, 0);
        let mut last = None;
        let mut vouches = true;
        for posting in list.iter().step_by(step) {
            let item = self.item(posting);
            if last != Some(item) {
                foreign_items += u64::from(!vouches);
                items += 1;
                (last, vouches) = (Some(item), false);
            }
            if !vouches {
                let message = self.messages.find(posting.part, posting.at);
                let foreign = message.and_then(|message| foreign.get(message));
                vouches = foreign.is_some_and(|foreign| class < *foreign);
            }
        }
        foreign_items += u64::from(!vouches);
        // Of few items of many in the collection, the more must vouch.
        let more = (MORE_FOREIGN_HALVES * items) >> class.min(63);
        2 * MAX_FOREIGN_ITEMS * foreign_items
            <= 2 * items + MAX_FOREIGN_ITEMS * more.min(MORE_FOREIGN_HALVES)
    }
}

/// Returns the least class of grams for which so many cells of a message are far rarer that the message
/// is more than these grams; 255 if there is none.
fn foreign_class(cells: &[AtomicU8]) -> u8 {
    let mut counts = [0_u32; 32];
    for cell in cells {
        if let Some(count) = counts.get_mut(usize::from(cell.load(Ordering::Relaxed))) {
            *count += 1;
        }
    }
    let max = (cells.len() as u32 / MAX_FOREIGN_SHARE).max(MAX_FOREIGN_CELLS);
    let mut rarer = 0;
    for (rare, count) in (0_u8..).zip(counts) {
        rarer += count;
        if rarer > max {
            return (rare + RARER).max(class(MIN_ITEMS));
        }
    }
    u8::MAX
}
