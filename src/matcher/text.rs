//! Passages of text: every gram of the query looked up, hits gathered by item
//! part, aligned into chains.

use super::chain::{self, Hit};
use super::evidence::{Evidence, Strength};
use super::weigh;
use crate::error::Result;
use crate::fingerprint::TextPrints;
use crate::index::{Index, PartId};
use crate::media::PartPath;
use crate::text::GRAM_LEN;

/// Grams in more items than this only bridge: they would weigh less than one
/// symbol in a hundred, and their lists are the long ones.
const MAX_DOCUMENT_FREQUENCY: u32 = 400;

/// Passages reported for one pair of parts.
const MAX_PASSAGES: usize = 8;

/// What the look-up of all grams of one text gave.
#[derive(Default)]
struct Gathered {
    /// Hits with the part they belong to, later sorted.
    hits: Vec<(u32, Hit)>,
    /// Discounted spans of the query: start, and the sum of their lengths before it.
    discounted: Vec<(u32, u32, u32)>,
}

/// All passages of one query part: the item's part and the evidence.
pub(super) fn find(
    index: &Index,
    part: &PartPath,
    prints: &TextPrints,
    floor: f64,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let mut gathered = gather(index, prints)?;
    gathered
        .hits
        .sort_unstable_by_key(|(part, hit)| (*part, hit.query, hit.item));
    let min_distinctive = weigh::text_distinctive(Strength::Possible.min_score(), floor);
    let mut hits = Vec::new();
    for group in gathered.hits.chunk_by(|a, b| a.0 == b.0) {
        if !may_reach(group, min_distinctive) {
            continue;
        }
        hits.clear();
        hits.extend(group.iter().map(|(_, hit)| *hit));
        let discounted_before = |query| discounted_before(&gathered.discounted, query);
        let chains = chain::chains(&hits, discounted_before, min_distinctive, MAX_PASSAGES);
        let item_part = PartId(group[0].0);
        for chain in chains {
            let discounted = discounted_before(chain.query.1) - discounted_before(chain.query.0);
            report(
                item_part,
                Evidence::Text {
                    part: part.clone(),
                    item_part: PartPath::root(),
                    covered: chain.covered,
                    distinctive: (chain.distinctive * 10.0).round() / 10.0,
                    discounted,
                    query_span: [
                        prints.char_offset(chain.query.0),
                        prints.char_end(chain.query.1),
                    ],
                    item_span: [
                        index.char_offset(item_part, chain.item.0)?,
                        index.char_offset(item_part, chain.item.1)?,
                    ],
                    score: weigh::text_score(chain.distinctive, floor),
                },
            )?;
        }
    }
    Ok(())
}

/// What a text shares with one part of an item.
pub(super) struct Shared {
    /// Grams in common, discounted ones left out.
    pub(super) grams: usize,
    /// Weighed symbols in the best chain.
    pub(super) distinctive: f64,
}

/// Compares a text with one part of an item, floor or not.
pub(super) fn shared(index: &Index, prints: &TextPrints, item_part: PartId) -> Result<Shared> {
    let gathered = gather(index, prints)?;
    let mut hits: Vec<Hit> = gathered
        .hits
        .iter()
        .filter(|(part, _)| *part == item_part.0)
        .map(|(_, hit)| *hit)
        .collect();
    hits.sort_unstable_by_key(|hit| (hit.query, hit.item));
    let before = |query| discounted_before(&gathered.discounted, query);
    let best = chain::chains(&hits, before, 0.0, 1);
    Ok(Shared {
        grams: hits.len(),
        distinctive: best.first().map_or(0.0, |chain| chain.distinctive),
    })
}

fn gather(index: &Index, prints: &TextPrints) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    let keys: Vec<u64> = prints.grams.iter().map(|gram| gram.print).collect();
    let mut lists = Vec::new();
    index.grams().lookup_batch(&keys, &mut lists)?;
    for (gram, list) in lists {
        let Some(gram) = prints.grams.get(gram) else {
            continue;
        };
        let frequency = list.document_frequency();
        if list.discounted() || frequency > MAX_DOCUMENT_FREQUENCY {
            push_span(&mut gathered.discounted, gram.at);
            continue;
        }
        let weight = weigh::gram_weight(frequency);
        for (part, at) in list.iter() {
            let hit = Hit {
                query: gram.at,
                item: at,
                weight,
            };
            gathered.hits.push((part.0, hit));
        }
    }
    Ok(gathered)
}

/// Adds the gram at `at` to the discounted spans, joined with the last where they touch.
fn push_span(spans: &mut Vec<(u32, u32, u32)>, at: u32) {
    let end = at.saturating_add(GRAM_LEN as u32);
    if let Some((_, last_end, _)) = spans.last_mut()
        && at <= *last_end
    {
        *last_end = end;
        return;
    }
    let before = spans
        .last()
        .map_or(0, |(start, end, sum)| sum + (end - start));
    spans.push((at, end, before));
}

/// How many symbols before `query` lie in discounted spans.
fn discounted_before(spans: &[(u32, u32, u32)], query: u32) -> u32 {
    let behind = spans.partition_point(|(start, _, _)| *start < query);
    match behind.checked_sub(1).and_then(|i| spans.get(i)) {
        Some((start, end, sum)) => sum + query.min(*end) - start,
        None => 0,
    }
}

/// Whether hits sorted by query place can cover `min_distinctive` in any order at all.
fn may_reach(group: &[(u32, Hit)], min_distinctive: f64) -> bool {
    let mut sum = 0.0;
    let mut covered_to = 0;
    for (_, hit) in group {
        let end = hit.query.saturating_add(GRAM_LEN as u32);
        sum += f64::from(end - hit.query.max(covered_to).min(end)) * f64::from(hit.weight);
        covered_to = end;
        if sum >= min_distinctive {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discounted_spans_join_and_count() {
        let mut spans = Vec::new();
        for at in [0, 5, 12, 100] {
            push_span(&mut spans, at);
        }
        assert_eq!(spans, [(0, 24, 0), (100, 112, 24)]);
        for (query, before) in [(0, 0), (10, 10), (24, 24), (60, 24), (106, 30), (500, 36)] {
            assert_eq!(discounted_before(&spans, query), before, "{query}");
        }
    }

    #[test]
    fn few_hits_cannot_reach_the_floor() {
        let hit = |query| {
            (
                0,
                Hit {
                    query,
                    item: 0,
                    weight: 1.0,
                },
            )
        };
        assert!(!may_reach(&[hit(0), hit(2), hit(4)], 24.0));
        assert!(may_reach(&[hit(0), hit(12)], 24.0));
        assert!(!may_reach(&[hit(0), hit(0), hit(0)], 24.0));
    }
}
