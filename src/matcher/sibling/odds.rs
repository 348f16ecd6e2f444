//! The odds that an alignment is a copy and not a sibling.

use crate::fingerprint::ValueKind;
use crate::index::PlacedValue;

/// The share of copies in which values agree or not for other reasons, such as a disguise of the text
/// in which they are not recognised.
const DISGUISED: f64 = 0.15;

/// The beta distribution of the share of values that agree: of siblings, of which half agree in less than
/// a tenth and one in ten in half of the values; and of disguised copies, of which nothing is known.
const SIBLING_BETA: (f64, f64) = (0.5, 1.6);
const DISGUISED_BETA: (f64, f64) = (1.0, 1.0);

/// Of copies: how close the share is to the expected one, and the weight of values that get lost for no
/// reason.
const COPY_CONCENTRATION: f64 = 6.0;
const COPY_LOSS: f64 = 0.3;

/// Values below which they are few.
const FEW_VALUES: u32 = 3;

/// The cost of a contradicted value where there are few, in odds.
const MAX_VALUE_COST: f64 = 0.45;

/// The cost of a text of which half is replaced, in odds.
const MAX_SHARE_COST: f64 = 3.5;

/// The same where there are few values.
const MAX_SHARE_COST_OF_FEW: f64 = 1.0;

/// The replaced share of a text from which on it costs, and by which the cost grows to its maximum.
const MIN_REPLACED_SHARE: f64 = 0.2;
const REPLACED_SHARE_RANGE: f64 = 0.3;

/// The share of the item from which on the passages are the whole item, and the range below it in which
/// they are nearly.
const MIN_WHOLE: f64 = 0.9;
const INCOMPLETE_RANGE: f64 = 0.2;

/// The costs of a footer and of a letterhead, in odds. Replies often quote the beginning of a mail.
const TAIL_COST: f64 = 4.0;
const HEAD_COST: f64 = 1.0;

/// Symbols that a footer may have: of a longer text, the values decide.
const MAX_FOOTER: u32 = 800;

/// Values that are compared at full weight; of more, the share counts.
const MAX_COUNTED_VALUES: f64 = 40.0;

/// The share of values that survive in a copy without errors, and in one with many.
const MAX_SURVIVING: f64 = 0.97;
const MIN_SURVIVING: f64 = 0.3;

/// The cost of a place with other content, in odds, and of all of them.
const REPLACED_COST: f64 = 0.12;
const MAX_REPLACED_COST: f64 = 1.5;

/// Values of one class that must be replaced before the class alone decides, unless more than one in seven
/// agrees.
const MIN_REPLACED: u32 = 8;

/// The share of all values that such a class must have.
const MIN_CLASS_SHARE: f64 = 0.2;

/// Classes of values that are judged separately too: a time series of other measures has the same dates.
const CLASSES: [&[ValueKind]; 2] = [
    &[ValueKind::Date],
    &[ValueKind::Digits, ValueKind::Identifier, ValueKind::Number],
];

/// How the texts of an alignment compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::matcher) struct Comparison {
    /// Symbols of the query from the first passage to the last.
    pub(super) query: (u32, u32),
    /// Values of the item that the query has in the same place, by their tags.
    pub(super) agreed: Vec<u16>,
    /// Values of the item that it has not.
    pub(super) contradicted: Vec<u16>,
    /// Those of them in whose place the query has other values.
    pub(super) replaced_values: Vec<u16>,
    /// Contradicted values that do not count, since they depend on others in the same gap.
    pub(super) dependent: u32,
    /// Values that agree in items with other contents too: constants of their template.
    pub(super) constants: u32,
    /// The rate of errors for each symbol.
    pub(super) errors: f64,
    /// Symbols of all values that were compared.
    pub(super) value_symbols: u32,
    /// Gaps in which both sides have something else.
    pub(in crate::matcher) replaced: u32,
    /// Symbols of gaps on the side where there are fewer.
    pub(super) replaced_symbols: u32,
    /// How free of errors the passages are, 0..=1.
    pub(super) clean: f64,
    /// How unevenly the gaps are spread, 0..=1: the errors of a copyist are spread evenly.
    pub(super) clustered: f64,
    /// Symbols of the query in segments.
    pub(super) covered: u32,
    /// The share of the item's text in segments.
    pub(super) of_item: f64,
    /// Whether both texts begin with the alignment and go on differently.
    pub(super) is_head: bool,
    /// Whether both texts end with the alignment, below something else.
    pub(super) is_tail: bool,
    /// Natural logarithm of the odds of a copy against a sibling; set by [`judge`](super::judge).
    pub(super) odds: f64,
}

impl Comparison {
    /// Counts values of the query that agree with the item's.
    pub(super) fn agree(&mut self, found: impl IntoIterator<Item = PlacedValue>) {
        for value in found {
            self.agreed.push(value.tag);
            self.value_symbols += value.length();
        }
    }

    /// Returns how many values agree that are no constants of a template.
    pub(in crate::matcher) fn agreed(&self) -> u32 {
        (self.agreed.len() as u32).saturating_sub(self.constants)
    }

    pub(in crate::matcher) fn contradicted(&self) -> u32 {
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
    pub(in crate::matcher) fn set_content(&mut self) {
        (self.is_head, self.is_tail) = (false, false);
    }

    /// Returns whether the passages are most of the item.
    pub(in crate::matcher) fn is_whole(&self) -> bool {
        self.of_item >= MIN_WHOLE
    }

    /// Returns the natural logarithm of the odds of a copy against a sibling.
    pub(in crate::matcher) fn odds(&self) -> f64 {
        self.odds
    }

    /// Computes the odds, with so many of the values that agree being constants of a template.
    pub(super) fn judge(&mut self, constants: u32) {
        self.constants = constants;
        let values = self.agreed() + self.contradicted();
        let edge = match (self.is_tail, self.is_head) {
            (true, _) => TAIL_COST,
            (_, true) => HEAD_COST,
            _ => 0.0,
        };
        let contradicted = if self.covered > MAX_FOOTER && values >= FEW_VALUES {
            f64::from(self.contradicted()) / f64::from(values)
        } else {
            1.0
        };
        let agreed = f64::from(self.agreed()) / f64::from(values + 2);
        let replaced = self.replaced_cost(values) * (1.0 - agreed);
        self.odds = self.value_odds() - edge * contradicted - replaced;
    }

    /// Returns the cost of the places at which both texts have other content, if no value agrees.
    fn replaced_cost(&self, values: u32) -> f64 {
        let places = (REPLACED_COST * f64::from(self.replaced)).min(MAX_REPLACED_COST);
        let share = f64::from(self.replaced_symbols)
            / f64::from((self.replaced_symbols + self.covered).max(1));
        let max = match values < FEW_VALUES {
            true => MAX_SHARE_COST_OF_FEW,
            false => MAX_SHARE_COST,
        };
        let share = max * ((share - MIN_REPLACED_SHARE) / REPLACED_SHARE_RANGE).clamp(0.0, 1.0);
        // A copy with its paragraphs in another order has nearly all of the item.
        let incomplete = ((MIN_WHOLE - self.of_item) / INCOMPLETE_RANGE).clamp(0.0, 1.0);
        (self.clustered * places + self.clean * share) * incomplete
    }
}

/// Returns the logarithm of the ratio of the probabilities of so many values that agree, under a
/// copy of which `survive` of the values are undamaged, and under a sibling.
fn odds(agreed: u32, contradicted: u32, survive: f64) -> f64 {
    let all = f64::from(agreed + contradicted);
    let scale = (MAX_COUNTED_VALUES / all).min(1.0);
    let (agreed, contradicted) = (f64::from(agreed) * scale, f64::from(contradicted) * scale);
    let (agreed, contradicted) = (agreed.round() as u32, contradicted.round() as u32);
    let likelihood = |(alpha, beta)| beta_binomial(agreed, contradicted, alpha, beta);
    let (damaged, spread) = (1.0 - survive, COPY_CONCENTRATION);
    let copy = likelihood((spread * survive, spread * damaged + COPY_LOSS));
    let copy = (1.0 - DISGUISED) * copy.exp() + DISGUISED * likelihood(DISGUISED_BETA).exp();
    copy.ln() - likelihood(SIBLING_BETA)
}

/// Returns the logarithm of the probability of `a` successes and `b` failures in one order, where the
/// probability of a success has a beta distribution.
fn beta_binomial(a: u32, b: u32, alpha: f64, beta: f64) -> f64 {
    let logs = |from: f64, count: u32| (0..count).map(|i| (from + f64::from(i)).ln()).sum::<f64>();
    logs(alpha, a) + logs(beta, b) - logs(alpha + beta, a + b)
}
