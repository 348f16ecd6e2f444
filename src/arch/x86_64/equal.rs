//! Eight comparisons in two registers of SSE2.

use std::arch::x86_64::{
    _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_packs_epi32,
    _mm_set1_epi32, _mm_setzero_si128,
};

#[inline(always)]
pub(in crate::arch) fn equal(values: &[u32; 8], value: u32) -> u32 {
    let (low, high) = (values.as_ptr(), values.as_ptr().wrapping_add(4));
    // SAFETY: SSE2 is part of the baseline of x86-64; both loads lie within the
    // eight values and need no alignment.
    unsafe {
        let value = _mm_set1_epi32(value.cast_signed());
        let low = _mm_cmpeq_epi32(_mm_loadu_si128(low.cast()), value);
        let high = _mm_cmpeq_epi32(_mm_loadu_si128(high.cast()), value);
        // All ones or all zeros stay that when they are cut down to a byte each.
        let bytes = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
        _mm_movemask_epi8(bytes).cast_unsigned()
    }
}
