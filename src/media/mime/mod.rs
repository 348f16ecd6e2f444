//! The structure of a message (RFC 2045, 2046, 5322): one pass over its lines
//! cuts it into leaves.
//!
//! `mail-parser` reads the header fields: folding, encoded words, parameters in all their
//! continuations and charsets. The tree is cut here. That crate builds a tree of nested values, as
//! deep as the sender likes: dropping it recurses until the stack overflows, which cannot be
//! caught. It also searches the whole rest of the message for each missing boundary, which is
//! quadratic in the number of parts.

mod header;
mod lines;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use mail_parser::{HeaderName, MessageParser};

use super::guard::guard;
use super::transfer;
use crate::error::{Error, Result};
use crate::limits::Budget;
use header::{Encoding, Header, fields};
use lines::{Lines, header_block, next_boundary, without_line_end};

/// Multiparts inside one another within one message. Mail programs nest three;
/// deeper ones are read as one text.
const MAX_DEPTH: usize = 32;

/// A message cut up.
#[derive(Debug)]
pub(super) struct Structure<'m> {
    pub(super) subject: Option<String>,
    /// In the order of the message.
    pub(super) leaves: Vec<Leaf<'m>>,
    /// Why leaves are missing, if any are.
    pub(super) problem: Option<Error>,
}

/// An entity that is not a multipart.
#[derive(Debug)]
pub(super) struct Leaf<'m> {
    pub(super) header: Header,
    pub(super) kind: Kind,
    /// The set of alternatives that it belongs to (the outermost, counted from 0).
    pub(super) alternative: Option<u32>,
    body: &'m [u8],
}

/// The role of a leaf.
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
                Cow::Owned(transfer::base64(self.body, budget.deadline())?)
            }
            Encoding::QuotedPrintable => {
                budget.charge_decoded(len)?;
                Cow::Owned(transfer::quoted_printable(self.body, budget.deadline())?)
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

/// Splits a message into leaves, at most as many as the limit on parts.
///
/// Damage is tolerated: a missing closing boundary ends with the
/// enclosing part; a multipart whose boundary is missing is one text; without
/// an empty line, the header ends at the first line that is no field.
pub(super) fn split<'m>(message: &'m [u8], budget: &Budget) -> Structure<'m> {
    let max_leaves = budget.limits().parts as usize;
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
    let mut alternatives = 0;
    let mut lines = Lines::after_envelope(message, budget.deadline());
    let mut is_root = true;
    loop {
        let block = header_block(&mut lines, &open);
        if let Some(error) = lines.over.take().or(budget.check_time().err()) {
            structure.problem = Some(error);
            return structure;
        }
        let (header, subject) = guard("the mail header parser", || Ok(fields(&parser, block)))
            .unwrap_or_else(|error| {
                structure.problem = Some(error);
                Default::default()
            });
        if header.is_cut {
            let message = "a field of a mail header is too long: read up to 16384 bytes";
            structure.problem = Some(Error::malformed(message));
        }
        if std::mem::take(&mut is_root) {
            structure.subject = subject;
        }
        let opened = Open::new(&header, &open, &mut alternatives);
        let is_multipart = opened.is_some();
        open.extend(opened);
        let start = lines.at;
        let mut found = next_boundary(&mut lines, &open);
        if let Some(error) = lines.over.take() {
            structure.problem = Some(error);
            return structure;
        }
        // The preamble of a multipart is dropped, unless its boundary is missing.
        let is_torn = is_multipart && found.is_none_or(|found| found.level + 1 < open.len());
        if is_torn {
            open.pop();
        }
        if !is_multipart || is_torn {
            if structure.leaves.len() >= max_leaves {
                structure.problem = Some(Error::limit("parts", max_leaves, max_leaves + 1));
                return structure;
            }
            let end = found.map_or(message.len(), |found| found.start);
            let body = message.get(start..end).unwrap_or_default();
            structure.leaves.push(Leaf {
                kind: kind(&header, open.last().is_some_and(|open| open.is_digest)),
                alternative: open.last().and_then(|open| open.alternative),
                header,
                // The line end before a boundary belongs to the boundary.
                body: if found.is_some() {
                    without_line_end(body)
                } else {
                    body
                },
            });
        }
        loop {
            match found {
                None => {
                    structure.problem = lines.over.take().or(structure.problem);
                    return structure;
                }
                // The text between a closing boundary and the next one is an epilogue.
                Some(boundary) if boundary.is_closing => {
                    open.truncate(boundary.level);
                    found = next_boundary(&mut lines, &open);
                }
                Some(boundary) => {
                    open.truncate(boundary.level + 1);
                    break;
                }
            }
        }
    }
}

impl Open {
    /// The multipart that a header announces, if it can be cut.
    fn new(header: &Header, outer: &[Self], alternatives: &mut u32) -> Option<Self> {
        let boundary = header.boundary.as_deref()?.trim_end();
        if boundary.is_empty() || outer.len() >= MAX_DEPTH {
            return None;
        }
        let kind = header.content_type.strip_prefix("multipart/")?;
        let mut alternative = outer.last().and_then(|outer| outer.alternative);
        if alternative.is_none() && kind == "alternative" {
            alternative = Some(*alternatives);
            *alternatives += 1;
        }
        Some(Self {
            boundary: boundary.to_owned(),
            is_digest: kind == "digest",
            alternative,
        })
    }
}

fn kind(header: &Header, in_digest: bool) -> Kind {
    let is_shown = !header.is_attachment && header.name.is_none();
    match header.content_type.as_str() {
        "message/rfc822" | "message/global" => Kind::Message,
        "" if in_digest => Kind::Message,
        "" | "text/plain" if is_shown => Kind::Plain,
        "text/html" if is_shown => Kind::Html,
        torn if torn.starts_with("multipart/") => Kind::Plain,
        _ => Kind::Attachment,
    }
}
