//! What evidence points to, for people: small pictures and passages.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use leakprint::media::{self, Content, Part, PartPath, PartSink};
use leakprint::raster::{Pixels, Raster};
use leakprint::{Budget, Error, Limits};

/// The longer side of a picture in the report.
const SIDE: u32 = 560;

/// A picture, small, with the size that regions are told in.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// A `data:` address of a JPEG.
    pub(crate) address: String,
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
    // What cannot be read as a whole may have the part.
    let _ = media::read(bytes, Some(name), &mut budget, &mut wanted);
    match wanted.found? {
        Kept::Text(text) => Some(Shown::Text(text)),
        Kept::Picture(raster) => {
            let size = (raster.width(), raster.height());
            // The prints of JPEG need no colours, people do.
            let coloured = (path.as_str().is_empty())
                .then(|| coloured(bytes, size, limits))
                .flatten();
            let picture = coloured.or_else(|| plain(&raster))?;
            Some(Shown::Picture(Picture {
                width: size.0,
                height: size.1,
                address: address(&picture)?,
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

/// The whole file as a picture in colours, if it has the size that its prints have.
fn coloured(bytes: &[u8], size: (u32, u32), limits: &Limits) -> Option<RgbImage> {
    let decode = || {
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .ok()?;
        let mut fence = image::Limits::default();
        (fence.max_image_width, fence.max_image_height) = (Some(limits.side), Some(limits.side));
        reader.limits(fence);
        let mut decoder = reader.into_decoder().ok()?;
        let orientation = decoder.orientation().ok()?;
        let mut picture = DynamicImage::from_decoder(decoder).ok()?;
        picture.apply_orientation(orientation);
        (picture.width() == size.0 && picture.height() == size.1).then_some(picture)
    };
    // The same bytes have passed the library's border, but through other decoders.
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
    if picture.width().max(picture.height()) > SIDE {
        picture.thumbnail(SIDE, SIDE)
    } else {
        picture
    }
}

fn address(picture: &RgbImage) -> Option<String> {
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 72);
    picture.write_with_encoder(encoder).ok()?;
    let coded = base64::engine::general_purpose::STANDARD.encode(&jpeg);
    Some(format!("data:image/jpeg;base64,{coded}"))
}

/// The characters of a span with some around it: before, within, behind.
pub(crate) fn passage(text: &str, [start, end]: [u32; 2]) -> [String; 3] {
    const AROUND: usize = 120;
    const MOST: usize = 1200;
    let (start, end) = (start as usize, (end.max(start)) as usize);
    let take =
        |from: usize, to: usize| -> String { text.chars().skip(from).take(to - from).collect() };
    let before = start.saturating_sub(AROUND);
    let cut = end.min(start + MOST);
    let (mut head, mut within) = (take(before, start), take(start, cut));
    if before > 0 {
        head.insert(0, '…');
    }
    if cut < end {
        within.push_str(" […]");
    }
    let mut tail = take(end, end + AROUND);
    if text.chars().nth(end + AROUND).is_some() {
        tail.push('…');
    }
    [head, within, tail]
}
