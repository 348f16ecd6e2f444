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
const MAX_VALUE_COST: f64 = 0.45;

/// The share of gaps of other kinds that count as errors where they are spread evenly.
const OTHER_ERRORS: f64 = 0.3;

/// Errors for each symbol from which on a passage is not clean.
const ERROR_RATE: f64 = 0.01;

/// The cost of a text of which two fifths are replaced, in odds.
const MAX_SHARE_COST: f64 = 2.5;

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

/// Alignments of a query that are compared with one another.
const MAX_PEERS: usize = 48;

/// Contradicted values that tell two items from copies of one another.
const MIN_DIFFERENT: usize = 3;

/// Values of one class that must be replaced before the class alone decides, unless more than one in seven
/// agrees.
const MIN_REPLACED: u32 = 8;

/// The share of all values that such a class must have.
const MIN_CLASS_SHARE: f64 = 0.2;

fn class(kind: ValueKind) -> usize {
    match kind {
        ValueKind::Date => 0,
        ValueKind::Digits | ValueKind::Identifier | ValueKind::Number => 1,
        _ => 2,
    }
}

/// How the texts of an alignment compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    /// Symbols of the query from the first passage to the last.
    query: (u32, u32),
    /// Values of the item that the query has in the same place, by their tags.
    agreed: Vec<u16>,
    /// Values of the item that it has not.
    contradicted: Vec<u16>,
    /// Those of them in whose place the query has other values.
    replaced_values: Vec<u16>,
    /// Values that agree in items with other contents too: constants of their template.
    constants: u32,
    /// The rate of errors for each symbol, and the mean length of a value.
    errors: f64,
    value_length: f64,
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
        ..Comparison::default()
    };
    let mut errors = 0_u32;
    let mut lengths = 0_u32;
    for (at, segment) in segments.iter().enumerate() {
        pacer.steps(4)?;
        for value in texts.item.within(segment.item.0, segment.item.1) {
            pacer.step()?;
            let end = value.at.saturating_add(value.length());
            let next = segments.get(at + 1);
            let place = segment.query.0.saturating_add(value.at - segment.item.0);
            if end <= segment.item.1.saturating_add(3) || next.is_none() {
                if is_near(texts.query, &value, place.saturating_sub(6), place.saturating_add(7)) {
                    lengths += value.length();
                    comparison.agreed.push(value.tag);
                }
            }
        }
        let Some(next) = segments.get(at + 1) else {
            continue;
        };
        let query = (segment.query.1, next.query.0.max(segment.query.1));
        let item = (segment.item.1, next.item.0.max(segment.item.1));
        let (query_gap, item_gap) = (query.1 - query.0, item.1 - item.0);
        // Discounted text is the same on both sides.
        let discounted = (texts.discounted)(query.0, query.1);
        let own = |gap: u32| gap.saturating_sub(discounted);
        if query_gap.max(item_gap) <= MAX_JOINED_GAP {
            comparison.replaced_symbols += own(query_gap).min(own(item_gap));
        }
        if query_gap.abs_diff(item_gap) <= MAX_ERROR_SLIP && query_gap <= MAX_ERROR_GAP {
            errors += 1;
        } else if own(query_gap).min(own(item_gap)) >= MIN_REPLACED_SYMBOLS {
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
                comparison.agreed.push(value.tag);
                continue;
            }
            // Where most of the value is in passages, both texts have it.
            let open = end.min(item.1).saturating_sub(value.at.max(item.0));
            if open * 2 < value.length() {
                continue;
            }
            // Nothing in its place: a blank form or redaction, but not a sentence left out.
            let is_blank = value.length() * 5 >= item_gap * 2;
            let is_replaced = own(query_gap) > MARGIN;
            if is_replaced && !within(texts.query, query.0, query.1).is_empty() {
                comparison.replaced_values.push(value.tag);
            }
            if is_replaced || is_blank {
                lengths += value.length();
                comparison.contradicted.push(value.tag);
            }
        }
    }
    comparison.of_item = f64::from(texts.covered) / f64::from(texts.item_symbols.max(1));
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
    let others = segments.len() as f64 - 1.0 - f64::from(errors);
    let others = OTHER_ERRORS * others * (1.0 - comparison.clustered);
    let symbols = f64::from(comparison.covered + 100);
    let rate = (f64::from(errors) + others + 0.5) / symbols;
    let values = comparison.agreed.len() + comparison.contradicted.len();
    comparison.errors = rate;
    comparison.value_length = f64::from(lengths) / values.max(1) as f64;
    comparison.value_odds = comparison.value_odds();
    comparison.clean = (-f64::from(errors) / symbols / ERROR_RATE).exp();
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

/// Finds the constants of templates: values of an item that agree with the query as those of another item
/// do, in the same place of the query, where both items contradict the query in different values.
/// `comparisons` has one entry for each alignment, with the number of its item.
pub(super) fn find_constants(comparisons: &mut [(u32, Comparison)], pacer: &mut Pacer) -> Result<()> {
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

fn is_near(values: &[PlacedValue], value: &PlacedValue, start: u32, end: u32) -> bool {
    within(values, start, end).iter().any(|other| other.agrees(value))
}

impl Comparison {
    /// Returns whether a peer has most of the same place of the query.
    fn is_over(&self, peer: &Self) -> bool {
        let start = self.query.0.max(peer.query.0);
        let both = self.query.1.min(peer.query.1).saturating_sub(start);
        both * 5 >= (self.query.1 - self.query.0) * 3
    }

    pub(super) fn debug(&self) -> u32 {
        let share = f64::from(self.replaced_symbols) / f64::from(self.replaced_symbols + self.covered);
        self.replaced + 1000 * (share * 1000.0) as u32 + 1_000_000 * (self.clustered * 100.0) as u32
    }

    /// Returns how many values agree that are no constants of a template.
    pub(super) fn agreed(&self) -> u32 {
        (self.agreed.len() as u32).saturating_sub(self.constants)
    }

    pub(super) fn contradicted(&self) -> u32 {
        self.contradicted.len() as u32
    }

    /// Returns the odds by the values, of all classes together or of the class that speaks most against
    /// a copy.
    fn value_odds(&self) -> f64 {
        let count = f64::from(self.agreed() + self.contradicted());
        if count == 0.0 {
            return 0.0;
        }
        let survive = (0.97 * (-self.errors * self.value_length).exp()).max(0.3);
        let all = odds(self.agreed(), self.contradicted(), survive);
        let of_class = |tags: &[u16], class| {
            let kinds = tags.iter().filter_map(|&tag| PlacedValue { at: 0, tag }.kind());
            kinds.filter(|kind| self::class(*kind) == class).count() as u32
        };
        (0..CLASSES)
            .map(|class| (of_class(&self.agreed, class), of_class(&self.replaced_values, class)))
            .filter(|(agreed, replaced)| {
                *replaced >= MIN_REPLACED
                    && *agreed * 6 < *replaced
                    && f64::from(agreed + replaced) >= MIN_CLASS_SHARE * count
            })
            .map(|(agreed, replaced)| odds(agreed, replaced, survive))
            .fold(all, f64::min)
            .max(-MAX_VALUE_COST * count)
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
        let share = max_share_cost * ((share - 0.2) / 0.2).clamp(0.0, 1.0);
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
