//! The arithmetic decoder of JBIG2 (ITU-T T.88, annexes A and E): bits, integers and the pixels
//! of generic regions.

use crate::deadline::{Deadline, Pacer};
use crate::error::Result;

/// The pixels around one that predict it.
pub(super) struct Template {
    pub(super) kind: u8,
    /// Places of the pixels, as columns to the right and rows down.
    places: Vec<(i32, i32)>,
}

impl Template {
    pub(super) fn new(kind: u8) -> Self {
        Self {
            kind,
            places: Vec::new(),
        }
    }

    /// Pixels whose places are in the data.
    pub(super) fn adaptive(&self) -> usize {
        if self.kind == 0 { 4 } else { 1 }
    }

    pub(super) fn with(mut self, adaptive: &[u8]) -> Self {
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
pub(super) struct Integers(Vec<u8>);

impl Integers {
    pub(super) fn new() -> Self {
        Self(vec![0; 512])
    }
}

/// The arithmetic decoder.
pub(super) struct Decoder<'d> {
    data: &'d [u8],
    at: usize,
    code: u32,
    interval: u32,
    shifts: u32,
    pub(super) pacer: Pacer,
}

impl<'d> Decoder<'d> {
    pub(super) fn new(data: &'d [u8], deadline: &Deadline) -> Self {
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
    pub(super) fn bit(&mut self, context: &mut u8) -> u32 {
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

    pub(super) fn integer(&mut self, contexts: &mut Integers) -> Result<Option<i32>> {
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

    pub(super) fn id(&mut self, contexts: &mut [u8], bits: u32) -> Result<u32> {
        self.pacer.steps(16)?;
        let mut value = 1_u32;
        for _ in 0..bits {
            let bit = self.bit(&mut contexts[value as usize]);
            value = value << 1 | bit;
        }
        Ok(value - (1 << bits))
    }

    /// Decodes the pixels of a symbol, which are not used.
    pub(super) fn bitmap(
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

/// Estimates of probability (table E.1): the interval, the next state after the likelier bit and
/// after the other bit, and whether the other bit then becomes the likelier one.
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
