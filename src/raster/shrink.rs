//! Area averaging: the anti-aliased small plane that the second opinion looks at.

/// Shrinks a picture to `columns` x `rows` cells by exact area averaging: each
/// cell is the mean of the picture under it, and a pixel on the border of two
/// cells counts for both by its share. Enlarges by the same rule.
///
/// Takes rows as they come and holds one row of sums. The order of additions is
/// fixed, so that a plane is the same to the bit wherever it is made.
pub(crate) struct AreaShrink {
    width: usize,
    height: usize,
    columns: usize,
    rows: usize,
    /// The part of the cells' row under way, summed along columns.
    sums: Vec<f32>,
    /// Rows taken.
    taken: usize,
    cells: Vec<f32>,
}

impl AreaShrink {
    /// For a picture of `width` x `height`; all four numbers are at least 1.
    pub(crate) fn new(width: usize, height: usize, columns: usize, rows: usize) -> Self {
        Self {
            width,
            height,
            columns,
            rows,
            sums: vec![0.0; width],
            taken: 0,
            cells: Vec::with_capacity(columns * rows),
        }
    }

    /// Takes the next row, `width` values.
    pub(crate) fn push(&mut self, row: &[f32]) {
        // In units in which a pixel is `rows` high and a cell `height`.
        let start = self.taken * self.rows;
        let end = start + self.rows;
        self.taken += 1;
        let mut at = start;
        while at < end {
            let cell_end = (self.cells.len() / self.columns + 1) * self.height;
            let until = end.min(cell_end);
            if until - at == self.rows {
                for (sum, &value) in self.sums.iter_mut().zip(row) {
                    *sum += value;
                }
            } else {
                let share = (until - at) as f32 / self.rows as f32;
                for (sum, &value) in self.sums.iter_mut().zip(row) {
                    *sum += share * value;
                }
            }
            if until == cell_end {
                self.emit();
            }
            at = until;
        }
    }

    /// Turns the sums into a row of cells.
    fn emit(&mut self) {
        // The area of a cell in pixels.
        let area = self.width as f32 * self.height as f32 / (self.columns * self.rows) as f32;
        let (mut at, mut x) = (0, 0);
        for column in 0..self.columns {
            let cell_end = (column + 1) * self.width;
            let mut sum = 0.0_f32;
            while at < cell_end {
                let pixel_end = (x + 1) * self.columns;
                let until = pixel_end.min(cell_end);
                let value = self.sums.get(x).copied().unwrap_or_default();
                if until - at == self.columns {
                    sum += value;
                } else {
                    sum += (until - at) as f32 / self.columns as f32 * value;
                }
                at = until;
                if until == pixel_end {
                    x += 1;
                }
            }
            self.cells.push(sum / area);
        }
        self.sums.fill(0.0);
    }

    /// The cells, row by row, once all rows have been pushed.
    pub(crate) fn finish(self) -> Vec<f32> {
        self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shrink(plane: &[f32], width: usize, columns: usize, rows: usize) -> Vec<f32> {
        let mut shrink = AreaShrink::new(width, plane.len() / width, columns, rows);
        plane.chunks_exact(width).for_each(|row| shrink.push(row));
        shrink.finish()
    }

    #[test]
    fn whole_blocks_are_averaged() {
        let plane = [1.0, 3.0, 5.0, 7.0, 1.0, 3.0, 5.0, 7.0];
        assert_eq!(shrink(&plane, 4, 2, 1), [2.0, 6.0]);
        assert_eq!(shrink(&plane, 4, 4, 2), plane);
        assert_eq!(shrink(&plane, 4, 1, 1), [4.0]);
    }

    #[test]
    fn pixels_on_a_border_count_by_their_share() {
        // Three pixels to two cells: the middle one is half of each.
        let cells = shrink(&[0.0, 6.0, 12.0], 3, 2, 1);
        assert!(
            (cells[0] - 2.0).abs() < 1e-5 && (cells[1] - 10.0).abs() < 1e-5,
            "{cells:?}"
        );
    }

    proptest! {
        /// Against the integral over each cell, sampled pixel by pixel.
        #[test]
        fn equals_the_integral(
            width in 1_usize..40, height in 1_usize..40,
            columns in 1_usize..20, rows in 1_usize..20, seed: u64,
        ) {
            let mut state = seed | 1;
            let plane: Vec<f32> = (0..width * height).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 56) as f32
            }).collect();
            let cells = shrink(&plane, width, columns, rows);
            prop_assert_eq!(cells.len(), columns * rows);
            let overlap = |cell: usize, cells: usize, pixel: usize, pixels: usize| -> f64 {
                let (a, b) = (cell as f64 / cells as f64, (cell + 1) as f64 / cells as f64);
                let (c, d) = (pixel as f64 / pixels as f64, (pixel + 1) as f64 / pixels as f64);
                (b.min(d) - a.max(c)).max(0.0) * cells as f64
            };
            for (i, &cell) in cells.iter().enumerate() {
                let mut expected = 0.0;
                for y in 0..height {
                    let wy = overlap(i / columns, rows, y, height);
                    for x in 0..width {
                        let w = wy * overlap(i % columns, columns, x, width);
                        expected += w * f64::from(plane[y * width + x]);
                    }
                }
                prop_assert!((f64::from(cell) - expected).abs() < 0.01, "{} not {}", cell, expected);
            }
        }
    }
}
