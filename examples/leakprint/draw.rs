//! `--draw`: what was matched, outlined and named on the picture that shows it.

use std::fs;
use std::io::{Cursor, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage};
use leakprint::{Digest, Error, ErrorKind, Evidence, Limits, Match, Matcher, Result, Strength};

use crate::Failure;
use crate::canvas::{Canvas, Point};
use crate::writable::folder_of;

/// The largest longer side of a drawing in pixels: enough to look at, and fast to write.
const MOST_SIDE: u32 = 2000;

/// Regions drawn on one picture, the strongest matches first.
const MOST_REGIONS: usize = 24;

/// The most memory of a decoder in bytes.
const WORKING_BYTES: u64 = 768 << 20;

/// Bytes of a drawing's name that come from the query's name; file systems take 255.
const MOST_NAME: usize = 180;

/// One colour per item, distinguishable on grey and on each other.
const COLOURS: [Rgb<u8>; 8] = [
    Rgb([230, 25, 75]),
    Rgb([0, 130, 200]),
    Rgb([60, 180, 75]),
    Rgb([245, 130, 48]),
    Rgb([145, 30, 180]),
    Rgb([0, 190, 190]),
    Rgb([240, 50, 230]),
    Rgb([200, 190, 0]),
];

/// A folder of drawings, one file per query.
pub(crate) struct Drawings {
    folder: PathBuf,
}

impl Drawings {
    /// Makes the folder.
    ///
    /// # Errors
    /// If it cannot be created, or if one of the `inputs` is in it: drawings are no queries.
    pub(crate) fn new(folder: &Path, inputs: &[PathBuf]) -> Result<Self, Failure> {
        let named = |e| format!("--draw {}: cannot make that folder: {e}", folder.display());
        fs::create_dir_all(folder).map_err(named)?;
        let full = fs::canonicalize(folder).map_err(named)?;
        let lies_in =
            |input: &&PathBuf| fs::canonicalize(input).is_ok_and(|p| p.starts_with(&full));
        if let Some(input) = inputs.iter().find(lies_in) {
            return Err(format!(
                "--draw {}: {} is in it; give a separate folder",
                folder.display(),
                input.display()
            )
            .into());
        }
        // Before the work: later, each drawing that cannot be written is only a warning.
        tempfile::tempfile_in(folder).map_err(|e| {
            format!(
                "--draw {}: cannot write there: {}",
                folder.display(),
                e.kind()
            )
        })?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Draws a query's picture with its matches, if there are any, and returns the file. Queries of
    /// equal names share a file.
    pub(crate) fn draw(&self, name: &str, query: &Query<'_>) -> Result<Option<PathBuf>> {
        let path = self.folder.join(file_name(name));
        Ok(query.draw(&path)?.then_some(path))
    }
}

/// A picture and its matches.
pub(crate) struct Query<'a> {
    pub(crate) bytes: &'a [u8],
    /// Width and height, if the query is a picture.
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) matches: &'a [Match],
    pub(crate) matcher: &'a Matcher,
    pub(crate) limits: &'a Limits,
}

impl Query<'_> {
    /// Writes the drawing to `path`, unless there is nothing to draw; returns whether there was.
    pub(crate) fn draw(&self, path: &Path) -> Result<bool> {
        let Some(size) = self.size else {
            return Ok(false);
        };
        let regions = self.regions(size)?;
        if regions.is_empty() {
            return Ok(false);
        }
        // The library has decoded these bytes without a panic, but by other decoders.
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            let picture = decode(self.bytes, self.limits, size)?;
            Ok(paint(picture, size, &regions))
        }));
        let panicked = |_| Err(Error::new(ErrorKind::Panicked, "the decoder panicked"));
        let picture = drawn.unwrap_or_else(panicked)?;
        write(&picture, path).map(|()| true)
    }

    fn regions(&self, size: (u32, u32)) -> Result<Vec<Region>> {
        let mut regions = Vec::new();
        for (found, colour) in self.matches.iter().zip(COLOURS.iter().cycle()) {
            let own = |evidence: &&Evidence| match evidence {
                Evidence::Image { part, .. }
                | Evidence::Code { part, .. }
                | Evidence::Region { part, .. } => part.as_str().is_empty(),
                _ => false,
            };
            let is_region = |evidence: &Evidence| matches!(evidence, Evidence::Region { .. });
            let by_region = found.evidence.iter().filter(own).any(is_region);
            for evidence in found.evidence.iter().filter(own) {
                let (outline, agreeing) = match evidence {
                    Evidence::Region {
                        item_part,
                        region,
                        transform,
                        ..
                    } => {
                        let item = self.matcher.picture_size(&found.item, item_part)?;
                        let outline = item.map(|item| projected(transform, item, size));
                        (outline.unwrap_or_default(), Some(corners(*region)))
                    }
                    // Regions are more precise, if there are any.
                    _ if by_region => continue,
                    _ => (corners([0, 0, size.0, size.1]).to_vec(), None),
                };
                let score = evidence.score();
                let strength = Strength::from_score(score).map_or("weak", Strength::as_str);
                regions.push(Region {
                    outline,
                    agreeing,
                    name: found.item.clone(),
                    measure: format!("{strength} {score:.2}"),
                    colour: *colour,
                });
                if regions.len() == MOST_REGIONS {
                    return Ok(regions);
                }
            }
        }
        Ok(regions)
    }
}

/// One region to be drawn, in the pixels of the query.
struct Region {
    /// The outline of the whole item, clipped to the query; may be empty.
    outline: Vec<Point>,
    /// The outlines of the parts that agree.
    agreeing: Option<[Point; 4]>,
    name: String,
    measure: String,
    colour: Rgb<u8>,
}

/// The corners of the pixels of a rectangle: left, top, width, height.
fn corners([left, top, width, height]: [u32; 4]) -> [Point; 4] {
    let at = |start: u32, length: u32| f64::from(start) + f64::from(length) - 0.5;
    let (l, t) = (at(left, 0), at(top, 0));
    let (r, b) = (at(left, width), at(top, height));
    [(l, t), (r, t), (r, b), (l, b)]
}

/// The outline of a picture of size `item` under a homography, clipped to one of size `query`.
///
/// Clipped before the division (Sutherland and Hodgman in homogeneous coordinates): points
/// behind the horizon have no place in the query.
fn projected(homography: &[f64; 9], item: (u32, u32), query: (u32, u32)) -> Vec<Point> {
    let mut polygon: Vec<[f64; 3]> = corners([0, 0, item.0, item.1])
        .iter()
        .map(|(x, y)| {
            let row = |i: usize| homography[i] * x + homography[i + 1] * y + homography[i + 2];
            [row(0), row(3), row(6)]
        })
        .collect();
    let (right, bottom) = (f64::from(query.0) - 0.5, f64::from(query.1) - 0.5);
    // Points inside have a positive product with each.
    let sides = [
        [0.0, 0.0, 1.0],
        [1.0, 0.0, 0.5],
        [0.0, 1.0, 0.5],
        [-1.0, 0.0, right],
        [0.0, -1.0, bottom],
    ];
    for side in sides {
        let inside = |p: &[f64; 3]| side[0] * p[0] + side[1] * p[1] + side[2] * p[2];
        let mut kept = Vec::with_capacity(polygon.len() + 1);
        for (from, to) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
            let (a, b) = (inside(from), inside(to));
            if a > 0.0 {
                kept.push(*from);
            }
            if (a > 0.0) != (b > 0.0) {
                let t = a / (a - b);
                kept.push([0, 1, 2].map(|i| from[i] + t * (to[i] - from[i])));
            }
        }
        polygon = kept;
    }
    let divided = polygon.iter().map(|[x, y, w]| (x / w, y / w));
    divided
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect()
}

/// Decodes a picture of the size that its prints have, and shrinks it to the size of a drawing.
fn decode(bytes: &[u8], limits: &Limits, size: (u32, u32)) -> Result<RgbImage> {
    let broken = |e: image::ImageError| Error::new(ErrorKind::Malformed, e.to_string());
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|e| Error::io("cannot read", e))?;
    let mut fence = image::Limits::default();
    (fence.max_image_width, fence.max_image_height) = (Some(limits.side), Some(limits.side));
    fence.max_alloc = Some(WORKING_BYTES.min(limits.decoded_bytes));
    reader.limits(fence);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    // The prints were made within the limits, of a picture of this size.
    if (width, height) != size && (height, width) != size {
        let message = format!("{width} x {height} pixels, not {} x {}", size.0, size.1);
        return Err(Error::new(ErrorKind::Malformed, message));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if width.max(height) > MOST_SIDE {
        picture = picture.thumbnail(MOST_SIDE, MOST_SIDE);
    }
    picture.apply_orientation(orientation);
    if !picture.color().has_alpha() {
        return Ok(picture.into_rgb8());
    }
    // Over white, as the prints see it.
    let picture = picture.into_rgba8();
    Ok(RgbImage::from_fn(
        picture.width(),
        picture.height(),
        |x, y| {
            let [r, g, b, a] = picture.get_pixel(x, y).0.map(u32::from);
            Rgb([r, g, b].map(|c| ((c * a + 255 * (255 - a) + 127) / 255) as u8))
        },
    ))
}

fn paint(picture: RgbImage, size: (u32, u32), regions: &[Region]) -> RgbImage {
    let factor = |drawn: u32, size: u32| f64::from(drawn) / f64::from(size.max(1));
    let (fx, fy) = (
        factor(picture.width(), size.0),
        factor(picture.height(), size.1),
    );
    let place = |&(x, y): &Point| ((x + 0.5) * fx - 0.5, (y + 0.5) * fy - 0.5);
    let mut canvas = Canvas::new(picture);
    for region in regions {
        let outline: Vec<Point> = region.outline.iter().map(place).collect();
        canvas.outline(&outline, 3, region.colour);
        if let Some(agreeing) = region.agreeing {
            canvas.outline(&agreeing.map(|p| place(&p)), 1, region.colour);
        }
    }
    // Above all lines.
    for region in regions {
        let outline = region.agreeing.iter().flatten().chain(&region.outline);
        let start = outline
            .map(place)
            .reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        let at = start.unwrap_or_default();
        canvas.label(at, &region.name, &region.measure, region.colour);
    }
    canvas.into_picture()
}

/// Writes a file whole or not at all; like an index, it can be read by its owner alone.
fn write(picture: &RgbImage, path: &Path) -> Result<()> {
    let io = |e: std::io::Error| Error::io("cannot write", e).with_path(path);
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot write: {e}")).with_path(path))?;
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(io)?;
    file.write_all(png.get_ref()).map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

/// The file of a query: its name with everything that has a meaning to some file system as `%`
/// and the byte in hex, so that no two names share a file.
fn file_name(query: &str) -> String {
    let mut name = String::new();
    for (i, letter) in query.chars().enumerate() {
        match letter {
            '.' if i > 0 => name.push(letter),
            '-' | '_' => name.push(letter),
            _ if letter.is_alphanumeric() => name.push(letter),
            _ => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    name.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    if name.len() > MOST_NAME {
        // A shortened name has two percent signs in a row, which no other name has.
        let digest = Digest::of_bytes(query.as_bytes()).to_string();
        name.truncate(name.floor_char_boundary(MOST_NAME - 40));
        name = format!("{}%%{}", name.trim_end_matches('%'), &digest[..32]);
    }
    name + ".png"
}
