//! PDQ's way from a picture to a grid of 64 x 64: a box filter along rows and
//! columns, twice (a tent, after Jarosz), of which 64 x 64 samples are kept.
//!
//! A hash bit hangs on the sign of a difference that rounding can turn, so the
//! order in which each running sum adds and subtracts is part of the
//! algorithm, and `twin` beside this file spells it out in full. Here the same
//! sums are taken in the same order, but on rows as they come: the picture is
//! read once, nothing of its size is stored, what runs along columns runs on
//! all columns side by side, what runs along rows runs on eight rows side by
//! side, and the second pass along rows divides only where a sample is taken.

use super::{GRID, Grid};

/// Rows that the running sums along rows treat side by side: one sum alone
/// waits for the adder most of the time.
const BAND: usize = 8;

/// Takes the luma of a picture, rows from the top down, and makes the grid.
pub(crate) struct Downscale {
    width: usize,
    height: usize,
    first_pass: ColumnBox,
    second_pass: ColumnBox,
    /// A row of the first pass along rows, for each row of a band.
    boxed: Vec<f32>,
    /// Rows that the first pass has left, up to a band of them.
    tent: Vec<f32>,
    tent_rows: usize,
    samples: Samples,
}

impl Downscale {
    /// For a picture of `width` x `height`, both at least 1.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            first_pass: ColumnBox::new(width, height),
            second_pass: ColumnBox::new(GRID, height),
            boxed: vec![0.0; BAND * width],
            tent: vec![0.0; BAND * width],
            tent_rows: 0,
            samples: Samples::new(width, height),
        }
    }

    /// Takes the next rows; all calls together must bring `width * height` values.
    pub(crate) fn push(&mut self, rows: &[f32]) {
        if (self.width, self.height) == (GRID, GRID) {
            for row in rows.chunks_exact(GRID) {
                self.samples.take(row);
            }
            return;
        }
        for band in rows.chunks(BAND * self.width) {
            let mut boxed = std::mem::take(&mut self.boxed);
            box_along_rows(band, &mut boxed[..band.len()], self.width);
            for row in boxed[..band.len()].chunks_exact(self.width) {
                let start = self.tent_rows * self.width;
                if self
                    .first_pass
                    .push(row, &mut self.tent[start..start + self.width])
                {
                    self.row_of_tent();
                }
            }
            self.boxed = boxed;
        }
    }

    /// The grid, once all rows have been pushed.
    pub(crate) fn finish(mut self) -> Grid {
        if (self.width, self.height) == (GRID, GRID) {
            return self.samples.grid;
        }
        loop {
            let start = self.tent_rows * self.width;
            if !self
                .first_pass
                .drain(&mut self.tent[start..start + self.width])
            {
                break;
            }
            self.row_of_tent();
        }
        self.second_pass_along_rows();
        let mut row = [0.0; GRID];
        while self.second_pass.drain(&mut row) {
            self.samples.take(&row);
        }
        self.samples.grid
    }

    /// One more row of `tent` is there.
    fn row_of_tent(&mut self) {
        self.tent_rows += 1;
        if self.tent_rows == BAND {
            self.second_pass_along_rows();
        }
    }

    fn second_pass_along_rows(&mut self) {
        let rows = &self.tent[..self.tent_rows * self.width];
        let mut sampled = [[0.0; GRID]; BAND];
        sample_box_along_rows(rows, &mut sampled, self.width, &self.samples.columns);
        let mut out = [0.0; GRID];
        for row in &sampled[..self.tent_rows] {
            if self.second_pass.push(row, &mut out) {
                self.samples.take(&out);
            }
        }
        self.tent_rows = 0;
    }
}

/// Which rows and columns of the filtered picture are kept, and what they held.
struct Samples {
    rows: [usize; GRID],
    columns: [usize; GRID],
    /// How many rows have been offered.
    offered: usize,
    /// How many rows of the grid are filled.
    filled: usize,
    grid: Grid,
}

impl Samples {
    fn new(width: usize, height: usize) -> Self {
        Self {
            rows: sample_places(height),
            columns: sample_places(width),
            offered: 0,
            filled: 0,
            grid: [[0.0; GRID]; GRID],
        }
    }

    /// Offers the next row, of which only the columns to be sampled are left.
    fn take(&mut self, row: &[f32]) {
        // A picture of fewer than 64 rows gives some of them twice.
        while self.rows.get(self.filled) == Some(&self.offered) {
            self.grid[self.filled].copy_from_slice(row);
            self.filled += 1;
        }
        self.offered += 1;
    }
}

/// The centres of 64 equal parts of `length`, rounded down.
fn sample_places(length: usize) -> [usize; GRID] {
    // (i + 1/2) * length / 64 in integers; the reference's doubles hold it exactly.
    std::array::from_fn(|i| ((2 * i as u64 + 1) * length as u64 / (2 * GRID as u64)) as usize)
}

/// The reference's box: `window` wide, its middle a half to the right where
/// the window is even, cut off at both ends.
#[derive(Clone, Copy)]
struct Window {
    length: usize,
    size: usize,
    /// Values that are in the sum when the first output falls due.
    ahead: usize,
}

impl Window {
    /// Half a grid cell, rounded up: two passes make a whole one.
    fn new(length: usize) -> Self {
        let size = length.div_ceil(2 * GRID);
        Self {
            length,
            size,
            ahead: size / 2 + 1,
        }
    }

    /// How many values have been added, and how many taken away again, when
    /// output `at` falls due.
    fn edges(self, at: usize) -> (usize, usize) {
        let right = at + self.ahead;
        (right.min(self.length), right.saturating_sub(self.size))
    }
}

/// Boxes along each of the rows, all outputs.
fn box_along_rows(rows: &[f32], out: &mut [f32], width: usize) {
    if rows.len() == BAND * width {
        box_side_by_side::<BAND>(rows, out, width);
    } else {
        for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            box_side_by_side::<1>(row, out, width);
        }
    }
}

fn box_side_by_side<const N: usize>(rows: &[f32], out: &mut [f32], width: usize) {
    let window = Window::new(width);
    let Window { size, ahead, .. } = window;
    let mut input = rows.chunks_exact(width);
    let input: [&[f32]; N] = std::array::from_fn(|_| input.next().unwrap_or_default());
    let mut output = out.chunks_exact_mut(width);
    let mut output: [&mut [f32]; N] = std::array::from_fn(|_| output.next().unwrap_or_default());

    let mut sums = [0.0_f32; N];
    for x in 0..size {
        for r in 0..N {
            sums[r] += input[r][x];
            if x + 1 >= ahead {
                output[r][x + 1 - ahead] = sums[r];
            }
        }
    }
    let full = size + 1 - ahead..width + 1 - ahead;
    {
        let right = input.map(|row| &row[size..]);
        let left = input.map(|row| &row[..width - size]);
        let out = output.each_mut().map(|row| &mut row[full.clone()]);
        for x in 0..width - size {
            for r in 0..N {
                sums[r] += right[r][x];
                sums[r] -= left[r][x];
                out[r][x] = sums[r];
            }
        }
    }
    for x in full.end..width {
        for r in 0..N {
            sums[r] -= input[r][x + ahead - size - 1];
            output[r][x] = sums[r];
        }
    }
    for row in output {
        divide(row, window);
    }
}

/// Divides every sum by the number of values in it.
fn divide(sums: &mut [f32], window: Window) {
    let whole = window.size + 1 - window.ahead..window.length + 1 - window.ahead;
    for at in (0..whole.start).chain(whole.end..window.length) {
        let (right, left) = window.edges(at);
        sums[at] /= (right - left) as f32;
    }
    let count = window.size as f32;
    for sum in &mut sums[whole] {
        *sum /= count;
    }
}

/// Boxes along each of the rows, of which only some columns are put out.
fn sample_box_along_rows(
    rows: &[f32],
    out: &mut [[f32; GRID]; BAND],
    width: usize,
    columns: &[usize; GRID],
) {
    if rows.len() == BAND * width {
        sample_side_by_side::<BAND>(rows, out, width, columns);
    } else {
        for (row, out) in rows.chunks_exact(width).zip(out) {
            sample_side_by_side::<1>(row, std::array::from_mut(out), width, columns);
        }
    }
}

#[expect(
    clippy::needless_range_loop,
    reason = "by index the sums of all rows stay in one vector register; iterators cost a third"
)]
fn sample_side_by_side<const N: usize>(
    rows: &[f32],
    out: &mut [[f32; GRID]; N],
    width: usize,
    columns: &[usize; GRID],
) {
    let window = Window::new(width);
    let mut rows = rows.chunks_exact(width);
    let rows: [&[f32]; N] = std::array::from_fn(|_| rows.next().unwrap_or_default());
    let mut sums = [0.0_f32; N];
    let (mut right, mut left) = (0, 0);
    for (sample, &column) in columns.iter().enumerate() {
        let (right_end, left_end) = window.edges(column);
        // Only one of the three has work to do, but for one sample or two.
        for x in right..right_end.min(window.size) {
            for r in 0..N {
                sums[r] += rows[r][x];
            }
        }
        right = right.max(right_end.min(window.size));
        let add = rows.map(|row| &row[right..right_end]);
        let subtract = rows.map(|row| &row[left..left + (right_end - right)]);
        for x in 0..right_end - right {
            for r in 0..N {
                sums[r] += add[r][x];
                sums[r] -= subtract[r][x];
            }
        }
        left += right_end - right;
        right = right_end;
        for x in left..left_end {
            for r in 0..N {
                sums[r] -= rows[r][x];
            }
        }
        left = left_end;
        let count = (right - left) as f32;
        for r in 0..N {
            out[r][sample] = sums[r] / count;
        }
    }
}

/// Boxes along all columns side by side, rows from the top down.
struct ColumnBox {
    window: Window,
    width: usize,
    sums: Vec<f32>,
    /// The rows that are in the sums; row `y` at place `y % window.size`.
    ring: Vec<f32>,
    /// Rows taken, and rows taken away again.
    right: usize,
    left: usize,
}

impl ColumnBox {
    fn new(width: usize, height: usize) -> Self {
        let window = Window::new(height);
        Self {
            window,
            width,
            sums: vec![0.0; width],
            ring: vec![0.0; window.size * width],
            right: 0,
            left: 0,
        }
    }

    /// Takes the next row; tells whether an output fell due, which is then in `out`.
    fn push(&mut self, row: &[f32], out: &mut [f32]) -> bool {
        let place = self.right % self.window.size * self.width;
        let ring = &mut self.ring[place..place + self.width];
        self.right += 1;
        if self.right > self.window.size {
            self.left += 1;
            slide(
                &mut self.sums,
                row,
                ring,
                out,
                (self.right - self.left) as f32,
            );
            return true;
        }
        ring.copy_from_slice(row);
        for (sum, &value) in self.sums.iter_mut().zip(row) {
            *sum += value;
        }
        if self.right < self.window.ahead {
            return false;
        }
        self.put_out(out);
        true
    }

    /// After the last row: the outputs that are still due, one a call.
    fn drain(&mut self, out: &mut [f32]) -> bool {
        if self.left + self.window.size + 1 >= self.window.length + self.window.ahead {
            return false;
        }
        let place = self.left % self.window.size * self.width;
        self.left += 1;
        for (sum, &old) in self
            .sums
            .iter_mut()
            .zip(&self.ring[place..place + self.width])
        {
            *sum -= old;
        }
        self.put_out(out);
        true
    }

    fn put_out(&self, out: &mut [f32]) {
        let count = (self.right - self.left) as f32;
        for (out, &sum) in out.iter_mut().zip(&self.sums) {
            *out = sum / count;
        }
    }
}

/// The steady state of a [`ColumnBox`]: a row comes, the oldest goes, one falls due.
fn slide(sums: &mut [f32], row: &[f32], ring: &mut [f32], out: &mut [f32], count: f32) {
    for (((sum, &new), old), out) in sums.iter_mut().zip(row).zip(ring).zip(out) {
        *sum = *sum + new - *old;
        *old = new;
        *out = *sum / count;
    }
}
