//! Prints of values: cells of tables, and possible cells in running text.
//!
//! A table that is posted again in another order of columns, as a list or as prose
//! shares no passage with the original, but it shares its values: addresses, telephone
//! numbers, amounts, names. Each value is brought to a canonical form
//! ([`ValueKind`]) and hashed under a secret key. Each print carries how rare its value is;
//! the matcher weighs several values of one row together.

mod canonical;
mod date;
mod name;
mod scan;
mod tabular;
mod value;
mod word;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::fold as fold_text;
use value::Value;

pub(crate) use tabular::{values_of_table, values_of_text};

/// The kind of a value, detected from its form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
#[non_exhaustive]
pub enum ValueKind {
    /// An e-mail address.
    Email = 1,
    /// A whole number of seven digits or more, by its last nine: telephone, account and card
    /// numbers, however grouped and prefixed.
    Digits,
    /// Letters and digits in one word, at least six of them.
    Identifier,
    /// A day, in any order of year, month and day.
    Date,
    /// Any other number, by its significant digits.
    Number,
    /// Two to four words of letters, in any order, without titles and initials.
    Name,
    /// Any other text, folded.
    Text,
}

impl ValueKind {
    /// The kind with a number, from 1 in the order above.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        use ValueKind::{Date, Digits, Email, Identifier, Name, Number, Text};
        [Email, Digits, Identifier, Date, Number, Name, Text]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }

    /// Whether unrelated tables seldom share such a value unless they are of the same thing:
    /// words are taken from small vocabularies, numbers of some length are not.
    pub(crate) fn is_hard(self) -> bool {
        !matches!(self, Self::Name | Self::Text)
    }
}

/// One value and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValuePrint {
    /// The keyed hash of kind and canonical form.
    pub print: u64,
    /// The kind of the value.
    pub kind: ValueKind,
    /// How rare it is: unrelated material has the same value once in `2^bits` times. Values
    /// of fewer than four bits have no print.
    pub bits: u8,
    /// Whether it is a cell of a table and not from running text. Only these are indexed.
    pub tabular: bool,
    /// Whether the values of its column differ from one another, as names do and departments
    /// do not; of tables of eight rows or more.
    pub unique: bool,
    /// Row in the table, counted from 0; 0 in running text.
    pub row: u32,
    /// Column in the table, counted from 0; 0 in running text.
    pub column: u32,
    /// Its place in the text of the part in characters (Unicode scalar values), end exclusive.
    pub span: [u32; 2],
    /// The same place in symbols after folding.
    #[serde(default)]
    pub symbols: [u32; 2],
}

/// The secret that makes the prints of values.
#[derive(Clone)]
pub(crate) struct ValueKey([u8; 32]);

impl ValueKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The first eight bytes of keyed BLAKE3 over kind and form.
    fn print(&self, value: &Value) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[value.kind as u8]);
        hasher.update(value.form.as_bytes());
        let mut print = [0; 8];
        hasher.finalize_xof().fill(&mut print);
        u64::from_le_bytes(print)
    }
}

impl std::fmt::Debug for ValueKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValueKey").finish_non_exhaustive()
    }
}

/// The symbols of a text as a string.
fn fold(text: &str) -> String {
    let folded = fold_text(text);
    let symbols = folded.symbols().iter();
    symbols
        .filter_map(|&symbol| char::from_u32(symbol))
        .collect()
}

/// Turns increasing byte offsets into character offsets in one pass over the text.
struct Cursor<'t> {
    text: &'t str,
    byte: usize,
    char: u32,
}

impl<'t> Cursor<'t> {
    fn new(text: &'t str) -> Self {
        let (byte, char) = (0, 0);
        Self { text, byte, char }
    }

    /// The characters before `byte`, which must not be less than in the last call.
    fn chars_before(&mut self, byte: usize) -> u32 {
        let between = self.text.get(self.byte..byte).unwrap_or_default();
        self.char += between.chars().count() as u32;
        self.byte = byte.max(self.byte);
        self.char
    }

    /// The character offsets of a range of bytes, which must not begin before an earlier one.
    fn span(&mut self, bytes: &Range<usize>) -> [u32; 2] {
        let start = self.chars_before(bytes.start);
        let within = self.text.get(bytes.clone()).unwrap_or_default();
        [start, start + within.chars().count() as u32]
    }
}
