//! The blocked scan: compares tiles of codes that stay in the cache with groups of queries that
//! share each load.

use std::collections::BinaryHeap;
use std::ops::Range;

use super::codes::Codes;
use super::multi::MultiIndex;
use crate::arch::{Backend, CodeHit, Probe};
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::Executor;

/// Codes of a tile. The two planes that decide nearly every comparison take 64 KiB, all four take
/// 128 KiB, so a tile stays in the level-2 cache for all queries of a task.
const TILE: usize = 4096;

/// Codes of a task: enough that starting a task costs nothing in comparison.
const CODES_PER_TASK: usize = 16 * TILE;

/// Queries of a task. Each is read again for every tile, from the level-1 cache.
const QUERIES_PER_TASK: usize = 256;

/// Comparisons up to which one thread does the work: about 50 microseconds.
const MAX_SERIAL_COMPARISONS: usize = 1 << 18;

/// Comparisons between two checks of the deadline: less than a millisecond of work.
const COMPARISONS_PER_CHECK: u32 = 1 << 20;

/// Returns how often the set is read from memory for a batch.
pub(super) fn passes(queries: u64) -> u64 {
    queries.div_ceil(QUERIES_PER_TASK as u64)
}

/// A block of queries to compare with a range of codes.
struct Task {
    queries: Range<usize>,
    codes: Range<usize>,
}

/// Returns all tasks, sorted by query, then by code, which is the order of the results.
fn tasks(queries: usize, codes: usize) -> Vec<Task> {
    let ranges = |len: usize, step: usize| {
        (0..len)
            .step_by(step)
            .map(move |start| start..len.min(start + step))
    };
    ranges(queries, QUERIES_PER_TASK)
        .flat_map(|queries| {
            ranges(codes, CODES_PER_TASK).map(move |codes| Task {
                queries: queries.clone(),
                codes,
            })
        })
        .collect()
}

fn run(
    exec: &Executor,
    queries: usize,
    codes: usize,
    f: impl Fn(&Task) -> Result<Vec<CodeHit>> + Sync,
) -> Result<Vec<Vec<CodeHit>>> {
    let tasks = tasks(queries, codes);
    if tasks.len() == 1 || queries.saturating_mul(codes) <= MAX_SERIAL_COMPARISONS {
        return tasks.iter().map(f).collect();
    }
    exec.map(&tasks, f).into_iter().collect()
}

fn probes(task: &Task, codes: Codes<'_>, queries: &[Code256], radius: u32) -> Vec<Probe> {
    (task.queries.start as u32..)
        .zip(queries.get(task.queries.clone()).unwrap_or_default())
        .map(|(query, &code)| Probe {
            code: codes.permute(code),
            radius,
            query,
        })
        .collect()
}

/// Returns every (query, code) pair within `radius`, sorted by (query, code).
pub(super) fn range(
    codes: Codes<'_>,
    backend: Backend,
    queries: &[Code256],
    radius: u32,
    exec: &Executor,
    deadline: &Deadline,
) -> Result<Vec<CodeHit>> {
    let found = run(exec, queries.len(), codes.len(), |task| {
        let probes = probes(task, codes, queries, radius);
        let mut pacer = deadline.pacer(COMPARISONS_PER_CHECK);
        let mut hits = Vec::new();
        codes.tiles(task.codes.clone(), TILE, |first, tile| {
            pacer.steps(tile.len() as u32 * probes.len() as u32)?;
            backend.scan(tile, first, &probes, &mut hits);
            Ok(())
        })?;
        Ok(hits)
    })?;
    let mut hits = concat(found);
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.code));
    Ok(hits)
}

/// Returns every code within `radius` of one query whose bits are [spread](MultiIndex::spread).
pub(super) fn spread_query(
    multi: MultiIndex<'_>,
    backend: Backend,
    number: u32,
    query: &Code256,
    radius: u32,
    deadline: &Deadline,
) -> Result<Vec<CodeHit>> {
    let mut pacer = deadline.pacer(COMPARISONS_PER_CHECK);
    let probe = Probe {
        code: *query,
        radius,
        query: number,
    };
    let mut hits = Vec::new();
    Codes::Multi(multi).tiles(0..multi.len(), TILE, |first, tile| {
        pacer.steps(tile.len() as u32)?;
        backend.scan(tile, first, &[probe], &mut hits);
        Ok(())
    })?;
    Ok(hits)
}

/// Returns the up to `k` nearest codes within `radius` of each query, sorted by
/// (query, distance, code).
pub(super) fn top_k(
    codes: Codes<'_>,
    backend: Backend,
    queries: &[Code256],
    k: usize,
    radius: u32,
    exec: &Executor,
) -> Result<Vec<CodeHit>> {
    if k == 0 {
        return Ok(Vec::new());
    }
    let found = run(exec, queries.len(), codes.len(), |task| {
        let mut probes = probes(task, codes, queries, radius);
        // A max-heap for each query: its worst hit is replaced by a better one.
        let mut nearest = vec![BinaryHeap::new(); probes.len()];
        let mut hits = Vec::new();
        codes.tiles(task.codes.clone(), TILE, |first, tile| {
            hits.clear();
            backend.scan(tile, first, &probes, &mut hits);
            for hit in &hits {
                let slot = (hit.query as usize).wrapping_sub(task.queries.start);
                let (Some(heap), Some(probe)) = (nearest.get_mut(slot), probes.get_mut(slot))
                else {
                    continue;
                };
                let key = (hit.distance, hit.code);
                if heap.len() < k {
                    heap.push(key);
                } else if let Some(mut worst) = heap.peek_mut()
                    && key < *worst
                {
                    *worst = key;
                }
                // Codes of later tiles have higher numbers, so they must be strictly nearer. At
                // distance 0 none can be, and the comparison with the heap rejects them.
                if heap.len() == k
                    && let Some(&(distance, _)) = heap.peek()
                {
                    probe.radius = distance.saturating_sub(1);
                }
            }
            Ok(())
        })?;
        let hits = nearest
            .into_iter()
            .zip(&probes)
            .flat_map(|(heap, probe)| {
                heap.into_iter().map(|(distance, code)| CodeHit {
                    query: probe.query,
                    code,
                    distance,
                })
            })
            .collect();
        Ok(hits)
    })?;
    let mut hits = concat(found);
    exec.sort_by_key(&mut hits, |hit| (hit.query, hit.distance, hit.code));
    super::keep_nearest(&mut hits, k);
    Ok(hits)
}

/// Concatenates hits, without copying where one task found all of them.
fn concat(mut found: Vec<Vec<CodeHit>>) -> Vec<CodeHit> {
    found.retain(|hits| !hits.is_empty());
    if found.len() == 1 {
        return found.pop().unwrap_or_default();
    }
    found.concat()
}
