//! Projections of a patch of bytes on rows of signs.
//!
//! Written once and compiled for each instruction set.

/// The sum of the products of `patch` with each row.
#[inline(always)]
pub(super) fn project<const N: usize, const ROWS: usize>(
    rows: &[[i8; N]; ROWS],
    patch: &[i8; N],
    sums: &mut [i32; ROWS],
) {
    // Widened once: what the multiplier wants.
    let patch = patch.map(i16::from);
    for (row, sum) in rows.iter().zip(sums) {
        let products = row.iter().zip(&patch);
        *sum = products
            .map(|(&a, &b)| i32::from(i16::from(a)) * i32::from(b))
            .sum();
    }
}
