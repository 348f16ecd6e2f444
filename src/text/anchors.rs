//! Character offsets of folded symbols, by the offset of every 32nd one.

/// The distance of anchors, in folded symbols.
///
/// An index keeps the character offset of every 32nd symbol only: enough to
/// place a match, too little to reveal the length of every word of the leak.
pub const ANCHOR_STEP: u32 = 32;

/// The character offset of symbol `symbol` of `folded` in a text of
/// `chars` characters, on the straight line between the anchors around it; never
/// above `chars`. A symbol past the last is at the end.
pub(crate) fn char_offset(anchors: &[u32], symbol: u32, folded: u32, chars: u32) -> u32 {
    if symbol >= folded {
        return chars;
    }
    let before = symbol / ANCHOR_STEP;
    let anchor = |i: u32| {
        let symbol = u64::from(i) * u64::from(ANCHOR_STEP);
        let chars = *anchors.get(i as usize)?;
        (symbol < u64::from(folded)).then_some((symbol, u64::from(chars)))
    };
    // The ends of the text replace missing anchors.
    let (from, at) = anchor(before).unwrap_or((0, 0));
    let (to, until) = anchor(before + 1).unwrap_or((u64::from(folded), u64::from(chars)));
    let share = u64::from(symbol).saturating_sub(from) * until.saturating_sub(at);
    let offset = at + share.checked_div(to.saturating_sub(from)).unwrap_or(0);
    u32::try_from(offset).unwrap_or(chars).min(chars)
}

/// The character offset just after the symbol before `end`, by the `offset` of symbols.
pub(crate) fn char_end(end: u32, chars: u32, offset: impl FnOnce(u32) -> u32) -> u32 {
    match end.checked_sub(1) {
        None => 0,
        Some(last) => offset(last).saturating_add(1).min(chars),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_between_anchors_are_interpolated() {
        // 70 symbols in 200 characters: symbols 0, 32, 64 at 10, 50, 180.
        let at = |symbol| char_offset(&[10, 50, 180], symbol, 70, 200);
        assert_eq!([at(0), at(16), at(32), at(33)], [10, 30, 50, 54]);
        assert_eq!([at(64), at(67), at(69)], [180, 190, 196]);
        assert_eq!([at(70), at(u32::MAX)], [200, 200]);
    }

    #[test]
    fn a_text_without_anchors_is_stretched_evenly() {
        assert_eq!(char_offset(&[], 5, 10, 100), 50);
        assert_eq!(char_offset(&[], 0, 0, 7), 7);
    }

    proptest! {
        /// Whatever a damaged file contains.
        #[test]
        fn offsets_stay_inside_the_text(
            anchors in prop::collection::vec(any::<u32>(), 0..5),
            symbol: u32,
            folded: u32,
            chars: u32,
        ) {
            prop_assert!(char_offset(&anchors, symbol, folded, chars) <= chars);
            prop_assert!(char_offset(&anchors, symbol % 200, folded, chars) <= chars);
        }

        #[test]
        fn offsets_never_go_back(
            steps in prop::collection::vec(0_u32..200, 1..6),
            rest in 0_u32..100,
        ) {
            let anchors: Vec<u32> = steps
                .iter()
                .scan(0, |sum, step| {
                    *sum += step;
                    Some(*sum)
                })
                .collect();
            let folded = anchors.len() as u32 * ANCHOR_STEP - 5;
            let chars = anchors[anchors.len() - 1] + rest;
            let places: Vec<u32> = (0..folded + 3)
                .map(|symbol| char_offset(&anchors, symbol, folded, chars))
                .collect();
            prop_assert!(places.is_sorted());
            for (i, anchor) in anchors.iter().enumerate() {
                prop_assert_eq!(places[i * ANCHOR_STEP as usize], *anchor);
            }
        }
    }
}
