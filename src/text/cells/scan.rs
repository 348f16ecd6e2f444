//! Values in running text that may be cells of a table: addresses, numbers, dates,
//! identifiers, capitalised names.
//!
//! One pass over [words](super::word).

use std::ops::Range;

use super::name::{NameWord, name, name_word};
use super::value::{Value, plain};
use super::word::{
    AT, AT_SIGN, CAPITAL, DIGIT, FIELD_BREAK, LETTER, PIECE, Word, next_word, spelled,
};
use super::{ValueKind, canonical, date};
use crate::deadline::Pacer;
use crate::error::Result;

/// Words that are remembered.
const RECENT: usize = 8;

/// Digits in a number that is written in groups.
const GROUPED_DIGITS: Range<usize> = 7..20;

/// Calls `emit` with every candidate and its bytes in `text`; sorted by their beginnings.
///
/// # Errors
/// The first of `emit`, and those of the pacer.
pub(super) fn scan(
    text: &str,
    pacer: &mut Pacer,
    mut emit: impl FnMut(Value, Range<usize>) -> Result<()>,
) -> Result<()> {
    let mut found: Vec<(Value, Range<usize>)> = Vec::new();
    let mut state = State::default();
    let mut rest = 0;
    while let Some((word, next)) = next_word(text, rest, pacer)? {
        pacer.steps((next - rest).min(PIECE) as u32)?;
        rest = next;
        state.push(word, &mut found);
        if found.len() >= 64 {
            // Nothing found later begins before the remembered words.
            let settled = state.oldest();
            found.sort_by_key(|(_, bytes)| bytes.start);
            let ready = found.partition_point(|(_, bytes)| bytes.start < settled);
            let mut ready = found.drain(..ready);
            ready.try_for_each(|(value, bytes)| emit(value, bytes))?;
        }
    }
    state.end_group(&mut found);
    found.sort_by_key(|(_, bytes)| bytes.start);
    let mut found = found.into_iter();
    found.try_for_each(|(value, bytes)| emit(value, bytes))
}

#[derive(Default)]
struct State<'t> {
    /// The last words in a ring.
    recent: [Word<'t>; RECENT],
    /// The place of the last one.
    last: usize,
    /// Words of the name being read, with the ignored ones between them.
    name: Vec<Word<'t>>,
    /// Groups of digits in a row, ending with the last word.
    groups: usize,
}

impl<'t> State<'t> {
    /// The beginning of the first word that a later value may begin with.
    fn oldest(&self) -> usize {
        let name = self.name.first().map_or(usize::MAX, |word| word.at);
        self.back(RECENT - 1).at.min(name)
    }

    /// The word `back` words before the last.
    fn back(&self, back: usize) -> &Word<'t> {
        &self.recent[(self.last + RECENT - back.min(RECENT - 1)) % RECENT]
    }

    fn push(&mut self, word: Word<'t>, found: &mut Vec<(Value, Range<usize>)>) {
        let joined = word.is_group() && !word.has(FIELD_BREAK) && self.groups < RECENT - 1;
        let tail = self.back(0).tail;
        if self.groups > 0 && (!joined || tail.contains([',', '.', ':', '!', '?'])) {
            self.end_group(found);
        }
        self.last = (self.last + 1) % RECENT;
        self.recent[self.last] = word;
        if word.has(DIGIT) {
            self.numbers(found);
        }
        self.addresses(found);
        self.names(found);
    }

    fn addresses(&self, found: &mut Vec<(Value, Range<usize>)>) {
        let word = self.back(0);
        if word.has(AT) && !word.has(AT_SIGN) {
            let text = spelled(word.text);
            let text = text.trim_start_matches(['(', '[']);
            let text = text.strip_prefix("mailto:").unwrap_or(text);
            if let Some(value) = canonical::email(text.trim_end_matches(['.', ')', ']', ':', ',']))
            {
                found.push((value, word.at..word.end()));
            }
        }
        // `jane [at] example.org`, `jane [at] example [dot] org`
        for (at, dot) in [(1, None), (3, Some(1))] {
            if !self.back(at).has(AT_SIGN) {
                continue;
            }
            let (local, host) = (self.back(at + 1), self.back(at - 1));
            let text = match dot {
                None => format!("{}@{}", local.text, spelled(host.text)),
                Some(dot) if spelled(self.back(dot).text) == "." => {
                    format!("{}@{}.{}", local.text, host.text, word.text)
                }
                Some(_) => continue,
            };
            if let Some(value) = canonical::email(&text) {
                found.push((value, local.at..word.end()));
            }
        }
    }

    fn numbers(&mut self, found: &mut Vec<(Value, Range<usize>)>) {
        let word = *self.back(0);
        if word.text.len() > 64 {
            self.groups = 0;
            return;
        }
        let text: String = word.text.chars().filter_map(plain).collect();
        if word.is_group() {
            self.groups += 1;
        } else {
            self.groups = 0;
        }
        let value = date::parse(&text)
            .or_else(|| canonical::number(&text).filter(|_| word.is_group()))
            .or_else(|| canonical::identifier(&text).filter(|_| word.has(LETTER)));
        if let Some(value) = value {
            found.push((value, word.at..word.end()));
        }
        // `14 March 2019`, `March 14, 2019`
        let (a, b) = (self.back(2), self.back(1));
        if word.is_group()
            && a.has(LETTER) != b.has(LETTER)
            && !word.has(FIELD_BREAK)
            && let Some(value) = date::written(a.text, b.text, &text)
        {
            found.push((value, a.at..word.end()));
        }
        self.account(found);
    }

    /// Ends a number that is written in groups.
    fn end_group(&mut self, found: &mut Vec<(Value, Range<usize>)>) {
        let groups = std::mem::take(&mut self.groups);
        if groups < 2 {
            return;
        }
        let last = self.back(0);
        for first in (1..groups).rev() {
            let start = self.back(first);
            // All of it, or from where a telephone number may begin.
            if first + 1 != groups && !start.text.starts_with(['+', '(', '0']) {
                continue;
            }
            let whole = (0..=first).rev().map(|i| self.back(i).text);
            let whole: String = whole.collect::<Vec<_>>().join(" ");
            let digits = whole.bytes().filter(u8::is_ascii_digit).count();
            if !GROUPED_DIGITS.contains(&digits) {
                continue;
            }
            let value = canonical::number(&whole).filter(|value| value.kind == ValueKind::Digits);
            if let Some(value) = value {
                found.push((value, start.at..last.end()));
            }
        }
    }

    /// An account number in groups of four, the first of which begins with two letters.
    fn account(&self, found: &mut Vec<(Value, Range<usize>)>) {
        for back in 1..RECENT {
            let word = self.back(back);
            if word.text.len() != 4 || !word.text.is_ascii() {
                return;
            }
            let (head, check) = word.text.split_at(2);
            let begins = head.bytes().all(|b| b.is_ascii_uppercase())
                && check.bytes().all(|b| b.is_ascii_digit());
            if !begins {
                continue;
            }
            let whole: Vec<&str> = (0..=back).rev().map(|i| self.back(i).text).collect();
            if back >= 3
                && let Some(value) = canonical::identifier(&whole.join(" "))
            {
                found.push((value, word.at..self.back(0).end()));
            }
            return;
        }
    }

    fn names(&mut self, found: &mut Vec<(Value, Range<usize>)>) {
        let flags = self.back(0).flags;
        if flags & FIELD_BREAK != 0 {
            self.name.clear();
        }
        // True for almost all words, so that they need one test only.
        if flags & CAPITAL == 0 && self.name.is_empty() {
            return;
        }
        let word = *self.back(0);
        let capital = word.text.chars().next().is_some_and(char::is_uppercase);
        let kind = name_word(word.text.trim_start_matches('('));
        match kind {
            NameWord::Part if capital => {
                self.name.push(word);
                if self.name.len() > 3 {
                    self.name.remove(0);
                }
                for words in [2, 3] {
                    let Some(first) = self.name.len().checked_sub(words) else {
                        continue;
                    };
                    let names = &self.name[first..];
                    if let Some(value) = name(names.iter().map(|word| word.text)) {
                        found.push((value, names[0].at..word.end()));
                    }
                }
            }
            NameWord::Ignored => {}
            _ => self.name.clear(),
        }
        let ends = word.tail.contains([':', '!', '?', ')'])
            || (word.tail.contains('.') && kind != NameWord::Ignored);
        if ends {
            self.name.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadline::Deadline;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(ValueKind, String)> {
        let mut values = Vec::new();
        let mut pacer = Deadline::never().pacer(1);
        scan(text, &mut pacer, |value, bytes| {
            assert!(text.get(bytes).is_some());
            values.push((value.kind, value.form));
            Ok(())
        })
        .unwrap();
        values
    }

    /// The value of a whole cell.
    fn value(cell: &str) -> (ValueKind, String) {
        let value = canonical::of_cell(cell).unwrap();
        (value.kind, value.form)
    }

    #[test]
    fn values_are_found_in_prose() {
        let text = "Yesterday Dr. Jane A. Doe (born 14 March 1985) wrote from jane.doe@example.org, or \
                    j.roe [at] mail [dot] example, that she earns \u{20ac}81,234.50; call +49 30 123 4567 or \
                    (555) 867-5309. Her badge is EMP-00123, her account DE89 3704 0044 0532 0130 00. \
                    Ludwig van Beethoven, Roe,\nRichard: 2019-03-14.";
        let values = found(text);
        for cell in [
            "Jane Doe",
            "1985-03-14",
            "jane.doe@example.org",
            "j.roe@mail.example",
            "81234.5",
            "030 1234567",
            "555-867-5309",
            "EMP-00123",
            "DE89370400440532013000",
            "Ludwig van Beethoven",
            "Richard Roe",
            "14.3.2019",
        ] {
            assert!(values.contains(&value(cell)), "{cell}: {values:#?}");
        }
    }

    #[test]
    fn fields_without_spaces_are_told_apart() {
        let values =
            found("Jane Doe,jane@example.org,1985-03-14,81234\nRoe;Max;030/1234567|4711-AX9");
        for cell in [
            "Jane Doe",
            "jane@example.org",
            "1985-03-14",
            "81234",
            "030/1234567",
            "4711-AX9",
        ] {
            assert!(values.contains(&value(cell)), "{cell}: {values:#?}");
        }
    }

    #[test]
    fn names_do_not_reach_across_sentences_and_cells() {
        for text in [
            "We met Jane. Doe said no",
            "Jane\tDoe",
            "Jane\n\nDoe",
            "jane doe",
            "Jane 7 Doe",
        ] {
            assert_eq!(
                found(text)
                    .iter()
                    .filter(|v| v.0 == ValueKind::Name)
                    .count(),
                0,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_in_order(text in "([A-Z][a-z]{1,4}|[0-9]{1,5}|[-@.,;|\\[\\]()+\t\n ]|[a-z]{1,3}|\\PC){0,90}") {
            let mut last = 0;
            scan(&text, &mut Deadline::never().pacer(1), |_, bytes| {
                assert!(bytes.start >= last && text.get(bytes.clone()).is_some(), "{bytes:?}");
                last = bytes.start;
                Ok(())
            })
            .unwrap();
        }
    }
}
