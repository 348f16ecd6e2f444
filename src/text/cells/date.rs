//! Dates, written in many ways. Which of two small numbers is the month is left open, so that 3/4
//! and 4/3 are equal: this loses one bit of information, and no copy.

use super::ValueKind;
use super::value::Value;

/// Words for the months, accents dropped: English, German, French and Spanish.
const MONTHS: [&[&str]; 12] = [
    &["jan", "january", "januar", "janvier", "enero", "ene"],
    &["feb", "february", "februar", "fevrier", "febrero"],
    &["mar", "march", "marz", "maerz", "mrz", "mars", "marzo"],
    &["apr", "april", "avril", "abril", "abr"],
    &["may", "mai", "mayo"],
    &["jun", "june", "juni", "juin", "junio"],
    &["jul", "july", "juli", "juillet", "julio"],
    &["aug", "august", "aout", "agosto"],
    &["sep", "sept", "september", "septembre", "septiembre"],
    &["oct", "october", "okt", "oktober", "octobre", "octubre"],
    &["nov", "november", "novembre", "noviembre"],
    &[
        "dec",
        "december",
        "dez",
        "dezember",
        "decembre",
        "diciembre",
    ],
];

/// The month that a word names.
pub(super) fn month(word: &str) -> Option<u32> {
    if !(3..=20).contains(&word.len()) {
        return None;
    }
    let mut plain = String::with_capacity(word.len());
    for c in word
        .trim_end_matches('.')
        .chars()
        .flat_map(char::to_lowercase)
    {
        plain.push(match c {
            '\u{e4}' => 'a',
            '\u{e9}' | '\u{e8}' => 'e',
            '\u{fb}' | '\u{f9}' => 'u',
            c => c,
        });
    }
    (1..)
        .zip(MONTHS)
        .find(|(_, words)| words.contains(&plain.as_str()))
        .map(|(month, _)| month)
}

/// A whole cell or token that is a date, with or without a time after it.
pub(super) fn parse(text: &str) -> Option<Value> {
    if !(6..=40).contains(&text.len()) || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let text = without_time(text);
    let mut fields = text
        .split(['-', '/', '.', ' ', ','])
        .filter(|field| !field.is_empty());
    let fields = [
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next().unwrap_or(""),
    ];
    let [a, b, c, rest] = fields;
    if !rest.is_empty() {
        return None;
    }
    written(a, b, c)
}

/// Three fields in one of the orders in which people write them.
pub(super) fn written(a: &str, b: &str, c: &str) -> Option<Value> {
    if let Some(month) = month(b) {
        return match a.len() {
            4 => value(number(a)?, month, day(c)?),
            _ => value(year(c)?, month, day(a)?),
        };
    }
    if let Some(month) = month(a) {
        return value(year(c)?, month, day(b)?);
    }
    if a.len() == 4 {
        return value(number(a)?, number(b)?, number(c)?);
    }
    value(year(c)?, number(a)?, number(b)?)
}

/// Eight digits: year, month and day.
pub(super) fn compact(digits: &str) -> Option<Value> {
    if digits.len() != 8 || !digits.is_ascii() {
        return None;
    }
    let (year, rest) = digits.split_at(4);
    let (month, day) = rest.split_at(2);
    let (year, month) = (number(year)?, number(month)?);
    if month > 12 {
        return None;
    }
    value(year, month, number(day)?)
}

/// The day of a month, perhaps with an English ordinal's ending.
fn day(text: &str) -> Option<u32> {
    let endings = ["st", "nd", "rd", "th"];
    let bare = endings.iter().find_map(|ending| text.strip_suffix(ending));
    number(bare.unwrap_or(text))
}

fn number(text: &str) -> Option<u32> {
    let sound = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// Four digits, or two: of the last century from 50 on.
fn year(text: &str) -> Option<u32> {
    match (text.len(), number(text)?) {
        (4, year) => Some(year),
        (2, year) if year < 50 => Some(2000 + year),
        (2, year) => Some(1900 + year),
        _ => None,
    }
}

fn value(year: u32, a: u32, b: u32) -> Option<Value> {
    let (low, high) = (a.min(b), a.max(b));
    if !(1900..2100).contains(&year) || low == 0 || low > 12 || high > 31 {
        return None;
    }
    // People who do not know the day write the first of the month.
    let bits = if low == 1 { 4 } else { 8 };
    Some(Value {
        kind: ValueKind::Date,
        form: format!("{year}-{low}-{high}"),
        bits,
    })
}

fn without_time(text: &str) -> &str {
    let Some(colon) = text.find(':') else {
        return text;
    };
    let head = text.get(..colon).unwrap_or(text);
    let hour = head.trim_end_matches(|c: char| c.is_ascii_digit());
    hour.trim_end_matches(['T', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_months_are_known_and_others_are_not() {
        for (word, expected) in [
            ("January", 1),
            ("F\u{e9}vrier", 2),
            ("M\u{e4}rz", 3),
            ("Mai", 5),
            ("juillet", 7),
            ("Jul.", 7),
            ("ao\u{fb}t", 8),
            ("Sept", 9),
            ("diciembre", 12),
            ("marvel", 0),
            ("decide", 0),
            ("ma", 0),
        ] {
            assert_eq!(month(word).unwrap_or(0), expected, "{word}");
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_date() {
        for text in [
            "2019-13-32",
            "32.1.2019",
            "0/1/2019",
            "1.2.3",
            "192.168.1.1",
            "1850-01-01",
            "1/2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(compact("20191301"), None);
        assert_eq!(parse("1/2/85").unwrap().form, "1985-1-2");
    }
}
