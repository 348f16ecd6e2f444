//! Whether a picture is drawn or taken: the share of its pixels without texture.

/// Counts the pixels that hardly differ from their right and lower neighbours.
///
/// Screens, documents and drawings consist of flat areas and hard edges (.84 and
/// more of their pixels are flat), photographs of texture and noise (95 % of
/// them stay below .64). It tells how far a picture's layout is its own.
pub(crate) struct Flatness {
    above: Vec<f32>,
    flat: u64,
    pixels: u64,
}

/// Neighbours that differ by no more luma steps than these are flat: rounding.
const STEP: f32 = 1.5;

impl Flatness {
    /// For a picture of so many pixels in a row.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            above: Vec::with_capacity(width),
            flat: 0,
            pixels: 0,
        }
    }

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[f32]) {
        if !self.above.is_empty() {
            let right = self.above.get(1..).unwrap_or_default();
            let mut flat = 0_u32;
            for ((&pixel, &right), &below) in self.above.iter().zip(right).zip(row) {
                let is_flat = ((pixel - right).abs() < STEP) & ((pixel - below).abs() < STEP);
                flat += u32::from(is_flat);
            }
            self.flat += u64::from(flat);
            self.pixels += right.len() as u64;
        }
        self.above.clear();
        self.above.extend_from_slice(row);
    }

    /// The share in percent, 0..=100; 0 for less than 2 x 2 pixels.
    pub(crate) fn finish(self) -> u8 {
        (self.flat * 100).checked_div(self.pixels).unwrap_or(0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flatness(width: usize, height: usize, pixel: impl Fn(usize, usize) -> f32) -> u8 {
        let mut flatness = Flatness::new(width);
        for y in 0..height {
            let row: Vec<f32> = (0..width).map(|x| pixel(x, y)).collect();
            flatness.push(&row);
        }
        flatness.finish()
    }

    #[test]
    fn flat_and_textured_pictures() {
        assert_eq!(flatness(40, 30, |_, _| 7.0), 100);
        assert_eq!(
            flatness(40, 30, |x, y| ((x * 31 + y * 17) % 7 * 20) as f32),
            0
        );
        // Two halves and one edge between: one of 39 columns.
        assert_eq!(
            flatness(40, 30, |x, _| if x < 20 { 0.0 } else { 255.0 }),
            97
        );
        // A slow gradient is flat.
        assert_eq!(flatness(40, 30, |x, y| (x + y) as f32), 100);
        assert_eq!(flatness(1, 30, |_, _| 7.0), 0);
        assert_eq!(flatness(40, 1, |_, _| 7.0), 0);
    }
}
