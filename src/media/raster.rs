//! Pictures into the canonical raster.
//!
//! JPEG is decoded by `zune-jpeg`, to luma alone where the file stores luma:
//! hashes need no more, and it saves the upsampling and the conversion. All
//! else goes through the decoders of `image`. Of an animation, this is the first
//! frame.
//!
//! The canonical form: upright; 16 bits and floats rounded to 8 bits as `image`
//! rounds them; palettes and fewer bits expanded; CMYK converted to RGB; one of
//! three layouts, [`Pixels::Luma8`] for formats that store grey without alpha,
//! [`Pixels::Rgb8`] for colour, [`Pixels::Rgba8`] with straight alpha only where
//! some pixel is not opaque. Colour profiles and gamma are not applied.

use std::io::Cursor;

use image::codecs::{bmp, gif, png, tiff, webp};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Format;
use super::guard::guard;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::raster::{Dihedral, Pixels, Raster};

/// What a decoder may hold at once, its output included: twice the largest
/// 8-bit picture of the default limits, and room for 16 bits.
pub(super) const WORKING_BYTES: u64 = 768 << 20;

/// A progressive JPEG has about ten scans; each costs a pass over the whole picture.
const MAX_JPEG_SCANS: usize = 64;

/// Decodes the (first) picture of a file.
///
/// The second value says whether the format keeps every pixel, so that saving
/// the picture again in such a format gives the same raster: not so for JPEG
/// and lossy WebP.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit) for too many pixels, before they are allocated;
/// [`Malformed`](ErrorKind::Malformed), [`Unsupported`](ErrorKind::Unsupported)
/// for rare variants of a format, [`Panicked`](ErrorKind::Panicked).
pub(super) fn decode(bytes: &[u8], format: Format, budget: &mut Budget) -> Result<(Raster, bool)> {
    let what = format.as_str();
    let raster = guard(&format!("the {what} decoder"), || {
        let reader = Cursor::new(bytes);
        let broken = |error| from_image(format, error);
        match format {
            Format::Jpeg => jpeg(bytes, budget),
            Format::Png => {
                // This decoder takes its limit at birth alone.
                let decoder = png::PngDecoder::with_limits(reader, limits(WORKING_BYTES));
                through_image(decoder.map_err(broken)?, format, budget)
            }
            Format::Gif => through_image(
                gif::GifDecoder::new(reader).map_err(broken)?,
                format,
                budget,
            ),
            Format::WebP => through_image(
                webp::WebPDecoder::new(reader).map_err(broken)?,
                format,
                budget,
            ),
            Format::Bmp => through_image(
                bmp::BmpDecoder::new(reader).map_err(broken)?,
                format,
                budget,
            ),
            Format::Tiff => through_image(
                tiff::TiffDecoder::new(reader).map_err(broken)?,
                format,
                budget,
            ),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{what} is no picture format"),
            )),
        }
    })?;
    let lossless = match format {
        Format::Jpeg => false,
        Format::WebP => is_lossless_webp(bytes),
        _ => true,
    };
    Ok((raster, lossless))
}

fn jpeg(bytes: &[u8], budget: &mut Budget) -> Result<Raster> {
    let broken = |error| Error::malformed(format!("broken jpeg: {error}"));
    // Not strict: what a camera or a social network writes is often a little off.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_JPEG_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = sides(Format::Jpeg, width, height)?;
    // The first component of YCbCr is BT.601 luma as it stands in the file.
    let output = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr | ColorSpace::Luma) => ColorSpace::Luma,
        _ => ColorSpace::RGB,
    };
    let channels = output.num_components();
    budget.charge_picture(width, height, channels as u32)?;
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let mut samples = vec![0; width as usize * height as usize * channels];
    decoder.decode_into(&mut samples).map_err(broken)?;
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let pixels = match output {
        ColorSpace::Luma => Pixels::Luma8(samples),
        _ => Pixels::Rgb8(samples),
    };
    upright(Format::Jpeg, width, height, pixels, orientation)
}

fn through_image(
    mut decoder: impl ImageDecoder,
    format: Format,
    budget: &mut Budget,
) -> Result<Raster> {
    let broken = |error| from_image(format, error);
    let (width, height) = decoder.dimensions();
    let (width, height) = sides(format, width as usize, height as usize)?;
    let color = decoder.color_type();
    // The TIFF decoder fills a buffer of its own and copies it.
    let copies = if format == Format::Tiff { 2 } else { 1 };
    let bytes_per_pixel = u32::from(color.bytes_per_pixel()) * copies;
    budget.charge_picture(width, height, bytes_per_pixel)?;
    let own = u64::from(width) * u64::from(height) * u64::from(color.bytes_per_pixel());
    let rest = WORKING_BYTES.saturating_sub(own);
    if rest < own * u64::from(copies - 1) {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "{format} of {width} x {height} {color:?} needs more than {WORKING_BYTES} bytes to decode",
                format = format.as_str()
            ),
        ));
    }
    decoder.set_limits(limits(rest)).map_err(broken)?;
    // A broken EXIF segment does not make a broken picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut samples = vec![0; own as usize];
    decoder.read_image(&mut samples).map_err(broken)?;
    let pixels = canonical(samples, color).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("{} with samples of type {color:?}", format.as_str()),
        )
    })?;
    upright(format, width, height, pixels, orientation)
}

/// The limits for the decoders of `image`: a second fence behind the budget.
pub(super) fn limits(bytes: u64) -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(bytes);
    limits
}

/// Both sides, unless one is 0.
fn sides(format: Format, width: usize, height: usize) -> Result<(u32, u32)> {
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(width @ 1..), Ok(height @ 1..)) => Ok((width, height)),
        _ => Err(Error::malformed(format!(
            "{} of {width} x {height} pixels",
            format.as_str()
        ))),
    }
}

/// Samples as decoded into one of the three layouts; in place, since two
/// pictures of the largest size would not fit the limit on memory.
pub(super) fn canonical(mut samples: Vec<u8>, color: ColorType) -> Option<Pixels> {
    let color = match color {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            narrow(&mut samples, |bytes: [u8; 2]| {
                let sample = u32::from(u16::from_ne_bytes(bytes));
                ((sample + 128) / 257) as u8
            });
            color
        }
        ColorType::Rgb32F | ColorType::Rgba32F => {
            narrow(&mut samples, |bytes: [u8; 4]| {
                // The cast saturates and takes NaN to 0.
                (f32::from_ne_bytes(bytes).clamp(0.0, 1.0) * 255.0).round() as u8
            });
            color
        }
        _ => color,
    };
    match color {
        ColorType::L8 | ColorType::L16 => Some(Pixels::Luma8(samples)),
        ColorType::Rgb8 | ColorType::Rgb16 | ColorType::Rgb32F => Some(Pixels::Rgb8(samples)),
        ColorType::La8 | ColorType::La16 => Some(if is_opaque::<2>(&samples) {
            drop_alpha::<2>(&mut samples);
            Pixels::Luma8(samples)
        } else {
            let pairs = samples.as_chunks::<2>().0;
            Pixels::Rgba8(pairs.iter().flat_map(|&[l, a]| [l, l, l, a]).collect())
        }),
        ColorType::Rgba8 | ColorType::Rgba16 | ColorType::Rgba32F => {
            Some(if is_opaque::<4>(&samples) {
                drop_alpha::<4>(&mut samples);
                Pixels::Rgb8(samples)
            } else {
                Pixels::Rgba8(samples)
            })
        }
        _ => None,
    }
}

/// Turns every `N` bytes into one, in place.
fn narrow<const N: usize>(samples: &mut Vec<u8>, convert: impl Fn([u8; N]) -> u8) {
    let count = samples.len() / N;
    for i in 0..count {
        let mut wide = [0; N];
        wide.copy_from_slice(&samples[i * N..(i + 1) * N]);
        samples[i] = convert(wide);
    }
    samples.truncate(count);
    samples.shrink_to_fit();
}

fn is_opaque<const N: usize>(samples: &[u8]) -> bool {
    samples
        .as_chunks::<N>()
        .0
        .iter()
        .all(|pixel| pixel[N - 1] == 255)
}

/// Removes the last of every `N` samples, in place.
fn drop_alpha<const N: usize>(samples: &mut Vec<u8>) {
    let count = samples.len() / N;
    for i in 0..count {
        samples.copy_within(i * N..(i + 1) * N - 1, i * (N - 1));
    }
    samples.truncate(count * (N - 1));
    samples.shrink_to_fit();
}

pub(super) fn upright(
    format: Format,
    width: u32,
    height: u32,
    pixels: Pixels,
    orientation: Orientation,
) -> Result<Raster> {
    let dihedral = match orientation {
        Orientation::NoTransforms => Dihedral::Identity,
        Orientation::Rotate90 => Dihedral::Rotate90,
        Orientation::Rotate180 => Dihedral::Rotate180,
        Orientation::Rotate270 => Dihedral::Rotate270,
        Orientation::FlipHorizontal => Dihedral::FlipHorizontal,
        Orientation::FlipVertical => Dihedral::FlipVertical,
        // Turned, then mirrored: a mirror on a diagonal.
        Orientation::Rotate90FlipH => Dihedral::Transpose,
        Orientation::Rotate270FlipH => Dihedral::Transverse,
    };
    let raster = if dihedral == Dihedral::Identity {
        Raster::new(width, height, pixels)
    } else {
        let turn = |samples: &[u8], channels| dihedral.apply(samples, width, height, channels);
        let (pixels, width, height) = match &pixels {
            Pixels::Luma8(samples) => {
                let (samples, width, height) = turn(samples, 1);
                (Pixels::Luma8(samples), width, height)
            }
            Pixels::Rgb8(samples) => {
                let (samples, width, height) = turn(samples, 3);
                (Pixels::Rgb8(samples), width, height)
            }
            Pixels::Rgba8(samples) => {
                let (samples, width, height) = turn(samples, 4);
                (Pixels::Rgba8(samples), width, height)
            }
        };
        Raster::new(width, height, pixels)
    };
    raster.ok_or_else(|| Error::malformed(format!("{} of the wrong size", format.as_str())))
}

/// Whether the (first) picture in a WebP file is a VP8L stream: the chunks are
/// walked, into the first frame of an animation. One step a chunk.
fn is_lossless_webp(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [name @ .., a, b, c, d] = *header;
        match &name {
            b"VP8L" => return true,
            b"VP8 " => return false,
            // The frame's own chunks lie behind 16 bytes of place and time.
            b"ANMF" => rest = body.get(16..).unwrap_or_default(),
            _ => {
                let len = u32::from_le_bytes([a, b, c, d]) as usize;
                // Chunks start at even offsets.
                rest = body.get(len.saturating_add(len & 1)..).unwrap_or_default();
            }
        }
    }
    false
}

pub(super) fn from_image(format: Format, error: ImageError) -> Error {
    let kind = match &error {
        ImageError::Limits(_) => ErrorKind::Limit,
        ImageError::Unsupported(_) => ErrorKind::Unsupported,
        _ => ErrorKind::Malformed,
    };
    let word = match kind {
        ErrorKind::Limit => "too large",
        ErrorKind::Unsupported => "unusual",
        _ => "broken",
    };
    Error::new(kind, format!("{word} {}: {error}", format.as_str())).with_source(error)
}
