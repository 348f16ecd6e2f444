//! Document frequencies and standings of grams, together in one byte. Small frequencies are exact, large
//! ones up to an eighth too low, or a fifth for grams whose weight does not depend on it.

/// How a gram is weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its weight is that of its frequency.
    #[default]
    Plain,
    /// Unrelated content has it too.
    Discounted,
    /// However many items have it, it is content: see the writer's `vouch`.
    Vouched,
}

/// Frequencies up to this have a separate code.
const MAX_EXACT: u32 = 48;

/// The same where the standing decides.
const MAX_COARSE_EXACT: u32 = 16;

/// Codes of plain frequencies, and of each of the others.
const PLAIN: usize = 128;
const COARSE: usize = 64;

/// The frequency of each code: 0 to 48, then each an eighth more than the last, up to about half
/// a million.
static FREQUENCIES: [u32; PLAIN] = steps(MAX_EXACT, 8);

/// The frequency of each coarse code: 0 to 16, then each a quarter more than the last.
static COARSE_FREQUENCIES: [u32; COARSE] = steps(MAX_COARSE_EXACT, 4);

const fn steps<const N: usize>(max_exact: u32, divisor: u32) -> [u32; N] {
    let mut frequencies = [0; N];
    let mut code = 1;
    while code < N {
        let last = frequencies[code - 1];
        frequencies[code] = if last < max_exact {
            last + 1
        } else {
            last + last / divisor
        };
        code += 1;
    }
    frequencies
}

/// Returns the code of the largest coded frequency that is not above `frequency`.
pub(super) fn encode(frequency: u32, standing: Standing) -> u8 {
    let code = |frequencies: &[u32]| {
        let above = frequencies.partition_point(|&f| f <= frequency);
        above.saturating_sub(1)
    };
    let code = match standing {
        Standing::Plain => code(&FREQUENCIES),
        Standing::Discounted => PLAIN + code(&COARSE_FREQUENCIES),
        Standing::Vouched => PLAIN + COARSE + code(&COARSE_FREQUENCIES),
    };
    code as u8
}

/// Returns the frequency of a code.
pub(super) fn decode(code: u8) -> u32 {
    match code.checked_sub(PLAIN as u8) {
        None => FREQUENCIES[usize::from(code)],
        Some(code) => COARSE_FREQUENCIES[usize::from(code) % COARSE],
    }
}

/// Returns the standing of a code.
pub(super) fn standing(code: u8) -> Standing {
    match usize::from(code) {
        0..PLAIN => Standing::Plain,
        code if code < PLAIN + COARSE => Standing::Discounted,
        _ => Standing::Vouched,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frequencies_are_exact_and_large_ones_a_little_low() {
        for (frequencies, most) in [(&FREQUENCIES[..], 400_000), (&COARSE_FREQUENCIES, 400_000)] {
            assert!(frequencies.is_sorted_by(|a, b| a < b));
            assert!(*frequencies.last().unwrap() > most);
        }
        let cases = [
            (Standing::Plain, MAX_EXACT, 8),
            (Standing::Discounted, MAX_COARSE_EXACT, 5),
            (Standing::Vouched, MAX_COARSE_EXACT, 5),
        ];
        for (kind, max_exact, share) in cases {
            for frequency in (0..5000).chain([100_000, 399_999]) {
                let code = encode(frequency, kind);
                assert_eq!(standing(code), kind);
                let found = decode(code);
                assert!(
                    found <= frequency && frequency - found <= frequency / share,
                    "{frequency}: {found}"
                );
                assert!(frequency > max_exact || found == frequency);
            }
            assert_eq!(
                decode(encode(u32::MAX, kind)),
                decode(encode(1 << 30, kind))
            );
        }
        assert_eq!(encode(u32::MAX, Standing::Plain), 127);
        assert_eq!(encode(u32::MAX, Standing::Vouched), 255);
    }
}
