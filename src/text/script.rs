//! Scripts whose characters fold to several symbols: Hangul and ideographs.

/// The syllables of Hangul.
pub(super) const HANGUL_FIRST: u32 = 0xac00;
pub(super) const HANGUL_END: u32 = 0xd7a4;

#[inline]
pub(super) fn is_ideograph(symbol: u32) -> bool {
    matches!(symbol, 0x3400..0x4dc0 | 0x4e00..0xa000 | 0xf900..0xfb00 | 0x2_0000..0x4_0000)
}

/// The number of symbols that a symbol of the table becomes.
pub(super) fn width(symbol: u32) -> u64 {
    match symbol {
        HANGUL_FIRST..HANGUL_END => letters(symbol).count() as u64,
        symbol if is_ideograph(symbol) => 2,
        _ => 1,
    }
}

/// Hangul decomposition (The Unicode Standard, section 3.12): leading consonant, vowel,
/// and a trailing consonant if there is one.
#[inline]
pub(super) fn letters(syllable: u32) -> impl Iterator<Item = u32> {
    const VOWELS: u32 = 21;
    const TRAILS: u32 = 28;
    let at = syllable - HANGUL_FIRST;
    let (lead, vowel, trail) = (at / TRAILS / VOWELS, at / TRAILS % VOWELS, at % TRAILS);
    let trail = (trail > 0).then_some(0x11a7 + trail);
    [0x1100 + lead, 0x1161 + vowel].into_iter().chain(trail)
}
