//! Projections of a patch of bytes on many directions.
//!
//! The weights are stored four samples at a time for all directions, so that a vector has consecutive
//! *directions*: every lane sums one of them, and nothing is added across lanes. Samples are shifted
//! to 0..=255, which the byte multipliers of x86-64 take, and the sum of the weights times that
//! shift is subtracted again.

/// Samples of a patch.
pub(crate) const SAMPLES: usize = 144;

/// Directions.
pub(crate) const DIRECTIONS: usize = 128;

/// Samples that are multiplied in one step.
const QUAD: usize = 4;

/// Steps to a patch.
pub(super) const QUADS: usize = SAMPLES / QUAD;

/// The largest weight; a larger one could overflow the 16-bit sum of two products.
pub(crate) const MAX_WEIGHT: i8 = 64;

/// The number that is added to a sample to make it a `u8`.
const SHIFT: i32 = 128;

/// Directions in the layout of the kernels.
#[derive(Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Directions {
    /// For each four samples, the weights of all directions.
    pub(super) weights: [[[i8; QUAD]; DIRECTIONS]; QUADS],
    /// What the shift of the samples adds to each sum, negated.
    pub(super) offsets: [i32; DIRECTIONS],
}

impl Directions {
    /// Makes directions of their weights, which are clamped to [`MAX_WEIGHT`].
    pub(crate) fn new(rows: impl IntoIterator<Item = [i8; SAMPLES]>) -> Box<Self> {
        let mut directions = Box::new(Self {
            weights: [[[0; QUAD]; DIRECTIONS]; QUADS],
            offsets: [0; DIRECTIONS],
        });
        let Self { weights, offsets } = &mut *directions;
        for (i, (row, offset)) in rows.into_iter().zip(offsets).enumerate() {
            let row = row.map(|weight| weight.clamp(-MAX_WEIGHT, MAX_WEIGHT));
            for (quad, part) in weights.iter_mut().zip(row.as_chunks::<QUAD>().0) {
                quad[i] = *part;
            }
            *offset = -SHIFT * row.iter().map(|&weight| i32::from(weight)).sum::<i32>();
        }
        directions
    }
}

/// Returns the shifted samples, in groups of four.
#[inline(always)]
pub(super) fn shifted(patch: &[i8; SAMPLES]) -> [[u8; QUAD]; QUADS] {
    let mut out = [[0; QUAD]; QUADS];
    for (quad, samples) in out.iter_mut().zip(patch.as_chunks::<QUAD>().0) {
        *quad = samples.map(|sample| sample as u8 ^ 0x80);
    }
    out
}

/// Computes the dot product of `patch` with each direction.
pub(super) fn project(
    directions: &Directions,
    patch: &[i8; SAMPLES],
    sums: &mut [i32; DIRECTIONS],
) {
    *sums = directions.offsets;
    for (samples, weights) in shifted(patch).iter().zip(&directions.weights) {
        for (sum, weights) in sums.iter_mut().zip(weights) {
            for (&weight, &sample) in weights.iter().zip(samples) {
                *sum += i32::from(weight) * i32::from(sample);
            }
        }
    }
}
