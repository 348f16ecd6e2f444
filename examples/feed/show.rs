//! Extracts what evidence points to, for the report: small pictures and passages.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use leakprint::media::{self, Content, Part, PartPath, PartSink};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Budget, Error, Limits};

/// The longer side of a picture in the report, in pixels.
const MAX_SIDE: u32 = 560;

/// A small picture, with the original size, to which regions refer.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// A `data:` URL of a JPEG.
    pub(crate) url: String,
}

/// One part of a media file.
pub(crate) enum Shown {
    Picture(Picture),
    Text(String),
}

/// The part of `bytes` at `path`, if it can be shown.
pub(crate) fn part(bytes: &[u8], name: &str, path: &PartPath, limits: &Limits) -> Option<Shown> {
    let mut wanted = Wanted { path, found: None };
    let mut budget = Budget::new(limits);
    // A file that cannot be read completely may still contain the part.
    let _ = media::read(bytes, Some(name), &mut budget, &mut wanted);
    match wanted.found? {
        Kept::Text(text) => Some(Shown::Text(text)),
        Kept::Picture(raster) => {
            let size = (raster.width(), raster.height());
            // The library decodes JPEG without colours.
            let coloured = (path.as_str().is_empty())
                .then(|| coloured(bytes, size, limits))
                .flatten();
            let picture = coloured.or_else(|| plain(&raster))?;
            Some(Shown::Picture(Picture {
                width: size.0,
                height: size.1,
                url: data_url(&picture)?,
            }))
        }
    }
}

enum Kept {
    Picture(Raster),
    Text(String),
}

struct Wanted<'p> {
    path: &'p PartPath,
    found: Option<Kept>,
}

impl PartSink for Wanted<'_> {
    fn part(&mut self, part: Part<'_>) {
        if part.path != *self.path || self.found.is_some() {
            return;
        }
        self.found = match part.content {
            Content::Raster { raster, .. } => Some(Kept::Picture(raster)),
            Content::Text(text) => Some(Kept::Text(text)),
            Content::Table(table) => Some(Kept::Text(table.text().to_owned())),
            _ => None,
        };
    }

    fn warning(&mut self, _: PartPath, _: Error) {}
}

/// Decodes the whole file in colour, if its size is that of the decoded part.
fn coloured(bytes: &[u8], size: (u32, u32), limits: &Limits) -> Option<RgbImage> {
    let decode = || {
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .ok()?;
        let mut bounds = image::Limits::default();
        (bounds.max_image_width, bounds.max_image_height) = (Some(limits.side), Some(limits.side));
        reader.limits(bounds);
        let mut decoder = reader.into_decoder().ok()?;
        let orientation = decoder.orientation().ok()?;
        let mut picture = DynamicImage::from_decoder(decoder).ok()?;
        picture.apply_orientation(orientation);
        (picture.width() == size.0 && picture.height() == size.1).then_some(picture)
    };
    // The library has decoded these bytes, but with other decoders, so a panic is possible.
    let picture = catch_unwind(AssertUnwindSafe(decode)).ok()??;
    Some(shrunk(picture).to_rgb8())
}

fn plain(raster: &Raster) -> Option<RgbImage> {
    let (width, height) = (raster.width(), raster.height());
    let bytes = raster.pixels().as_bytes().to_vec();
    let picture = match raster.pixels() {
        Pixels::Luma8(_) => image::GrayImage::from_raw(width, height, bytes)?.into(),
        Pixels::Rgb8(_) => DynamicImage::from(RgbImage::from_raw(width, height, bytes)?),
        Pixels::Rgba8(_) => image::RgbaImage::from_raw(width, height, bytes)?.into(),
        _ => return None,
    };
    Some(shrunk(picture).to_rgb8())
}

fn shrunk(picture: DynamicImage) -> DynamicImage {
    if picture.width().max(picture.height()) > MAX_SIDE {
        picture.thumbnail(MAX_SIDE, MAX_SIDE)
    } else {
        picture
    }
}

fn data_url(picture: &RgbImage) -> Option<String> {
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 72);
    picture.write_with_encoder(encoder).ok()?;
    let coded = base64::engine::general_purpose::STANDARD.encode(&jpeg);
    Some(format!("data:image/jpeg;base64,{coded}"))
}

/// The text before, within and after a span, with some context.
pub(crate) fn passage(text: &str, [start, end]: [u32; 2]) -> [String; 3] {
    const CONTEXT: usize = 120;
    const MAX_SPAN: usize = 1200;
    let (start, end) = (start as usize, (end.max(start)) as usize);
    let take =
        |from: usize, to: usize| -> String { text.chars().skip(from).take(to - from).collect() };
    let before = start.saturating_sub(CONTEXT);
    let cut = end.min(start + MAX_SPAN);
    let (mut head, mut within) = (take(before, start), take(start, cut));
    if before > 0 {
        head.insert(0, '…');
    }
    if cut < end {
        within.push_str(" […]");
    }
    let mut tail = take(end, end + CONTEXT);
    if text.chars().nth(end + CONTEXT).is_some() {
        tail.push('…');
    }
    [head, within, tail]
}
