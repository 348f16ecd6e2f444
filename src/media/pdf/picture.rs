//! Decodes the pictures of a PDF.
//!
//! JPEG streams are handed on unchanged. All others are decoded by `hayro-syntax` and brought into
//! one of three layouts: grey, colour, colour with the alpha of a soft mask. Colour profiles are
//! not applied; of separations and other special spaces the number of components decides. What
//! compressed data declare for themselves is checked by [`jpx`](super::jpx) and
//! [`jbig2`](super::jbig2) first, since their decoders allocate by it and cannot be interrupted.

use std::borrow::Cow;
use std::time::Duration;

use hayro_syntax::Filter;
use hayro_syntax::object::stream::{ImageColorSpace, ImageDecodeParams};
use hayro_syntax::object::{Array, Dict, Object, Stream};

use super::work::Work;
use super::{jbig2, jpx, streams};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::media::guard::guard;
use crate::raster::{Pixels, Raster};

/// A progressive JPEG has about ten scans.
const MAX_SCANS: usize = 64;

/// Smaller pictures are bullets, rules and patterns.
const SMALLEST: u32 = 16;

/// Width and height, if it is worth reading.
pub(super) fn size(stream: &Stream<'_>) -> Option<(u32, u32)> {
    let width = stream.dict().get::<u32>(b"Width")?;
    let height = stream.dict().get::<u32>(b"Height")?;
    (width >= SMALLEST && height >= SMALLEST).then_some((width, height))
}

/// The file in a stream that holds a JPEG and nothing else.
pub(super) fn jpeg<'s>(stream: &Stream<'s>) -> Option<Cow<'s, [u8]>> {
    let filters = stream.filters();
    let plain = !stream.dict().contains_key("SMask") && !stream.dict().contains_key("Decode");
    (filters.as_slice() == [Filter::DctDecode] && plain).then(|| stream.raw_data())
}

/// The colour space of a picture.
enum Space {
    Grey,
    Rgb,
    Cmyk,
    /// Indices into colours of the given space.
    Indexed(Box<Space>, Vec<u8>),
    /// This number of components, all of which darken.
    Inks(usize),
}

impl Space {
    fn components(&self) -> usize {
        match self {
            Self::Grey | Self::Indexed(..) => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
            Self::Inks(components) => *components,
        }
    }

    fn new(object: &Object<'_>, work: &mut Work, budget: &mut Budget, depth: u32) -> Result<Self> {
        let unknown = || Error::new(ErrorKind::Unsupported, "PDF picture: unknown colour space");
        if let Object::Name(name) = object {
            return Ok(match name.as_ref() as &[u8] {
                b"DeviceGray" | b"CalGray" | b"G" => Self::Grey,
                b"DeviceCMYK" | b"CMYK" => Self::Cmyk,
                _ => Self::Rgb,
            });
        }
        let Object::Array(array) = object else {
            return Err(unknown());
        };
        work.array(array)?;
        let parts: Vec<Object<'_>> = array.iter::<Object<'_>>().take(5).collect();
        let Some(Object::Name(family)) = parts.first() else {
            return Err(unknown());
        };
        Ok(match (family.as_ref() as &[u8], parts.get(1)) {
            (b"DeviceGray" | b"CalGray", _) => Self::Grey,
            (b"DeviceCMYK", _) => Self::Cmyk,
            (b"ICCBased", Some(Object::Stream(profile))) => match profile.dict().get::<u32>(b"N") {
                Some(1) => Self::Grey,
                Some(4) => Self::Cmyk,
                _ => Self::Rgb,
            },
            (b"Indexed" | b"I", Some(base)) if depth == 0 => {
                let base = Self::new(base, work, budget, depth + 1)?;
                let table = match parts.get(3) {
                    Some(Object::String(table)) => table.as_bytes().to_vec(),
                    Some(Object::Stream(table)) => streams::decoded(table, budget)?.into_owned(),
                    _ => return Err(unknown()),
                };
                Self::Indexed(Box::new(base), table)
            }
            (b"Separation", _) => Self::Inks(1),
            (b"DeviceN", Some(Object::Array(names))) => {
                Self::Inks(names.iter::<Object<'_>>().take(32).count().max(1))
            }
            _ => Self::Rgb,
        })
    }

    /// One colour, from components of 8 bits.
    fn rgb(&self, c: &[u8]) -> [u8; 3] {
        let over = |a: u8, b: u8| ((u32::from(255 - a) * u32::from(255 - b) + 127) / 255) as u8;
        match (self, c) {
            (Self::Grey, &[g, ..]) => [g; 3],
            (Self::Rgb, &[r, g, b, ..]) => [r, g, b],
            (Self::Cmyk, &[c, m, y, k, ..]) => [over(c, k), over(m, k), over(y, k)],
            (Self::Indexed(base, table), &[index, ..]) => {
                let len = base.components();
                let at = usize::from(index) * len;
                base.rgb(table.get(at..at + len).unwrap_or_default())
            }
            (Self::Inks(_), inks) => {
                let light = inks
                    .iter()
                    .fold(255, |light, &ink| light * u32::from(255 - ink) / 255);
                [light as u8; 3]
            }
            _ => [0; 3],
        }
    }
}

/// Decodes a picture that is no plain JPEG.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit) before anything is allocated,
/// [`Malformed`](ErrorKind::Malformed), [`Unsupported`](ErrorKind::Unsupported).
pub(super) fn decode(stream: &Stream<'_>, work: &mut Work, budget: &mut Budget) -> Result<Raster> {
    let (pixels, width, height) = samples(stream, work, budget)?;
    let mask = stream.dict().get::<Stream<'_>>(b"SMask");
    let mask = mask.and_then(|mask| samples(&mask, work, budget).ok());
    budget.check_time()?;
    let pixels = match (pixels, mask) {
        (pixels, Some((Pixels::Luma8(alpha), w, h))) if alpha.iter().any(|&a| a != 255) => {
            budget.charge_picture(width, height, 4)?;
            let channels = if matches!(pixels, Pixels::Luma8(_)) {
                1
            } else {
                3
            };
            let bytes = match pixels {
                Pixels::Luma8(bytes) | Pixels::Rgb8(bytes) | Pixels::Rgba8(bytes) => bytes,
            };
            let mut rgba = Vec::with_capacity(bytes.len() / channels * 4);
            for (at, pixel) in bytes.chunks_exact(channels).enumerate() {
                let (x, y) = (at as u64 % u64::from(width), at as u64 / u64::from(width));
                let column = x * u64::from(w) / u64::from(width);
                let row = y * u64::from(h) / u64::from(height);
                let alpha = alpha.get((row * u64::from(w) + column) as usize);
                match *pixel {
                    [g] => rgba.extend([g, g, g]),
                    _ => rgba.extend_from_slice(pixel),
                }
                rgba.push(alpha.copied().unwrap_or(255));
            }
            Pixels::Rgba8(rgba)
        }
        (pixels, _) => pixels,
    };
    Raster::new(width, height, pixels).ok_or_else(|| Error::malformed("PDF picture of no size"))
}

/// The colours of a picture, without its soft mask.
fn samples(
    stream: &Stream<'_>,
    work: &mut Work,
    budget: &mut Budget,
) -> Result<(Pixels, u32, u32)> {
    work.dict(stream.dict())?;
    let dict = stream.dict();
    let broken = || Error::malformed("PDF picture: its bytes are broken or too few");
    let (width, height) = dict
        .get::<u32>(b"Width")
        .zip(dict.get::<u32>(b"Height"))
        .ok_or_else(broken)?;
    let is_stencil = dict.get::<bool>(b"ImageMask").unwrap_or(false);
    let named = dict.get::<Object<'_>>(b"ColorSpace");
    let mut space = match &named {
        _ if is_stencil => Some(Space::Grey),
        Some(object) => Some(Space::new(object, work, budget, 0)?),
        None => None,
    };
    let bits = if is_stencil {
        1
    } else {
        dict.get::<u8>(b"BitsPerComponent").unwrap_or(8)
    };
    // The decoder's own size, then the layout that comes out.
    budget.charge_picture(width, height, 8)?;
    streams::measured(stream, streams::LARGEST, budget)?;
    declared(stream, width, height, work, budget)?;
    let params = ImageDecodeParams {
        is_indexed: matches!(space, Some(Space::Indexed(..))),
        bpc: Some(bits),
        num_components: space.as_ref().map(|space| space.components() as u8),
        width,
        height,
        ..ImageDecodeParams::default()
    };
    let decoded = guard("the picture decoder of PDF", || {
        stream.decoded_image(&params).map_err(|_| broken())
    })?;
    let (mut bits, mut width, mut height) = (bits, width, height);
    if let Some(data) = &decoded.image_data {
        (bits, width, height) = (data.bits_per_component, data.width, data.height);
        let own = data.color_space.map(|space| match space {
            ImageColorSpace::Gray => Space::Grey,
            ImageColorSpace::Rgb => Space::Rgb,
            ImageColorSpace::Cmyk => Space::Cmyk,
            ImageColorSpace::Unknown(components) => Space::Inks(components.into()),
        });
        let agrees = |own: &Space| {
            space
                .as_ref()
                .is_some_and(|space| space.components() == own.components())
        };
        if let Some(own) = own.filter(|own| !agrees(own)) {
            space = Some(own);
        }
    }
    let space = space.ok_or_else(broken)?;
    budget.charge_picture(width, height, 3)?;
    let components = space.components();
    let row = (u64::from(width) * components as u64 * u64::from(bits)).div_ceil(8) as usize;
    let decode = dict.get::<Array<'_>>(b"Decode");
    let inverted = decode.is_some_and(|decode| {
        let mut ends = decode.iter::<f32>();
        ends.next()
            .zip(ends.next())
            .is_some_and(|(low, high)| low > high)
    });
    let is_grey = matches!(space, Space::Grey);
    let mut out =
        Vec::with_capacity(width as usize * height as usize * if is_grey { 1 } else { 3 });
    let mut line = vec![0; width as usize * components];
    let scale = !matches!(space, Space::Indexed(..));
    let mut pacer = budget.deadline().pacer(1 << 20);
    for at in 0..height as usize {
        pacer.steps(width)?;
        // Rows that the file lacks stay white.
        let bytes = decoded.data.get(at * row..(at + 1) * row);
        match bytes {
            Some(bytes) => unpack(bytes, bits, scale, &mut line)?,
            None if at == 0 => return Err(broken()),
            None => line.fill(if matches!(space, Space::Grey | Space::Rgb) {
                255
            } else {
                0
            }),
        }
        if inverted && scale {
            line.iter_mut().for_each(|sample| *sample = 255 - *sample);
        }
        if is_grey {
            out.extend_from_slice(&line);
        } else {
            out.extend(
                line.chunks_exact(components)
                    .flat_map(|pixel| space.rgb(pixel)),
            );
        }
    }
    let pixels = if is_grey {
        Pixels::Luma8(out)
    } else {
        Pixels::Rgb8(out)
    };
    Ok((pixels, width, height))
}

/// Samples of 1 to 16 bits into bytes, stretched over their range if `scale`.
fn unpack(bytes: &[u8], bits: u8, scale: bool, line: &mut [u8]) -> Result<()> {
    match bits {
        8 => line
            .iter_mut()
            .zip(bytes)
            .for_each(|(sample, &byte)| *sample = byte),
        16 => {
            let high = bytes.iter().step_by(2);
            line.iter_mut()
                .zip(high)
                .for_each(|(sample, &byte)| *sample = byte);
        }
        1 | 2 | 4 => {
            let most = (1_u8 << bits) - 1;
            let per_byte = usize::from(8 / bits);
            for (at, sample) in line.iter_mut().enumerate() {
                let byte = bytes.get(at / per_byte).copied().unwrap_or(0);
                let shift = 8 - bits - (at % per_byte) as u8 * bits;
                let value = byte >> shift & most;
                *sample = if scale { value * (255 / most) } else { value };
            }
        }
        _ => {
            let message = format!("PDF picture: {bits} bits for a sample");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    Ok(())
}

/// Charges the size that compressed data declare for themselves, since their decoder allocates by
/// it and not by the size that the PDF declares.
fn declared(
    stream: &Stream<'_>,
    width: u32,
    height: u32,
    work: &mut Work,
    budget: &mut Budget,
) -> Result<()> {
    let filters = stream.filters();
    let Some((last, before)) = filters.split_last() else {
        return Ok(());
    };
    let is_picture = |filter: &Filter| {
        matches!(
            filter,
            Filter::DctDecode | Filter::JpxDecode | Filter::Jbig2Decode | Filter::CcittFaxDecode
        )
    };
    if before.iter().any(is_picture) {
        let message = "PDF picture: a filter after a picture codec";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    if !is_picture(last) {
        return Ok(());
    }
    let params = params(stream.dict());
    if *last == Filter::CcittFaxDecode {
        let columns = params.and_then(|params| params.get::<usize>(b"Columns"));
        let columns = u32::try_from(columns.unwrap_or(1728)).unwrap_or(u32::MAX);
        return budget.charge_picture(columns, height, 8);
    }
    let bytes = match streams::before_picture(stream, budget)? {
        Some(bytes) => bytes,
        None => return Err(Error::malformed("PDF picture: its bytes are broken")),
    };
    match last {
        Filter::JpxDecode => {
            let samples = jpx::check(&bytes, budget)?;
            affordable(samples, 15, budget)
        }
        Filter::Jbig2Decode => {
            let globals = params.and_then(|params| params.get::<Stream<'_>>(b"JBIG2Globals"));
            let globals = match &globals {
                Some(stream) => Some(streams::decoded(stream, budget)?),
                None => None,
            };
            // Globals are decoded again for every picture that has them.
            let units = jbig2::check(&bytes, globals.as_deref(), budget)?;
            affordable(units, 10, budget)?;
            work.charge(units)
        }
        _ => {
            // A progressive JPEG costs a pass over the picture for each scan.
            let scans = bytes
                .windows(2)
                .filter(|pair| *pair == [0xFF, 0xDA])
                .count();
            if scans > MAX_SCANS {
                let message = format!("PDF picture: JPEG of {scans} scans");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            let pixels = u64::from(width) * u64::from(height);
            affordable(pixels.saturating_mul(scans as u64), 2, budget)?;
            budget.charge_decoded(pixels.saturating_mul(scans as u64))
        }
    }
}

/// Checks that a decoder which cannot be interrupted ends before the deadline, at this many
/// nanoseconds for each sample.
fn affordable(samples: u64, nanoseconds: u64, budget: &Budget) -> Result<()> {
    let needed = Duration::from_nanos(samples.saturating_mul(nanoseconds));
    match budget.deadline().remaining() {
        Some(left) if left < needed => Err(Error::limit(
            "time_ms",
            budget.limits().time_ms,
            format_args!(
                "decoding a PDF picture of {samples} samples would take longer than the time left"
            ),
        )),
        _ => Ok(()),
    }
}

/// The parameters of the last filter.
fn params<'s>(dict: &Dict<'s>) -> Option<Dict<'s>> {
    ["DP", "DecodeParms"].into_iter().find_map(|key| {
        dict.get::<Dict<'_>>(key).or_else(|| {
            let list = dict.get::<Array<'_>>(key)?;
            list.iter::<Object<'_>>()
                .filter_map(Object::into_dict)
                .last()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_every_width() {
        let mut line = [0; 4];
        unpack(&[0b1010_0000], 1, true, &mut line).unwrap();
        assert_eq!(line, [255, 0, 255, 0]);
        unpack(&[0b11_10_01_00], 2, false, &mut line).unwrap();
        assert_eq!(line, [3, 2, 1, 0]);
        unpack(&[0xF0, 0x12], 4, true, &mut line).unwrap();
        assert_eq!(line, [255, 0, 17, 34]);
        unpack(&[1, 0, 2, 0, 3, 0, 4, 0], 16, true, &mut line).unwrap();
        assert_eq!(line, [1, 2, 3, 4]);
        assert!(unpack(&[0], 3, true, &mut line).is_err());
    }

    #[test]
    fn colours_of_every_space() {
        assert_eq!(Space::Cmyk.rgb(&[0, 255, 0, 0]), [255, 0, 255]);
        let indexed = Space::Indexed(Box::new(Space::Rgb), vec![1, 2, 3, 4, 5, 6]);
        assert_eq!(indexed.rgb(&[1]), [4, 5, 6]);
        assert_eq!(indexed.rgb(&[2]), [0, 0, 0]);
        assert_eq!(Space::Inks(2).rgb(&[255, 0]), [0; 3]);
    }
}
