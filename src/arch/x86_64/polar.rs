//! The portable polar gradients, compiled for AVX2; AVX-512 is no faster here.

use crate::arch::polar::{self, Polar};

impl super::avx2::Avx2 {
    pub(in crate::arch) fn polar(
        self,
        plane: &[u8],
        width: usize,
        place: (usize, usize),
        sign: f32,
        out: &mut Polar,
    ) {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { compiled(plane, width, place, sign, out) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn polar(
        self,
        plane: &[u8],
        width: usize,
        place: (usize, usize),
        sign: f32,
        out: &mut Polar,
    ) {
        // SAFETY: every CPU with AVX-512 has AVX2.
        unsafe { compiled(plane, width, place, sign, out) }
    }
}

#[target_feature(enable = "avx2")]
fn compiled(plane: &[u8], width: usize, place: (usize, usize), sign: f32, out: &mut Polar) {
    polar::polar(plane, width, place, sign, out);
}
