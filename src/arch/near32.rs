//! Distances of one 32-bit code to many.

/// Appends the first number of every entry whose second one differs from `own` in at most `radius` bits.
#[inline(always)]
pub(super) fn near32(own: u32, entries: &[[u32; 2]], radius: u32, found: &mut Vec<u32>) {
    for &[number, code] in entries {
        if (own ^ code).count_ones() <= radius {
            found.push(number);
        }
    }
}
