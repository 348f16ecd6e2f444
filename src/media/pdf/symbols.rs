//! Dictionaries of JBIG2 symbols, and the texts set in them, decoded with a count.
//!
//! The width and height of a symbol are coded between the pixels of the others, so there
//! is no other way to know them than to decode all of it (ITU-T T.88, 6.4, 6.5, annexes
//! A and E). Pixels are forgotten once a symbol is over; its size is kept.

use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Symbols of one dictionary.
pub(super) const MAX_SYMBOLS: u32 = 1 << 20;

/// Of the decoded bytes of a budget, the share that is pixels of the symbols of one picture:
/// 32 million by default. A page of text has one or two million.
const PIXELS: u64 = 32;

/// Words of 32 pixels that are copied where symbols are set.
const MAX_WORDS: u64 = 256 << 20;

/// The longest side of a bitmap in the library.
const MAX_SIDE: u32 = 65_535;

/// A dictionary: the sizes of the symbols that it exports.
pub(super) struct Dictionary {
    pub(super) number: u32,
    pub(super) symbols: Vec<(u32, u32)>,
}

/// What the symbols of one picture have cost.
pub(super) struct Work {
    pixels: u64,
    most: u64,
    words: u64,
}

impl Work {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            pixels: 0,
            most: budget.limits().decoded_bytes / PIXELS,
            words: 0,
        }
    }

    fn pixels(&mut self, width: u32, height: u32) -> Result<()> {
        self.pixels += u64::from(width) * u64::from(height) + 256;
        if self.pixels > self.most {
            let message = format!("JBIG2 symbols of more than {} pixels", self.most);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(())
    }

    /// The same in units of some 10 ns: symbols are decoded here and in the library.
    pub(super) fn units(&self) -> u64 {
        2 * self.pixels + self.words / 8
    }

    fn words(&mut self, words: u64) -> Result<()> {
        self.words += words;
        if self.words > MAX_WORDS {
            let message = format!("JBIG2 symbols set over more than {MAX_WORDS} words");
            return Err(Error::new(ErrorKind::Limit, message));
        }
        Ok(())
    }
}

fn unbounded(what: &str) -> Error {
    let message = format!("PDF picture: JBIG2 {what}");
    Error::new(ErrorKind::Unsupported, message)
}

/// The sizes of the symbols that a dictionary exports; `None` if it is broken.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit), [`Unsupported`](ErrorKind::Unsupported).
pub(super) fn dictionary(
    data: &[u8],
    input: &[(u32, u32)],
    deadline: &Deadline,
    work: &mut Work,
) -> Result<Option<Vec<(u32, u32)>>> {
    let Some((flags, rest)) = data.split_at_checked(2) else {
        return Ok(None);
    };
    let flags = u16::from_be_bytes([flags[0], flags[1]]);
    if flags & 0b11 != 0 {
        return Err(unbounded("symbols in Huffman codes or refined"));
    }
    if flags & 0x0100 != 0 {
        return Err(unbounded("symbols that go on with the coder of others"));
    }
    let template = Template::new((flags >> 10) as u8 & 3);
    let Some((adaptive, rest)) = rest.split_at_checked(2 * template.adaptive()) else {
        return Ok(None);
    };
    let template = template.with(adaptive);
    let Some((counts, data)) = rest.split_at_checked(8) else {
        return Ok(None);
    };
    let count = |at: usize| {
        u32::from_be_bytes([counts[at], counts[at + 1], counts[at + 2], counts[at + 3]])
    };
    let (exported, new) = (count(0), count(4));
    if exported > MAX_SYMBOLS || new > MAX_SYMBOLS {
        return Ok(None);
    }
    let mut decoder = Decoder::new(data, deadline);
    let mut contexts = vec![0; 1 << 16];
    let (mut heights, mut widths, mut runs) = (Integers::new(), Integers::new(), Integers::new());
    let mut sizes = input.to_vec();
    let (mut height, mut done) = (0_u32, 0);
    while done < new {
        let step = decoder.integer(&mut heights)?;
        let Some(next) = step.and_then(|step| height.checked_add_signed(step)) else {
            return Ok(None);
        };
        height = next;
        let (mut width, mut total) = (0_u32, 0_u32);
        while let Some(step) = decoder.integer(&mut widths)? {
            let sum = width
                .checked_add_signed(step)
                .filter(|width| *width <= MAX_SIDE && height <= MAX_SIDE && done < new);
            let Some(next) = sum.and_then(|sum| Some((sum, total.checked_add(sum)?))) else {
                return Ok(None);
            };
            (width, total) = next;
            work.pixels(width, height)?;
            decoder.bitmap(width, height, &template, &mut contexts)?;
            sizes.push((width, height));
            done += 1;
        }
        // A class of symbols without one costs as well.
        work.pixels(0, 0)?;
    }
    let mut kept = Vec::new();
    let (mut at, mut keep) = (0, false);
    let mut idle = 0;
    while at < sizes.len() {
        let Some(run) = decoder.integer(&mut runs)? else {
            return Ok(None);
        };
        let end = usize::try_from(run)
            .ok()
            .and_then(|run| at.checked_add(run));
        let Some(end) = end.filter(|end| *end <= sizes.len()) else {
            return Ok(None);
        };
        // Runs of nothing do not end by themselves once the data are over.
        idle = if end == at { idle + 1 } else { 0 };
        if idle > 4 {
            return Err(unbounded("dictionary that exports nothing, for ever"));
        }
        if keep {
            kept.extend_from_slice(&sizes[at..end]);
        }
        at = end;
        keep = !keep;
    }
    for (width, height) in &kept {
        // Each is copied.
        work.words(u64::from(*height) * (u64::from(*width).div_ceil(32) + 1) + 8)?;
    }
    Ok(Some(kept))
}

/// Counts what a region of text costs.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit), [`Unsupported`](ErrorKind::Unsupported).
pub(super) fn text(
    segment: &[u8],
    symbols: &[(u32, u32)],
    deadline: &Deadline,
    work: &mut Work,
) -> Result<()> {
    let Some((head, rest)) = segment.split_at_checked(19) else {
        return Ok(());
    };
    let width = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    let flags = u16::from_be_bytes([head[17], head[18]]);
    if flags & 0b11 != 0 {
        return Err(unbounded("text in Huffman codes or refined"));
    }
    let Some((count, data)) = rest.split_at_checked(4) else {
        return Ok(());
    };
    let instances = u32::from_be_bytes([count[0], count[1], count[2], count[3]]);
    if u64::from(instances) > 32 * segment.len() as u64 {
        return Ok(());
    }
    let strips = (flags >> 2) & 3 != 0;
    let bits = u32::BITS - (symbols.len() as u32).saturating_sub(1).leading_zeros();
    let mut decoder = Decoder::new(data, deadline);
    let mut steps = [(); 4].map(|()| Integers::new());
    let [down, first, across, within] = &mut steps;
    let mut ids = vec![0; 1 << bits];
    if decoder.integer(down)?.is_none() {
        return Ok(());
    }
    let mut done = 0;
    while done < instances {
        if decoder.integer(down)?.is_none() || decoder.integer(first)?.is_none() {
            return Ok(());
        }
        loop {
            work.words(8)?;
            if strips && decoder.integer(within)?.is_none() {
                return Ok(());
            }
            let id = decoder.id(&mut ids, bits)?;
            if let Some((w, h)) = symbols.get(id as usize) {
                let words = u64::from((*w).min(width)).div_ceil(32) + 1;
                work.words(u64::from(*h) * words)?;
            }
            done += 1;
            // The library reads one step more, and ends with the last of them.
            if decoder.integer(across)?.is_none() || done >= instances {
                break;
            }
        }
    }
    Ok(())
}

/// The pixels around one that predict it.
struct Template {
    kind: u8,
    /// Places of the pixels, as columns to the right and rows down.
    places: Vec<(i32, i32)>,
}

impl Template {
    fn new(kind: u8) -> Self {
        Self {
            kind,
            places: Vec::new(),
        }
    }

    /// Pixels whose places are in the data.
    fn adaptive(&self) -> usize {
        if self.kind == 0 { 4 } else { 1 }
    }

    fn with(mut self, adaptive: &[u8]) -> Self {
        let rows: [(i32, i32); 3] = match self.kind {
            0 => [(-1, 1), (-2, 2), (-4, -1)],
            1 => [(-1, 2), (-2, 2), (-3, -1)],
            2 => [(-1, 1), (-2, 1), (-2, -1)],
            _ => [(0, -1), (-3, 1), (-4, -1)],
        };
        for (row, (from, to)) in (-2..).zip(rows) {
            self.places.extend((from..=to).map(|column| (column, row)));
        }
        for pair in adaptive.chunks_exact(2) {
            let place = |byte: u8| i32::from(i8::from_be_bytes([byte]));
            self.places.push((place(pair[0]), place(pair[1])));
        }
        self
    }
}

/// Contexts of the procedure for integers.
struct Integers(Vec<u8>);

impl Integers {
    fn new() -> Self {
        Self(vec![0; 512])
    }
}

/// The arithmetic decoder.
struct Decoder<'d> {
    data: &'d [u8],
    at: usize,
    code: u32,
    interval: u32,
    shifts: u32,
    pacer: Pacer,
}

impl<'d> Decoder<'d> {
    fn new(data: &'d [u8], deadline: &Deadline) -> Self {
        let mut decoder = Self {
            data,
            at: 0,
            code: 0,
            interval: 0x8000,
            shifts: 0,
            pacer: deadline.pacer(1 << 16),
        };
        decoder.code = (u32::from(decoder.byte(0)) ^ 0xFF) << 16;
        decoder.read();
        decoder.code <<= 7;
        decoder.shifts -= 7;
        decoder
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.data.get(self.at + ahead).copied().unwrap_or(0xFF)
    }

    fn read(&mut self) {
        if self.byte(0) == 0xFF {
            if self.byte(1) > 0x8F {
                self.shifts = 8;
            } else {
                self.at += 1;
                let byte = u32::from(self.byte(0));
                self.code = self.code.wrapping_add(0xFE00).wrapping_sub(byte << 9);
                self.shifts = 7;
            }
        } else {
            self.at += 1;
            let byte = u32::from(self.byte(0));
            self.code = self.code.wrapping_add(0xFF00).wrapping_sub(byte << 8);
            self.shifts = 8;
        }
    }

    /// One decision. A context is an index into the table, and the likelier bit on top.
    fn bit(&mut self, context: &mut u8) -> u32 {
        let (estimate, next, other, switch) = ESTIMATES[usize::from(*context & 0x7F)];
        let likely = u32::from(*context >> 7);
        self.interval -= estimate;
        let is_less = (self.code >> 16) >= self.interval;
        if !is_less && self.interval & 0x8000 != 0 {
            return likely;
        }
        let short = self.interval < estimate;
        if is_less {
            self.code -= self.interval << 16;
            self.interval = estimate;
        }
        let flips = short != is_less;
        let bit = likely ^ u32::from(flips);
        let top = (*context & 0x80) ^ (u8::from(flips && switch) << 7);
        *context = top | if flips { other } else { next };
        while self.interval & 0x8000 == 0 {
            if self.shifts == 0 {
                self.read();
            }
            self.interval <<= 1;
            self.code <<= 1;
            self.shifts -= 1;
        }
        bit
    }

    fn integer(&mut self, contexts: &mut Integers) -> Result<Option<i32>> {
        self.pacer.steps(16)?;
        let mut previous = 1_u32;
        let mut bits = |count: u32| {
            let mut value = 0_u32;
            for _ in 0..count {
                let bit = self.bit(&mut contexts.0[previous as usize & 511]);
                previous = if previous < 256 {
                    previous << 1 | bit
                } else {
                    ((previous << 1 | bit) & 511) | 256
                };
                value = value << 1 | bit;
            }
            value
        };
        let negative = bits(1) == 1;
        let ranges = [(2, 0), (4, 4), (6, 20), (8, 84), (12, 340)];
        let range = ranges.into_iter().find(|_| bits(1) == 0);
        let (count, base) = range.unwrap_or((32, 4436));
        let value = bits(count).wrapping_add(base);
        Ok(match negative {
            false => Some(value as i32),
            true if value > 0 => Some((value as i32).wrapping_neg()),
            true => None,
        })
    }

    fn id(&mut self, contexts: &mut [u8], bits: u32) -> Result<u32> {
        self.pacer.steps(16)?;
        let mut value = 1_u32;
        for _ in 0..bits {
            let bit = self.bit(&mut contexts[value as usize]);
            value = value << 1 | bit;
        }
        Ok(value - (1 << bits))
    }

    /// Decodes the pixels of a symbol, which are not used.
    fn bitmap(
        &mut self,
        width: u32,
        height: u32,
        template: &Template,
        contexts: &mut [u8],
    ) -> Result<()> {
        let (width, height) = (width as usize, height as usize);
        // Rows stay as long as later ones refer to them: 128.
        let mut rows: Vec<Vec<u8>> = Vec::new();
        let reach = template
            .places
            .iter()
            .map(|place| -place.1)
            .max()
            .unwrap_or(0);
        for _ in 0..height {
            self.pacer.steps(width as u32 + 1)?;
            let mut row = vec![0; width];
            for x in 0..width {
                let mut context = 0_usize;
                for (right, down) in &template.places {
                    let column = usize::try_from(x as i64 + i64::from(*right)).ok();
                    let pixel = column.and_then(|column| match *down {
                        0 => row.get(column),
                        down => {
                            let above = rows.len().checked_sub(-down as usize)?;
                            rows.get(above)?.get(column)
                        }
                    });
                    context = context << 1 | usize::from(pixel.copied().unwrap_or(0));
                }
                row[x] = self.bit(&mut contexts[context]) as u8;
            }
            rows.push(row);
            if rows.len() > 2 * reach.max(16) as usize {
                rows.drain(..rows.len() - reach as usize);
            }
        }
        Ok(())
    }
}

/// Estimates of probability (table E.1): the interval, the next state after the likelier
/// bit and after the other, and whether that one becomes the likelier.
const ESTIMATES: [(u32, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0AC1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1C01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1C01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0AC1, 31, 28, false),
    (0x09C1, 32, 29, false),
    (0x08A1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02A1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];
