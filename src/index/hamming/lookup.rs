//! Batches of queries on the tables, spread over threads.

use super::codes::Codes;
use super::multi::{Cost, MultiIndex, Scratch};
use super::{CodeHit, SearchStats, scan};
use crate::arch::Backend;
use crate::code::Code256;
use crate::exec::Executor;

/// Queries of a task: at a few microseconds each enough to be worth starting.
const QUERIES: usize = 64;

/// What a caller may force.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) backend: Backend,
    /// The tables even where a scan would be cheaper.
    pub(super) forced: bool,
}

/// Every (query, code) pair within `radius`, sorted by (query, code).
pub(super) fn range(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    radius: u32,
    exec: &Executor,
) -> (Vec<CodeHit>, SearchStats) {
    each_query(multi, how, queries, radius, exec, |hits| {
        hits.sort_unstable_by_key(|hit| hit.code);
    })
}

/// The up to `k` nearest within `radius` of each query, sorted by (query, distance, code).
pub(super) fn top_k(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    k: usize,
    radius: u32,
    exec: &Executor,
) -> (Vec<CodeHit>, SearchStats) {
    each_query(multi, how, queries, radius, exec, |hits| {
        hits.sort_unstable_by_key(|hit| (hit.distance, hit.code));
        hits.truncate(k);
    })
}

/// All hits of each query, put in order by `finish`, one query after the other.
fn each_query(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    radius: u32,
    exec: &Executor,
    finish: impl Fn(&mut Vec<CodeHit>) + Sync,
) -> (Vec<CodeHit>, SearchStats) {
    let tasks: Vec<(usize, &[Code256])> = queries.chunks(QUERIES).enumerate().collect();
    let found = exec.map(&tasks, |&(task, queries)| {
        let mut scratch = Scratch::default();
        let mut stats = SearchStats::default();
        let (mut all, mut own) = (Vec::new(), Vec::new());
        for (number, query) in ((task * QUERIES) as u32..).zip(queries) {
            own.clear();
            let mut cost = Cost::default();
            let spread = MultiIndex::spread(*query);
            let looked_up = multi.range(
                how.backend,
                how.forced,
                number,
                &spread,
                radius,
                &mut scratch,
                &mut own,
                &mut cost,
            );
            if !looked_up {
                // The lists of this query are longer than the set.
                let codes = Codes::Multi(multi);
                own = scan::range(codes, how.backend, &[*query], radius, &Executor::serial());
                own.iter_mut().for_each(|hit| hit.query = number);
                cost.candidates = multi.len() as u64;
            }
            stats.entries += cost.entries;
            stats.candidates += cost.candidates;
            stats.verified += own.len() as u64;
            // A chunk of an entry, and of those that pass the number and the code.
            stats.bytes += 2 * cost.entries + 36 * cost.candidates;
            finish(&mut own);
            all.extend_from_slice(&own);
        }
        (all, stats)
    });
    let mut stats = SearchStats::default();
    let mut hits = Vec::new();
    for (own, cost) in found {
        stats.add(&cost);
        hits.extend(own);
    }
    stats.queries = queries.len() as u64;
    stats.codes = multi.len() as u64;
    (hits, stats)
}
