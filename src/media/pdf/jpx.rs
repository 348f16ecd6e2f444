//! What JPEG 2000 declares, checked before `hayro-jpeg2000` allocates by it.
//!
//! That crate allocates every tile that the size header implies, a structure for each precinct and
//! code-block, and a plane of floats for every component, and it runs as many coding passes as the
//! quantisation allows. All of these follow from the headers, which are read here as that crate
//! reads them; a header whose length does not fit its fields is refused, so that both read the same
//! ones.

use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Tiles of one picture: their numbers have 16 bits.
const MAX_TILES: u64 = 65_535;

/// Bytes that the decoder may hold: the planes (at most, for any picture, and for each byte of it),
/// and the structures of a tile.
const MAX_PLANES: u64 = 768 << 20;
const PLANES: u64 = 256 << 20;
const PLANES_PER_BYTE: u64 = 1024;
const MAX_TILE: u64 = 192 << 20;

/// Bytes of the structures of all tiles, made one after the other.
const MAX_BUILT: u64 = 1 << 30;

/// Samples times coding passes, for any picture and for each of its bytes.
const MAX_PASSES: u64 = 1_200_000_000;
const PASSES_PER_BYTE: u64 = 4096;

/// Bit planes beyond the depth of the samples. Programs use three or four.
const GUARD: u64 = 8;

/// Packets that changes of the order of progression may list.
const MAX_LISTED: u64 = 1 << 22;

/// Codestreams in one file.
const MAX_STREAMS: usize = 16;

/// Checks a picture, and charges its pixels. Returns the samples of all components.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit), [`Malformed`](ErrorKind::Malformed),
/// [`Unsupported`](ErrorKind::Unsupported) for more than programs write.
pub(super) fn check(bytes: &[u8], budget: &mut Budget) -> Result<u64> {
    let start = [0xFF, 0x4F, 0xFF, 0x51];
    // Boxes may hide which stream is decoded: it is one of these.
    let streams = bytes.windows(4).enumerate().filter(|(_, w)| *w == start);
    let streams: Vec<usize> = streams.map(|(at, _)| at).take(MAX_STREAMS + 1).collect();
    if streams.is_empty() {
        let message = "PDF picture: compressed data that do not declare their size";
        return Err(Error::malformed(message));
    }
    if streams.len() > MAX_STREAMS {
        return Err(too_many("codestreams", streams.len() as u64));
    }
    let mut samples = 0;
    for at in streams {
        samples = samples.max(codestream(&bytes[at..], budget)?);
    }
    Ok(samples)
}

fn too_many(what: &str, value: u64) -> Error {
    Error::new(
        ErrorKind::Limit,
        format!("a JPEG 2000 picture of a PDF declares too many {what}: {value}"),
    )
}

fn broken() -> Error {
    Error::malformed("PDF picture: broken headers of JPEG 2000")
}

/// Sizes on the reference grid.
struct Size {
    width: u64,
    height: u64,
    tile_width: u64,
    tile_height: u64,
    tiles: u64,
    components: u64,
    /// The largest depth of a component.
    depth: u64,
    /// Subsampling that all components share.
    shrink: (u64, u64),
    /// The least subsampling of any component.
    least: (u64, u64),
}

/// The coding of a component; the worst of all that are declared.
#[derive(Clone)]
struct Style {
    levels: u32,
    block: (u32, u32),
    precincts: Vec<(u32, u32)>,
}

#[derive(Default)]
struct Declared {
    styles: Vec<Style>,
    layers: u64,
    planes: u64,
    changes: u64,
}

fn codestream(bytes: &[u8], budget: &mut Budget) -> Result<u64> {
    let mut reader = Reader { bytes, at: 4 };
    let size = size(&mut reader).ok_or_else(broken)?;
    let (width, height) = (
        size.width.div_ceil(size.shrink.0),
        size.height.div_ceil(size.shrink.1),
    );
    let narrow = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
    budget.charge_picture(narrow(width), narrow(height), 8)?;
    // Planes of floats, the largest once more as coefficients and once transformed.
    let planes = (width * height).saturating_mul(4 * size.components + 12);
    let most = PLANES + PLANES_PER_BYTE * bytes.len() as u64;
    if planes > most.min(MAX_PLANES) {
        return Err(too_many("samples", width * height * size.components));
    }
    if size.tiles > MAX_TILES {
        return Err(too_many("tiles", size.tiles));
    }
    budget.charge_decoded(size.tiles * (256 + 512 * size.components))?;
    let declared = headers(&mut reader, &size, budget)?;
    let (mut blocks, mut precincts) = (0_u64, 0_u64);
    for style in &declared.styles {
        let (b, p) = structures(&size, style);
        (blocks, precincts) = (blocks.max(b), precincts.max(p));
    }
    let each = blocks
        .saturating_mul(144 + 24 * declared.layers)
        .saturating_add(precincts.saturating_mul(160));
    let tile = each.saturating_mul(size.components);
    if tile > MAX_TILE || tile.saturating_mul(size.tiles) > MAX_BUILT {
        return Err(too_many("precincts or code-blocks", blocks.max(precincts)));
    }
    budget.charge_decoded(tile * size.tiles)?;
    let listed = precincts
        .saturating_mul(size.components * declared.layers)
        .saturating_mul(declared.changes)
        .saturating_mul(size.tiles);
    if listed > MAX_LISTED {
        return Err(too_many("changes of progression", declared.changes));
    }
    if declared.planes > size.depth.min(16) + GUARD {
        return Err(too_many("bit planes", declared.planes));
    }
    let passes =
        (width * height * size.components).saturating_mul((3 * declared.planes).saturating_sub(2));
    if passes > MAX_PASSES.saturating_add(PASSES_PER_BYTE * bytes.len() as u64) {
        return Err(too_many("coding passes", passes));
    }
    Ok(width * height * size.components)
}

/// Code-blocks and precincts of one component in one tile, at most.
fn structures(size: &Size, style: &Style) -> (u64, u64) {
    let side = |tile: u64, least: u64, down: u32| {
        (tile.div_ceil(least)).div_ceil(1_u64 << down) + u64::from(down > 0 || least > 1)
    };
    // A range of `len` covers this many cells of a grid, wherever it begins.
    let cells = |len: u64, cell: u64| {
        if len == 0 {
            0
        } else {
            (len + cell - 2) / cell + 1
        }
    };
    let (mut blocks, mut precincts) = (0_u64, 0_u64);
    for resolution in 0..=style.levels {
        let down = style.levels - resolution;
        let width = side(size.tile_width, size.least.0, down);
        let height = side(size.tile_height, size.least.1, down);
        let (px, py) = style.precincts[resolution as usize];
        let counts = (cells(width, 1 << px), cells(height, 1 << py));
        let count = counts.0.saturating_mul(counts.1);
        // Three bands of half the size above the lowest resolution.
        let (bands, half) = if resolution == 0 { (1, 0) } else { (3, 1) };
        let block =
            |exponent: u32, precinct: u32| 1_u64 << exponent.min(precinct.saturating_sub(half));
        let across = cells(width.div_ceil(1 << half) + 1, block(style.block.0, px)) + counts.0;
        let down = cells(height.div_ceil(1 << half) + 1, block(style.block.1, py)) + counts.1;
        precincts = precincts.saturating_add(count.saturating_mul(bands));
        blocks = blocks.saturating_add(across.saturating_mul(down).saturating_mul(bands));
    }
    (blocks, precincts)
}

fn size(reader: &mut Reader<'_>) -> Option<Size> {
    let len = reader.u16()?;
    reader.u16()?;
    let mut word = || reader.u32().map(u64::from);
    let (right, bottom, left, top) = (word()?, word()?, word()?, word()?);
    let (tile_width, tile_height, tile_left, tile_top) = (word()?, word()?, word()?, word()?);
    let components = u64::from(reader.u16()?);
    if u64::from(len) != 38 + 3 * components || components == 0 {
        return None;
    }
    let is_sound = left < right
        && top < bottom
        && tile_width > 0
        && tile_height > 0
        && tile_left <= left
        && tile_top <= top
        && tile_left + tile_width > left
        && tile_top + tile_height > top;
    if !is_sound {
        return None;
    }
    let (mut depth, mut least, mut shrink) = (0, (255, 255), None);
    let mut same = true;
    for _ in 0..components {
        let bits = u64::from(reader.u8()? & 0x7F) + 1;
        let steps = (u64::from(reader.u8()?), u64::from(reader.u8()?));
        if steps.0 == 0 || steps.1 == 0 {
            return None;
        }
        depth = depth.max(bits);
        least = (steps.0.min(least.0), steps.1.min(least.1));
        same &= *shrink.get_or_insert(steps) == steps;
    }
    let across = (right - tile_left).div_ceil(tile_width);
    let down = (bottom - tile_top).div_ceil(tile_height);
    Some(Size {
        width: right - left,
        height: bottom - top,
        tile_width: tile_width.min(right - left),
        tile_height: tile_height.min(bottom - top),
        tiles: across.saturating_mul(down),
        components,
        depth,
        shrink: shrink.filter(|_| same).unwrap_or((1, 1)),
        least,
    })
}

/// Reads the main header and those of all tile-parts.
fn headers(reader: &mut Reader<'_>, size: &Size, budget: &Budget) -> Result<Declared> {
    let mut declared = Declared::default();
    loop {
        match reader.peek_marker() {
            Some(0x90) => break,
            Some(marker) => segment(reader, marker, size, &mut declared)?,
            None => return Err(broken()),
        }
    }
    while reader.peek_marker() == Some(0x90) {
        budget.check_time()?;
        reader.at += 2;
        let part = (|| {
            reader.u16()?;
            reader.u16()?;
            let len = reader.u32()? as usize;
            reader.u16()?;
            Some(len)
        })();
        let rest = reader.bytes.len() - reader.at;
        let len = match part.ok_or_else(broken)? {
            0 => rest,
            len => len.checked_sub(12).ok_or_else(broken)?,
        };
        let start = reader.at;
        loop {
            if reader.at - start >= len {
                break;
            }
            match reader.peek_marker() {
                Some(0x93) => {
                    reader.at += 2;
                    break;
                }
                Some(0xD9) | None => break,
                Some(marker) => segment(reader, marker, size, &mut declared)?,
            }
        }
        // Where the header alone is longer, the next part follows it.
        let behind = start.saturating_add(len);
        reader.at = reader.at.max(behind).min(reader.bytes.len());
    }
    Ok(declared)
}

fn segment(
    reader: &mut Reader<'_>,
    marker: u8,
    size: &Size,
    declared: &mut Declared,
) -> Result<()> {
    reader.at += 2;
    if (0x30..=0x3F).contains(&marker) {
        return Ok(());
    }
    let start = reader.at;
    let len = usize::from(reader.u16().ok_or_else(broken)?);
    let end = start + len;
    let index = if size.components < 257 { 1 } else { 2 };
    let fits = (|| match marker {
        // COD, COC
        0x52 => {
            let flags = reader.u8()?;
            reader.u8()?;
            declared.layers = declared.layers.max(reader.u16()?.into());
            reader.u8()?;
            declared.styles.push(style(reader, flags)?);
            Some(())
        }
        0x53 => {
            reader.at += index;
            let flags = reader.u8()?;
            declared.styles.push(style(reader, flags)?);
            Some(())
        }
        // QCD, QCC
        0x5C | 0x5D => {
            reader.at += if marker == 0x5D { index } else { 0 };
            let flags = reader.u8()?;
            let guard = u64::from(flags >> 5);
            while reader.at < end {
                let exponent = match flags & 0x1F {
                    0 => u64::from(reader.u8()? >> 3),
                    _ => u64::from(reader.u16()? >> 11),
                };
                declared.planes = declared.planes.max((guard + exponent).saturating_sub(1));
            }
            let derived = flags & 0x1F == 1;
            (!derived || reader.at - start == 2 + 1 + 2 + usize::from(marker == 0x5D) * index)
                .then_some(())
        }
        // RGN: shifts bit planes up.
        0x5E => {
            reader.at += index;
            reader.u8()?;
            let shift = u64::from(reader.u8()?);
            declared.planes = declared.planes.max(shift);
            Some(())
        }
        // POC
        0x5F => {
            let entry = if size.components < 257 { 7 } else { 9 };
            declared.changes += len.saturating_sub(2) as u64 / entry;
            reader.at = end;
            Some(())
        }
        // COM, CRG, TLM, PLT, PLM, PPM, PPT
        0x64 | 0x63 | 0x55 | 0x58 | 0x57 | 0x60 | 0x61 => {
            reader.at = end;
            Some(())
        }
        _ => None,
    })();
    if fits.is_none() || reader.at != end || end > reader.bytes.len() {
        return Err(broken());
    }
    if declared.styles.len() > 1024 {
        return Err(too_many("coding styles", declared.styles.len() as u64));
    }
    Ok(())
}

fn style(reader: &mut Reader<'_>, flags: u8) -> Option<Style> {
    let levels = u32::from(reader.u8()?);
    let block = (u32::from(reader.u8()?) + 2, u32::from(reader.u8()?) + 2);
    reader.u16()?;
    if levels > 32 || block.0 > 10 || block.1 > 10 {
        return None;
    }
    let mut precincts = Vec::new();
    for _ in 0..=levels {
        precincts.push(match flags & 1 {
            0 => (15, 15),
            _ => {
                let size = u32::from(reader.u8()?);
                (size & 15, size >> 4)
            }
        });
    }
    Some(Style {
        levels,
        block,
        precincts,
    })
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn u8(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    fn peek_marker(&self) -> Option<u8> {
        match self.bytes.get(self.at..self.at + 2)? {
            [0xFF, marker] => Some(*marker),
            _ => None,
        }
    }
}
