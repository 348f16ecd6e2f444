//! The portable filters, compiled for AVX2 and AVX-512.

use crate::arch::blur;

impl super::avx2::Avx2 {
    pub(in crate::arch) fn band_pass(
        self,
        plane: &[u8],
        width: usize,
        soft: &mut [u8],
        response: &mut [i16],
    ) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { band_pass_avx2(plane, width, soft, response) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn band_pass(
        self,
        plane: &[u8],
        width: usize,
        soft: &mut [u8],
        response: &mut [i16],
    ) {
        // SAFETY: `self` exists, so the CPU has the features.
        unsafe { band_pass_avx512(plane, width, soft, response) }
    }
}

#[target_feature(enable = "avx2")]
fn band_pass_avx2(plane: &[u8], width: usize, soft: &mut [u8], response: &mut [i16]) {
    blur::band_pass(plane, width, soft, response);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn band_pass_avx512(plane: &[u8], width: usize, soft: &mut [u8], response: &mut [i16]) {
    blur::band_pass(plane, width, soft, response);
}
