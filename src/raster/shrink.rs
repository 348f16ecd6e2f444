//! Area averaging: the small anti-aliased plane of the gradient hash and the sketch.

use std::ops::Range;

use super::Band;
use crate::arch::{Backend, LANES, Lanes, stride};

/// Shrinks a picture to `columns` x `rows` cells by exact area averaging: each
/// cell is the mean of the picture under it, and a pixel across two
/// cells counts for both by its share. Enlarging follows the same rule.
///
/// Takes rows in order and holds a few rows of sums, from which cells are computed side by side.
/// The order of additions is fixed, so that a plane is the same to the bit on every machine.
pub(crate) struct AreaShrink {
    backend: Backend,
    height: usize,
    rows: usize,
    columns: Vec<Column>,
    /// The area of a cell in pixels.
    area: f32,
    /// Rows of cells, summed along columns, `stride` apart; the last is incomplete.
    sums: Vec<f32>,
    stride: usize,
    /// Rows of `sums` that are whole.
    whole: usize,
    /// `sums` side by side.
    lanes: Vec<Lanes>,
    /// Rows taken.
    taken: usize,
    /// Rows of cells whose sums are whole.
    done: usize,
    cells: Vec<f32>,
}

/// The pixels of a row that a column of cells covers.
struct Column {
    /// The share of the pixel before `whole`, and its place; 0 if there is none.
    first: (usize, f32),
    whole: Range<usize>,
    /// The share of the pixel after `whole`; 0 if there is none.
    last: f32,
}

impl Column {
    /// Column `column` of `columns` over `width` pixels.
    fn new(column: usize, columns: usize, width: usize) -> Self {
        // In units in which a pixel is `columns` wide and a cell `width`.
        let (start, end) = (column * width, (column + 1) * width);
        let share = |from: usize, to: usize| (to - from) as f32 / columns as f32;
        let inside = start / columns;
        if end <= (inside + 1) * columns && end - start < columns {
            // A cell within one pixel.
            return Self {
                first: (inside, share(start, end)),
                whole: 0..0,
                last: 0.0,
            };
        }
        let (from, to) = (start.div_ceil(columns), end / columns);
        let first = if from * columns > start {
            (inside, share(start, from * columns))
        } else {
            (inside, 0.0)
        };
        Self {
            first,
            whole: from..to,
            last: share(to * columns, end),
        }
    }

    fn sum(&self, sums: &[Lanes]) -> Lanes {
        let mut sum = [0.0; LANES];
        let mut add = |place: usize, share: f32| {
            for (sum, value) in sum.iter_mut().zip(&sums[place]) {
                *sum += share * value;
            }
        };
        if self.first.1 > 0.0 {
            add(self.first.0, self.first.1);
        }
        for place in self.whole.clone() {
            add(place, 1.0);
        }
        if self.last > 0.0 {
            add(self.whole.end, self.last);
        }
        sum
    }
}

impl AreaShrink {
    /// A shrinker for a picture of `width` x `height`; all four numbers are at least 1.
    pub(crate) fn new(width: usize, height: usize, columns: usize, rows: usize) -> Self {
        let column = |i| Column::new(i, columns, width);
        let stride = stride(width);
        Self {
            backend: Backend::detect(),
            height,
            rows,
            columns: (0..columns).map(column).collect(),
            area: width as f32 * height as f32 / (columns * rows) as f32,
            sums: vec![0.0; LANES * stride],
            stride,
            whole: 0,
            lanes: vec![[0.0; LANES]; width],
            taken: 0,
            done: 0,
            cells: Vec::with_capacity(columns * rows),
        }
    }

    /// Takes the next row, as many values as the picture is wide.
    pub(crate) fn push(&mut self, row: Band<'_>) {
        // In units in which a pixel is `rows` high and a cell `height`.
        let mut at = self.taken * self.rows;
        let end = at + self.rows;
        self.taken += 1;
        while at < end {
            let cell_end = (self.done + 1) * self.height;
            let until = end.min(cell_end);
            let share = if until - at == self.rows {
                1.0
            } else {
                (until - at) as f32 / self.rows as f32
            };
            let start = self.whole * self.stride;
            let sums = &mut self.sums[start..start + self.lanes.len()];
            match row {
                Band::Bytes(row) => self.backend.add_bytes(sums, row, share),
                Band::Floats(row) => self.backend.add_floats(sums, row, share),
            }
            if until == cell_end {
                self.done += 1;
                self.whole += 1;
                if self.whole == LANES {
                    self.put_out();
                }
            }
            at = until;
        }
    }

    /// Makes cells of the whole rows of sums.
    fn put_out(&mut self) {
        if self.whole == 0 {
            return;
        }
        self.backend
            .transpose(&self.sums, self.stride, &mut self.lanes);
        let start = self.cells.len();
        let columns = self.columns.len();
        self.cells.resize(start + self.whole * columns, 0.0);
        for (x, column) in self.columns.iter().enumerate() {
            let sums = column.sum(&self.lanes);
            let cells = self.cells[start + x..].iter_mut().step_by(columns);
            for (cell, sum) in cells.zip(sums) {
                *cell = sum / self.area;
            }
        }
        self.sums.fill(0.0);
        self.whole = 0;
    }

    /// The cells, row by row, once all rows have been pushed.
    pub(crate) fn finish(mut self) -> Vec<f32> {
        self.put_out();
        self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shrink(plane: &[f32], width: usize, columns: usize, rows: usize) -> Vec<f32> {
        let mut shrink = AreaShrink::new(width, plane.len() / width, columns, rows);
        plane
            .chunks_exact(width)
            .for_each(|row| shrink.push(Band::Floats(row)));
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
