//! The XML of office documents, one piece at a time.
//!
//! A document type is skipped: no entity is declared, expanded or fetched.
//! Only the five entities of XML itself and character references mean something.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::error::{Error, Result};
use crate::limits::Budget;

/// Events between two checks of the deadline.
const STRIDE: u32 = 4096;

/// Nested elements. Documents nest a few dozen; the library keeps each that is open.
const MAX_DEPTH: u32 = 256 << 10;

/// Attributes of one tag that are read. Documents have a few dozen.
const MAX_ATTRIBUTES: usize = 1024;

/// A document that is being read.
pub(super) struct Xml<'x> {
    reader: Reader<&'x [u8]>,
    events: u32,
    depth: u32,
}

/// One piece. Names are local: the prefix before the colon is dropped, since
/// writers choose it freely.
pub(super) enum Piece<'x> {
    Start(Tag<'x>),
    /// Comes for empty elements as well.
    End(Name<'x>),
    Text(Cow<'x, str>),
}

/// A start tag.
pub(super) struct Tag<'x>(BytesStart<'x>);

/// The name in an end tag.
pub(super) struct Name<'x>(quick_xml::events::BytesEnd<'x>);

impl Name<'_> {
    pub(super) fn as_str(&self) -> &str {
        self.0.local_name().into_inner()
    }
}

impl Tag<'_> {
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// The value of the attribute of this local name.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let attribute = self
            .0
            .attributes()
            .with_checks(false)
            .take(MAX_ATTRIBUTES)
            .flatten()
            .find(|attribute| attribute.key.local_name().into_inner() == name)?;
        // A reference to an entity of a document type leaves the value unchanged.
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        Some(value.unwrap_or(attribute.value))
    }

    /// The value of the attribute of this name, prefix included.
    pub(super) fn qualified(&self, name: &str) -> Option<Cow<'_, str>> {
        let attribute = self
            .0
            .attributes()
            .with_checks(false)
            .take(MAX_ATTRIBUTES)
            .map_while(Result::ok)
            .find(|attribute| attribute.key.as_ref() == name)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
        Some(value.unwrap_or(attribute.value))
    }
}

/// The characters of an XML document.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if they are in neither UTF-8 nor UTF-16.
pub(super) fn decode<'x>(bytes: &'x [u8], budget: &mut Budget) -> Result<Cow<'x, str>> {
    use crate::media::text::{self, Mark};
    match text::byte_order_mark(bytes) {
        Some((mark @ (Mark::Utf16Le | Mark::Utf16Be), rest)) => {
            budget.charge_decoded(rest.len() as u64 / 2 * 3)?;
            Ok(text::decode_utf16_within(mark, rest, budget)?.into())
        }
        mark => {
            let rest = mark.map_or(bytes, |(_, rest)| rest);
            match std::str::from_utf8(rest) {
                Ok(text) => Ok(text.into()),
                Err(e) => Err(Error::malformed(format!("XML that is not UTF-8: {e}"))),
            }
        }
    }
}

impl<'x> Xml<'x> {
    pub(super) fn new(text: &'x str) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        config.check_end_names = false;
        Self {
            reader,
            events: 0,
            depth: 0,
        }
    }

    /// The next piece, `None` at the end.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed), also for elements that are nested too deeply, and
    /// [`Limit`](crate::ErrorKind::Limit) once the time is over.
    pub(super) fn next(&mut self, budget: &Budget) -> Result<Option<Piece<'x>>> {
        loop {
            self.events = self.events.wrapping_add(1);
            if self.events.is_multiple_of(STRIDE) {
                budget.check_time()?;
            }
            let event = self.reader.read_event();
            let event = event.map_err(|e| {
                let at = self.reader.error_position();
                Error::malformed(format!("XML at byte {at}: {e}"))
            })?;
            return Ok(Some(match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        let message =
                            format!("XML of more than {MAX_DEPTH} elements in one another");
                        return Err(Error::malformed(message));
                    }
                    Piece::Start(Tag(tag))
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::End(Name(tag))
                }
                Event::Text(text) => Piece::Text(text.into_inner()),
                Event::CData(text) => Piece::Text(text.into_inner()),
                Event::GeneralRef(reference) => match entity(&reference) {
                    Some(c) => Piece::Text(String::from(c).into()),
                    None => continue,
                },
                Event::Eof => return Ok(None),
                _ => continue,
            }));
        }
    }
}

fn entity(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c);
    }
    Some(match &*reference.clone().into_inner() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn text(xml: &str) -> String {
        let budget = Budget::new(&Limits::default());
        let mut reader = Xml::new(xml);
        let mut out = String::new();
        while let Some(piece) = reader.next(&budget).unwrap() {
            match piece {
                Piece::Start(tag) => {
                    out.push('<');
                    out.push_str(tag.name());
                    if let Some(value) = tag.attribute("id") {
                        out.push_str(&value);
                    }
                    out.push('>');
                }
                Piece::End(_) => out.push('/'),
                Piece::Text(text) => out.push_str(&text),
            }
        }
        out
    }

    #[test]
    fn names_are_local_and_references_are_characters() {
        assert_eq!(
            text("<w:p r:id='a&amp;b'>x &lt;&#x41;&apos;<w:br/><![CDATA[<y>]]></w:p>"),
            "<p>a&b".replace('>', "") + ">x <A'<br>/<y>/"
        );
    }

    #[test]
    fn no_entity_is_declared_expanded_or_fetched() {
        let xml = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'><!ENTITY y 'yy'>]>\
                   <a id='&x;'>1&x;2&y;3</a>";
        assert_eq!(text(xml), "<a&x;>123/");
    }

    #[test]
    fn depth_and_attributes_are_bounded() {
        let budget = Budget::new(&Limits::default());
        let deep = "<a>".repeat(270_000);
        let mut reader = Xml::new(&deep);
        let error = loop {
            match reader.next(&budget) {
                Ok(piece) => assert!(piece.is_some()),
                Err(error) => break error,
            }
        };
        assert!(error.message().contains("262144"), "{error}");
        assert_eq!(text(&"<a></a>".repeat(20_000)).len(), 4 * 20_000);
        for (before, value) in [(1000, Some("1")), (2000, None)] {
            let wide = format!("<a {} id='1'/>", "b='' ".repeat(before));
            let mut reader = Xml::new(&wide);
            let Some(Piece::Start(tag)) = reader.next(&budget).unwrap() else {
                panic!("no tag");
            };
            assert_eq!(tag.attribute("id").as_deref(), value);
            assert_eq!(tag.qualified("id").as_deref(), value);
        }
    }

    #[test]
    fn utf16_is_read_and_other_bytes_are_refused() {
        let mut budget = Budget::new(&Limits::default());
        let utf16: Vec<u8> = "\u{feff}<a>\u{e4}</a>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(decode(&utf16, &mut budget).unwrap(), "<a>\u{e4}</a>");
        assert!(decode(b"\x80\xFF\x01", &mut budget).is_err());
    }
}
