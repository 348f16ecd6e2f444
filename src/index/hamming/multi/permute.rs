//! A permutation of the bits of a code after which those of a chunk are far apart in the hash.
//!
//! Neighbouring bits of a perceptual hash are correlated: sixteen in a row take few of the 65,536
//! values, and real PDQ codes then have a third more candidates than independent bits. Bit
//! `16 i + j` of a PDQ code is vertical frequency `i`, horizontal frequency `j`. After the
//! permutation a chunk has one bit of each row and each column, a diagonal. Distances do not change.

/// A code as sixteen chunks of sixteen bits; chunk `c` is bits `16 c % 64 ..` of word `c / 4`.
pub(super) type Chunked = [u64; 4];

/// Chunks of a code.
pub(in crate::index::hamming) const CHUNKS: usize = 16;

/// Returns chunk `chunk`, 0..16, of a code.
#[inline(always)]
pub(super) fn chunk(code: &Chunked, chunk: usize) -> u16 {
    (code[chunk / 4 % 4] >> (chunk % 4 * 16)) as u16
}

/// Moves bit `16 i + j` of a code to bit `i` of chunk `(i + j) % 16`.
pub(super) fn spread(code: [u64; 4]) -> Chunked {
    let mut rows = rows(code);
    for (i, row) in (0..).zip(&mut rows) {
        *row = row.rotate_left(i);
    }
    transpose(&mut rows);
    words(rows)
}

/// Inverts [`spread`].
pub(super) fn gather(code: Chunked) -> [u64; 4] {
    let mut rows = rows(code);
    transpose(&mut rows);
    for (i, row) in (0..).zip(&mut rows) {
        *row = row.rotate_right(i);
    }
    words(rows)
}

fn rows(code: [u64; 4]) -> [u16; CHUNKS] {
    std::array::from_fn(|row| chunk(&code, row))
}

fn words(rows: [u16; CHUNKS]) -> [u64; 4] {
    let mut words = [0; 4];
    for (i, row) in rows.into_iter().enumerate() {
        words[i / 4] |= u64::from(row) << (i % 4 * 16);
    }
    words
}

/// Transposes a matrix of bits by swapping ever smaller blocks (Warren, "Hacker's Delight", 2nd
/// edition, section 7-3).
fn transpose(rows: &mut [u16; CHUNKS]) {
    let mut mask = 0x00ff_u16;
    let mut half = 8;
    while half > 0 {
        let mut i = 0;
        while i < CHUNKS {
            let swap = (rows[i] >> half ^ rows[i + half]) & mask;
            rows[i + half] ^= swap;
            rows[i] ^= swap << half;
            i = (i + half + 1) & !half;
        }
        half /= 2;
        mask ^= mask << half;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn spread_follows_its_definition_and_gather_inverts_it(code: [u64; 4]) {
            let bit = |code: &[u64; 4], i: usize| code[i / 64] >> (i % 64) & 1;
            let mut expected = [0; 4];
            for (i, j) in (0..16).flat_map(|i| (0..16).map(move |j| (i, j))) {
                let to = 16 * ((i + j) % 16) + i;
                expected[to / 64] |= bit(&code, 16 * i + j) << (to % 64);
            }
            prop_assert_eq!(spread(code), expected);
            prop_assert_eq!(gather(spread(code)), code);
        }
    }
}
