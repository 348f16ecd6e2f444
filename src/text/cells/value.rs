//! A value in canonical form, and the characters that it is read from.

use super::ValueKind;

/// A value in canonical form, and how unlikely a coincidence of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    /// The canonical form, which is hashed.
    pub(super) form: String,
    /// How rare it is: unrelated text has the same value once in `2^bits` times. Deliberately
    /// low, since values of one kind are not equally likely.
    pub(super) bits: u8,
}

impl Value {
    pub(super) fn new(kind: ValueKind, form: String, bits: usize) -> Self {
        let bits = bits.min(30) as u8;
        Self { kind, form, bits }
    }
}

/// A character normalised for comparison: variants of ASCII characters become ASCII. The list
/// is frozen, since prints depend on it.
pub(super) fn plain(c: char) -> Option<char> {
    let digit = |zero: u32| char::from_u32(u32::from('0') + (u32::from(c) - zero));
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{2018}' | '\u{2019}' => Some('\''),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
            None
        }
        '\u{feff}' => None,
        _ => Some(c),
    }
}
