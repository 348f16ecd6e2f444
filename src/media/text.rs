//! From bytes to characters: byte-order marks, UTF-8, and the legacy charsets
//! by detection.
//!
//! Markdown, CSV, JSON and XML are read unchanged: folding drops everything but letters and digits,
//! so that their markup hardly shows in the prints. Control characters stay for the same reason.

#[cfg(feature = "charset")]
mod detect;

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

/// The characters of `bytes`: by the byte-order mark, else as UTF-8 if they are that but for stray
/// damage, else in the charset of `label` if the container names one, else in the detected one.
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
        Some((Mark::Utf8, rest)) => return lossy(rest, budget),
        Some((mark, rest)) => {
            budget.charge_decoded(rest.len() as u64 / 2 * 3)?;
            decode_utf16_within(mark, rest, budget)?
        }
        None if !label.is_some_and(hides_in_ascii) && is_utf8(bytes, budget)? => {
            return lossy(bytes, budget);
        }
        None => legacy(bytes, label, budget)?,
    };
    budget.check_text(text.chars().count() as u64)?;
    Ok(text)
}

/// Bytes that are decoded between two checks of the deadline.
const CHUNK: usize = 64 << 10;

/// UTF-8, each broken sequence as a replacement character.
fn lossy(bytes: &[u8], budget: &mut Budget) -> Result<String> {
    budget.charge_decoded(bytes.len() as u64)?;
    let mut text = String::new();
    let mut chars = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        budget.check_time()?;
        let piece = rest.get(..CHUNK).unwrap_or(rest);
        let (valid, skipped) = match std::str::from_utf8(piece) {
            Ok(valid) => (valid, 0),
            Err(e) => {
                let valid = piece.get(..e.valid_up_to()).unwrap_or_default();
                // A character that the piece cuts in two is in the next one.
                let is_cut = e.error_len().is_none() && piece.len() < rest.len();
                let broken = piece.len() - valid.len();
                let skipped = if is_cut {
                    0
                } else {
                    e.error_len().unwrap_or(broken)
                };
                (std::str::from_utf8(valid).unwrap_or_default(), skipped)
            }
        };
        text.push_str(valid);
        if skipped > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        chars += valid.chars().count() as u64 + u64::from(skipped > 0);
        budget.check_text(chars)?;
        rest = rest.get(valid.len() + skipped..).unwrap_or_default();
    }
    Ok(text)
}

/// [`decode_utf16`] under the limits on time and on characters.
pub(super) fn decode_utf16_within(mark: Mark, bytes: &[u8], budget: &Budget) -> Result<String> {
    let mut text = String::new();
    let mut chars = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        budget.check_time()?;
        let mut len = rest.len().min(CHUNK);
        // A pair of surrogates stays in one piece.
        if len < rest.len()
            && let Some(&[first, second]) = rest.get(len - 2..len)
            && matches!(
                if mark == Mark::Utf16Be { first } else { second },
                0xD8..=0xDB
            )
        {
            len -= 2;
        }
        let (piece, tail) = rest.split_at(len);
        rest = tail;
        let piece = decode_utf16(mark, piece);
        chars += piece.chars().count() as u64;
        budget.check_text(chars)?;
        text.push_str(&piece);
    }
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
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) once the time is over.
fn is_utf8(bytes: &[u8], budget: &Budget) -> Result<bool> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(true),
        // Sound but for a sequence that the end of the text cuts off.
        Err(error) if error.error_len().is_none() => Ok(true),
        Err(_) => {
            let (mut sound, mut broken) = (0_u64, 0_u64);
            let mut pacer = budget.deadline().pacer(4096);
            for chunk in bytes.utf8_chunks() {
                pacer.step()?;
                let leads = chunk.valid().bytes().filter(|&byte| byte >= 0xC0).count();
                sound += leads as u64;
                broken += u64::from(!chunk.invalid().is_empty());
            }
            Ok(broken * 8 <= sound)
        }
    }
}

/// Whether text in the charset of this name may consist of ASCII bytes alone and yet not be ASCII,
/// so that valid UTF-8 proves nothing.
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
        match label.map(|label| by_label(bytes, label.trim(), budget)) {
            Some(Ok(None)) | None => by_detection(bytes, budget),
            Some(Ok(Some(text))) => Ok(text),
            Some(Err(error)) => Err(error),
        }
    })
}

/// `None` for an unknown label, and for ASCII and UTF-8, which the bytes contradict.
#[cfg(feature = "charset")]
fn by_label(bytes: &[u8], label: &str, budget: &Budget) -> Result<Option<String>> {
    match encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 || is_ascii_label(label) => Ok(None),
        Some(encoding) => decode_in(encoding, bytes, budget).map(Some),
        None => by_mail_label(bytes, label, budget),
    }
}

/// Decodes piece by piece, to check the deadline and the limit on characters between pieces.
#[cfg(feature = "charset")]
fn decode_in(
    encoding: &'static encoding_rs::Encoding,
    bytes: &[u8],
    budget: &Budget,
) -> Result<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::new();
    let mut chars = 0;
    let mut pieces = bytes.chunks(CHUNK).peekable();
    while let Some(mut piece) = pieces.next() {
        budget.check_time()?;
        let is_last = pieces.peek().is_none();
        let start = text.len();
        loop {
            let room = decoder.max_utf8_buffer_length(piece.len());
            text.reserve(room.unwrap_or(piece.len()).max(16));
            let (result, read, _) = decoder.decode_to_string(piece, &mut text, is_last);
            piece = piece.get(read..).unwrap_or_default();
            if result == encoding_rs::CoderResult::InputEmpty {
                break;
            }
        }
        chars += text.get(start..).unwrap_or_default().chars().count() as u64;
        budget.check_text(chars)?;
    }
    Ok(text)
}

#[cfg(not(feature = "charset"))]
fn by_label(bytes: &[u8], label: &str, budget: &Budget) -> Result<Option<String>> {
    let is_utf8 = label.eq_ignore_ascii_case("utf-8") || label.eq_ignore_ascii_case("utf8");
    if is_utf8 || is_ascii_label(label) {
        return Ok(None);
    }
    by_mail_label(bytes, label, budget)
}

fn is_ascii_label(label: &str) -> bool {
    label.eq_ignore_ascii_case("us-ascii") || label.eq_ignore_ascii_case("ascii")
}

/// Charsets of mail that the Encoding Standard lacks, such as UTF-7 and code page 850.
///
/// Decoded in pieces that end after white space, where no sequence of these charsets continues.
#[cfg(feature = "mail")]
fn by_mail_label(bytes: &[u8], label: &str, budget: &Budget) -> Result<Option<String>> {
    let decoder = mail_parser::decoders::charsets::map::charset_decoder(label.as_bytes());
    let Some(decode) = decoder else {
        return Ok(None);
    };
    let mut text = String::new();
    let mut chars = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        budget.check_time()?;
        let piece = rest.get(..CHUNK).unwrap_or(rest);
        let end = piece.iter().rposition(u8::is_ascii_whitespace);
        let len = end
            .filter(|_| piece.len() < rest.len())
            .map_or(piece.len(), |end| end + 1);
        let (piece, tail) = rest.split_at(len);
        rest = tail;
        let piece = decode(piece);
        chars += piece.chars().count() as u64;
        budget.check_text(chars)?;
        text.push_str(&piece);
    }
    Ok(Some(text))
}

#[cfg(not(feature = "mail"))]
fn by_mail_label(_: &[u8], _: &str, _: &Budget) -> Result<Option<String>> {
    Ok(None)
}

#[cfg(feature = "charset")]
fn by_detection(bytes: &[u8], budget: &Budget) -> Result<String> {
    decode_in(detect::charset(bytes, budget)?, bytes, budget)
}

#[cfg(not(feature = "charset"))]
fn by_detection(_: &[u8], _: &Budget) -> Result<String> {
    Err(crate::error::Error::new(
        crate::error::ErrorKind::Unsupported,
        "text in a legacy charset: this build reads UTF-8 and UTF-16 only (feature `charset`)",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Limits};

    #[test]
    fn text_in_pieces_reads_as_in_one() {
        let budget = || Budget::new(&Limits::default());
        // Whole, cut and broken sequences of each length, across the end of a piece.
        let endings: [&[u8]; 8] = [
            b"abcd",
            "\u{e9}\u{e9}\u{e9}".as_bytes(),
            "\u{20ac}\u{20ac}".as_bytes(),
            "\u{1f600}\u{1f600}".as_bytes(),
            b"\xf0\x9f\x98",
            b"\xf0\x9fxyz",
            b"\x80\xff\xe2\x82",
            b"\xed\xa0\x80\xc3",
        ];
        for ending in endings {
            for before in CHUNK - 9..CHUNK + 1 {
                for after in ["", "and so on"] {
                    let mut bytes = vec![b'x'; before];
                    bytes.extend_from_slice(ending);
                    bytes.extend_from_slice(after.as_bytes());
                    let whole = String::from_utf8_lossy(&bytes);
                    assert_eq!(lossy(&bytes, &mut budget()).unwrap(), whole, "{ending:?}");
                }
            }
        }
    }

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
        assert_eq!(read(b"\xFE\xFF<", None), "\u{fffd}");
        let odd = [&b"\xFF\xFE"[..], &b"g\0".repeat(CHUNK / 2), b"!"].concat();
        assert!(read(&odd, None).ends_with("g\u{fffd}"));
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
    fn long_texts_are_decoded_in_pieces_and_as_a_whole_alike() {
        let line = "Gr\u{f6}\u{df}e \u{1f600} \u{4e2d}\u{6587}\n";
        let text = line.repeat(9000);
        for (mark, little) in [(&[0xFF, 0xFE][..], true), (&[0xFE, 0xFF][..], false)] {
            for shift in ["", "x"] {
                let text = format!("{shift}{text}");
                let bytes = text.encode_utf16().flat_map(|unit| match little {
                    true => unit.to_le_bytes(),
                    false => unit.to_be_bytes(),
                });
                let bytes: Vec<u8> = mark.iter().copied().chain(bytes).collect();
                assert_eq!(read(&bytes, None), text);
            }
        }
        #[cfg(feature = "charset")]
        for label in ["gb18030", "iso-2022-jp"] {
            let text = "\u{4e2d}\u{6587}\u{65e5}\u{672c} \u{5927}".repeat(30_000);
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, ..) = encoding.encode(&text);
            assert_eq!(read(&bytes, Some(label)), text, "{label}");
        }
        #[cfg(all(feature = "charset", feature = "mail"))]
        assert_eq!(
            read("Hi +AOk- you ".repeat(20_000).as_bytes(), Some("utf-7")),
            "Hi \u{e9} you ".repeat(20_000)
        );
    }

    #[test]
    fn the_clock_stops_every_kind_of_text() {
        let over = Limits {
            time_ms: 0,
            ..Limits::default()
        };
        let broken = b"a\xFF\xFE".repeat(100_000);
        let utf16 = [&b"\xFF\xFE"[..], &b"a\0".repeat(100_000)].concat();
        for (bytes, label) in [
            (&broken, None),
            (&broken, Some("windows-1251")),
            (&broken, Some("ibm850")),
            (&utf16, None),
        ] {
            let error = decode(bytes, label, &mut Budget::new(&over)).unwrap_err();
            assert!(error.message().contains("time_ms"), "{label:?}: {error}");
        }
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
