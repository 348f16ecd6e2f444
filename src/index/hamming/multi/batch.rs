//! Batches of queries: each list is read once for all queries that probe it.
//!
//! In tables of ten million codes, a single query reads 272 lists by random access. A batch sorts its
//! probes by table and value and reads the tables from front to back, which the hardware prefetches;
//! and where several queries probe one value, its list is in the first-level cache for all but
//! the first.
//!
//! Candidates are collected and compared by ranges of codes, since a random access to one of ten
//! million codes costs more than all the tests before it. Sorting only the queries before their
//! filters are written, so that each flip reads them in order, gained nothing as long as the
//! filters of all values were written at a time.

use super::budget::{Budgets, PROBES, even};
use super::permute::{CHUNKS, chunk};
use super::run::{pack, sketch, value};
use super::{Cost, MultiIndex, Place, Settings, VALUES, flips};
use crate::arch::{CodeHit, Filter, Pairs, prefetch};
use crate::code::Code256;

/// Entries, and codes, that are prefetched ahead.
const AHEAD: usize = 32;

/// Candidates that are collected before they are compared: eight bytes each, and sixteen while they
/// are sorted.
const MAX_CANDIDATES: usize = 1 << 19;

/// Ranges of codes by which candidates are sorted. At ten million codes a range is 76 small pages.
const RANGES: usize = 1024;

/// Candidates from which on sorting is faster.
const MIN_SORTED: usize = 2048;

/// Values whose filters are sorted at a time: those of 65,536 queries at radius 31 take 136 KiB.
const REGION: usize = 1024;

/// Lists that are prefetched ahead, and the cache lines of each that are.
const LISTS_AHEAD: usize = 6;
const MAX_LINES: usize = 8;

/// Tests of entries after which the entries that passed are processed.
const MAX_TESTS: usize = 1 << 16;

/// Entries in a cache line.
const LINE: usize = 32;

/// Entries and candidates whose memory is prefetched and that are not processed yet.
#[derive(Default)]
struct Pipeline {
    /// Postings of one run that passed the test, and the query.
    passed: Vec<(u32, u32)>,
    /// Entries that passed the test, and the query.
    found: Vec<(Place, u32)>,
    /// Codes to compare, and the query.
    candidates: Vec<(u32, u32)>,
    /// The same, sorted by ranges of codes.
    sorted: Vec<(u32, u32)>,
    /// Candidates within the radius, and their distance.
    near: Vec<(u32, u32)>,
}

/// A share of a batch's work: the probes of one table with values in `values`.
#[derive(Clone, Debug)]
pub(in crate::index::hamming) struct Share {
    pub(in crate::index::hamming) table: usize,
    pub(in crate::index::hamming) values: std::ops::Range<usize>,
}

impl Share {
    /// Divides all work into shares for this many threads.
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
    /// Appends the codes within the radius of spread queries that a share of the work finds; of
    /// equal codes the first `max_hits`. All queries must be [even](Self::is_even). All shares
    /// together report each code once.
    pub(in crate::index::hamming) fn batch(
        &self,
        settings: &Settings,
        share: &Share,
        queries: &[Code256],
        hits: &mut Vec<CodeHit>,
    ) -> Cost {
        let table = share.table;
        let budgets = &even(settings.radius);
        let (starts, filters) = self.filters(share, queries, budgets);
        let table_starts = self.starts_of(table);
        let words = self.words_of(table);
        let mut cost = Cost::default();
        // The values that are probed, with their filters.
        let probed: Vec<(u16, &[Filter])> = share
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
        for (i, &(value, own)) in probed.iter().enumerate() {
            if let Some(&(ahead, _)) = probed.get(i + LISTS_AHEAD) {
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
            // In steps, which bound how many entries of a long list with many filters pass.
            for own in own.chunks((MAX_TESTS / list.len().max(1)).max(1)) {
                pipeline.passed.clear();
                (settings.backend).filter16(list, 0, own, &mut pipeline.passed);
                for &(posting, query) in &pipeline.passed {
                    let place = Place { run, posting };
                    self.prefetch_number(words, place);
                    pipeline.found.push((place, query));
                }
                if pipeline.found.len() > 4 * AHEAD {
                    self.look_up_found(words, AHEAD, &mut pipeline);
                }
                if pipeline.candidates.len() >= MAX_CANDIDATES {
                    cost.candidates += pipeline.candidates.len() as u64;
                    self.compare(settings, table, queries, &mut pipeline, hits);
                }
            }
        }
        self.look_up_found(words, 0, &mut pipeline);
        cost.candidates += pipeline.candidates.len() as u64;
        self.compare(settings, table, queries, &mut pipeline, hits);
        self.add_duplicates(hits, before, settings.max_hits);
        cost
    }

    /// Decodes the numbers of all but the last `keep` entries that passed.
    fn look_up_found(&self, words: &[u16], keep: usize, pipeline: &mut Pipeline) {
        let Pipeline {
            found, candidates, ..
        } = pipeline;
        let ready = found.len().saturating_sub(keep);
        candidates.extend(found.drain(..ready).map(|(place, query)| {
            let id = self.shape().id(words, place.run, place.posting);
            (id, query)
        }));
    }

    /// Compares all candidates, sorted by ranges of codes, so that each of their pages is looked up
    /// once and not for every candidate.
    fn compare(
        &self,
        settings: &Settings,
        table: usize,
        queries: &[Code256],
        pipeline: &mut Pipeline,
        hits: &mut Vec<CodeHit>,
    ) {
        let Pipeline {
            candidates,
            sorted,
            near,
            ..
        } = pipeline;
        if candidates.len() >= MIN_SORTED {
            self.sort_by_range(candidates, sorted);
            std::mem::swap(candidates, sorted);
        }
        let Settings {
            backend, radius, ..
        } = *settings;
        let budgets = &even(radius);
        let prefetch_pairs = |places: &[(u32, u32)]| {
            for &(id, query) in places {
                prefetch(self.codes, id as usize);
                prefetch(queries, query as usize);
            }
        };
        let mut ahead = candidates.chunks(AHEAD);
        ahead.next().map(prefetch_pairs);
        for places in candidates.chunks(AHEAD) {
            ahead.next().map(prefetch_pairs);
            let pairs = Pairs {
                codes: self.codes,
                queries,
                places,
            };
            near.clear();
            backend.within(&pairs, radius, near);
            for &(pair, distance) in near.iter() {
                let (code, number) = places[pair as usize];
                let query = &queries[number as usize];
                if self.is_first(table, query, code, budgets) {
                    hits.push(CodeHit {
                        query: number,
                        code,
                        distance,
                    });
                }
            }
        }
        candidates.clear();
    }

    /// Sorts by ranges of codes, by counting.
    fn sort_by_range(&self, candidates: &[(u32, u32)], sorted: &mut Vec<(u32, u32)>) {
        let bits = usize::BITS - self.codes.len().leading_zeros();
        let shift = bits.saturating_sub(RANGES.trailing_zeros());
        // Invalid numbers, which a file may contain, come last.
        let range = |id: u32| (id >> shift).min(RANGES as u32 - 1) as usize;
        let mut next = [0; RANGES];
        for &(id, _) in candidates {
            next[range(id)] += 1;
        }
        let mut sum = 0;
        for next in &mut next {
            sum += std::mem::replace(next, sum);
        }
        sorted.clear();
        sorted.resize(candidates.len(), (0, 0));
        for &candidate in candidates {
            let next = &mut next[range(candidate.0)];
            sorted[*next] = candidate;
            *next += 1;
        }
    }

    /// Returns where the filters of each value of a share begin, and the filters sorted by value.
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
        // A counting sort by value, region by region, so that writes stay in the second-level
        // cache. The flipped values of a region are those of another region.
        let region = share.values.len().min(REGION);
        let packed = (0..).zip(queries).map(|(number, query)| {
            let [own, value] = [table, next].map(|c| chunk(&query.0, c));
            pack(own, value, number)
        });
        let mut order: Vec<u64> = packed.collect();
        order.sort_unstable();
        let ends: Vec<usize> = (0..VALUES / region)
            .map(|r| order.partition_point(|&query| usize::from(value(query)) / region <= r))
            .collect();
        let own_in = |r: usize| {
            let start = r.checked_sub(1).and_then(|before| ends.get(before));
            let range = start.copied().unwrap_or(0)..ends.get(r).copied().unwrap_or(0);
            order.get(range).unwrap_or_default()
        };
        let regions = share.values.start / region..share.values.end / region;
        let slot = |value: u16| usize::from(value).wrapping_sub(share.values.start);
        let mut starts = vec![0_u32; share.values.len() + 2];
        for r in regions.clone() {
            for &(flip, _) in &flips {
                for &query in own_in(r ^ (usize::from(flip) / region)) {
                    if let Some(count) = starts.get_mut(slot(value(query) ^ flip) + 2) {
                        *count += 1;
                    }
                }
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut filters = vec![Filter::default(); sum as usize];
        for r in regions {
            for &(flip, limit) in &flips {
                for &query in own_in(r ^ (usize::from(flip) / region)) {
                    if let Some(at) = starts.get_mut(slot(value(query) ^ flip) + 1)
                        && let Some(filter) = filters.get_mut(*at as usize)
                    {
                        *filter = Filter {
                            value: sketch(query),
                            limit,
                            query: query as u32,
                        };
                        *at += 1;
                    }
                }
            }
        }
        (starts, filters)
    }
}
