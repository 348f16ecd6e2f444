//! The portable passes over rows, compiled for AVX2 with fused operations and for AVX-512; and the
//! transposition, for which compilers emit single loads and stores.

use std::arch::x86_64::{
    _mm_loadu_ps, _mm256_castps128_ps256, _mm256_insertf128_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use crate::arch::rows::{self, ByteBox, Divisor, LANES, Lanes};

/// Defines the methods of a back end: the portable code, compiled for its instructions.
macro_rules! compiled {
    ($backend:ty, $features:literal, $fused:literal) => {
        impl $backend {
            pub(in crate::arch) fn box_means(self, of: &mut ByteBox, row: &[u8], out: &mut [f32]) {
                #[target_feature(enable = $features)]
                fn compiled(of: &mut ByteBox, row: &[u8], out: &mut [f32]) {
                    of.means_by::<$fused>(row, out);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(of, row, out) }
            }

            pub(in crate::arch) fn slide(
                self,
                sums: &mut [f32],
                row: &[f32],
                oldest: &mut [f32],
                out: &mut [f32],
                count: Divisor,
            ) {
                #[target_feature(enable = $features)]
                fn compiled(
                    sums: &mut [f32],
                    row: &[f32],
                    oldest: &mut [f32],
                    out: &mut [f32],
                    count: Divisor,
                ) {
                    rows::slide::<$fused>(sums, row, oldest, out, count);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(sums, row, oldest, out, count) }
            }

            pub(in crate::arch) fn add_bytes(self, sums: &mut [f32], row: &[u8], share: f32) {
                #[target_feature(enable = $features)]
                fn compiled(sums: &mut [f32], row: &[u8], share: f32) {
                    rows::add_share(sums, row, share);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(sums, row, share) }
            }

            pub(in crate::arch) fn add_floats(self, sums: &mut [f32], row: &[f32], share: f32) {
                #[target_feature(enable = $features)]
                fn compiled(sums: &mut [f32], row: &[f32], share: f32) {
                    rows::add_share(sums, row, share);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(sums, row, share) }
            }

            pub(in crate::arch) fn run(self, sums: &mut Lanes, add: &[Lanes], subtract: &[Lanes]) {
                #[target_feature(enable = $features)]
                fn compiled(sums: &mut Lanes, add: &[Lanes], subtract: &[Lanes]) {
                    rows::run(sums, add, subtract);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(sums, add, subtract) }
            }

            pub(in crate::arch) fn differences(
                self,
                above: &[u8],
                below: &[u8],
                flat: u8,
                hard: u8,
            ) -> (u32, u32) {
                #[target_feature(enable = $features)]
                fn compiled(above: &[u8], below: &[u8], flat: u8, hard: u8) -> (u32, u32) {
                    rows::differences(above, below, flat, hard)
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(above, below, flat, hard) }
            }

            pub(in crate::arch) fn hadamard(self, values: &mut [f32]) {
                #[target_feature(enable = $features)]
                fn compiled(values: &mut [f32]) {
                    rows::hadamard(values);
                }
                // SAFETY: `self` exists, so the CPU has the features.
                unsafe { compiled(values) }
            }

            pub(in crate::arch) fn transpose(
                self,
                rows: &[f32],
                stride: usize,
                lanes: &mut [Lanes],
            ) {
                // SAFETY: `self` exists, so the CPU has AVX2.
                unsafe { transpose(rows, stride, lanes) }
            }
        }
    };
}

compiled!(super::avx2::Avx2, "avx2,fma", true);
compiled!(super::avx512::Avx512, "avx512f,avx512bw", true);

/// Blocks of 8 x 8. Two shuffles of 256 bits a cycle are as good as one of 512, so both
/// instruction sets have this.
#[target_feature(enable = "avx2")]
fn transpose(rows: &[f32], stride: usize, lanes: &mut [Lanes]) {
    const SIDE: usize = 8;
    let width = lanes.len();
    // Only if all rows exist and are as long as `lanes`; otherwise portable.
    if width > stride || rows.len() < (LANES - 1) * stride + width {
        return rows::transpose(rows, stride, lanes);
    }
    let whole = width / SIDE * SIDE;
    let (blocks, rest) = lanes.split_at_mut(whole);
    for (i, block) in blocks.chunks_exact_mut(SIDE).enumerate() {
        let block = block.as_flattened_mut();
        for y in (0..LANES).step_by(SIDE) {
            let from = &rows[y * stride + i * SIDE..];
            let from = &from[..(SIDE - 1) * stride + SIDE];
            let to = &mut block[y..y + (SIDE - 1) * LANES + SIDE];
            // SAFETY: `from` has 8 values in each of 8 rows `stride` apart, and `to` room
            // for as many `LANES` apart; no alignment is needed.
            unsafe { transpose_block(from.as_ptr(), stride, to.as_mut_ptr()) };
        }
    }
    for (x, lanes) in (whole..).zip(rest) {
        for (lane, row) in lanes.iter_mut().zip(rows.chunks(stride)) {
            *lane = row[x];
        }
    }
}

/// # Safety
/// `from` must be readable at 8 values in each of 8 rows `stride` apart, `to` writable at 8
/// values in each of 8 rows `LANES` apart.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose_block(from: *const f32, stride: usize, to: *mut f32) {
    // Rows y and y + 4, four values of each.
    let pair = |y: usize, x: usize| {
        // SAFETY: y < 4 and x is 0 or 4, so both are within what the caller vouches for.
        let (low, high) = unsafe {
            (
                _mm_loadu_ps(from.add(y * stride + x)),
                _mm_loadu_ps(from.add((y + 4) * stride + x)),
            )
        };
        _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
    };
    for x in [0, 4] {
        let (a, b, c, d) = (pair(0, x), pair(1, x), pair(2, x), pair(3, x));
        let (ab, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        let columns = [
            _mm256_shuffle_ps::<0x44>(ab, cd),
            _mm256_shuffle_ps::<0xEE>(ab, cd),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
        ];
        for (i, column) in columns.into_iter().enumerate() {
            // SAFETY: x + i < 8, so it is within what the caller vouches for.
            unsafe { _mm256_storeu_ps(to.add((x + i) * LANES), column) };
        }
    }
}
