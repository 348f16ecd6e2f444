//! Rich Text Format (version 1.9.1) to the text that a reader sees.
//!
//! One pass over the bytes. Groups are counted, not nested calls, so that the
//! stack stays flat. Destinations that no reader sees (fonts, styles, fields'
//! instructions, embedded objects) are passed over; headers, footers, notes,
//! comments and former versions of changed paragraphs stand behind the text.
//! Bytes beyond ASCII count in the code page of their font.

use std::collections::HashMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::flow::{Flow, Gap};
use super::guard::guard;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) text: String,
    /// The bytes of each embedded picture.
    pub(super) pictures: Vec<Vec<u8>>,
    /// Why the end is missing.
    pub(super) problem: Option<Error>,
}

/// Reads a file.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if there is not even a header;
/// [`Limit`](crate::ErrorKind::Limit) once the time is over or the text is too long.
pub(super) fn read(bytes: &[u8], budget: &mut Budget) -> Result<Document> {
    budget.charge_decoded(bytes.len() as u64)?;
    guard("the rtf reader", || {
        let mut reader = Reader::new(bytes);
        reader.run(budget)?;
        let document = reader.finish();
        budget.check_text(document.text.chars().count() as u64)?;
        Ok(document)
    })
}

/// Groups inside one another whose properties are kept; beyond, they share those
/// of the last one.
const MAX_GROUPS: usize = 4096;

/// Where text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Destination {
    #[default]
    Body,
    /// A header, note or comment: behind the text.
    Aside,
    /// Not read.
    Nowhere,
    FontTable,
    Picture,
}

/// What a group inherits and gives back.
#[derive(Clone, Copy, Debug)]
struct Group {
    destination: Destination,
    font: i32,
    encoding: &'static Encoding,
    /// How many characters stand for a Unicode escape in old readers.
    fallback: u32,
    deleted: bool,
    inserted: bool,
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
    group: Group,
    groups: Vec<Group>,
    /// Open groups beyond those kept.
    deeper: u64,
    /// `\*` was read: an unknown destination follows.
    optional: bool,
    /// Bytes of text in the current encoding, not decoded yet.
    pending: Vec<u8>,
    /// Characters to pass over after a Unicode escape.
    passed: u32,
    high_surrogate: Option<u16>,
    code_page: &'static Encoding,
    fonts: HashMap<i32, &'static Encoding>,
    in_table: bool,
    flow: Flow,
    asides: Flow,
    former: String,
    changed: bool,
    picture: Vec<u8>,
    pictures: Vec<Vec<u8>>,
    closed: bool,
}

impl<'r> Reader<'r> {
    fn new(bytes: &'r [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            group: Group {
                destination: Destination::Body,
                font: 0,
                encoding: WINDOWS_1252,
                fallback: 1,
                deleted: false,
                inserted: false,
            },
            groups: Vec::new(),
            deeper: 0,
            optional: false,
            pending: Vec::new(),
            passed: 0,
            high_surrogate: None,
            code_page: WINDOWS_1252,
            fonts: HashMap::new(),
            in_table: false,
            flow: Flow::default(),
            asides: Flow::default(),
            former: String::new(),
            changed: false,
            picture: Vec::new(),
            pictures: Vec::new(),
            closed: false,
        }
    }

    fn run(&mut self, budget: &Budget) -> Result<()> {
        let mut steps = 0_u32;
        while let Some(&byte) = self.bytes.get(self.at) {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(1 << 16) {
                budget.check_time()?;
            }
            self.at += 1;
            match byte {
                b'{' => self.open(),
                b'}' => {
                    if self.close() {
                        self.closed = true;
                        return Ok(());
                    }
                }
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Document {
        self.flush();
        self.paragraph();
        let mut flow = self.flow;
        flow.gap(Gap::Line);
        flow.push(&self.asides.into_text());
        let problem = (!self.closed).then(|| Error::malformed("rtf: cut before its end"));
        Document {
            text: flow.into_text(),
            pictures: self.pictures,
            problem,
        }
    }

    fn open(&mut self) {
        self.flush();
        self.passed = 0;
        self.optional = false;
        if self.groups.len() < MAX_GROUPS {
            self.groups.push(self.group);
        } else {
            self.deeper += 1;
        }
    }

    /// Ends a group; whether it was the outermost.
    fn close(&mut self) -> bool {
        self.flush();
        self.passed = 0;
        self.optional = false;
        if self.deeper > 0 {
            self.deeper -= 1;
            return false;
        }
        let Some(outer) = self.groups.pop() else {
            return true;
        };
        let inner = std::mem::replace(&mut self.group, outer);
        if inner.destination != outer.destination {
            match inner.destination {
                Destination::Aside => self.asides.gap(Gap::Line),
                Destination::Picture => {
                    let picture = std::mem::take(&mut self.picture);
                    if !picture.is_empty() {
                        self.pictures.push(unhex(&picture));
                    }
                }
                _ => {}
            }
        }
        self.groups.is_empty()
    }

    /// A byte of text as it stands in the file.
    fn byte(&mut self, byte: u8) {
        match self.group.destination {
            Destination::Body | Destination::Aside => {
                if self.passed > 0 {
                    self.passed -= 1;
                } else {
                    self.pending.push(byte);
                }
            }
            Destination::Picture if byte.is_ascii_hexdigit() => self.picture.push(byte),
            _ => {}
        }
    }

    /// What follows a backslash.
    fn control(&mut self) {
        let Some(&symbol) = self.bytes.get(self.at) else {
            return;
        };
        if !symbol.is_ascii_alphabetic() {
            self.at += 1;
            return self.symbol(symbol);
        }
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, mut rest) = rest.split_at(len);
        let negative = rest.first() == Some(&b'-');
        let digits_at = usize::from(negative);
        let digits = rest[digits_at..].iter().take(10);
        let digits = digits.take_while(|b| b.is_ascii_digit()).count();
        let mut number = None;
        if digits > 0 {
            let value = rest[digits_at..digits_at + digits]
                .iter()
                .fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
            let value = if negative { -value } else { value };
            number = Some(value.clamp(i32::MIN.into(), i32::MAX.into()) as i32);
            rest = &rest[digits_at + digits..];
        }
        if rest.first() == Some(&b' ') {
            rest = &rest[1..];
        }
        self.at = self.bytes.len() - rest.len();
        self.word(word, number);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let hex = self.bytes.get(self.at..self.at + 2);
                if let Some(&[byte]) = hex.map(unhex).as_deref() {
                    self.at += 2;
                    if self.group.destination != Destination::Picture {
                        self.byte(byte);
                    }
                }
            }
            b'*' => self.optional = true,
            b'~' => self.character('\u{a0}'),
            b'_' => self.character('\u{2011}'),
            b'\\' | b'{' | b'}' => self.byte(symbol),
            b'\r' | b'\n' => self.end_paragraph(),
            // Optional hyphens and index entries leave no trace.
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i32>) {
        let optional = std::mem::take(&mut self.optional);
        let on = number != Some(0);
        match word {
            b"u" => return self.unicode(number.unwrap_or(0)),
            b"bin" => {
                let len = usize::try_from(number.unwrap_or(0)).unwrap_or(0);
                self.at = self.at.saturating_add(len).min(self.bytes.len());
                return;
            }
            _ => self.flush(),
        }
        self.passed = 0;
        match word {
            b"par" | b"sect" | b"page" | b"column" => self.end_paragraph(),
            b"line" | b"lbr" => self.gap(Gap::Line),
            b"tab" => self.gap(Gap::Cell),
            b"cell" | b"nestcell" => self.gap(Gap::Cell),
            b"row" | b"nestrow" => {
                self.in_table = false;
                self.end_paragraph();
            }
            b"intbl" => self.in_table = true,
            b"pard" => self.in_table = false,
            b"plain" => (self.group.deleted, self.group.inserted) = (false, false),
            b"deleted" => self.group.deleted = on,
            b"revised" => self.group.inserted = on,
            b"emdash" => self.character('\u{2014}'),
            b"endash" => self.character('\u{2013}'),
            b"emspace" | b"enspace" | b"qmspace" => self.character(' '),
            b"bullet" => self.character('\u{2022}'),
            b"lquote" => self.character('\u{2018}'),
            b"rquote" => self.character('\u{2019}'),
            b"ldblquote" => self.character('\u{201c}'),
            b"rdblquote" => self.character('\u{201d}'),
            b"uc" => self.group.fallback = number.unwrap_or(1).clamp(0, 16) as u32,
            b"ansicpg" => self.set_code_page(code_page(number.unwrap_or(0))),
            b"mac" => self.set_code_page(Some(encoding_rs::MACINTOSH)),
            b"f" => self.font(number.unwrap_or(0)),
            b"fcharset" if self.group.destination == Destination::FontTable => {
                if let Some(encoding) = charset(number.unwrap_or(0)) {
                    self.fonts.insert(self.group.font, encoding);
                }
            }
            b"cpg" if self.group.destination == Destination::FontTable => {
                if let Some(encoding) = code_page(number.unwrap_or(0)) {
                    self.fonts.insert(self.group.font, encoding);
                }
            }
            _ => self.destination(word, optional),
        }
    }

    fn destination(&mut self, word: &[u8], optional: bool) {
        if self.group.destination == Destination::Nowhere {
            return;
        }
        self.group.destination = match word {
            b"fonttbl" => Destination::FontTable,
            b"pict" => Destination::Picture,
            b"header" | b"headerl" | b"headerr" | b"headerf" | b"footer" | b"footerl"
            | b"footerr" | b"footerf" | b"footnote" | b"annotation" | b"shptxt" => {
                self.asides.gap(Gap::Line);
                Destination::Aside
            }
            // Boxes: what is read inside is their text. A picture for new readers.
            b"shpinst" | b"shppict" | b"ud" => return,
            b"colortbl" | b"stylesheet" | b"info" | b"fldinst" | b"objdata" | b"sn" | b"sv"
            | b"nonshppict" | b"listtext" | b"pntext" | b"filetbl" | b"revtbl" | b"xe" | b"tc"
            | b"bkmkstart" | b"bkmkend" | b"atnid" | b"atnauthor" | b"private"
            | b"nonesttables" | b"template" => Destination::Nowhere,
            _ if optional => Destination::Nowhere,
            _ => return,
        };
    }

    fn set_code_page(&mut self, encoding: Option<&'static Encoding>) {
        if let Some(encoding) = encoding {
            self.code_page = encoding;
            self.group.encoding = encoding;
        }
    }

    fn font(&mut self, font: i32) {
        self.group.font = font;
        if self.group.destination != Destination::FontTable {
            self.group.encoding = self.fonts.get(&font).copied().unwrap_or(self.code_page);
        }
    }

    fn unicode(&mut self, number: i32) {
        self.flush();
        self.passed = self.group.fallback;
        // A signed 16-bit number by the book; larger ones are met.
        let unit = number as u16;
        match (self.high_surrogate.take(), unit) {
            (_, 0xD800..=0xDBFF) => self.high_surrogate = Some(unit),
            (Some(high), 0xDC00..=0xDFFF) => {
                let c = char::decode_utf16([high, unit]).next();
                self.character(
                    c.and_then(Result::ok)
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                );
            }
            // Characters of symbol fonts lie in the private area.
            (_, 0xE000..=0xF8FF) => {}
            (_, unit) => self.character(char::from_u32(unit.into()).unwrap_or(' ')),
        }
    }

    fn character(&mut self, c: char) {
        self.flush();
        self.write(c.encode_utf8(&mut [0; 4]));
    }

    /// Decodes the bytes that wait.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let (text, _) = self.group.encoding.decode_without_bom_handling(&pending);
        self.write(&text);
        drop(text);
        self.pending = pending;
        self.pending.clear();
    }

    fn write(&mut self, text: &str) {
        match self.group.destination {
            Destination::Body => {
                let Group {
                    deleted, inserted, ..
                } = self.group;
                if !deleted {
                    self.flow.push(text);
                }
                if !inserted {
                    self.former.push_str(text);
                }
                self.changed |= deleted || inserted;
            }
            Destination::Aside => self.asides.push(text),
            _ => {}
        }
    }

    fn gap(&mut self, gap: Gap) {
        match self.group.destination {
            Destination::Body => {
                self.flow.gap(gap);
                self.former.push(' ');
            }
            Destination::Aside => self.asides.gap(gap),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        self.flush();
        // The cells of a row stay on one line.
        self.gap(if self.in_table { Gap::Space } else { Gap::Line });
        if self.group.destination == Destination::Body {
            self.paragraph();
        }
    }

    fn paragraph(&mut self) {
        let former = std::mem::take(&mut self.former);
        if std::mem::take(&mut self.changed) && !former.trim().is_empty() {
            self.asides.gap(Gap::Line);
            self.asides.push(former.trim());
            self.asides.gap(Gap::Line);
        }
    }
}

/// Pairs of hexadecimal digits; an odd one at the end is dropped.
fn unhex(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, _) = digits.as_chunks::<2>();
    pairs
        .iter()
        .filter_map(|&[high, low]| Some((value(high)? << 4 | value(low)?) as u8))
        .collect()
}

/// The encoding of a Windows code page.
fn code_page(number: i32) -> Option<&'static Encoding> {
    let label = match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        866 => "ibm866".to_owned(),
        874 => "windows-874".to_owned(),
        10_000 => "macintosh".to_owned(),
        65_001 => "utf-8".to_owned(),
        1250..=1258 => format!("windows-{number}"),
        _ => return None,
    };
    Encoding::for_label(label.as_bytes())
}

/// The encoding of the character set of a font.
fn charset(number: i32) -> Option<&'static Encoding> {
    code_page(match number {
        0 => 1252,
        77 => 10_000,
        128 => 932,
        129 => 949,
        134 => 936,
        136 => 950,
        161 => 1253,
        162 => 1254,
        163 => 1258,
        177 => 1255,
        178 => 1256,
        186 => 1257,
        204 => 1251,
        222 => 874,
        238 => 1250,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use proptest::prelude::*;

    fn document(rtf: &[u8]) -> Document {
        read(rtf, &mut Budget::new(&Limits::default())).unwrap()
    }

    fn text(body: &str) -> String {
        let document = document(format!("{{\\rtf1\\ansi\\ansicpg1252 {body}}}").as_bytes());
        assert!(document.problem.is_none());
        document.text
    }

    #[test]
    fn words_escapes_and_code_pages() {
        for (rtf, expected) in [
            (
                "con{\\b fi}den\\-tial\\par next\\line one",
                "confidential\nnext\none",
            ),
            (
                "gr\\'fc\\'dfe \\u8364?5 \\u-10179?\\u-8704?",
                "gr\u{fc}\u{df}e \u{20ac}5 \u{1f600}",
            ),
            (
                "{\\fonttbl{\\f1\\fcharset204 Arial;}}\\f1 \\'cf\\'f0\\f0 \\'e4",
                "\u{41f}\u{440}\u{e4}",
            ),
            (
                "{\\fonttbl{\\f2\\fcharset128 MS;}}{\\f2\\'82\\'a0}x",
                "\u{3042}x",
            ),
            (
                "{\\uc2\\u8364 ab c}\\u8364?d",
                "\u{20ac} c\u{20ac}d"
                    .replace(' ', "")
                    .replace('c', " c")
                    .as_str(),
            ),
            ("a\\{b\\}\\\\c\\~d\\emdash e", "a{b}\\c\u{a0}d\u{2014}e"),
            ("a\r\nb\\\nc", "ab\nc"),
        ] {
            assert_eq!(text(rtf), expected, "{rtf}");
        }
    }

    #[test]
    fn what_no_reader_sees_is_not_read() {
        assert_eq!(
            text(
                "{\\stylesheet{\\s1 heading;}}{\\info{\\author me}}{\\*\\generator x;}{\\colortbl;\\red0;}\
                  a{\\field{\\*\\fldinst HYPERLINK x}{\\fldrslt link}}{\\object{\\*\\objdata 0102}{\\result r}}\\bin3 }}}b"
            ),
            "alinkrb"
        );
    }

    #[test]
    fn tables_notes_and_changes() {
        assert_eq!(
            text(
                "\\trowd\\pard\\intbl a\\par b\\cell c\\cell\\row\\pard after{\\footnote note}\\par \
                  the {\\deleted old}{\\revised new} plan\\par{\\header head\\par}"
            ),
            "a b\tc\nafter\nthe new plan\nnote\nthe old plan\nhead"
        );
    }

    #[test]
    fn pictures_are_decoded() {
        let document = document(b"{\\rtf1 x{\\*\\shppict{\\pict{\\*\\picprop}\\pngblip\\picw1\n89504e\n47}}{\\nonshppict{\\pict 00}}y}");
        assert_eq!(document.text, "xy");
        assert_eq!(document.pictures, [[0x89, b'P', b'N', b'G']]);
    }

    #[test]
    fn depth_and_cuts_cost_nothing() {
        let deep = format!(
            "{{\\rtf1 {}deep{}}}",
            "{\\b ".repeat(100_000),
            "}".repeat(100_000)
        );
        assert_eq!(document(deep.as_bytes()).text, "deep");
        let cut = document(b"{\\rtf1 some words");
        assert_eq!(cut.text, "some words");
        assert!(cut.problem.is_some());
    }

    proptest! {
        #[test]
        fn any_soup_is_read(body in "(\\\\(u-?[0-9]{0,5}|'[0-9a-g]{0,2}|bin[0-9]|[*~{}-]|pict|par|f[0-9])|[{} a-z\u{e4}]){0,60}") {
            document(format!("{{\\rtf1{body}").as_bytes());
        }
    }
}
