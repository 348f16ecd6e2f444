//! Distances of one 128-bit code to many.

/// Appends the position of every one of `others` that differs from `own` in at most `radius` bits.
#[inline(always)]
pub(super) fn near128(own: &[u64; 2], others: &[[u64; 2]], radius: u32, found: &mut Vec<u32>) {
    for (place, other) in (0..).zip(others) {
        let distance = (own[0] ^ other[0]).count_ones() + (own[1] ^ other[1]).count_ones();
        if distance <= radius {
            found.push(place);
        }
    }
}
