//! The streams of a PDF under limits.
//!
//! `hayro-syntax` inflates a stream into memory, however large it gets. So each
//! stream is measured before that crate is asked for it: by its filters, and by
//! inflating it into the void where the filters allow too much.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use hayro_syntax::Filter;
use hayro_syntax::object::{Dict, Stream};

use crate::error::{Error, Result};
use crate::limits::Budget;

/// What one stream may grow to.
const LARGEST: u64 = 256 << 20;

/// Growth that needs no measuring.
const HARMLESS: u64 = 4 << 20;

/// The most that a byte of deflate, LZW or run-length encoding can become.
const FLATE: u64 = 1032;
const LZW: u64 = 2731;
const RUN_LENGTH: u64 = 64;

/// The bytes of a stream, all filters taken off.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit); [`Malformed`](crate::ErrorKind::Malformed).
pub(super) fn decoded<'s>(stream: &Stream<'s>, budget: &mut Budget) -> Result<Cow<'s, [u8]>> {
    check(stream, budget)?;
    let bytes = stream
        .decoded_data()
        .map_err(|e| Error::malformed(format!("PDF stream: {e:?}")))?;
    budget.charge_decoded(bytes.len() as u64)?;
    Ok(bytes)
}

/// Whether a stream may be decoded at all.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn check(stream: &Stream<'_>, budget: &Budget) -> Result<()> {
    let raw = stream.raw_data();
    let filters = stream.filters();
    let mut most = raw.len() as u64;
    for (at, filter) in filters.iter().enumerate() {
        let growth = match filter {
            Filter::FlateDecode => FLATE,
            Filter::LzwDecode => LZW,
            Filter::RunLengthDecode => RUN_LENGTH,
            _ => 1,
        };
        let bound = most.saturating_mul(growth);
        most = if at == 0 && growth == FLATE && bound > HARMLESS {
            inflated(&raw, LARGEST, budget)?
        } else {
            bound
        };
        if most > LARGEST {
            return Err(Error::limit(
                "decoded_bytes",
                LARGEST,
                format_args!("up to {most}"),
            ));
        }
    }
    Ok(())
}

/// Checks what a font will have decoded: its programs and its maps.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn check_font(font: &Dict<'_>, budget: &Budget) -> Result<()> {
    let descendants = font.get::<hayro_syntax::object::Array<'_>>(b"DescendantFonts");
    let descendant = descendants.and_then(|fonts| fonts.iter::<Dict<'_>>().next());
    for dict in [Some(font.clone()), descendant].into_iter().flatten() {
        for key in ["ToUnicode", "Encoding", "CIDToGIDMap"] {
            if let Some(stream) = dict.get::<Stream<'_>>(key) {
                check(&stream, budget)?;
            }
        }
        let Some(descriptor) = dict.get::<Dict<'_>>(b"FontDescriptor") else {
            continue;
        };
        for key in ["FontFile", "FontFile2", "FontFile3"] {
            if let Some(stream) = descriptor.get::<Stream<'_>>(key) {
                check(&stream, budget)?;
            }
        }
    }
    Ok(())
}

/// Checks the streams that are decoded when a file is opened or an object is
/// looked up: tables of contents and streams of objects. They are found in the
/// bytes, since nothing has been opened yet.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn check_directory(bytes: &[u8], budget: &Budget) -> Result<()> {
    const WORD: &[u8] = b"stream";
    const DICTIONARY: usize = 1024;
    // One level of deflate over all of the file stays below the limit.
    if (bytes.len() as u64).saturating_mul(FLATE) <= LARGEST && !has_chains(bytes) {
        return Ok(());
    }
    let mut total = 0;
    let mut words = bytes.windows(WORD.len()).enumerate();
    while let Some((at, _)) = words.find(|(_, window)| *window == WORD) {
        let Some(data) = bytes.get(at + WORD.len()..) else {
            break;
        };
        let dictionary = &bytes[at.saturating_sub(DICTIONARY)..at];
        let start = dictionary
            .windows(4)
            .rposition(|w| w == b" obj")
            .unwrap_or(0);
        let dictionary = &dictionary[start..];
        let has = |word: &[u8]| dictionary.windows(word.len()).any(|w| w == word);
        if dictionary.ends_with(b"end") || !(has(b"ObjStm") || has(b"XRef") || has(b"#")) {
            continue;
        }
        if has(b"LZW") || has(b"RunLength") || has_chains(dictionary) {
            return Err(Error::limit(
                "decoded_bytes",
                LARGEST,
                "a chain of filters over objects",
            ));
        }
        let data = data.trim_ascii_start();
        total += inflated(data, LARGEST - total, budget)?;
    }
    Ok(())
}

/// Whether some list of filters names deflate twice.
fn has_chains(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"/Fl";
    let mut last = None;
    for (at, _) in bytes
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, w)| *w == NAME)
    {
        let between = last.and_then(|last| bytes.get(last..at));
        if between
            .is_some_and(|between: &[u8]| !between.contains(&b'>') && !between.contains(&b']'))
        {
            return true;
        }
        last = Some(at);
    }
    false
}

/// What zlib or deflate data inflate to; damage ends it.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) beyond `most`, or once the time is over.
fn inflated(data: &[u8], most: u64, budget: &Budget) -> Result<u64> {
    let zlib = matches!(data, [method, flags, ..]
        if method & 0x0F == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31));
    let mut decompress = Decompress::new(zlib);
    let mut void = vec![0; 256 << 10];
    loop {
        let at = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
        let rest = data.get(at..).unwrap_or_default();
        let before = decompress.total_out();
        let status = decompress.decompress(rest, &mut void, FlushDecompress::None);
        let total = decompress.total_out();
        if total > most {
            return Err(Error::limit(
                "decoded_bytes",
                LARGEST,
                format_args!("more than {most}"),
            ));
        }
        let stuck = total == before && decompress.total_in() == at as u64;
        if stuck || !matches!(status, Ok(Status::Ok)) {
            return Ok(total);
        }
        budget.check_time()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Limits};
    use std::io::Write;

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_are_measured_without_being_kept() {
        let budget = Budget::new(&Limits::default());
        let data = zlib(&vec![b'x'; 3 << 20]);
        assert_eq!(inflated(&data, LARGEST, &budget).unwrap(), 3 << 20);
        let error = inflated(&data, 1 << 20, &budget).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!(
            inflated(b"no zlib at all", LARGEST, &budget).unwrap_or(0) >> 10,
            0
        );
    }

    #[test]
    fn chains_of_filters_are_seen() {
        assert!(has_chains(b"<< /Filter [/FlateDecode /FlateDecode] >>"));
        assert!(has_chains(b"<< /F [ /Fl /Fl ] >>"));
        assert!(!has_chains(
            b"<< /Filter /FlateDecode >> << /Filter /FlateDecode >>"
        ));
    }
}
