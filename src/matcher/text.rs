//! Passages of text: every distinct gram of the query looked up once, hits
//! gathered by item part, aligned into chains.

use std::collections::VecDeque;

use super::chain::{self, Chain, Hit, Run};
use super::evidence::{Evidence, Strength};
use super::weigh;
use crate::error::{Error, Result};
use crate::fingerprint::{Gram, TextPrints};
use crate::index::shelf::{Shelf, Volume};
use crate::index::{ItemId, PartId, PostingList};
use crate::media::PartPath;
use crate::text::GRAM_LEN;

/// Grams in more items than this only bridge: so many items are not told apart
/// by what they share, and their lists are the long ones.
const MAX_DOCUMENT_FREQUENCY: u32 = 400;

/// As do grams with longer lists, in places at the least, however few the items.
const MAX_PLACES: usize = 1 << 16;

/// Of a gram that stands in a text again and again the first places are aligned,
/// on both sides: enough for every passage that is repeated, since its grams
/// agree on which places are the first, and few enough that hits stay
/// proportional to the text.
const MAX_REPEATS: usize = 16;

/// Hits of one text; beyond it the most common grams only bridge. 24 bytes each.
const MAX_HITS: usize = 4 << 20;

/// Passages of one pair of parts that are weighed: the longest may be boilerplate.
const MAX_PASSAGES: usize = 24;

/// What the look-up of all grams of one text gave.
#[derive(Default)]
struct Gathered {
    /// Hits with the part they belong to, sorted by part.
    hits: Vec<(u32, Hit)>,
    /// Discounted spans of the query: start, end, and the sum of their lengths before it.
    discounted: Vec<(u32, u32, u32)>,
}

/// A gram of the query that an index has.
#[derive(Clone, Copy)]
struct Found<'a> {
    print: u64,
    /// The place of the index on the shelf.
    volume: u32,
    at: u32,
    list: PostingList<'a>,
}

/// A passage of one part of an item, weighed.
struct Passage {
    part: PartId,
    item: ItemId,
    chain: Chain,
}

/// All passages of one query part: the item's part and the evidence.
pub(super) fn find(
    shelf: &Shelf,
    part: &PartPath,
    prints: &TextPrints,
    floor: f64,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let min_distinctive = weigh::text_distinctive(Strength::Possible.min_score(), floor);
    let gathered = gather(shelf, prints, min_distinctive)?;
    for passage in passages(shelf, &gathered, min_distinctive)? {
        let chain = &passage.chain;
        if chain.distinctive < min_distinctive {
            continue;
        }
        let discounted =
            gathered.discounted_before(chain.query.1) - gathered.discounted_before(chain.query.0);
        report(
            passage.part,
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
                region: None,
                item_span: [
                    shelf.char_offset(passage.part, chain.item.0)?,
                    shelf.char_end(passage.part, chain.item.1)?,
                ],
                score: weigh::text_score(chain.distinctive, floor),
            },
        )?;
    }
    Ok(())
}

/// All passages that reach `min_distinctive` by themselves, weighed beside one
/// another, those of one part together.
fn passages(shelf: &Shelf, gathered: &Gathered, min_distinctive: f64) -> Result<Vec<Passage>> {
    let mut found = Vec::new();
    let mut hits = Vec::new();
    for group in gathered.hits.chunk_by(|a, b| a.0 == b.0) {
        let whole: f64 = group.iter().map(|(_, hit)| f64::from(hit.weight)).sum();
        if whole * (GRAM_LEN as f64) < min_distinctive {
            continue;
        }
        hits.clear();
        hits.extend(group.iter().map(|(_, hit)| *hit));
        hits.sort_unstable_by_key(|hit| (hit.query, hit.item));
        if !may_reach(&hits, min_distinctive) {
            continue;
        }
        let before = |query| gathered.discounted_before(query);
        let part = PartId(group[0].0);
        let item = shelf.part(part)?.item;
        let chains = chain::chains(&hits, before, min_distinctive, MAX_PASSAGES);
        found.extend(
            chains
                .into_iter()
                .map(|chain| Passage { part, item, chain }),
        );
    }
    let sharing = Sharing::new(&found);
    for passage in &mut found {
        let lost: f64 = passage.chain.runs.iter().map(|run| sharing.lost(run)).sum();
        passage.chain.distinctive -= lost;
    }
    Ok(found)
}

/// How many items contain each place of the query in a passage.
struct Sharing {
    /// Places at which the number changes, and the number from there on.
    steps: Vec<(u32, u32)>,
}

impl Sharing {
    /// `passages` must be sorted by item, as parts are.
    fn new(passages: &[Passage]) -> Self {
        let mut edges: Vec<(u32, i32)> = Vec::new();
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for of_item in passages.chunk_by(|a, b| a.item == b.item) {
            // An item that has a place twice is one item.
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
        edges.sort_unstable();
        let mut items = 0_i32;
        let mut steps: Vec<(u32, u32)> = Vec::new();
        for (place, change) in edges {
            items += change;
            let items = items.unsigned_abs();
            match steps.last_mut() {
                Some(last) if last.0 == place => last.1 = items,
                _ => steps.push((place, items)),
            }
        }
        Self { steps }
    }

    /// What a run loses to other items that contain it.
    fn lost(&self, run: &Run) -> f64 {
        let last = run.end.saturating_sub(1);
        let step = self.steps.partition_point(|(place, _)| *place <= last);
        let items = step
            .checked_sub(1)
            .and_then(|step| self.steps.get(step))
            .map_or(1, |(_, items)| *items);
        // Both weights count, though a passage that many items contain is made of
        // grams that many items hold: by the lighter one alone, two long phrases
        // that a few items share accused a wrong one.
        let whole = f64::from(run.weight) * f64::from(run.length);
        whole * (1.0 - weigh::passage_weight(items))
    }
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
pub(super) fn shared(
    shelf: &Shelf,
    prints: &TextPrints,
    item_part: PartId,
    floor: f64,
) -> Result<Shared> {
    let gathered = gather(shelf, prints, 0.0)?;
    let of_part = gathered
        .hits
        .iter()
        .filter(|(part, _)| *part == item_part.0);
    let mut hits: Vec<Hit> = of_part.map(|(_, hit)| *hit).collect();
    hits.sort_unstable_by_key(|hit| (hit.query, hit.item));
    let before = |query| gathered.discounted_before(query);
    let best = chain::chains(&hits, before, 0.0, 1);
    let alone = best.first().map_or(0.0, |chain| chain.distinctive);
    let needed = weigh::text_distinctive(Strength::Possible.min_score(), floor);
    // What would reach the floor is weighed beside all other items, as `find` does.
    let distinctive = if alone < needed {
        alone
    } else {
        let passages = passages(shelf, &gathered, needed)?;
        let own = passages.iter().filter(|passage| passage.part == item_part);
        own.map(|passage| passage.chain.distinctive)
            .fold(0.0, f64::max)
    };
    Ok(Shared {
        grams: hits.len(),
        discounted: before(u32::MAX),
        distinctive,
    })
}

/// Looks all grams up. Hits of parts that cannot reach `min_distinctive` may be left out.
fn gather(shelf: &Shelf, prints: &TextPrints, min_distinctive: f64) -> Result<Gathered> {
    // In the order of the text: most grams are absent, and those need no sorting.
    let grams = &prints.grams;
    let print = |i: usize| grams.get(i).map(|gram| gram.print);
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut lists = Vec::new();
    for (number, volume) in (0..).zip(shelf.volumes()) {
        let table = volume.index.grams();
        table.lookup_each(grams.len(), print, &mut lists)?;
        found.extend(lists.drain(..).filter_map(|(i, list)| {
            let Gram { print, at } = *grams.get(i)?;
            Some(Found {
                print,
                volume: number,
                at,
                list,
            })
        }));
    }
    found.sort_unstable_by_key(|found| (found.print, found.volume, found.at));

    let of_volumes = |run: &'_ [Found<'_>]| {
        let places = run.chunk_by(|a, b| a.volume == b.volume).map(|of_volume| {
            let places = of_volume.first().map_or(0, |found| found.list.max_len());
            (of_volume.len(), places)
        });
        places.fold((0, 0), |(cost, all), (repeats, places)| {
            let own = repeats.min(MAX_REPEATS).saturating_mul(places);
            (cost + own, all + places)
        })
    };
    let cost = |run: &[Found<'_>]| of_volumes(run).0;
    let runs = || found.chunk_by(|a, b| a.print == b.print);
    let mut order: Vec<&[Found<'_>]> = Vec::new();
    let whole = runs().map(cost).fold(0, usize::saturating_add);
    if whole > MAX_HITS {
        // The fewest hits first, so that the limit meets the most common grams.
        order.extend(runs());
        order.sort_by_key(|run| cost(run));
    }
    let plain = runs().take(if order.is_empty() { usize::MAX } else { 0 });
    let mut hits: Vec<(u32, Hit)> = Vec::new();
    let mut discounted = Vec::new();
    for run in order.iter().copied().chain(plain) {
        let volumes = || run.chunk_by(|a, b| a.volume == b.volume);
        let frequencies = volumes().filter_map(|found| found.first());
        let frequency: u32 = frequencies
            .map(|found| found.list.document_frequency())
            .fold(0, u32::saturating_add);
        let (cost, places) = of_volumes(run);
        let is_common = run.iter().any(|found| found.list.discounted())
            || frequency > MAX_DOCUMENT_FREQUENCY
            || places > MAX_PLACES
            || hits.len() + cost > MAX_HITS;
        if is_common {
            let of_first = volumes().next().unwrap_or_default();
            discounted.extend(of_first.iter().map(|found| found.at));
            continue;
        }
        let mut hidden = 0;
        let first = hits.len();
        for of_volume in volumes() {
            let Some(Found { volume, list, .. }) = of_volume.first() else {
                continue;
            };
            if let Some(volume) = shelf.volumes().get(*volume as usize) {
                hidden += collect(volume, list, of_volume, &mut hits)?;
            }
        }
        // Items that were removed make nothing common.
        let weight = weigh::gram_weight(frequency.saturating_sub(hidden), shelf.item_count());
        for (_, hit) in hits.get_mut(first..).unwrap_or_default() {
            hit.weight = weight;
        }
    }
    drop_hopeless(&mut hits, min_distinctive);
    // By part alone: most parts share too little for the order within to matter.
    hits.sort_unstable_by_key(|(part, _)| *part);
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

/// Adds the hits of one gram in one index, not weighed yet; gives how many items that have the gram
/// are hidden.
fn collect(
    volume: &Volume,
    list: &PostingList<'_>,
    of_volume: &[Found<'_>],
    hits: &mut Vec<(u32, Hit)>,
) -> Result<u32> {
    let (mut last, mut repeats) = (None, 0);
    let (mut hidden, mut last_hidden) = (0, None);
    let parts = volume.index.part_count();
    for place in list.iter() {
        let (part, item) = place?;
        if part.0 >= parts {
            return Err(Error::corrupt(format!(
                "a posting leads to part {part} of {parts}"
            )));
        }
        repeats = if last == Some(part) { repeats + 1 } else { 0 };
        last = Some(part);
        if repeats >= MAX_REPEATS {
            continue;
        }
        if !volume.hidden.is_empty() {
            let owner = volume.index.item_of(part)?;
            if volume.hidden.contains(owner.0) {
                hidden += u32::from(last_hidden != Some(owner));
                last_hidden = Some(owner);
                continue;
            }
        }
        let part = part.0.saturating_add(volume.first_part);
        let places = of_volume.iter().take(MAX_REPEATS);
        hits.extend(places.map(|found| {
            let hit = Hit {
                query: found.at,
                item,
                weight: 0.0,
            };
            (part, hit)
        }));
    }
    Ok(hidden)
}

/// Drops most of the hits of parts whose hits all together do not reach `min_distinctive`: nearly
/// all of a post's are, each of another part, and need no sorting. Sums are kept by the part's
/// lowest bits, so that what is added up of several parts is too much rather than too little.
fn drop_hopeless(hits: &mut Vec<(u32, Hit)>, min_distinctive: f64) {
    const FEW: usize = 64;
    const MOST_SUMS: usize = 1 << 16;
    if hits.len() <= FEW {
        return;
    }
    let mut sums = vec![0.0_f32; hits.len().next_power_of_two().min(MOST_SUMS)];
    let mask = sums.len() - 1;
    for (part, hit) in hits.iter() {
        sums[*part as usize & mask] += hit.weight;
    }
    // Less what sums of so many numbers may be off by.
    let least = (0.99 * min_distinctive / GRAM_LEN as f64) as f32;
    hits.retain(|(part, _)| sums[*part as usize & mask] >= least);
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

impl Gathered {
    /// How many symbols of the query before a place are discounted.
    fn discounted_before(&self, query: u32) -> u32 {
        discounted_before(&self.discounted, query)
    }
}

/// How many symbols before `query` lie in discounted spans.
fn discounted_before(spans: &[(u32, u32, u32)], query: u32) -> u32 {
    let behind = spans.partition_point(|(start, _, _)| *start < query);
    match behind.checked_sub(1).and_then(|i| spans.get(i)) {
        Some((start, end, sum)) => sum + query.min(*end) - start,
        None => 0,
    }
}

/// Whether hits sorted by query place can cover `min_distinctive` in any order at
/// all: every symbol counted once, by the heaviest gram that covers it.
fn may_reach(hits: &[Hit], min_distinctive: f64) -> bool {
    const K: u32 = GRAM_LEN as u32;
    let mut sum = 0.0;
    // Grams that reach beyond the place, those that end first in front, and
    // none behind a heavier one.
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
        sum += count(at, hit.query, &mut heaviest);
        if sum >= min_distinctive {
            return true;
        }
        at = hit.query;
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

    #[test]
    fn what_is_dropped_is_hopeless() {
        let hit = |part: u32, weight| {
            let (query, item) = (part, 0);
            (
                part,
                Hit {
                    query,
                    item,
                    weight,
                },
            )
        };
        // One part in ten has enough.
        let mut hits: Vec<_> = (0..5_000_u32)
            .flat_map(|part| vec![hit(part, 0.5); if part % 10 == 0 { 9 } else { 1 }])
            .collect();
        let whole = hits.clone();
        drop_hopeless(&mut hits, 50.0);
        assert!(hits.len() < whole.len() * 2 / 3);
        let enough = |hits: &[(u32, Hit)]| hits.iter().filter(|(part, _)| part % 10 == 0).count();
        assert_eq!(enough(&hits), enough(&whole));
        drop_hopeless(&mut hits, 0.0);
        assert_eq!(enough(&hits), enough(&whole));
    }

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

    proptest! {
        /// Never less than the best chain: what is passed over could not have been a passage.
        #[test]
        fn what_may_not_reach_does_not(
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
            if let Some(chain) = chain::chains(&hits, |_| 0, 0.0, 1).first() {
                prop_assert!(may_reach(&hits, chain.distinctive - 1e-3));
            }
            prop_assert!(!may_reach(&hits, 110.0));
        }
    }

    #[test]
    fn few_hits_cannot_reach_the_floor() {
        let hit = |query| Hit {
            query,
            item: 0,
            weight: 1.0,
        };
        assert!(!may_reach(&[hit(0), hit(2), hit(4)], 24.0));
        assert!(may_reach(&[hit(0), hit(12)], 24.0));
        assert!(!may_reach(&[hit(0), hit(0), hit(0)], 24.0));
    }
}
