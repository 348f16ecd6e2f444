//! E-mail: the parts of a message, and the messages of a mailbox.
//!
//! | part | what |
//! |---|---|
//! | `subject` | only the Subject of the header, which is what people quote; names and dates alone are no leak |
//! | `body` | the text that a mail program shows when it opens the message |
//! | `attachment:N` | everything else that has bytes, inline pictures included; the format is detected from the content |
//! | `message:N` | a forwarded message, or a message of a mailbox, with its own parts |
//!
//! The body is all inline text, in order. Where a message offers the same
//! content as plain text and as HTML, the plain text counts, unless it has less
//! than half as many letters: "this message needs a modern mail program" is not
//! the message.

use std::io::{self, BufRead, Read};

use mail_parser::mailbox::mbox::MessageIterator;

use super::guard::guard;
use super::mime::{self, Kind, Leaf};
use super::walk::{Hint, Input, Walk};
use super::{Content, Format, PartPath, text};
use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// Reads a message.
pub(super) fn read(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    walk.part(input.path, Some(input.bytes), Content::Opaque);
    walk.inside(input.path, |walk| message(walk, input.path, input.bytes));
    Ok(())
}

/// Reads a mailbox file.
pub(super) fn read_mailbox(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    walk.part(input.path, Some(input.bytes), Content::Opaque);
    walk.inside(input.path, |walk| messages(walk, input.path, input.bytes));
    Ok(())
}

/// The parts of one message. Errors as for [`Walk::member`].
fn message(walk: &mut Walk<'_>, path: &PartPath, bytes: &[u8]) -> Result<()> {
    let structure = mime::split(bytes, walk.budget);
    if let Some(subject) = structure
        .subject
        .filter(|subject| !subject.trim().is_empty())
    {
        walk.decoded(path.child("subject"), Content::Text(subject))?;
    }
    body(walk, &path.child("body"), &structure.leaves)?;
    let (mut attachments, mut messages) = (0_u32, 0_u32);
    for leaf in &structure.leaves {
        let (step, kind) = match leaf.kind {
            Kind::Plain | Kind::Html => continue,
            Kind::Message => {
                messages += 1;
                (format!("message:{messages}"), Some(Format::Mail))
            }
            Kind::Attachment => {
                attachments += 1;
                let declared_html = leaf.header.content_type == "text/html";
                let kind = declared_html.then_some(Format::Html);
                (format!("attachment:{attachments}"), kind)
            }
        };
        let path = path.child(step);
        let hint = Hint {
            name: leaf.header.name.as_deref(),
            kind,
            charset: leaf.header.charset.as_deref(),
        };
        match leaf.decode(walk.budget) {
            Ok(bytes) => walk.member(path, &bytes, hint)?,
            Err(error) => walk.lost(path, error)?,
        }
    }
    match structure.problem {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

/// One inline text, decoded.
struct Piece {
    text: String,
    is_html: bool,
    /// The set of alternatives that it belongs to.
    alternative: Option<u32>,
}

impl Piece {
    fn letters(&self) -> usize {
        self.text.chars().filter(|c| c.is_alphanumeric()).count()
    }
}

/// Joins the inline texts of a message into one part.
fn body(walk: &mut Walk<'_>, path: &PartPath, leaves: &[Leaf<'_>]) -> Result<()> {
    let mut pieces = Vec::new();
    let mut images = Vec::new();
    let mut chars = 0;
    for leaf in leaves {
        let is_html = match leaf.kind {
            Kind::Plain => false,
            Kind::Html => true,
            Kind::Message | Kind::Attachment => continue,
        };
        match piece(walk, leaf, is_html, &mut images) {
            Ok(text) => {
                // Only one of two alternatives is shown, so the body has about half of this text.
                chars += text.chars().count() as u64;
                walk.budget.check_text(chars / 2)?;
                pieces.push(Piece {
                    text,
                    is_html,
                    alternative: leaf.alternative,
                });
            }
            Err(error) => walk.sink.warning(path.clone(), error),
        }
        walk.budget.check_time()?;
    }
    let text = join(&pieces);
    if !text.trim().is_empty() {
        walk.decoded(path.clone(), Content::Text(text))?;
    }
    #[cfg(feature = "html")]
    super::page::pictures(walk, path, &images)?;
    Ok(())
}

fn piece(
    walk: &mut Walk<'_>,
    leaf: &Leaf<'_>,
    is_html: bool,
    images: &mut Vec<String>,
) -> Result<String> {
    let bytes = leaf.decode(walk.budget)?;
    let charset = leaf.header.charset.as_deref();
    #[cfg(feature = "html")]
    if is_html {
        let page = super::page::extract(walk, &bytes, charset)?;
        // As many as the limit allows and one more, which makes the walk report the limit.
        let most = walk.budget.limits().parts as usize + 1;
        images.extend(
            page.images
                .into_iter()
                .take(most.saturating_sub(images.len())),
        );
        return Ok(page.text);
    }
    // Without the feature `html`, the source is better than nothing.
    let _ = (is_html, images);
    text::decode(&bytes, charset, walk.budget)
}

/// Joins the pieces that are shown, one per line.
fn join(pieces: &[Piece]) -> String {
    let mut text = String::new();
    let mut rest = pieces;
    while let Some(first) = rest.first() {
        // The pieces of one set of alternatives follow one another.
        let len = match first.alternative {
            Some(set) => rest
                .iter()
                .take_while(|p| p.alternative == Some(set))
                .count(),
            None => 1,
        };
        let (set, tail) = rest.split_at(len);
        rest = tail;
        let letters = |html| -> usize {
            set.iter()
                .filter(|piece| piece.is_html == html)
                .map(Piece::letters)
                .sum()
        };
        let show_html = first.alternative.is_some() && letters(true) > 2 * letters(false);
        for piece in set {
            if first.alternative.is_none() || piece.is_html == show_html {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&piece.text);
            }
        }
    }
    text
}

/// The bytes of a mailbox; reading fails after the deadline.
struct Timed<'m> {
    rest: &'m [u8],
    deadline: Deadline,
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Timed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        const STRIDE: usize = 64 << 10;
        self.deadline.check().map_err(io::Error::other)?;
        Ok(self.rest.get(..STRIDE).unwrap_or(self.rest))
    }

    fn consume(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }
}

/// The messages of a mailbox file. Errors as for [`Walk::member`].
fn messages(walk: &mut Walk<'_>, path: &PartPath, bytes: &[u8]) -> Result<()> {
    let mut messages = MessageIterator::new(Timed {
        rest: bytes,
        deadline: walk.budget.deadline().clone(),
    });
    let hint = Hint {
        kind: Some(Format::Mail),
        ..Hint::default()
    };
    for number in 1_u64.. {
        let next = guard("the mbox reader", || {
            messages
                .next()
                .transpose()
                .map_err(|e| Error::io("mbox", e))
        });
        walk.budget.check_time()?;
        let Some(message) = next? else { break };
        let message = message.unwrap_contents();
        walk.budget.charge_decoded(message.len() as u64)?;
        walk.member(path.child(format_args!("message:{number}")), &message, hint)?;
    }
    Ok(())
}
