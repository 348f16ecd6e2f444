//! Appends text, from bytes in their code pages and from escapes, to its destination.

use super::{Destination, Group, Reader};
use crate::media::flow::Gap;

impl Reader<'_> {
    pub(super) fn unicode(&mut self, number: i32) {
        self.flush();
        self.to_skip = self.group.fallback;
        // A signed 16-bit number by the standard; larger ones occur.
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
            // Characters of symbol fonts are in the private use area.
            (_, 0xE000..=0xF8FF) => {}
            (_, unit) => self.character(char::from_u32(unit.into()).unwrap_or(' ')),
        }
    }

    pub(super) fn character(&mut self, c: char) {
        self.flush();
        self.write(c.encode_utf8(&mut [0; 4]));
    }

    /// Decodes the pending bytes.
    pub(super) fn flush(&mut self) {
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
        if matches!(
            self.group.destination,
            Destination::Body | Destination::Aside
        ) {
            self.uncharged.bytes += text.len() as u64;
            self.uncharged.chars += text.chars().count() as u64;
        }
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

    pub(super) fn gap(&mut self, gap: Gap) {
        match self.group.destination {
            Destination::Body => {
                self.flow.gap(gap);
                self.former.push(' ');
            }
            Destination::Aside => self.asides.gap(gap),
            _ => {}
        }
    }

    pub(super) fn end_paragraph(&mut self) {
        self.flush();
        // The cells of a row stay on one line.
        self.gap(if self.in_table { Gap::Space } else { Gap::Line });
        if self.group.destination == Destination::Body {
            self.paragraph();
        }
    }

    pub(super) fn paragraph(&mut self) {
        let former = std::mem::take(&mut self.former);
        if std::mem::take(&mut self.changed) && !former.trim().is_empty() {
            self.asides.gap(Gap::Line);
            self.asides.push(former.trim());
            self.asides.gap(Gap::Line);
        }
    }
}
