//! A run: the postings of one value of one chunk, stored together.
//!
//! Three arrays of 16-bit words, one after the other, so that the number of a posting that passes
//! the test of its sketch is on the same page of memory:
//!
//! 1. the sketch of each posting, which is the next chunk of its code;
//! 2. the lower halves of the codes' numbers, which ascend;
//! 3. the upper halves, which have `uppers` possible values. In a short run as bits: a zero for each
//!    step of the upper half and a one for each posting (Elias, "Efficient storage and retrieval by
//!    content and address of static files", 1974, and Fano, 1971). In a run of more than
//!    [`MAX_SHORT`] postings for each upper half as 32-bit counts: how many postings have an upper
//!    half of this value or a lower one.
//!
//! A chunk has 65,536 values, so a run of average length has as many postings as there are upper
//! halves, and a number takes 18 bits. The content of a file is not trusted: no read is outside
//! the table, and no loop is longer than the run.

use super::VALUES;

/// Postings for each upper half up to which upper halves are stored as bits.
const MAX_SHORT: usize = 8;

/// The lowest and the highest bit of each byte of a word.
const LANES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = LANES << 7;

/// The encoding of runs, which depends on the number of codes in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Values of the upper half of a code's number, at least one.
    uppers: usize,
}

/// A run in the words of its table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u32,
    /// The number of postings.
    pub(super) len: u32,
}

impl Run {
    /// Returns the word after the sketches.
    pub(super) fn end(self) -> u32 {
        self.start.saturating_add(self.len)
    }

    /// Returns the word with the lower half of posting `i`.
    pub(super) fn lower(self, i: u32) -> usize {
        self.start as usize + self.len as usize + i as usize
    }

    /// Returns the first word of the upper halves.
    pub(super) fn upper(self) -> usize {
        self.start as usize + 2 * self.len as usize
    }
}

impl Shape {
    /// Returns the encoding for numbers below `codes`.
    pub(super) fn new(codes: usize) -> Self {
        Self {
            uppers: codes.div_ceil(VALUES).max(1),
        }
    }

    fn is_long(self, len: usize) -> bool {
        len > MAX_SHORT * self.uppers
    }

    /// Returns the words of a run of `len` postings; strictly increasing.
    pub(super) fn words(self, len: usize) -> usize {
        if len == 0 {
            0
        } else if self.is_long(len) {
            2 * len + 2 * self.uppers
        } else {
            2 * len + (len + self.uppers).div_ceil(16)
        }
    }

    /// Returns the number of postings of a run of this many words; inverts [`words`](Self::words).
    #[inline(always)]
    pub(super) fn len(self, words: u32) -> u32 {
        let uppers = self.uppers as u64;
        // 16 times the words are 33 times the postings plus the upper halves plus at most 15.
        let len = (16 * u64::from(words)).saturating_sub(uppers) / 33;
        if len <= MAX_SHORT as u64 * uppers {
            len as u32
        } else {
            words.saturating_sub(2 * uppers as u32) / 2
        }
    }

    /// Encodes postings, packed by [`pack`] and ascending, into zeroed words.
    pub(super) fn encode(self, run: &mut [u16], postings: &[u64]) {
        let len = postings.len();
        let Some((sketches, rest)) = run.split_at_mut_checked(len) else {
            return;
        };
        let Some((lowers, uppers)) = rest.split_at_mut_checked(len) else {
            return;
        };
        for ((sketch, lower), &posting) in sketches.iter_mut().zip(lowers).zip(postings) {
            (*sketch, *lower) = (self::sketch(posting), posting as u16);
        }
        let upper_of = |posting: u64| (posting as u32 >> 16) as usize;
        if self.is_long(len) {
            for (upper, words) in uppers.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                let below = postings.partition_point(|&posting| upper_of(posting) <= upper);
                *words = [below as u16, (below >> 16) as u16];
            }
        } else {
            for (i, &posting) in postings.iter().enumerate() {
                let bit = upper_of(posting) + i;
                if let Some(word) = uppers.get_mut(bit / 16) {
                    *word |= 1 << (bit % 16);
                }
            }
        }
    }

    /// Decodes the number of the code of posting `i`; returns `u32::MAX`, which no code has, if the
    /// words are invalid.
    #[inline(always)]
    pub(super) fn id(self, table: &[u16], run: Run, i: u32) -> u32 {
        let upper = if self.is_long(run.len as usize) {
            self.counted(table, run.upper(), i)
        } else {
            self.select(table, run, i)
        };
        match (upper, table.get(run.lower(i))) {
            (Some(upper), Some(&lower)) if upper < self.uppers => {
                (upper as u32) << 16 | u32::from(lower)
            }
            _ => u32::MAX,
        }
    }

    /// Returns the first upper half up to which there are more than `i` postings.
    fn counted(self, table: &[u16], first: usize, i: u32) -> Option<usize> {
        let counts = table.get(first..first.checked_add(2 * self.uppers)?)?;
        let count = |&[low, high]: &[u16; 2]| u32::from(high) << 16 | u32::from(low);
        let counts = counts.as_chunks::<2>().0;
        Some(counts.partition_point(|words| count(words) <= i))
    }

    /// Returns the number of zeros before the `i`th one of the bits.
    #[inline(always)]
    fn select(self, table: &[u16], run: Run, i: u32) -> Option<usize> {
        let first = run.upper();
        let bits = run.len as usize + self.uppers;
        let mut left = u64::from(i);
        for step in 0..bits.div_ceil(64) {
            let word = word(table, first + 4 * step);
            let sums = sums(word);
            let ones = sums >> 56;
            if left < ones {
                let bit = 64 * step + select(word, sums, left) as usize;
                return bit.checked_sub(i as usize);
            }
            left -= ones;
        }
        None
    }
}

/// Packs a posting into one word, which orders by value, then sketch, then the code's number.
pub(super) fn pack(value: u16, sketch: u16, id: u32) -> u64 {
    u64::from(value) << 48 | u64::from(sketch) << 32 | u64::from(id)
}

/// Returns the next chunk in a packed posting.
pub(super) fn sketch(posting: u64) -> u16 {
    (posting >> 32) as u16
}

/// Returns the chunk's value in a packed posting.
pub(super) fn value(posting: u64) -> u16 {
    (posting >> 48) as u16
}

/// Reads four words as one; words after the end are zero.
#[inline(always)]
fn word(table: &[u16], at: usize) -> u64 {
    match table.get(at..) {
        Some(&[a, b, c, d, ..]) => {
            u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48
        }
        Some(rest) => rest
            .iter()
            .rev()
            .fold(0, |word, &w| word << 16 | u64::from(w)),
        None => 0,
    }
}

/// Returns in byte `i` the number of set bits of bytes 0 to `i` (Vigna, "Broadword implementation of
/// rank/select queries", 2008), without an instruction that not every CPU has.
#[inline(always)]
fn sums(word: u64) -> u64 {
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    bytes.wrapping_mul(LANES)
}

/// Returns the position of the `i`th set bit, which must exist.
#[inline(always)]
fn select(word: u64, sums: u64, i: u64) -> u32 {
    // The highest bit of each byte up to which at most `i` bits are set.
    let below = ((i.wrapping_mul(LANES) | TOPS).wrapping_sub(sums)) & TOPS;
    // Their number, at most eight.
    let shift = ((below >> 7).wrapping_mul(LANES) >> 56) as u32 * 8;
    let before = (sums << 8).checked_shr(shift).unwrap_or(0) & 0xFF;
    let mut byte = word.checked_shr(shift).unwrap_or(0);
    for _ in before..i {
        byte &= byte.wrapping_sub(1);
    }
    shift + byte.trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn len_inverts_words() {
        for codes in [0, 1, 65_536, 65_537, 1_000_000, u32::MAX as usize] {
            let shape = Shape::new(codes);
            for len in (0..5000).chain([shape.uppers * MAX_SHORT, shape.uppers * MAX_SHORT + 1]) {
                assert_eq!(shape.len(shape.words(len) as u32) as usize, len, "{codes}");
            }
        }
    }

    proptest! {
        #[test]
        fn select_finds_every_set_bit(word: u64) {
            let ones = (0..64).filter(|bit| word >> bit & 1 == 1);
            prop_assert_eq!(sums(word) >> 56, u64::from(word.count_ones()));
            for (i, bit) in ones.enumerate() {
                prop_assert_eq!(select(word, sums(word), i as u64), bit);
            }
        }

        #[test]
        fn decoding_inverts_encoding(
            codes in 1_u32..3_000_000,
            len in 0_usize..600,
            dense: bool,
            seed in prop::collection::vec(any::<(u32, u16)>(), 600),
        ) {
            let most = if dense { codes.min(70_000) } else { codes };
            let mut postings: Vec<u64> = seed[..len]
                .iter()
                .map(|&(id, sketch)| pack(7, sketch, id % most))
                .collect();
            postings.sort_by_key(|&posting| posting as u32);
            let shape = Shape::new(codes as usize);
            let mut table = vec![0; shape.words(len) + 3];
            shape.encode(&mut table[3..], &postings);
            let run = Run { start: 3, len: len as u32 };
            for (i, &posting) in (0..).zip(&postings) {
                prop_assert_eq!(shape.id(&table, run, i), posting as u32);
                prop_assert_eq!(table[3 + i as usize], (posting >> 32) as u16);
                prop_assert_eq!(value(posting), 7);
            }
        }

        #[test]
        fn decoding_arbitrary_words_does_not_panic(
            table in prop::collection::vec(any::<u16>(), 0..60),
            (start, len, i) in any::<(u32, u32, u32)>(),
            near: bool,
            codes: u32,
        ) {
            let cut = |n: u32| if near { n % 64 } else { n };
            let run = Run { start: cut(start), len: cut(len) % 5000 };
            let _ = Shape::new(codes as usize).id(&table, run, cut(i));
        }
    }
}
