//! 256-bit codes: perceptual hashes, which the hamming index searches.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};

/// A 256-bit perceptual hash.
///
/// Bit `i` of the hash is bit `i % 64` of word `i / 64`. Printed as 64 hex digits
/// from bit 255 down to bit 0, as the PDQ reference does, and serialised so.
///
/// ```
/// use leakprint::Code256;
///
/// let code: Code256 = format!("{:064x}", 7).parse()?;
/// assert_eq!(code, Code256([7, 0, 0, 0]));
/// assert_eq!(code.distance(&Code256::default()), 3);
/// assert_eq!(code.distance(&code.complement()), 256);
/// assert_eq!(Code256::from_le_bytes(&code.to_le_bytes()), code);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code256(pub [u64; 4]);

impl Code256 {
    /// The number of bits in which two codes differ, 0..=256.
    #[inline(always)]
    pub fn distance(&self, other: &Self) -> u32 {
        self.0
            .iter()
            .zip(&other.0)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum()
    }

    /// Every bit flipped: the code of the inverted picture under a DCT hash.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// The 32 bytes, word 0 first, each little-endian.
    pub fn to_le_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The inverse of [`to_le_bytes`](Self::to_le_bytes).
    pub fn from_le_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut le = [0; 8];
            le.copy_from_slice(chunk);
            *word = u64::from_le_bytes(le);
        }
        Self(words)
    }
}

impl fmt::Display for Code256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{d:016x}{c:016x}{b:016x}{a:016x}")
    }
}

impl fmt::Debug for Code256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code256({self})")
    }
}

impl FromStr for Code256 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = || {
            Error::new(
                ErrorKind::InvalidInput,
                "a 256-bit hash is written as exactly 64 hex digits",
            )
        };
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let mut words = [0; 4];
        for (i, word) in words.iter_mut().rev().enumerate() {
            let digits = text.get(16 * i..16 * (i + 1)).ok_or_else(invalid)?;
            *word = u64::from_str_radix(digits, 16).map_err(|_| invalid())?;
        }
        Ok(Self(words))
    }
}

crate::text_serde::serde_as_text!(Code256);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hex_and_bytes_round_trip(words: [u64; 4], other: [u64; 4]) {
            let code = Code256(words);
            prop_assert_eq!(code.to_string().parse::<Code256>().unwrap(), code);
            prop_assert_eq!(Code256::from_le_bytes(&code.to_le_bytes()), code);
            prop_assert_eq!(code.distance(&code.complement()), 256);
            let other = Code256(other);
            prop_assert_eq!(code.distance(&other) + code.complement().distance(&other), 256);
        }
    }

    #[test]
    fn hex_prints_bit_255_first() {
        assert_eq!(Code256([1, 0, 0, 0]).to_string(), format!("{:064x}", 1));
        assert!("é".repeat(32).parse::<Code256>().is_err());
        assert!("0".repeat(63).parse::<Code256>().is_err());
    }
}
