//! Matching of text: the hits of each item part are aligned to passages.

use std::collections::{HashMap, VecDeque};

use super::chain::{self, Bridge, Chain, Hit, Run};
use super::evidence::Evidence;
use super::gather::{Gathered, gather};
use super::sibling::{self, Comparison};
use super::weigh;
use crate::deadline::{Deadline, Pacer};
use crate::error::Result;
use crate::exec::sort_until;
use crate::fingerprint::{Fingerprinter, TextPrints, ValuePrint};
use crate::index::{IndexSet, IndexView};
use crate::index::{ItemId, PartId, PlacedValue};
use crate::media::PartPath;
use crate::text::GRAM_LEN;

/// Passages of one pair of parts that are weighted: the longest may be boilerplate.
const MAX_PASSAGES: usize = 24;

/// Symbols around a weak passage that are looked up again with all their grams.
const CONTEXT_SYMBOLS: u32 = 64;

/// Coverage, in multiples of the floor, from which on a passage can only be weak because it is common.
const MAX_WEAK_COVERAGE: f64 = 1.25;

/// The text of a part of the query.
pub(super) struct Source<'a> {
    pub(super) fingerprinter: &'a Fingerprinter,
    pub(super) part: &'a PartPath,
    pub(super) prints: &'a TextPrints,
    /// The values in the text, in any order.
    pub(super) values: &'a [ValuePrint],
    /// Whether the text was recognised in a picture.
    pub(super) in_picture: bool,
    /// Weighted symbols that make a strong match.
    pub(super) floor: f64,
    /// The least score of a passage that is found.
    pub(super) least_score: f64,
    pub(super) deadline: &'a Deadline,
}

/// Hits, passages or runs processed between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 14;

/// The cost of reporting a passage, in steps.
const REPORT_STEPS: u32 = 64;

impl Source<'_> {
    fn pacer(&self) -> Pacer {
        self.deadline.pacer(STEPS_PER_CHECK)
    }

    /// Returns the weighted symbols that make a strong match with an item's part.
    fn floor(&self, in_picture: bool) -> f64 {
        if self.in_picture && in_picture {
            self.floor * weigh::WINDOW_FLOOR_FACTOR
        } else {
            self.floor
        }
    }

    /// Returns the weighted symbols that a match with an item's part needs to be reported.
    fn reporting_threshold(&self, in_picture: bool) -> f64 {
        weigh::text_distinctive(self.least_score, self.floor(in_picture))
    }
}

/// A weighted passage of one part of an item.
struct Passage {
    part: PartId,
    item: ItemId,
    /// Whether the part is a picture whose text was recognised.
    in_picture: bool,
    chain: Chain,
}

/// Reports all passages of one query part: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    source: &Source<'_>,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let prints = source.prints;
    let compared = compared_passages(indexes, source)?;
    let gathered = &compared.gathered;
    let mut pacer = source.pacer();
    for (passage, shared_by, comparison) in compared.iter() {
        pacer.steps(REPORT_STEPS)?;
        let chain = &passage.chain;
        let score = weigh::text_score(chain.distinctive, source.floor(passage.in_picture));
        let discounted =
            gathered.discounted_before(chain.query.1) - gathered.discounted_before(chain.query.0);
        report(
            passage.part,
            Evidence::Text {
                part: source.part.clone(),
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
                    indexes.char_offset(passage.part, chain.item.0)?,
                    indexes.char_end(passage.part, chain.item.1)?,
                ],
                agreed: comparison.agreed(),
                contradicted: comparison.contradicted(),
                replaced: comparison.replaced,
                odds: (comparison.odds() * 10.0).round() / 10.0,
                shared_by,
                score: weigh::sibling_score(score, comparison.odds(), comparison.is_whole()),
            },
        )?;
    }
    Ok(())
}

/// How texts compare, with the number of the item.
type Comparisons = Vec<(u32, Comparison)>;

/// The passages that are long enough, and how the texts around them compare.
struct Compared {
    gathered: Gathered,
    passages: Vec<Passage>,
    /// How many items share each passage, if that makes it content.
    shared: Vec<Option<u32>>,
    /// The place of the comparison of each passage.
    places: Vec<usize>,
    comparisons: Comparisons,
}

impl Compared {
    fn iter(&self) -> impl Iterator<Item = (&Passage, Option<u32>, &Comparison)> {
        let passages = self.passages.iter().zip(&self.shared).zip(&self.places);
        passages.filter_map(|((passage, shared), place)| {
            let (_, comparison) = self.comparisons.get(*place)?;
            Some((passage, *shared, comparison))
        })
    }
}

fn compared_passages(indexes: &IndexSet, source: &Source<'_>) -> Result<Compared> {
    let (gathered, mut passages) = weighted_passages(indexes, source)?;
    passages.retain(|passage| {
        passage.chain.distinctive >= source.reporting_threshold(passage.in_picture)
    });
    let mut holders = Holders::new(indexes, &gathered);
    let shared: Vec<Option<u32>> = passages
        .iter()
        .map(|passage| holders.of(&passage.chain))
        .collect::<Result<_>>()?;
    let (places, comparisons) = compare(indexes, source, &gathered, &passages, &shared)?;
    Ok(Compared {
        gathered,
        passages,
        shared,
        places,
        comparisons,
    })
}

/// Compares the texts around passages; those of one part must be neighbours. Returns the place of the
/// comparison of each passage, and all comparisons with their items.
fn compare(
    indexes: &IndexSet,
    source: &Source<'_>,
    gathered: &Gathered,
    passages: &[Passage],
    shared: &[Option<u32>],
) -> Result<(Vec<usize>, Comparisons)> {
    if passages.is_empty() {
        return Ok(Default::default());
    }
    let mut places = vec![0; passages.len()];
    let mut compared: Comparisons = Vec::new();
    let mut pacer = source.pacer();
    let mut values: Vec<PlacedValue> = source.values.iter().map(PlacedValue::of).collect();
    let place = |value: &PlacedValue| u128::from(value.at) << 16 | u128::from(value.tag);
    sort_until(&mut values, place, source.deadline)?;
    let mut first = 0;
    for of_part in passages.chunk_by(|a, b| a.part == b.part) {
        let Some(part) = of_part.first().map(|passage| passage.part) else {
            continue;
        };
        let texts = sibling::Texts {
            query: &values,
            query_symbols: source.prints.folded,
            marks: &source.prints.marks,
            item: indexes.values(part)?,
            item_symbols: indexes.part(part)?.folded,
            covered: of_part.iter().map(|passage| passage.chain.covered).sum(),
            discounted: |start, end| {
                gathered.discounted_before(end) - gathered.discounted_before(start)
            },
        };
        let chains: Vec<&Chain> = of_part.iter().map(|passage| &passage.chain).collect();
        for alignment in sibling::alignments(&chains, &mut pacer)? {
            let chains: Vec<&Chain> = alignment.iter().map(|&at| chains[at]).collect();
            let mut comparison = sibling::compare(&chains, &texts, &mut pacer)?;
            for at in alignment {
                // A message that many items hold is no footer.
                if shared.get(first + at).is_some_and(Option::is_some) {
                    comparison.set_content();
                }
                places[first + at] = compared.len();
            }
            compared.push((of_part[0].item.0, comparison));
        }
        first += of_part.len();
    }
    sibling::find_constants(&mut compared, &mut pacer)?;
    Ok((places, compared))
}

/// Returns all weighted passages, and the hits that they were made of.
///
/// Winnowing leaves few grams of a short quotation, and each error hides some of them. So the
/// surroundings of weak passages are looked up again with all grams: one in 4.5 of these is in the
/// index, whatever is around it in the query. Passages in a place that another item explains, and
/// passages that are long enough but common, are not looked up again.
fn weighted_passages(indexes: &IndexSet, source: &Source<'_>) -> Result<(Gathered, Vec<Passage>)> {
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
fn sort_hits(hits: &mut [Hit], deadline: &Deadline) -> Result<()> {
    let key = |hit: &Hit| u128::from(u64::from(hit.query) << 32 | u64::from(hit.item));
    sort_until(hits, key, deadline)
}

/// Returns whether a part is a picture.
fn is_picture(indexes: &IndexSet, part: PartId) -> bool {
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

/// How many items hold content that counts although many do.
struct Holders<'a> {
    indexes: &'a IndexSet,
    gathered: &'a Gathered,
    /// The items of each gram that were counted.
    counted: HashMap<u64, u32>,
}

/// Symbols of full weight that a passage may have beside content that many items hold: a gram at either
/// end. With more it is a passage of this item.
const MAX_BESIDE_SHARED: u32 = 2 * GRAM_LEN as u32;

impl<'a> Holders<'a> {
    fn new(indexes: &'a IndexSet, gathered: &'a Gathered) -> Self {
        Self {
            indexes,
            gathered,
            counted: HashMap::new(),
        }
    }

    /// Returns how many items have the middle of a passage; `None` if it is not content that many
    /// items hold.
    fn of(&mut self, chain: &Chain) -> Result<Option<u32>> {
        let vouched = |run: &Run| self.gathered.vouched(run.gram());
        let mut prints = Vec::new();
        // Symbols of content that many items hold, of full weight beside it, and weighted beside it.
        let (mut shared, mut rare, mut beside) = (0.0, 0, 0.0);
        for run in &chain.runs {
            match vouched(run) {
                Some(print) => {
                    prints.push(print);
                    shared += f64::from(run.length);
                }
                None => {
                    rare += if run.weight < 1.0 { 0 } else { run.length };
                    beside += f64::from(run.weight) * f64::from(run.length);
                }
            }
        }
        let Some(&print) = prints
            .get(prints.len() / 2)
            .filter(|_| rare <= MAX_BESIDE_SHARED && beside <= shared)
        else {
            return Ok(None);
        };
        if let Some(items) = self.counted.get(&print) {
            return Ok(Some(*items));
        }
        let mut items = 0_u32;
        for view in self.indexes.views() {
            items = items.saturating_add(holders(view, print)?);
        }
        self.counted.insert(print, items);
        Ok(Some(items))
    }
}

/// Places of a gram that are read to count its items; beyond, the number is that of the index, which may
/// be a fifth too low and includes removed items.
const MAX_COUNTED_PLACES: usize = 1 << 16;

/// Returns how many items of an index have a gram.
fn holders(view: &IndexView, print: u64) -> Result<u32> {
    let Some(list) = view.index.grams().get(print)? else {
        return Ok(0);
    };
    if list.max_len() > MAX_COUNTED_PLACES {
        return Ok(list.document_frequency());
    }
    let (mut items, mut last) = (0, None);
    for place in list.iter() {
        let (part, _) = place?;
        let item = view.index.item_of(part)?;
        if last != Some(item) && !view.hidden.contains(item.0) {
            items += 1;
        }
        last = Some(item);
    }
    Ok(items)
}

/// What a text shares with one part of an item.
pub(super) struct Shared {
    /// Hits of common grams that are not discounted.
    pub(super) grams: usize,
    /// Discounted symbols of the whole query.
    pub(super) discounted: u32,
    /// Weighted symbols in the best chain.
    pub(super) distinctive: f64,
    /// How the texts around it compare, if it is long enough to be reported.
    pub(super) comparison: Option<Comparison>,
    /// Weighted symbols that make a strong match.
    pub(super) floor: f64,
}

/// Compares a text with one part of an item, whatever the thresholds.
pub(super) fn shared(indexes: &IndexSet, source: &Source<'_>, item_part: PartId) -> Result<Shared> {
    let deadline = source.deadline;
    let gathered = gather(indexes, &source.prints.grams, Bridge::NARROW, 0.0, deadline)?;
    let of_part = gathered
        .hits
        .iter()
        .filter(|(part, _)| *part == item_part.0);
    let mut hits: Vec<Hit> = of_part.map(|(_, hit)| *hit).collect();
    sort_hits(&mut hits, deadline)?;
    let before = |query| gathered.discounted_before(query);
    let best = chain::chains(&hits, before, Bridge::NARROW, 0.0, 1, &mut source.pacer())?;
    let alone = best.first().map_or(0.0, |chain| chain.distinctive);
    let floor = source.floor(is_picture(indexes, item_part));
    // A chain above the threshold is weighted by the other items that share it, as in `find`.
    let mut comparison = None;
    let distinctive = if alone < source.reporting_threshold(false) {
        alone
    } else {
        let compared = compared_passages(indexes, source)?;
        let own = compared.iter();
        let own = own.filter(|(passage, ..)| passage.part == item_part);
        let score = |passage: &Passage, comparison: &Comparison| {
            let score = weigh::text_score(passage.chain.distinctive, floor);
            weigh::sibling_score(score, comparison.odds(), comparison.is_whole())
        };
        let best = own.max_by(|a, b| score(a.0, a.2).total_cmp(&score(b.0, b.2)));
        comparison = best.map(|(_, _, comparison)| comparison.clone());
        match best {
            Some((passage, ..)) => passage.chain.distinctive,
            None => {
                let (_, passages) = weighted_passages(indexes, source)?;
                let own = passages.iter().filter(|passage| passage.part == item_part);
                own.map(|passage| passage.chain.distinctive)
                    .fold(0.0, f64::max)
            }
        }
    };
    Ok(Shared {
        grams: hits.len(),
        discounted: before(u32::MAX),
        distinctive,
        comparison,
        floor,
    })
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
