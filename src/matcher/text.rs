//! Passages of text: every distinct gram of the query looked up once, hits
//! gathered by item part, aligned into chains.

use super::chain::{self, Hit};
use super::evidence::{Evidence, Strength};
use super::weigh;
use crate::error::{Error, Result};
use crate::fingerprint::TextPrints;
use crate::index::{Index, PartId, PostingList};
use crate::media::PartPath;
use crate::text::GRAM_LEN;

/// Grams in more items than this only bridge: they would weigh less than one
/// symbol in a hundred, and their lists are the long ones.
const MAX_DOCUMENT_FREQUENCY: u32 = 400;

/// As do grams in more places than this, before their items are counted.
const MAX_PLACES: usize = 1 << 16;

/// Of a gram that stands in a text again and again the first places are aligned,
/// on both sides: enough for every passage that is repeated, since its grams
/// agree on which places are the first, and few enough that hits stay
/// proportional to the text.
const MAX_REPEATS: usize = 16;

/// Hits of one text; beyond it the most common grams only bridge. 24 bytes each.
const MAX_HITS: usize = 4 << 20;

/// Passages reported for one pair of parts.
const MAX_PASSAGES: usize = 8;

/// What the look-up of all grams of one text gave.
#[derive(Default)]
struct Gathered {
    /// Hits with the part they belong to, sorted by part, query place and item place.
    hits: Vec<(u32, Hit)>,
    /// Discounted spans of the query: start, end, and the sum of their lengths before it.
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
    let gathered = gather(index, prints)?;
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
                        index.char_end(item_part, chain.item.1)?,
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
    /// Hits of grams in common, discounted ones left out.
    pub(super) grams: usize,
    /// Symbols of the whole query that are discounted.
    pub(super) discounted: u32,
    /// Weighed symbols in the best chain.
    pub(super) distinctive: f64,
}

/// Compares a text with one part of an item, floor or not.
pub(super) fn shared(index: &Index, prints: &TextPrints, item_part: PartId) -> Result<Shared> {
    let gathered = gather(index, prints)?;
    let hits: Vec<Hit> = gathered
        .hits
        .iter()
        .filter(|(part, _)| *part == item_part.0)
        .map(|(_, hit)| *hit)
        .collect();
    let before = |query| discounted_before(&gathered.discounted, query);
    let best = chain::chains(&hits, before, 0.0, 1);
    Ok(Shared {
        grams: hits.len(),
        discounted: before(u32::MAX),
        distinctive: best.first().map_or(0.0, |chain| chain.distinctive),
    })
}

fn gather(index: &Index, prints: &TextPrints) -> Result<Gathered> {
    let mut grams: Vec<(u64, u32)> = prints.grams.iter().map(|g| (g.print, g.at)).collect();
    grams.sort_unstable();
    let runs: Vec<&[(u64, u32)]> = grams.chunk_by(|a, b| a.0 == b.0).collect();
    let keys: Vec<u64> = runs.iter().filter_map(|run| Some(run.first()?.0)).collect();
    let mut lists = Vec::new();
    index.grams().lookup_batch(&keys, &mut lists)?;

    // The fewest hits first, so that the limit meets the most common grams.
    let cost = |run: &[(u64, u32)], list: &PostingList<'_>| run.len().min(MAX_REPEATS) * list.len();
    lists.sort_by_key(|(key, list)| runs.get(*key).map_or(0, |run| cost(run, list)));
    let mut hits: Vec<(u32, Hit)> = Vec::new();
    let mut discounted = Vec::new();
    for (key, list) in lists {
        let Some(run) = runs.get(key) else { continue };
        let is_common = list.discounted()
            || list.len() > MAX_PLACES
            || hits.len() + cost(run, &list) > MAX_HITS
            || list.document_frequency() > MAX_DOCUMENT_FREQUENCY;
        if is_common {
            discounted.extend(run.iter().map(|&(_, at)| at));
            continue;
        }
        let weight = weigh::gram_weight(list.document_frequency());
        let (mut last, mut repeats) = (None, 0);
        for (part, item) in list.iter() {
            repeats = if last == Some(part) { repeats + 1 } else { 0 };
            last = Some(part);
            if repeats < MAX_REPEATS {
                let places = run.iter().take(MAX_REPEATS);
                hits.extend(places.map(|&(_, query)| {
                    let hit = Hit {
                        query,
                        item,
                        weight,
                    };
                    (part.0, hit)
                }));
            }
        }
    }
    hits.sort_unstable_by_key(|(part, hit)| (*part, hit.query, hit.item));
    if let Some((part, _)) = hits.last()
        && *part >= index.part_count()
    {
        return Err(Error::corrupt(format!(
            "a posting leads to part {part} of {}",
            index.part_count()
        )));
    }
    discounted.sort_unstable();
    let mut spans = Vec::new();
    discounted
        .into_iter()
        .for_each(|at| push_span(&mut spans, at));
    Ok(Gathered {
        hits,
        discounted: spans,
    })
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
