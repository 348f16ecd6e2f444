//! Whether a picture is drawn or taken: how its neighbouring pixels differ.

use serde::{Deserialize, Serialize};

/// How neighbouring pixels differ, in whole percent.
///
/// Screens, documents and drawings consist of flat areas and hard edges: even
/// as poor JPEGs at least 60 % of their pixels are flat, and of the others at
/// least 16 % stand at a hard edge. Of photographs nearly none has both. It
/// tells how far a picture's layout is its own: two mails in one program share
/// theirs, two photographs don't.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Texture {
    /// The share of pixels that differ from their right and lower neighbour by
    /// less than 1.5 steps of luma, 0..=100.
    pub flat: u8,
    /// The share of the *other* pixels that differ from one of both by 32 steps or more, 0..=100.
    pub hard: u8,
}

/// Differences below this are flat: rounding.
const FLAT: f32 = 1.5;

/// Differences from this on are hard edges.
const HARD: f32 = 32.0;

/// Measures a picture whose luma comes row by row.
pub(crate) struct TextureMeter {
    above: Vec<f32>,
    flat: u64,
    hard: u64,
    pixels: u64,
}

impl TextureMeter {
    /// For a picture of so many pixels in a row.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            above: Vec::with_capacity(width),
            flat: 0,
            hard: 0,
            pixels: 0,
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[f32]) {
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
            meter.push(&row);
        }
        let texture = meter.finish();
        (texture.flat, texture.hard)
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
