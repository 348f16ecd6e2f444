//! Many queries at once: each list is read once for all queries that want it.
//!
//! A single query jumps to 272 lists of each ten million codes' tables. A batch
//! sorts its probes by table and value and walks through the tables from the
//! front, so that the memory streams; and where several queries probe one value,
//! its list comes from the first-level cache for all but the first.

use super::budget::{Budgets, PROBES, even};
use super::permute::{CHUNKS, chunk};
use super::{Cost, MultiIndex, Place, VALUES, flips};
use crate::arch::{Backend, CodeHit, Filter, Pairs, prefetch};
use crate::code::Code256;

/// Entries, and codes, that are asked for before the first of them is looked at.
const AHEAD: usize = 32;

/// Lists that are asked for before the first of them is read, and cache lines of each.
const LISTS_AHEAD: usize = 6;
const MAX_LINES: usize = 8;

/// Tests of entries after which what passed is dealt with.
const MAX_TESTS: usize = 1 << 16;

/// Entries in a cache line.
const LINE: usize = 32;

/// What has been asked of memory and not been used yet.
#[derive(Default)]
struct Pipeline {
    /// Words of one run that passed the test, and the query.
    passed: Vec<(u32, u32)>,
    /// Entries that passed it, and the query.
    found: Vec<(Place, u32)>,
    /// Codes to compare, and the query.
    candidates: Vec<(u32, u32)>,
    /// Candidates within the radius, and their distance.
    near: Vec<(u32, u32)>,
}

/// A part of a batch's work: one table, and the probes whose values lie in `values`.
#[derive(Clone, Debug)]
pub(in crate::index::hamming) struct Share {
    pub(in crate::index::hamming) table: usize,
    pub(in crate::index::hamming) values: std::ops::Range<usize>,
}

impl Share {
    /// All work in shares for so many threads; the shares are the same for any
    /// number of threads that needs as many.
    pub(in crate::index::hamming) fn all(threads: usize) -> Vec<Self> {
        let ranges = threads.div_ceil(CHUNKS).next_power_of_two().min(256);
        let step = VALUES / ranges;
        let tables = 0..CHUNKS;
        tables
            .flat_map(|table| {
                (0..ranges).map(move |i| Self {
                    table,
                    values: i * step..(i + 1) * step,
                })
            })
            .collect()
    }
}

impl MultiIndex<'_> {
    /// Appends what a share of the work finds of every code within `radius` of
    /// spread queries that are all [even](Self::is_even), of equal codes the first
    /// `most`. All shares together report each code once.
    pub(in crate::index::hamming) fn batch(
        &self,
        backend: Backend,
        share: &Share,
        queries: &[Code256],
        radius: u32,
        most: usize,
        hits: &mut Vec<CodeHit>,
    ) -> Cost {
        let table = share.table;
        let budgets = &even(radius);
        let (starts, filters) = self.filters(share, queries, budgets);
        let table_starts = self.starts_of(table);
        let words = self.words_of(table);
        let mut cost = Cost::default();
        // Values that are wanted, with the place of their filters.
        let wanted: Vec<(u16, &[Filter])> = share
            .values
            .clone()
            .zip(starts.windows(2))
            .filter_map(|(value, bounds)| {
                let own = filters.get(bounds[0] as usize..bounds[1] as usize)?;
                (!own.is_empty()).then_some((value as u16, own))
            })
            .collect();
        let mut pipeline = Pipeline::default();
        let before = hits.len();
        for (i, &(value, own)) in wanted.iter().enumerate() {
            if let Some(&(ahead, _)) = wanted.get(i + LISTS_AHEAD) {
                let run = self.run(table_starts, ahead);
                (run.start..run.end())
                    .step_by(LINE)
                    .take(MAX_LINES)
                    .for_each(|place| prefetch(words, place as usize));
            }
            let run = self.run(table_starts, value);
            let list = words
                .get(run.start as usize..run.end() as usize)
                .unwrap_or_default();
            cost.entries += (list.len() * own.len()) as u64;
            // A long list that many want is taken in steps, however much passes.
            for own in own.chunks((MAX_TESTS / list.len().max(1)).max(1)) {
                pipeline.passed.clear();
                backend.filter16(list, 0, own, &mut pipeline.passed);
                for &(posting, query) in &pipeline.passed {
                    let place = Place { run, posting };
                    self.ask_for_number(words, place);
                    pipeline.found.push((place, query));
                }
                if pipeline.found.len() > 4 * AHEAD {
                    self.advance(
                        backend,
                        table,
                        queries,
                        budgets,
                        radius,
                        AHEAD,
                        &mut pipeline,
                        hits,
                        &mut cost,
                    );
                }
            }
        }
        self.advance(
            backend,
            table,
            queries,
            budgets,
            radius,
            0,
            &mut pipeline,
            hits,
            &mut cost,
        );
        self.add_duplicates(hits, before, most);
        cost
    }

    /// Moves all but the last `keep` of each round of the pipeline on.
    #[allow(
        clippy::too_many_arguments,
        reason = "the inside of a loop, apart for reading"
    )]
    fn advance(
        &self,
        backend: Backend,
        table: usize,
        queries: &[Code256],
        budgets: &Budgets,
        radius: u32,
        keep: usize,
        pipeline: &mut Pipeline,
        hits: &mut Vec<CodeHit>,
        cost: &mut Cost,
    ) {
        let words = self.words_of(table);
        let Pipeline {
            found,
            candidates,
            near,
            ..
        } = pipeline;
        for (place, query) in found.drain(..found.len().saturating_sub(keep)) {
            let id = self.shape().id(words, place.run, place.posting);
            prefetch(self.codes, id as usize);
            candidates.push((id, query));
        }
        let ready = candidates.len().saturating_sub(keep);
        cost.candidates += ready as u64;
        let pairs = Pairs {
            codes: self.codes,
            queries,
            places: candidates.get(..ready).unwrap_or_default(),
        };
        near.clear();
        backend.within(&pairs, radius, near);
        for &(pair, distance) in near.iter() {
            let (code, number) = candidates[pair as usize];
            let query = &queries[number as usize];
            if self.is_first(table, query, code, budgets) {
                hits.push(CodeHit {
                    query: number,
                    code,
                    distance,
                });
            }
        }
        candidates.drain(..ready);
    }

    /// The filters of a share sorted by value, and where those of each value begin.
    fn filters(
        &self,
        share: &Share,
        queries: &[Code256],
        budgets: &Budgets,
    ) -> (Vec<u32>, Vec<Filter>) {
        let table = share.table;
        let next = (table + 1) % CHUNKS;
        let budget = budgets[table];
        let both = i32::from(budget) + i32::from(budgets[next]) - 1;
        let probes = PROBES.get(usize::from(budget)).copied().unwrap_or(0);
        let flips: Vec<(u16, u16)> = flips()
            .iter()
            .take(probes)
            .map(|&(flip, weight)| (flip, both - weight))
            .filter(|&(_, limit)| limit >= 0)
            .map(|(flip, limit)| (flip, limit.min(16) as u16))
            .collect();
        // A counting sort by value.
        let slot = |value: u16| {
            let slot = usize::from(value).checked_sub(share.values.start);
            slot.filter(|slot| *slot < share.values.len())
        };
        let mut starts = vec![0_u32; share.values.len() + 2];
        for query in queries {
            let own = chunk(&query.0, table);
            for &(flip, _) in &flips {
                if let Some(count) = slot(own ^ flip).and_then(|slot| starts.get_mut(slot + 2)) {
                    *count += 1;
                }
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut filters = vec![Filter::default(); sum as usize];
        for (number, query) in (0..).zip(queries) {
            let (own, value) = (chunk(&query.0, table), chunk(&query.0, next));
            for &(flip, limit) in &flips {
                if let Some(at) = slot(own ^ flip).and_then(|slot| starts.get_mut(slot + 1))
                    && let Some(filter) = filters.get_mut(*at as usize)
                {
                    *filter = Filter {
                        value,
                        limit,
                        query: number,
                    };
                    *at += 1;
                }
            }
        }
        (starts, filters)
    }
}
