//! Guesses the charset of bytes where none is declared.
//!
//! The detector tries 27 charsets on each byte, which costs ten times what reading the text does
//! otherwise. A pair of ASCII characters carries no information for it, so it receives only the
//! words that have other bytes in them, and no more of these than a guess needs.

use std::borrow::Cow;
use std::ops::Range;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::CHUNK;
use crate::error::Result;
use crate::limits::Budget;

/// Bytes from a little before the first one beyond ASCII, in which words are looked for.
const REACH: usize = 1 << 20;

/// Bytes of words that the detector receives; if all of these are UTF-8, it receives those from the
/// first sequence on that is not.
const EVIDENCE: usize = 64 << 10;

/// ASCII characters that a word keeps before and after the others, if there is no white space nearer.
const NEIGHBOURS: usize = 64;

/// The likeliest charset.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) once the time is over.
pub(super) fn charset(bytes: &[u8], budget: &Budget) -> Result<&'static Encoding> {
    let first = Encoding::ascii_valid_up_to(bytes);
    let (sample, is_whole) = if first == bytes.len() {
        // Escape sequences may identify the charset where no other byte does.
        let reach = bytes.get(..REACH).unwrap_or(bytes);
        (Cow::Borrowed(reach), reach.len() == bytes.len())
    } else {
        let end = first.saturating_sub(NEIGHBOURS).saturating_add(REACH);
        let reach = bytes.get(..end).unwrap_or(bytes);
        let (words, is_whole) = words(reach, first);
        (Cow::Owned(words), is_whole && reach.len() == bytes.len())
    };
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    let mut pieces = sample.chunks(CHUNK).peekable();
    while let Some(piece) = pieces.next() {
        budget.check_time()?;
        detector.feed(piece, is_whole && pieces.peek().is_none());
    }
    Ok(detector.guess(None, Utf8Detection::Deny))
}

/// The words with bytes beyond ASCII, the first of which is at `first`, and whether these are all.
fn words(bytes: &[u8], first: usize) -> (Vec<u8>, bool) {
    // Sound UTF-8 is no evidence of another charset, and without a broken sequence the detector
    // cannot rule UTF-8 out.
    let mut broken = std::str::from_utf8(bytes)
        .err()
        .map(|error| error.valid_up_to());
    let mut words = Vec::new();
    let mut room = EVIDENCE;
    let mut is_whole = true;
    let (mut end, mut next) = (0, first);
    while next < bytes.len() {
        let word = word_around(bytes, end, next, room);
        let reaches = |at: usize| at < word.end;
        if broken.is_some_and(reaches) {
            broken = None;
        }
        words.extend_from_slice(bytes.get(word.clone()).unwrap_or_default());
        room = room.saturating_sub(word.len());
        end = word.end;
        let rest = bytes.get(end..).unwrap_or_default();
        next = end + Encoding::ascii_valid_up_to(rest);
        if room == 0 && next < bytes.len() {
            is_whole = false;
            room = EVIDENCE;
            match broken.take() {
                Some(at) => {
                    words.clear();
                    next = at;
                }
                None => break,
            }
        }
    }
    (words, is_whole)
}

/// The word around `at`, with one white space before and one after it: from `start` on, `most` bytes at most.
fn word_around(bytes: &[u8], start: usize, at: usize, most: usize) -> Range<usize> {
    let start = start.max(at.saturating_sub(NEIGHBOURS));
    let before = bytes.get(start..at).unwrap_or_default();
    let start = start + before.iter().rposition(is_space).unwrap_or(0);
    let limit = bytes.len().min(start.saturating_add(most));
    let mut quiet = 0;
    for (place, byte) in (at..limit).zip(bytes.get(at..limit).unwrap_or_default()) {
        quiet = if byte.is_ascii() { quiet + 1 } else { 0 };
        if is_space(byte) || quiet == NEIGHBOURS {
            return start..place + 1;
        }
    }
    start..limit
}

fn is_space(byte: &u8) -> bool {
    byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn guess(bytes: &[u8]) -> &'static str {
        charset(bytes, &Budget::new(&Limits::default()))
            .unwrap()
            .name()
    }

    /// The detector's guess for the whole text.
    fn whole(bytes: &[u8]) -> &'static str {
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
        detector.feed(bytes, true);
        detector.guess(None, Utf8Detection::Deny).name()
    }

    const TEXTS: [(&str, &str); 9] = [
        (
            "windows-1252",
            "The Gr\u{f6}\u{df}e of it\nand caf\u{e9}s in n.\u{ba}1 and 3\u{aa} or \u{a9} 1999, it says\n",
        ),
        (
            "windows-1250",
            "P\u{159}\u{ed}li\u{161} \u{17e}lu\u{165}ou\u{10d}k\u{fd} k\u{16f}\u{148} p\u{11b}l the odes\n",
        ),
        (
            "iso-8859-2",
            "Za\u{17c}\u{f3}\u{142}\u{107} g\u{119}\u{15b}l\u{105} ja\u{17a}\u{144} or so it was\n",
        ),
        (
            "windows-1251",
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430}? Well and good\n",
        ),
        (
            "koi8-u",
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430} \u{432} \u{433}\u{43e}\u{440}\u{43e}\u{434}\u{435}?\n",
        ),
        (
            "iso-8859-7",
            "\u{39a}\u{3b1}\u{3bb}\u{3b7}\u{3bc}\u{3ad}\u{3c1}\u{3b1} \u{3c3}\u{3b5} \u{3cc}\u{3bb}\u{3bf}\u{3c5}\u{3c2}, my friends\n",
        ),
        (
            "shift_jis",
            "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{6587}\u{7ae0}\u{3067}\u{3059} in 2024\u{3002}\u{30ab}\u{30bf}\u{30ab}\u{30ca}\n",
        ),
        (
            "gb18030",
            "\u{4e2d}\u{6587}\u{7684}\u{6587}\u{7ae0}, plan 7 \u{7684}\u{65e5}\u{671f}\n",
        ),
        (
            "euc-kr",
            "\u{d55c}\u{ad6d}\u{c5b4} \u{bb38}\u{c7a5} and \u{b2e4}\u{c74c} \u{ac83}\n",
        ),
    ];

    fn encoded(label: &str, text: &str) -> Vec<u8> {
        let encoding = Encoding::for_label(label.as_bytes()).unwrap();
        encoding.encode(text).0.into_owned()
    }

    #[test]
    fn words_tell_what_the_whole_text_tells() {
        let filler = "and then the plan moves on without any other letter in it\r\n".repeat(9);
        for (label, text) in TEXTS {
            for text in [
                text.to_owned(),
                text.repeat(40),
                format!("{filler}{text}{filler}{text}"),
                // No white space at all.
                text.replace(char::is_whitespace, "-").repeat(30),
                text.trim_end().to_owned(),
            ] {
                let bytes = encoded(label, &text);
                assert_eq!(guess(&bytes), whole(&bytes), "{label}: {text}");
            }
        }
        let escaped = b"\x1b$B%O\x1b(B and so on";
        assert_eq!(guess(escaped), whole(escaped));
    }

    #[test]
    fn the_detector_gets_few_bytes_of_a_long_text() {
        for (label, text) in TEXTS {
            let bytes = encoded(label, &text.repeat((3 << 20) / text.len()));
            let first = Encoding::ascii_valid_up_to(&bytes);
            let (sample, is_whole) = words(&bytes, first);
            assert!(sample.len() <= EVIDENCE && !is_whole, "{label}");
            assert_eq!(guess(&bytes), whole(&bytes), "{label}");
        }
        let plain = b"only here and there a w\xF6rd of that kind".repeat(100);
        let (sample, is_whole) = words(&plain, 23);
        assert!(sample.len() < plain.len() / 4 && is_whole);
    }

    #[test]
    fn sound_utf8_before_the_broken_part_does_not_count() {
        let (label, text) = TEXTS[3];
        let mut bytes = text.repeat(3000).into_bytes();
        bytes.extend(encoded(label, &text.repeat(9000)));
        let (sample, _) = words(&bytes, 0);
        let valid_up_to = std::str::from_utf8(&sample).unwrap_err().valid_up_to();
        assert!(sample.len() <= EVIDENCE && valid_up_to <= NEIGHBOURS);
        assert_eq!(guess(&bytes), whole(&bytes));
    }
}
