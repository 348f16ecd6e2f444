//! The header fields that describe the body.

use mail_parser::{MessageParser, MimeHeaders};

/// The header fields that describe the body of an entity.
#[derive(Debug, Default)]
pub(in crate::media) struct Header {
    /// Lower case, such as `text/plain`; empty if absent.
    pub(in crate::media) content_type: String,
    pub(in crate::media) charset: Option<String>,
    /// The file name.
    pub(in crate::media) name: Option<String>,
    pub(super) boundary: Option<String>,
    pub(super) is_attachment: bool,
    pub(super) encoding: Encoding,
    /// Whether a field was too long to be read whole.
    pub(super) is_cut: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

/// The fields that are read, in lower case.
const READ: [&[u8]; 4] = [
    b"content-type",
    b"content-disposition",
    b"content-transfer-encoding",
    b"subject",
];

/// The longest field that is read whole. The library searches the rest of a field for the end of
/// each encoded word, and all parameters for each of their continuations.
const MAX_FIELD: usize = 16 << 10;

/// The fields of a header block that are read (of several with one name, the last), and whether one
/// of them was cut. So the library's cost depends on these and not on the block.
fn read_alone(block: &[u8]) -> (Vec<u8>, bool) {
    let mut kept: [Option<&[u8]>; 4] = [None; 4];
    let mut rest = block;
    while !rest.is_empty() {
        let field = rest;
        let mut len = line_len(rest);
        let name = field_of(field.get(..len).unwrap_or_default());
        if name.is_some() {
            while matches!(rest.get(len), Some(b' ' | b'\t')) {
                len += line_len(rest.get(len..).unwrap_or_default());
            }
        }
        let (field, tail) = rest.split_at(len);
        rest = tail;
        if let Some(place) = name.flatten()
            && let Some(kept) = kept.get_mut(place)
        {
            *kept = Some(field);
        }
    }
    let mut fields: Vec<&[u8]> = kept.into_iter().flatten().collect();
    fields.sort_by_key(|field| field.as_ptr());
    let mut read = Vec::new();
    let mut is_cut = false;
    for field in fields {
        match field.get(..MAX_FIELD) {
            Some(start) if field.len() > MAX_FIELD => {
                is_cut = true;
                let end = memchr::memrchr2(b' ', b'\n', start).unwrap_or(start.len());
                read.extend_from_slice(start.get(..end).unwrap_or_default());
                read.push(b'\n');
            }
            _ => read.extend_from_slice(field),
        }
    }
    (read, is_cut)
}

fn line_len(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1)
}

/// Whether a line starts a field, and its position among those that are read. White space in a name
/// is ignored, as in the library.
fn field_of(line: &[u8]) -> Option<Option<usize>> {
    let start = line
        .iter()
        .position(|&byte| byte != b':' && !byte.is_ascii_whitespace())?;
    let line = line.get(start..)?;
    let name = line.get(..memchr::memchr(b':', line)?)?;
    let letters = || name.iter().filter(|byte| !byte.is_ascii_whitespace());
    Some(READ.iter().position(|known| {
        letters().take(known.len() + 1).count() == known.len()
            && letters()
                .zip(*known)
                .all(|(a, b)| a.to_ascii_lowercase() == *b)
    }))
}

/// The fields of one header block that matter here, and its Subject.
pub(super) fn fields(parser: &MessageParser, block: &[u8]) -> (Header, Option<String>) {
    let (read, is_cut) = read_alone(block);
    let Some(message) = parser.parse_headers(&read) else {
        return Default::default();
    };
    let Some(part) = message.parts.first() else {
        return Default::default();
    };
    let content_type = part.content_type();
    let attribute = |name| {
        let value = content_type.and_then(|content_type| content_type.attribute(name));
        value.map(str::to_owned)
    };
    let encoding = part.content_transfer_encoding().unwrap_or_default().trim();
    let header = Header {
        content_type: content_type
            .map(|content_type| match content_type.subtype() {
                Some(subtype) => format!("{}/{subtype}", content_type.ctype()),
                None => content_type.ctype().to_owned(),
            })
            .unwrap_or_default()
            .to_ascii_lowercase(),
        charset: attribute("charset"),
        name: part.attachment_name().map(str::to_owned),
        boundary: attribute("boundary"),
        is_attachment: part
            .content_disposition()
            .is_some_and(|disposition| disposition.is_attachment()),
        encoding: if encoding.eq_ignore_ascii_case("base64") {
            Encoding::Base64
        } else if encoding.eq_ignore_ascii_case("quoted-printable") {
            Encoding::QuotedPrintable
        } else {
            Encoding::Identity
        },
        is_cut,
    };
    (header, message.subject().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_field_of_each_name_is_read_with_its_folds() {
        let block =
            b"From: a\n b\nSubject: one\nX: y\n\tz\ncontent-TYPE: text/plain;\n charset=x\n\
            stray line\n Subject : two\r\n\tthree\r\nTo: c";
        let (read, is_cut) = read_alone(block);
        assert!(!is_cut);
        assert_eq!(
            String::from_utf8(read).unwrap(),
            "content-TYPE: text/plain;\n charset=x\n Subject : two\r\n\tthree\r\n"
        );
        assert_eq!(read_alone(b"").0, b"");
        assert_eq!(read_alone(b":\n\n:::\n x").0, b"");
    }

    #[test]
    fn a_field_is_read_up_to_its_limit() {
        let long = format!(
            "Subject: {}\nContent-Type: text/html\n",
            "word ".repeat(9000)
        );
        let (read, is_cut) = read_alone(long.as_bytes());
        assert!(is_cut && read.len() < MAX_FIELD + 100);
        assert!(read.ends_with(b" word\nContent-Type: text/html\n"));
    }
}
