//! Document frequencies in seven bits: small ones exact, large ones up to an eighth too low, which
//! changes no weight noticeably.

/// Frequencies up to this have a separate code.
const MAX_EXACT: u32 = 48;

/// The frequency of each code: 0 to 48, then each an eighth more than the last, up to about half
/// a million.
static FREQUENCIES: [u32; 128] = {
    let mut frequencies = [0; 128];
    let mut code = 1;
    while code < 128 {
        let last = frequencies[code - 1];
        frequencies[code] = if last < MAX_EXACT {
            last + 1
        } else {
            last + last / 8
        };
        code += 1;
    }
    frequencies
};

/// Returns the code of the largest coded frequency that is not above `frequency`.
pub(super) fn encode(frequency: u32) -> u8 {
    FREQUENCIES
        .partition_point(|&f| f <= frequency)
        .saturating_sub(1) as u8
}

/// Returns the frequency of a code; ignores the eighth bit.
pub(super) fn decode(code: u8) -> u32 {
    FREQUENCIES[usize::from(code & 0x7F)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frequencies_are_exact_and_large_ones_at_most_an_eighth_low() {
        assert!(FREQUENCIES.is_sorted_by(|a, b| a < b));
        assert!(FREQUENCIES[127] > 400_000);
        for frequency in (0..5000).chain([100_000, 399_999]) {
            let found = decode(encode(frequency));
            assert!(
                found <= frequency && frequency - found <= frequency / 8,
                "{frequency}: {found}"
            );
            assert!(frequency > MAX_EXACT || found == frequency);
        }
        assert_eq!(encode(u32::MAX), 127);
        assert_eq!(decode(0x80 | 5), 5);
    }
}
