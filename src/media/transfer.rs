//! The two transfer encodings that wrap bytes in text: base64 and quoted-printable.
//!
//! Both decoders tolerate damage, so that line wrapping by a forum or a truncated
//! paste does not hide a leak. The cost
//! is one pass, which the deadline ends; nothing grows beyond the input.

use crate::deadline::Deadline;
use crate::error::Result;

/// Bytes between two checks of the deadline.
const STRIDE: usize = 64 << 10;

/// Decodes base64 in the standard or the URL-safe alphabet.
///
/// Bytes outside of the alphabet are skipped, as RFC 2045 requires; padding ends a group, so
/// concatenated encodings decode one after the other; an incomplete last group is decoded to its
/// whole bytes.
///
/// # Errors
/// Those of [`Deadline::check`].
pub(super) fn base64(encoded: &[u8], deadline: &Deadline) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    let mut rest = encoded;
    let (mut group, mut digits) = (0_u32, 0_u32);
    let mut next_check = encoded.len();
    loop {
        if rest.len() <= next_check {
            deadline.check()?;
            next_check = rest.len().saturating_sub(STRIDE);
        }
        // The common case, a run of whole groups, without the bookkeeping of damage.
        while digits == 0
            && rest.len() > next_check
            && let [a, b, c, d, tail @ ..] = rest
        {
            let [a, b, c, d] = [a, b, c, d].map(|&byte| SIXTETS[usize::from(byte)]);
            if a | b | c | d > 63 {
                break;
            }
            let word = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            decoded.extend_from_slice(&word.to_be_bytes()[1..]);
            rest = tail;
        }
        let Some((&byte, tail)) = rest.split_first() else {
            break;
        };
        rest = tail;
        let sixtet = SIXTETS[usize::from(byte)];
        if sixtet <= 63 {
            group = group << 6 | u32::from(sixtet);
            digits += 1;
        }
        if digits == 4 || byte == b'=' {
            flush(&mut decoded, group, digits);
            (group, digits) = (0, 0);
        }
    }
    flush(&mut decoded, group, digits);
    Ok(decoded)
}

/// Appends the whole bytes in `digits` base64 digits.
fn flush(decoded: &mut Vec<u8>, group: u32, digits: u32) {
    let bytes = (group << (6 * (4 - digits))).to_be_bytes();
    decoded.extend_from_slice(&bytes[1..1 + digits as usize * 6 / 8]);
}

/// The value of each base64 digit, 255 for all other bytes.
const SIXTETS: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 64_u8 {
        let digit = match value {
            0..26 => b'A' + value,
            26..52 => b'a' + (value - 26),
            52..62 => b'0' + (value - 52),
            62 => b'+',
            _ => b'/',
        };
        table[digit as usize] = value;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

/// Decodes quoted-printable text (RFC 2045, section 6.7).
///
/// An invalid escape is kept; white space at the end of a line, which the standard calls padding, is dropped.
///
/// # Errors
/// Those of [`Deadline::check`].
pub(super) fn quoted_printable(encoded: &[u8], deadline: &Deadline) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut pacer = deadline.pacer(STRIDE as u32);
    for line in encoded.split_inclusive(|&byte| byte == b'\n') {
        let (content, mut end) = line.split_at(line.trim_ascii_end().len());
        let mut rest = content;
        pacer.step()?;
        while let Some((&byte, tail)) = rest.split_first() {
            pacer.step()?;
            rest = tail;
            match tail {
                [high, low, after @ ..]
                    if byte == b'='
                        && let (Some(high), Some(low)) = (hex(*high), hex(*low)) =>
                {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                [] if byte == b'=' => end = &[],
                _ => decoded.push(byte),
            }
        }
        let end = end
            .iter()
            .position(|&b| b == b'\r' || b == b'\n')
            .map(|i| &end[i..]);
        decoded.extend_from_slice(end.unwrap_or_default());
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base64(encoded: &[u8]) -> Vec<u8> {
        super::base64(encoded, &Deadline::never()).unwrap()
    }

    fn quoted_printable(encoded: &[u8]) -> Vec<u8> {
        super::quoted_printable(encoded, &Deadline::never()).unwrap()
    }

    #[test]
    fn the_deadline_ends_both() {
        let over = Deadline::after(std::time::Duration::ZERO);
        let long = vec![b'A'; 3 * STRIDE];
        assert!(super::base64(&long, &over).is_err());
        assert_eq!(base64(&long).len(), 3 * STRIDE / 4 * 3);
        assert!(super::quoted_printable(&long, &over).is_err());
    }

    /// The encoder of RFC 4648, for the round trip.
    fn encode(bytes: &[u8]) -> Vec<u8> {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        for chunk in bytes.chunks(3) {
            let mut group = [0; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let word = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for i in 0..4 {
                out.push(if i <= chunk.len() {
                    DIGITS[(word >> (18 - 6 * i) & 63) as usize]
                } else {
                    b'='
                });
            }
        }
        out
    }

    #[test]
    fn base64_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(encoded.as_bytes()), plain.as_bytes());
            assert_eq!(encode(plain.as_bytes()), encoded.as_bytes());
        }
    }

    #[test]
    fn damaged_base64_gives_what_is_there() {
        assert_eq!(base64(b"Zm9v\r\n!*YmFy"), b"foobar");
        assert_eq!(base64(b"Zm9vYmF"), b"fooba", "no padding");
        assert_eq!(base64(b"Zm9vY"), b"foo", "one digit is no byte");
        assert_eq!(base64(b"Zg==Zg=="), b"ff", "concatenated");
        assert_eq!(base64(b"-_-_"), base64(b"+/+/"));
        assert_eq!(base64(b"===="), b"");
    }

    proptest! {
        #[test]
        fn base64_round_trips_at_any_wrapping(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            width in 1..80_usize,
        ) {
            let wrapped = encode(&bytes).chunks(width).collect::<Vec<_>>().join(&b"\r\n"[..]);
            prop_assert_eq!(base64(&wrapped), bytes);
        }
    }

    #[test]
    fn quoted_printable_with_soft_breaks_padding_and_damage() {
        for (encoded, plain) in [
            ("J=C3=BCrgen", "J\u{fc}rgen"),
            ("soft=\r\n break", "soft break"),
            ("soft=  \nbreak", "softbreak"),
            ("padding \t\r\nnext", "padding\r\nnext"),
            ("100 =% =4 =zz =", "100 =% =4 =zz "),
            ("=3D3D=3d\n", "=3D=\n"),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(quoted_printable(encoded.as_bytes())).unwrap(),
                plain,
                "{encoded:?}"
            );
        }
    }
}
