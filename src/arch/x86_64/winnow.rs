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

    pub(in crate::arch) fn minima(
        self,
        hashes: &[u64],
        window: usize,
        keys: [&mut [f64]; 2],
        places: &mut [u16],
    ) -> usize {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { minima_avx2(hashes, window, keys, places) }
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

    pub(in crate::arch) fn minima(
        self,
        hashes: &[u64],
        window: usize,
        keys: [&mut [f64]; 2],
        places: &mut [u16],
    ) -> usize {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { minima_avx512(hashes, window, keys, places) }
    }
}

#[target_feature(enable = "avx2")]
fn hashes_avx2(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    winnow::gram_hashes(values, twos, fours, hashes);
}

#[target_feature(enable = "avx2,bmi1")]
fn minima_avx2(hashes: &[u64], window: usize, keys: [&mut [f64]; 2], places: &mut [u16]) -> usize {
    winnow::minima(hashes, window, keys, places)
}

#[target_feature(enable = "avx512f")]
fn hashes_avx512(values: &[u64], twos: &mut [u64], fours: &mut [u64], hashes: &mut [u64]) {
    winnow::gram_hashes(values, twos, fours, hashes);
}

#[target_feature(enable = "avx512f,bmi1")]
fn minima_avx512(
    hashes: &[u64],
    window: usize,
    keys: [&mut [f64]; 2],
    places: &mut [u16],
) -> usize {
    winnow::minima(hashes, window, keys, places)
}
