//! Writing the hash table of grams and their posting lists.

use std::io::Write;

use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::buckets::{Bucket, GramHasher, LONG_LIST, MAX_DISPLACEMENT, Placer, SLOTS, Tag};
use crate::index::frequency::{self, Standing};
use crate::index::golomb::{self, Orders};
use crate::index::postings::count_items;
use crate::index::records::PartRecord;

use super::Posting;
use super::sink::SectionSink;

/// Multipliers that are tried. At a billion grams the first fails in one case of twenty, where two
/// prints have the same tag. Prints that collide under more than a few multipliers cannot be made
/// up.
const MAX_ATTEMPTS: u64 = 64;

/// Sorts the places of all grams in the order of the hash table, and returns its hash function.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for prints that fit no table.
pub(super) fn sort(postings: &mut [Posting], exec: &Executor) -> Result<GramHasher> {
    let mut distinct = None;
    for attempt in 0..MAX_ATTEMPTS {
        // The number of grams is known only once they are sorted. Their order does not depend on
        // the number of homes.
        let order = GramHasher::new(0, attempt);
        exec.sort_by_key(postings, |posting| {
            (order.product(posting.print), posting.part, posting.at)
        });
        let grams = *distinct.get_or_insert_with(|| lists(postings).count());
        let hasher = GramHasher::new(grams, attempt);
        let mut placer = Placer::new(hasher);
        if prints(postings).all(|print| placer.next(print).is_some()) {
            return Ok(hasher);
        }
    }
    Err(no_table())
}

fn no_table() -> Error {
    Error::limit(
        "tables of grams",
        MAX_ATTEMPTS,
        "made-up prints that fit none",
    )
}

/// Returns the places of each gram.
fn lists(postings: &[Posting]) -> impl Iterator<Item = &[Posting]> {
    postings.chunk_by(|a, b| a.print == b.print)
}

fn prints(postings: &[Posting]) -> impl Iterator<Item = u64> {
    lists(postings).filter_map(|list| Some(list.first()?.print))
}

/// What the `meta` section says about the grams.
pub(super) struct Plan {
    pub(super) hasher: GramHasher,
    pub(super) grams: u32,
    pub(super) discounted: u32,
    pub(super) place_order: u32,
}

impl Plan {
    /// Plans the table for places that [`sort`] has sorted with `hasher`, and with the standing of each
    /// gram.
    pub(super) fn new(postings: &[Posting], standings: &[Standing], hasher: GramHasher) -> Self {
        let discounted = standings.iter().filter(|&&s| s == Standing::Discounted);
        let places: u64 = postings.iter().map(|posting| u64::from(posting.at)).sum();
        let mean = places / (postings.len() as u64).max(1);
        Self {
            hasher,
            grams: standings.len() as u32,
            discounted: discounted.count() as u32,
            place_order: mean.max(1).ilog2(),
        }
    }

    /// Writes the lists and returns the buckets that point to them.
    pub(super) fn put_lists<W: Write>(
        &self,
        postings: &[Posting],
        parts: &[PartRecord],
        standings: &[Standing],
        sink: &mut SectionSink<'_, W>,
    ) -> Result<Vec<Bucket>> {
        let homes = self.hasher.homes as usize;
        let mut table = Table {
            plan: self,
            parts,
            buckets: Vec::with_capacity(homes + MAX_DISPLACEMENT),
            end: 0,
            coded: Vec::new(),
            list_parts: Vec::new(),
        };
        let mut placer = Placer::new(self.hasher);
        let mut bucket_at = 0;
        let mut in_bucket: Vec<(Tag, &[Posting], Standing)> = Vec::with_capacity(SLOTS);
        for (list, &standing) in lists(postings).zip(standings) {
            let Some((at, tag)) = list.first().and_then(|first| placer.next(first.print)) else {
                return Err(no_table());
            };
            while bucket_at < at {
                table.put_bucket(&in_bucket, sink)?;
                in_bucket.clear();
                bucket_at += 1;
            }
            in_bucket.push((tag, list, standing));
        }
        if !in_bucket.is_empty() {
            table.put_bucket(&in_bucket, sink)?;
        }
        while table.buckets.len() < homes {
            table.put_bucket(&[], sink)?;
        }
        Ok(table.buckets)
    }
}

/// A table that is being written.
struct Table<'a> {
    plan: &'a Plan,
    parts: &'a [PartRecord],
    buckets: Vec<Bucket>,
    /// Bytes of lists written so far.
    end: u64,
    coded: Vec<u8>,
    list_parts: Vec<u32>,
}

impl Table<'_> {
    fn put_bucket<W: Write>(
        &mut self,
        lists: &[(Tag, &[Posting], Standing)],
        sink: &mut SectionSink<'_, W>,
    ) -> Result<()> {
        let mut bucket = Bucket::default();
        bucket
            .set_start(self.end)
            .ok_or_else(|| Error::limit("bytes of postings", 1_u64 << 40, self.end))?;
        self.coded.clear();
        // The encoded bytes, weight and tag of each list.
        let mut coded: Vec<(std::ops::Range<usize>, u8, Tag)> = Vec::with_capacity(SLOTS);
        for &(tag, list, standing) in lists {
            let start = self.coded.len();
            let weight = self.weight(list, standing);
            let orders = Orders::new(
                frequency::decode(weight),
                self.parts.len() as u32,
                self.plan.place_order,
            );
            let pairs = list.iter().map(|posting| (posting.part, posting.at));
            golomb::encode(pairs, orders, &mut self.coded);
            coded.push((start..self.coded.len(), weight, tag));
            let home = self.buckets.len().checked_sub(tag.displacement());
            // `None` for a gram in its home, which is this bucket and not pushed yet.
            if let Some(home) = home.and_then(|home| self.buckets.get_mut(home)) {
                home.add_overflow(tag);
            }
        }
        // The length of a long list is before it and not in the bucket, so short ones come first.
        coded.sort_by_key(|(bytes, ..)| bytes.len() >= usize::from(LONG_LIST));
        for (slot, (bytes, weight, tag)) in coded.into_iter().enumerate() {
            let length = bytes.len().min(usize::from(LONG_LIST)) as u8;
            let bytes = self.coded.get(bytes).unwrap_or_default();
            if length == LONG_LIST {
                sink.put(&(bytes.len() as u64))?;
                self.end += 8;
            }
            sink.put(bytes)?;
            self.end += bytes.len() as u64;
            bucket.set(slot, tag, length, weight);
        }
        self.buckets.push(bucket);
        Ok(())
    }

    /// Returns the coded document frequency and standing of a gram.
    fn weight(&mut self, list: &[Posting], standing: Standing) -> u8 {
        self.list_parts.clear();
        self.list_parts
            .extend(list.iter().map(|posting| posting.part));
        frequency::encode(count_items(&self.list_parts, self.parts), standing)
    }
}
