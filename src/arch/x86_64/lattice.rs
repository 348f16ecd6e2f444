//! Samples on a lattice: the pixels of eight at a time by gathers.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_cvttps_epi32,
    _mm256_i32gather_epi32, _mm256_loadu_ps, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_min_epu32, _mm256_mul_ps, _mm256_mullo_epi32, _mm256_or_si256, _mm256_packus_epi32,
    _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32,
    _mm256_srli_epi32, _mm256_storeu_si256, _mm256_sub_epi32,
};

use crate::arch::SAMPLES;
use crate::arch::lattice::{self, Lattice, SIDE};

impl super::avx2::Avx2 {
    pub(in crate::arch) fn sample(
        self,
        plane: &[u8],
        width: usize,
        lattice: &Lattice,
    ) -> Option<[u16; SAMPLES]> {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { sample(plane, width, lattice) }
    }

    pub(in crate::arch) fn stretch(
        self,
        samples: &[u16; SAMPLES],
        flat: i32,
    ) -> Option<[i8; SAMPLES]> {
        // SAFETY: `self` exists, so the CPU has the feature.
        unsafe { stretch(samples, flat) }
    }
}

impl super::avx512::Avx512 {
    pub(in crate::arch) fn sample(
        self,
        plane: &[u8],
        width: usize,
        lattice: &Lattice,
    ) -> Option<[u16; SAMPLES]> {
        // SAFETY: every CPU with AVX-512 has AVX2.
        unsafe { sample(plane, width, lattice) }
    }

    pub(in crate::arch) fn stretch(
        self,
        samples: &[u16; SAMPLES],
        flat: i32,
    ) -> Option<[i8; SAMPLES]> {
        // SAFETY: every CPU with AVX-512 has AVX2.
        unsafe { stretch(samples, flat) }
    }
}

#[target_feature(enable = "avx2")]
fn sample(plane: &[u8], width: usize, lattice: &Lattice) -> Option<[u16; SAMPLES]> {
    let height = plane.len() / width.max(1);
    // A gather takes four bytes of which two are used: not from the last row.
    let last = (SIDE - 1) as f32;
    let lowest = lattice.first.1 + (last * lattice.u.1).max(0.0) + (last * lattice.v.1).max(0.0);
    if lowest + 2.0 >= height as f32 || plane.len() > i32::MAX as usize / 2 {
        return lattice::sample(plane, width, lattice);
    }
    if !lattice.is_inside(width, height) {
        return None;
    }
    Some(gathered(plane, width, lattice))
}

#[target_feature(enable = "avx2")]
fn stretch(samples: &[u16; SAMPLES], flat: i32) -> Option<[i8; SAMPLES]> {
    lattice::stretch(samples, flat)
}

/// Column and row of every sample.
static PLACES: [[f32; SAMPLES]; 2] = {
    let mut places = [[0.0; SAMPLES]; 2];
    let mut at = 0;
    while at < SAMPLES {
        places[0][at] = (at % SIDE) as f32;
        places[1][at] = (at / SIDE) as f32;
        at += 1;
    }
    places
};

/// Values of eight samples from `at` on, as 32-bit numbers. `last` is the last place that four
/// bytes can be read from.
#[target_feature(enable = "avx2")]
fn eight(plane: &[u8], width: __m256i, last: __m256i, lattice: &Lattice, at: usize) -> __m256i {
    // SAFETY: `at` is a multiple of 8 below 144.
    let (i, j) = unsafe {
        (
            _mm256_loadu_ps(PLACES[0].as_ptr().add(at)),
            _mm256_loadu_ps(PLACES[1].as_ptr().add(at)),
        )
    };
    // The operations of the portable code in the same order, so that no bit differs.
    let axis = |first: f32, u: f32, v: f32| {
        let row = _mm256_add_ps(_mm256_set1_ps(first), _mm256_mul_ps(j, _mm256_set1_ps(v)));
        let place = _mm256_add_ps(row, _mm256_mul_ps(i, _mm256_set1_ps(u)));
        _mm256_cvttps_epi32(_mm256_mul_ps(place, _mm256_set1_ps(16.0)))
    };
    let x = axis(lattice.first.0, lattice.u.0, lattice.v.0);
    let y = axis(lattice.first.1, lattice.u.1, lattice.v.1);
    let upper = _mm256_add_epi32(
        _mm256_mullo_epi32(_mm256_srli_epi32::<4>(y), width),
        _mm256_srli_epi32::<4>(x),
    );
    let lower = _mm256_add_epi32(upper, width);
    let gather = |places: __m256i| {
        let places = _mm256_min_epu32(places, last);
        // SAFETY: four bytes from `last` on, or from any place before it, are in the plane, whose
        // length fits an i32.
        unsafe { _mm256_i32gather_epi32::<1>(plane.as_ptr().cast(), places) }
    };
    let (fifteen, sixteen) = (_mm256_set1_epi32(15), _mm256_set1_epi32(16));
    // The weights of two neighbours: that of the second is the part of a pixel.
    let weights = |place: __m256i| {
        let part = _mm256_and_si256(place, fifteen);
        (_mm256_sub_epi32(sixteen, part), part)
    };
    let (left, right) = weights(x);
    let across = _mm256_or_si256(left, _mm256_slli_epi32::<8>(right));
    let blend = |pixels: __m256i| {
        // The upper two bytes have no weight.
        _mm256_maddubs_epi16(pixels, across)
    };
    let (above, below) = (blend(gather(upper)), blend(gather(lower)));
    let rows = _mm256_or_si256(above, _mm256_slli_epi32::<16>(below));
    let (top, bottom) = weights(y);
    _mm256_madd_epi16(rows, _mm256_or_si256(top, _mm256_slli_epi32::<16>(bottom)))
}

/// Computes all samples. The lattice must be inside the plane without its last row, so that the plane
/// has at least two rows of two pixels.
#[target_feature(enable = "avx2")]
fn gathered(plane: &[u8], width: usize, lattice: &Lattice) -> [u16; SAMPLES] {
    let last = _mm256_set1_epi32(plane.len().saturating_sub(4) as i32);
    let width = _mm256_set1_epi32(width as i32);
    let mut out = [0; SAMPLES];
    for (at, out) in (0..SAMPLES).step_by(16).zip(out.as_chunks_mut::<16>().0) {
        let low = eight(plane, width, last, lattice, at);
        let high = eight(plane, width, last, lattice, at + 8);
        // Packed within each half of the vector, and put in order.
        let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
        // SAFETY: 16 values of 16 bits.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), packed) };
    }
    out
}
