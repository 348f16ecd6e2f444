//! The luma plane that every perceptual print is computed on.

use super::{Pixels, Raster};
use crate::deadline::Deadline;
use crate::error::Result;

/// Rows handed out together: the filters along rows work on this many side by side.
const BAND: u32 = 8;

/// Pixels handed out between two checks of a deadline: some hundred microseconds of hashing.
const PACE: u32 = 1 << 16;

/// Neighbouring rows of luma, each as wide as the picture.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Band<'a> {
    /// Luma as a JPEG stores it: integers, whose sums are exact in any order.
    Bytes(&'a [u8]),
    /// Luma computed from colours.
    Floats(&'a [f32]),
}

impl<'a> Band<'a> {
    /// Its rows, one by one.
    pub(crate) fn rows(self, width: usize) -> impl Iterator<Item = Band<'a>> {
        let (bytes, floats): (&[u8], &[f32]) = match self {
            Self::Bytes(rows) => (rows, &[]),
            Self::Floats(rows) => (&[], rows),
        };
        let bytes = bytes.chunks_exact(width).map(Band::Bytes);
        bytes.chain(floats.chunks_exact(width).map(Band::Floats))
    }
}

/// Luma to the nearest byte.
pub(crate) fn to_byte(luma: &f32) -> u8 {
    (luma + 0.5) as u8
}

/// How transparent pixels are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matte {
    /// Over white: as most programs show them, and as a JPEG made of the picture has them.
    White,
    /// The colours as stored, alpha dropped, as the tools that make hash lists
    /// do.
    Stored,
}

/// BT.601 weights, as the PDQ reference writes them.
const RED: f32 = 0.299;
const GREEN: f32 = 0.587;
const BLUE: f32 = 0.114;

impl Raster {
    /// The luma of the whole picture, rounded to bytes, row by row. Fails at the deadline.
    pub(crate) fn luma_plane(&self, matte: Matte, deadline: &Deadline) -> Result<Vec<u8>> {
        let mut plane = Vec::with_capacity(self.width as usize * self.height as usize);
        self.luma_bands_until(matte, deadline, |band| match band {
            Band::Bytes(bytes) => plane.extend_from_slice(bytes),
            Band::Floats(floats) => plane.extend(floats.iter().map(to_byte)),
        })?;
        Ok(plane)
    }

    /// [`luma_bands_until`](Self::luma_bands_until) without a deadline.
    pub(crate) fn luma_bands(&self, matte: Matte, f: impl FnMut(Band<'_>)) {
        let done = self.luma_bands_until(matte, &Deadline::never(), f);
        debug_assert!(done.is_ok(), "there is no deadline");
    }

    /// Calls `f` with the luma of the whole picture from the top down, as
    /// [`luma_row`](Self::luma_row) gives it, in bands of up to eight rows: one conversion serves
    /// all hashes, and stays in the cache. Pictures that are luma already are passed unchanged.
    /// Fails at the deadline.
    pub(crate) fn luma_bands_until(
        &self,
        matte: Matte,
        deadline: &Deadline,
        mut f: impl FnMut(Band<'_>),
    ) -> Result<()> {
        let width = self.width as usize;
        let mut pacer = deadline.pacer(PACE);
        let pixels = self.width * BAND;
        if let Pixels::Luma8(samples) = &self.pixels {
            for rows in samples.chunks(width * BAND as usize) {
                pacer.steps(pixels)?;
                f(Band::Bytes(rows));
            }
            return Ok(());
        }
        let mut band = vec![0.0; width * BAND.min(self.height) as usize];
        for top in (0..self.height).step_by(BAND as usize) {
            pacer.steps(pixels)?;
            let rows = (self.height - top).min(BAND);
            let band = &mut band[..width * rows as usize];
            for (y, row) in (top..).zip(band.chunks_exact_mut(width)) {
                self.luma_row_on(matte, y, row);
            }
            f(Band::Floats(band));
        }
        Ok(())
    }

    /// Writes the luma of row `y` to `out`, one value a pixel, 0 (black) to 255.
    ///
    /// - `Luma8`: the sample itself.
    /// - `Rgb8`: BT.601, `.299 R + .587 G + .114 B`, in `f32` and in the order
    ///   of operations of the PDQ reference, so that what follows can be
    ///   bit-exact; not rounded.
    /// - `Rgba8`: the same after each channel has been composited over white
    ///   and rounded to the nearest integer; an opaque pixel has exactly the
    ///   luma of the same `Rgb8` pixel.
    ///
    /// Only the shorter of the row and `out` is filled; a row below the
    /// picture writes nothing.
    pub fn luma_row(&self, y: u32, out: &mut [f32]) {
        self.luma_row_on(Matte::White, y, out);
    }

    fn luma_row_on(&self, matte: Matte, y: u32, out: &mut [f32]) {
        let row_bytes = self.width as usize * self.pixels.channels();
        let start = row_bytes.saturating_mul(y as usize);
        let Some(row) = self
            .pixels
            .as_bytes()
            .get(start..start.saturating_add(row_bytes))
        else {
            return;
        };
        match &self.pixels {
            Pixels::Luma8(_) => {
                for (luma, &sample) in out.iter_mut().zip(row) {
                    *luma = f32::from(sample);
                }
            }
            Pixels::Rgb8(_) => {
                for (luma, &[r, g, b]) in out.iter_mut().zip(row.as_chunks().0) {
                    *luma = bt601(r, g, b);
                }
            }
            Pixels::Rgba8(_) => {
                for (luma, &[r, g, b, a]) in out.iter_mut().zip(row.as_chunks().0) {
                    *luma = match matte {
                        Matte::White => bt601(over_white(r, a), over_white(g, a), over_white(b, a)),
                        Matte::Stored => bt601(r, g, b),
                    };
                }
            }
        }
    }
}

/// Left to right, one rounding an operation: the reference's order.
#[inline]
fn bt601(r: u8, g: u8, b: u8) -> f32 {
    RED * f32::from(r) + GREEN * f32::from(g) + BLUE * f32::from(b)
}

/// `channel` at opacity `alpha` over white, to the nearest integer.
#[inline]
fn over_white(channel: u8, alpha: u8) -> u8 {
    // 255 - (255 - channel) * alpha / 255; the product is at most 65025, and
    // (p + 128 + (p + 128 >> 8)) >> 8 is p / 255 rounded for all of those.
    let ink = u32::from(255 - channel) * u32::from(alpha) + 128;
    255 - ((ink + (ink >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn luma_of(pixels: Pixels, width: u32, height: u32, y: u32) -> Vec<f32> {
        let mut out = vec![-1.0; width as usize];
        Raster::new(width, height, pixels)
            .expect("a whole picture")
            .luma_row(y, &mut out);
        out
    }

    #[test]
    fn alpha_is_composited_over_white_and_rounded() {
        for channel in 0..=255_u8 {
            for alpha in 0..=255_u8 {
                let (c, a) = (f64::from(channel), f64::from(alpha));
                let exact = (c * a + 255.0 * (255.0 - a)) / 255.0;
                let got = f64::from(over_white(channel, alpha));
                assert!(
                    (got - exact).abs() <= 0.5,
                    "{channel} at {alpha}: {got}, not {exact}"
                );
            }
            assert_eq!(over_white(channel, 255), channel);
            assert_eq!(over_white(channel, 0), 255);
        }
    }

    #[test]
    fn the_weights_are_those_of_the_reference() {
        let pixels = Pixels::Rgb8(vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 7, 8, 9]);
        let expected = [
            0.299_f32 * 255.0,
            0.587_f32 * 255.0,
            0.114_f32 * 255.0,
            0.299_f32 * 7.0 + 0.587_f32 * 8.0 + 0.114_f32 * 9.0,
        ];
        assert_eq!(luma_of(pixels, 4, 1, 0), expected);
    }

    #[test]
    fn a_row_outside_and_a_short_buffer_are_harmless() {
        let raster = Raster::new(3, 2, Pixels::Luma8(vec![1, 2, 3, 4, 5, 6])).expect("whole");
        let mut out = [-1.0; 3];
        raster.luma_row(2, &mut out);
        raster.luma_row(u32::MAX, &mut out);
        assert_eq!(out, [-1.0; 3]);
        raster.luma_row(1, &mut out[..2]);
        assert_eq!(out, [4.0, 5.0, -1.0]);
    }

    proptest! {
        #[test]
        fn layouts_agree(width in 1_u32..70, height in 1_u32..4, seed: [u8; 32]) {
            let samples = (width * height) as usize;
            let byte = |i: usize| seed[i % 32].wrapping_mul(i as u8 | 1).wrapping_add((i / 32) as u8);
            let rgb: Vec<u8> = (0..3 * samples).map(byte).collect();
            let rgba = rgb.chunks(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
            let y = height - 1;
            let naive: Vec<f32> = rgb[3 * (samples - width as usize)..]
                .chunks(3)
                .map(|p| RED * f32::from(p[0]) + GREEN * f32::from(p[1]) + BLUE * f32::from(p[2]))
                .collect();
            prop_assert_eq!(&luma_of(Pixels::Rgb8(rgb.clone()), width, height, y), &naive);
            prop_assert_eq!(&luma_of(Pixels::Rgba8(rgba), width, height, y), &naive);
            let grey: Vec<u8> = rgb[..samples].to_vec();
            let expected: Vec<f32> =
                grey[samples - width as usize..].iter().map(|&v| f32::from(v)).collect();
            prop_assert_eq!(luma_of(Pixels::Luma8(grey), width, height, y), expected);
        }
    }
}
