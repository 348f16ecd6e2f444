//! Lines of a message: header blocks and boundaries.

use super::Open;
use crate::deadline::{Deadline, Pacer};
use crate::error::Error;
use crate::media::sniff::mail::field_name;

/// A cursor over lines.
pub(super) struct Lines<'m> {
    bytes: &'m [u8],
    pub(super) at: usize,
    pacer: Pacer,
    /// Why the lines ended before the message.
    pub(super) over: Option<Error>,
}

impl<'m> Lines<'m> {
    /// At the first line of the header: empty lines and the envelope line of a mailbox skipped.
    pub(super) fn after_envelope(bytes: &'m [u8], deadline: &Deadline) -> Self {
        let mut lines = Self {
            bytes,
            at: 0,
            pacer: deadline.pacer(1024),
            over: None,
        };
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

    /// The offset of the next line and the line with its end; `None` after the deadline.
    fn next(&mut self) -> Option<(usize, &'m [u8])> {
        let at = self.at;
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        if let Err(error) = self.pacer.step() {
            self.over = Some(error);
            return None;
        }
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        self.at = at + len;
        rest.get(..len).map(|line| (at, line))
    }
}

/// Lines that are no field, between fields: a fold that lost its white space.
const MAX_STRAY_LINES: u32 = 3;

/// Consumes a header and the empty line after it.
pub(super) fn header_block<'m>(lines: &mut Lines<'m>, open: &[Open]) -> &'m [u8] {
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
pub(super) struct Boundary {
    /// The offset of the line.
    pub(super) start: usize,
    /// The index of its open multipart.
    pub(super) level: usize,
    pub(super) is_closing: bool,
}

/// Moves past the next boundary line of any open multipart, or to the end.
pub(super) fn next_boundary(lines: &mut Lines<'_>, open: &[Open]) -> Option<Boundary> {
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

pub(super) fn without_line_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}
