//! Whether a picture is drawn or a photograph: how its neighbouring pixels differ.

use serde::{Deserialize, Serialize};

use super::Band;
use crate::arch::Backend;

/// A measure of how neighbouring pixels differ, in whole percent.
///
/// Screens, documents and drawings consist of flat areas and hard edges: even
/// as poor JPEGs at least 60 % of their pixels are flat, and of the others at
/// least 16 % are at a hard edge. Nearly no photograph has both. The matcher
/// uses it, since drawn pictures share layouts (two mails in one program) and
/// photographs do not.
///
/// ```
/// use leakprint::Fingerprinter;
/// use leakprint::raster::{Pixels, Raster};
///
/// // Black bars on white, as letters are.
/// let bars = (0..90 * 60).map(|i| if i % 9 == 0 { 0 } else { 255 });
/// let raster = Raster::new(90, 60, Pixels::Luma8(bars.collect())).unwrap();
/// let print = Fingerprinter::builder().build()?.fingerprint_raster(&raster);
/// let texture = print.parts[0].raster.as_ref().unwrap().texture;
/// assert!(texture.flat > 70 && texture.hard == 100);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Texture {
    /// The share of pixels that differ from their right and lower neighbour by
    /// less than 1.5 steps of luma, 0..=100.
    pub flat: u8,
    /// The share of the *other* pixels that differ from either neighbour by 32 steps or more, 0..=100.
    pub hard: u8,
}

/// Differences below this are flat: rounding.
const FLAT: f32 = 1.5;

/// Differences from this on are hard edges.
const HARD: f32 = 32.0;

/// The same limits for integers.
const FLAT_BYTE: u8 = 2;
const HARD_BYTE: u8 = 32;

/// Measures a picture whose luma comes row by row, either all as bytes or all not.
pub(crate) struct TextureMeter {
    backend: Backend,
    above: Vec<f32>,
    above_bytes: Vec<u8>,
    flat: u64,
    hard: u64,
    pixels: u64,
}

impl TextureMeter {
    /// A meter for a picture of this width.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            backend: Backend::detect(),
            above: Vec::with_capacity(width),
            above_bytes: Vec::new(),
            flat: 0,
            hard: 0,
            pixels: 0,
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: Band<'_>) {
        match row {
            Band::Bytes(row) => self.push_bytes(row),
            Band::Floats(row) => self.push_floats(row),
        }
    }

    fn push_bytes(&mut self, row: &[u8]) {
        if !self.above_bytes.is_empty() {
            let above = &self.above_bytes;
            let (flat, hard) = self.backend.differences(above, row, FLAT_BYTE, HARD_BYTE);
            self.flat += u64::from(flat);
            self.hard += u64::from(hard);
            self.pixels += above.len() as u64 - 1;
        }
        self.above_bytes.clear();
        self.above_bytes.extend_from_slice(row);
    }

    fn push_floats(&mut self, row: &[f32]) {
        if !self.above.is_empty() {
            let right = self.above.get(1..).unwrap_or_default();
            let (mut flat, mut hard) = (0_u32, 0_u32);
            for ((&pixel, &right), &below) in self.above.iter().zip(right).zip(row) {
                let difference = (pixel - right).abs().max((pixel - below).abs());
                flat += u32::from(difference < FLAT);
                hard += u32::from(difference >= HARD);
            }
            self.flat += u64::from(flat);
            self.hard += u64::from(hard);
            self.pixels += right.len() as u64;
        }
        self.above.clear();
        self.above.extend_from_slice(row);
    }

    /// The measures; both 0 for less than 2 x 2 pixels.
    pub(crate) fn finish(self) -> Texture {
        let percent = |part: u64, of: u64| (part * 100).checked_div(of).unwrap_or(0) as u8;
        Texture {
            flat: percent(self.flat, self.pixels),
            hard: percent(self.hard, self.pixels - self.flat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> f32) -> (u8, u8) {
        let mut meter = TextureMeter::new(width);
        for y in 0..height {
            let row: Vec<f32> = (0..width).map(|x| pixel(x, y)).collect();
            meter.push(Band::Floats(&row));
        }
        let texture = meter.finish();
        (texture.flat, texture.hard)
    }

    /// Bytes are measured by other code.
    #[test]
    fn bytes_measure_as_floats_do() {
        for width in [1_usize, 2, 64, 65, 66, 300, 16_500] {
            let (mut bytes, mut floats) = (TextureMeter::new(width), TextureMeter::new(width));
            let mut state = 5_u32;
            for _ in 0..9 {
                let row: Vec<u8> = (0..width)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let wide = state >> 8 & 3 == 0;
                        (if wide { state >> 24 } else { state >> 30 }) as u8
                    })
                    .collect();
                bytes.push(Band::Bytes(&row));
                let row: Vec<f32> = row.into_iter().map(f32::from).collect();
                floats.push(Band::Floats(&row));
            }
            assert_eq!(
                (bytes.flat, bytes.hard),
                (floats.flat, floats.hard),
                "{width}"
            );
            assert_eq!(bytes.finish(), floats.finish(), "{width}");
        }
    }

    #[test]
    fn flat_areas_hard_edges_and_texture() {
        assert_eq!(texture(40, 30, |_, _| 7.0), (100, 0));
        assert_eq!(
            texture(40, 30, |x, y| ((x * 3 + y * 5) % 7 * 4) as f32),
            (0, 0)
        );
        // Two halves and one edge between: one of 39 columns.
        assert_eq!(
            texture(40, 30, |x, _| if x < 20 { 0.0 } else { 255.0 }),
            (97, 100)
        );
        // A slow gradient is flat.
        assert_eq!(texture(40, 30, |x, y| (x + y) as f32), (100, 0));
        assert_eq!(texture(1, 30, |_, _| 7.0), (0, 0));
        assert_eq!(texture(40, 1, |_, _| 7.0), (0, 0));
    }
}
