//! From bytes to characters: byte-order marks, UTF-8, and the legacy charsets
//! by detection.
//!
//! Markdown, CSV, JSON and XML are text as they stand: folding drops what is
//! neither letter nor digit, so that their markup hardly shows in the prints.
//! Control characters stay for the same reason.

use super::guard::guard;
use crate::error::Result;
use crate::limits::Budget;

/// A byte-order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// The mark at the start and what follows it.
pub(super) fn byte_order_mark(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => Some((Mark::Utf8, rest)),
        // The mark of UTF-32 starts like that of UTF-16.
        [0xFF, 0xFE, 0, 0, ..] => None,
        [0xFF, 0xFE, rest @ ..] => Some((Mark::Utf16Le, rest)),
        [0xFE, 0xFF, rest @ ..] => Some((Mark::Utf16Be, rest)),
        _ => None,
    }
}

/// Whether bytes can be text: a byte-order mark of UTF-16, or hardly any
/// control characters (at most one in 64) and no NUL but by accident.
///
/// Compressed and random bytes have one control character in ten, machine code
/// more. One pass.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    match byte_order_mark(bytes) {
        Some((Mark::Utf8, rest)) => is_text(rest) || rest.is_empty(),
        // Half of the bytes of Western text are NUL here.
        Some(_) => true,
        None => {
            let controls = bytes.iter().filter(|&&byte| is_control(byte)).count();
            !bytes.is_empty() && controls <= bytes.len() / 64
        }
    }
}

/// C0 controls that text files do not have. Kept: tab, line feed, vertical tab,
/// form feed, carriage return, escape (ISO-2022, terminal colours).
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, 0x09..=0x0D | 0x1B) || byte == 0x7F
}

/// The characters of `bytes`: by the byte-order mark, else as UTF-8 if that is
/// what they are but for stray damage, else in the charset of `label` where the
/// container gives one, else in the detected one.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for more characters than `text_chars`;
/// [`Unsupported`](crate::ErrorKind::Unsupported) for legacy charsets without the
/// feature `charset`.
pub(super) fn decode(bytes: &[u8], label: Option<&str>, budget: &mut Budget) -> Result<String> {
    // No encoding needs more than four bytes for a character, so that this
    // refuses what is surely too long before anything is allocated for it.
    budget.check_text(bytes.len() as u64 / 4)?;
    let text = match byte_order_mark(bytes) {
        Some((Mark::Utf8, rest)) => {
            budget.charge_decoded(rest.len() as u64)?;
            String::from_utf8_lossy(rest).into_owned()
        }
        Some((mark, rest)) => {
            budget.charge_decoded(rest.len() as u64 / 2 * 3)?;
            decode_utf16(mark, rest)
        }
        None if !label.is_some_and(hides_in_ascii) && is_utf8(bytes) => {
            budget.charge_decoded(bytes.len() as u64)?;
            // The lossy conversion looks at every byte, this one at words of ASCII.
            match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => String::from_utf8_lossy(bytes).into_owned(),
            }
        }
        None => legacy(bytes, label, budget)?,
    };
    budget.check_text(text.chars().count() as u64)?;
    Ok(text)
}

/// UTF-16 in the byte order of `mark`; lone surrogates and an odd last byte
/// become replacement characters.
pub(super) fn decode_utf16(mark: Mark, bytes: &[u8]) -> String {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| match mark {
        Mark::Utf16Be => u16::from_be_bytes(pair),
        _ => u16::from_le_bytes(pair),
    });
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .chain((!odd.is_empty()).then_some(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Whether bytes are UTF-8, whole or with stray damage: at most one broken
/// sequence for every eight sound ones beyond ASCII. In the legacy charsets
/// nearly every non-ASCII byte is a broken sequence.
fn is_utf8(bytes: &[u8]) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // Sound but for a sequence that the end of the text cuts off.
        Err(error) if error.error_len().is_none() => true,
        Err(_) => {
            let (mut sound, mut broken) = (0_u64, 0_u64);
            for chunk in bytes.utf8_chunks() {
                let leads = chunk.valid().bytes().filter(|&byte| byte >= 0xC0).count();
                sound += leads as u64;
                broken += u64::from(!chunk.invalid().is_empty());
            }
            broken * 8 <= sound
        }
    }
}

/// Whether text in the charset of this name may consist of ASCII bytes alone
/// and yet not be ASCII, so that looking like UTF-8 proves nothing.
fn hides_in_ascii(label: &str) -> bool {
    let label = label.trim().to_ascii_lowercase();
    [
        "iso-2022-jp",
        "csiso2022jp",
        "utf-16",
        "utf-7",
        "unicode-1-1-utf-7",
    ]
    .iter()
    .any(|known| label.starts_with(known))
}

fn legacy(bytes: &[u8], label: Option<&str>, budget: &mut Budget) -> Result<String> {
    // The most that a legacy charset grows by: one byte to three.
    budget.charge_decoded(bytes.len() as u64 * 3)?;
    guard("the charset decoder", || {
        label
            .and_then(|label| by_label(bytes, label.trim()))
            .map_or_else(|| by_detection(bytes), Ok)
    })
}

/// `None` for an unknown label, and for those of ASCII and UTF-8, which the bytes have belied.
#[cfg(feature = "charset")]
fn by_label(bytes: &[u8], label: &str) -> Option<String> {
    match encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 || is_ascii_label(label) => None,
        Some(encoding) => Some(encoding.decode_without_bom_handling(bytes).0.into_owned()),
        None => by_mail_label(bytes, label),
    }
}

#[cfg(not(feature = "charset"))]
fn by_label(bytes: &[u8], label: &str) -> Option<String> {
    let is_utf8 = label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("utf8");
    (!is_utf8 && !is_ascii_label(label)).then(|| by_mail_label(bytes, label))?
}

fn is_ascii_label(label: &str) -> bool {
    label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii")
}

/// The charsets of mail that the web does not have, such as UTF-7 and code page 850.
#[cfg(feature = "mail")]
fn by_mail_label(bytes: &[u8], label: &str) -> Option<String> {
    mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes())
        .map(|decode| decode(bytes))
}

#[cfg(not(feature = "mail"))]
fn by_mail_label(_: &[u8], _: &str) -> Option<String> {
    None
}

/// The likeliest charset, by a megabyte from the first byte that tells.
#[cfg(feature = "charset")]
fn by_detection(bytes: &[u8]) -> Result<String> {
    use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
    const SAMPLE: usize = 1 << 20;
    // A little before it, for the detector weighs letters by their neighbours.
    let start = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let rest = bytes.get(start.saturating_sub(64)..).unwrap_or(bytes);
    let sample = rest.get(..SAMPLE).unwrap_or(rest);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() == rest.len());
    let encoding = detector.guess(None, Utf8Detection::Deny);
    Ok(encoding.decode_without_bom_handling(bytes).0.into_owned())
}

#[cfg(not(feature = "charset"))]
fn by_detection(_: &[u8]) -> Result<String> {
    Err(crate::error::Error::new(
        crate::error::ErrorKind::Unsupported,
        "text in a legacy charset: this build reads UTF-8 and UTF-16 only (feature `charset`)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Limits};

    fn read(bytes: &[u8], label: Option<&str>) -> String {
        decode(bytes, label, &mut Budget::new(&Limits::default())).unwrap()
    }

    #[test]
    fn marks_say_what_follows() {
        assert_eq!(
            read(b"\xEF\xBB\xBFgr\xC3\xBC\xC3\x9F", None),
            "gr\u{fc}\u{df}"
        );
        assert_eq!(read(b"\xFF\xFEg\0\xFC\0", None), "g\u{fc}");
        assert_eq!(read(b"\xFE\xFF\0g\0\xFC", None), "g\u{fc}");
        assert_eq!(read(b"\xFF\xFEg\0\0\xD8!", None), "g\u{fffd}\u{fffd}");
        assert!(is_text(b"\xFF\xFEg\0") && is_text(b"\xEF\xBB\xBF"));
        assert!(!is_text(b"\xFF\xFE\0\0g\0\0\0"), "UTF-32");
    }

    #[test]
    fn nul_rich_bytes_are_no_text() {
        assert!(!is_text(b"a\0b\0c\0"));
        assert!(!is_text(b""));
        assert!(is_text(b"tabs\tand\x1b[1mcolours\r\n\x0C"));
        let mut page = vec![b'x'; 128];
        page[7] = 0;
        assert!(is_text(&page), "one slip in 128");
    }

    #[test]
    fn stray_damage_does_not_turn_utf8_into_another_charset() {
        let mut text = "h\u{e4}tte w\u{fc}rde k\u{f6}nnte d\u{fc}rfte m\u{f6}chte"
            .repeat(4)
            .into_bytes();
        text[3] = 0xFF;
        assert!(read(&text, None).ends_with("k\u{f6}nnte d\u{fc}rfte m\u{f6}chte"));
        assert_eq!(read(b"cut \xE2\x82", None), "cut \u{fffd}");
    }

    #[cfg(feature = "charset")]
    #[test]
    fn legacy_charsets_are_detected() {
        let german = b"Die Gr\xF6\xDFe der \xC4nderung h\xE4ngt von den Umst\xE4nden ab.";
        assert_eq!(
            read(german, None),
            "Die Gr\u{f6}\u{df}e der \u{c4}nderung h\u{e4}ngt von den Umst\u{e4}nden ab."
        );
        let (russian, _, _) = encoding_rs::WINDOWS_1251
            .encode("\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430} \u{443} \u{432}\u{430}\u{441} \u{441}\u{435}\u{433}\u{43e}\u{434}\u{43d}\u{44f}?");
        assert!(read(&russian, None).starts_with("\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, "));
        // A wrong label of UTF-8 or ASCII does not stop the detection.
        for label in ["utf-8", "us-ascii", "x-klingon"] {
            assert!(
                read(german, Some(label)).starts_with("Die Gr\u{f6}\u{df}e"),
                "{label}"
            );
        }
    }

    #[cfg(not(feature = "charset"))]
    #[test]
    fn legacy_charsets_need_their_feature() {
        let error =
            decode(b"h\xE4tte gern", None, &mut Budget::new(&Limits::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[cfg(all(feature = "charset", feature = "mail"))]
    #[test]
    fn labels_decide_where_bytes_are_ambiguous() {
        assert_eq!(read(b"\xA4", Some("iso-8859-15")), "\u{20ac}");
        assert_eq!(read(b"\x9b", Some("ibm850")), "\u{f8}");
        assert_eq!(read(b"Hi +AOk-", Some("UTF-7")), "Hi \u{e9}");
        assert_eq!(read(b"\x1b$B%O\x1b(B", Some("ISO-2022-JP")), "\u{30cf}");
        // UTF-8 under another label is UTF-8.
        assert_eq!(read("\u{20ac}5".as_bytes(), Some("us-ascii")), "\u{20ac}5");
    }

    #[test]
    fn the_limit_names_the_characters() {
        let limits = Limits {
            text_chars: 5,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits);
        assert!(decode("\u{e4}\u{f6}\u{fc}\u{df}!".as_bytes(), None, &mut budget).is_ok());
        let error = decode(b"123456", None, &mut budget).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(
            error.message().contains("text_chars = 5 exceeded: 6"),
            "{error}"
        );
    }
}
