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
use super::sniff::field_name;
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
/// enclosing part; a multipart whose boundary never comes is one text; a
/// missing empty line ends the header where no field follows.
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
    let mut alternatives = 0;
    let mut lines = Lines::after_envelope(message);
    let mut is_root = true;
    loop {
        let block = header_block(&mut lines, &open);
        let (header, subject) = guard("the mail header parser", || Ok(fields(&parser, block)))
            .unwrap_or_else(|error| {
                structure.problem = Some(error);
                Default::default()
            });
        if std::mem::take(&mut is_root) {
            structure.subject = subject;
        }
        let opened = Open::new(&header, &open, &mut alternatives);
        let is_multipart = opened.is_some();
        open.extend(opened);
        let start = lines.at;
        let mut found = next_boundary(&mut lines, &open);
        // The preamble of a multipart is dropped, unless its own boundary never comes.
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
                None => return structure,
                // What stands between a closing boundary and the next one is an epilogue.
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

/// The fields of one header block that matter here, and its Subject.
fn fields(parser: &MessageParser, block: &[u8]) -> (Header, Option<String>) {
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

/// A cursor over lines.
struct Lines<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl<'m> Lines<'m> {
    /// At the first line of the header: empty lines and the envelope line of a mailbox skipped.
    fn after_envelope(bytes: &'m [u8]) -> Self {
        let mut lines = Self { bytes, at: 0 };
        while let Some((at, line)) = lines.next() {
            if !(line.trim_ascii().is_empty()
                || line.starts_with(b"From ")
                || line.starts_with(b">From "))
            {
                lines.at = at;
                break;
            }
        }
        lines
    }

    /// The offset of the next line and the line with its end.
    fn next(&mut self) -> Option<(usize, &'m [u8])> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let len = rest
            .iter()
            .position(|&b| b == b'\n')
            .map_or(rest.len(), |end| end + 1);
        self.at = at + len;
        rest.get(..len).map(|line| (at, line))
    }
}

/// Lines that are no field, between fields: a fold that lost its white space.
const MAX_STRAY_LINES: u32 = 3;

/// Consumes a header and the empty line behind it.
fn header_block<'m>(lines: &mut Lines<'m>, open: &[Open]) -> &'m [u8] {
    let start = lines.at;
    let mut end = start;
    let mut stray = 0;
    while let Some((at, line)) = lines.next() {
        let is_fold = matches!(line.first(), Some(b' ' | b'\t')) && at == end && at > start;
        if line.trim_ascii().is_empty() {
            if at != end {
                lines.at = end;
            }
            return lines.bytes.get(start..end).unwrap_or_default();
        } else if is_fold || field_name(line).is_some() {
            end = lines.at;
            stray = 0;
        } else if boundary_in(line, open).is_some() || at == start || stray == MAX_STRAY_LINES {
            break;
        } else {
            stray += 1;
        }
    }
    lines.at = end;
    lines.bytes.get(start..end).unwrap_or_default()
}

/// A boundary line.
#[derive(Clone, Copy)]
struct Boundary {
    /// Where the line starts.
    start: usize,
    /// Which of the open multiparts it is of.
    level: usize,
    is_closing: bool,
}

/// Moves behind the next boundary line of any open multipart, or to the end.
fn next_boundary(lines: &mut Lines<'_>, open: &[Open]) -> Option<Boundary> {
    if open.is_empty() {
        lines.at = lines.bytes.len();
        return None;
    }
    while let Some((start, line)) = lines.next() {
        if let Some((level, is_closing)) = boundary_in(line, open) {
            return Some(Boundary {
                start,
                level,
                is_closing,
            });
        }
    }
    None
}

/// The innermost multipart whose boundary a line is, and whether it closes it.
fn boundary_in(line: &[u8], open: &[Open]) -> Option<(usize, bool)> {
    let line = line.strip_prefix(b"--")?;
    open.iter().enumerate().rev().find_map(|(level, open)| {
        let rest = line.strip_prefix(open.boundary.as_bytes())?;
        let (is_closing, rest) = match rest.strip_prefix(b"--") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        rest.trim_ascii().is_empty().then_some((level, is_closing))
    })
}

fn without_line_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Kind, alternative set and body of every leaf.
    fn leaves(message: &str) -> Vec<(Kind, Option<u32>, String)> {
        split(message.as_bytes(), 100)
            .leaves
            .iter()
            .map(|leaf| {
                let body = String::from_utf8_lossy(leaf.body).into_owned();
                (leaf.kind, leaf.alternative, body)
            })
            .collect()
    }

    fn plain(body: &str) -> (Kind, Option<u32>, String) {
        (Kind::Plain, None, body.to_owned())
    }

    #[test]
    fn the_usual_tree() {
        let message = "Content-Type: multipart/mixed; boundary=\"m m\"\r\n\r\npreamble\r\n\
            --m m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
            --a\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>html\r\n--a--\r\nepilogue\r\n\
            --m m  \r\nContent-Type: text/plain; name=x.txt\r\n\r\nfile\r\n\
            --m m\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nner\r\n--m m--\r\nend";
        assert_eq!(
            leaves(message),
            [
                (Kind::Plain, Some(0), "plain".to_owned()),
                (Kind::Html, Some(0), "<p>html".to_owned()),
                (Kind::Attachment, None, "file".to_owned()),
                (Kind::Message, None, "Subject: in\r\n\r\nner".to_owned()),
            ]
        );
    }

    #[test]
    fn damage_is_taken_as_it_comes() {
        for (message, expected) in [
            // No closing boundary.
            (
                "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nbody",
                plain("body"),
            ),
            // A boundary that never comes, and an empty one.
            (
                "Content-Type: multipart/mixed; boundary=x\n\nbody\n",
                plain("body\n"),
            ),
            (
                "Content-Type: multipart/mixed; boundary=\"\"\n\n--\nbody",
                plain("--\nbody"),
            ),
            // No empty line.
            (
                "Subject: s\nbody without: one\n",
                plain("body without: one\n"),
            ),
            ("Subject: s\n\nbody", plain("body")),
            ("\n\nFrom a@b Mon 1:00\nSubject: s\n\nbody", plain("body")),
            // A fold that lost its white space.
            (
                "Subject: s\nlost\nContent-Type: text/plain\n\nbody",
                plain("body"),
            ),
        ] {
            assert_eq!(leaves(message), [expected], "{message:?}");
        }
        // A part that runs into the boundary of the enclosing one.
        let message = "Content-Type: multipart/mixed; boundary=o\n\n\
            --o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--";
        assert_eq!(leaves(message), [plain("one"), plain("two")]);
    }

    #[test]
    fn subject_and_file_names_are_decoded() {
        let message = "subject: =?iso-8859-1?Q?Gr=FC=DFe?=\n =?utf-8?B?IPCfmIA=?=\n\
            Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC; filename*1=\".pdf\"\n\n";
        let structure = split(message.as_bytes(), 1);
        assert_eq!(
            structure.subject.as_deref(),
            Some("Gr\u{fc}\u{df}e \u{1f600}")
        );
        assert_eq!(
            structure.leaves[0].header.name.as_deref(),
            Some("\u{20ac}.pdf")
        );
        assert_eq!(structure.leaves[0].kind, Kind::Attachment);
    }

    #[test]
    fn a_digest_holds_messages() {
        let message = "Content-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: a\n\nb\n--d--";
        assert_eq!(
            leaves(message),
            [(Kind::Message, None, "Subject: a\n\nb".to_owned())]
        );
    }

    #[test]
    fn deep_nesting_and_many_parts_are_cut_off() {
        let deep: String = (0..5000)
            .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n"))
            .collect();
        let structure = split(deep.as_bytes(), 100);
        assert_eq!(structure.leaves.len(), 1);
        let many = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}",
            "--b\n\nx\n".repeat(200)
        );
        let structure = split(many.as_bytes(), 100);
        assert_eq!(structure.leaves.len(), 100);
        let problem = structure.problem.unwrap();
        assert!(
            problem.message().contains("parts = 100 exceeded: 101"),
            "{problem}"
        );
    }

    proptest! {
        /// Bodies come out as they went in, whatever the nesting and the line ends.
        #[test]
        fn what_is_joined_is_split(
            bodies in prop::collection::vec("[a-z \n-]{0,30}", 1..8),
            crlf in any::<bool>(),
            nested in any::<bool>(),
        ) {
            let mut message = String::from("Content-Type: multipart/mixed; boundary=\"=_b\"\n\n");
            for body in &bodies {
                message += "--=_b\n";
                if nested {
                    message += "Content-Type: multipart/mixed; boundary=\"=_b1\"\n\n--=_b1\n";
                }
                message += &format!("\n{body}\n");
                if nested {
                    message += "--=_b1--\n";
                }
            }
            message += "--=_b--\n";
            let fix = |text: &str| if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
            let expected: Vec<_> = bodies.iter().map(|body| plain(&fix(body))).collect();
            prop_assert_eq!(leaves(&fix(&message)), expected);
        }
    }
}
