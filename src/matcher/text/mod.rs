//! Matching of text: the hits of each item part are aligned to passages, and the texts around these are
//! compared.

mod holders;
mod passages;

use super::chain::{self, Bridge, Chain, Hit};
use super::evidence::Evidence;
use super::gather::{Gathered, gather};
use super::sibling::{self, Comparison};
use super::weigh;
use crate::error::Result;
use crate::exec::sort_until;
use crate::index::IndexSet;
use crate::index::{PartId, PlacedValue};
use crate::media::PartPath;

use holders::Holders;
pub(super) use passages::Source;
use passages::{Passage, is_picture, sort_hits, weighted_passages};

/// The cost of reporting a passage, in steps.
const REPORT_STEPS: u32 = 64;

/// Reports all passages of one query part: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    source: &Source<'_>,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let prints = source.prints;
    let (gathered, passages) = weighted_passages(indexes, source)?;
    let compared = Compared::new(indexes, source, &gathered, passages)?;
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
    passages: Vec<Passage>,
    /// How many items share each passage, if that makes it content.
    shared: Vec<Option<u32>>,
    /// The place of the comparison of each passage.
    places: Vec<usize>,
    comparisons: Comparisons,
}

impl Compared {
    /// Leaves out passages that are too short.
    fn new(
        indexes: &IndexSet,
        source: &Source<'_>,
        gathered: &Gathered,
        mut passages: Vec<Passage>,
    ) -> Result<Self> {
        passages.retain(|passage| {
            passage.chain.distinctive >= source.reporting_threshold(passage.in_picture)
        });
        let mut holders = Holders::new(indexes, gathered);
        let shared: Vec<Option<u32>> = passages
            .iter()
            .map(|passage| holders.of(&passage.chain))
            .collect::<Result<_>>()?;
        let (places, comparisons) = compare(indexes, source, gathered, &passages, &shared)?;
        Ok(Self {
            passages,
            shared,
            places,
            comparisons,
        })
    }

    fn iter(&self) -> impl Iterator<Item = (&Passage, Option<u32>, &Comparison)> {
        let passages = self.passages.iter().zip(&self.shared).zip(&self.places);
        passages.filter_map(|((passage, shared), place)| {
            let (_, comparison) = self.comparisons.get(*place)?;
            Some((passage, *shared, comparison))
        })
    }
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
    sibling::judge(&mut compared, &mut pacer)?;
    Ok((places, compared))
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
        let (gathered, passages) = weighted_passages(indexes, source)?;
        let own = passages.iter().filter(|passage| passage.part == item_part);
        let longest = own
            .map(|passage| passage.chain.distinctive)
            .fold(0.0, f64::max);
        let compared = Compared::new(indexes, source, &gathered, passages)?;
        let own = compared.iter();
        let own = own.filter(|(passage, ..)| passage.part == item_part);
        let score = |passage: &Passage, comparison: &Comparison| {
            let score = weigh::text_score(passage.chain.distinctive, floor);
            weigh::sibling_score(score, comparison.odds(), comparison.is_whole())
        };
        let best = own.max_by(|a, b| score(a.0, a.2).total_cmp(&score(b.0, b.2)));
        comparison = best.map(|(_, _, comparison)| comparison.clone());
        best.map_or(longest, |(passage, ..)| passage.chain.distinctive)
    };
    Ok(Shared {
        grams: hits.len(),
        discounted: before(u32::MAX),
        distinctive,
        comparison,
        floor,
    })
}
