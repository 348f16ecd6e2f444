//! How much a trace counts: rarity of grams, and measures turned into scores.

use super::evidence::Strength;

/// How much a symbol covered by a gram counts that `document_frequency` items of the index hold.
///
/// Up to four items a gram counts whole: an e-mail and the replies that quote
/// it, a report and its draft. Beyond, its weight falls as the number of items
/// that it could accuse grows, so that a footer under a thousand mails weighs nothing.
pub(crate) fn gram_weight(document_frequency: u32) -> f32 {
    const WHOLE: f32 = 4.0;
    (WHOLE / document_frequency.max(1) as f32).min(1.0)
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
        assert_eq!(gram_weight(1), 1.0);
        assert_eq!(gram_weight(4), 1.0);
        assert_eq!(gram_weight(8), 0.5);
        assert!(gram_weight(100_000) < 1e-4);
    }
}
