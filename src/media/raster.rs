//! Decodes pictures into the canonical raster.
//!
//! JPEG is decoded by `zune-jpeg`, to luma alone where the file stores luma: hashes need no more,
//! and it saves the upsampling and the conversion. All other formats are decoded by `image`. Of an
//! animation, only the first frame is decoded.
//!
//! The canonical form: upright; 16 bits and floats rounded to 8 bits as `image`
//! rounds them; palettes and fewer bits expanded; CMYK converted to RGB; one of
//! three layouts, [`Pixels::Luma8`] for formats that store grey without alpha,
//! [`Pixels::Rgb8`] for colour, [`Pixels::Rgba8`] with straight alpha only where
//! some pixel is not opaque. Colour profiles and gamma are not applied.

//! Every decoder reads from a [`Timed`] reader, which ends at the deadline. What a file declares
//! beyond the size of its picture is checked before the decoder acts on it: see [`jpeg`], [`tiff`] and
//! [`webp`].

mod jpeg;
mod tiff;
mod timed;
mod webp;

use image::codecs::{bmp, gif, png};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};

use super::Format;
use super::guard::guard;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::raster::{Dihedral, Pixels, Raster};

pub(super) use timed::{Clock, Timed, afford};
pub(super) use webp::Declared as DeclaredWebP;

/// The memory of a decoder, its output included: twice the largest
/// 8-bit picture of the default limits, and room for 16 bits.
pub(super) const WORKING_BYTES: u64 = 768 << 20;

/// Memory for the metadata of a PNG beyond its bytes in the file: a profile is inflated.
const PNG_METADATA: u64 = 16 << 20;

/// Picoseconds that a pixel takes in steps of a decoder that cannot be interrupted.
const LOSSY_WEBP: u64 = 6000;
const LOSSLESS_WEBP: u64 = 2500;
const OTHER: u64 = 300;

/// Picoseconds that a compressed byte of a lossy WebP takes: the decoder reads all of them before it
/// begins.
const LOSSY_WEBP_BYTE: u64 = 30_000;

/// Decodes the (first) picture of a file.
///
/// The second value is whether the format is lossless, so that saving the picture again
/// gives the same raster: false for JPEG and lossy WebP.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit) for too many pixels, before they are allocated, and once the time is
/// over; [`Malformed`](ErrorKind::Malformed), [`Unsupported`](ErrorKind::Unsupported)
/// for rare variants of a format, [`Panicked`](ErrorKind::Panicked).
pub(super) fn decode(bytes: &[u8], format: Format, budget: &mut Budget) -> Result<(Raster, bool)> {
    let what = format.as_str();
    let mut lossless = format != Format::Jpeg;
    let raster = guard(&format!("the {what} decoder"), || {
        let mut clock = Clock::new(budget.deadline());
        let reader = Timed::new(bytes, &clock);
        let broken = |error| from_image(format, error);
        let mut extra = Extra::default();
        let decoded = match format {
            Format::Jpeg => return jpeg::decode(bytes, budget),
            Format::Png => open_png(bytes, &clock)
                .and_then(|decoder| through_image(decoder, format, extra, budget)),
            Format::Gif => {
                // A frame that is smaller than the screen needs a buffer beside it.
                extra.bytes_per_pixel = 4;
                extra.optional = true;
                let decoder = gif::GifDecoder::new(reader).map_err(broken);
                decoder.and_then(|decoder| through_image(decoder, format, extra, budget))
            }
            Format::WebP => {
                let declared = webp::Declared::read(bytes)?;
                lossless = declared.lossless;
                extra.orientation = Some(declared.orientation.unwrap_or(Orientation::NoTransforms));
                extra.bytes_per_pixel = match (declared.animated, declared.alpha) {
                    // The canvas, and the frame that is being decoded.
                    (true, _) => 12,
                    // Luma and chroma, and the alpha channel as a lossless picture and as a plane.
                    (false, true) => 7,
                    (false, false) => 4,
                };
                if lossless {
                    // Its transforms run after the last byte has been read.
                    clock = Clock::with_reserve(budget, declared.pixels, LOSSLESS_WEBP)?;
                } else {
                    let each = declared.pixels.saturating_mul(LOSSY_WEBP);
                    let coding = declared.bytes.saturating_mul(LOSSY_WEBP_BYTE);
                    afford(budget, 1, each.saturating_add(coding))?;
                }
                let reader = Timed::new(bytes, &clock);
                let decoder = image::codecs::webp::WebPDecoder::new(reader).map_err(broken);
                decoder.and_then(|decoder| through_image(decoder, format, extra, budget))
            }
            Format::Bmp => {
                let decoder = bmp::BmpDecoder::new(reader).map_err(broken);
                decoder.and_then(|decoder| through_image(decoder, format, extra, budget))
            }
            Format::Tiff => {
                extra.bytes = tiff::Declared::read(bytes).check(bytes, budget)?;
                let decoder = image::codecs::tiff::TiffDecoder::new(reader).map_err(broken);
                decoder.and_then(|decoder| through_image(decoder, format, extra, budget))
            }
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{what} is no picture format"),
            )),
        };
        clock.settle(budget, decoded)
    })?;
    Ok((raster, lossless))
}

/// A decoder of a PNG, whose limit, that on its buffers and metadata, can be set only when it is made.
pub(super) fn open_png<'b>(bytes: &'b [u8], clock: &Clock) -> Result<png::PngDecoder<Timed<'b>>> {
    let fence = limits(PNG_METADATA + bytes.len() as u64);
    let decoder = png::PngDecoder::with_limits(Timed::new(bytes, clock), fence);
    decoder.map_err(|error| from_image(Format::Png, error))
}

/// The memory that a decoder needs besides its output.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    bytes: u64,
    bytes_per_pixel: u64,
    /// Whether it can do without that memory, so that no picture is refused for the lack of it.
    optional: bool,
    /// The orientation, where it has been read already.
    orientation: Option<Orientation>,
}

fn through_image(
    mut decoder: impl ImageDecoder,
    format: Format,
    extra: Extra,
    budget: &mut Budget,
) -> Result<Raster> {
    let broken = |error| from_image(format, error);
    let (width, height) = decoder.dimensions();
    let (width, height) = sides(format, width as usize, height as usize)?;
    let color = decoder.color_type();
    // The TIFF decoder fills an internal buffer and copies it.
    let copies = if format == Format::Tiff { 2 } else { 1 };
    let bytes_per_pixel = u32::from(color.bytes_per_pixel()) * copies;
    budget.charge_picture(width, height, bytes_per_pixel)?;
    let pixels = u64::from(width) * u64::from(height);
    afford(budget, pixels, OTHER)?;
    let own = pixels * u64::from(color.bytes_per_pixel());
    let mut extra_bytes = pixels * extra.bytes_per_pixel + extra.bytes;
    if matches!(color, ColorType::La8 | ColorType::La16) {
        // Grey with alpha becomes colour with alpha.
        extra_bytes += 4 * pixels;
    }
    let copied = own * u64::from(copies - 1);
    if !extra.optional {
        // The copy has been charged already.
        afford_memory(budget, format, extra_bytes, own + copied)?;
    }
    // A broken EXIF segment does not make a broken picture. Read under the decoder's own limits, which
    // are narrower.
    let orientation = match extra.orientation {
        Some(orientation) => orientation,
        None => decoder.orientation().unwrap_or(Orientation::NoTransforms),
    };
    let rest = if extra.optional {
        extra.bytes_per_pixel * budget.limits().pixels
    } else {
        u64::MAX
    };
    let rest = rest.min(WORKING_BYTES.saturating_sub(own));
    decoder.set_limits(limits(rest)).map_err(broken)?;
    let mut samples = vec![0; own as usize];
    decoder.read_image(&mut samples).map_err(broken)?;
    budget.check_time()?;
    let pixels = canonical(samples, color).ok_or_else(|| {
        Error::new(
            ErrorKind::Unsupported,
            format!("{} with samples of type {color:?}", format.as_str()),
        )
    })?;
    upright(format, width, height, pixels, orientation, budget)
}

/// Refuses a picture whose decoder would hold more than the budget has left, or more than any
/// decoder may hold. `own` has been charged.
fn afford_memory(budget: &Budget, format: Format, extra: u64, own: u64) -> Result<()> {
    let format = format.as_str();
    if extra > budget.decoded_left() {
        return Err(Error::limit(
            "decoded_bytes",
            budget.limits().decoded_bytes,
            format_args!(
                "decoding a {format} takes {extra} more, {} are left",
                budget.decoded_left()
            ),
        ));
    }
    if extra.saturating_add(own) > WORKING_BYTES {
        let message = format!("a {format} that needs more than {WORKING_BYTES} bytes to decode");
        return Err(Error::new(ErrorKind::Limit, message));
    }
    Ok(())
}

/// The limits for the decoders of `image`: a second line of defence after the budget.
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
            let mut wide = Vec::with_capacity(4 * pairs.len());
            wide.extend(pairs.iter().flat_map(|&[l, a]| [l, l, l, a]));
            Pixels::Rgba8(wide)
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
    budget: &Budget,
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
        let turn = |samples: &[u8], channels| {
            dihedral.apply_until(samples, width, height, channels, budget.deadline())
        };
        let (pixels, width, height) = match &pixels {
            Pixels::Luma8(samples) => {
                let (samples, width, height) = turn(samples, 1)?;
                (Pixels::Luma8(samples), width, height)
            }
            Pixels::Rgb8(samples) => {
                let (samples, width, height) = turn(samples, 3)?;
                (Pixels::Rgb8(samples), width, height)
            }
            Pixels::Rgba8(samples) => {
                let (samples, width, height) = turn(samples, 4)?;
                (Pixels::Rgba8(samples), width, height)
            }
        };
        Raster::new(width, height, pixels)
    };
    raster.ok_or_else(|| Error::malformed(format!("{} of the wrong size", format.as_str())))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    use image::{DynamicImage, ImageFormat, RgbImage};

    fn picture(format: ImageFormat) -> Vec<u8> {
        let pixels = (0..40 * 30 * 3).map(|i| (i * i / 5) as u8).collect();
        let picture = RgbImage::from_raw(40, 30, pixels).expect("as many pixels");
        let mut out = Cursor::new(Vec::new());
        let done = DynamicImage::from(picture).write_to(&mut out, format);
        done.expect("in memory");
        out.into_inner()
    }

    const FORMATS: [(ImageFormat, Format); 6] = [
        (ImageFormat::Jpeg, Format::Jpeg),
        (ImageFormat::Png, Format::Png),
        (ImageFormat::Gif, Format::Gif),
        (ImageFormat::WebP, Format::WebP),
        (ImageFormat::Bmp, Format::Bmp),
        (ImageFormat::Tiff, Format::Tiff),
    ];

    #[test]
    fn decoders_end_with_the_time() {
        let mut limits = crate::Limits::default();
        for (encoder, format) in FORMATS {
            let bytes = picture(encoder);
            limits.time_ms = 60_000;
            let (raster, _) = decode(&bytes, format, &mut Budget::new(&limits)).unwrap();
            assert_eq!((raster.width(), raster.height()), (40, 30));
            limits.time_ms = 0;
            let error = decode(&bytes, format, &mut Budget::new(&limits)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{format:?}: {error}");
            assert!(error.message().starts_with("limit time_ms = 0"), "{error}");
        }
    }

    #[test]
    fn steps_that_cannot_be_interrupted_are_refused_beforehand() {
        let limits = crate::Limits {
            time_ms: 1000,
            ..crate::Limits::default()
        };
        let budget = Budget::new(&limits);
        assert!(afford(&budget, 1_000_000, LOSSY_WEBP).is_ok());
        let error = afford(&budget, 1 << 40, LOSSY_WEBP).unwrap_err();
        assert!(
            error.message().starts_with("limit time_ms = 1000"),
            "{error}"
        );
    }

    /// A profile of 40 MB in 40 KB is of no use here.
    #[test]
    fn a_profile_is_not_inflated_without_bounds() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlib.write_all(&vec![0; 40 << 20]).expect("in memory");
        let mut content = b"iCCPx\0\0".to_vec();
        content.extend(zlib.finish().expect("in memory"));
        let mut chunk = (content.len() as u32 - 4).to_be_bytes().to_vec();
        chunk.extend(&content);
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        chunk.extend(crc.sum().to_be_bytes());
        let mut file = picture(ImageFormat::Png);
        file.splice(33..33, chunk);
        let mut budget = Budget::new(&crate::Limits::default());
        let mut decoder = open_png(&file, &Clock::new(budget.deadline())).unwrap();
        assert_eq!(decoder.icc_profile().unwrap(), None);
        assert!(decode(&file, Format::Png, &mut budget).is_ok());
    }
}
