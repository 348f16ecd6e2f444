//! Prefetching into the cache.

/// Prefetches the cache line of element `i`, which need not exist. Does nothing where there is no such
/// instruction.
#[inline(always)]
pub(crate) fn prefetch<T>(slice: &[T], i: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let place = slice.as_ptr().wrapping_add(i);
        // SAFETY: a prefetch reads no memory in the sense of the language and
        // does not fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (slice, i);
}
