//! The state of a collection at one moment. Immutable: every operation makes a new one, and readers
//! keep theirs as long as they need it.

use std::collections::HashMap;
use std::sync::Arc;

use super::codec::{Decoder, Encoder};
use super::false_matches::{self, put_scope, take_scope};
use super::filter_cache::FilterCache;
use super::merge::Plan;
use super::record::{Discount, ItemKey, Record};
use super::segment::{Location, Segment, Slot};
use super::stop_prints::StopPrintsCache;
use crate::calibration::Calibration;
use crate::error::{Error, Result};
use crate::fingerprint::Recipe;
use crate::index::Index;
use crate::index::IndexSet;
use crate::index::filter::PrintFilter;
use crate::matcher::{FalseMatch, FalseMatches, FalseScope};
use crate::time::Timestamp;

/// So many segments of the head with about the same number of items are merged.
const MERGE_FACTOR: usize = 4;

/// A change of a collection, as it is in the log.
#[derive(Clone, Debug)]
pub(super) enum Operation<'a> {
    /// Adds an item, in place of one of the same name.
    Add(&'a [u8]),
    Remove(ItemKey<'a>),
    MarkFalse(FalseMatch),
    Unmark(&'a str, FalseScope),
}

impl<'a> Operation<'a> {
    pub(super) fn put(&self, out: &mut Encoder) {
        match self {
            Self::Add(record) => {
                out.u8(1);
                out.bytes(record);
            }
            Self::Remove(ItemKey::Discount(kind, name)) => {
                out.u8(5);
                out.u8(kind.to_byte());
                out.str(name);
            }
            Self::Remove(key) => {
                out.u8(2);
                out.str(&key.name());
            }
            Self::MarkFalse(mark) => {
                out.u8(3);
                false_matches::put(mark, out);
            }
            Self::Unmark(item, scope) => {
                out.u8(4);
                out.str(item);
                put_scope(out, scope);
            }
        }
    }

    /// Decodes all operations of a frame.
    pub(super) fn all(payload: &'a [u8]) -> Result<Vec<Self>> {
        let mut read = Decoder::new(payload);
        let mut all = Vec::new();
        while !read.is_empty() {
            all.push(match read.u8()? {
                1 => Self::Add(read.bytes()?),
                2 => Self::Remove(ItemKey::of_name(read.str()?)),
                3 => Self::MarkFalse(false_matches::take(&mut read)?),
                4 => Self::Unmark(read.str()?, take_scope(&mut read)?),
                5 => {
                    let kind = Discount::from_byte(read.u8()?);
                    let kind =
                        kind.ok_or_else(|| Error::corrupt("neither ignored nor background"))?;
                    Self::Remove(ItemKey::Discount(kind, read.str()?))
                }
                _ => return Err(Error::corrupt("an operation of an unknown kind")),
            });
        }
        Ok(all)
    }
}

/// The state of a collection at one moment.
#[derive(Debug)]
pub(super) struct State {
    pub(super) generation: u64,
    /// Those on disk, then those of each log, oldest first.
    pub(super) slots: Vec<Slot>,
    pub(super) false_matches: Arc<FalseMatches>,
    /// The indexes of the slots that have one ...
    pub(super) indexes: IndexSet,
    /// ... and the slot of each.
    pub(super) index_slots: Vec<u32>,
    pub(super) stop_prints: StopPrintsCache,
    pub(super) filter: FilterCache,
    /// How often unrelated uploads match, if it was measured.
    pub(super) calibration: Option<Arc<Calibration>>,
    head: Arc<PrintFilter>,
}

/// Caches and the calibration, which a state carries over to the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// A filter over the prints that are or were in the head.
    pub(super) head: Option<Arc<PrintFilter>>,
    pub(super) stop_prints: StopPrintsCache,
    pub(super) filter: FilterCache,
    pub(super) calibration: Option<Arc<Calibration>>,
}

/// Values that all states of an open collection share.
#[derive(Clone, Debug)]
pub(super) struct OpenContext {
    pub(super) recipe: Recipe,
    /// Searched if no slot has an index.
    pub(super) empty: Index,
}

impl State {
    pub(super) fn new(
        generation: u64,
        slots: Vec<Slot>,
        false_matches: Arc<FalseMatches>,
        context: &OpenContext,
        carried: Carried,
    ) -> Result<Self> {
        let (mut indexes, mut index_slots, mut on_disk) = (Vec::new(), Vec::new(), 0);
        for (place, slot) in (0..).zip(&slots) {
            if let Some(index) = &slot.segment.index {
                indexes.push((index.clone(), Arc::clone(&slot.removed)));
                index_slots.push(place);
                on_disk += usize::from(!is_of_log(&slot.segment));
            }
        }
        let head = carried
            .head
            .unwrap_or_else(|| Arc::new(PrintFilter::of(in_head(&slots))));
        let worthwhile = indexes.len() > on_disk + 1;
        if indexes.is_empty() {
            indexes.push((context.empty.clone(), Arc::default()));
        }
        Ok(Self {
            generation,
            slots,
            false_matches,
            indexes: IndexSet::new(indexes)?
                .with_filters(on_disk, [None, worthwhile.then(|| Arc::clone(&head))]),
            index_slots,
            stop_prints: carried.stop_prints,
            filter: carried.filter,
            calibration: carried.calibration,
            head,
        })
    }

    /// Returns the caches for a state with the same items as this one, or fewer.
    pub(super) fn carried(&self) -> Carried {
        Carried {
            head: Some(Arc::clone(&self.head)),
            stop_prints: self.stop_prints.clone(),
            filter: self.filter.clone(),
            calibration: self.calibration.clone(),
        }
    }

    /// Returns the number of items.
    pub(super) fn len(&self) -> u64 {
        let live = self.slots.iter().map(|slot| u64::from(slot.live()));
        live.sum::<u64>().saturating_sub(self.discounts())
    }

    /// Returns the number of items that are hashes of hash lists.
    pub(super) fn codes(&self) -> u64 {
        let codes = self.slots.iter().map(|slot| {
            let counts = slot.segment.records.counts();
            let gone = slot.removed.count_below(counts.items());
            let gone = gone - slot.removed.count_below(counts.prints);
            u64::from(counts.items() - counts.prints - gone)
        });
        codes.sum()
    }

    /// Returns the number of ignore and background files.
    pub(super) fn discounts(&self) -> u64 {
        let of_slot = |slot: &Slot| {
            let counts = slot.segment.records.counts();
            let removed = slot.removed.len() - slot.removed.count_below(counts.items());
            u64::from(counts.discounts.saturating_sub(removed))
        };
        self.slots.iter().map(of_slot).sum()
    }

    /// Returns the indexes as they are searched: with the prints that are discounted, and with a
    /// filter over the segments on disk if there is one, or if `prepare`.
    pub(super) fn searched(&self, recipe: &Recipe, prepare: bool) -> Result<IndexSet> {
        let common = self.stop_prints.get(&self.slots, recipe)?;
        let on_disk = self.filter.of(&self.slots, prepare);
        let indexes = self.indexes.clone().with_first_filter(on_disk);
        Ok(indexes.with_stop_prints(common))
    }

    /// Finds the item of a key: the position of its slot, and its number there.
    pub(super) fn find(&self, key: &ItemKey<'_>) -> Result<Option<(usize, u32)>> {
        find(&self.slots, key)
    }

    /// Returns the record of the item with a key.
    pub(super) fn record(&self, key: &ItemKey<'_>) -> Result<Option<Record<'_>>> {
        match self.find(key)? {
            None => Ok(None),
            Some((slot, item)) => match self.slots.get(slot) {
                Some(slot) => slot.segment.record(item).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Returns the state after some operations, which are in the log of that number.
    pub(super) fn apply<'a>(
        &self,
        operations: impl IntoIterator<Item = Operation<'a>>,
        generation: u64,
        log: u64,
        context: &OpenContext,
    ) -> Result<Self> {
        let mut slots = self.slots.clone();
        let mut false_matches = Arc::clone(&self.false_matches);
        let mut added: Vec<Option<&[u8]>> = Vec::new();
        let mut by_key: HashMap<ItemKey<'_>, usize> = HashMap::new();
        let mut carried = self.carried();
        let mut take_out = |key: &ItemKey<'_>, slots: &mut [Slot]| -> Result<()> {
            if let ItemKey::Discount(..) = key {
                carried.stop_prints = StopPrintsCache::default();
            }
            if let Some((place, item)) = find(slots, key)?
                && let Some(slot) = slots.get_mut(place)
            {
                Arc::make_mut(&mut slot.removed).insert(item);
            }
            Ok(())
        };
        for operation in operations {
            match operation {
                Operation::Add(bytes) => {
                    let record = Record::parse(bytes)?;
                    take_out(&record.key, &mut slots)?;
                    if let Some(earlier) = by_key.insert(record.key, added.len()) {
                        added[earlier] = None;
                    }
                    added.push(Some(bytes));
                }
                Operation::Remove(key) => {
                    take_out(&key, &mut slots)?;
                    if let Some(earlier) = by_key.remove(&key) {
                        added[earlier] = None;
                    }
                }
                Operation::MarkFalse(mark) => Arc::make_mut(&mut false_matches).insert(mark),
                Operation::Unmark(item, scope) => {
                    Arc::make_mut(&mut false_matches).remove(item, &scope);
                }
            }
        }
        let plan = Plan::of_records(added.into_iter().flatten())?;
        if !plan.is_empty() {
            let around = around(&slots, &[]);
            let segment = plan.in_memory(log, &context.recipe, &around)?;
            if let Some(index) = &segment.index {
                carried.head = carried.head.filter(|head| head.has_room_for(index));
                // Otherwise it is rebuilt from all.
                carried.head.iter().for_each(|head| head.add(index));
            }
            slots.push(Slot {
                segment: Arc::new(segment),
                removed: Arc::default(),
            });
            tidy(&mut slots, log, context)?;
        }
        slots.retain(|slot| slot.live() > 0 || matches!(slot.segment.location, Location::Disk(_)));
        Self::new(generation, slots, false_matches, context, carried)
    }
}

fn find(slots: &[Slot], key: &ItemKey<'_>) -> Result<Option<(usize, u32)>> {
    // Recent items are looked up most.
    for (place, slot) in slots.iter().enumerate().rev() {
        if let Some(item) = slot.find(key)? {
            return Ok(Some((place, item)));
        }
    }
    Ok(None)
}

/// Returns the indexes of the head.
fn in_head(slots: &[Slot]) -> impl Iterator<Item = &Index> + Clone {
    let head = slots.iter().filter(|slot| is_of_log(&slot.segment));
    head.filter_map(|slot| slot.segment.index.as_ref())
}

/// Returns the indexes of all slots except those whose segments will be replaced.
pub(super) fn around(slots: &[Slot], replaced: &[Slot]) -> Vec<Index> {
    let is_replaced = |slot: &&Slot| {
        let mut replaced = replaced.iter();
        replaced.any(|other| Arc::ptr_eq(&other.segment, &slot.segment))
    };
    let others = slots.iter().filter(|slot| !is_replaced(slot));
    others
        .filter_map(|slot| slot.segment.index.clone())
        .collect()
}

/// Merges the last segments of a log while there are `MERGE_FACTOR` of one size.
///
/// So an item of ten thousand is written some seven times in all, and there are some ten
/// segments to search (the logarithmic method of Bentley and Saxe, 1980).
fn tidy(slots: &mut Vec<Slot>, log: u64, context: &OpenContext) -> Result<()> {
    let tier = |slot: &Slot| slot.segment.items().max(1).ilog2() / MERGE_FACTOR.ilog2();
    loop {
        let of_log = |slot: &&Slot| slot.segment.location == Location::Log(log);
        let count = slots.iter().rev().take_while(of_log).count();
        let Some(last) = slots.last().map(tier) else {
            return Ok(());
        };
        // Smaller ones follow larger ones: the run of the last tier, or of lower ones.
        let run = slots.iter().rev().take(count);
        let run = run.take_while(|slot| tier(slot) <= last).count();
        if run < MERGE_FACTOR {
            return Ok(());
        }
        let rest = slots.split_off(slots.len() - run);
        let plan = Plan::of_slots(&rest, Timestamp(i64::MIN), false)?;
        let around = around(slots, &[]);
        let segment = plan.in_memory(log, &context.recipe, &around)?;
        slots.push(Slot {
            segment: Arc::new(segment),
            removed: Arc::default(),
        });
    }
}

/// Returns the segments on disk with their numbers, for the manifest.
pub(super) fn on_disk(slots: &[Slot]) -> impl Iterator<Item = (u64, &Slot)> {
    slots.iter().filter_map(|slot| match slot.segment.location {
        Location::Disk(number) => Some((number, slot)),
        Location::Log(_) => None,
    })
}

/// Returns whether a segment belongs to a log.
pub(super) fn is_of_log(segment: &Segment) -> bool {
    matches!(segment.location, Location::Log(_))
}
