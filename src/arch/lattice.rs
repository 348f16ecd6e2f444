//! Samples of a plane on a lattice of 12 x 12 places in any direction, by bilinear interpolation, and
//! their scaling to bytes.

use super::SAMPLES;

/// Samples along each side.
pub(super) const SIDE: usize = 12;

const _: () = assert!(SIDE * SIDE == SAMPLES);

/// The places of samples, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lattice {
    /// The place of the first sample.
    pub(crate) first: (f32, f32),
    /// From one sample to the next in its row.
    pub(crate) u: (f32, f32),
    /// From one row of samples to the next.
    pub(crate) v: (f32, f32),
}

impl Lattice {
    /// Returns the place of a sample. The order of the operations ensures that every place is between
    /// those of the four corners, whatever is rounded.
    #[inline(always)]
    fn place(&self, i: usize, j: usize) -> (f32, f32) {
        let (i, j) = (i as f32, j as f32);
        (
            self.first.0 + j * self.v.0 + i * self.u.0,
            self.first.1 + j * self.v.1 + i * self.u.1,
        )
    }

    /// Returns whether all four pixels around every sample are in a plane of this size.
    #[inline(always)]
    pub(super) fn is_inside(&self, width: usize, height: usize) -> bool {
        let (Some(right), Some(bottom)) = (width.checked_sub(1), height.checked_sub(1)) else {
            return false;
        };
        let (right, bottom) = (right as f32, bottom as f32);
        let last = SIDE - 1;
        [(0, 0), (last, 0), (0, last), (last, last)]
            .iter()
            .all(|&(i, j)| {
                // NaN is outside too.
                let (x, y) = self.place(i, j);
                x >= 0.0 && y >= 0.0 && x < right && y < bottom
            })
    }
}

/// Returns the samples in 256ths, row by row; `None` if one is outside.
pub(super) fn sample(plane: &[u8], width: usize, lattice: &Lattice) -> Option<[u16; SAMPLES]> {
    if !lattice.is_inside(width, plane.len() / width.max(1)) {
        return None;
    }
    let mut out = [0; SAMPLES];
    for (j, row) in out.chunks_exact_mut(SIDE).enumerate() {
        for (i, value) in row.iter_mut().enumerate() {
            // Places in 16ths of a pixel.
            let (x, y) = lattice.place(i, j);
            let (x, y) = ((x * 16.0) as u32, (y * 16.0) as u32);
            let at = (y >> 4) as usize * width + (x >> 4) as usize;
            let upper = plane.get(at..at + 2)?;
            let lower = plane.get(at + width..at + width + 2)?;
            let (fx, fy) = ((x & 15) as u16, (y & 15) as u16);
            let above = u16::from(upper[0]) * (16 - fx) + u16::from(upper[1]) * fx;
            let below = u16::from(lower[0]) * (16 - fx) + u16::from(lower[1]) * fx;
            *value = above * (16 - fy) + below * fy;
        }
    }
    Some(out)
}

/// Returns the deviations of the samples from their mean, scaled so that the largest is 127; `None` if
/// the largest is below `flat`, which must be at least 1. No sum depends on its order, so all
/// instruction sets return the same bits.
#[inline(always)]
pub(super) fn stretch(samples: &[u16; SAMPLES], flat: i32) -> Option<[i8; SAMPLES]> {
    let sum: u32 = samples.iter().map(|&s| u32::from(s)).sum();
    let mean = (sum / SAMPLES as u32) as i32;
    let largest = samples
        .iter()
        .fold(0, |most: i32, &s| most.max((i32::from(s) - mean).abs()));
    if largest < flat {
        return None;
    }
    // Adding a half before the shift rounds to the nearest.
    let factor = (127 << 16) / largest;
    Some(samples.map(|s| (((i32::from(s) - mean) * factor + (1 << 15)) >> 16) as i8))
}
