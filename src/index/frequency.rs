//! Document frequencies in seven bits: exact where they are small, and a little
//! too low where an eighth more or less changes nothing.

/// Frequencies below this have a code of their own.
const EXACT: u32 = 48;

/// What each code stands for: 0 to 47, then each an eighth more than the last, up
/// to some half a million.
static FREQUENCIES: [u32; 128] = {
    let mut frequencies = [0; 128];
    let mut code = 1;
    while code < 128 {
        let last = frequencies[code - 1];
        frequencies[code] = if last < EXACT {
            last + 1
        } else {
            last + last / 8
        };
        code += 1;
    }
    frequencies
};

/// The code of the largest frequency that is not above `frequency`.
pub(super) fn encode(frequency: u32) -> u8 {
    FREQUENCIES
        .partition_point(|&f| f <= frequency)
        .saturating_sub(1) as u8
}

/// What a code stands for; the eighth bit is ignored.
pub(super) fn decode(code: u8) -> u32 {
    FREQUENCIES[usize::from(code & 0x7F)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_exact_and_large_ones_at_most_an_eighth_low() {
        assert!(FREQUENCIES.is_sorted_by(|a, b| a < b));
        assert!(FREQUENCIES[127] > 400_000);
        for frequency in (0..5000).chain([100_000, 399_999]) {
            let found = decode(encode(frequency));
            assert!(
                found <= frequency && frequency - found <= frequency / 8,
                "{frequency}: {found}"
            );
            assert!(frequency > EXACT || found == frequency);
        }
        assert_eq!(encode(u32::MAX), 127);
        assert_eq!(decode(0x80 | 5), 5);
    }
}
