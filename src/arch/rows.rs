//! Passes over rows of a picture: box filters, running sums, differences.
//!
//! Hashes must be the same to the bit, so every implementation keeps one order of `f32` additions, and
//! vectorises over columns, or over rows after a transposition. Box filters of bytes are sums of
//! integers, which do not depend on the order.
//!
//! Written once and compiled for each instruction set, except for the transposition.

#[cfg(test)]
mod tests;

use super::{Backend, Kind};

/// Rows in [`Lanes`]: two of the widest vectors, since a running sum in only one would wait for the
/// latency of additions.
pub(crate) const LANES: usize = 32;

/// One column of [`LANES`] rows.
pub(crate) type Lanes = [f32; LANES];

/// Returns the distance of rows in a buffer for transposition. Rows at distances of a power of two
/// would share a few sets of the cache.
pub(crate) fn stride(width: usize) -> usize {
    width.next_multiple_of(16)
        + if width.div_ceil(16).is_multiple_of(2) {
            16
        } else {
            32
        }
}

/// A divisor of sums, 1..=512.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    count: f32,
    reciprocal: f32,
}

impl Divisor {
    pub(crate) fn new(count: usize) -> Self {
        let count = count as f32;
        Self {
            count,
            reciprocal: 1.0 / count,
        }
    }

    /// Returns the quotient, rounded as by a division. Three fused operations take a quarter of its
    /// time: the remainder of the first guess is exact, and corrects it.
    ///
    /// Source: Markstein, "Computation of elementary functions on the IBM RISC
    /// System/6000 processor", 1990; for these divisors a test tries every significand.
    #[inline(always)]
    fn divide<const FUSED: bool>(self, sum: f32) -> f32 {
        if FUSED {
            let guess = sum * self.reciprocal;
            let rest = (-guess).mul_add(self.count, sum);
            rest.mul_add(self.reciprocal, guess)
        } else {
            sum / self.count
        }
    }
}

/// A box filter: sums of `size` neighbours in rows of bytes.
pub(crate) struct ByteBox {
    backend: Backend,
    width: usize,
    size: usize,
    lead: usize,
    count: Divisor,
    /// A row with zeros around it.
    row: Vec<u16>,
    /// Sums of 2, 4, 8... neighbours, and a buffer for the next.
    spans: Vec<u16>,
    next: Vec<u16>,
    sums: Vec<u16>,
}

impl ByteBox {
    /// Makes a filter for rows of `width`. The box of the first output begins `lead` values before the
    /// row. Returns `None` for a box too large for sums of 16 bits.
    pub(crate) fn new(width: usize, size: usize, lead: usize) -> Option<Self> {
        let fits = (1..=257).contains(&size) && lead < size;
        let room = || vec![0; width + size - 1];
        fits.then(|| Self {
            backend: Backend::detect(),
            width,
            size,
            lead,
            count: Divisor::new(size),
            row: room(),
            spans: room(),
            next: room(),
            sums: vec![0; width],
        })
    }

    /// Writes the sums divided by `size`, for each position of the row. A box that extends beyond an
    /// end has fewer values; see [`sum`](Self::sum).
    pub(crate) fn means(&mut self, row: &[u8], out: &mut [f32]) {
        match self.backend.0 {
            Kind::Scalar(_) => self.means_by::<false>(row, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.box_means(self, row, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.box_means(self, row, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => self.means_by::<false>(row, out),
        }
    }

    /// Returns the sum at a position of the last row.
    pub(crate) fn sum(&self, at: usize) -> f32 {
        self.sums.get(at).copied().map_or(0.0, f32::from)
    }

    #[inline(always)]
    pub(super) fn means_by<const FUSED: bool>(&mut self, row: &[u8], out: &mut [f32]) {
        let whole = &mut self.row[self.lead..self.lead + self.width];
        for (to, &from) in whole.iter_mut().zip(row) {
            *to = u16::from(from);
        }
        // The sum is composed of spans, one for each bit of `size`, whose sums are made by doubling.
        let (mut span, mut done) = (1, 0);
        loop {
            let spans = if span == 1 { &self.row } else { &self.spans };
            if self.size & span != 0 {
                let spans = &spans[done..done + self.width];
                if done == 0 {
                    self.sums.copy_from_slice(spans);
                } else {
                    for (sum, &part) in self.sums.iter_mut().zip(spans) {
                        *sum += part;
                    }
                }
                done += span;
            }
            if done == self.size {
                break;
            }
            for ((next, &a), &b) in self.next.iter_mut().zip(spans).zip(&spans[span..]) {
                *next = a.wrapping_add(b);
            }
            std::mem::swap(&mut self.spans, &mut self.next);
            span *= 2;
        }
        for (out, &sum) in out.iter_mut().zip(&self.sums) {
            *out = self.count.divide::<FUSED>(f32::from(sum));
        }
    }
}

/// One step of a box filter along columns: adds a row to the sums, subtracts the oldest row, which it
/// replaces by the new one, and writes a row of means.
#[inline(always)]
pub(super) fn slide<const FUSED: bool>(
    sums: &mut [f32],
    row: &[f32],
    oldest: &mut [f32],
    out: &mut [f32],
    count: Divisor,
) {
    for (((sum, &new), old), out) in sums.iter_mut().zip(row).zip(oldest).zip(out) {
        *sum = *sum + new - *old;
        *old = new;
        *out = count.divide::<FUSED>(*sum);
    }
}

/// Adds a share of every value to the sum of its column, with two roundings.
#[inline(always)]
pub(super) fn add_share<T: Copy + Into<f32>>(sums: &mut [f32], row: &[T], share: f32) {
    for (sum, &value) in sums.iter_mut().zip(row) {
        *sum += share * value.into();
    }
}

/// Transposes rows, `stride` apart, into lanes.
pub(super) fn transpose(rows: &[f32], stride: usize, lanes: &mut [Lanes]) {
    for (y, row) in rows.chunks(stride).take(LANES).enumerate() {
        for (lanes, &value) in lanes.iter_mut().zip(row) {
            lanes[y] = value;
        }
    }
}

/// Computes running sums along the rows of lanes: adds `add` and subtracts `subtract`, column after
/// column.
#[inline(always)]
pub(super) fn run(sums: &mut Lanes, add: &[Lanes], subtract: &[Lanes]) {
    let mut own = *sums;
    for (add, subtract) in add.iter().zip(subtract) {
        for r in 0..LANES {
            own[r] = own[r] + add[r] - subtract[r];
        }
    }
    *sums = own;
}

/// Returns the number of pixels that differ from their right and lower neighbours by less than `flat`,
/// and the number of those that differ from one of them by `hard` or more.
#[inline(always)]
pub(super) fn differences(above: &[u8], below: &[u8], flat: u8, hard: u8) -> (u32, u32) {
    /// Pixels that are compared together, each with a separate count.
    const WIDE: usize = 64;
    /// Blocks until a count of eight bits may overflow.
    const BLOCKS: usize = 255;
    let step = |pixel: u8, right: u8, below: u8| pixel.abs_diff(right).max(pixel.abs_diff(below));
    let right = above.get(1..).unwrap_or_default();
    let whole = right.len().min(below.len()) / WIDE * WIDE;
    let (mut flats, mut hards) = (0, 0);
    let [above_blocks, right_blocks, below_blocks] =
        [above, right, below].map(|row| row[..whole].as_chunks::<WIDE>().0.chunks(BLOCKS));
    for ((above, right), below) in above_blocks.zip(right_blocks).zip(below_blocks) {
        let (mut flat_counts, mut hard_counts) = ([0_u8; WIDE], [0_u8; WIDE]);
        for ((above, right), below) in above.iter().zip(right).zip(below) {
            for i in 0..WIDE {
                let step = step(above[i], right[i], below[i]);
                flat_counts[i] += u8::from(step < flat);
                hard_counts[i] += u8::from(step >= hard);
            }
        }
        flats += flat_counts.iter().map(|&n| u32::from(n)).sum::<u32>();
        hards += hard_counts.iter().map(|&n| u32::from(n)).sum::<u32>();
    }
    let rest = above[whole..].iter().zip(&right[whole..]);
    for ((&above, &right), &below) in rest.zip(&below[whole..]) {
        let step = step(above, right, below);
        flats += u32::from(step < flat);
        hards += u32::from(step >= hard);
    }
    (flats, hards)
}

/// Computes the Walsh-Hadamard transform in place, without scaling. The length must be a power of two.
#[inline(always)]
pub(super) fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    // Butterflies within a vector come first, as in the definition.
    while half < values.len() {
        match half {
            1 => butterflies::<1>(values),
            2 => butterflies::<2>(values),
            4 => butterflies::<4>(values),
            8 => butterflies::<8>(values),
            _ => {
                for block in values.chunks_exact_mut(2 * half) {
                    let (low, high) = block.split_at_mut(half);
                    for (a, b) in low.iter_mut().zip(high) {
                        (*a, *b) = (*a + *b, *a - *b);
                    }
                }
            }
        }
        half *= 2;
    }
}

#[inline(always)]
fn butterflies<const HALF: usize>(values: &mut [f32]) {
    for block in values.chunks_exact_mut(2 * HALF) {
        let (low, high) = block.split_at_mut(HALF);
        for (a, b) in low.iter_mut().zip(high) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    }
}

impl Backend {
    /// See [`slide`].
    pub(crate) fn slide(
        self,
        sums: &mut [f32],
        row: &[f32],
        oldest: &mut [f32],
        out: &mut [f32],
        count: Divisor,
    ) {
        match self.0 {
            Kind::Scalar(_) => slide::<false>(sums, row, oldest, out, count),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.slide(sums, row, oldest, out, count),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.slide(sums, row, oldest, out, count),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => slide::<false>(sums, row, oldest, out, count),
        }
    }

    /// See [`add_share`].
    pub(crate) fn add_bytes(self, sums: &mut [f32], row: &[u8], share: f32) {
        match self.0 {
            Kind::Scalar(_) => add_share(sums, row, share),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.add_bytes(sums, row, share),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.add_bytes(sums, row, share),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => add_share(sums, row, share),
        }
    }

    /// See [`add_share`].
    pub(crate) fn add_floats(self, sums: &mut [f32], row: &[f32], share: f32) {
        match self.0 {
            Kind::Scalar(_) => add_share(sums, row, share),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.add_floats(sums, row, share),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.add_floats(sums, row, share),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => add_share(sums, row, share),
        }
    }

    /// Transposes rows, `stride` apart: `lanes[x][y]` becomes column `x` of row `y`, for as many columns
    /// as `lanes` has. Leaves the lanes of missing rows unchanged.
    pub(crate) fn transpose(self, rows: &[f32], stride: usize, lanes: &mut [Lanes]) {
        match self.0 {
            Kind::Scalar(_) => transpose(rows, stride, lanes),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.transpose(rows, stride, lanes),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.transpose(rows, stride, lanes),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => transpose(rows, stride, lanes),
        }
    }

    /// See [`run`].
    pub(crate) fn run(self, sums: &mut Lanes, add: &[Lanes], subtract: &[Lanes]) {
        match self.0 {
            Kind::Scalar(_) => run(sums, add, subtract),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.run(sums, add, subtract),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.run(sums, add, subtract),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => run(sums, add, subtract),
        }
    }

    /// See [`differences`].
    pub(crate) fn differences(self, above: &[u8], below: &[u8], flat: u8, hard: u8) -> (u32, u32) {
        match self.0 {
            Kind::Scalar(_) => differences(above, below, flat, hard),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.differences(above, below, flat, hard),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.differences(above, below, flat, hard),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => differences(above, below, flat, hard),
        }
    }

    /// See [`hadamard`].
    pub(crate) fn hadamard(self, values: &mut [f32]) {
        match self.0 {
            Kind::Scalar(_) => hadamard(values),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.hadamard(values),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.hadamard(values),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => hadamard(values),
        }
    }
}
