//! Projections with the byte multipliers: AVX2, and AVX-512 with VNNI.

use std::arch::x86_64::{
    __m256i, __m512i, _mm256_add_epi32, _mm256_load_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_storeu_si256, _mm512_dpbusd_epi32,
    _mm512_load_si512, _mm512_set1_epi32, _mm512_storeu_si512,
};

use crate::arch::project::{DIRECTIONS, Directions, SAMPLES, shifted};

impl super::avx2::Avx2 {
    pub(in crate::arch) fn project(
        self,
        directions: &Directions,
        patch: &[i8; SAMPLES],
        sums: &mut [i32; DIRECTIONS],
    ) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { project_avx2(directions, patch, sums) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn project(
        self,
        directions: &Directions,
        patch: &[i8; SAMPLES],
        sums: &mut [i32; DIRECTIONS],
    ) {
        if is_x86_feature_detected!("avx512vnni") {
            // SAFETY: `self` exists, so the CPU has AVX-512; the rest was just detected.
            unsafe { project_vnni(directions, patch, sums) }
        } else {
            // SAFETY: every CPU with AVX-512 has AVX2.
            unsafe { project_avx2(directions, patch, sums) }
        }
    }
}

#[target_feature(enable = "avx2")]
fn project_avx2(directions: &Directions, patch: &[i8; SAMPLES], sums: &mut [i32; DIRECTIONS]) {
    /// Vectors of sums that are kept in registers.
    const BLOCK: usize = 8;
    let patch = shifted(patch).map(u32::from_le_bytes);
    let ones = _mm256_set1_epi16(1);
    for block in (0..DIRECTIONS).step_by(8 * BLOCK) {
        let mut totals: [__m256i; BLOCK] = std::array::from_fn(|v| {
            // SAFETY: 8 offsets from `block + 8 v` on, a multiple of 32 bytes into an aligned
            // structure.
            unsafe { _mm256_load_si256((&raw const directions.offsets[block + 8 * v]).cast()) }
        });
        for (&samples, weights) in patch.iter().zip(&directions.weights) {
            let samples = _mm256_set1_epi32(samples.cast_signed());
            for (v, total) in totals.iter_mut().enumerate() {
                // SAFETY: 8 directions of 4 weights, likewise.
                let weights =
                    unsafe { _mm256_load_si256((&raw const weights[block + 8 * v]).cast()) };
                // Within 16 bits, since no weight is above `MAX_WEIGHT`.
                let pairs = _mm256_maddubs_epi16(samples, weights);
                *total = _mm256_add_epi32(*total, _mm256_madd_epi16(pairs, ones));
            }
        }
        for (v, total) in totals.into_iter().enumerate() {
            // SAFETY: `sums` has 8 elements from there on.
            unsafe { _mm256_storeu_si256((&raw mut sums[block + 8 * v]).cast(), total) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn project_vnni(directions: &Directions, patch: &[i8; SAMPLES], sums: &mut [i32; DIRECTIONS]) {
    const VECTORS: usize = DIRECTIONS / 16;
    let patch = shifted(patch).map(u32::from_le_bytes);
    let mut totals: [__m512i; VECTORS] = std::array::from_fn(|v| {
        // SAFETY: 16 offsets from `16 v` on, a multiple of 64 bytes into an aligned structure.
        unsafe { _mm512_load_si512((&raw const directions.offsets[16 * v]).cast()) }
    });
    for (&samples, weights) in patch.iter().zip(&directions.weights) {
        let samples = _mm512_set1_epi32(samples.cast_signed());
        for (v, total) in totals.iter_mut().enumerate() {
            // SAFETY: 16 directions of 4 weights, likewise.
            let weights = unsafe { _mm512_load_si512((&raw const weights[16 * v]).cast()) };
            *total = _mm512_dpbusd_epi32(*total, samples, weights);
        }
    }
    for (v, total) in totals.into_iter().enumerate() {
        // SAFETY: `sums` has 16 elements from there on.
        unsafe { _mm512_storeu_si512((&raw mut sums[16 * v]).cast(), total) };
    }
}
