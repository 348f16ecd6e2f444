//! What a font declares, checked before `hayro-font` relies on it.
//!
//! That crate fills a list up to `FirstChar`, a map for every code of a range in `W` or `W2`,
//! decodes every stream of a font and keeps all of it for the whole document. Its loops cannot be
//! bounded from outside, so each number is read here first, in the same way and with a count of the
//! work; a font that needs too much is refused, and text set in it is not read. The remaining work
//! in the library is proportional to bytes that have been counted. Programs of fonts (TrueType,
//! CFF, Type 1) are read by `skrifa`, which checks counts against the data; they are bounded in
//! size.

use hayro_syntax::object::{Array, Dict, Name, Object, Stream};

use super::streams;
use super::work::Work;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Character codes of simple fonts end at 255. Files of broken writers go a little further.
const MAX_CHAR: i64 = 4096;

/// Glyphs that the width tables of one font may name. CIDs end at 65,535.
const MAX_WIDTHS: u64 = 1 << 18;

/// Bytes of a CMap. One with every code of two bytes takes one megabyte.
const MAX_CMAP: u64 = 4 << 20;

/// Bytes of a font program. The largest CJK fonts take 30 megabytes.
const MAX_PROGRAM: u64 = 64 << 20;

/// Bytes between the brackets of one string in a CMap: codes have up to four bytes,
/// their letters rarely more than twenty.
const MAX_CMAP_STRING: usize = 2048;

/// CMaps that one CMap builds on. Each is a parse of tens of thousands of ranges.
const MAX_BASES: usize = 4;

/// Work to read any font: tables of 256 codes, each found by name in the program.
const FONT: u64 = 25_000;

/// Work and memory for one of the CMaps that the standard names.
const STANDARD_CMAP: u64 = 100_000;
const STANDARD_CMAP_MEMORY: u64 = 512 << 10;

/// Checks what a font declares, and estimates the memory that it takes.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for a font that must not be read, or once time, work
/// or budget are spent.
pub(super) fn check(font: &Dict<'_>, budget: &mut Budget, work: &mut Work) -> Result<u64> {
    work.charge(FONT)?;
    work.dict(font)?;
    let mut memory = 16 << 10;
    memory += simple_widths(font, work)?;
    memory += maps(font, budget, work)?;
    memory += procedures(font, work)?;
    memory += program(font, budget, work)?;
    let descendants = font.get::<Array<'_>>(b"DescendantFonts");
    if let Some(descendants) = descendants {
        work.array(&descendants)?;
        if let Some(descendant) = descendants.iter::<Dict<'_>>().next() {
            work.dict(&descendant)?;
            memory += 16 * cid_widths(&descendant, b"W", work)?;
            memory += 24 * cid_widths(&descendant, b"W2", work)?;
            memory += program(&descendant, budget, work)?;
            if let Some(map) = descendant.get::<Stream<'_>>(b"CIDToGIDMap") {
                // The library keeps both directions of 65,536 entries at most.
                let len = decoded(&map, MAX_PROGRAM, budget, work)?;
                work.charge(len)?;
                memory += 2 << 20;
            }
        }
    }
    Ok(memory)
}

fn refused(what: &str, most: impl std::fmt::Display, value: impl std::fmt::Display) -> Error {
    Error::new(
        crate::ErrorKind::Limit,
        format!("a font of a PDF: limit of {what} = {most} exceeded: {value}"),
    )
}

/// `FirstChar`, `Widths`, `Differences`.
fn simple_widths(font: &Dict<'_>, work: &mut Work) -> Result<u64> {
    let mut memory = 0;
    for key in ["FirstChar", "LastChar"] {
        if let Some(Object::Number(number)) = font.get::<Object<'_>>(key) {
            let number = number.as_i64();
            // A negative number is no number to the library, and harmless.
            if key == "FirstChar" && number > MAX_CHAR {
                return Err(refused(key, MAX_CHAR, number));
            }
        }
    }
    if let Some(widths) = font.get::<Array<'_>>(b"Widths") {
        work.array(&widths)?;
        memory += 4 * widths.data().len() as u64;
    }
    if let Some(encoding) = font.get::<Dict<'_>>(b"Encoding") {
        work.dict(&encoding)?;
        if let Some(differences) = encoding.get::<Array<'_>>(b"Differences") {
            work.array(&differences)?;
            memory += differences.data().len() as u64;
        }
    }
    Ok(memory)
}

/// The glyphs that have a width in `W` or `W2`.
fn cid_widths(font: &Dict<'_>, key: &[u8], work: &mut Work) -> Result<u64> {
    let Some(widths) = font.get::<Array<'_>>(key) else {
        return Ok(0);
    };
    work.array(&widths)?;
    let mut items = widths.flex_iter();
    let mut total: u64 = 0;
    // The same order of attempts as in the library, so that both see the same ranges.
    loop {
        work.charge(16)?;
        if let Some((_, list)) = items.next::<(u32, Array<'_>)>() {
            let len = list.data().len() as u64;
            work.charge(4 * len)?;
            total += len.div_ceil(2);
        } else {
            let range = match key {
                b"W" => items
                    .next::<(u32, u32, f32)>()
                    .map(|(first, last, _)| (first, last)),
                _ => items
                    .next::<(u32, u32, f32, f32, f32)>()
                    .map(|(first, last, ..)| (first, last)),
            };
            let Some((first, last)) = range else {
                break;
            };
            total += (u64::from(last) + 1).saturating_sub(u64::from(first));
        }
        if total > MAX_WIDTHS {
            return Err(refused(
                "widths",
                MAX_WIDTHS,
                format_args!("{total} or more"),
            ));
        }
    }
    work.charge(4 * total)?;
    Ok(total)
}

/// `ToUnicode` and `Encoding`, where they are CMaps.
fn maps(font: &Dict<'_>, budget: &mut Budget, work: &mut Work) -> Result<u64> {
    let mut memory = 0;
    let composite = font.get::<Name<'_>>(b"Subtype");
    let composite = composite.is_some_and(|name| name.as_ref() as &[u8] == b"Type0");
    for key in ["ToUnicode", "Encoding"] {
        if let Some(stream) = font.get::<Stream<'_>>(key) {
            work.dict(stream.dict())?;
            work.charge(stream.raw_data().len() as u64)?;
            let Ok(bytes) = streams::decoded_up_to(&stream, MAX_CMAP, budget) else {
                budget.check_time()?;
                return Err(refused("CMap bytes", MAX_CMAP, "more, or damaged"));
            };
            work.charge(8 * bytes.len() as u64)?;
            check_cmap(&bytes, work)?;
            memory += 6 * bytes.len() as u64;
        } else if composite
            && let Some(name) = font.get::<Name<'_>>(key)
            && !(name.as_ref() as &[u8]).starts_with(b"Identity")
        {
            work.charge(STANDARD_CMAP)?;
            memory += STANDARD_CMAP_MEMORY;
        }
    }
    if composite && !font.contains_key("ToUnicode") {
        // The library looks for the map of the character collection.
        work.charge(STANDARD_CMAP / 4)?;
        memory += STANDARD_CMAP_MEMORY / 4;
    }
    Ok(memory)
}

/// Checks the strings of a CMap and what it builds on. Its ranges cost no more than
/// their bytes: the library keeps them as ranges.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit): a long string is copied for every code of a range.
pub(super) fn check_cmap(bytes: &[u8], work: &mut Work) -> Result<()> {
    let (mut hex, mut literal) = (None, None);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' => hex = Some(at),
            b'(' => literal = literal.or(Some(at)),
            b'>' | b')' => {
                let start = if *byte == b'>' {
                    hex.take()
                } else {
                    literal.take()
                };
                let len = start.map_or(0, |start| at - start);
                if len > MAX_CMAP_STRING {
                    return Err(refused("CMap string", MAX_CMAP_STRING, len));
                }
            }
            _ => {}
        }
    }
    const BASE: &[u8] = b"usecmap";
    let bases = bytes.windows(BASE.len()).filter(|w| *w == BASE).count();
    if bases > MAX_BASES {
        return Err(refused("usecmap", MAX_BASES, bases));
    }
    work.charge(STANDARD_CMAP * bases as u64)
}

/// The procedures of a Type 3 font: the library parses the dictionary of each.
fn procedures(font: &Dict<'_>, work: &mut Work) -> Result<u64> {
    let Some(procedures) = font.get::<Dict<'_>>(b"CharProcs") else {
        return Ok(0);
    };
    work.dict(&procedures)?;
    // The library keeps the parsed dictionary of every procedure.
    Ok(procedures.keys().count() as u64 * 1024 + 4 * procedures.data().len() as u64)
}

/// The embedded program.
fn program(font: &Dict<'_>, budget: &mut Budget, work: &mut Work) -> Result<u64> {
    let Some(descriptor) = font.get::<Dict<'_>>(b"FontDescriptor") else {
        return Ok(0);
    };
    work.dict(&descriptor)?;
    let mut memory = 0;
    for key in ["FontFile", "FontFile2", "FontFile3"] {
        if let Some(stream) = descriptor.get::<Stream<'_>>(key) {
            let len = decoded(&stream, MAX_PROGRAM, budget, work)?;
            // The program, and what is derived from it for Type 1, which takes twice as much.
            memory += 3 * len;
        }
    }
    Ok(memory)
}

/// The largest size that a stream decodes to. Counts the work of decoding it once.
fn decoded(stream: &Stream<'_>, most: u64, budget: &mut Budget, work: &mut Work) -> Result<u64> {
    work.dict(stream.dict())?;
    let bound = streams::measured(stream, most, budget)?;
    work.charge(stream.raw_data().len() as u64 + bound.min(most) / 4)?;
    Ok(bound)
}
