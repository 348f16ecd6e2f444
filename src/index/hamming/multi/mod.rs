//! Multi-index hashing: exact range search that reads a small fraction of the codes.
//!
//! Codes are divided into sixteen chunks, with a table from the value of each chunk to the codes
//! that have it. A code within the radius has a chunk that differs from the query's in fewer bits
//! than its [budget](budget), so looking up the values near each of the query's chunks finds all of
//! these codes (Norouzi, Punjani, Fleet, "Fast exact search in Hamming space with multi-index
//! hashing", 2014).
//!
//! Most entries that a look-up finds are there by chance. Each entry therefore has the *next* chunk
//! of its code: by the pigeonring principle (Qin and Xiao, "Pigeonring: a principle for faster
//! thresholded similarity search", 2018) some chunk within its budget is followed by one such that
//! both together are within both budgets, and so on for longer runs. Testing two chunks avoids all
//! but a few of the random accesses to codes: of ten million uniform codes at radius 31, one query
//! tests 41,000 entries and reads 107 codes.
//!
//! All lists of a query are tested in one loop, each prefetched ten lists ahead with all of its
//! cache lines: a mispredicted branch on an entry that is not in the cache yet discards the work
//! done meanwhile. Prefetching only the first lines costs a quarter more time at ten million codes
//! and a half more at one million.
//!
//! A code may be found through several chunks. It is reported for the first one that passes both
//! tests, which is computed from the code itself.

mod batch;
mod budget;
mod build;
mod duplicates;
mod permute;
mod run;
mod verify;

use std::sync::OnceLock;

use super::CodeHit;
use crate::arch::{Backend, List, Pairs, prefetch};
use crate::code::Code256;
use budget::{Budgets, MAX_BUDGET, MAX_RADIUS, PROBES, even};
use permute::{Chunked, chunk};
use run::{Run, Shape};

pub(super) use batch::Share;
pub(super) use build::MultiTables;
pub(super) use permute::CHUNKS;

/// Values of a chunk.
pub(super) const VALUES: usize = 1 << 16;

/// The factor of the expected cost beyond which the budgets of a query are chosen by the sizes of
/// its buckets.
const MAX_UNEVENNESS: u64 = 2;

/// Entries of lists that cost as much as comparing a code in a scan.
const ENTRIES_PER_CODE: u64 = 8;

/// Tables by which the bounds of runs are prefetched ahead.
const TABLES_AHEAD: usize = 4;

/// The settings of a search, the same for all queries of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) backend: Backend,
    /// The largest distance of a hit, in bits.
    pub(super) radius: u32,
    /// Whether to use the tables even where a scan would be cheaper.
    pub(super) forced: bool,
    /// The number of nearest hits wanted of each query. Bounds how many of a number of equal codes
    /// are reported.
    pub(super) max_hits: usize,
}

/// A borrowed view of the tables: codes by the values of their chunks. The arrays may be those of
/// a mapped file and are not trusted: wrong content leads to wrong results, not to panics.
#[derive(Clone, Copy, Debug)]
pub(super) struct MultiIndex<'a> {
    /// All codes by their number, chunks spread. A candidate is in one cache line.
    pub(super) codes: &'a [Chunked],
    /// The number of distinct codes, which is that of the entries of each table.
    pub(super) distinct: usize,
    /// Pairs of the first of several equal codes and each later one, sorted.
    pub(super) duplicates: &'a [[u32; 2]],
    /// For each chunk, the word of its table at which the run of each value begins; then the number
    /// of words.
    pub(super) starts: &'a [u32],
    /// Where each table begins in `words`, and where the last one ends.
    pub(super) bases: [usize; CHUNKS + 1],
    /// The runs of all values, one table after the other.
    pub(super) words: &'a [u16],
}

/// An entry that passed its test.
#[derive(Clone, Copy)]
struct Place {
    run: Run,
    /// The number of the posting in the run.
    posting: u32,
}

/// The work of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Entries of lists that were tested.
    pub(super) entries: u64,
    /// Codes that were compared.
    pub(super) candidates: u64,
}

/// Buffers that a thread reuses for its queries.
#[derive(Default)]
pub(super) struct Scratch {
    /// The lists to test, one table after the other.
    lists: Vec<List>,
    /// The end of each table's lists.
    list_ends: [usize; CHUNKS],
    /// Entries that passed the test: the list and the posting.
    passed: Vec<(u32, u32)>,
    /// The same entries, and their tables.
    places: Vec<(Place, usize)>,
    /// Codes to compare, and the table that each was found through.
    candidates: Vec<(u32, u32)>,
    /// Candidates within the radius, and their distance.
    near: Vec<(u32, u32)>,
}

impl<'a> MultiIndex<'a> {
    /// Returns the number of codes.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Returns a code by its number, as it was given.
    pub(super) fn get(&self, code: usize) -> Option<Code256> {
        self.codes
            .get(code)
            .map(|&code| Code256(permute::gather(code)))
    }

    /// Returns the codes with their chunks spread, for a scan with [spread](Self::spread) queries.
    pub(super) fn codes(&self) -> &'a [[u64; 4]] {
        self.codes
    }

    /// Permutes the bits of a query as those of the stored codes, which keeps all distances.
    pub(super) fn spread(query: Code256) -> Code256 {
        Code256(permute::spread(query.0))
    }

    /// Returns whether the tables are faster than a scan at this radius, for uniform codes.
    pub(super) fn suits(&self, radius: u32) -> bool {
        if radius > MAX_RADIUS {
            return false;
        }
        let expected = |_, budget| self.expected_entries(budget);
        budget::cost(&even(radius), expected) < self.len() as u64 * ENTRIES_PER_CODE
    }

    /// Returns the size of all arrays in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.codes)
            + size_of_val(self.duplicates)
            + size_of_val(self.starts)
            + size_of_val(self.words)
    }

    /// Returns the encoding of runs.
    #[inline(always)]
    fn shape(&self) -> Shape {
        Shape::new(self.codes.len())
    }

    /// Appends every code within the radius, at most [`MAX_RADIUS`], of a numbered spread query, in
    /// no particular order; of equal codes the first `max_hits`. Returns false and appends nothing
    /// if a scan is cheaper and the tables are not forced.
    pub(super) fn range(
        &self,
        settings: &Settings,
        (number, query): &(u32, Code256),
        scratch: &mut Scratch,
        hits: &mut Vec<CodeHit>,
        cost: &mut Cost,
    ) -> bool {
        let Some(budgets) = self.plan(settings, query, scratch) else {
            return false;
        };
        // Rounds over all tables, each of which prefetches for the next.
        self.test_entries(settings.backend, scratch, cost);
        self.look_up_codes(scratch, cost);
        let pairs = Pairs {
            codes: self.codes,
            queries: std::slice::from_ref(query),
            places: &scratch.candidates,
        };
        scratch.near.clear();
        let Settings {
            backend, radius, ..
        } = *settings;
        backend.within(&pairs, radius, &mut scratch.near);
        let first = hits.len();
        for &(pair, distance) in &scratch.near {
            let Some(&(code, table)) = scratch.candidates.get(pair as usize) else {
                continue;
            };
            if self.is_first(table as usize, query, code, &budgets) {
                hits.push(CodeHit {
                    query: *number,
                    code,
                    distance,
                });
            }
        }
        self.add_duplicates(hits, first, settings.max_hits);
        true
    }

    /// Returns the budgets of a query, chosen by its buckets where these are uneven, and puts its
    /// lists into `scratch`. Returns `None` if a scan is cheaper.
    fn plan(&self, settings: &Settings, query: &Code256, scratch: &mut Scratch) -> Option<Budgets> {
        let Settings { radius, forced, .. } = *settings;
        if radius > MAX_RADIUS {
            return None;
        }
        let max_cost = if forced {
            u64::MAX
        } else {
            self.len() as u64 * ENTRIES_PER_CODE
        };
        let even = even(radius);
        let expected = budget::cost(&even, |_, budget| self.expected_entries(budget));
        self.list(query, &even, scratch);
        let entries: u64 = scratch.lists.iter().map(|l| u64::from(l.len)).sum();
        let cost = entries + budget::cost(&even, |_, _| 0);
        if cost <= expected * MAX_UNEVENNESS && cost < max_cost {
            return Some(even);
        }
        let by_budget = std::array::from_fn(|chunk| {
            std::array::from_fn(|budget| self.entries(query, chunk, budget))
        });
        let budgets = budget::cheapest(radius, &by_budget)?;
        let cost = budget::cost(&budgets, |chunk, budget| by_budget[chunk][budget]);
        if cost >= max_cost {
            return None;
        }
        self.list(query, &budgets, scratch);
        Some(budgets)
    }

    /// Returns how many queries may share one pass over the tables, so that their filters take at
    /// most nine megabytes for each table.
    pub(super) fn block(radius: u32) -> usize {
        const MAX_FILTERS: usize = 17 << 16;
        let budget = even(radius.min(MAX_RADIUS)).iter().copied().max();
        let probes = budget.and_then(|budget| PROBES.get(usize::from(budget)));
        MAX_FILTERS / probes.copied().unwrap_or(1).max(17)
    }

    /// Returns whether a query may be part of a batch, in which all have even budgets.
    pub(super) fn is_even(&self, query: &Code256, settings: &Settings) -> bool {
        let Settings { radius, forced, .. } = *settings;
        if radius > MAX_RADIUS {
            return false;
        }
        let even = even(radius);
        let expected = budget::cost(&even, |_, budget| self.expected_entries(budget));
        let probes = |table: usize| PROBES.get(usize::from(even[table])).copied().unwrap_or(0);
        for table in 0..TABLES_AHEAD {
            self.prefetch_buckets(query, table, probes(table));
        }
        let cost = budget::cost(&even, |table, budget| {
            if table + TABLES_AHEAD < CHUNKS {
                let ahead = table + TABLES_AHEAD;
                self.prefetch_buckets(query, ahead, probes(ahead));
            }
            self.entries(query, table, budget)
        });
        cost <= expected * MAX_UNEVENNESS && (forced || cost < self.len() as u64 * ENTRIES_PER_CODE)
    }

    /// Returns the number of entries of a chunk at a budget, for buckets of equal size.
    fn expected_entries(&self, budget: usize) -> u64 {
        let probes = PROBES.get(budget).copied().unwrap_or(0) as u64;
        probes * self.distinct as u64 / VALUES as u64
    }

    /// Returns the number of entries in all buckets that a chunk is looked up in at a budget.
    fn entries(&self, query: &Code256, table: usize, budget: usize) -> u64 {
        let starts = self.starts_of(table);
        let own = chunk(&query.0, table);
        let probes = PROBES.get(budget).copied().unwrap_or(0);
        let sizes = flips().iter().take(probes);
        sizes
            .map(|(flip, _)| u64::from(self.run(starts, own ^ flip).len))
            .sum()
    }

    fn starts_of(&self, table: usize) -> &'a [u32] {
        let start = table * (VALUES + 1);
        self.starts
            .get(start..start + VALUES + 1)
            .unwrap_or_default()
    }

    /// Returns the words of a table.
    fn words_of(&self, table: usize) -> &'a [u16] {
        match self.bases.get(table..) {
            Some(&[start, end, ..]) => self.words.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Returns the run of a value.
    #[inline(always)]
    fn run(&self, starts: &[u32], value: u16) -> Run {
        match starts.get(usize::from(value)..) {
            Some(&[start, end, ..]) => Run {
                start,
                len: self.shape().len(end.saturating_sub(start)),
            },
            _ => Run::default(),
        }
    }

    /// Puts the lists of all tables into `scratch`.
    fn list(&self, query: &Code256, budgets: &Budgets, scratch: &mut Scratch) {
        let Scratch {
            lists, list_ends, ..
        } = scratch;
        lists.clear();
        let probes = |table: usize| {
            let budget = usize::from(budgets[table]);
            PROBES.get(budget).copied().unwrap_or(0)
        };
        for table in 0..TABLES_AHEAD {
            self.prefetch_buckets(query, table, probes(table));
        }
        for (table, list_end) in list_ends.iter_mut().enumerate() {
            if table + TABLES_AHEAD < CHUNKS {
                let ahead = table + TABLES_AHEAD;
                self.prefetch_buckets(query, ahead, probes(ahead));
            }
            let next = (table + 1) % CHUNKS;
            let starts = self.starts_of(table);
            let base = self.bases[table];
            let own = chunk(&query.0, table);
            let value = chunk(&query.0, next);
            let both = i32::from(budgets[table]) + i32::from(budgets[next]) - 1;
            for (flip, weight) in flips().iter().take(probes(table)) {
                // Within the budget of the chunk, and with the next one within both budgets.
                let limit = both - weight;
                let run = self.run(starts, own ^ flip);
                if limit >= 0 && run.len > 0 {
                    lists.push(List {
                        start: base.saturating_add(run.start as usize),
                        len: run.len,
                        value,
                        limit: limit as u16,
                    });
                }
            }
            *list_end = lists.len();
        }
    }

    /// Prefetches the bounds of the buckets of a table that are looked up.
    #[inline(always)]
    fn prefetch_buckets(&self, query: &Code256, table: usize, probes: usize) {
        let starts = self.starts_of(table);
        let own = chunk(&query.0, table);
        for (flip, _) in flips().iter().take(probes) {
            prefetch(starts, usize::from(own ^ flip));
        }
    }

    /// Tests the next chunk of every entry of the lists.
    fn test_entries(&self, backend: Backend, scratch: &mut Scratch, cost: &mut Cost) {
        let Scratch {
            lists,
            list_ends,
            passed,
            places,
            ..
        } = scratch;
        cost.entries += lists.iter().map(|l| u64::from(l.len)).sum::<u64>();
        passed.clear();
        backend.near16(self.words, lists, passed);
        places.clear();
        // Entries come list by list.
        let mut table = 0;
        for &(list, posting) in passed.iter() {
            while table + 1 < CHUNKS && list as usize >= list_ends[table] {
                table += 1;
            }
            let Some(list) = lists.get(list as usize) else {
                continue;
            };
            let run = Run {
                start: list.start.saturating_sub(self.bases[table]) as u32,
                len: list.len,
            };
            let place = Place { run, posting };
            self.prefetch_number(self.words_of(table), place);
            places.push((place, table));
        }
    }

    /// Prefetches the words of the number of an entry.
    #[inline(always)]
    fn prefetch_number(&self, words: &[u16], place: Place) {
        prefetch(words, place.run.lower(place.posting));
        prefetch(words, place.run.upper());
    }

    /// Decodes the numbers of the entries that passed.
    fn look_up_codes(&self, scratch: &mut Scratch, cost: &mut Cost) {
        scratch.candidates.clear();
        for &(place, table) in &scratch.places {
            let id = self
                .shape()
                .id(self.words_of(table), place.run, place.posting);
            prefetch(self.codes, id as usize);
            scratch.candidates.push((id, table as u32));
        }
        cost.candidates += scratch.candidates.len() as u64;
    }

    /// Returns whether `table` is the first through which the code is found.
    fn is_first(&self, table: usize, query: &Code256, code: u32, budgets: &Budgets) -> bool {
        let Some(code) = self.codes.get(code as usize) else {
            return false;
        };
        let passes = |table: usize| {
            let next = (table + 1) % CHUNKS;
            let bits = |c| (chunk(&query.0, c) ^ chunk(code, c)).count_ones() as i32;
            let (own, both) = (bits(table), bits(table) + bits(next));
            let (budget, after) = (i32::from(budgets[table]), i32::from(budgets[next]));
            own < budget && both < budget + after
        };
        !(0..table).any(passes)
    }

    /// Adds hits for codes equal to those of the hits from `first` on, the first `max_hits` of each.
    fn add_duplicates(&self, hits: &mut Vec<CodeHit>, first: usize, max_hits: usize) {
        if self.duplicates.is_empty() {
            return;
        }
        if let Some(own) = hits.get_mut(first..) {
            // Sound tables report a code once. Those of a forged file may repeat it, and
            // repetitions of repetitions could exhaust memory.
            own.sort_unstable();
        }
        let mut last = None;
        for i in first..hits.len() {
            let Some(&hit) = hits.get(i) else { break };
            if last.replace(hit) == Some(hit) {
                continue;
            }
            let start = self.duplicates.partition_point(|pair| pair[0] < hit.code);
            let equal = self
                .duplicates
                .iter()
                .skip(start)
                .take_while(|pair| pair[0] == hit.code)
                .take(max_hits.saturating_sub(1));
            hits.extend(equal.map(|&[_, code]| CodeHit { code, ..hit }));
        }
    }
}

/// Returns the differences that a chunk may have: values with few set bits and their number, the
/// fewest first.
fn flips() -> &'static [(u16, i32)] {
    static FLIPS: OnceLock<Vec<(u16, i32)>> = OnceLock::new();
    FLIPS.get_or_init(|| {
        let weight = |value: u16| (value, value.count_ones() as i32);
        let mut values: Vec<(u16, i32)> = (0..=u16::MAX)
            .map(weight)
            .filter(|(_, weight)| *weight < MAX_BUDGET as i32)
            .collect();
        values.sort_by_key(|(_, weight)| *weight);
        values
    })
}
