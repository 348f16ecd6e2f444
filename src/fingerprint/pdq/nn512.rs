//! The other official pipeline: a picture larger than 512 pixels on a side is scaled to 512 x 512
//! by taking the nearest pixel, then hashed.
//!
//! The command-line program and the WebAssembly build of the reference do so;
//! lists made by them can differ from full-resolution hashes by 30 bits.

use super::{Pdq, PdqHash};
use crate::raster::Band;

const SIDE: usize = 512;

/// The hash of a picture by the second pipeline; as [`PdqHash::from_raster`] if both
/// sides are at most 512 pixels.
pub(crate) struct Nn512 {
    pdq: Pdq,
    scaled: Option<Scaled>,
}

struct Scaled {
    height: usize,
    /// The columns that are taken.
    columns: Vec<usize>,
    /// Rows offered, and rows given to `pdq`.
    offered: usize,
    given: usize,
    bytes: Vec<u8>,
    floats: Vec<f32>,
}

impl Nn512 {
    /// A hasher for a picture of `width` x `height`, both at least 1.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        if width <= SIDE && height <= SIDE {
            return Self {
                pdq: Pdq::new(width, height),
                scaled: None,
            };
        }
        Self {
            pdq: Pdq::new(SIDE, SIDE),
            scaled: Some(Scaled {
                height,
                columns: (0..SIDE).map(|x| x * width / SIDE).collect(),
                offered: 0,
                given: 0,
                bytes: vec![0; SIDE],
                floats: vec![0.0; SIDE],
            }),
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: Band<'_>) {
        let Some(scaled) = &mut self.scaled else {
            self.pdq.push(row);
            return;
        };
        let falls_due = |given| given < SIDE && given * scaled.height / SIDE == scaled.offered;
        if falls_due(scaled.given) {
            let row = match row {
                Band::Bytes(row) => {
                    sample(row, &scaled.columns, &mut scaled.bytes);
                    Band::Bytes(&scaled.bytes)
                }
                Band::Floats(row) => {
                    sample(row, &scaled.columns, &mut scaled.floats);
                    Band::Floats(&scaled.floats)
                }
            };
            while falls_due(scaled.given) {
                self.pdq.push(row);
                scaled.given += 1;
            }
        }
        scaled.offered += 1;
    }

    /// The hash, once all rows have been pushed.
    pub(crate) fn finish(self) -> PdqHash {
        self.pdq.finish()
    }
}

fn sample<T: Copy + Default>(row: &[T], columns: &[usize], out: &mut [T]) {
    for (out, &column) in out.iter_mut().zip(columns) {
        *out = row.get(column).copied().unwrap_or_default();
    }
}
