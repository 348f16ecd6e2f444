//! Batches of queries on the tables, spread over threads.

use super::multi::{Cost, MultiIndex, Scratch, Share};
use super::{CodeHit, SearchStats, scan};
use crate::arch::Backend;
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::Executor;

/// Queries of a task: at a few microseconds each enough to be worth starting.
const QUERIES: usize = 64;

/// Queries from which on they walk through the tables together.
const BATCH: usize = 1024;

/// What a caller may force.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) backend: Backend,
    /// The tables even where a scan would be cheaper.
    pub(super) forced: bool,
    /// Hits of a query that are wanted, the nearest.
    pub(super) most: usize,
}

/// Every (query, code) pair within `radius`, sorted by (query, code).
pub(super) fn range(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    radius: u32,
    exec: &Executor,
    deadline: &Deadline,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let (mut hits, stats) = all(multi, how, queries, radius, exec, deadline)?;
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.code));
    Ok((hits, stats))
}

/// The up to `k` nearest within `radius` of each query, sorted by (query, distance, code).
pub(super) fn top_k(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    k: usize,
    radius: u32,
    exec: &Executor,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let how = How { most: k, ..how };
    let (mut hits, mut stats) = all(multi, how, queries, radius, exec, &Deadline::never())?;
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.distance, hit.code));
    super::keep_nearest(&mut hits, k);
    stats.verified = hits.len() as u64;
    Ok((hits, stats))
}

/// Every pair within `radius`, in any order; of equally distant ones, and of one
/// query alone, those among the nearest `most` for certain.
fn all(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[Code256],
    radius: u32,
    exec: &Executor,
    deadline: &Deadline,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let (mut hits, mut stats) = (Vec::new(), SearchStats::default());
    let block_len = MultiIndex::block(radius);
    for (block, queries) in queries.chunks(block_len).enumerate() {
        deadline.check()?;
        let first = (block * block_len) as u32;
        let numbered: Vec<(u32, Code256)> = (first..)
            .zip(queries)
            .map(|(number, &query)| (number, MultiIndex::spread(query)))
            .collect();
        let (together, single) = if queries.len() < BATCH {
            (Vec::new(), numbered)
        } else {
            let even = exec.map(&numbered, |(_, query)| {
                multi.is_even(query, radius, how.forced)
            });
            let (mut together, mut single) = (Vec::new(), Vec::new());
            for (query, even) in numbered.into_iter().zip(even) {
                if even { &mut together } else { &mut single }.push(query);
            }
            (together, single)
        };
        let found = walk_together(multi, how, &together, radius, exec);
        let found = found
            .into_iter()
            .chain(one_by_one(multi, how, &single, radius, exec, deadline)?);
        for (own, cost) in found {
            stats.verified += own.len() as u64;
            stats.entries += cost.entries;
            stats.candidates += cost.candidates;
            hits.extend(own);
        }
    }
    stats.queries = queries.len() as u64;
    stats.codes = multi.len() as u64;
    // A chunk of an entry, and of those that pass the number and the code.
    stats.bytes = 2 * stats.entries + 36 * stats.candidates;
    Ok((hits, stats))
}

fn walk_together(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[(u32, Code256)],
    radius: u32,
    exec: &Executor,
) -> Vec<(Vec<CodeHit>, Cost)> {
    if queries.is_empty() {
        return Vec::new();
    }
    let codes: Vec<Code256> = queries.iter().map(|(_, query)| *query).collect();
    exec.map(&Share::all(exec.threads()), |share| {
        let mut hits = Vec::new();
        let cost = multi.batch(how.backend, share, &codes, radius, how.most, &mut hits);
        for hit in &mut hits {
            if let Some(&(number, _)) = queries.get(hit.query as usize) {
                hit.query = number;
            }
        }
        (hits, cost)
    })
}

fn one_by_one(
    multi: MultiIndex<'_>,
    how: How,
    queries: &[(u32, Code256)],
    radius: u32,
    exec: &Executor,
    deadline: &Deadline,
) -> Result<Vec<(Vec<CodeHit>, Cost)>> {
    let tasks: Vec<&[(u32, Code256)]> = queries.chunks(QUERIES).collect();
    let found = exec.map(&tasks, |queries| {
        let mut scratch = Scratch::default();
        let mut cost = Cost::default();
        let mut hits = Vec::new();
        for (number, query) in *queries {
            // A query takes microseconds.
            deadline.check()?;
            let before = hits.len();
            let looked_up = multi.range(
                how.backend,
                how.forced,
                *number,
                query,
                radius,
                how.most,
                &mut scratch,
                &mut hits,
                &mut cost,
            );
            if !looked_up {
                // The lists of this query are longer than the set.
                let own = scan::spread_query(multi, how.backend, *number, query, radius, deadline)?;
                hits.extend(own);
                cost.candidates += multi.len() as u64;
            }
            if hits.len() - before > how.most {
                let own = hits.get_mut(before..).unwrap_or_default();
                own.sort_unstable_by_key(|hit| (hit.distance, hit.code));
                hits.truncate(before + how.most);
            }
        }
        Ok((hits, cost))
    });
    found.into_iter().collect()
}
