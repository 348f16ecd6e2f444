//! Fingerprints as bytes, which a segment keeps so that it can be merged, exported and repaired.
//!
//! A gram takes nine bytes, a picture some three kilobytes and 23 for each of its local prints.

use super::codec::{Decoder, Encoder};
use crate::code::Code256;
use crate::error::{Error, Result};
use crate::fingerprint::{
    Digest, Fingerprint, GradientPrints, Gram, LocalPrint, LocalPrints, PartPrints, PdqHash,
    RasterPrints, Recipe, Sketch, StoredPdq, TextPrints, ValueKind, ValuePrint, Warning,
};
use crate::media::PartPath;
use crate::raster::Texture;
use crate::text::{Mark, Zone};

const HAS_BYTES: u8 = 1;
const HAS_RASTER: u8 = 2;
const HAS_TEXT: u8 = 4;
const HAS_CELLS: u8 = 8;
/// The text has marks; older builds wrote none.
const HAS_MARKS: u8 = 16;

/// The cells have places in folded text; older builds wrote none.
const HAS_SYMBOLS: u8 = 32;

const IS_TABULAR: u8 = 16;
const IS_UNIQUE: u8 = 32;
/// The kind of a cell, beside these.
const KIND: u8 = 15;

const HAS_PIXELS: u8 = 1;
const HAS_STORED: u8 = 2;

/// Appends a fingerprint to bytes outside a collection, as [`pack`] does.
pub(crate) fn pack_behind(bytes: Vec<u8>, fingerprint: &Fingerprint) -> Vec<u8> {
    let mut out = Encoder(bytes);
    pack(&mut out, fingerprint);
    out.0
}

/// Reads the output of [`pack_behind`], all of it.
pub(crate) fn unpack_all(bytes: &[u8], recipe: &Recipe) -> Result<Fingerprint> {
    let mut read = Decoder::new(bytes);
    let fingerprint = unpack(&mut read, recipe)?;
    read.end()?;
    Ok(fingerprint)
}

/// Appends a fingerprint; its recipe is that of the collection and not written.
pub(super) fn pack(out: &mut Encoder, fingerprint: &Fingerprint) {
    out.varint(fingerprint.warnings.len() as u64);
    for warning in &fingerprint.warnings {
        out.str(warning.part.as_str());
        out.str(&warning.kind);
        out.str(&warning.message);
    }
    out.varint(fingerprint.parts.len() as u64);
    for part in &fingerprint.parts {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let marks = part.text.as_ref().map(|text| text.marks.as_slice());
        let marks = marks.filter(|marks| !marks.is_empty());
        out.u8(flag(part.bytes.is_some(), HAS_BYTES)
            | flag(part.raster.is_some(), HAS_RASTER)
            | flag(part.text.is_some(), HAS_TEXT)
            | flag(!part.cells.is_empty(), HAS_CELLS)
            | flag(!part.cells.is_empty(), HAS_SYMBOLS)
            | flag(marks.is_some(), HAS_MARKS));
        out.str(part.path.as_str());
        if let Some(digest) = &part.bytes {
            out.raw(&digest.0);
        }
        if let Some(raster) = &part.raster {
            pack_raster(out, raster);
        }
        if let Some(text) = &part.text {
            pack_text(out, text);
        }
        if let Some(marks) = marks {
            pack_marks(out, marks);
        }
        if !part.cells.is_empty() {
            pack_cells(out, &part.cells);
            pack_symbols(out, &part.cells);
        }
    }
}

/// Reads the output of [`pack`].
pub(super) fn unpack(read: &mut Decoder<'_>, recipe: &Recipe) -> Result<Fingerprint> {
    let warnings = (0..read.count(3)?).map(|_| {
        Ok(Warning {
            part: PartPath::from(read.str()?),
            kind: read.str()?.to_owned(),
            message: read.str()?.to_owned(),
        })
    });
    let warnings = warnings.collect::<Result<_>>()?;
    let parts = (0..read.count(2)?).map(|_| {
        let flags = read.u8()?;
        if flags & !(HAS_BYTES | HAS_RASTER | HAS_TEXT | HAS_CELLS | HAS_SYMBOLS | HAS_MARKS) != 0 {
            return Err(Error::corrupt("unknown flags of a part"));
        }
        let path = PartPath::from(read.str()?);
        let bytes = optional(flags & HAS_BYTES, || Ok(Digest(read.array()?)))?;
        let raster = optional(flags & HAS_RASTER, || unpack_raster(read))?;
        let mut text = optional(flags & HAS_TEXT, || unpack_text(read))?;
        if flags & HAS_MARKS != 0 {
            let text = text.as_mut();
            let text = text.ok_or_else(|| Error::corrupt("marks of a part without a text"))?;
            text.marks = unpack_marks(read)?;
        }
        let mut cells = optional(flags & HAS_CELLS, || unpack_cells(read))?.unwrap_or_default();
        if flags & HAS_SYMBOLS != 0 {
            unpack_symbols(read, &mut cells)?;
        }
        Ok(PartPrints {
            path,
            bytes,
            raster,
            text,
            cells,
        })
    });
    let parts = parts.collect::<Result<_>>()?;
    Ok(Fingerprint {
        recipe: recipe.clone(),
        parts,
        warnings,
    })
}

fn optional<T>(flag: u8, read: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
    (flag != 0).then(read).transpose()
}

fn pack_raster(out: &mut Encoder, raster: &RasterPrints) {
    out.u32(raster.width);
    out.u32(raster.height);
    let pixels = if raster.pixels.is_some() {
        HAS_PIXELS
    } else {
        0
    };
    let stored = if raster.pdq_stored.is_some() {
        HAS_STORED
    } else {
        0
    };
    out.u8(pixels | stored);
    if let Some(digest) = &raster.pixels {
        out.raw(&digest.0);
    }
    if let Some(stored) = &raster.pdq_stored {
        out.raw(&stored.code.to_le_bytes());
        out.u8(stored.quality);
    }
    let gradient = &raster.gradient;
    let codes = raster.pdq.variants.iter().chain([&raster.pdq_nn512]);
    for code in codes.chain(&gradient.upright).chain(&gradient.inverted) {
        out.raw(&code.to_le_bytes());
    }
    out.u8(raster.pdq.quality);
    for word in raster.sketch.iter().flat_map(|sketch| &sketch.0) {
        out.u64(*word);
    }
    out.u8(raster.texture.flat);
    out.u8(raster.texture.hard);
    out.varint(raster.local.prints.len() as u64);
    for print in &raster.local.prints {
        out.raw(&print.to_bytes());
    }
}

fn unpack_raster(read: &mut Decoder<'_>) -> Result<RasterPrints> {
    let (width, height) = (read.u32()?, read.u32()?);
    let flags = read.u8()?;
    if flags & !(HAS_PIXELS | HAS_STORED) != 0 {
        return Err(Error::corrupt("unknown flags of a picture"));
    }
    let pixels = optional(flags & HAS_PIXELS, || Ok(Digest(read.array()?)))?;
    let pdq_stored = optional(flags & HAS_STORED, || {
        Ok(StoredPdq {
            code: code(read)?,
            quality: read.u8()?,
        })
    })?;
    let variants = codes(read)?;
    let pdq_nn512 = code(read)?;
    let gradient = GradientPrints {
        upright: codes(read)?,
        inverted: codes(read)?,
    };
    let quality = read.u8()?;
    let mut sketch = [Sketch([0; Sketch::WORDS]); 8];
    for word in sketch.iter_mut().flat_map(|sketch| &mut sketch.0) {
        *word = read.u64()?;
    }
    let texture = Texture {
        flat: read.u8()?,
        hard: read.u8()?,
    };
    let prints = (0..read.count(LocalPrint::LEN)?).map(|_| {
        let print = LocalPrint::from_bytes(read.array()?);
        print.ok_or_else(|| Error::corrupt("a local print that is none"))
    });
    let local = LocalPrints {
        prints: prints.collect::<Result<_>>()?,
        ..LocalPrints::default()
    };
    Ok(RasterPrints {
        width,
        height,
        pixels,
        pdq: PdqHash { variants, quality },
        pdq_stored,
        pdq_nn512,
        gradient,
        sketch,
        texture,
        local,
        luma: Default::default(),
    })
}

fn code(read: &mut Decoder<'_>) -> Result<Code256> {
    Ok(Code256::from_le_bytes(&read.array()?))
}

fn codes(read: &mut Decoder<'_>) -> Result<[Code256; 8]> {
    let mut codes = [Code256([0; 4]); 8];
    for slot in &mut codes {
        *slot = code(read)?;
    }
    Ok(codes)
}

fn pack_text(out: &mut Encoder, text: &TextPrints) {
    out.u32(text.chars);
    out.u32(text.folded);
    out.varint(text.grams.len() as u64);
    let mut last = 0;
    for gram in &text.grams {
        // Positions ascend; in a forged fingerprint they may not, and wrap around.
        out.varint(u64::from(gram.at.wrapping_sub(last)));
        out.u64(gram.print);
        last = gram.at;
    }
    out.varint(text.anchors.len() as u64);
    let mut last = 0;
    for &anchor in &text.anchors {
        out.varint(u64::from(anchor.wrapping_sub(last)));
        last = anchor;
    }
}

fn pack_marks(out: &mut Encoder, marks: &[Mark]) {
    out.varint(marks.len() as u64);
    let mut last = 0;
    for mark in marks {
        let closing = u64::from(mark.zone == Zone::Closing);
        out.varint(u64::from(mark.at.wrapping_sub(last)) << 1 | closing);
        last = mark.at;
    }
}

fn unpack_text(read: &mut Decoder<'_>) -> Result<TextPrints> {
    let (chars, folded) = (read.u32()?, read.u32()?);
    let mut at = 0_u32;
    let grams = (0..read.count(9)?).map(|_| {
        at = at.wrapping_add(read.varint32()?);
        Ok(Gram {
            at,
            print: read.u64()?,
        })
    });
    let grams = grams.collect::<Result<_>>()?;
    let mut place = 0_u32;
    let anchors = (0..read.count(1)?).map(|_| {
        place = place.wrapping_add(read.varint32()?);
        Ok(place)
    });
    let anchors = anchors.collect::<Result<_>>()?;
    Ok(TextPrints {
        chars,
        folded,
        grams,
        anchors,
        ..TextPrints::default()
    })
}

fn unpack_marks(read: &mut Decoder<'_>) -> Result<Vec<Mark>> {
    let mut at = 0_u32;
    let marks = (0..read.count(1)?).map(|_| {
        let coded = read.varint()?;
        let step =
            u32::try_from(coded >> 1).map_err(|_| Error::corrupt("a mark beyond its text"))?;
        at = at.wrapping_add(step);
        let zone = if coded & 1 == 0 {
            Zone::Message
        } else {
            Zone::Closing
        };
        Ok(Mark::new(at, zone))
    });
    marks.collect()
}

fn pack_cells(out: &mut Encoder, cells: &[ValuePrint]) {
    out.varint(cells.len() as u64);
    for cell in cells {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        out.u8(cell.kind as u8 | flag(cell.tabular, IS_TABULAR) | flag(cell.unique, IS_UNIQUE));
        out.u8(cell.bits);
        out.u64(cell.print);
        let [start, end] = cell.span;
        for number in [cell.row, cell.column, start, end.wrapping_sub(start)] {
            out.varint(u64::from(number));
        }
    }
}

fn pack_symbols(out: &mut Encoder, cells: &[ValuePrint]) {
    for cell in cells {
        let [start, end] = cell.symbols;
        out.varint(u64::from(start));
        out.varint(u64::from(end.wrapping_sub(start)));
    }
}

fn unpack_symbols(read: &mut Decoder<'_>, cells: &mut [ValuePrint]) -> Result<()> {
    for cell in cells {
        let start = read.varint32()?;
        cell.symbols = [start, start.wrapping_add(read.varint32()?)];
    }
    Ok(())
}

fn unpack_cells(read: &mut Decoder<'_>) -> Result<Vec<ValuePrint>> {
    let cells = (0..read.count(14)?).map(|_| {
        let flags = read.u8()?;
        let kind = ValueKind::of_number(flags & KIND)
            .filter(|_| flags & !(KIND | IS_TABULAR | IS_UNIQUE) == 0)
            .ok_or_else(|| Error::corrupt("a cell of no kind"))?;
        let (bits, print) = (read.u8()?, read.u64()?);
        let (row, column, start) = (read.varint32()?, read.varint32()?, read.varint32()?);
        Ok(ValuePrint {
            print,
            kind,
            bits,
            tabular: flags & IS_TABULAR != 0,
            unique: flags & IS_UNIQUE != 0,
            row,
            column,
            span: [start, start.wrapping_add(read.varint32()?)],
            symbols: [0; 2],
        })
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::sample;

    #[test]
    fn fingerprints_come_back_as_they_were() {
        for fingerprint in [
            sample::text("memo", 400),
            sample::picture(1),
            sample::picture(2),
            sample::table(),
        ] {
            let mut out = Encoder::default();
            pack(&mut out, &fingerprint);
            let mut read = Decoder::new(&out.0);
            let back = unpack(&mut read, &fingerprint.recipe).unwrap();
            assert_eq!(back, fingerprint);
            assert!(read.end().is_ok());
            for cut in (0..out.0.len()).step_by(17) {
                let cut = unpack(&mut Decoder::new(&out.0[..cut]), &fingerprint.recipe);
                assert!(cut.is_err());
            }
        }
    }
}
