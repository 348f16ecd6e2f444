//! How much a trace counts: rarity of grams, and measures turned into scores.

use super::evidence::Strength;

/// Items that may share a gram or a passage without weakening it: an e-mail and
/// the replies that quote it, a report and its draft.
const SHARED: f64 = 4.0;

/// A smaller index says too little of how common a gram is: it counts as so many items.
const FEW: u32 = 1000;

/// How much a symbol covered by a gram counts that `document_frequency` of `items` hold.
///
/// The share of what could be known that the gram tells: `log(items / frequency)`
/// is the information that it gives on which item the text is from, and four
/// items are as good as one. Squared, so that a few common phrases that happen to
/// come in one order stay far below what a passage of as many rare ones gives. In
/// a leak of two hundred thousand mails a phrase that is in a hundred of them
/// counts half; phrases that many items have tell an item by their *sequence*.
pub(crate) fn gram_weight(document_frequency: u32, items: u32) -> f32 {
    let (frequency, items) = (f64::from(document_frequency), f64::from(items.max(FEW)));
    if frequency <= SHARED {
        return 1.0;
    }
    let share = (items / frequency).max(1.0).ln() / (items / SHARED).ln();
    (share * share).min(1.0) as f32
}

/// How much a symbol of a passage counts that `items` items contain as such.
///
/// Whole up to four items; beyond, its weight falls as the number of items that
/// it could accuse grows, so that a footer under a thousand mails weighs nothing.
pub(crate) fn passage_weight(items: u32) -> f64 {
    (SHARED / f64::from(items.max(1))).min(1.0)
}

/// Times the floor that text in a picture needs to be that of an item which is a picture too: two
/// windows of one program share sender, recipients, date and the names of buttons, 80 to 125
/// weighed symbols; the bodies of mails in other programs share 225 and more.
pub(crate) const WINDOW_FLOOR: f64 = 2.25;

/// How much a symbol read in a picture counts that `pictures` pictures of the index say: the
/// list of mails beside the one that is shown stands in every screenshot of the mailbox.
pub(crate) fn window_weight(pictures: u32) -> f64 {
    1.0 / f64::from(pictures.max(1))
}

/// The score of a passage with `distinctive` weighed symbols, where `floor` of
/// them make a strong match: saturating, 0.7 at the floor, 0.5 at 0.58 of it, 0.95 at
/// 2.5 times of it.
pub(crate) fn text_score(distinctive: f64, floor: f64) -> f64 {
    rounded(1.0 - (1.0 - Strength::Strong.min_score()).powf(distinctive / floor))
}

/// A score without the last digits, in which mathematical libraries differ: the
/// same strength and the same JSON on every platform.
pub(crate) fn rounded(score: f64) -> f64 {
    (score * 1e6).round() / 1e6
}

/// The weighed symbols that give `score`: the inverse of [`text_score`].
pub(crate) fn text_distinctive(score: f64, floor: f64) -> f64 {
    floor * (1.0 - score).ln() / (1.0 - Strength::Strong.min_score()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_where_strong_begins() {
        let score = text_score(64.0, 64.0);
        assert!((score - Strength::Strong.min_score()).abs() < 1e-9);
        for score in [0.5, 0.7, 0.95] {
            let distinctive = text_distinctive(score, 64.0);
            assert!((text_score(distinctive, 64.0) - score).abs() < 1e-6);
        }
    }

    #[test]
    fn a_gram_weighs_less_the_more_items_hold_it() {
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
