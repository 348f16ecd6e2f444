//! Control words and symbols: what follows a backslash.

use encoding_rs::Encoding;

use super::charset::{charset, code_page};
use super::{Destination, MAX_FONTS, Reader, unhex};
use crate::media::flow::Gap;

impl Reader<'_> {
    /// Reads a control word or symbol, after its backslash.
    pub(super) fn control(&mut self) {
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
        self.to_skip = 0;
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
                self.set_font(charset(number.unwrap_or(0)));
            }
            b"cpg" if self.group.destination == Destination::FontTable => {
                self.set_font(code_page(number.unwrap_or(0)));
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

    fn set_font(&mut self, encoding: Option<&'static Encoding>) {
        if let Some(encoding) = encoding
            && self.fonts.len() < MAX_FONTS
        {
            self.fonts.insert(self.group.font, encoding);
        }
    }

    fn font(&mut self, font: i32) {
        self.group.font = font;
        if self.group.destination != Destination::FontTable {
            self.group.encoding = self.fonts.get(&font).copied().unwrap_or(self.code_page);
        }
    }
}
