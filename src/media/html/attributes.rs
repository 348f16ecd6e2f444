//! The attributes of a tag, counted before the tokenizer sees them.
//!
//! html5ever compares each attribute of a tag with those before it, so that a tag of a megabyte
//! costs it ten seconds. A tag gets no more than [`MAX_ATTRIBUTES`]; what follows them is skipped up
//! to the end of the tag, which changes nothing that is shown.

/// Attributes of one tag that are read. Pages have a few dozen.
pub(super) const MAX_ATTRIBUTES: u32 = 1024;

/// Where in a tag the next character is: the states of the HTML standard from "tag name" on.
#[derive(Clone, Copy, Debug)]
enum Place {
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Quoted(u8),
    Unquoted,
    AfterQuoted,
    SelfClosing,
}

/// A tag that is read.
#[derive(Debug)]
pub(super) struct TagScan {
    place: Place,
    attributes: u32,
}

/// Where a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// At the end of the piece, inside the tag.
    Inside,
    /// Behind the `>` that ends the tag.
    Ended,
    /// Before the first attribute that is one too many, at this offset.
    TooMany(usize),
}

impl TagScan {
    /// The scan of a tag, if a piece starts with one.
    pub(super) fn of(piece: &str) -> Option<Self> {
        let name = piece.strip_prefix('<')?;
        let name = name.strip_prefix('/').unwrap_or(name);
        let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_tag.then_some(Self {
            place: Place::TagName,
            attributes: 0,
        })
    }

    /// Goes on through a piece, the first one without the `<` and the `/` of an end tag.
    pub(super) fn scan(&mut self, piece: &[u8]) -> Scanned {
        for (at, &byte) in piece.iter().enumerate() {
            if self.starts_attribute(byte) {
                if self.attributes == MAX_ATTRIBUTES {
                    return Scanned::TooMany(at);
                }
                self.attributes += 1;
            }
            if self.step(byte) {
                return Scanned::Ended;
            }
        }
        Scanned::Inside
    }

    /// Skips attributes that are too many; the offset from which on the tokenizer goes on.
    pub(super) fn skip(&mut self, piece: &[u8]) -> Option<usize> {
        for (at, &byte) in piece.iter().enumerate() {
            let is_closing = matches!(self.place, Place::SelfClosing);
            if self.step(byte) {
                return Some(if is_closing && at > 0 { at - 1 } else { at });
            }
        }
        None
    }

    fn starts_attribute(&self, byte: u8) -> bool {
        match self.place {
            Place::BeforeName | Place::AfterQuoted | Place::SelfClosing => {
                !is_space(byte) && !matches!(byte, b'/' | b'>')
            }
            Place::AfterName => !is_space(byte) && !matches!(byte, b'/' | b'>' | b'='),
            _ => false,
        }
    }

    /// One character; whether it ends the tag.
    fn step(&mut self, byte: u8) -> bool {
        let quoted = matches!(self.place, Place::Quoted(_));
        if byte == b'>' && !quoted {
            return true;
        }
        let space = is_space(byte);
        self.place = match self.place {
            Place::TagName if space => Place::BeforeName,
            Place::TagName if byte == b'/' => Place::SelfClosing,
            Place::Name if space => Place::AfterName,
            Place::Name | Place::AfterName if byte == b'=' => Place::BeforeValue,
            Place::BeforeValue if space => Place::BeforeValue,
            Place::BeforeValue if matches!(byte, b'"' | b'\'') => Place::Quoted(byte),
            Place::BeforeValue => Place::Unquoted,
            Place::Quoted(quote) if byte == quote => Place::AfterQuoted,
            Place::Unquoted if space => Place::BeforeName,
            Place::AfterName if space => Place::AfterName,
            place @ (Place::TagName | Place::Quoted(_) | Place::Unquoted) => place,
            // Between attributes.
            _ if byte == b'/' => Place::SelfClosing,
            Place::BeforeName | Place::AfterQuoted | Place::SelfClosing if space => {
                Place::BeforeName
            }
            _ => Place::Name,
        };
        false
    }
}

/// White space in a tag; line ends of all kinds are made one before.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0C' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_as_the_standard_reads_them() {
        for (tag, attributes) in [
            ("p>", 0),
            ("p a b=c d='e f' g=\"h>i\" j>", 5),
            ("p a=b/c>", 1),
            ("br/>", 0),
            ("br a/b/c>", 3),
            ("p a = 'x'b=\"y\"c=z d>", 4),
            ("p =a=b>", 1),
            ("p a=>", 1),
            ("p\ta\nb\rc>", 3),
            ("a<b c>", 1),
        ] {
            let mut scan = TagScan::of(&format!("<{tag}")).unwrap();
            assert_eq!(scan.scan(tag.as_bytes()), Scanned::Ended, "{tag}");
            assert_eq!(scan.attributes, attributes, "{tag}");
        }
        for no_tag in ["<!-- a b -->", "<?a b>", "< a b>", "a b", "</ a>", "<"] {
            assert!(TagScan::of(no_tag).is_none(), "{no_tag}");
        }
        assert!(TagScan::of("</p").is_some());
    }
}
