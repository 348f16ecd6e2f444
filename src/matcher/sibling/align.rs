//! Alignments: passages in the same order on both sides, and the gaps between them.

use crate::deadline::Pacer;
use crate::error::Result;
use crate::matcher::chain::Chain;

/// Symbols between two passages that are joined, at most, on each side.
const MAX_JOINED_GAP: u32 = 2000;

/// Symbols by which a gap may differ between both sides, and its largest size, where a few wrong letters
/// explain it.
const MAX_ERROR_SLIP: u32 = 2;
const MAX_ERROR_GAP: u32 = 30;

/// A stretch of text that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) query: (u32, u32),
    pub(super) item: (u32, u32),
}

/// Joins the passages of one pair of parts to alignments: the best passage with all that come before
/// and after it on both sides, then the best of the rest, and so on. Returns the places of passages.
pub(in crate::matcher) fn alignments(
    chains: &[&Chain],
    pacer: &mut Pacer,
) -> Result<Vec<Vec<usize>>> {
    let mut rest: Vec<usize> = (0..chains.len()).collect();
    rest.sort_by(|&a, &b| chains[b].distinctive.total_cmp(&chains[a].distinctive));
    let mut found = Vec::new();
    while let Some(&best) = rest.first() {
        let mut joined = vec![best];
        rest.retain(|&at| {
            if at == best {
                return false;
            }
            let other = chains[at];
            let fits = joined.iter().all(|&with| are_in_order(chains[with], other))
                && joined
                    .iter()
                    .any(|&with| gap(chains[with], other) <= MAX_JOINED_GAP);
            if fits {
                joined.push(at);
            }
            !fits
        });
        pacer.steps((rest.len() + joined.len() * joined.len()) as u32)?;
        joined.sort_by_key(|&at| chains[at].query);
        found.push(joined);
    }
    Ok(found)
}

fn are_in_order(a: &Chain, b: &Chain) -> bool {
    let before = |a: &Chain, b: &Chain| a.query.1 <= b.query.0 && a.item.1 <= b.item.0;
    before(a, b) || before(b, a)
}

/// Returns the larger of the gaps between two passages that are in order.
fn gap(a: &Chain, b: &Chain) -> u32 {
    let between = |a: (u32, u32), b: (u32, u32)| a.0.max(b.0).saturating_sub(a.1.min(b.1));
    between(a.query, b.query).max(between(a.item, b.item))
}

/// Returns the stretches of an alignment without a gap.
pub(super) fn segments(chains: &[&Chain]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for run in chains.iter().flat_map(|chain| &chain.runs) {
        let next = Segment {
            query: (run.end.saturating_sub(run.length), run.end),
            item: (run.item_end.saturating_sub(run.length), run.item_end),
        };
        match segments.last_mut() {
            Some(last) if next.query.0 <= last.query.1 && next.item.0 <= last.item.1 => {
                last.query.1 = last.query.1.max(next.query.1);
                last.item.1 = last.item.1.max(next.item.1);
            }
            _ => segments.push(next),
        }
    }
    segments
}

/// A gap between two segments.
#[derive(Clone, Copy)]
pub(super) struct Gap {
    pub(super) query: (u32, u32),
    pub(super) item: (u32, u32),
    /// Symbols of the query's side and the item's, without discounted ones, which both sides have.
    pub(super) own: (u32, u32),
}

impl Gap {
    pub(super) fn between(
        before: &Segment,
        after: &Segment,
        discounted: impl Fn(u32, u32) -> u32,
    ) -> Self {
        let query = (before.query.1, after.query.0.max(before.query.1));
        let item = (before.item.1, after.item.0.max(before.item.1));
        let discounted = discounted(query.0, query.1);
        let own = |(start, end): (u32, u32)| (end - start).saturating_sub(discounted);
        let own = (own(query), own(item));
        Self { query, item, own }
    }

    /// Returns whether a few wrong letters explain it.
    pub(super) fn is_error(&self) -> bool {
        let length = |(start, end): (u32, u32)| end - start;
        let query = length(self.query);
        query.abs_diff(length(self.item)) <= MAX_ERROR_SLIP && query <= MAX_ERROR_GAP
    }
}

/// Returns how unevenly the gaps are spread, 0..=1. Of `n` segments between errors that are spread at
/// random, the longest has about `ln(n) + 0.6` times the mean length.
pub(super) fn clustered(segments: &[Segment]) -> f64 {
    let lengths = || {
        segments
            .iter()
            .map(|segment| f64::from(segment.query.1 - segment.query.0))
    };
    let count = segments.len() as f64;
    let longest = lengths().fold(0.0, f64::max) / (lengths().sum::<f64>() / count);
    ((longest - count.ln() - 0.6) / 2.0).clamp(0.0, 1.0)
}
