//! Copy or sibling: whether passages that a query shares with an item are the item's content, or the
//! text of a template that both were made from.
//!
//! A copy agrees with the item wherever the item says something: its numbers, dates and names stand
//! between the same words. Two instances of a template share the words and differ in the values. So the
//! passages of a query and a part of an item that come in the same order on both sides are joined to an
//! *alignment*, and what stands in its gaps is compared.
//!
//! - Values of the item within the alignment either agree with the query or are *contradicted*: the
//!   query has something else in their place, or nothing, as in a blank form. The number of values
//!   that agree has a beta-binomial distribution under both hypotheses: under that of a copy with a mean
//!   that falls with the rate of errors in the copied text, since a recogniser of text damages values and
//!   words alike. The logarithm of the ratio is [`Comparison::value_odds`].
//! - A passage that both texts end (or begin) with, under (or above) foreign text on both sides, is a
//!   footer (or a letterhead): an excerpt seldom ends both.

use super::chain::Chain;
use crate::deadline::Pacer;
use crate::error::Result;
use crate::fingerprint::ValueKind;
use crate::index::{PlacedValue, Values};

/// Symbols between two passages that are joined, at most, on each side.
const MAX_JOINED_GAP: u32 = 2000;

/// Symbols by which a gap may differ between both sides, and its largest size, where a few wrong letters
/// explain it.
const MAX_ERROR_SLIP: u32 = 2;
const MAX_ERROR_GAP: u32 = 30;

/// Symbols next to a gap within which a value may begin: grams are found up to a window beside an error.
const MARGIN: u32 = 14;

/// Symbols that a text may have before its first passage, and after its last, to count as one that
/// begins or ends with it.
const MAX_FLUSH: u32 = 48;

/// The share of copies in which values agree or not for other reasons, such as a disguise of the text
/// in which they are not recognised.
const DISGUISED: f64 = 0.15;

/// The cost of a contradicted value where there are few, in odds.
const MAX_VALUE_COST: f64 = 0.6;

/// Symbols that a footer may have: of a longer text, the values decide.
const MAX_FOOTER: u32 = 800;

/// The share of the item from which on a passage is not its footer or letterhead.
const MAX_EDGE_SHARE: f64 = 0.8;

/// Values that are compared at full weight; of more, the share counts.
const MAX_COUNTED_VALUES: f64 = 40.0;

/// A stretch of text that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    query: (u32, u32),
    item: (u32, u32),
}

/// Classes of values that are judged separately: a time series of other measures has the same dates.
const CLASSES: usize = 3;

/// Symbols that must be replaced in one place to count as other content than a word.
const MIN_REPLACED_SYMBOLS: u32 = 16;

/// The cost of a place with other content, in odds, and of all of them.
const REPLACED_COST: f64 = 0.12;
const MAX_REPLACED_COST: f64 = 1.5;

/// Values of one class that must be replaced before the class alone decides, unless more than one in seven
/// agrees.
const MIN_REPLACED: u32 = 8;

fn class(kind: ValueKind) -> usize {
    match kind {
        ValueKind::Date => 0,
        ValueKind::Digits | ValueKind::Identifier | ValueKind::Number => 1,
        _ => 2,
    }
}

/// How the texts of an alignment compare.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    /// Values of the item that the query has in the same place, and those that it has not, by class.
    agreed: [u32; CLASSES],
    contradicted: [u32; CLASSES],
    /// Those in whose place the query has other values.
    replaced_values: [u32; CLASSES],
    /// Gaps in which both sides have something else.
    pub(super) replaced: u32,
    /// How unevenly the gaps are spread, 0..=1: the errors of a copyist are spread evenly.
    clustered: f64,
    /// Symbols of the query in segments.
    covered: u32,
    /// The share of the item's text in segments.
    of_item: f64,
    /// Whether both texts begin with the alignment and go on differently.
    is_head: bool,
    /// Whether both texts end with the alignment, below something else.
    is_tail: bool,
    /// Natural logarithm of the odds of a copy against a sibling by the values alone.
    value_odds: f64,
}

/// The texts that are compared.
pub(super) struct Texts<'a> {
    /// The values of the query, in the order of its text.
    pub(super) query: &'a [PlacedValue],
    pub(super) query_symbols: u32,
    pub(super) item: Values<'a>,
    pub(super) item_symbols: u32,
}

/// Joins the passages of one pair of parts to alignments: the best passage with all that come before
/// and after it on both sides, then the best of the rest, and so on. Returns the places of passages.
pub(super) fn alignments(chains: &[&Chain], pacer: &mut Pacer) -> Result<Vec<Vec<usize>>> {
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
                && joined.iter().any(|&with| gap(chains[with], other) <= MAX_JOINED_GAP);
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
fn segments(chains: &[&Chain]) -> Vec<Segment> {
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

/// Compares the texts along an alignment, whose chains must be in order.
pub(super) fn compare(chains: &[&Chain], texts: &Texts<'_>, pacer: &mut Pacer) -> Result<Comparison> {
    let segments = segments(chains);
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Ok(Comparison::default());
    };
    let mut comparison = Comparison {
        covered: segments.iter().map(|s| s.query.1 - s.query.0).sum(),
        ..Comparison::default()
    };
    let mut errors = 0_u32;
    let mut lengths = 0_u32;
    for (at, segment) in segments.iter().enumerate() {
        pacer.steps(4)?;
        // Values in a segment agree, since its text does; only where it can be seen does it count.
        let count = |value: &PlacedValue, agrees: bool, comparison: &mut Comparison| {
            let class = value.kind().map_or(0, class);
            let counts = match agrees {
                true => &mut comparison.agreed,
                false => &mut comparison.contradicted,
            };
            if let Some(count) = counts.get_mut(class) {
                *count += 1;
            }
        };
        for value in texts.item.within(segment.item.0, segment.item.1) {
            pacer.step()?;
            let end = value.at.saturating_add(value.length());
            let next = segments.get(at + 1);
            let place = segment.query.0.saturating_add(value.at - segment.item.0);
            if end <= segment.item.1.saturating_add(3) || next.is_none() {
                if is_near(texts.query, &value, place.saturating_sub(6), place.saturating_add(7)) {
                    lengths += value.length();
                    count(&value, true, &mut comparison);
                }
            }
        }
        let Some(next) = segments.get(at + 1) else {
            continue;
        };
        let query = (segment.query.1, next.query.0.max(segment.query.1));
        let item = (segment.item.1, next.item.0.max(segment.item.1));
        let (query_gap, item_gap) = (query.1 - query.0, item.1 - item.0);
        if query_gap.abs_diff(item_gap) <= MAX_ERROR_SLIP && query_gap <= MAX_ERROR_GAP {
            errors += 1;
        } else if query_gap.min(item_gap) >= MIN_REPLACED_SYMBOLS {
            comparison.replaced += 1;
        }
        // Those that begin in the segment before and do not end in it.
        for value in texts.item.within(item.0.saturating_sub(24).max(segment.item.0), item.1) {
            pacer.step()?;
            let end = value.at.saturating_add(value.length());
            if value.at < item.0 && end <= item.0.saturating_add(3) {
                continue;
            }
            let (from, to) = (query.0.saturating_sub(MARGIN), query.1.saturating_add(MARGIN));
            if is_near(texts.query, &value, from, to) {
                lengths += value.length();
                count(&value, true, &mut comparison);
                continue;
            }
            let others = within(texts.query, query.0.saturating_sub(6), query.1);
            let has_other = query_gap > 3 && !others.is_empty();
            // Where most of the value is in passages, both texts have it.
            let open = end.min(item.1).saturating_sub(value.at.max(item.0));
            if open * 2 < value.length() {
                continue;
            }
            // Nothing in its place: a blank form or redaction, but not a sentence left out.
            let is_blank = value.length() * 5 >= item_gap * 2;
            if has_other {
                *comparison.replaced_values.get_mut(value.kind().map_or(0, class)).unwrap_or(&mut 0) += 1;
            }
            if has_other || is_blank || query_gap > MARGIN {
                lengths += value.length();
                count(&value, false, &mut comparison);
            }
        }
    }
    comparison.of_item = f64::from(comparison.covered) / f64::from(texts.item_symbols.max(1));
    let head = (first.query.0, first.item.0);
    let tail = (
        texts.query_symbols.saturating_sub(last.query.1),
        texts.item_symbols.saturating_sub(last.item.1),
    );
    let is_flush = |(query, item): (u32, u32)| query.max(item) <= MAX_FLUSH;
    let is_foreign = |(query, item): (u32, u32)| query.min(item) > MAX_FLUSH;
    if comparison.of_item < MAX_EDGE_SHARE {
        comparison.is_tail = is_flush(tail) && is_foreign(head);
        comparison.is_head = is_flush(head) && is_foreign(tail);
    }
    comparison.clustered = clustered(&segments);
    let others = (segments.len() as f64 - 1.0 - f64::from(errors)) * (1.0 - comparison.clustered);
    let errors = (f64::from(errors) + others + 0.5) / f64::from(comparison.covered + 100);
    comparison.value_odds = comparison.value_odds(errors, lengths);
    Ok(comparison)
}

/// Returns how unevenly the gaps are spread, 0..=1. Of `n` segments between errors that are spread at
/// random, the longest has about `ln(n) + 0.6` times the mean length.
fn clustered(segments: &[Segment]) -> f64 {
    let lengths = || segments.iter().map(|segment| f64::from(segment.query.1 - segment.query.0));
    let count = segments.len() as f64;
    let longest = lengths().fold(0.0, f64::max) / (lengths().sum::<f64>() / count);
    ((longest - count.ln() - 0.6) / 2.0).clamp(0.0, 1.0)
}

/// Returns the values of a text that begin within a range of symbols.
fn within(values: &[PlacedValue], start: u32, end: u32) -> &[PlacedValue] {
    let from = values.partition_point(|value| value.at < start);
    let to = values.partition_point(|value| value.at < end);
    values.get(from..to).unwrap_or_default()
}

fn is_near(values: &[PlacedValue], value: &PlacedValue, start: u32, end: u32) -> bool {
    within(values, start, end).iter().any(|other| other.agrees(value))
}

impl Comparison {
    pub(super) fn agreed(&self) -> u32 {
        self.agreed.iter().sum()
    }

    pub(super) fn contradicted(&self) -> u32 {
        self.contradicted.iter().sum()
    }

    /// Returns the odds by the values, of all classes together or of the class that speaks most against
    /// a copy. `errors` is the rate of errors for each symbol, `lengths` the symbols of all values.
    fn value_odds(&self, errors: f64, lengths: u32) -> f64 {
        let count = f64::from(self.agreed() + self.contradicted());
        if count == 0.0 {
            return 0.0;
        }
        let length = f64::from(lengths) / count;
        let survive = (0.97 * (-errors * length).exp()).max(0.3);
        let all = odds(self.agreed(), self.contradicted(), survive);
        let classes = self.agreed.iter().zip(&self.replaced_values);
        classes
            .filter(|(agreed, replaced)| **replaced >= MIN_REPLACED && *agreed * 6 < **replaced)
            .map(|(&agreed, &replaced)| odds(agreed, replaced, survive))
            .fold(all, f64::min)
            .max(-MAX_VALUE_COST * count)
    }

    /// Natural logarithm of the odds of a copy against a sibling.
    pub(super) fn odds(&self) -> f64 {
        let edge = match (self.is_tail, self.is_head) {
            (true, _) => 4.0,
            (_, true) => 1.0,
            _ => 0.0,
        };
        let values = self.agreed() + self.contradicted();
        let contradicted = if self.covered > MAX_FOOTER && values >= 3 {
            f64::from(self.contradicted()) / f64::from(values)
        } else {
            1.0
        };
        let replaced = (REPLACED_COST * f64::from(self.replaced)).min(MAX_REPLACED_COST);
        let agreed = f64::from(self.agreed()) / f64::from(values + 2);
        self.value_odds - edge * contradicted - self.clustered * replaced * (1.0 - agreed)
    }
}

/// Returns the logarithm of the ratio of the probabilities of so many values that agree, under a
/// copy of which `survive` of the values are undamaged, and under a sibling.
fn odds(agreed: u32, contradicted: u32, survive: f64) -> f64 {
    let all = f64::from(agreed + contradicted);
    let scale = (MAX_COUNTED_VALUES / all).min(1.0);
    let (agreed, contradicted) = (f64::from(agreed) * scale, f64::from(contradicted) * scale);
    let (agreed, contradicted) = (agreed.round() as u32, contradicted.round() as u32);
    let copy = beta_binomial(agreed, contradicted, 6.0 * survive, 6.0 * (1.0 - survive) + 0.3);
    let disguised = beta_binomial(agreed, contradicted, 1.0, 1.0);
    let copy = (1.0 - DISGUISED) * copy.exp() + DISGUISED * disguised.exp();
    copy.ln() - beta_binomial(agreed, contradicted, 0.5, 1.6)
}

/// Returns the logarithm of the probability of `a` successes and `b` failures in one order, where the
/// probability of a success has a beta distribution.
fn beta_binomial(a: u32, b: u32, alpha: f64, beta: f64) -> f64 {
    let logs = |from: f64, count: u32| (0..count).map(|i| (from + f64::from(i)).ln()).sum::<f64>();
    logs(alpha, a) + logs(beta, b) - logs(alpha + beta, a + b)
}
