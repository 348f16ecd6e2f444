//! Passages: chains of hits in one part of an item, weighted by how many items contain them.

use std::collections::VecDeque;

use crate::deadline::{Deadline, Pacer};
use crate::error::Result;
use crate::exec::sort_until;
use crate::fingerprint::{Fingerprinter, TextPrints, ValuePrint};
use crate::index::IndexSet;
use crate::index::{ItemId, PartId};
use crate::matcher::chain::{self, Bridge, Chain, Hit, Run};
use crate::matcher::gather::{Gathered, gather};
use crate::matcher::weigh;
use crate::media::PartPath;
use crate::text::GRAM_LEN;

/// Passages of one pair of parts that are weighted: the longest may be boilerplate.
const MAX_PASSAGES: usize = 24;

/// Symbols around a weak passage that are looked up again with all their grams.
const CONTEXT_SYMBOLS: u32 = 64;

/// Coverage, in multiples of the floor, from which on a passage can only be weak because it is common.
const MAX_WEAK_COVERAGE: f64 = 1.25;

/// The text of a part of the query.
pub(in crate::matcher) struct Source<'a> {
    pub(in crate::matcher) fingerprinter: &'a Fingerprinter,
    pub(in crate::matcher) part: &'a PartPath,
    pub(in crate::matcher) prints: &'a TextPrints,
    /// The values in the text, in any order.
    pub(in crate::matcher) values: &'a [ValuePrint],
    /// Whether the text was recognised in a picture.
    pub(in crate::matcher) in_picture: bool,
    /// Weighted symbols that make a strong match.
    pub(in crate::matcher) floor: f64,
    /// The least score of a passage that is found.
    pub(in crate::matcher) least_score: f64,
    pub(in crate::matcher) deadline: &'a Deadline,
}

/// Hits, passages or runs processed between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 14;

impl Source<'_> {
    pub(super) fn pacer(&self) -> Pacer {
        self.deadline.pacer(STEPS_PER_CHECK)
    }

    /// Returns the weighted symbols that make a strong match with an item's part.
    pub(super) fn floor(&self, in_picture: bool) -> f64 {
        if self.in_picture && in_picture {
            self.floor * weigh::WINDOW_FLOOR_FACTOR
        } else {
            self.floor
        }
    }

    /// Returns the weighted symbols that a match with an item's part needs to be reported.
    pub(super) fn reporting_threshold(&self, in_picture: bool) -> f64 {
        weigh::text_distinctive(self.least_score, self.floor(in_picture))
    }
}

/// A weighted passage of one part of an item.
pub(super) struct Passage {
    pub(super) part: PartId,
    pub(super) item: ItemId,
    /// Whether the part is a picture whose text was recognised.
    pub(super) in_picture: bool,
    pub(super) chain: Chain,
}

/// Returns all weighted passages, and the hits that they were made of.
///
/// Winnowing leaves few grams of a short quotation, and each error hides some of them. So the
/// surroundings of weak passages are looked up again with all grams: one in 4.5 of these is in the
/// index, whatever is around it in the query. Passages in a place that another item explains, and
/// passages that are long enough but common, are not looked up again.
pub(super) fn weighted_passages(
    indexes: &IndexSet,
    source: &Source<'_>,
) -> Result<(Gathered, Vec<Passage>)> {
    let threshold = source.reporting_threshold(false);
    let narrow = Bridge::NARROW;
    let deadline = source.deadline;
    let gathered = gather(indexes, &source.prints.grams, narrow, threshold, deadline)?;
    let found = passages(indexes, source, &gathered, narrow, threshold)?;
    let strong = found
        .iter()
        .filter(|passage| passage.chain.distinctive >= source.floor(passage.in_picture))
        .map(|passage| passage.chain.query);
    let strong = union(strong.collect(), deadline)?;
    let is_explained = |(start, end): (u32, u32)| {
        let next = strong.partition_point(|strong| strong.1 <= start);
        strong.get(next).is_some_and(|strong| strong.0 < end)
    };
    // Weak because they are short, not because they are common, and not explained by another item.
    let weak = found.iter().filter(|passage| {
        let chain = &passage.chain;
        chain.distinctive >= source.reporting_threshold(passage.in_picture)
            && f64::from(chain.covered) < MAX_WEAK_COVERAGE * source.floor(passage.in_picture)
            && !is_explained(chain.query)
    });
    let symbols = source.prints.folded;
    let spans = weak.map(|passage| {
        let (start, end) = passage.chain.query;
        let end = end.saturating_add(CONTEXT_SYMBOLS).min(symbols);
        (start.saturating_sub(CONTEXT_SYMBOLS).min(end), end)
    });
    let spans = union(spans.collect(), deadline)?;
    if !spans.is_empty()
        && let Some(denser) = source
            .fingerprinter
            .denser(source.prints, &spans, deadline)?
    {
        let wide = Bridge::WIDE;
        let gathered = gather(indexes, &denser, wide, threshold, deadline)?;
        let found = passages(indexes, source, &gathered, wide, threshold)?;
        return Ok((gathered, found));
    }
    Ok((gathered, found))
}

/// Sorts spans and merges those that touch.
fn union(mut spans: Vec<(u32, u32)>, deadline: &Deadline) -> Result<Vec<(u32, u32)>> {
    let key = |(start, end): &(u32, u32)| u128::from(u64::from(*start) << 32 | u64::from(*end));
    sort_until(&mut spans, key, deadline)?;
    spans.dedup_by(|next, last| {
        let joined = next.0 <= last.1;
        last.1 = if joined { last.1.max(next.1) } else { last.1 };
        joined
    });
    Ok(spans)
}

/// Returns all passages that reach `min_distinctive` before they are weighted by how many items
/// contain them; grouped by part.
fn passages(
    indexes: &IndexSet,
    source: &Source<'_>,
    gathered: &Gathered,
    bridge: Bridge,
    min_distinctive: f64,
) -> Result<Vec<Passage>> {
    let mut found = Vec::new();
    let mut hits = Vec::new();
    let pacer = &mut source.pacer();
    for group in gathered.hits.chunk_by(|a, b| a.0 == b.0) {
        pacer.steps(group.len() as u32)?;
        let whole: f64 = group.iter().map(|(_, hit)| f64::from(hit.weight)).sum();
        if whole * f64::from(bridge.max_gain()) < min_distinctive {
            continue;
        }
        hits.clear();
        hits.extend(group.iter().map(|(_, hit)| *hit));
        sort_hits(&mut hits, source.deadline)?;
        if !may_reach(&hits, bridge.max_gain(), min_distinctive) {
            continue;
        }
        let before = |query| gathered.discounted_before(query);
        let part = PartId(group[0].0);
        let item = indexes.part(part)?.item;
        let in_picture = is_picture(indexes, part);
        let chains = chain::chains(&hits, before, bridge, min_distinctive, MAX_PASSAGES, pacer)?;
        found.extend(chains.into_iter().map(|chain| Passage {
            part,
            item,
            in_picture,
            chain,
        }));
    }
    let sharing = Sharing::new(found.iter(), source.deadline)?;
    // Two screenshots share the texts of the window, which no other text has.
    let windows = found.iter().filter(|p| source.in_picture && p.in_picture);
    let windows = Sharing::new(windows, source.deadline)?;
    for passage in &mut found {
        // Each run is looked up in both.
        pacer.steps((passage.chain.runs.len() as u32).saturating_mul(8))?;
        let is_window = source.in_picture && passage.in_picture;
        let runs = passage.chain.runs.iter();
        let lost = runs.map(|run| {
            let shared = match gathered.vouched(run.gram()) {
                Some(_) => 1.0,
                None => weigh::passage_weight(sharing.items(run)),
            };
            let window = if is_window {
                weigh::window_weight(windows.items(run))
            } else {
                1.0
            };
            // Both weights apply, although a passage that many items contain consists of grams
            // that many items have: with only the lower one, two long phrases shared by a few
            // items led to a false match.
            let whole = f64::from(run.weight) * f64::from(run.length);
            whole * (1.0 - shared.min(window))
        });
        passage.chain.distinctive -= lost.sum::<f64>();
    }
    Ok(found)
}

/// Sorts by place in the query, then in the item.
pub(super) fn sort_hits(hits: &mut [Hit], deadline: &Deadline) -> Result<()> {
    let key = |hit: &Hit| u128::from(u64::from(hit.query) << 32 | u64::from(hit.item));
    sort_until(hits, key, deadline)
}

/// Returns whether a part is a picture.
pub(super) fn is_picture(indexes: &IndexSet, part: PartId) -> bool {
    let (view, part) = indexes.locate_part(part);
    view.index.pictures().of_part(part).is_some()
}

/// How many items have a passage that contains each place of the query.
struct Sharing {
    /// The places at which the number changes, and the number from there on.
    steps: Vec<(u32, u32)>,
}

impl Sharing {
    /// Counts the items of passages, which must be sorted by item.
    fn new<'p>(passages: impl Iterator<Item = &'p Passage>, deadline: &Deadline) -> Result<Self> {
        let mut pacer = deadline.pacer(STEPS_PER_CHECK);
        let passages: Vec<&Passage> = passages.collect();
        let mut edges: Vec<(u32, i32)> = Vec::new();
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for of_item in passages.chunk_by(|a, b| a.item == b.item) {
            // An item counts once for each place.
            pacer.steps(of_item.len() as u32)?;
            spans.clear();
            spans.extend(of_item.iter().map(|passage| passage.chain.query));
            spans.sort_unstable();
            let mut until = 0;
            for &(start, end) in &spans {
                let start = start.max(until);
                if start < end {
                    edges.extend([(start, 1), (end, -1)]);
                    until = end;
                }
            }
        }
        // Ends before starts.
        let key = |(place, change): &(u32, i32)| {
            u128::from(u64::from(*place) << 1 | u64::from(*change > 0))
        };
        sort_until(&mut edges, key, deadline)?;
        let mut items = 0_i32;
        let mut steps: Vec<(u32, u32)> = Vec::new();
        for (place, change) in edges {
            pacer.step()?;
            items += change;
            let items = items.unsigned_abs();
            match steps.last_mut() {
                Some(last) if last.0 == place => last.1 = items,
                _ => steps.push((place, items)),
            }
        }
        Ok(Self { steps })
    }

    /// Returns how many items contain the last symbol of a run.
    fn items(&self, run: &Run) -> u32 {
        let last = run.end.saturating_sub(1);
        let step = self.steps.partition_point(|(place, _)| *place <= last);
        let step = step.checked_sub(1).and_then(|step| self.steps.get(step));
        step.map_or(1, |(_, items)| *items)
    }
}

/// Returns whether hits sorted by query place can cover `min_distinctive` in any order: every symbol
/// counts once, by the heaviest gram that covers it, with its bridge before it.
fn may_reach(hits: &[Hit], max_gain: u32, min_distinctive: f64) -> bool {
    const K: u32 = GRAM_LEN as u32;
    let mut sum = 0.0;
    // End and weight of the grams that extend beyond the current place: ends ascend and weights
    // descend, as in the maximum of a sliding window.
    let mut heaviest: VecDeque<(u32, f32)> = VecDeque::new();
    let mut at = 0;
    let count = |from: u32, to: u32, heaviest: &mut VecDeque<(u32, f32)>| {
        let (mut from, mut sum) = (from, 0.0);
        while let Some(&(end, weight)) = heaviest.front() {
            let until = end.min(to);
            sum += f64::from(until.saturating_sub(from)) * f64::from(weight);
            from = from.max(until);
            if end > to {
                break;
            }
            heaviest.pop_front();
        }
        sum
    };
    for hit in hits {
        let start = hit.query.saturating_sub(max_gain - K);
        sum += count(at, start, &mut heaviest);
        if sum >= min_distinctive {
            return true;
        }
        at = start;
        while heaviest
            .back()
            .is_some_and(|(_, weight)| *weight <= hit.weight)
        {
            heaviest.pop_back();
        }
        heaviest.push_back((hit.query.saturating_add(K), hit.weight));
    }
    sum + count(at, u32::MAX, &mut heaviest) >= min_distinctive
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The bound is never below the best chain, so no passage is missed.
        #[test]
        fn may_reach_is_true_for_every_chain_that_reaches(
            mut places in prop::collection::vec((0_u32..90, 0_u32..90, 0_u8..4), 0..40),
        ) {
            places.sort_unstable();
            let hits: Vec<Hit> = places
                .iter()
                .map(|&(query, item, weight)| {
                    let weight = [0.02, 0.3, 0.7, 1.0][usize::from(weight)];
                    Hit { query, item, weight }
                })
                .collect();
            for bridge in [Bridge::NARROW, Bridge::WIDE] {
                if let Some(chain) = chain::all_chains(&hits, |_| 0, bridge, 0.0, 1).first() {
                    prop_assert!(may_reach(&hits, bridge.max_gain(), chain.distinctive - 1e-3));
                }
            }
            prop_assert!(!may_reach(&hits, Bridge::NARROW.max_gain(), 110.0));
        }
    }

    #[test]
    fn few_hits_cannot_reach_the_floor() {
        let hit = |query| Hit {
            query,
            item: 0,
            weight: 1.0,
        };
        let most = Bridge::NARROW.max_gain();
        assert!(!may_reach(&[hit(0), hit(2), hit(4)], most, 24.0));
        assert!(may_reach(&[hit(0), hit(12)], most, 24.0));
        assert!(!may_reach(&[hit(0), hit(0), hit(0)], most, 24.0));
    }
}
