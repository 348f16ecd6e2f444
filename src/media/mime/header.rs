//! The fields of a header that say how to read what follows.

use mail_parser::{MessageParser, MimeHeaders};

/// The fields that say how to read an entity.
#[derive(Debug, Default)]
pub(in crate::media) struct Header {
    /// Lower case, such as `text/plain`; empty if not given.
    pub(in crate::media) content_type: String,
    pub(in crate::media) charset: Option<String>,
    /// The file name.
    pub(in crate::media) name: Option<String>,
    pub(super) boundary: Option<String>,
    pub(super) is_attachment: bool,
    pub(super) encoding: Encoding,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

/// The fields of one header block that matter here, and its Subject.
pub(super) fn fields(parser: &MessageParser, block: &[u8]) -> (Header, Option<String>) {
    let Some(message) = parser.parse_headers(block) else {
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
    };
    (header, message.subject().map(str::to_owned))
}
