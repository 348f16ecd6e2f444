//! The other official pipeline: what is larger than 512 pixels on a side is
//! scaled to 512 x 512 by taking the nearest pixel, then hashed.
//!
//! The command-line program and the WebAssembly build of the reference do so;
//! lists made by them can differ from full-resolution hashes by 30 bits.

use super::{Pdq, PdqHash};

const SIDE: usize = 512;

/// The hash of a picture by the second pipeline; as [`PdqHash::of`] if both
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
    row: Vec<f32>,
}

impl Nn512 {
    /// For a picture of `width` x `height`, both at least 1.
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
                row: vec![0.0; SIDE],
            }),
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[f32]) {
        let Some(scaled) = &mut self.scaled else {
            self.pdq.push(row);
            return;
        };
        let mut sampled = false;
        while scaled.given < SIDE && scaled.given * scaled.height / SIDE == scaled.offered {
            if !sampled {
                for (out, &column) in scaled.row.iter_mut().zip(&scaled.columns) {
                    *out = row.get(column).copied().unwrap_or_default();
                }
                sampled = true;
            }
            self.pdq.push(&scaled.row);
            scaled.given += 1;
        }
        scaled.offered += 1;
    }

    /// The hash, once all rows have been pushed.
    pub(crate) fn finish(self) -> PdqHash {
        self.pdq.finish()
    }
}
