//! Folding: a text becomes the sequence of symbols that survives retyping,
//! disguise and recognition errors.
//!
//! In this order, for every character by itself:
//! 1. its full decomposition (NFKD) without combining marks: accents, ligatures,
//!    full-width, circled and mathematical letters, fractions;
//! 2. the letter that it looks like, by the confusables data of Unicode Technical
//!    Standard 39 and a short list of this crate: Cyrillic, Greek, Cherokee
//!    lookalikes, small capitals, regional indicators;
//! 3. lower case;
//! 4. one class for letters and digits that recognisers and leet writers confuse:
//!    `0 o`, `1 i l |`, `3 e`, `4 a @`, `5 s $`, `7 t`, `8 b`, `9 g q`. No two
//!    digits share a class, so numbers stay as distinct as they were;
//! 5. everything that is then neither letter nor digit vanishes: spaces, punctuation, symbols,
//!    invisible and control characters. With them go wrapping, quote marks and spaced-out letters.
//!
//! Then neighbours merge, also across what vanished: `rn` to `m`, `cl` to `d`, `vv` to
//! `w`, from left to right. Since `i` and `1` are `l`, `ci` and `c1` are `d` too.
//!
//! Scripts whose characters carry more information get more symbols, so that a gram or a
//! passage of a given length is about as much text in every language: a Hangul syllable is the letters
//! that it is composed of, an ideograph is two symbols.
//!
//! Three rules need more than one character. Character references and bare
//! tags of HTML are replaced by the characters they represent, however often they were
//! escaped. A `|` is a letter only where it touches a letter or digit: else it is
//! the rule of a table. Text after a right-to-left override, up to the end of the
//! line or of the override, is read backwards, as it is displayed.
//!
//! Vowel signs of the scripts of India and its neighbours are letters, not
//! marks. Greek eta, nu and upsilon fold by their looks, so that their capitals
//! (h, n, y) differ from their small forms (n, v, u): the price of seeing through
//! `Νever`.
//!
//! Folding belongs to the recipe: `tests` pins the fold of every character.

use super::anchors::ANCHOR_STEP;
use super::bounds::Bounds;
use super::markup;
use super::script::{HANGUL_END, HANGUL_FIRST, is_ideograph, letters, width};
use super::table::{Symbols, Table};
use crate::arch::{Alphabet, Backend, Block, STOP};
use crate::deadline::Pacer;
use crate::error::Result;

/// Text beyond this many bytes is not read, so that counts of symbols (at most
/// six a byte) fit 32 bits. Limits on input stop far below.
const MAX_BYTES: usize = 1 << 29;

/// The most symbols of a character, and per byte of text: U+FDFA is three bytes.
const MAX_CHAR_SYMBOLS: u64 = 15;
const MAX_BYTE_SYMBOLS: u64 = 5;

/// Bytes that are folded between two checks of the deadline.
const PIECE: usize = 1 << 14;

/// Up to this many symbols, memory is reserved by the bytes of a text, beyond by its characters.
const SHORT_TEXT: usize = 1 << 16;

/// The right-to-left override, which displays the following text backwards, and what ends it.
const OVERRIDE: char = '\u{202e}';
const OVERRIDE_ENDS: [char; 2] = ['\u{202c}', '\n'];

/// Set in the second symbol of an ideograph.
const SECOND: u32 = 1 << 24;

/// The symbols of ASCII characters. `&`, `<` and `|` are examined further.
static ASCII: Alphabet = Alphabet {
    symbols: ascii_symbols(),
    merges: [*b"rnm", *b"cld", *b"vvw"],
};

const fn ascii_symbols() -> [u8; 128] {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match (byte as u8).to_ascii_lowercase() {
            b'0' => b'o',
            b'1' | b'i' => b'l',
            b'3' => b'e',
            b'4' | b'@' => b'a',
            b'5' | b'$' => b's',
            b'7' => b't',
            b'8' => b'b',
            b'9' | b'q' => b'g',
            b'&' | b'<' | b'|' => STOP,
            c if c.is_ascii_alphanumeric() => c,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// The symbol of an ASCII character, 0 for none, [`STOP`] for one that is examined further.
#[inline]
fn ascii_symbol(byte: u8) -> u8 {
    // The mask only avoids a bounds check: the byte is ASCII.
    ASCII.symbols[usize::from(byte & 0x7f)]
}

/// A text as symbols, with the place of each in the text.
///
/// Symbols are `a`-`z` and `0`-`9` by their ASCII code and all others by their
/// Unicode scalar value; the second symbol of an ideograph is that with the 25th bit set. Places
/// are *character offsets*: the number of Unicode scalar values before the first character of a
/// symbol. Takes eight bytes per symbol.
///
/// ```
/// use leakprint::text::fold;
///
/// let folded = fold("Ça, d!");
/// assert_eq!(folded.symbols(), [b'c', b'a', b'd'].map(u32::from));
/// assert_eq!((folded.offsets(), folded.chars()), (&[0, 1, 4][..], 6));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    symbols: Vec<u32>,
    offsets: Vec<u32>,
    chars: u32,
}

/// Folds `text`; see [`fold_into`] for many texts.
///
/// ```
/// use leakprint::text::fold;
///
/// let plain = fold("The merger closes on 14 March.");
/// let posted = fold("> Тhе m\u{200b}er-\n> gеr CLOSES &quot;on&quot; ⑭ ℳarch");
/// assert_eq!(plain.symbols(), posted.symbols());
/// ```
pub fn fold(text: &str) -> Folded {
    let mut folded = Folded::default();
    fold_into(text, &mut folded);
    folded
}

/// Folds `text` into `folded`, replacing its content and reusing its memory.
///
/// Takes time and memory linear in the text: one symbol per character, except for
/// the few characters that represent words (at most 15 symbols).
pub fn fold_into(text: &str, folded: &mut Folded) {
    // Without bounds nothing fails.
    let _ = fold_bounded(text, folded, &mut Bounds::none());
}

/// Folds `text` within bounds. Memory is charged before it is allocated.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for `text_chars`, which bounds symbols as well as
/// characters, for `decoded_bytes` or `time_ms`; [`Cancelled`](crate::ErrorKind::Cancelled).
pub(crate) fn fold_within(text: &str, bounds: &mut Bounds) -> Result<Folded> {
    let mut folded = Folded::default();
    fold_bounded(text, &mut folded, bounds)?;
    Ok(folded)
}

fn fold_bounded(text: &str, folded: &mut Folded, bounds: &mut Bounds) -> Result<()> {
    folded.symbols.clear();
    folded.offsets.clear();
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    let most = bounds.symbols_left::<[u32; 2]>();
    if text.len() as u64 * MAX_BYTE_SYMBOLS > most && most_symbols(text, bounds)? > most {
        let symbols = count_symbols(text, most, bounds)?;
        bounds.check_symbols::<[u32; 2]>(symbols)?;
    }
    let room = match text.len() {
        short @ ..SHORT_TEXT => short,
        _ => text.chars().count(),
    };
    folded.symbols.reserve(room);
    folded.offsets.reserve(room);
    folded.chars = folded.push_text(text, 0, Backend::detect(), &mut bounds.pacer())?;
    bounds.charge::<[u32; 2]>(folded.symbols.len())
}

/// A quick upper bound on the symbols that a text folds to: as if every byte beyond ASCII, and every
/// `&`, were part of the character with the most symbols.
fn most_symbols(text: &str, bounds: &Bounds) -> Result<u64> {
    let mut pacer = bounds.pacer();
    let mut most = 0;
    for piece in text.as_bytes().chunks(PIECE) {
        pacer.steps(PIECE as u32 / 8)?;
        let foreign = piece.iter().filter(|byte| !byte.is_ascii()).count() as u64;
        let references = piece.iter().filter(|&&byte| byte == b'&').count() as u64;
        most +=
            piece.len() as u64 + (MAX_BYTE_SYMBOLS - 1) * foreign + MAX_CHAR_SYMBOLS * references;
    }
    Ok(most)
}

/// Counts the symbols of a text before neighbours merge, one for each ASCII character;
/// stops above `most`.
fn count_symbols(text: &str, most: u64, bounds: &Bounds) -> Result<u64> {
    let mut pacer = bounds.pacer();
    // The characters of references are counted first, then what they represent.
    let (mut count, mut too_many) = (0_u64, 0_u64);
    let mut at = 0;
    while at < text.len() && count.saturating_sub(too_many) <= most {
        let end = text.floor_char_boundary(at.saturating_add(PIECE));
        let piece = &text[at..end];
        pacer.steps(PIECE as u32)?;
        count += if piece.is_ascii() {
            piece.len() as u64
        } else {
            piece.chars().map(symbols_of).sum()
        };
        let mut read_to = at;
        for (place, _) in piece.match_indices('&') {
            if at + place < read_to {
                continue;
            }
            let found = markup::read(&text.as_bytes()[at + place..]);
            read_to = at + place + found.length;
            if !found.character.is_ascii() {
                count += symbols_of(found.character);
                too_many += found.length as u64;
            }
        }
        at = end;
    }
    Ok(count.saturating_sub(too_many))
}

/// The symbols of a character by itself; 1 for any that is ASCII.
fn symbols_of(c: char) -> u64 {
    if c.is_ascii() {
        return 1;
    }
    match Table::get().symbols(c) {
        Symbols::One(symbol) => width(symbol),
        Symbols::Many(symbols) => symbols.iter().map(|&symbol| width(symbol)).sum(),
    }
}

/// Whether the `|` at `at` is a letter read wrongly, not the rule of a table.
fn bar_is_letter(bytes: &[u8], at: usize) -> bool {
    let touches = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || !b.is_ascii());
    touches(bytes.get(at + 1)) || touches(at.checked_sub(1).and_then(|before| bytes.get(before)))
}
impl Folded {
    /// Folds text that begins at a character offset; returns its number of characters.
    fn push_text(
        &mut self,
        text: &str,
        first: u32,
        backend: Backend,
        pacer: &mut Pacer,
    ) -> Result<u32> {
        let bytes = text.as_bytes();
        // `at` counts bytes, `at - extra` characters.
        let (mut at, mut extra) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            let offset = first + (at - extra) as u32;
            let before = at;
            match byte {
                b'&' | b'<' => {
                    let found = markup::read(&bytes[at..]);
                    self.push_char(found.character, offset);
                    at += found.length;
                }
                b'|' => {
                    if bar_is_letter(bytes, at) {
                        self.push(u32::from(b'l'), offset);
                    }
                    at += 1;
                }
                0x80.. if text[at..].starts_with(OVERRIDE) => {
                    let (read, chars) = self.push_reversed(&text[at..], offset, backend, pacer)?;
                    at += read;
                    extra += read - chars;
                }
                0x80.. => {
                    let piece = text.floor_char_boundary(at.saturating_add(PIECE));
                    let (read, chars) = self.push_non_ascii(&text[at..piece], offset);
                    at += read;
                    extra += read - chars;
                }
                _ => at += self.push_ascii(&bytes[at..], offset, backend),
            }
            pacer.steps((at - before) as u32)?;
        }
        Ok((text.len() - extra) as u32)
    }

    /// Folds text after a right-to-left override backwards; returns the bytes and characters read.
    fn push_reversed(
        &mut self,
        text: &str,
        offset: u32,
        backend: Backend,
        pacer: &mut Pacer,
    ) -> Result<(usize, usize)> {
        let behind = OVERRIDE.len_utf8();
        let shown = text.get(behind..).unwrap_or_default();
        let (mut read, mut chars) = (0, 0);
        for c in shown.chars().take_while(|c| !OVERRIDE_ENDS.contains(c)) {
            pacer.step()?;
            read += c.len_utf8();
            chars += 1;
        }
        let shown = shown.get(..read).unwrap_or_default();
        let mut turned = String::with_capacity(read);
        // Another override within changes nothing more, and must not be read as one again.
        for c in shown.chars().rev().filter(|&c| c != OVERRIDE) {
            pacer.step()?;
            turned.push(c);
        }
        self.push_text(&turned, offset + 1, backend, pacer)?;
        Ok((behind + read, 1 + chars))
    }

    /// The symbols in order.
    pub fn symbols(&self) -> &[u32] {
        &self.symbols
    }

    /// The character offset of every symbol, in increasing order.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// The characters (Unicode scalar values) of the text.
    pub fn chars(&self) -> u32 {
        self.chars
    }

    /// The character offset of every 32nd symbol, from the first
    /// ([`ANCHOR_STEP`]): enough to place a match, too little to reveal the
    /// length of every word.
    pub fn anchors(&self) -> Vec<u32> {
        self.offsets
            .iter()
            .copied()
            .step_by(ANCHOR_STEP as usize)
            .collect()
    }

    /// Symbols and offsets, without a copy.
    pub fn into_parts(self) -> (Vec<u32>, Vec<u32>) {
        (self.symbols, self.offsets)
    }

    /// Folds ASCII up to the next byte that is not or needs a closer look, at most a
    /// block; returns the bytes read.
    fn push_ascii(&mut self, bytes: &[u8], offset: u32, backend: Backend) -> usize {
        let last = self.symbols.last_mut().filter(|last| **last < 0x80);
        let mut block = Block::after(last.as_ref().map_or(0, |last| **last as u8));
        backend.ascii(&ASCII, bytes, &mut block);
        if let Some(last) = last {
            *last = u32::from(block.last());
        }
        let symbols = block.symbols().iter().map(|&symbol| u32::from(symbol));
        let places = block
            .places()
            .iter()
            .map(|&place| offset + u32::from(place));
        self.symbols.extend(symbols);
        self.offsets.extend(places);
        block.read()
    }

    /// Folds text that begins outside ASCII, up to the next longer run of ASCII or
    /// the next special byte; returns the bytes and the characters read.
    fn push_non_ascii(&mut self, text: &str, offset: u32) -> (usize, usize) {
        /// Fewer ASCII characters than this between others are not worth a block.
        const SHORT: usize = 8;
        let table = Table::get();
        let (mut read, mut chars, mut ascii) = (0, 0, 0);
        for c in text.chars() {
            let offset = offset + chars as u32;
            if c.is_ascii() {
                let symbol = ascii_symbol(c as u8);
                ascii += 1;
                if symbol == STOP || ascii > SHORT {
                    break;
                }
                if symbol != 0 {
                    self.push(u32::from(symbol), offset);
                }
            } else if c == OVERRIDE {
                break;
            } else {
                ascii = 0;
                self.push_symbols(table.symbols(c), offset);
            }
            read += c.len_utf8();
            chars += 1;
        }
        (read, chars)
    }

    /// Pushes the character that markup represents.
    fn push_char(&mut self, c: char, offset: u32) {
        if !c.is_ascii() {
            return self.push_symbols(Table::get().symbols(c), offset);
        }
        match ascii_symbol(c as u8) {
            0 | STOP => {}
            symbol => self.push(u32::from(symbol), offset),
        }
    }

    #[inline]
    fn push_symbols(&mut self, symbols: Symbols<'_>, offset: u32) {
        match symbols {
            Symbols::One(symbol) => self.push_wide(symbol, offset),
            Symbols::Many(symbols) => symbols.iter().for_each(|&s| self.push_wide(s, offset)),
        }
    }

    /// Pushes a symbol that may be worth more than one.
    #[inline]
    fn push_wide(&mut self, symbol: u32, offset: u32) {
        match symbol {
            HANGUL_FIRST..HANGUL_END => {
                letters(symbol).for_each(|letter| self.push(letter, offset));
            }
            symbol if is_ideograph(symbol) => {
                self.push(symbol, offset);
                self.push(symbol | SECOND, offset);
            }
            _ => self.push(symbol, offset),
        }
    }

    #[inline]
    fn push(&mut self, symbol: u32, offset: u32) {
        if let Some(last) = self.symbols.last_mut()
            && let Some(merged) = ASCII.merged(*last, symbol)
        {
            *last = u32::from(merged);
            return;
        }
        self.symbols.push(symbol);
        self.offsets.push(offset);
    }
}

#[cfg(test)]
mod tests;
