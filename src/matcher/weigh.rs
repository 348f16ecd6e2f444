//! Weights of grams and passages by their rarity, and the conversion of measures to scores.

use super::evidence::Strength;

/// Items that may share a gram or a passage at full weight, such as an e-mail and the replies that
/// quote it, or a report and its draft.
const MAX_SHARING_ITEMS: f64 = 4.0;

/// Items that an index counts as at least: a smaller one says too little about how common a gram is.
const MIN_ITEMS: u32 = 1000;

/// Returns the weight, 0..=1, of a symbol covered by a gram that `document_frequency` of `items`
/// have.
///
/// `log(items / frequency)` is the information that the gram gives about which item the text is from.
/// The weight is its share of the most that a gram can give, where up to four items count as one.
/// The share is squared, so that a few common phrases that happen to come in one order stay far
/// below a passage of as many rare ones. In a leak of two hundred thousand mails, a phrase that is
/// in a hundred of them counts half; common phrases identify an item by their *sequence*.
pub(crate) fn gram_weight(document_frequency: u32, items: u32) -> f32 {
    let (frequency, items) = (
        f64::from(document_frequency),
        f64::from(items.max(MIN_ITEMS)),
    );
    if frequency <= MAX_SHARING_ITEMS {
        return 1.0;
    }
    let share = (items / frequency).max(1.0).ln() / (items / MAX_SHARING_ITEMS).ln();
    (share * share).min(1.0) as f32
}

/// Returns the weight, 0..=1, of a symbol of a passage that `items` items contain as a passage.
///
/// Full up to four items, then inversely proportional to the number of items, so that a footer of
/// a thousand mails weighs next to nothing.
pub(crate) fn passage_weight(items: u32) -> f64 {
    (MAX_SHARING_ITEMS / f64::from(items.max(1))).min(1.0)
}

/// The factor of the floor where both texts were recognised in pictures. Two windows of one program
/// share sender, recipients, date and the names of buttons, 80 to 125 weighted symbols; the bodies of
/// one mail in different programs share 225 and more.
pub(crate) const WINDOW_FLOOR_FACTOR: f64 = 2.25;

/// Returns the weight, 0..=1, of a symbol recognised in a picture that `pictures` pictures of the
/// index have too: the list of mails next to the open one is in every screenshot of a mailbox.
pub(crate) fn window_weight(pictures: u32) -> f64 {
    1.0 / f64::from(pictures.max(1))
}

/// Returns the score of a passage with `distinctive` weighted symbols, where `floor` of them make a
/// strong match: 0.5 at 0.58 times the floor, 0.7 at the floor, 0.95 at 2.5 times the floor, never
/// quite 1.
pub(crate) fn text_score(distinctive: f64, floor: f64) -> f64 {
    rounded(1.0 - (1.0 - Strength::Strong.min_score()).powf(distinctive / floor))
}

/// Logarithm of the odds of a copy below which both texts are siblings, made from one template.
pub(crate) const SIBLING_ODDS: f64 = -1.4;

/// Logarithm of the odds of a copy that a certain match needs.
const CERTAIN_ODDS: f64 = 2.0;

/// The best score of a sibling, and of a passage that is not certain.
const MAX_SIBLING_SCORE: f64 = 0.65;
const MAX_STRONG_SCORE: f64 = 0.94;

/// Returns the score of a passage by the odds that it is a copy and not the text of a template.
/// With most of the item, no values need to agree for a certain match.
pub(crate) fn sibling_score(score: f64, odds: f64, is_whole: bool) -> f64 {
    if odds < SIBLING_ODDS {
        score.min(MAX_SIBLING_SCORE)
    } else if odds < if is_whole { 0.0 } else { CERTAIN_ODDS } {
        score.min(MAX_STRONG_SCORE)
    } else {
        score
    }
}

/// Rounds a score, since mathematical libraries differ in the last digits: the strength and the JSON
/// are the same on every platform.
pub(crate) fn rounded(score: f64) -> f64 {
    (score * 1e6).round() / 1e6
}

/// Returns the weighted symbols that have `score`; inverts [`text_score`].
pub(crate) fn text_distinctive(score: f64, floor: f64) -> f64 {
    floor * (1.0 - score).ln() / (1.0 - Strength::Strong.min_score()).ln()
}

/// Returns the score of a match about which there is a doubt: below [`Strong`](Strength::Strong), and
/// among the possible ones in the same order.
pub(super) fn doubted(score: f64) -> f64 {
    let (possible, strong) = (Strength::Possible.min_score(), Strength::Strong.min_score());
    if score < strong {
        return score;
    }
    let beyond = (score - strong) / (1.0 - strong);
    rounded(strong - (strong - possible) * (0.5 - 0.45 * beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_begins_at_the_floor() {
        let score = text_score(64.0, 64.0);
        assert!((score - Strength::Strong.min_score()).abs() < 1e-9);
        for score in [0.5, 0.7, 0.95] {
            let distinctive = text_distinctive(score, 64.0);
            assert!((text_score(distinctive, 64.0) - score).abs() < 1e-6);
        }
    }

    #[test]
    fn a_gram_weighs_less_the_more_items_have_it() {
        let weight = |frequency| gram_weight(frequency, 10_000);
        assert_eq!(weight(1), 1.0);
        assert_eq!(weight(4), 1.0);
        assert!(weight(5) < 1.0 && weight(50) < weight(5) && weight(400) < 0.2);
        assert_eq!(weight(10_000), 0.0);
        // An index of a handful: a thread of mails that quote one another.
        assert!(gram_weight(6, 6) > 0.8);
    }

    #[test]
    fn a_passage_weighs_less_the_more_items_contain_it() {
        assert_eq!(passage_weight(0), 1.0);
        assert_eq!(passage_weight(4), 1.0);
        assert_eq!(passage_weight(8), 0.5);
        assert!(passage_weight(100_000) < 1e-4);
    }
}
