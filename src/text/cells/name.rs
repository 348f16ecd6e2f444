//! Names of people: two to four words, without titles, initials and particles.

use super::value::Value;
use super::{ValueKind, fold};

/// Titles, which are ignored in names.
const TITLES: [&str; 11] = [
    "mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "sir", "mme", "jr",
];

/// Particles, which are ignored too.
const PARTICLES: [&str; 13] = [
    "von", "van", "de", "der", "den", "di", "da", "del", "la", "le", "bin", "al", "el",
];

/// The role of a word in a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameWord {
    /// Part of the name.
    Part,
    /// A title, an initial, a particle.
    Ignored,
    /// Not in a name.
    No,
}

/// The role of `word`, without the punctuation around it.
pub(super) fn name_word(word: &str) -> NameWord {
    if word.len() > 48 {
        return NameWord::No;
    }
    let mut letters = 0;
    for c in word.chars() {
        if c.is_alphabetic() {
            letters += 1;
        } else if !matches!(c, '-' | '\'' | '.') && !is_mark(c) {
            return NameWord::No;
        }
    }
    let bare = word.trim_matches('.');
    let listed = |list: &[&str]| list.iter().any(|other| bare.eq_ignore_ascii_case(other));
    match letters {
        0 => NameWord::No,
        1 => NameWord::Ignored,
        _ if listed(&TITLES) || listed(&PARTICLES) => NameWord::Ignored,
        _ if bare.contains('.') => NameWord::No,
        _ => NameWord::Part,
    }
}

/// Combining marks, such as the acute accent after an `e`.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{93c}'..='\u{94d}' | '\u{e31}'..='\u{e4e}')
}

/// Two to four words of letters, in any order, as `Doe, Dr. Jane` and `Jane A. Doe`.
pub(super) fn name<'t>(words: impl Iterator<Item = &'t str>) -> Option<Value> {
    let mut folded: Vec<String> = Vec::with_capacity(4);
    for word in words {
        let word = word.trim_matches(|c: char| matches!(c, ',' | ';' | '"' | '(' | ')'));
        match name_word(word) {
            NameWord::Part if folded.len() < 4 => folded.push(fold(word)),
            NameWord::Ignored => {}
            _ => return None,
        }
    }
    if folded.len() < 2 {
        return None;
    }
    let letters: usize = folded.iter().map(|word| word.chars().count()).sum();
    let bits = match letters {
        0..=5 => 6,
        6..=7 => 12,
        _ => 16,
    };
    folded.sort_unstable();
    Some(Value::new(ValueKind::Name, folded.join(" "), bits))
}
