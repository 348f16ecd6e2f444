//! Dictionaries of JBIG2 symbols, and the texts set in them, decoded with a count.
//!
//! The width and height of a symbol are coded between the pixels of the others, so there is no
//! other way to know them than to decode all of it (ITU-T T.88, 6.4, 6.5, annexes A and E). The
//! pixels of a symbol are discarded once it is decoded; its size is kept.

use super::arithmetic::{Decoder, Integers, Template};
use crate::deadline::Deadline;
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

/// The cost of the symbols of one picture so far.
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
        // Empty runs would go on forever after the end of the data.
        idle = if end == at { idle + 1 } else { 0 };
        if idle > 4 {
            return Err(unbounded("dictionary that exports nothing, forever"));
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
