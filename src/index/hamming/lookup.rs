//! Batches of queries on the tables, distributed to threads.

use super::multi::{Cost, MultiIndex, Scratch, Settings, Share};
use super::{CodeHit, SearchStats, scan};
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::Executor;

/// Queries of a task: at a few microseconds each, enough to be worth starting one.
const QUERIES_PER_TASK: usize = 64;

/// Queries from which on they share one pass over the tables.
const MIN_BATCH: usize = 1024;

/// Returns every (query, code) pair within the radius, sorted by (query, code).
pub(super) fn range(
    multi: MultiIndex<'_>,
    settings: &Settings,
    queries: &[Code256],
    exec: &Executor,
    deadline: &Deadline,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let (mut hits, stats) = all(multi, settings, queries, exec, deadline)?;
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.code));
    Ok((hits, stats))
}

/// Returns the up to `max_hits` nearest codes within the radius of each query, sorted by
/// (query, distance, code).
pub(super) fn top_k(
    multi: MultiIndex<'_>,
    settings: &Settings,
    queries: &[Code256],
    exec: &Executor,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let (mut hits, mut stats) = all(multi, settings, queries, exec, &Deadline::never())?;
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.distance, hit.code));
    super::keep_nearest(&mut hits, settings.max_hits);
    stats.verified = hits.len() as u64;
    Ok((hits, stats))
}

/// Returns pairs within the radius, in any order: of each query at least the nearest `max_hits`.
fn all(
    multi: MultiIndex<'_>,
    settings: &Settings,
    queries: &[Code256],
    exec: &Executor,
    deadline: &Deadline,
) -> Result<(Vec<CodeHit>, SearchStats)> {
    let (mut hits, mut stats) = (Vec::new(), SearchStats::default());
    let block_len = MultiIndex::block(settings.radius);
    for (block, queries) in queries.chunks(block_len).enumerate() {
        deadline.check()?;
        let first = (block * block_len) as u32;
        let numbered: Vec<(u32, Code256)> = (first..)
            .zip(queries)
            .map(|(number, &query)| (number, MultiIndex::spread(query)))
            .collect();
        let (together, single) = if queries.len() < MIN_BATCH {
            (Vec::new(), numbered)
        } else {
            let even = exec.map(&numbered, |(_, query)| multi.is_even(query, settings));
            let (mut together, mut single) = (Vec::new(), Vec::new());
            for (query, even) in numbered.into_iter().zip(even) {
                if even { &mut together } else { &mut single }.push(query);
            }
            (together, single)
        };
        let found = together_in_one_pass(multi, settings, &together, exec);
        let found = found
            .into_iter()
            .chain(one_by_one(multi, settings, &single, exec, deadline)?);
        for (own, cost) in found {
            stats.verified += own.len() as u64;
            stats.entries += cost.entries;
            stats.candidates += cost.candidates;
            hits.extend(own);
        }
    }
    stats.queries = queries.len() as u64;
    stats.codes = multi.len() as u64;
    // The chunk of every entry; number and code of the entries that pass.
    stats.bytes = 2 * stats.entries + 36 * stats.candidates;
    Ok((hits, stats))
}

/// Searches for numbered queries in one pass over the tables.
fn together_in_one_pass(
    multi: MultiIndex<'_>,
    settings: &Settings,
    queries: &[(u32, Code256)],
    exec: &Executor,
) -> Vec<(Vec<CodeHit>, Cost)> {
    if queries.is_empty() {
        return Vec::new();
    }
    let codes: Vec<Code256> = queries.iter().map(|(_, query)| *query).collect();
    exec.map(&Share::all(exec.threads()), |share| {
        let mut hits = Vec::new();
        let cost = multi.batch(settings, share, &codes, &mut hits);
        for hit in &mut hits {
            if let Some(&(number, _)) = queries.get(hit.query as usize) {
                hit.query = number;
            }
        }
        (hits, cost)
    })
}

/// Searches for numbered queries separately.
fn one_by_one(
    multi: MultiIndex<'_>,
    settings: &Settings,
    queries: &[(u32, Code256)],
    exec: &Executor,
    deadline: &Deadline,
) -> Result<Vec<(Vec<CodeHit>, Cost)>> {
    let Settings {
        backend,
        radius,
        max_hits,
        ..
    } = *settings;
    let tasks: Vec<&[(u32, Code256)]> = queries.chunks(QUERIES_PER_TASK).collect();
    let found = exec.map(&tasks, |queries| {
        let mut scratch = Scratch::default();
        let mut cost = Cost::default();
        let mut hits = Vec::new();
        for query in *queries {
            // A query takes microseconds.
            deadline.check()?;
            let before = hits.len();
            if !multi.range(settings, query, &mut scratch, &mut hits, &mut cost) {
                // The lists of this query are longer than the set.
                let (number, code) = query;
                let own = scan::spread_query(multi, backend, *number, code, radius, deadline)?;
                hits.extend(own);
                cost.candidates += multi.len() as u64;
            }
            if hits.len() - before > max_hits {
                let own = hits.get_mut(before..).unwrap_or_default();
                own.sort_unstable_by_key(|hit| (hit.distance, hit.code));
                hits.truncate(before + max_hits);
            }
        }
        Ok((hits, cost))
    });
    found.into_iter().collect()
}
