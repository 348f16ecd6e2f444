//! The canonical form of a cell, however its value is written.

use super::name::name;
use super::value::{Value, plain};
use super::{ValueKind, date, fold};

/// Longer cells are prose, not values.
pub(super) const MAX_VALUE: usize = 256;

/// The number of digits from which a whole number is identified by its last nine: telephone numbers
/// with and without country code, account and card numbers.
const LONG_DIGITS: usize = 7;
const KEPT_DIGITS: usize = 9;

/// Symbols that text must have to be a value.
const MIN_TEXT: usize = 7;

/// A whole cell as one value; the most specific kinds are tried first.
pub(super) fn of_cell(text: &str) -> Option<Value> {
    if text.len() > MAX_VALUE {
        return None;
    }
    let text: String = text.chars().filter_map(plain).collect();
    let text = text.trim();
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    email(address)
        .or_else(|| date::parse(text))
        .or_else(|| number(text))
        .or_else(|| identifier(text))
        .or_else(|| name(text.split_whitespace()))
        .or_else(|| prose(text))
}

/// `local@domain`, in lower case.
pub(super) fn email(text: &str) -> Option<Value> {
    let (local, domain) = text.split_once('@')?;
    let (host, top) = domain.rsplit_once('.')?;
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b"._%+-'".contains(&b);
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b".-".contains(&b);
    let sound = (1..=64).contains(&local.len())
        && !host.is_empty()
        && domain.len() <= 190
        && (2..=24).contains(&top.len())
        && local.bytes().all(is_local)
        && host.bytes().all(is_host)
        && top.bytes().all(|b| b.is_ascii_alphabetic());
    sound.then(|| Value::new(ValueKind::Email, text.to_ascii_lowercase(), 28))
}

/// Digits with their separators: a long whole number, or the significant
/// digits of any other. The place of the decimal point is ignored, so that `81.234,50`, `81,234.5`
/// and 8123450 hundredths are one.
pub(super) fn number(text: &str) -> Option<Value> {
    let mut digits = String::new();
    // Digits after the last point or comma, and the number of each.
    let (mut behind, mut points, mut commas) = (0, 0, 0);
    let mut last = None;
    let mut other = 0;
    for c in text.chars() {
        match c {
            '0'..='9' => {
                digits.push(c);
                behind += 1;
                continue;
            }
            '.' => points += 1,
            ',' => commas += 1,
            ' ' | '-' | '/' | '(' | ')' | '+' | '\'' => {}
            '$' | '\u{20ac}' | '\u{a3}' | '\u{a5}' | '%' | '#' => {}
            c if c.is_ascii_alphabetic() => other += 1,
            _ => return None,
        }
        if matches!(c, '.' | ',') {
            (behind, last) = (0, Some(c));
        }
    }
    if digits.is_empty() || digits.len() > 40 || (other > 0 && !is_unit(text)) {
        return None;
    }
    let fraction = match last {
        Some('.') if points == 1 => behind,
        Some(',') if commas == 1 && (points > 0 || behind != 3) => behind,
        _ => 0,
    };
    let (whole, decimals) = digits.split_at(digits.len() - fraction);
    if decimals.bytes().all(|b| b == b'0') && whole.len() >= LONG_DIGITS {
        return Some(long_digits(whole));
    }
    let significant = digits.trim_matches('0');
    let bits = significant_bits(significant);
    let year =
        fraction == 0 && matches!(digits.as_bytes(), [b'1', b'9', _, _] | [b'2', b'0', _, _]);
    let bits = if year { 1 } else { bits };
    Some(Value::new(ValueKind::Number, significant.to_owned(), bits))
}

/// Whether all words beside the digits of a number are a currency or a word for telephone.
fn is_unit(text: &str) -> bool {
    const UNITS: [&str; 11] = [
        "usd", "eur", "gbp", "chf", "jpy", "cad", "aud", "tel", "phone", "mobile", "fax",
    ];
    let mut words = text
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    words.all(|word| UNITS.iter().any(|unit| word.eq_ignore_ascii_case(unit)))
}

fn significant_bits(digits: &str) -> usize {
    // Half of all numbers in tables are round, and few are longer than necessary.
    (3 * digits.len()).saturating_sub(5).min(16)
}

fn long_digits(whole: &str) -> Value {
    if let Some(value) = date::compact(whole) {
        return value;
    }
    let kept = &whole[whole.len().saturating_sub(KEPT_DIGITS)..];
    let significant = whole.trim_matches('0');
    let mut distinct = [false; 10];
    kept.bytes()
        .for_each(|b| distinct[usize::from(b - b'0') % 10] = true);
    let distinct = distinct.into_iter().filter(|&seen| seen).count();
    let bits = if significant.len() + 3 <= whole.len() || distinct < 3 {
        significant_bits(significant).min(3 * distinct)
    } else {
        20 + 3 * (kept.len() - LONG_DIGITS)
    };
    Value::new(ValueKind::Digits, kept.to_owned(), bits)
}

/// Letters and digits in one word, such as a passport or an order number.
pub(super) fn identifier(text: &str) -> Option<Value> {
    let (mut letters, mut digits) = (0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '0'..='9' => digits += 1,
            c if c.is_ascii_alphabetic() => letters += 1,
            '-' | '/' | '.' | '_' | ':' if i > 0 => {}
            // Account numbers are written in groups.
            ' ' if digits > 1 => {}
            _ => return None,
        }
    }
    if letters == 0 || digits < 3 || !(6..=48).contains(&(letters + digits)) {
        return None;
    }
    // A group of four and more letters is a word, and an account number has none.
    if text.contains(' ') && text.split(' ').any(|word| word.len() > 3 && is_word(word)) {
        return None;
    }
    let mut groups = text.split(|c: char| !c.is_ascii_digit());
    let year = groups.any(|group| group.len() == 4 && matches!(group.parse(), Ok(1900..2100)));
    let telling = digits - if year { 3 } else { 0 };
    let bits = 5 * telling / 2 + letters.min(4);
    Some(Value::new(ValueKind::Identifier, fold(text), bits.min(24)))
}

fn is_word(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Anything else that has enough letters and digits.
pub(super) fn prose(text: &str) -> Option<Value> {
    let form = fold(text);
    let symbols = form.chars().count();
    if symbols < MIN_TEXT {
        return None;
    }
    let words = text.split_whitespace().count();
    let bits = if words < 2 { 6 } else { symbols.min(18) };
    Some(Value::new(ValueKind::Text, form, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(cells: &[&str]) -> Vec<(ValueKind, String)> {
        let mut forms: Vec<_> = cells
            .iter()
            .map(|cell| of_cell(cell).unwrap_or_else(|| panic!("{cell}: none")))
            .map(|value| (value.kind, value.form))
            .collect();
        forms.dedup();
        forms
    }

    #[test]
    fn one_value_written_in_many_ways_has_one_form() {
        use ValueKind::{Date, Digits, Email, Identifier, Name, Number, Text};
        let cases: [(ValueKind, &[&str]); 10] = [
            (
                Email,
                &["Jane.Doe@Example.org", " mailto:jane.doe@example.org "],
            ),
            (
                Digits,
                &[
                    "+49 30 123-4567",
                    "030/1234567",
                    "(030) 123 45 67",
                    "0049301234567",
                    "301234567",
                ],
            ),
            (
                Digits,
                &["1234567", "1,234,567", "1.234.567,00", "$1 234 567.00"],
            ),
            (
                Number,
                &[
                    "81,234.50",
                    "81.234,50",
                    "\u{20ac}81 234.5",
                    "81234.5 EUR",
                    "\u{ff18}1234.5",
                ],
            ),
            (Number, &["12.5%", "0.125", "12,50 %"]),
            (
                Date,
                &[
                    "2019-03-14",
                    "14.3.2019",
                    "3/14/2019",
                    "14 March 2019",
                    "March 14, 2019",
                    "20190314",
                    "2019-03-14T08:30:00",
                    "14. M\u{e4}rz 2019",
                    "14-Mar-2019",
                ],
            ),
            (
                Name,
                &[
                    "Jane Doe",
                    "DOE, Jane",
                    "Dr. Jane A. Doe",
                    "doe jane",
                    "J\u{e1}ne Doe",
                ],
            ),
            (Name, &["Ludwig van Beethoven", "Beethoven, Ludwig"]),
            (Identifier, &["EMP-00123", "emp_00123", "EMP00123"]),
            (Text, &["12 Baker Street, London", "12 BAKER STREET LONDON"]),
        ];
        for (kind, cells) in cases {
            let found = forms(cells);
            assert_eq!(found.len(), 1, "{cells:?}: {found:?}");
            assert_eq!(found[0].0, kind, "{cells:?}");
        }
    }

    #[test]
    fn different_values_have_different_forms() {
        let cells = [
            "jane.doe@example.org",
            "jane.doe@example.com",
            "030 1234567",
            "030 1234568",
            "81234.5",
            "81234.6",
            "2019-03-14",
            "2019-03-15",
            "2018-03-14",
            "Jane Doe",
            "Jane Roe",
            "EMP-00123",
            "EMP-00124",
            "DE89 3704 0044 0532 0130 00",
            "DE89 3704 0044 0532 0130 01",
        ];
        assert_eq!(forms(&cells).len(), cells.len());
    }

    #[test]
    fn common_values_say_little() {
        let bits = |cell| of_cell(cell).map_or(0, |value| value.bits);
        for common in [
            "0", "100", "1,000", "2026", "50%", "Berlin", "yes", "10000000", "1.5", "Q1 2026",
        ] {
            assert!(bits(common) < 4, "{common}: {}", bits(common));
        }
        for telling in [
            "jane@example.org",
            "+1 555 867 5309",
            "DE89370400440532013000",
        ] {
            assert!(bits(telling) >= 20, "{telling}: {}", bits(telling));
        }
        assert!(bits("81,234.50") > bits("81,000") && bits("Jane Doe") > bits("Li Wu"));
    }

    #[test]
    fn what_is_no_value_is_none() {
        for cell in ["", " - ", "n/a", "x", &"long ".repeat(60)] {
            assert_eq!(of_cell(cell), None, "{cell:?}");
        }
    }
}
