//! Comparison of eight numbers with one, for the tags of a bucket of grams.

/// Returns the bits of the values that are equal to `value`.
#[inline(always)]
pub(crate) fn equal(values: &[u32; 8], value: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    return super::x86_64::equal::equal(values, value);
    #[cfg(not(target_arch = "x86_64"))]
    portable(values, value)
}

/// The portable code.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn portable(values: &[u32; 8], value: u32) -> u32 {
    let bits = values.iter().zip(0..);
    bits.fold(0, |bits, (&other, i)| bits | u32::from(other == value) << i)
}
