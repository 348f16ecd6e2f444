//! The portable passes over grams, compiled for AVX2 and AVX-512.

use crate::arch::winnow;

impl super::avx2::Avx2 {
    pub(in crate::arch) fn gram_hashes(self, values: &mut [u64], fours: &mut [u64]) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { hashes_avx2(values, fours) }
    }

    pub(in crate::arch) fn window_minima(self, keys: &mut [u64], window: usize) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { minima_avx2(keys, window) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn gram_hashes(self, values: &mut [u64], fours: &mut [u64]) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { hashes_avx512(values, fours) }
    }

    pub(in crate::arch) fn window_minima(self, keys: &mut [u64], window: usize) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { minima_avx512(keys, window) }
    }
}

#[target_feature(enable = "avx2")]
fn hashes_avx2(values: &mut [u64], fours: &mut [u64]) {
    winnow::gram_hashes(values, fours);
}

#[target_feature(enable = "avx2")]
fn minima_avx2(keys: &mut [u64], window: usize) {
    winnow::window_minima(keys, window);
}

#[target_feature(enable = "avx512f")]
fn hashes_avx512(values: &mut [u64], fours: &mut [u64]) {
    winnow::gram_hashes(values, fours);
}

#[target_feature(enable = "avx512f")]
fn minima_avx512(keys: &mut [u64], window: usize) {
    winnow::window_minima(keys, window);
}
