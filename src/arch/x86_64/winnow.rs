//! The portable passes over grams, compiled for AVX2 and AVX-512.

use crate::arch::winnow;

impl super::avx2::Avx2 {
    pub(in crate::arch) fn gram_hashes(
        self,
        values: &[u64],
        twos: &mut [u64],
        fours: &mut [u64],
        hashes: &mut [u64],
    ) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { hashes_avx2(values, twos, fours, hashes) }
    }

    pub(in crate::arch) fn window_minima(self, keys: &mut [i64], window: usize) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { minima_avx2(keys, window) }
    }

    pub(in crate::arch) fn changes(self, keys: &[i64], places: &mut [u16]) -> usize {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { changes_avx2(keys, places) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn gram_hashes(
        self,
        values: &[u64],
        twos: &mut [u64],
        fours: &mut [u64],
        hashes: &mut [u64],
    ) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { hashes_avx512(values, twos, fours, hashes) }
    }

    pub(in crate::arch) fn window_minima(self, keys: &mut [i64], window: usize) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { minima_avx512(keys, window) }
    }

    pub(in crate::arch) fn changes(self, keys: &[i64], places: &mut [u16]) -> usize {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { changes_avx512(keys, places) }
    }
}

#[target_feature(enable = "avx2")]
fn hashes_avx2(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    winnow::gram_hashes(values, twos, fours, hashes);
}

#[target_feature(enable = "avx2")]
fn minima_avx2(keys: &mut [i64], window: usize) {
    winnow::window_minima(keys, window);
}

#[target_feature(enable = "avx512f")]
fn hashes_avx512(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    winnow::gram_hashes(values, twos, fours, hashes);
}

#[target_feature(enable = "avx512f")]
fn minima_avx512(keys: &mut [i64], window: usize) {
    winnow::window_minima(keys, window);
}

#[target_feature(enable = "avx2,bmi1")]
fn changes_avx2(keys: &[i64], places: &mut [u16]) -> usize {
    winnow::changes(keys, places)
}

#[target_feature(enable = "avx512f,bmi1")]
fn changes_avx512(keys: &[i64], places: &mut [u16]) -> usize {
    winnow::changes(keys, places)
}
