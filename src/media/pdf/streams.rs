//! The streams of a PDF under limits.
//!
//! `hayro-syntax` inflates a stream into memory, however large it gets, and allocates its rows by
//! the parameters of the filter. So each stream is measured before that crate decodes it: by its
//! filters and their parameters, and by inflating it without storing the output where the filters
//! allow too much.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use hayro_syntax::Filter;
use hayro_syntax::object::{Array, Dict, FromBytes, Object, Stream};

use crate::error::{Error, Result};
use crate::limits::Budget;

/// The largest size of one decoded stream.
pub(super) const LARGEST: u64 = 256 << 20;

/// Growth that needs no measuring.
const HARMLESS: u64 = 4 << 20;

/// The most that a byte of deflate, LZW or run-length encoding can become.
const FLATE: u64 = 1032;
const LZW: u64 = 2731;
const RUN_LENGTH: u64 = 64;

/// Filters of one stream. Programs use one or two.
const MAX_FILTERS: usize = 8;

/// The bytes of a stream, all filters removed.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit); [`Malformed`](crate::ErrorKind::Malformed).
pub(super) fn decoded<'s>(stream: &Stream<'s>, budget: &mut Budget) -> Result<Cow<'s, [u8]>> {
    decoded_up_to(stream, LARGEST, budget)
}

/// As [`decoded`], no more than `most` bytes.
pub(super) fn decoded_up_to<'s>(
    stream: &Stream<'s>,
    most: u64,
    budget: &mut Budget,
) -> Result<Cow<'s, [u8]>> {
    if let Some(bytes) = plainly_inflated(stream, most, budget)? {
        budget.charge_decoded(bytes.len() as u64)?;
        return Ok(Cow::Owned(bytes));
    }
    measured(stream, most, budget)?;
    let bytes = stream
        .decoded_data()
        .map_err(|e| Error::malformed(format!("PDF stream: {e:?}")))?;
    budget.charge_decoded(bytes.len() as u64)?;
    Ok(bytes)
}

/// The bytes of a stream of sound zlib data and nothing else, as most are: inflated here, which
/// stops at the deadline and at the limit and so needs no measuring first.
fn plainly_inflated(stream: &Stream<'_>, most: u64, budget: &Budget) -> Result<Option<Vec<u8>>> {
    let dict = stream.dict();
    let plain = ["DP", "DecodeParms", "F"]
        .iter()
        .all(|key| !dict.contains_key(key));
    if !plain || stream.filters().as_slice() != [Filter::FlateDecode] {
        return Ok(None);
    }
    let most = most.min(LARGEST).min(budget.decoded_left());
    let raw = stream.raw_data();
    let mut decompress = Decompress::new(true);
    // Text shrinks to a quarter or so.
    let mut bytes = Vec::with_capacity((4 * raw.len()).min(1 << 20) + 64);
    loop {
        let at = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
        let rest = raw.get(at..).unwrap_or_default();
        if bytes.len() == bytes.capacity() {
            budget.check_time()?;
            bytes.reserve(bytes.len().clamp(64 << 10, 16 << 20));
        }
        let before = bytes.len();
        let status = decompress.decompress_vec(rest, &mut bytes, FlushDecompress::None);
        if bytes.len() as u64 > most {
            let value = format_args!("more than {most}");
            return Err(Error::limit("decoded_bytes", most, value));
        }
        match status {
            Ok(Status::StreamEnd) => return Ok(Some(bytes)),
            Ok(_) if bytes.len() > before || decompress.total_in() > at as u64 => {}
            Ok(_) if bytes.len() == bytes.capacity() => {}
            // Damaged or cut: the library may recover more.
            _ => return Ok(None),
        }
    }
}

/// The largest size of a stream after all its filters. Pictures keep
/// their size here: it is theirs to declare.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) beyond `most` or what the budget has left;
/// [`Malformed`](crate::ErrorKind::Malformed) for parameters that make no sense.
pub(super) fn measured(stream: &Stream<'_>, most: u64, budget: &Budget) -> Result<u64> {
    let most = most.min(LARGEST).min(budget.decoded_left());
    let too_much = |bytes: u64| Error::limit("decoded_bytes", most, format_args!("up to {bytes}"));
    let filters = stream.filters();
    if filters.len() > MAX_FILTERS {
        let value = format_args!("{} filters of one PDF stream", filters.len());
        return Err(Error::limit("decoded_bytes", most, value));
    }
    let raw = stream.raw_data();
    let mut bound = raw.len() as u64;
    // The input of a filter, as long as it is known.
    let mut data = Some(raw);
    for filter in &filters {
        let growth = match filter {
            Filter::FlateDecode => FLATE,
            Filter::LzwDecode => LZW,
            Filter::RunLengthDecode => RUN_LENGTH,
            _ => 1,
        };
        let grown = bound.saturating_mul(growth);
        bound = match (filter, data.take()) {
            (Filter::FlateDecode, Some(data)) if grown > HARMLESS => inflated(&data, most, budget)?,
            (Filter::Ascii85Decode, Some(text)) => {
                // Four zero bytes are one letter.
                let zeros = text.iter().filter(|byte| **byte == b'z').count() as u64;
                data = plain("/ASCII85Decode", &text);
                bound + 3 * zeros
            }
            (Filter::Ascii85Decode, None) => bound.saturating_mul(4),
            (Filter::AsciiHexDecode, Some(text)) => {
                data = plain("/ASCIIHexDecode", &text);
                bound
            }
            _ => grown,
        };
        if bound > most {
            return Err(too_much(bound));
        }
    }
    parameters(stream.dict(), bound)?;
    Ok(bound)
}

/// The compressed picture in a stream: all filters removed but the last. `None` if the data are damaged.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit).
pub(super) fn before_picture<'s>(
    stream: &Stream<'s>,
    budget: &mut Budget,
) -> Result<Option<Cow<'s, [u8]>>> {
    let mut filters = stream.filters();
    filters.pop();
    let mut data = stream.raw_data();
    for filter in filters {
        let name = match filter {
            Filter::AsciiHexDecode => "/ASCIIHexDecode",
            Filter::Ascii85Decode => "/ASCII85Decode",
            Filter::LzwDecode => "/LZWDecode",
            Filter::FlateDecode => "/FlateDecode",
            Filter::RunLengthDecode => "/RunLengthDecode",
            // The library does nothing for it either.
            Filter::Crypt => continue,
            _ => return Ok(None),
        };
        if has_predictor(stream.dict()) {
            return Ok(None);
        }
        let Some(bytes) = plain(name, &data) else {
            return Ok(None);
        };
        budget.charge_decoded(bytes.len() as u64)?;
        data = Cow::Owned(bytes.into_owned());
    }
    Ok(Some(data))
}

/// Whether a filter has a predictor, which compressed pictures do not need.
fn has_predictor(dict: &Dict<'_>) -> bool {
    let params = |params: &Dict<'_>| params.contains_key("Predictor");
    ["DP", "DecodeParms"]
        .into_iter()
        .any(|key| match dict.get::<Object<'_>>(key) {
            Some(Object::Dict(dict)) => params(&dict),
            Some(Object::Array(list)) => {
                let list: Array<'_> = list;
                list.iter::<Object<'_>>()
                    .filter_map(Object::into_dict)
                    .any(|dict| params(&dict))
            }
            _ => false,
        })
}

/// Removes a filter that decodes text to fewer bytes.
fn plain<'s>(filter: &str, text: &[u8]) -> Option<Cow<'s, [u8]>> {
    let mut file = format!("<</Filter{filter}/Length {}>>stream\n", text.len()).into_bytes();
    file.extend_from_slice(text);
    file.extend_from_slice(b"\nendstream");
    let bytes = Stream::from_bytes(&file)?.decoded_data().ok()?.into_owned();
    Some(Cow::Owned(bytes))
}

/// Checks the parameters of predictors: rows are allocated by them.
fn parameters(dict: &Dict<'_>, decoded: u64) -> Result<()> {
    for key in ["DP", "DecodeParms"] {
        match dict.get::<Object<'_>>(key) {
            Some(Object::Dict(params)) => predictor(&params, decoded)?,
            Some(Object::Array(list)) => {
                let list: Array<'_> = list;
                for params in list.iter::<Object<'_>>().take(MAX_FILTERS + 1) {
                    if let Some(params) = params.into_dict() {
                        predictor(&params, decoded)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn predictor(params: &Dict<'_>, decoded: u64) -> Result<()> {
    if params.get::<u8>(b"Predictor").unwrap_or(1) == 1 {
        return Ok(());
    }
    let number = |key: &str, default| match params.get::<Object<'_>>(key) {
        Some(Object::Number(number)) => number.as_i64(),
        _ => default,
    };
    let (colors, bits, columns) = (
        number("Colors", 1),
        number("BitsPerComponent", 8),
        number("Columns", 1),
    );
    let row = colors
        .checked_mul(bits)
        .filter(|pixel| (1..=255).contains(pixel) && colors > 0)
        .and_then(|pixel| pixel.checked_mul(columns))
        .map(|bits| bits / 8);
    match row {
        // A row is never longer than the data by much: some files declare one that is cut.
        Some(row) if columns > 0 && row as u64 <= decoded + HARMLESS => Ok(()),
        _ => {
            let message = format!("PDF stream: rows of {columns} x {colors} x {bits} bits");
            Err(Error::malformed(message))
        }
    }
}

/// The size that the library inflates deflate data to, damage included.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) beyond `most`, or once the time is over.
pub(super) fn inflated(data: &[u8], most: u64, budget: &Budget) -> Result<u64> {
    let zlib = matches!(data, [method, flags, ..]
        if method & 0x0F == 8 && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31));
    let (total, end) = inflate(data, zlib, most, budget)?;
    if !matches!(end, End::Damage(_)) {
        return Ok(total);
    }
    // The library retries it as data without a header, then with a decoder that continues where
    // zlib stops with an error.
    let (headless, _) = inflate(data, false, most, budget)?;
    let body = data.get(2..).filter(|_| zlib).unwrap_or(data);
    let (lenient, end) = inflate(body, false, most, budget)?;
    let rest = match end {
        End::Damage(rest) => FLATE.saturating_mul(rest),
        _ => 0,
    };
    let total = total.max(headless).max(lenient.saturating_add(rest));
    if total > most {
        let value = format_args!("up to {total} of damaged data");
        return Err(Error::limit("decoded_bytes", most, value));
    }
    Ok(total)
}

/// The end of deflate data.
enum End {
    /// At their declared end, or at the end of the input.
    Sound,
    /// With an error, this many bytes before the end.
    Damage(u64),
}

fn inflate(data: &[u8], zlib: bool, most: u64, budget: &Budget) -> Result<(u64, End)> {
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
                most,
                format_args!("more than {most}"),
            ));
        }
        let read = decompress.total_in();
        let stuck = total == before && read == at as u64;
        match status {
            Err(_) => return Ok((total, End::Damage((data.len() as u64).saturating_sub(read)))),
            Ok(Status::Ok) if !stuck => budget.check_time()?,
            Ok(_) => return Ok((total, End::Sound)),
        }
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
        assert!(inflated(b"no zlib at all", LARGEST, &budget).unwrap() <= 14 * FLATE);
    }

    fn stream_of(dict: &str, data: &[u8]) -> Vec<u8> {
        let mut file = format!("<<{dict}/Length {}>>stream\n", data.len()).into_bytes();
        file.extend_from_slice(data);
        file.extend_from_slice(b"\nendstream");
        file
    }

    fn measure(dict: &str, data: &[u8]) -> Result<u64> {
        let file = stream_of(dict, data);
        let stream = Stream::from_bytes(&file).unwrap();
        measured(&stream, LARGEST, &Budget::new(&Limits::default()))
    }

    #[test]
    fn chains_of_filters_are_measured_through() {
        let once = zlib(&vec![0; 200 << 20]);
        assert_eq!(measure("/Filter/FlateDecode", &once).unwrap(), 200 << 20);
        let twice = zlib(&once);
        assert!(measure("/Filter[/Fl/Fl]", &twice).is_err());
        let names = "/AHx".repeat(MAX_FILTERS + 1);
        assert!(measure(&format!("/Filter[{names}]"), b"00>").is_err());
        // Four bytes to the letter, which deflate then sees as data.
        assert_eq!(measure("/Filter/A85", b"zzz~>").unwrap(), 14);
        assert!(measure("/Filter/LZW", &[0; 200 << 10]).is_err());
    }

    #[test]
    fn damaged_data_count_as_what_they_could_become() {
        let mut data = zlib(&vec![b'x'; 1 << 20]);
        let at = data.len() / 2;
        data.truncate(at);
        let cut = measure("/Filter/FlateDecode", &data).unwrap();
        assert!((1 << 18..=1 << 20).contains(&cut), "{cut}");
        // A distance before the start: zlib stops, the lenient decoder continues.
        let mut far = vec![0x78, 0x9C, 0x02, 0x02];
        far.resize(400 << 10, 0x55);
        assert!(measure("/Filter/FlateDecode", &far).is_err());
    }

    #[test]
    fn rows_of_predictors_are_no_longer_than_the_data() {
        let data = zlib(&[0; 100]);
        let predicted =
            |params: &str| measure(&format!("/Filter/Fl/DecodeParms<<{params}>>"), &data);
        assert!(predicted("/Predictor 12/Columns 9").is_ok());
        assert!(predicted("/Columns 99999999999").is_ok());
        for params in [
            "/Predictor 12/Columns 99999999999",
            "/Predictor 2/Columns 0",
            "/Predictor 2/Columns -1",
            "/Predictor 12/Colors 16/BitsPerComponent 16",
            "/Predictor 12/Colors 0",
            "/Predictor 15/Columns 9223372036854775807/Colors 3",
        ] {
            assert!(predicted(params).is_err(), "{params}");
        }
    }
}
