//! What JBIG2 declares, checked before `hayro-jbig2` allocates and loops by it.
//!
//! There may be many regions, each as large as the page, and their decoder produces pixels
//! forever after the end of its data; so their areas are summed up. The sizes of symbols are
//! coded together with their pixels: dictionaries of symbols, and the texts set in
//! them, are decoded by [`symbols`](super::symbols) first, with a count. What
//! PDF writers do not use and cannot be counted that way (symbols in Huffman codes, refined
//! symbols) is refused.

use super::symbols::{self, Dictionary};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// The areas of all regions: so many pages, and so many pixels more.
const PAGES: u64 = 4;
const PIXELS: u64 = 4 << 20;

/// Bytes that the copies of the patterns of a dictionary may take.
const MAX_PATTERNS: u64 = 32 << 20;

/// Bytes of the tables of Huffman codes in one picture.
const MAX_TABLES: usize = 4096;

struct Segment<'b> {
    number: u32,
    kind: u8,
    referred: Vec<u32>,
    data: &'b [u8],
}

/// Checks a picture and the segments that it shares with others, and charges its pixels.
/// Returns the work of decoding it, in units of some 10 ns.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit), [`Malformed`](ErrorKind::Malformed),
/// [`Unsupported`](ErrorKind::Unsupported).
pub(super) fn check(page: &[u8], globals: Option<&[u8]>, budget: &mut Budget) -> Result<u64> {
    let globals = globals.map(segments).transpose()?.unwrap_or_default();
    let page = segments(page)?;
    let (width, height) = page_size(&page).ok_or_else(|| {
        Error::malformed("PDF picture: compressed data that do not declare their size")
    })?;
    budget.charge_picture(width, height, 8)?;
    let pixels = u64::from(width) * u64::from(height);
    let mut state = State {
        left: PAGES * pixels + PIXELS,
        work: symbols::Work::new(budget),
        budget,
        dictionaries: Vec::new(),
        patterns: Vec::new(),
        tables: 0,
    };
    for segment in globals.iter().filter(|segment| is_dictionary(segment.kind)) {
        state.segment(segment)?;
    }
    for segment in &page {
        state.segment(segment)?;
    }
    let regions = PAGES * pixels + PIXELS - state.left;
    Ok(regions / 2 + state.work.units())
}

fn is_dictionary(kind: u8) -> bool {
    matches!(kind, 0 | 16 | 53)
}

fn too_much(what: &str, value: u64) -> Error {
    Error::new(
        ErrorKind::Limit,
        format!("a JBIG2 picture of a PDF declares too many {what}: {value}"),
    )
}

struct State<'s> {
    /// Pixels of regions that may still be decoded.
    left: u64,
    budget: &'s mut Budget,
    work: symbols::Work,
    dictionaries: Vec<Dictionary>,
    /// Number of the segment, patterns in it.
    patterns: Vec<(u32, u64)>,
    tables: usize,
}

impl State<'_> {
    fn segment(&mut self, segment: &Segment<'_>) -> Result<()> {
        self.budget.check_time()?;
        let data = segment.data;
        match segment.kind {
            0 => {
                let input = self.input(&segment.referred)?;
                let deadline = self.budget.deadline();
                let read = symbols::dictionary(data, &input, deadline, &mut self.work)?;
                if let Some(symbols) = read {
                    self.dictionaries.push(Dictionary {
                        number: segment.number,
                        symbols,
                    });
                }
            }
            4 | 6 | 7 => {
                self.region(data, 1)?;
                let input = self.input(&segment.referred)?;
                symbols::text(data, &input, self.budget.deadline(), &mut self.work)?;
            }
            16 => {
                let [_, width, height, a, b, c, d, ..] = *data else {
                    return Ok(());
                };
                let count = u64::from(u32::from_be_bytes([a, b, c, d])) + 1;
                let (width, height) = (u64::from(width), u64::from(height));
                // A pattern is kept at each of 32 shifts.
                let bytes = count.saturating_mul(64 + 256 * height.min(32));
                if bytes > MAX_PATTERNS {
                    return Err(too_much("patterns", count));
                }
                self.pixels(count.saturating_mul(width * height))?;
                self.patterns.push((segment.number, count));
            }
            20 | 22 | 23 => {
                let first = segment.referred.first();
                let known = |entry: &&(u32, u64)| Some(&entry.0) == first;
                let patterns = self
                    .patterns
                    .iter()
                    .filter(known)
                    .map(|entry| entry.1)
                    .max();
                let planes = u64::from(patterns.unwrap_or(1).max(2).ilog2() + 1);
                self.region(data, 1)?;
                let grid = word(data, 18)
                    .zip(word(data, 22))
                    .map(|(w, h)| w.saturating_mul(h));
                let grid = grid.unwrap_or(0);
                // A value of four bytes for each cell, and a pattern painted.
                self.pixels(grid.saturating_mul(planes + 4))?;
            }
            36 | 38 | 39 | 40 | 42 | 43 => self.region(data, 1)?,
            53 => {
                self.tables += data.len();
                if self.tables > MAX_TABLES {
                    return Err(too_much("bytes of tables", self.tables as u64));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn region(&mut self, data: &[u8], planes: u64) -> Result<()> {
        let size = word(data, 0).zip(word(data, 4));
        let (width, height) = size.unwrap_or_default();
        self.pixels(width.saturating_mul(height).saturating_mul(planes))
    }

    fn pixels(&mut self, pixels: u64) -> Result<()> {
        match self.left.checked_sub(pixels) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(too_much("pixels in regions", pixels)),
        }
    }

    /// The symbols of the dictionaries that a segment refers to.
    fn input(&self, referred: &[u32]) -> Result<Vec<(u32, u32)>> {
        let mut input = Vec::new();
        for number in referred {
            let found = self.dictionaries.iter().filter(|d| d.number == *number);
            let mut found = found.map(|dictionary| &dictionary.symbols);
            if let Some(symbols) = found.next() {
                if found.next().is_some() {
                    return Err(Error::malformed("JBIG2: two segments of one number"));
                }
                input.extend_from_slice(symbols);
            }
            if input.len() > symbols::MAX_SYMBOLS as usize {
                return Err(too_much("symbols", input.len() as u64));
            }
        }
        Ok(input)
    }
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
    Some(u64::from(u32::from_be_bytes(bytes)))
}

fn page_size(segments: &[Segment<'_>]) -> Option<(u32, u32)> {
    let page = segments.iter().find(|segment| segment.kind == 48)?;
    let (width, height) = word(page.data, 0).zip(word(page.data, 4))?;
    let height = if height == u64::from(u32::MAX) {
        let stripes = segments.iter().filter(|segment| segment.kind == 50);
        stripes.filter_map(|stripe| word(stripe.data, 0)).max()? + 1
    } else {
        height
    };
    u32::try_from(width).ok().zip(u32::try_from(height).ok())
}

/// Segments in the order of their numbers, up to where the data end.
fn segments(bytes: &[u8]) -> Result<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match segment(&mut rest)? {
            Some(segment) => {
                let last = segment.kind == 51;
                segments.push(segment);
                if last {
                    break;
                }
            }
            None => break,
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

/// One segment; `None` where the data end within it.
fn segment<'b>(rest: &mut &'b [u8]) -> Result<Option<Segment<'b>>> {
    let mut take = |len: usize| -> Option<&'b [u8]> {
        let (head, tail) = rest.split_at_checked(len)?;
        *rest = tail;
        Some(head)
    };
    let mut number_of = |bytes: usize| -> Option<u32> {
        Some(
            take(bytes)?
                .iter()
                .fold(0, |value, byte| value << 8 | u32::from(*byte)),
        )
    };
    let parsed = (|| {
        let number = number_of(4)?;
        let flags = number_of(1)? as u8;
        let short = number_of(1)?;
        let count = match short >> 5 {
            7 => {
                let count = (short & 0x1F) << 24 | number_of(3)?;
                for _ in 0..(u64::from(count) + 1).div_ceil(8) {
                    number_of(1)?;
                }
                count
            }
            count => count,
        };
        let width = match number {
            0..=256 => 1,
            257..=65_536 => 2,
            _ => 4,
        };
        let mut referred = Vec::new();
        for _ in 0..count {
            referred.push(number_of(width)?);
        }
        number_of(if flags & 0x40 != 0 { 4 } else { 1 })?;
        let len = number_of(4)?;
        Some((number, flags & 0x3F, referred, len))
    })();
    let Some((number, kind, referred, len)) = parsed else {
        return Ok(None);
    };
    let data = if len == u32::MAX {
        match unknown_length(rest) {
            Some(len) => take_data(rest, len),
            None => return Err(Error::malformed("JBIG2: a region without an end")),
        }
    } else {
        take_data(rest, len as usize)
    };
    Ok(data.map(|data| Segment {
        number,
        kind,
        referred,
        data,
    }))
}

/// The length of a region that does not declare it: up to a marker and the count of its rows.
fn unknown_length(data: &[u8]) -> Option<usize> {
    let flags = *data.get(17)?;
    let (mark, adaptive) = match (flags & 1, flags >> 1 & 3, flags & 0x10) {
        (1, ..) => ([0, 0], 0),
        (_, 0, 0) => ([0xFF, 0xAC], 8),
        (_, 0, _) => ([0xFF, 0xAC], 24),
        _ => ([0xFF, 0xAC], 2),
    };
    let start = 18 + adaptive;
    let found = data.get(start..)?.windows(6).position(|w| w[..2] == mark)?;
    Some(start + found + 6)
}

fn take_data<'b>(rest: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
