//! A picture at decreasing sizes, in which keypoints are found and from which patches
//! are sampled.
//!
//! Each level is 1 / sqrt(2) of the one before, so that whatever the size of a
//! copy, some level shows its details within a factor of 1.19 of the size that
//! they have on some level of the original.
//!
//! Tried without success: the first half-octave level from the filtered largest one. It is more
//! stable under crops, but other words in the same place look more alike too.

use super::{AreaShrink, Matte, Raster, to_byte};
use crate::arch::Backend;
use crate::deadline::Deadline;
use crate::error::Result;

/// Pictures with more pixels than this are shrunk first: what matters in a
/// screen or photograph is there at this size.
const MAX_AREA: f64 = 2_400_000.0;

/// Longer sides are shrunk too, since places are kept in eighths of a pixel in 16 bits.
const MAX_SIDE: f64 = 8_000.0;

/// Levels below this size have no room for a patch.
const MIN_SIDE: usize = 24;

/// One size of a picture.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Luma after a binomial filter of five taps each way (standard deviation 1.1
    /// pixels together with what the shrinking left), row-major.
    pub(crate) soft: Vec<u8>,
}

/// The levels of a picture, largest first.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pyramid {
    /// Never empty for pictures of at least [`MIN_SIDE`] each way.
    pub(crate) levels: Vec<Level>,
}

/// The size at which local prints of a picture of this size are made: the same, or the largest of
/// the same shape within the limits.
pub(crate) fn working_size(width: u32, height: u32) -> (usize, usize) {
    let (w, h) = (f64::from(width), f64::from(height));
    let scale = (MAX_AREA / (w * h))
        .sqrt()
        .min(MAX_SIDE / w.max(h))
        .min(1.0);
    let side = |length: f64| ((length * scale).round() as usize).max(1);
    (side(w), side(h))
}

impl Pyramid {
    /// Builds all levels and hands each level's band-pass response to `respond`
    /// as it is made: (level, response), where the response is the difference of
    /// two blurs in sixteenths of a step of luma. Fails at the deadline, which is checked from level
    /// to level: the largest takes a few milliseconds.
    pub(crate) fn new(
        raster: &Raster,
        deadline: &Deadline,
        mut respond: impl FnMut(&Level, Vec<i16>),
    ) -> Result<Self> {
        let (width, height) = working_size(raster.width(), raster.height());
        let mut levels: Vec<Level> = Vec::new();
        if width.min(height) < MIN_SIDE {
            return Ok(Self { levels });
        }
        let base = base_plane(raster, width, height, deadline)?;
        let mut half_step = Some(shrink_by_root_two(&base, width, height));
        let mut raw = (base, width, height);
        loop {
            deadline.check()?;
            let (plane, width, height) = &raw;
            let (level, response) = filter(plane, *width, *height);
            respond(&level, response);
            levels.push(level);
            // The one after the next is half of this one.
            let next = match half_step.take() {
                Some(next) => next,
                None => {
                    let before = &levels[levels.len() - 2];
                    halve(&before.soft, before.width, before.height)
                }
            };
            if next.1.min(next.2) < MIN_SIDE {
                break;
            }
            raw = next;
        }
        Ok(Self { levels })
    }
}

impl std::fmt::Debug for Pyramid {
    /// The size and number of levels; never the pixels.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (width, height) = self.levels.first().map_or((0, 0), |l| (l.width, l.height));
        write!(
            f,
            "Pyramid({width} x {height}, {} levels)",
            self.levels.len()
        )
    }
}

/// Luma at the working size, rounded to bytes.
fn base_plane(
    raster: &Raster,
    width: usize,
    height: usize,
    deadline: &Deadline,
) -> Result<Vec<u8>> {
    let full_width = raster.width() as usize;
    if (full_width, raster.height() as usize) == (width, height) {
        return raster.luma_plane(Matte::White, deadline);
    }
    let mut shrink = AreaShrink::new(full_width, raster.height() as usize, width, height);
    raster.luma_bands_until(Matte::White, deadline, |band| {
        band.rows(full_width).for_each(|row| shrink.push(row));
    })?;
    Ok(shrink.finish().iter().map(to_byte).collect())
}

/// A plane, its width and its height.
type Plane = (Vec<u8>, usize, usize);

/// 1 / sqrt(2) of a plane by bilinear interpolation.
fn shrink_by_root_two(plane: &[u8], width: usize, height: usize) -> Plane {
    let side = |length: usize| (length as f64 * std::f64::consts::FRAC_1_SQRT_2).round() as usize;
    let (out_width, out_height) = (side(width).max(1), side(height).max(1));
    // For each output: the first of its two inputs and the weight of the second, of 128.
    let taps = |length: usize, out: usize| -> Vec<(u32, u16)> {
        let step = length as f64 / out as f64;
        let last = length.saturating_sub(2);
        (0..out)
            .map(|i| {
                let at = ((i as f64 + 0.5) * step - 0.5).max(0.0);
                let first = (at as usize).min(last);
                let weight = ((at - first as f64) * 128.0).round().min(128.0);
                (first as u32, weight as u16)
            })
            .collect()
    };
    let columns = taps(width, out_width);
    let mut out = Vec::with_capacity(out_width * out_height);
    let mut blend = vec![0_u8; width];
    for (first, weight) in taps(height, out_height) {
        let start = first as usize * width;
        let (upper, lower) = plane[start..start + 2 * width].split_at(width);
        for ((blend, &a), &b) in blend.iter_mut().zip(upper).zip(lower) {
            let (a, b) = (u16::from(a), u16::from(b));
            *blend = ((a * (128 - weight) + b * weight + 64) >> 7) as u8;
        }
        out.extend(columns.iter().map(|&(first, weight)| {
            let (a, b) = (
                u16::from(blend[first as usize]),
                u16::from(blend[first as usize + 1]),
            );
            ((a * (128 - weight) + b * weight + 64) >> 7) as u8
        }));
    }
    (out, out_width, out_height)
}

/// Half of a plane: means of 2 x 2 pixels; an odd last row or column is left out.
fn halve(plane: &[u8], width: usize, height: usize) -> Plane {
    let (out_width, out_height) = (width / 2, height / 2);
    let mut out = Vec::with_capacity(out_width * out_height);
    for rows in plane.chunks_exact(2 * width).take(out_height) {
        let (upper, lower) = rows.split_at(width);
        let pairs = upper
            .as_chunks::<2>()
            .0
            .iter()
            .zip(lower.as_chunks::<2>().0);
        out.extend(pairs.map(|(a, b)| {
            let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
            ((sum + 2) >> 2) as u8
        }));
    }
    (out, out_width, out_height)
}

/// The blurred level of a raw plane, and its band-pass response.
fn filter(plane: &[u8], width: usize, height: usize) -> (Level, Vec<i16>) {
    let mut soft = vec![0; width * height];
    let mut response = vec![0; width * height];
    Backend::detect().band_pass(plane, width, &mut soft, &mut response);
    let level = Level {
        width,
        height,
        soft,
    };
    (level, response)
}
