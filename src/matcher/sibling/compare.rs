//! Comparing the values and the gaps of two texts along an alignment.

use super::align::{Gap, Segment, clustered, segments};
use super::odds::Comparison;
use crate::deadline::Pacer;
use crate::error::Result;
use crate::index::{PlacedValue, Values};
use crate::matcher::chain::Chain;
use crate::text::{Mark, Zone};

/// Symbols next to a gap within which a value may begin: grams are found up to a window beside an error.
const MARGIN: u32 = 14;

/// Symbols that a text may have before its first passage, and after its last, to count as one that
/// begins or ends with it.
const MAX_FLUSH: u32 = 48;

/// The share of the item from which on a passage is not its footer or letterhead.
const MAX_EDGE_SHARE: f64 = 0.8;

/// Contradicted values of one gap that count in full; of the others every second.
const INDEPENDENT: u32 = 2;

/// The share of gaps of other kinds that count as errors where they are spread evenly.
const OTHER_ERRORS: f64 = 0.3;

/// Errors for each symbol from which on a passage is not clean.
const ERROR_RATE: f64 = 0.01;

/// Symbols by which a value's place within a passage may differ on both sides.
const NEAR: u32 = 6;

/// Values that are compared with one; more are in one place only in forged fingerprints.
const MAX_NEAR: usize = 256;

/// Symbols that a value has at most, as far as it matters.
const MAX_VALUE: u32 = 24;

/// Symbols of a gap from which on a value in it is another value, not one with an error.
const MIN_VALUE: u32 = 6;

/// Symbols that must be replaced in one place to count as other content than a word.
const MIN_REPLACED_SYMBOLS: u32 = 16;

/// The texts that are compared.
pub(in crate::matcher) struct Texts<'a, D> {
    /// The values of the query, in the order of its text.
    pub(in crate::matcher) query: &'a [PlacedValue],
    pub(in crate::matcher) query_symbols: u32,
    /// The zones of the query.
    pub(in crate::matcher) marks: &'a [Mark],
    pub(in crate::matcher) item: Values<'a>,
    pub(in crate::matcher) item_symbols: u32,
    /// Symbols that all passages cover.
    pub(in crate::matcher) covered: u32,
    /// Returns how many symbols of a stretch of the query are discounted.
    pub(in crate::matcher) discounted: D,
}

/// Compares the texts along an alignment, whose chains must be in order. Time is linear in the runs and
/// values.
pub(in crate::matcher) fn compare<D: Fn(u32, u32) -> u32>(
    chains: &[&Chain],
    texts: &Texts<'_, D>,
    pacer: &mut Pacer,
) -> Result<Comparison> {
    let segments = segments(chains);
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Ok(Comparison::default());
    };
    let mut comparison = Comparison {
        query: (first.query.0, last.query.1),
        covered: segments.iter().map(|s| s.query.1 - s.query.0).sum(),
        of_item: f64::from(texts.covered) / f64::from(texts.item_symbols.max(1)),
        clustered: clustered(&segments),
        ..Comparison::default()
    };
    let mut errors = 0_u32;
    for (at, segment) in segments.iter().enumerate() {
        pacer.steps(4)?;
        let next = segments.get(at + 1);
        texts.compare_segment(segment, next.is_none(), &mut comparison, pacer)?;
        let Some(next) = next else {
            continue;
        };
        let gap = Gap::between(segment, next, &texts.discounted);
        let replaced = gap.own.0.min(gap.own.1);
        comparison.replaced_symbols += replaced;
        if gap.is_error() {
            errors += 1;
        } else if replaced >= MIN_REPLACED_SYMBOLS {
            comparison.replaced += 1;
        }
        texts.compare_gap(segment, &gap, &mut comparison, pacer)?;
    }
    let head = (first.query.0, first.item.0);
    let tail = (
        texts.query_symbols.saturating_sub(last.query.1),
        texts.item_symbols.saturating_sub(last.item.1),
    );
    let is_flush = |(query, item): (u32, u32)| query.max(item) <= MAX_FLUSH;
    let is_foreign = |(query, item): (u32, u32)| query.min(item) > MAX_FLUSH;
    if comparison.of_item < MAX_EDGE_SHARE {
        // A message that is quoted in full is no footer.
        let is_message = texts
            .marks
            .iter()
            .any(|mark| mark.zone == Zone::Message && mark.at.abs_diff(first.query.0) <= MARGIN);
        comparison.is_tail = is_flush(tail) && is_foreign(head) && !is_message;
        comparison.is_head = is_flush(head) && is_foreign(tail);
    }
    let others = segments.len() as f64 - 1.0 - f64::from(errors);
    let others = OTHER_ERRORS * others * (1.0 - comparison.clustered);
    let symbols = f64::from(comparison.covered + 100);
    comparison.errors = (f64::from(errors) + others + 0.5) / symbols;
    comparison.clean = (-f64::from(errors) / symbols / ERROR_RATE).exp();
    Ok(comparison)
}

impl<D: Fn(u32, u32) -> u32> Texts<'_, D> {
    /// Compares the values within a segment. They agree, since the text does; they count if they are
    /// found on both sides. Those that end in the gap behind it belong to the gap.
    fn compare_segment(
        &self,
        segment: &Segment,
        is_last: bool,
        comparison: &mut Comparison,
        pacer: &mut Pacer,
    ) -> Result<()> {
        for value in self.item.within(segment.item.0, segment.item.1) {
            pacer.step()?;
            let place = segment.query.0.saturating_add(value.at - segment.item.0);
            let near = (place.saturating_sub(NEAR), place.saturating_add(NEAR + 1));
            if is_last || is_within(&value, segment.item.1) {
                let found = self.find(&value, near);
                comparison.agree(found.into_iter().filter(|found| self.is_own(found)));
            }
        }
        Ok(())
    }

    /// Compares the values of the gap after a segment, and those that begin in the segment and end in
    /// the gap.
    fn compare_gap(
        &self,
        segment: &Segment,
        gap: &Gap,
        comparison: &mut Comparison,
        pacer: &mut Pacer,
    ) -> Result<()> {
        let contradicted = comparison.contradicted.len();
        let (start, end) = gap.item;
        let around = (
            gap.query.0.saturating_sub(MARGIN),
            gap.query.1.saturating_add(MARGIN),
        );
        let others = within(self.query, gap.query.0.saturating_sub(3), gap.query.1);
        let from = start.saturating_sub(MAX_VALUE).max(segment.item.0);
        for value in self.item.within(from, end) {
            pacer.step()?;
            if value.at < start && is_within(&value, start) {
                continue;
            }
            if let Some(found) = self.find(&value, around) {
                comparison.agree(Some(found).filter(|found| self.is_own(found)));
                continue;
            }
            // Where most of the value is in passages, both texts have it.
            let open = end_of(&value).min(end).saturating_sub(value.at.max(start));
            if open * 2 < value.length() {
                continue;
            }
            if gap.own.0 > MIN_VALUE && !others.is_empty() {
                comparison.replaced_values.push(value.tag);
            }
            // With little in its place, a blank form or a redaction if it is most of what is missing, else
            // a sentence left out.
            if gap.own.0 > MARGIN || value.length() * 5 >= (end - start) * 2 {
                comparison.contradicted.push(value.tag);
                comparison.value_symbols += value.length();
            }
        }
        let contradicted = (comparison.contradicted.len() - contradicted) as u32;
        comparison.dependent += contradicted.saturating_sub(INDEPENDENT) / 2;
        Ok(())
    }

    /// Returns the value of the query within a range of symbols that agrees with one of the item.
    fn find(&self, value: &PlacedValue, (start, end): (u32, u32)) -> Option<PlacedValue> {
        let near = within(self.query, start, end);
        let near = near.iter().take(MAX_NEAR);
        near.copied().find(|other| other.agrees(value))
    }

    /// Returns whether a value of the query is not in discounted text.
    fn is_own(&self, value: &PlacedValue) -> bool {
        (self.discounted)(value.at, end_of(value)) * 2 < value.length()
    }
}

fn end_of(value: &PlacedValue) -> u32 {
    value.at.saturating_add(value.length())
}

/// Returns whether a value ends before a symbol, as far as its length is known.
fn is_within(value: &PlacedValue, end: u32) -> bool {
    end_of(value) <= end.saturating_add(3)
}

/// Returns the values of a text that begin within a range of symbols.
fn within(values: &[PlacedValue], start: u32, end: u32) -> &[PlacedValue] {
    let from = values.partition_point(|value| value.at < start);
    let to = values.partition_point(|value| value.at < end);
    values.get(from..to).unwrap_or_default()
}
