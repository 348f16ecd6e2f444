//! Composes pages that are only pictures, such as scans cut into strips.

use std::ops::Range;

use hayro_font::kurbo::{Affine, Point};

use super::content::Placed;
use super::picture::{decode, jpeg, size};
use super::work::Work;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;
use crate::media::{Format, raster};
use crate::raster::{Pixels, Raster};

/// The longest side of a composed page.
const LONGEST: f64 = 3000.0;

/// Composes the pictures of a page at their places, on white: scans are often cut
/// into strips. The resolution is that of the finest picture.
///
/// # Errors
/// If no picture can be decoded, or over a limit.
pub(super) fn compose(
    pictures: &[Placed<'_>],
    page: (f64, f64, f64, f64),
    work: &mut Work,
    budget: &mut Budget,
) -> Result<Raster> {
    let (x0, y0, width, height) = page;
    let mut scale = 0.0_f64;
    for picture in pictures {
        if let Some((columns, _)) = size(&picture.stream) {
            let [a, b, ..] = picture.transform.as_coeffs();
            let points = a.hypot(b);
            if points > 1.0 {
                scale = scale.max(f64::from(columns) / points);
            }
        }
    }
    let scale = scale.min(LONGEST / width.max(height));
    let columns = (width * scale).round();
    let rows = (height * scale).round();
    if !(columns >= 1.0 && rows >= 1.0) {
        return Err(Error::malformed("PDF page: no pictures of any size"));
    }
    let (columns, rows) = (columns as u32, rows as u32);
    budget.charge_picture(columns, rows, 3)?;
    let mut canvas = vec![255_u8; columns as usize * rows as usize * 3];
    let mut drawn = 0;
    for picture in pictures {
        budget.check_time()?;
        if size(&picture.stream).is_none() {
            continue;
        }
        let raster = match jpeg(&picture.stream) {
            Some(bytes) => {
                let decoded = raster::decode(&bytes, Format::Jpeg, budget);
                decoded.map(|decoded| decoded.0)
            }
            None => decode(&picture.stream, work, budget),
        };
        match raster {
            Ok(raster) => {
                work.charge(u64::from(raster.width()) * u64::from(raster.height()) / 4)?;
                // From pixels of the canvas, y down, to the unit square of the picture, y up.
                let to_page = Affine::new([1.0 / scale, 0.0, 0.0, -1.0 / scale, x0, y0 + height]);
                paint(
                    &mut canvas,
                    columns,
                    &raster,
                    picture.transform.inverse() * to_page,
                    work,
                )?;
                drawn += 1;
            }
            Err(error) if error.kind() == ErrorKind::Limit => return Err(error),
            Err(_) => {}
        }
    }
    if drawn == 0 {
        return Err(Error::malformed(
            "PDF page: none of its pictures can be decoded",
        ));
    }
    Raster::new(columns, rows, Pixels::Rgb8(canvas))
        .ok_or_else(|| Error::malformed("PDF page of no size"))
}

/// Paints one picture. It visits the rows and columns of the canvas that the picture
/// can cover, so that a page of thousands of small ones costs what they cover.
fn paint(
    canvas: &mut [u8],
    columns: u32,
    raster: &Raster,
    to_unit: Affine,
    work: &mut Work,
) -> Result<()> {
    let (width, height) = (raster.width(), raster.height());
    let (bytes, channels) = match raster.pixels() {
        Pixels::Luma8(bytes) => (bytes, 1),
        Pixels::Rgb8(bytes) => (bytes, 3),
        Pixels::Rgba8(bytes) => (bytes, 4),
    };
    let stride = columns as usize * 3;
    let rows = canvas.len() / stride.max(1);
    let (across, down) = covered(to_unit, columns as usize, rows);
    for row in down {
        work.charge(across.len() as u64 / 4 + 1)?;
        let line = &mut canvas[row * stride..(row + 1) * stride];
        let pixels = line[across.start * 3..across.end * 3].chunks_exact_mut(3);
        for (column, pixel) in across.clone().zip(pixels) {
            let at = to_unit * Point::new(column as f64 + 0.5, row as f64 + 0.5);
            if !(0.0..1.0).contains(&at.x) || !(0.0..1.0).contains(&at.y) {
                continue;
            }
            let x = ((at.x * f64::from(width)) as u32).min(width - 1);
            let y = (((1.0 - at.y) * f64::from(height)) as u32).min(height - 1);
            let start = (y as usize * width as usize + x as usize) * channels;
            match bytes.get(start..start + channels) {
                Some(&[g]) => pixel.fill(g),
                Some(&[r, g, b]) => pixel.copy_from_slice(&[r, g, b]),
                Some(&[r, g, b, a]) => {
                    for (under, over) in pixel.iter_mut().zip([r, g, b]) {
                        let a = u32::from(a);
                        let mixed = u32::from(*under) * (255 - a) + u32::from(over) * a;
                        *under = (mixed / 255) as u8;
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The columns and rows of a canvas that the unit square may cover.
fn covered(to_unit: Affine, columns: usize, rows: usize) -> (Range<usize>, Range<usize>) {
    let to_canvas = to_unit.inverse();
    let corners =
        [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)].map(|(x, y)| to_canvas * Point::new(x, y));
    if corners
        .iter()
        .any(|p| !(p.x.is_finite() && p.y.is_finite()))
    {
        // Flat, or not representable: every pixel is tested.
        return (0..columns, 0..rows);
    }
    let range = |of: fn(&Point) -> f64, len: usize| {
        let low = corners.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = corners.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        // A pixel more on either side, for what rounding does to the way there and back.
        let margin = 2.0 + (low.abs() + high.abs()) * 1e-9;
        let start = ((low - margin).max(0.0) as usize).min(len);
        let end = ((high + margin).max(0.0) as usize).min(len);
        start..end.max(start)
    };
    (range(|p| p.x, columns), range(|p| p.y, rows))
}
