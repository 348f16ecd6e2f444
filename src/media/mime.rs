//! The structure of a message (RFC 2045, 2046, 5322): one pass over its lines
//! cuts it into leaves.
//!
//! `mail-parser` reads the header fields: folding, encoded words, parameters in
//! all their continuations and charsets. The tree is cut here. That crate's own
//! tree is nested values, as deep as the sender likes, whose drop recurses until
//! the stack overflows, which no border can catch; and it looks for each missing
//! boundary through all the rest of the message, quadratic in the number of
//! parts.

use std::borrow::Cow;

use mail_parser::{HeaderName, MessageParser, MimeHeaders};

use super::guard::guard;
use super::transfer;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Multiparts inside one another within one message. Mail programs nest three;
/// what lies deeper is read as one text.
const MAX_DEPTH: usize = 32;

/// A message cut up.
#[derive(Debug)]
pub(super) struct Structure<'m> {
    pub(super) subject: Option<String>,
    /// In the order of the message.
    pub(super) leaves: Vec<Leaf<'m>>,
    /// Why the leaves are not all.
    pub(super) problem: Option<Error>,
}

/// What is no multipart.
#[derive(Debug)]
pub(super) struct Leaf<'m> {
    pub(super) header: Header,
    pub(super) kind: Kind,
    /// Which set of alternatives (the outermost, counted from 0) it is one of.
    pub(super) alternative: Option<u32>,
    body: &'m [u8],
}

/// How a leaf is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Plain text that is shown with the message.
    Plain,
    /// HTML that is shown with the message.
    Html,
    /// A whole message.
    Message,
    /// All else.
    Attachment,
}

/// The fields that say how to read an entity.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Lower case, such as `text/plain`; empty if not given.
    pub(super) content_type: String,
    pub(super) charset: Option<String>,
    /// The file name.
    pub(super) name: Option<String>,
    boundary: Option<String>,
    is_attachment: bool,
    encoding: Encoding,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

impl Leaf<'_> {
    /// The bytes without their transfer encoding.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit), before anything is allocated.
    pub(super) fn decode(&self, budget: &mut Budget) -> Result<Cow<'_, [u8]>> {
        let len = self.body.len() as u64;
        Ok(match self.header.encoding {
            Encoding::Identity => Cow::Borrowed(self.body),
            Encoding::Base64 => {
                budget.charge_decoded(len / 4 * 3)?;
                Cow::Owned(transfer::base64(self.body))
            }
            Encoding::QuotedPrintable => {
                budget.charge_decoded(len)?;
                Cow::Owned(transfer::quoted_printable(self.body))
            }
        })
    }
}

/// A multipart that is open.
struct Open {
    boundary: String,
    is_digest: bool,
    alternative: Option<u32>,
}

/// Cuts a message into at most `max_leaves` leaves.
///
/// Damage is taken as it comes: a missing closing boundary ends with the
/// enclosing part, a missing one altogether makes the whole a text, a missing
/// empty line ends the header where no field follows.
pub(super) fn split(message: &[u8], max_leaves: usize) -> Structure<'_> {
    let parser = MessageParser::new()
        .with_mime_headers()
        .header_text(HeaderName::Subject)
        .default_header_ignore();
    let mut structure = Structure {
        subject: None,
        leaves: Vec::new(),
        problem: None,
    };
    let mut open: Vec<Open> = Vec::new();
    let mut alternatives = 0_u32;
    let mut lines = Lines {
        bytes: message,
        at: leading(message),
    };
    let mut is_root = true;
    loop {
        let block = header_block(&mut lines, &open);
        let (header, subject) = match guard("the mail header parser", || Ok(read_header(&parser, block))) {
            Ok(header) => header,
            Err(error) => {
                structure.problem = Some(error);
                Default::default()
            }
        };
        if is_root {
            structure.subject = subject;
            is_root = false;
        }
        let boundary = header
            .boundary
            .as_deref()
            .map(str::trim_end)
            .filter(|boundary| !boundary.is_empty() && open.len() < MAX_DEPTH)
            .filter(|_| header.content_type.starts_with("multipart/"));
        let body_start = lines.at;
        let is_multipart = boundary.is_some();
        if let Some(boundary) = boundary {
            let outer = open.last().and_then(|open| open.alternative);
            let alternative = match outer {
                None if header.content_type == "multipart/alternative" => {
                    alternatives += 1;
                    Some(alternatives - 1)
                }
                outer => outer,
            };
            open.push(Open {
                boundary: boundary.to_owned(),
                is_digest: header.content_type == "multipart/digest",
                alternative,
            });
        }
        // A preamble is skipped like an epilogue: up to the next boundary.
        let depth = open.len();
        let (body, next) = body(&mut lines, body_start, &mut open);
        // A boundary that never comes: what was announced as many is one text.
        let is_whole = is_multipart && (next.is_none() || open.len() < depth);
        if !is_multipart || is_whole {
            if structure.leaves.len() >= max_leaves {
                structure.problem = Some(Error::limit("parts", max_leaves, max_leaves + 1));
                return structure;
            }
            let in_digest = open.last().is_some_and(|open| open.is_digest);
            structure.leaves.push(Leaf {
                kind: kind(&header, in_digest),
                alternative: open.last().and_then(|open| open.alternative),
                header,
                body,
            });
        }
        if next.is_none() {
            return structure;
        }
    }
}
