//! Copy or sibling: whether passages that a query shares with an item are the item's content, or the
//! text of a template that both were made from.
//!
//! A copy has the same numbers, dates and names between the same words. Two instances of a template
//! share the words and differ in the values. So the passages of a query and a part of an item that are
//! in the same order on both sides are joined to an *alignment*, and the values in and between them are
//! compared.
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
use crate::text::{Mark, Zone};

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

/// Contradicted values of one gap that count in full; of the others every second.
const INDEPENDENT: u32 = 2;

/// The cost of a contradicted value where there are few, in odds.
const MAX_VALUE_COST: f64 = 0.45;

/// The share of gaps of other kinds that count as errors where they are spread evenly.
const OTHER_ERRORS: f64 = 0.3;

/// Errors for each symbol from which on a passage is not clean.
const ERROR_RATE: f64 = 0.01;

/// The cost of a text of which half is replaced, in odds.
const MAX_SHARE_COST: f64 = 3.5;

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

/// Classes of values that are judged separately too: a time series of other measures has the same dates.
const CLASSES: [&[ValueKind]; 2] = [
    &[ValueKind::Date],
    &[ValueKind::Digits, ValueKind::Identifier, ValueKind::Number],
];

/// Symbols by which a value's place within a passage may differ on both sides.
const NEAR: u32 = 6;

/// Values that are compared with one; more are in one place only in forged fingerprints.
const MAX_NEAR: usize = 256;

/// Symbols that a value has at most, as far as it matters.
const MAX_VALUE: u32 = 24;

/// The share of values that survive in a copy without errors, and in one with many.
const MAX_SURVIVING: f64 = 0.97;
const MIN_SURVIVING: f64 = 0.3;

/// Symbols of a gap from which on a value in it is another value, not one with an error.
const MIN_VALUE: u32 = 6;

/// Symbols that must be replaced in one place to count as other content than a word.
const MIN_REPLACED_SYMBOLS: u32 = 16;

/// The cost of a place with other content, in odds, and of all of them.
const REPLACED_COST: f64 = 0.12;
const MAX_REPLACED_COST: f64 = 1.5;

/// Alignments of a query that are compared with one another.
const MAX_PEERS: usize = 48;

/// Contradicted values that tell two items from copies of one another.
const MIN_DIFFERENT: usize = 3;

/// Values of one class that must be replaced before the class alone decides, unless more than one in seven
/// agrees.
const MIN_REPLACED: u32 = 8;

/// The share of all values that such a class must have.
const MIN_CLASS_SHARE: f64 = 0.2;

/// How the texts of an alignment compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    /// Symbols of the query from the first passage to the last.
    query: (u32, u32),
    /// Values of the item that the query has in the same place, by their tags.
    agreed: Vec<u16>,
    /// Values of the item that it has not.
    contradicted: Vec<u16>,
    /// Contradicted values that do not count, since they depend on others in the same gap.
    dependent: u32,
    /// Those of them in whose place the query has other values.
    replaced_values: Vec<u16>,
    /// Values that agree in items with other contents too: constants of their template.
    constants: u32,
    /// The rate of errors for each symbol.
    errors: f64,
    /// Symbols of all values that were compared.
    value_symbols: u32,
    /// Gaps in which both sides have something else.
    pub(super) replaced: u32,
    /// Symbols of gaps on the side where there are fewer.
    pub(super) replaced_symbols: u32,
    /// How free of errors the passages are, 0..=1.
    clean: f64,
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
pub(super) struct Texts<'a, D> {
    /// The values of the query, in the order of its text.
    pub(super) query: &'a [PlacedValue],
    pub(super) query_symbols: u32,
    /// The zones of the query.
    pub(super) marks: &'a [Mark],
    pub(super) item: Values<'a>,
    pub(super) item_symbols: u32,
    /// Symbols that all passages cover.
    pub(super) covered: u32,
    /// Returns how many symbols of a stretch of the query are discounted.
    pub(super) discounted: D,
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

/// A gap between two segments.
#[derive(Clone, Copy)]
struct Gap {
    query: (u32, u32),
    item: (u32, u32),
    /// Symbols of the query's side and the item's, without discounted ones, which both sides have.
    own: (u32, u32),
}

impl Gap {
    fn between(before: &Segment, after: &Segment, discounted: impl Fn(u32, u32) -> u32) -> Self {
        let query = (before.query.1, after.query.0.max(before.query.1));
        let item = (before.item.1, after.item.0.max(before.item.1));
        let discounted = discounted(query.0, query.1);
        let own = |(start, end): (u32, u32)| (end - start).saturating_sub(discounted);
        let own = (own(query), own(item));
        Self { query, item, own }
    }

    /// Returns whether a few wrong letters explain it.
    fn is_error(&self) -> bool {
        let length = |(start, end): (u32, u32)| end - start;
        let query = length(self.query);
        query.abs_diff(length(self.item)) <= MAX_ERROR_SLIP && query <= MAX_ERROR_GAP
    }
}

/// Compares the texts along an alignment, whose chains must be in order. Time is linear in the runs and
/// values.
pub(super) fn compare<D: Fn(u32, u32) -> u32>(
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
    comparison.value_odds = comparison.value_odds();
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

/// Returns how unevenly the gaps are spread, 0..=1. Of `n` segments between errors that are spread at
/// random, the longest has about `ln(n) + 0.6` times the mean length.
fn clustered(segments: &[Segment]) -> f64 {
    let lengths = || {
        segments
            .iter()
            .map(|segment| f64::from(segment.query.1 - segment.query.0))
    };
    let count = segments.len() as f64;
    let longest = lengths().fold(0.0, f64::max) / (lengths().sum::<f64>() / count);
    ((longest - count.ln() - 0.6) / 2.0).clamp(0.0, 1.0)
}

/// Finds the constants of templates: values of an item that agree with the query as those of another item
/// do, in the same place of the query, where both items contradict the query in different values.
/// `comparisons` has one entry for each alignment, with the number of its item.
pub(super) fn find_constants(
    comparisons: &mut [(u32, Comparison)],
    pacer: &mut Pacer,
) -> Result<()> {
    for (_, comparison) in comparisons.iter_mut() {
        pacer.steps((comparison.agreed.len() + comparison.contradicted.len()) as u32)?;
        comparison.agreed.sort_unstable();
        comparison.contradicted.sort_unstable();
    }
    // The longest first.
    let mut order: Vec<usize> = (0..comparisons.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(comparisons[at].1.covered));
    order.truncate(MAX_PEERS);
    let mut constants = vec![0; comparisons.len()];
    for &at in &order {
        let (item, own) = &comparisons[at];
        let mut common: Vec<u16> = Vec::new();
        for &other in &order {
            let (other_item, peer) = &comparisons[other];
            if other_item == item || !own.is_over(peer) {
                continue;
            }
            pacer.steps((own.agreed.len() + peer.agreed.len()) as u32)?;
            let differ = own.contradicted.len().max(peer.contradicted.len());
            let same = common_tags(&own.contradicted, &peer.contradicted).len();
            if differ >= MIN_DIFFERENT && same * 2 < differ {
                common.extend(common_tags(&own.agreed, &peer.agreed));
            }
        }
        common.sort_unstable();
        // A value that several peers have counts once; one that the item has twice, twice.
        common.dedup();
        let is_common = |tag: &&u16| common.binary_search(tag).is_ok();
        constants[at] = own.agreed.iter().filter(is_common).count() as u32;
    }
    for ((_, comparison), constants) in comparisons.iter_mut().zip(constants) {
        comparison.constants = constants;
        comparison.value_odds = comparison.value_odds();
    }
    Ok(())
}

/// Returns the elements that two sorted lists have in common.
fn common_tags(a: &[u16], b: &[u16]) -> Vec<u16> {
    let mut rest = b.iter().peekable();
    let mut common = Vec::new();
    for tag in a {
        while rest.next_if(|other| *other < tag).is_some() {}
        if rest.next_if(|other| *other == tag).is_some() {
            common.push(*tag);
        }
    }
    common
}

/// Returns the values of a text that begin within a range of symbols.
fn within(values: &[PlacedValue], start: u32, end: u32) -> &[PlacedValue] {
    let from = values.partition_point(|value| value.at < start);
    let to = values.partition_point(|value| value.at < end);
    values.get(from..to).unwrap_or_default()
}

impl Comparison {
    /// Returns whether a peer has most of the same place of the query.
    fn is_over(&self, peer: &Self) -> bool {
        let start = self.query.0.max(peer.query.0);
        let both = self.query.1.min(peer.query.1).saturating_sub(start);
        both * 5 >= (self.query.1 - self.query.0) * 3
    }

    /// Counts values of the query that agree with the item's.
    fn agree(&mut self, found: impl IntoIterator<Item = PlacedValue>) {
        for value in found {
            self.agreed.push(value.tag);
            self.value_symbols += value.length();
        }
    }

    /// Returns how many values agree that are no constants of a template.
    pub(super) fn agreed(&self) -> u32 {
        (self.agreed.len() as u32).saturating_sub(self.constants)
    }

    pub(super) fn contradicted(&self) -> u32 {
        (self.contradicted.len() as u32).saturating_sub(self.dependent)
    }

    /// Returns the odds by the values, of all classes together or of the class that speaks most against
    /// a copy.
    fn value_odds(&self) -> f64 {
        let count = f64::from(self.agreed() + self.contradicted());
        if count == 0.0 {
            return 0.0;
        }
        let values = self.agreed.len() + self.contradicted.len();
        let length = f64::from(self.value_symbols) / values as f64;
        let survive = (MAX_SURVIVING * (-self.errors * length).exp()).max(MIN_SURVIVING);
        let all = odds(self.agreed(), self.contradicted(), survive);
        let of_class = |tags: &[u16], class: &[ValueKind]| {
            let kinds = tags
                .iter()
                .filter_map(|&tag| PlacedValue { at: 0, tag }.kind());
            kinds.filter(|kind| class.contains(kind)).count() as u32
        };
        let classes = CLASSES.iter().map(|class| {
            let agreed = of_class(&self.agreed, class);
            (agreed, of_class(&self.replaced_values, class))
        });
        classes
            .filter(|(agreed, replaced)| {
                *replaced >= MIN_REPLACED
                    && *agreed * 6 < *replaced
                    && f64::from(agreed + replaced) >= MIN_CLASS_SHARE * count
            })
            .map(|(agreed, replaced)| odds(agreed, replaced, survive))
            .fold(all, f64::min)
            .max(-MAX_VALUE_COST * count)
    }

    /// Notes that the passages are known to be content, and not the edge of a template.
    pub(super) fn set_content(&mut self) {
        (self.is_head, self.is_tail) = (false, false);
    }

    /// Returns whether the passages are most of the item.
    pub(super) fn is_whole(&self) -> bool {
        self.of_item >= 0.9
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
        let share = f64::from(self.replaced_symbols)
            / f64::from((self.replaced_symbols + self.covered).max(1));
        let max_share_cost = if values < 3 { 1.0 } else { MAX_SHARE_COST };
        let share = max_share_cost * ((share - 0.2) / 0.3).clamp(0.0, 1.0);
        // A copy with its paragraphs in another order.
        let incomplete = ((0.9 - self.of_item) / 0.2).clamp(0.0, 1.0);
        let replaced = (self.clustered * replaced + self.clean * share) * incomplete;
        self.value_odds - edge * contradicted - replaced * (1.0 - agreed)
    }
}

/// Returns the logarithm of the ratio of the probabilities of so many values that agree, under a
/// copy of which `survive` of the values are undamaged, and under a sibling.
fn odds(agreed: u32, contradicted: u32, survive: f64) -> f64 {
    let all = f64::from(agreed + contradicted);
    let scale = (MAX_COUNTED_VALUES / all).min(1.0);
    let (agreed, contradicted) = (f64::from(agreed) * scale, f64::from(contradicted) * scale);
    let (agreed, contradicted) = (agreed.round() as u32, contradicted.round() as u32);
    let copy = beta_binomial(
        agreed,
        contradicted,
        6.0 * survive,
        6.0 * (1.0 - survive) + 0.3,
    );
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
