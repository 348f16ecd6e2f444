//! Rich Text Format (version 1.9.1) to the text that a reader sees.
//!
//! One pass over the bytes. Groups are counted, not nested calls, so that the
//! stack stays flat. Destinations that no reader sees (fonts, styles, fields'
//! instructions, embedded objects) are skipped; headers, footers, notes,
//! comments and former versions of changed paragraphs follow the text.
//! Bytes beyond ASCII are decoded in the code page of their font.

mod charset;
mod control;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::Content;
use super::flow::{Flow, Gap, Meter};
use super::guard::guard;
use super::walk::{Hint, Input, Walk};
use crate::error::{Error, Result};
use crate::limits::Budget;

/// The content of a file.
#[derive(Debug, Default)]
struct Document {
    text: String,
    /// The bytes of each embedded picture.
    pictures: Vec<Vec<u8>>,
    /// The error that cut the text short.
    problem: Option<Error>,
}

/// Reads a file. Errors as for [`document`].
pub(super) fn read(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let document = document(input.bytes, walk.budget)?;
    walk.part(input.path, Some(input.bytes), Content::Text(document.text));
    walk.inside(input.path, |walk| {
        for (number, picture) in (1..).zip(&document.pictures) {
            let path = input.path.child(format_args!("image:{number}"));
            walk.member(path, picture, Hint::default())?;
        }
        document.problem.map_or(Ok(()), Err)
    });
    Ok(())
}

/// The text of a file and its pictures.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if there is not even a header;
/// [`Limit`](crate::ErrorKind::Limit) after the deadline, or if the text is too long.
fn document(bytes: &[u8], budget: &mut Budget) -> Result<Document> {
    budget.charge_decoded(bytes.len() as u64)?;
    guard("the rtf reader", || {
        // As many as the limit allows and one more, which makes the walk report the limit.
        let mut reader = Reader::new(bytes, budget.limits().parts as usize + 1);
        reader.run(budget)?;
        let document = reader.finish();
        budget.check_text(document.text.chars().count() as u64)?;
        Ok(document)
    })
}

/// Nested groups whose properties are kept; deeper ones share those of the last.
const MAX_GROUPS: usize = 4096;

/// Fonts that are distinguished; files list some hundreds.
const MAX_FONTS: usize = 1 << 16;

/// Pending bytes of text that are decoded at the next blank once there are this many.
const MAX_PENDING: usize = 64 << 10;

/// The destination of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Destination {
    #[default]
    Body,
    /// A header, note or comment: follows the text.
    Aside,
    /// Not read.
    Nowhere,
    FontTable,
    Picture,
}

/// The properties of a group, which nested groups inherit and which are restored at its end.
#[derive(Clone, Copy, Debug)]
struct Group {
    destination: Destination,
    font: i32,
    encoding: &'static Encoding,
    /// How many fallback characters follow a Unicode escape, for old readers.
    fallback: u32,
    deleted: bool,
    inserted: bool,
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
    group: Group,
    groups: Vec<Group>,
    /// Open groups beyond those kept.
    deeper: u64,
    /// `\*` was read: an unknown destination follows.
    optional: bool,
    /// Bytes of text in the current encoding, not decoded yet.
    pending: Vec<u8>,
    /// Fallback characters still to skip after a Unicode escape.
    to_skip: u32,
    high_surrogate: Option<u16>,
    code_page: &'static Encoding,
    fonts: HashMap<i32, &'static Encoding>,
    in_table: bool,
    flow: Flow,
    asides: Flow,
    former: String,
    changed: bool,
    picture: Vec<u8>,
    pictures: Vec<Vec<u8>>,
    max_pictures: usize,
    closed: bool,
    /// Text written since it was last charged.
    uncharged: Written,
}

/// The length of the text.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    bytes: u64,
    chars: u64,
}

impl<'r> Reader<'r> {
    fn new(bytes: &'r [u8], max_pictures: usize) -> Self {
        Self {
            bytes,
            at: 0,
            group: Group {
                destination: Destination::Body,
                font: 0,
                encoding: WINDOWS_1252,
                fallback: 1,
                deleted: false,
                inserted: false,
            },
            groups: Vec::new(),
            deeper: 0,
            optional: false,
            pending: Vec::new(),
            to_skip: 0,
            high_surrogate: None,
            code_page: WINDOWS_1252,
            fonts: HashMap::new(),
            in_table: false,
            flow: Flow::default(),
            asides: Flow::default(),
            former: String::new(),
            changed: false,
            picture: Vec::new(),
            pictures: Vec::new(),
            max_pictures,
            closed: false,
            uncharged: Written::default(),
        }
    }

    fn run(&mut self, budget: &mut Budget) -> Result<()> {
        let mut meter = Meter::default();
        let mut pacer = budget.deadline().pacer(1 << 14);
        while let Some(&byte) = self.bytes.get(self.at) {
            pacer.step()?;
            // Early, since the text is up to three times as long as its source.
            if self.uncharged.bytes > MAX_PENDING as u64 {
                let written = std::mem::take(&mut self.uncharged);
                meter.charge_written(written.chars, written.bytes, budget)?;
            }
            self.at += 1;
            match byte {
                b'{' => self.open(),
                b'}' => {
                    if self.close() {
                        self.closed = true;
                        return Ok(());
                    }
                }
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                byte => self.byte(byte),
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Document {
        self.flush();
        self.paragraph();
        let mut flow = self.flow;
        flow.gap(Gap::Line);
        flow.push(&self.asides.into_text());
        let problem = (!self.closed).then(|| Error::malformed("rtf: cut before its end"));
        Document {
            text: flow.into_text(),
            pictures: self.pictures,
            problem,
        }
    }

    fn open(&mut self) {
        self.flush();
        self.to_skip = 0;
        self.optional = false;
        if self.groups.len() < MAX_GROUPS {
            self.groups.push(self.group);
        } else {
            self.deeper += 1;
        }
    }

    /// Ends a group; whether it was the outermost.
    fn close(&mut self) -> bool {
        self.flush();
        self.to_skip = 0;
        self.optional = false;
        if self.deeper > 0 {
            self.deeper -= 1;
            return false;
        }
        let Some(outer) = self.groups.pop() else {
            return true;
        };
        let inner = std::mem::replace(&mut self.group, outer);
        if inner.destination != outer.destination {
            match inner.destination {
                Destination::Aside => self.asides.gap(Gap::Line),
                Destination::Picture => {
                    let picture = std::mem::take(&mut self.picture);
                    if !picture.is_empty() && self.pictures.len() < self.max_pictures {
                        self.pictures.push(unhex(&picture));
                    }
                }
                _ => {}
            }
        }
        self.groups.is_empty()
    }

    /// An undecoded byte of text.
    fn byte(&mut self, byte: u8) {
        match self.group.destination {
            Destination::Body | Destination::Aside => {
                if self.to_skip > 0 {
                    self.to_skip -= 1;
                } else {
                    self.pending.push(byte);
                    // A blank is no part of a longer character in any code page.
                    if byte == b' ' && self.pending.len() > MAX_PENDING {
                        self.flush();
                    }
                }
            }
            Destination::Picture if byte.is_ascii_hexdigit() => self.picture.push(byte),
            _ => {}
        }
    }
}

/// Pairs of hexadecimal digits; an odd one at the end is dropped.
fn unhex(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, _) = digits.as_chunks::<2>();
    pairs
        .iter()
        .filter_map(|&[high, low]| Some((value(high)? << 4 | value(low)?) as u8))
        .collect()
}
