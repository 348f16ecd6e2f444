//! Multi-index hashing: exact range search that touches a sliver of the codes.
//!
//! Codes are cut into sixteen chunks, with a table from the value of each chunk
//! to the codes that have it. A code within the radius has a chunk that differs
//! from the query's in fewer bits than its [budget](budget), so looking up the
//! values near each of the query's chunks meets all of them (Norouzi, Punjani,
//! Fleet, "Fast exact search in Hamming space with multi-index hashing", 2014).
//!
//! Most of what it meets is chance. Beside each entry lies the *next* chunk of the
//! code: by the pigeonring principle (Qin and Xiao, "Pigeonring: a principle for
//! faster thresholded similarity search", 2018) some chunk within its budget is
//! followed by one such that both together are within both budgets, and so are
//! longer runs. Testing two saves all but a few of the random accesses to codes:
//! of ten million uniform codes at radius 31, one query tests 41,000 entries and
//! reads 107 codes.
//!
//! All lists of a query are tested in one go, each asked for ten lists ahead and with
//! all of its cache lines: every branch on an entry that is not there yet ends what the
//! processor does meanwhile. Asking for the first lines alone costs a quarter more at ten
//! million codes and a half more at one.
//!
//! A code may be met through several chunks. It is reported from the first one
//! that passes both tests, which is decided from the code itself.

mod batch;
mod budget;
mod build;
mod fold;
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

/// A query costs this much more than expected before its budgets are chosen by the buckets.
const UNEVEN: u64 = 2;

/// Entries of lists that cost as much as comparing a code in a scan.
const ENTRIES_PER_CODE: u64 = 8;

/// Tables whose bounds of runs are asked for before those of the first are read.
const TABLES_AHEAD: usize = 4;

/// Codes by the values of their chunks; the arrays lie elsewhere, in memory or in a
/// mapped file, and are taken as they are: what they say wrongly makes wrong
/// answers and nothing worse.
#[derive(Clone, Copy, Debug)]
pub(super) struct MultiIndex<'a> {
    /// All codes, chunks spread, by their number: a candidate is one cache line.
    pub(super) codes: &'a [Chunked],
    /// The codes in each table: the first of each kind.
    pub(super) distinct: usize,
    /// The first code of a kind and each later one of it, sorted.
    pub(super) duplicates: &'a [[u32; 2]],
    /// For each chunk and each value of it the word of the table at which its run
    /// begins; then the number of words.
    pub(super) starts: &'a [u32],
    /// Where each table begins in `words`, and where the last one ends.
    pub(super) bases: [usize; CHUNKS + 1],
    /// The runs of all values, one table after the other.
    pub(super) words: &'a [u16],
}

/// An entry that has passed its test.
#[derive(Clone, Copy)]
struct Place {
    run: Run,
    /// The posting of the run.
    posting: u32,
}

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Entries of lists that were tested.
    pub(super) entries: u64,
    /// Codes that were compared.
    pub(super) candidates: u64,
}

/// Buffers that a thread keeps from query to query.
#[derive(Default)]
pub(super) struct Scratch {
    /// What to test, one table after the other.
    lists: Vec<List>,
    /// The end of each table's lists.
    list_ends: [usize; CHUNKS],
    /// Entries that pass the test: the list and the posting.
    passed: Vec<(u32, u32)>,
    /// The same, and the table.
    places: Vec<(Place, usize)>,
    /// Codes, and the table that proposes each.
    candidates: Vec<(u32, u32)>,
    /// Candidates within the radius, and their distance.
    near: Vec<(u32, u32)>,
}

impl<'a> MultiIndex<'a> {
    /// The number of codes.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// One code as it was given.
    pub(super) fn get(&self, code: usize) -> Option<Code256> {
        self.codes
            .get(code)
            .map(|&code| Code256(permute::gather(code)))
    }

    /// The codes with their chunks spread, for scanning against [`spread`](Self::spread) queries.
    pub(super) fn codes(&self) -> &'a [[u64; 4]] {
        self.codes
    }

    /// A query in the form in which codes are kept: equal distances.
    pub(super) fn spread(query: Code256) -> Code256 {
        Code256(permute::spread(query.0))
    }

    /// Whether looking up beats a scan at this radius, if the codes are spread evenly.
    pub(super) fn suits(&self, radius: u32) -> bool {
        if radius > MAX_RADIUS {
            return false;
        }
        let expected = |_, budget| self.expected_entries(budget);
        budget::cost(&even(radius), expected) < self.len() as u64 * ENTRIES_PER_CODE
    }

    /// Bytes of all arrays.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.codes)
            + size_of_val(self.duplicates)
            + size_of_val(self.starts)
            + size_of_val(self.words)
    }

    /// How the numbers of a run are written.
    #[inline(always)]
    fn shape(&self) -> Shape {
        Shape::new(self.codes.len())
    }

    /// Appends every code within `radius`, at most [`MAX_RADIUS`], of a spread query,
    /// in no particular order, of equal codes the first `most`; false, and nothing
    /// is appended, if a scan is cheaper and the tables are not `forced`.
    #[allow(
        clippy::too_many_arguments,
        reason = "what a search is made of, and where it goes"
    )]
    pub(super) fn range(
        &self,
        backend: Backend,
        forced: bool,
        number: u32,
        query: &Code256,
        radius: u32,
        most: usize,
        scratch: &mut Scratch,
        hits: &mut Vec<CodeHit>,
        cost: &mut Cost,
    ) -> bool {
        let Some(budgets) = self.plan(query, radius, forced, scratch) else {
            return false;
        };
        // Rounds over all tables, so that what one asks of memory is there for the next.
        self.test_entries(backend, scratch, cost);
        self.look_up_codes(scratch, cost);
        let pairs = Pairs {
            codes: self.codes,
            queries: std::slice::from_ref(query),
            places: &scratch.candidates,
        };
        scratch.near.clear();
        backend.within(&pairs, radius, &mut scratch.near);
        let first = hits.len();
        for &(pair, distance) in &scratch.near {
            let Some(&(code, table)) = scratch.candidates.get(pair as usize) else {
                continue;
            };
            if self.is_first(table as usize, query, code, &budgets) {
                hits.push(CodeHit {
                    query: number,
                    code,
                    distance,
                });
            }
        }
        self.add_duplicates(hits, first, most);
        true
    }

    /// The budgets of a query, by its buckets where they are uneven, and in
    /// `scratch` its lists; `None` if a scan is cheaper.
    fn plan(
        &self,
        query: &Code256,
        radius: u32,
        forced: bool,
        scratch: &mut Scratch,
    ) -> Option<Budgets> {
        if radius > MAX_RADIUS {
            return None;
        }
        let most = if forced {
            u64::MAX
        } else {
            self.len() as u64 * ENTRIES_PER_CODE
        };
        let even = even(radius);
        let usual = budget::cost(&even, |_, budget| self.expected_entries(budget));
        self.list(query, &even, scratch);
        let entries: u64 = scratch.lists.iter().map(|l| u64::from(l.len)).sum();
        let spent = entries + budget::cost(&even, |_, _| 0);
        if spent <= usual * UNEVEN && spent < most {
            return Some(even);
        }
        let by_budget = std::array::from_fn(|chunk| {
            std::array::from_fn(|budget| self.entries(query, chunk, budget))
        });
        let budgets = budget::cheapest(radius, &by_budget)?;
        let spent = budget::cost(&budgets, |chunk, budget| by_budget[chunk][budget]);
        if spent >= most {
            return None;
        }
        self.list(query, &budgets, scratch);
        Some(budgets)
    }

    /// Queries that may walk through the tables together, so that what they look
    /// for takes nine megabytes a table at the most.
    pub(super) fn block(radius: u32) -> usize {
        const FILTERS: usize = 17 << 16;
        let budget = even(radius.min(MAX_RADIUS)).iter().copied().max();
        let probes = budget.and_then(|budget| PROBES.get(usize::from(budget)));
        FILTERS / probes.copied().unwrap_or(1).max(17)
    }

    /// Whether a query may be part of a batch, in which all have even budgets.
    pub(super) fn is_even(&self, query: &Code256, radius: u32, forced: bool) -> bool {
        if radius > MAX_RADIUS {
            return false;
        }
        let even = even(radius);
        let usual = budget::cost(&even, |_, budget| self.expected_entries(budget));
        let probes = |table: usize| PROBES.get(usize::from(even[table])).copied().unwrap_or(0);
        for table in 0..TABLES_AHEAD {
            self.ask_for_buckets(query, table, probes(table));
        }
        let spent = budget::cost(&even, |table, budget| {
            if table + TABLES_AHEAD < CHUNKS {
                let ahead = table + TABLES_AHEAD;
                self.ask_for_buckets(query, ahead, probes(ahead));
            }
            self.entries(query, table, budget)
        });
        spent <= usual * UNEVEN && (forced || spent < self.len() as u64 * ENTRIES_PER_CODE)
    }

    /// The entries of a chunk at a budget, if all buckets were alike.
    fn expected_entries(&self, budget: usize) -> u64 {
        let probes = PROBES.get(budget).copied().unwrap_or(0) as u64;
        probes * self.distinct as u64 / VALUES as u64
    }

    /// The entries in all buckets that a chunk is looked up in at a budget.
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

    /// The words of one table.
    fn words_of(&self, table: usize) -> &'a [u16] {
        match self.bases.get(table..) {
            Some(&[start, end, ..]) => self.words.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The run of a value.
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
            self.ask_for_buckets(query, table, probes(table));
        }
        for (table, list_end) in list_ends.iter_mut().enumerate() {
            if table + TABLES_AHEAD < CHUNKS {
                let ahead = table + TABLES_AHEAD;
                self.ask_for_buckets(query, ahead, probes(ahead));
            }
            let next = (table + 1) % CHUNKS;
            let starts = self.starts_of(table);
            let base = self.bases[table];
            let own = chunk(&query.0, table);
            let value = chunk(&query.0, next);
            let both = i32::from(budgets[table]) + i32::from(budgets[next]) - 1;
            for (flip, weight) in flips().iter().take(probes(table)) {
                // Within its own budget, and together with the next one within both.
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

    /// Asks for the bounds of the buckets that a table is looked up in.
    #[inline(always)]
    fn ask_for_buckets(&self, query: &Code256, table: usize, probes: usize) {
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
        // They come list by list.
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
            self.ask_for_number(self.words_of(table), place);
            places.push((place, table));
        }
    }

    /// Asks for the words of a number.
    #[inline(always)]
    fn ask_for_number(&self, words: &[u16], place: Place) {
        prefetch(words, place.run.lower(place.posting));
        prefetch(words, place.run.upper());
    }

    /// Finds the codes of the entries that have passed.
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

    /// Whether `table` is the first whose own tests the code passes.
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

    /// Adds to the hits from `first` on those of equal codes, the first `most` of each kind.
    fn add_duplicates(&self, hits: &mut Vec<CodeHit>, first: usize, most: usize) {
        if self.duplicates.is_empty() {
            return;
        }
        if let Some(own) = hits.get_mut(first..) {
            // Tables that were made here report a code once; a file may say anything,
            // and repetitions of repetitions could fill any memory.
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
                .take(most.saturating_sub(1));
            hits.extend(equal.map(|&[_, code]| CodeHit { code, ..hit }));
        }
    }
}

/// The values of few set bits and their number, the fewest first: what a chunk may differ by.
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
