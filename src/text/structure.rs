//! The messages of a text: where a quoted or forwarded message begins, and where a message closes with
//! a signature or a footer.
//!
//! A mail is not one text. It quotes others, and below each message stand lines that hundreds of
//! messages share. Grams of closings are discounted
//! ([`closes`](Zones::closes)), and `index::writer::vouch` decides by the messages which common grams are
//! content.
//!
//! A message begins where the quote depth changes, and behind a *head*: the header lines of a forwarded
//! message, or the line that says who wrote what follows. It closes with what follows a line of two
//! hyphens (RFC 3676, section 4.3), and with what follows a line of underscores or hyphens and contains
//! a link, as the footers of mailing lists do. Such a line in the middle of a text closes nothing, so a
//! closing has an end in sight: a few lines further, the message ends.

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use crate::error::Result;

/// The marks that are kept of one text. Beyond them its last zone extends to the end.
const MAX_MARKS: usize = 1 << 14;

/// Lines and letters of a signature, at most.
const MAX_SIGNATURE: Extent = Extent {
    lines: 12,
    letters: 600,
};

/// Lines and letters of a footer, at most.
const MAX_FOOTER: Extent = Extent {
    lines: 16,
    letters: 800,
};

/// Underscores, and hyphens, that make a rule.
const MIN_UNDERSCORES: usize = 5;
const MIN_HYPHENS: usize = 20;

/// Header lines in a row that make a head, if one contains an address; behind a title between hyphens
/// ("Original Message") or at least one that is a line by itself, fewer are enough.
const MIN_HEADER_LINES: usize = 3;
const MIN_TITLED_LINES: usize = 2;

/// Letters of the name of a header.
const MAX_HEADER_NAME: usize = 14;

/// Characters of a line that says who wrote what follows.
const MIN_ATTRIBUTION: usize = 20;
const MAX_ATTRIBUTION: usize = 200;

/// The place in a text at which a zone of it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mark {
    /// The folded symbol.
    pub at: u32,
    /// What begins there.
    pub zone: Zone,
}

/// A zone of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Zone {
    /// A message, such as one that is quoted. The first begins with the text and has no mark.
    Message,
    /// The signature or footer that closes a message, up to the next one.
    Closing,
}

impl Mark {
    pub(crate) fn new(at: u32, zone: Zone) -> Self {
        Self { at, zone }
    }
}

/// Returns whether a place is in a closing. Places must ascend from call to call.
pub(crate) struct Zones<'a> {
    marks: &'a [Mark],
    is_closing: bool,
}

impl<'a> Zones<'a> {
    pub(crate) fn new(marks: &'a [Mark]) -> Self {
        Self {
            marks,
            is_closing: false,
        }
    }

    pub(crate) fn closes(&mut self, at: u32) -> bool {
        while let Some((mark, rest)) = self.marks.split_first() {
            if mark.at > at {
                break;
            }
            self.is_closing = mark.zone == Zone::Closing;
            self.marks = rest;
        }
        self.is_closing
    }
}

/// Returns the messages of a text of `folded` symbols without their closings, as pairs of their first
/// symbol and the one past the last.
pub(crate) fn messages(marks: &[Mark], folded: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
    let first = Mark::new(0, Zone::Message);
    let ends = marks.iter().map(|mark| mark.at).chain([folded]);
    let zones = std::iter::once(first)
        .chain(marks.iter().copied())
        .zip(ends);
    zones
        .filter(|(mark, end)| mark.zone == Zone::Message && mark.at < *end)
        .map(|(mark, end)| (mark.at, end))
}

/// Finds the marks of a text, by the character offsets of its folded symbols.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes` or `time_ms`, and
/// [`Cancelled`](crate::ErrorKind::Cancelled).
pub(crate) fn marks_within(text: &str, offsets: &[u32], bounds: &mut Bounds) -> Result<Vec<Mark>> {
    let Some(first) = text.find('\n') else {
        return Ok(Vec::new());
    };
    let mut scan = Scan::default();
    let mut pacer = bounds.pacer();
    let mut start = 0;
    let mut end = first;
    loop {
        let line = text.get(start..end).unwrap_or_default();
        pacer.steps(line.len() as u32 + 1)?;
        scan.line(start, line);
        if scan.places.len() > MAX_MARKS {
            scan.candidates.clear();
            break;
        }
        if end == text.len() {
            break;
        }
        start = end + 1;
        let rest = text.get(start..).unwrap_or_default();
        end = rest.find('\n').map_or(text.len(), |at| start + at);
    }
    scan.close();
    scan.places.sort_unstable_by_key(|(at, _)| *at);
    bounds.charge::<Mark>(scan.places.len())?;
    let mut marks: Vec<Mark> = Vec::with_capacity(scan.places.len());
    let (mut bytes, mut chars) = (0, 0_u32);
    for (place, zone) in scan.places {
        let before = text.get(bytes..place).unwrap_or_default();
        pacer.steps(before.len() as u32)?;
        chars = chars.saturating_add(before.chars().count() as u32);
        bytes = place;
        let at = offsets.partition_point(|&offset| offset < chars) as u32;
        // A zone without symbols is none.
        if marks.last().is_some_and(|last| last.at >= at) {
            marks.pop();
        }
        if at < offsets.len() as u32 && (at > 0 || zone == Zone::Closing) {
            marks.push(Mark::new(at, zone));
        }
    }
    Ok(marks)
}

/// A length in lines and letters.
#[derive(Clone, Copy, Default)]
struct Extent {
    lines: usize,
    letters: usize,
}

/// A line that may begin a closing.
struct Candidate {
    place: usize,
    /// The length of the message up to it.
    before: Extent,
    max: Extent,
    needs_link: bool,
    has_link: bool,
}

/// Header lines in a row.
#[derive(Default)]
struct Head {
    place: usize,
    lines: usize,
    has_address: bool,
    is_titled: bool,
}

/// The text up to the current line.
#[derive(Default)]
struct Scan {
    /// Where zones begin, in bytes.
    places: Vec<(usize, Zone)>,
    depth: usize,
    /// The current message.
    length: Extent,
    candidates: Vec<Candidate>,
    head: Option<Head>,
    /// Whether the line before was one that says who wrote what follows.
    is_attributed: bool,
}

impl Scan {
    fn line(&mut self, place: usize, line: &str) {
        let (depth, content) = unquoted(line);
        if content.is_empty() {
            // An empty line ends a head, unless that only has its title.
            if self.head.as_ref().is_some_and(|head| head.lines > 0) {
                self.end_head(place);
            }
            return;
        }
        if depth != self.depth {
            self.head = None;
            self.depth = depth;
            self.begin(place);
        } else if self.is_attributed {
            self.begin(place);
        }
        self.is_attributed = false;
        let is_indented = line.starts_with([' ', '\t']);
        let titled = is_title(content);
        if is_header(content) {
            let head = self.head.get_or_insert_with(|| Head {
                place,
                ..Head::default()
            });
            head.lines += 1;
            head.has_address |= content.contains('@');
        } else if titled {
            self.head = Some(Head {
                place,
                is_titled: true,
                ..Head::default()
            });
        } else if let Some(head) = &mut self.head {
            if is_indented && head.lines > 0 {
                head.has_address |= content.contains('@');
            } else {
                self.end_head(place);
            }
        }
        let is_signature = content == "--";
        if (is_signature || is_rule(content)) && self.length.letters > 0 {
            self.candidates.push(Candidate {
                place,
                before: self.length,
                max: if is_signature {
                    MAX_SIGNATURE
                } else {
                    MAX_FOOTER
                },
                needs_link: !is_signature,
                has_link: false,
            });
        }
        if !self.candidates.is_empty() && has_link(content) {
            self.candidates.iter_mut().for_each(|c| c.has_link = true);
        }
        self.is_attributed = is_attribution(content);
        self.length.lines += 1;
        self.length.letters += content.chars().filter(|c| c.is_alphanumeric()).count();
        let length = self.length;
        self.candidates.retain(|candidate| {
            length.lines - candidate.before.lines <= candidate.max.lines
                && length.letters - candidate.before.letters <= candidate.max.letters
        });
    }

    /// Begins a message.
    fn begin(&mut self, place: usize) {
        self.close();
        self.places.push((place, Zone::Message));
        self.length = Extent::default();
    }

    /// Ends a message: the first line that can begin its closing does.
    fn close(&mut self) {
        let mut found = self
            .candidates
            .drain(..)
            .filter(|c| c.has_link || !c.needs_link);
        if let Some(candidate) = found.next() {
            self.places.push((candidate.place, Zone::Closing));
        }
    }

    /// Ends a head, which is a zone by itself if it is one.
    fn end_head(&mut self, place: usize) {
        let Some(head) = self.head.take() else {
            return;
        };
        let is_head = if head.is_titled {
            head.lines >= MIN_TITLED_LINES
        } else {
            head.lines >= MIN_HEADER_LINES && head.has_address
        };
        if is_head {
            // The closing before a head ends with it.
            self.candidates
                .retain(|candidate| candidate.place < head.place);
            self.begin(head.place);
            self.begin(place);
        }
    }
}

/// Returns the quote depth of a line and what is behind the quote marks, without spaces around it.
fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line.trim();
    while let Some(behind) = rest.strip_prefix('>') {
        depth += 1;
        rest = behind.trim_start();
    }
    (depth, rest)
}

/// Returns whether a line is the name of a header, a colon and a value.
fn is_header(line: &str) -> bool {
    let line = line.trim_start_matches('*');
    let Some(colon) = line.find([':', '：']) else {
        return false;
    };
    let name = line.get(..colon).unwrap_or_default().trim_end();
    let letters = name.chars().take(MAX_HEADER_NAME + 1).count();
    (2..=MAX_HEADER_NAME).contains(&letters)
        && name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphabetic() || c == '-')
        && !line
            .get(colon + 1..)
            .is_some_and(|rest| rest.starts_with("//"))
}

/// Returns whether a line is a title between hyphens, or one that begins a head as Apple's programs do:
/// short, and ending in a colon.
fn is_title(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("---") {
        let rest = rest.trim_start_matches('-');
        return rest.starts_with(' ') || rest.starts_with(char::is_alphabetic);
    }
    let Some(title) = line.strip_suffix(':') else {
        return false;
    };
    let words = title.split(' ').count();
    (2..=5).contains(&words) && title.chars().all(|c| c.is_alphabetic() || c == ' ')
}

/// Returns whether a line only divides.
fn is_rule(line: &str) -> bool {
    let all = |c: char, least: usize| line.len() >= least && line.chars().all(|other| other == c);
    all('_', MIN_UNDERSCORES)
        || all('-', MIN_HYPHENS)
        || (line.starts_with("----------") && is_title(line))
}

/// Returns whether a line says who wrote what follows: an address and a time before a colon.
fn is_attribution(line: &str) -> bool {
    (MIN_ATTRIBUTION..=MAX_ATTRIBUTION).contains(&line.len())
        && line.ends_with([':', '：'])
        && line.contains('@')
        && line.contains(|c: char| c.is_ascii_digit())
}

/// Returns whether a line contains an address on the Internet.
fn has_link(line: &str) -> bool {
    line.contains("://") || line.contains("www.") || line.contains('@')
}

#[cfg(test)]
mod tests {
    use super::super::fold;
    use super::*;
    use proptest::prelude::*;

    fn marks(text: &str) -> Vec<Mark> {
        let folded = fold(text);
        marks_within(text, folded.offsets(), &mut Bounds::none()).unwrap()
    }

    /// The zones of a text, each with its folded letters.
    fn zones(text: &str) -> Vec<(Zone, String)> {
        let folded = fold(text);
        let symbols = folded.symbols();
        let marks = marks(text);
        let first = Mark::new(0, Zone::Message);
        let ends = marks.iter().map(|mark| mark.at as usize);
        let ends = ends.chain([symbols.len()]);
        let zones = std::iter::once(&first).chain(&marks).zip(ends);
        let letters = |from: u32, to: usize| {
            let letters = symbols[from as usize..to].iter();
            letters.map(|&s| char::from_u32(s).unwrap()).collect()
        };
        zones
            .map(|(mark, end)| (mark.zone, letters(mark.at, end)))
            .collect()
    }

    /// The same, as `fold` sees the letters.
    fn expect(zones: &[(Zone, &str)]) -> Vec<(Zone, String)> {
        let letters = |text: &str| {
            let folded = fold(text);
            let symbols = folded.symbols().iter();
            symbols.map(|&s| char::from_u32(s).unwrap()).collect()
        };
        zones
            .iter()
            .map(|(zone, text)| (*zone, letters(text)))
            .collect()
    }

    #[test]
    fn plain_texts_have_no_marks() {
        for text in [
            "",
            "One line",
            "Two\nlines",
            "A list:\n- one\n- two\n--- three",
            "Name: value\nOther: value\n\nText",
            "| a | b |\n----------------------\n| 1 | 2 |\n| 3 | 4 |",
            "a\n\n_____\nno link below",
        ] {
            assert!(marks(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn quoted_messages_begin_where_the_depth_changes() {
        let text = "My answer.\n\nOn 5 May, Ann <ann@b.c> wrote:\n> Ann says\n>\n> more\n>> and \
            quotes\n> Bye\n\nPS: mine";
        let expected = [
            (Zone::Message, "My answer. On 5 May, Ann <ann@b.c> wrote:"),
            (Zone::Message, "Ann says more"),
            (Zone::Message, "and quotes"),
            (Zone::Message, "Bye"),
            (Zone::Message, "PS: mine"),
        ];
        assert_eq!(zones(text), expect(&expected));
    }

    #[test]
    fn forwarded_messages_begin_behind_their_heads() {
        let heads = [
            "Begin forwarded message:\n\nFrom: Ann <ann@b.c>\nSubject: Plans\nTo: Bo\n",
            "-----Original Message-----\nVon: Ann\nBetreff: Plans\n",
            "From: Ann <ann@b.c>\nSent: Monday\nTo: Bo; Cy;\n  Di\nSubject: Plans\n",
        ];
        for head in heads {
            let text = format!("See below.\n\n{head}\nThe plans.\n");
            let expected = [
                (Zone::Message, "See below."),
                (Zone::Message, head),
                (Zone::Message, "The plans."),
            ];
            assert_eq!(zones(&text), expect(&expected));
        }
        let text = "Yes.\nAm 5. Mai 2026 schrieb Ann <ann@b.c>:\n\nThe plans.\n";
        assert_eq!(zones(text)[1], expect(&[(Zone::Message, "The plans.")])[0]);
    }

    #[test]
    fn signatures_and_footers_close_their_messages() {
        let text = "The body.\n-- \nAnn, Head of Plans\n\n____________\nUsers list\n\
            https://lists.example.org\n";
        let closing = "Ann, Head of Plans Users list https://lists.example.org";
        let expected = [(Zone::Message, "The body."), (Zone::Closing, closing)];
        assert_eq!(zones(text), expect(&expected));
        let quoted = "Mine.\n> The body.\n> --\n> Ann\n\nMine again.";
        let expected = [
            (Zone::Message, "Mine."),
            (Zone::Message, "The body."),
            (Zone::Closing, "Ann"),
            (Zone::Message, "Mine again."),
        ];
        assert_eq!(zones(quoted), expect(&expected));
        let advert = "The body.\n\n------------------------ Sponsor ----------~-->\nBuy now\n\
            http://example.com/\n---------------------------~->\n";
        assert_eq!(zones(advert).len(), 2);
    }

    #[test]
    fn a_closing_is_short_and_has_a_message_above_it() {
        let long = "One more line of the text that goes on.\n".repeat(20);
        assert!(marks(&format!("The body.\n-- \n{long}")).is_empty());
        assert!(marks(&format!("The body.\n______\nhttp://a.example\n{long}")).is_empty());
        assert!(marks("-- \nThe body.\nMore of it.").is_empty());
    }

    #[test]
    fn a_text_of_marks_alone_is_bounded() {
        let text = "> a\nb\n".repeat(2 * MAX_MARKS);
        assert!(marks(&text).len() <= MAX_MARKS + 1);
    }

    proptest! {
        #[test]
        fn marks_ascend_inside_the_text(
            lines in prop::collection::vec(
                prop_oneof![
                    Just("> a".to_owned()), Just("--".to_owned()), Just("_______".to_owned()),
                    Just("From: a@b.c".to_owned()), Just(">> http://a.b".to_owned()),
                    Just("---- Original ----".to_owned()), Just(String::new()), "[a-z é\u{202e}ﷺ>:-]{0,20}",
                ],
                0..40,
            ),
        ) {
            let text = lines.join("\n");
            let folded = fold(&text).symbols().len() as u32;
            let marks = marks(&text);
            prop_assert!(marks.is_sorted_by(|a, b| a.at < b.at));
            prop_assert!(marks.last().is_none_or(|mark| mark.at < folded));
            let spans: Vec<_> = messages(&marks, folded).collect();
            prop_assert!(spans.iter().all(|(start, end)| start < end && *end <= folded));
            prop_assert!(spans.is_sorted_by(|a, b| a.1 <= b.0));
        }
    }
}
