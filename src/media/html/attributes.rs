//! The attributes of a tag, counted before the tokenizer sees them.
//!
//! html5ever compares each attribute of a tag with those before it, so that a tag of a megabyte
//! takes ten seconds. A tag gets no more than [`MAX_ATTRIBUTES`]; what follows them is skipped up
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
    /// After the `>` that ends the tag.
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

    /// The length in bytes of the tag that `text` starts with, if it ends in `text` and does not
    /// have too many attributes.
    fn whole(text: &[u8]) -> Option<usize> {
        let name = 1 + usize::from(text.get(1) == Some(&b'/'));
        let rest = text.get(name..)?;
        if !rest.first()?.is_ascii_alphabetic() {
            return None;
        }
        let mut scan = Self {
            place: Place::TagName,
            attributes: 0,
        };
        let mut at = 0;
        while let Some(&byte) = rest.get(at) {
            if let Place::Quoted(quote) = scan.place {
                at += memchr::memchr(quote, rest.get(at..)?)?;
                scan.place = Place::AfterQuoted;
            } else {
                scan.attributes += u32::from(scan.starts_attribute(byte));
                if scan.step(byte) {
                    return (scan.attributes <= MAX_ATTRIBUTES).then_some(name + at + 1);
                }
            }
            at += 1;
        }
        None
    }

    /// Continues the scan with a piece, the first one without the `<` and the `/` of an end tag.
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

    /// Skips surplus attributes; returns the offset at which the tokenizer continues.
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

/// The number of bytes at the start of `text` that are text and whole tags, none of which has too
/// many attributes: the last byte is the `>` of a tag, after which nothing is open.
///
/// The text starts where markup is read as such, and the bytes end at the first tag after which it is not.
pub(super) fn whole_tags(text: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let Some(start) = memchr::memchr(b'<', rest) else {
            return end;
        };
        let tag = rest.get(start..).unwrap_or_default();
        let Some(len) = TagScan::whole(tag) else {
            return end;
        };
        end += start + len;
        if has_other_content(tag.get(1..len).unwrap_or_default()) {
            return end;
        }
    }
}

/// Whether the content of an element may be something other than markup, by its start tag after the `<`.
fn has_other_content(tag: &[u8]) -> bool {
    const NAMES: [&[u8]; 10] = [
        b"script",
        b"style",
        b"noscript",
        b"iframe",
        b"noembed",
        b"noframes",
        b"xmp",
        b"title",
        b"textarea",
        b"plaintext",
    ];
    let likely = tag.first().map(u8::to_ascii_lowercase);
    if !likely.is_some_and(|first| b"snixtp".contains(&first)) {
        return false;
    }
    let ends = |&byte: &u8| is_space(byte) || matches!(byte, b'/' | b'>');
    let len = tag.iter().position(ends).unwrap_or(tag.len());
    let name = tag.get(..len).unwrap_or_default();
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// White space in a tag; line ends have been normalised.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0C' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_tags_end_where_something_stays_open() {
        for (text, len) in [
            ("", 0),
            ("text", 0),
            ("a<b>c</b>d", 9),
            ("a<b c='>'>d<e f=\">", 10),
            ("a<b>c<", 4),
            ("a<b>c</", 4),
            ("a<b>c<!-- d -->e<f>", 4),
            ("a<b>c< d>", 4),
            ("a<Script>b<c>", 9),
            ("a<plaintext/>b<c>", 13),
            ("a</script>b<c>d", 14),
            ("a<scripts>b<c>d", 14),
            ("<p a=/b>c<i d=>e", 15),
        ] {
            assert_eq!(whole_tags(text.as_bytes()), len, "{text}");
        }
        let attributes = |count: usize| format!("<i><p{}>", " a".repeat(count));
        let most = attributes(MAX_ATTRIBUTES as usize);
        assert_eq!(whole_tags(most.as_bytes()), most.len());
        let more = attributes(MAX_ATTRIBUTES as usize + 1);
        assert_eq!(whole_tags(more.as_bytes()), 3);
    }

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
