//! From bytes to characters: byte-order marks, UTF-8, and the legacy charsets
//! by detection.
//!
//! Markdown, CSV, JSON and XML are text as they stand: folding drops what is
//! neither letter nor digit, so that their markup hardly shows in the prints.
//! Control characters stay for the same reason.

use crate::error::{Error, ErrorKind, Result};
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
/// [`Limit`](ErrorKind::Limit) for more characters than `text_chars`;
/// [`Unsupported`](ErrorKind::Unsupported) for legacy charsets without the
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
        None if is_utf8(bytes) => {
            budget.charge_decoded(bytes.len() as u64)?;
            String::from_utf8_lossy(bytes).into_owned()
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
    let (mut sound, mut broken) = (0_u64, 0_u64);
    for chunk in bytes.utf8_chunks() {
        let leads = chunk.valid().bytes().filter(|&byte| byte >= 0xC0).count();
        sound += leads as u64;
        // A sequence cut off by the end of the text says nothing against UTF-8.
        broken += u64::from(!chunk.invalid().is_empty());
    }
    let cut = std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
    broken * 8 <= sound || cut
}

#[cfg(feature = "charset")]
fn legacy(bytes: &[u8], label: Option<&str>, budget: &mut Budget) -> Result<String> {
    // A label of UTF-8 has just been found wrong.
    let encoding = label
        .and_then(|label| encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()))
        .filter(|&encoding| encoding != encoding_rs::UTF_8)
        .unwrap_or_else(|| detect(bytes));
    if encoding.is_single_byte() {
        budget.check_text(bytes.len() as u64)?;
    }
    // The most that a legacy charset grows by: one byte to three.
    budget.charge_decoded(bytes.len() as u64 * 3)?;
    super::guard::guard("the charset decoder", || {
        Ok(encoding.decode_without_bom_handling(bytes).0.into_owned())
    })
}

/// The likeliest charset, by a megabyte from the first byte that tells.
#[cfg(feature = "charset")]
fn detect(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
    const SAMPLE: usize = 1 << 20;
    // A little before it, for the detector weighs letters by their neighbours.
    let start = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let rest = bytes.get(start.saturating_sub(64)..).unwrap_or(bytes);
    let sample = rest.get(..SAMPLE).unwrap_or(rest);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, sample.len() == rest.len());
    detector.guess(None, Utf8Detection::Deny)
}

#[cfg(not(feature = "charset"))]
fn legacy(_: &[u8], _: Option<&str>, _: &mut Budget) -> Result<String> {
    Err(Error::new(
        ErrorKind::Unsupported,
        "text in a legacy charset: this build reads UTF-8 and UTF-16 only (feature `charset`)",
    ))
}
