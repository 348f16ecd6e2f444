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
use std::sync::atomic::{AtomicU32, Ordering};

use super::Posting;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::Index;
use crate::index::frequency::Standing;
use crate::index::records::PartRecord;
use crate::text::Gram;

/// Items from which on a gram is looked at.
pub(crate) const MIN_ITEMS: u32 = 5;

/// Symbols of rarer text that a message may have, whatever its length: a salutation, "see below", and
/// the grams that begin in them and end in what follows.
const MAX_FOREIGN_SYMBOLS: u32 = 36;

/// The share of the grams of a message that may be rarer, as a divisor.
const MAX_FOREIGN_SHARE: u32 = 20;

/// The number of classes; the last contains all higher frequencies.
const CLASSES: usize = 20;

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
    spans: Vec<Message>,
    /// The end of the messages of each part.
    ends: Vec<u32>,
}

/// A message without its closing.
#[derive(Clone, Copy, Debug)]
struct Message {
    /// First symbol and one past the last.
    start: u32,
    end: u32,
    grams: u32,
}

impl Messages {
    /// Adds the messages of the next part, whose grams are in the order of their places.
    pub(super) fn push(&mut self, messages: impl Iterator<Item = (u32, u32)>, grams: &[Gram]) {
        let before = |at: u32| grams.partition_point(|gram| gram.at < at) as u32;
        self.spans.extend(messages.map(|(start, end)| Message {
            start,
            end,
            grams: before(end) - before(start),
        }));
        self.ends.push(self.spans.len() as u32);
    }

    fn range(&self, part: u32) -> Range<usize> {
        let end = |part: u32| self.ends.get(part as usize).map_or(0, |end| *end as usize);
        part.checked_sub(1).map_or(0, end)..end(part)
    }

    /// Returns the message with a symbol of a part; `None` for one in a closing.
    fn find(&self, posting: &Posting) -> Option<usize> {
        let range = self.range(posting.part);
        let first = range.start;
        let of_part = self.spans.get(range)?;
        let begun = match of_part {
            [_] => 1,
            _ => of_part.partition_point(|message| message.start <= posting.at),
        };
        let message = of_part.get(begun.checked_sub(1)?)?;
        (posting.at < message.end).then(|| first + begun - 1)
    }
}

/// The class of a frequency: 0 for those of a handful of items.
fn class(items: u32) -> u8 {
    if items < MIN_ITEMS {
        return 0;
    }
    (items.ilog2() as u8).min(CLASSES as u8 - 1)
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
    /// The window of the recipe.
    pub(super) window: u32,
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

    /// Returns for each message the least class of grams to which the rest of the message is foreign.
    fn foreign_classes(&self, of_tasks: &[Task<'_>], exec: &Executor) -> Vec<u8> {
        let messages = &self.messages.spans;
        // How many grams of each class a message has.
        let counts: Vec<AtomicU32> = std::iter::repeat_with(AtomicU32::default)
            .take(messages.len() * CLASSES)
            .collect();
        exec.map(of_tasks, |(task, of_lists)| {
            for (list, count) in self.lists(task).zip(of_lists.iter()) {
                if count.class == 0 {
                    continue;
                }
                for message in list
                    .iter()
                    .filter_map(|posting| self.messages.find(posting))
                {
                    if let Some(count) = counts.get(message * CLASSES + usize::from(count.class)) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let of_messages = messages.iter().zip(counts.chunks(CLASSES));
        of_messages
            .map(|(message, counts)| self.foreign_class(message, counts))
            .collect()
    }

    /// Returns the least class of grams for which so many grams of a message are far rarer that the
    /// message is more than these grams; 255 if there is none.
    fn foreign_class(&self, message: &Message, counts: &[AtomicU32]) -> u8 {
        let count = |count: &AtomicU32| count.load(Ordering::Relaxed);
        let common: u32 = counts.iter().map(count).sum();
        let usual = 2 * MAX_FOREIGN_SYMBOLS / (self.window + 1);
        let max = (message.grams / MAX_FOREIGN_SHARE).max(usual);
        let mut rarer = message.grams.saturating_sub(common);
        for (class_of, counted) in (0_u8..).zip(counts) {
            rarer += count(counted);
            if rarer > max {
                return (class_of + RARER).max(class(MIN_ITEMS));
            }
        }
        u8::MAX
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
                let foreign = self
                    .messages
                    .find(posting)
                    .and_then(|message| foreign.get(message));
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
