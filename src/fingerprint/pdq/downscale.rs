//! PDQ's reduction of a picture to a grid of 64 x 64: a box filter along rows and
//! columns, twice (a tent, after Jarosz), of which 64 x 64 samples are kept.
//!
//! A hash bit depends on the sign of a difference that rounding can change, so the
//! order in which each running sum adds and subtracts is part of the
//! algorithm; the oracle in `twin` is written that way. Here the same
//! sums are taken in the same order, but on rows as they come: the picture is
//! read once, nothing of its size is stored, what runs along columns runs on
//! all columns side by side, what runs along rows runs on many rows side by
//! side, and the second pass along rows divides only where a sample is taken.
//! Along rows of bytes the first sums are of integers: exact in any order.

use super::{GRID, Grid};
use crate::arch::{Backend, ByteBox, Divisor, LANES, Lanes, stride};
use crate::raster::Band;

/// Rows that the first running sums along rows treat side by side: one sum alone
/// waits for the adder most of the time.
const BAND: usize = 8;

/// Takes the luma of a picture, rows from the top down, and makes the grid.
pub(crate) struct Downscale {
    width: usize,
    height: usize,
    /// The filter for rows of bytes; `None` for rows that are too wide.
    bytes: Option<ByteBox>,
    first_pass: ColumnBox,
    second_pass: ColumnBox,
    /// A row of the first pass along rows, for each row of a band.
    boxed: Vec<f32>,
    tent: Tent,
    samples: Samples,
}

impl Downscale {
    /// A filter for a picture of `width` x `height`, both at least 1.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let window = Window::new(width);
        Self {
            width,
            height,
            bytes: ByteBox::new(width, window.size, window.size - window.ahead),
            first_pass: ColumnBox::new(width, height),
            second_pass: ColumnBox::new(GRID, height),
            boxed: vec![0.0; BAND * width],
            tent: Tent::new(width),
            samples: Samples::new(width, height),
        }
    }

    /// Takes the next rows; all calls together must bring `width * height` values.
    pub(crate) fn push(&mut self, rows: Band<'_>) {
        match rows {
            Band::Floats(rows) => self.push_floats(rows),
            Band::Bytes(rows) => self.push_bytes(rows),
        }
    }

    fn push_bytes(&mut self, rows: &[u8]) {
        let mut boxed = std::mem::take(&mut self.boxed);
        for row in rows.chunks_exact(self.width) {
            let boxed = &mut boxed[..self.width];
            match &mut self.bytes {
                Some(bytes) if (self.width, self.height) != (GRID, GRID) => {
                    bytes.means(row, boxed);
                    let window = Window::new(self.width);
                    let whole = window.whole();
                    for at in (0..whole.start).chain(whole.end..self.width) {
                        let (right, left) = window.edges(at);
                        boxed[at] = bytes.sum(at) / (right - left) as f32;
                    }
                    self.boxed_row(boxed);
                }
                _ => {
                    let row: Vec<f32> = row.iter().map(|&value| f32::from(value)).collect();
                    self.push_floats(&row);
                }
            }
        }
        self.boxed = boxed;
    }

    fn push_floats(&mut self, rows: &[f32]) {
        if (self.width, self.height) == (GRID, GRID) {
            for row in rows.chunks_exact(GRID) {
                self.samples.take(row);
            }
            return;
        }
        let mut boxed = std::mem::take(&mut self.boxed);
        boxed.resize(BAND * self.width, 0.0);
        for band in rows.chunks(BAND * self.width) {
            box_along_rows(band, &mut boxed[..band.len()], self.width);
            for row in boxed[..band.len()].chunks_exact(self.width) {
                self.boxed_row(row);
            }
        }
        self.boxed = boxed;
    }

    /// The grid, once all rows have been pushed.
    pub(crate) fn finish(mut self) -> Grid {
        if (self.width, self.height) == (GRID, GRID) {
            return self.samples.grid;
        }
        while self.first_pass.drain(self.tent.row()) {
            self.row_of_tent();
        }
        self.second_pass_along_rows();
        let mut row = [0.0; GRID];
        while self.second_pass.drain(&mut row) {
            self.samples.take(&row);
        }
        self.samples.grid
    }

    /// One more row has gone through the first pass along rows.
    fn boxed_row(&mut self, row: &[f32]) {
        if self.first_pass.push(row, self.tent.row()) {
            self.row_of_tent();
        }
    }

    /// One more row of `tent` is complete.
    fn row_of_tent(&mut self) {
        self.tent.count += 1;
        if self.tent.count == LANES {
            self.second_pass_along_rows();
        }
    }

    fn second_pass_along_rows(&mut self) {
        let mut sampled = [[0.0; LANES]; GRID];
        self.tent.sample(&mut sampled, &self.samples.columns);
        let mut out = [0.0; GRID];
        // Back to rows, in two halves.
        let mut halves = [[[0.0; LANES]; LANES]; GRID / LANES];
        for (columns, half) in sampled.chunks_exact(LANES).zip(&mut halves) {
            let backend = self.tent.backend;
            backend.transpose(columns.as_flattened(), LANES, half);
        }
        let mut row = [0.0; GRID];
        for y in 0..self.tent.count {
            for (part, half) in row.chunks_exact_mut(LANES).zip(&halves) {
                part.copy_from_slice(&half[y]);
            }
            if self.second_pass.push(&row, &mut out) {
                self.samples.take(&out);
            }
        }
        self.tent.count = 0;
    }
}

/// Output rows of the first pass, at most as many as are processed side by side.
struct Tent {
    backend: Backend,
    width: usize,
    stride: usize,
    count: usize,
    rows: Vec<f32>,
    /// The rows side by side.
    lanes: Vec<Lanes>,
}

impl Tent {
    fn new(width: usize) -> Self {
        let stride = stride(width);
        Self {
            backend: Backend::detect(),
            width,
            stride,
            count: 0,
            rows: vec![0.0; LANES * stride],
            lanes: vec![[0.0; LANES]; width],
        }
    }

    /// Room for the next row.
    fn row(&mut self) -> &mut [f32] {
        let start = self.count * self.stride;
        &mut self.rows[start..start + self.width]
    }

    /// Boxes along the rows, put out at some columns.
    fn sample(&mut self, out: &mut [Lanes; GRID], columns: &[usize; GRID]) {
        // Values past the last row are not used.
        self.backend
            .transpose(&self.rows, self.stride, &mut self.lanes);
        let window = Window::new(self.width);
        let mut sums = [0.0_f32; LANES];
        let (mut right, mut left) = (0, 0);
        for (out, &column) in out.iter_mut().zip(columns) {
            let (right_end, left_end) = window.edges(column);
            // Only one of the three has work to do, but for one sample or two.
            let filled = right_end.min(window.size).max(right);
            for values in &self.lanes[right..filled] {
                add(&mut sums, values);
            }
            right = filled;
            let subtract = &self.lanes[left..left + (right_end - right)];
            self.backend
                .run(&mut sums, &self.lanes[right..right_end], subtract);
            left += right_end - right;
            right = right_end;
            for values in &self.lanes[left..left_end] {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum -= value;
                }
            }
            left = left_end;
            let count = (right - left) as f32;
            *out = sums.map(|sum| sum / count);
        }
    }
}

fn add(sums: &mut Lanes, values: &Lanes) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// The rows and columns of the filtered picture that are kept, and their values.
struct Samples {
    rows: [usize; GRID],
    columns: [usize; GRID],
    /// The number of rows offered.
    offered: usize,
    /// The number of filled rows of the grid.
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

    /// The outputs for which no end of the row is in the way.
    fn whole(self) -> std::ops::Range<usize> {
        self.size + 1 - self.ahead..self.length + 1 - self.ahead
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
    let whole = window.whole();
    for at in (0..whole.start).chain(whole.end..window.length) {
        let (right, left) = window.edges(at);
        sums[at] /= (right - left) as f32;
    }
    let count = window.size as f32;
    for sum in &mut sums[whole] {
        *sum /= count;
    }
}

/// Boxes along all columns side by side, rows from the top down.
struct ColumnBox {
    backend: Backend,
    window: Window,
    /// Rows in the sums in the steady state.
    count: Divisor,
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
            backend: Backend::detect(),
            window,
            count: Divisor::new(window.size),
            width,
            sums: vec![0.0; width],
            ring: vec![0.0; window.size * width],
            right: 0,
            left: 0,
        }
    }

    /// Takes the next row; returns whether it completed an output row, which is then in `out`.
    fn push(&mut self, row: &[f32], out: &mut [f32]) -> bool {
        let place = self.right % self.window.size * self.width;
        let ring = &mut self.ring[place..place + self.width];
        self.right += 1;
        if self.right > self.window.size {
            self.left += 1;
            self.backend
                .slide(&mut self.sums, row, ring, out, self.count);
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
