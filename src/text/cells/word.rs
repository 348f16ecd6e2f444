//! Words of running text, and the classes of their characters.
//!
//! Most words have neither a digit nor a capital nor an `@` and each of their bytes is examined once.

use std::borrow::Cow;
use std::ops::Range;

use super::value::plain;
use crate::deadline::Pacer;
use crate::error::Result;

/// Bytes of a word or a gap between two checks of the deadline.
pub(super) const PIECE: usize = 1 << 14;

pub(super) const DIGIT: u8 = 1;
pub(super) const CAPITAL: u8 = 2;
pub(super) const AT: u8 = 4;
pub(super) const LETTER: u8 = 8;
/// Before the word is a gap that no value crosses: a tab, a blank line, a bar, a semicolon.
pub(super) const FIELD_BREAK: u8 = 16;
/// Ends a word: white space and field separators. A comma is examined further.
const GAP: u8 = 32;
const NON_ASCII: u8 = 64;

/// The whole word is an `@`, perhaps spelled out.
pub(super) const AT_SIGN: u8 = 128;

/// The class of each byte.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' => LETTER,
            b'A'..=b'Z' => LETTER | CAPITAL,
            b'0'..=b'9' => DIGIT,
            b'@' | b'[' | b'{' => AT,
            b'\t' | b'|' | b';' => GAP | FIELD_BREAK,
            b'\n' | b' ' | b'\r' | b',' | b'<' | b'>' | b'"' => GAP,
            0x80.. => NON_ASCII,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// A word, without the punctuation around it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) flags: u8,
    /// The punctuation between it and the next white space: a comma, the end of a sentence.
    pub(super) tail: &'t str,
}

impl Word<'_> {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Digits and what joins them, nothing else.
    pub(super) fn is_group(&self) -> bool {
        self.flags & (DIGIT | LETTER | AT) == DIGIT
    }
}

/// The next word from `at` on, and where to look for the one after it.
pub(super) fn next_word<'t>(
    text: &'t str,
    mut at: usize,
    pacer: &mut Pacer,
) -> Result<Option<(Word<'t>, usize)>> {
    let Some(mut flags) = skip_gap(text, &mut at, pacer)? else {
        return Ok(None);
    };
    let start = at;
    flags |= skip_word(text, &mut at, pacer)?;
    Ok(word(text, start..at, flags).map(|word| (word, at)))
}

/// Moves `at` to the beginning of the next word; returns the flags of the gap, `None` at the end.
fn skip_gap(text: &str, at: &mut usize, pacer: &mut Pacer) -> Result<Option<u8>> {
    let bytes = text.as_bytes();
    let (mut flags, mut lines) = (0, 0);
    while *at < bytes.len() {
        let piece = bytes.get(..*at + PIECE).unwrap_or(bytes);
        while let Some(&b) = piece.get(*at) {
            let class = CLASSES[usize::from(b)];
            if class & GAP != 0 {
                flags |= class & FIELD_BREAK;
                lines += usize::from(b == b'\n');
                *at += 1;
                continue;
            }
            if class & NON_ASCII != 0
                && let Some(c) = text.get(*at..).and_then(|rest| rest.chars().next())
                && matches!(plain(c), Some(' ') | None)
            {
                *at += c.len_utf8();
                continue;
            }
            return Ok(Some(if lines > 1 {
                flags | FIELD_BREAK
            } else {
                flags
            }));
        }
        pacer.steps(PIECE as u32)?;
    }
    Ok(None)
}

/// Moves `at` from the beginning of a word to its end; returns its flags.
fn skip_word(text: &str, at: &mut usize, pacer: &mut Pacer) -> Result<u8> {
    let bytes = text.as_bytes();
    let mut flags = 0;
    let mut number = Number::begin(*at);
    while *at < bytes.len() {
        let piece = bytes.get(..*at + PIECE).unwrap_or(bytes);
        while let Some(&b) = piece.get(*at) {
            let class = CLASSES[usize::from(b)];
            if class & (GAP | NON_ASCII) == 0 {
                flags |= class;
                *at += 1;
            } else if class & NON_ASCII != 0 {
                let Some(c) = text.get(*at..).and_then(|rest| rest.chars().next()) else {
                    return Ok(flags);
                };
                match plain(c) {
                    Some(' ') => return Ok(flags),
                    Some('0'..='9') => flags |= DIGIT,
                    _ if c.is_uppercase() => flags |= LETTER | CAPITAL,
                    _ if c.is_alphabetic() => flags |= LETTER,
                    _ => {}
                }
                *at += c.len_utf8();
            } else if b == b',' && number.goes_on(bytes, *at) {
                *at += 1;
            } else {
                return Ok(flags);
            }
        }
        pacer.steps(PIECE as u32)?;
    }
    Ok(flags)
}

/// A word without the punctuation around it.
fn word(text: &str, bytes: Range<usize>, mut flags: u8) -> Option<Word<'_>> {
    let Range { start, end: at } = bytes;
    let whole = text.get(start..at)?;
    // Most words have no punctuation around them.
    let ends_plainly = whole.ends_with(|c: char| c.is_ascii_alphanumeric());
    // A closing bracket stays if the word has an opening one: `jane[at]example[dot]org`, `(at)`.
    let inner = if ends_plainly || (flags & AT != 0 && whole.contains(['[', '{'])) {
        whole
    } else {
        whole.trim_end_matches(['.', ':', '!', '?', ')', ']', '}', '\'', '*', '_'])
    };
    let open = inner.len() - inner.trim_start_matches(['\'', '*', '_']).len();
    let tail = text.get(start + inner.len()..(at + 1).min(text.len()));
    let inner = inner.get(open..)?;
    // `[at]` is the longest.
    let signs = inner.len() <= 4 && inner.starts_with(['@', '[', '(', '{']);
    if signs && spelled(inner) == "@" {
        flags |= AT_SIGN;
    }
    let word = Word {
        text: inner,
        at: start + open,
        flags,
        tail: tail.unwrap_or_default(),
    };
    Some(word)
}

/// Whether a word is a number so far. Each byte is examined once, however many commas there are.
struct Number {
    start: usize,
    /// Bytes before this place are those of a number, if `is_one`.
    seen: usize,
    is_one: bool,
}

impl Number {
    fn begin(start: usize) -> Self {
        Self {
            start,
            seen: start,
            is_one: true,
        }
    }

    /// Whether the comma at `at` is part of the number: before three digits, or, in a number
    /// without other signs, before one or two.
    fn goes_on(&mut self, bytes: &[u8], at: usize) -> bool {
        let fresh = bytes.get(self.seen..at).unwrap_or_default();
        let is_part = |b: &u8| b.is_ascii_digit() || b"$.,'+-(".contains(b) || *b >= 0x80;
        self.is_one = self.is_one && fresh.iter().all(is_part);
        self.seen = at;
        // Beyond three digits, their number does not matter.
        let is_digit = |b: &&u8| b.is_ascii_digit();
        let behind = bytes.get(at + 1..).unwrap_or_default().iter().take(4);
        let behind = behind.take_while(is_digit).count();
        let before = bytes.get(self.start..at).unwrap_or_default().iter().rev();
        let group = before.take(4).take_while(is_digit).count();
        self.is_one && group > 0 && ((behind == 3 && group <= 3) || matches!(behind, 1 | 2))
    }
}

/// `[at]`, `(at)`, `[dot]` and so on replaced by their signs, anywhere in a word.
pub(super) fn spelled(text: &str) -> Cow<'_, str> {
    if text.len() > 256 || !text.contains(['[', '(', '{']) {
        return text.into();
    }
    let mut text = text.to_ascii_lowercase();
    for (open, close) in [('[', ']'), ('(', ')'), ('{', '}')] {
        for (word, sign) in [("at", "@"), ("dot", ".")] {
            // The closing bracket may have gone with the punctuation at the end.
            text = text.replace(&format!("{open}{word}{close}"), sign);
            if text == format!("{open}{word}") {
                text = sign.to_owned();
            }
        }
    }
    text.into()
}
