//! Keypoints, which are found again in a copy of a picture: extrema of the band-pass response over
//! position and scale.
//!
//! Source: Lowe, "Distinctive image features from scale-invariant keypoints", 2004 (extrema of
//! differences of Gaussians, refinement by a parabola, the test of the ratio of curvatures,
//! orientation from the histogram of gradients). The differences: levels are half an octave apart
//! and binomial; gradients are taken with the sign of the extremum, so that an inverted picture has
//! the same orientations; and keypoints are limited not to the strongest but by a quota for each
//! level and neighbourhood, so that those that a crop keeps are as likely to be selected as before.

use super::{Level, Pyramid, Raster};
use crate::arch::{Backend, Polar, ROW, SPAN};
use crate::deadline::Deadline;
use crate::error::Result;

/// A place with a scale and an orientation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Keypoint {
    /// Column in the largest level, 0.0 in the middle of the first pixel.
    pub(crate) x: f32,
    /// Row, 0.0 in the middle of the first pixel.
    pub(crate) y: f32,
    /// The size in [`SCALE_STEPS`] of an octave: 0 is the size of details of the largest level.
    pub(crate) scale: u8,
    /// The direction of the gradient around it, in 256ths of a turn.
    pub(crate) angle: u8,
    /// Whether it is brighter than what is around it.
    pub(crate) bright: bool,
}

/// Steps of size per octave.
pub(crate) const SCALE_STEPS: u32 = 16;

/// The first size, so that sizes below the first level can be represented too.
pub(crate) const SCALE_BIAS: u8 = 8;

/// Responses below this are noise: sixteenths of a step of luma.
const THRESHOLD: i16 = 20;

/// Extrema whose curvatures differ by more than this factor are on an edge,
/// along which their place is not determined.
const EDGE_RATIO: f32 = 12.0;

/// Pixels at each side of a level that are not searched for keypoints: half a patch.
const BORDER: usize = 13;

/// Rows searched between two checks of a deadline.
const PACE: u32 = 64;

/// Keypoints of one level at most; a second orientation does not count.
const PER_LEVEL: usize = 420;

/// The extrema of one level.
struct Found {
    level: usize,
    x: f32,
    y: f32,
    /// The response there, in sixteenths.
    strength: f32,
    /// The offset of its scale from the level's, in steps.
    offset: i32,
}

struct Response {
    width: usize,
    height: usize,
    values: Vec<i16>,
}

impl Response {
    #[inline]
    fn at(&self, x: usize, y: usize) -> i16 {
        self.values.get(y * self.width + x).copied().unwrap_or(0)
    }

    /// The strongest response of the sign of `sign` around a place of another level.
    fn peak_near(&self, x: f32, y: f32, from: &Self, sign: i16) -> i16 {
        let scale_x = self.width as f32 / from.width as f32;
        let scale_y = self.height as f32 / from.height as f32;
        let column = ((x + 0.5) * scale_x) as usize;
        let row = ((y + 0.5) * scale_y) as usize;
        let mut best = i16::MIN;
        for y in row.saturating_sub(1)..=(row + 1).min(self.height - 1) {
            for x in column.saturating_sub(1)..=(column + 1).min(self.width - 1) {
                best = best.max(self.at(x, y) * sign);
            }
        }
        best
    }
}

/// The pyramid of a picture and its keypoints: level by level from the largest,
/// within a level the strongest first, spread over the picture. Fails at the deadline.
pub(crate) fn keypoints(raster: &Raster, deadline: &Deadline) -> Result<(Pyramid, Vec<Keypoint>)> {
    let mut responses: Vec<Response> = Vec::new();
    let pyramid = Pyramid::new(raster, deadline, |level, values| {
        responses.push(Response {
            width: level.width,
            height: level.height,
            values,
        });
    })?;
    let mut keypoints = Vec::new();
    for (number, level) in pyramid.levels.iter().enumerate() {
        let mut found = extrema(&responses, number, deadline)?;
        spread(&mut found, level);
        deadline.check()?;
        for extremum in &found {
            orient(level, extremum, &pyramid, &mut keypoints);
        }
    }
    Ok((pyramid, keypoints))
}

/// The extrema of a level against its neighbours in place and scale.
fn extrema(responses: &[Response], number: usize, deadline: &Deadline) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let Some(own) = responses.get(number) else {
        return Ok(found);
    };
    if own.width <= 2 * BORDER || own.height <= 2 * BORDER {
        return Ok(found);
    }
    let finer = number.checked_sub(1).and_then(|n| responses.get(n));
    let coarser = responses.get(number + 1);
    let mut flags = vec![0_u8; own.width];
    let mut pacer = deadline.pacer(PACE);
    for y in BORDER..own.height - BORDER {
        pacer.step()?;
        let row = |y: usize| &own.values[y * own.width..(y + 1) * own.width];
        let (above, middle, below) = (row(y - 1), row(y), row(y + 1));
        mark_extrema(above, middle, below, &mut flags);
        let flagged = flagged(&flags).skip_while(|&x| x < BORDER);
        for x in flagged.take_while(|&x| x < own.width - BORDER) {
            let value = middle[x];
            let sign = value.signum();
            let here = value.abs();
            let peak =
                |of: Option<&Response>| of.map(|r| r.peak_near(x as f32, y as f32, own, sign));
            let (fine, coarse) = (peak(finer), peak(coarser));
            if fine.is_some_and(|f| f > here) || coarse.is_some_and(|c| c >= here) {
                continue;
            }
            let Some((dx, dy)) = refine(own, x, y) else {
                continue;
            };
            found.push(Found {
                level: number,
                x: x as f32 + dx,
                y: y as f32 + dy,
                strength: f32::from(value),
                offset: scale_offset(fine, here, coarse),
            });
        }
    }
    Ok(found)
}

/// Flags the columns whose value is an extremum among its eight neighbours and
/// above the threshold.
fn mark_extrema(above: &[i16], middle: &[i16], below: &[i16], flags: &mut [u8]) {
    let n = flags.len();
    let (above, middle, below) = (&above[..n], &middle[..n], &below[..n]);
    for x in 1..n - 1 {
        let value = middle[x];
        let high = above[x - 1]
            .max(above[x])
            .max(above[x + 1])
            .max(middle[x - 1])
            .max(middle[x + 1])
            .max(below[x - 1])
            .max(below[x])
            .max(below[x + 1]);
        let low = above[x - 1]
            .min(above[x])
            .min(above[x + 1])
            .min(middle[x - 1])
            .min(middle[x + 1])
            .min(below[x - 1])
            .min(below[x])
            .min(below[x + 1]);
        let top = (value >= high) & (value >= THRESHOLD);
        let bottom = (value <= low) & (value <= -THRESHOLD);
        flags[x] = u8::from(top | bottom);
    }
}

/// The places of values other than 0: they are rare, so eight at a time are skipped.
fn flagged(flags: &[u8]) -> impl Iterator<Item = usize> {
    let chunks = (0..).step_by(8).zip(flags.chunks(8));
    let some = chunks.filter(|(_, chunk)| match chunk.as_array::<8>() {
        Some(eight) => u64::from_ne_bytes(*eight) != 0,
        None => true,
    });
    some.flat_map(|(start, chunk)| (start..).zip(chunk).filter(|(_, f)| **f != 0))
        .map(|(x, _)| x)
}

/// The place of the extremum between pixels, unless it is on an edge.
fn refine(response: &Response, x: usize, y: usize) -> Option<(f32, f32)> {
    let at = |dx: isize, dy: isize| {
        f32::from(response.at(x.wrapping_add_signed(dx), y.wrapping_add_signed(dy)))
    };
    let middle = at(0, 0);
    let xx = at(1, 0) + at(-1, 0) - 2.0 * middle;
    let yy = at(0, 1) + at(0, -1) - 2.0 * middle;
    let xy = (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4.0;
    let (trace, determinant) = (xx + yy, xx * yy - xy * xy);
    let limit = (EDGE_RATIO + 1.0) * (EDGE_RATIO + 1.0) / EDGE_RATIO;
    if determinant <= 0.0 || trace * trace > limit * determinant {
        return None;
    }
    let gx = (at(1, 0) - at(-1, 0)) / 2.0;
    let gy = (at(0, 1) - at(0, -1)) / 2.0;
    let dx = (xy * gy - yy * gx) / determinant;
    let dy = (xy * gx - xx * gy) / determinant;
    Some((dx.clamp(-0.6, 0.6), dy.clamp(-0.6, 0.6)))
}

/// The place of the peak of the response between levels, in steps of a sixteenth octave; a
/// level is eight of them.
fn scale_offset(fine: Option<i16>, here: i16, coarse: Option<i16>) -> i32 {
    let (Some(fine), Some(coarse)) = (fine, coarse) else {
        return 0;
    };
    let (fine, here, coarse) = (f32::from(fine), f32::from(here), f32::from(coarse));
    let curve = fine + coarse - 2.0 * here;
    if curve >= 0.0 {
        return 0;
    }
    let offset = ((fine - coarse) / (2.0 * curve)).clamp(-0.5, 0.5);
    (offset * 8.0).round() as i32
}

/// Keeps at most [`PER_LEVEL`], first the strongest of each neighbourhood, then
/// the second of each, and so on.
fn spread(found: &mut Vec<Found>, level: &Level) {
    // About as many neighbourhoods as keypoints that may be kept.
    let area = (level.width * level.height) as f32;
    let side = (area / PER_LEVEL as f32).sqrt().max(8.0);
    let columns = (level.width as f32 / side) as u32 + 1;
    let cell = |f: &Found| (f.y / side) as u32 * columns + (f.x / side) as u32;
    found.sort_by(|a, b| {
        cell(a)
            .cmp(&cell(b))
            .then(b.strength.abs().total_cmp(&a.strength.abs()))
            .then(a.y.total_cmp(&b.y))
            .then(a.x.total_cmp(&b.x))
    });
    let mut ranked: Vec<(u32, Found)> = Vec::with_capacity(found.len());
    let (mut last, mut rank) = (u32::MAX, 0);
    for f in found.drain(..) {
        let cell = cell(&f);
        rank = if cell == last { rank + 1 } else { 0 };
        last = cell;
        ranked.push((rank, f));
    }
    // Stable: within a rank the order of the neighbourhoods stays ...
    ranked.sort_by(|(a, f), (b, g)| {
        // ... but the strong go first, so that a smaller share is the better half.
        a.cmp(b).then(g.strength.abs().total_cmp(&f.strength.abs()))
    });
    ranked.truncate(PER_LEVEL);
    found.extend(ranked.into_iter().map(|(_, f)| f));
}

/// Bins of the histogram of gradients.
const BINS: usize = 36;

/// Adds the keypoint with its orientation, or with two that are about as good.
fn orient(level: &Level, found: &Found, pyramid: &Pyramid, out: &mut Vec<Keypoint>) {
    let place = (found.x.round() as usize, found.y.round() as usize);
    let sign = if found.strength > 0.0 { 1.0 } else { -1.0 };
    let mut polar: Polar = [[[0.0; ROW]; SPAN]; 2];
    Backend::detect().polar(&level.soft, level.width, place, sign, &mut polar);
    let [magnitudes, turns] = &polar;
    let mut histogram = [0.0_f32; BINS];
    for ((weights, magnitudes), turns) in WEIGHTS.iter().zip(magnitudes).zip(turns) {
        for ((&weight, &magnitude), &turn) in weights.iter().zip(magnitudes).zip(turns) {
            let amount = weight * magnitude;
            if amount == 0.0 {
                continue;
            }
            let bin = turn * BINS as f32;
            let low = bin as usize;
            let share = bin - low as f32;
            histogram[low % BINS] += (1.0 - share) * amount;
            histogram[(low + 1) % BINS] += share * amount;
        }
    }
    for _ in 0..2 {
        let before = histogram;
        for (i, value) in histogram.iter_mut().enumerate() {
            *value = (before[(i + BINS - 1) % BINS] + before[i] + before[(i + 1) % BINS]) / 3.0;
        }
    }
    let peak = histogram.iter().copied().fold(0.0, f32::max);
    if peak <= 0.0 {
        return;
    }
    let mut peaks: Vec<(f32, f32)> = Vec::new();
    for i in 0..BINS {
        let (before, here, after) = (
            histogram[(i + BINS - 1) % BINS],
            histogram[i],
            histogram[(i + 1) % BINS],
        );
        if here >= 0.8 * peak && here > before && here >= after {
            let offset = (before - after) / (2.0 * (before + after - 2.0 * here));
            peaks.push((here, i as f32 + offset));
        }
    }
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
    let (base_width, base_height) = pyramid
        .levels
        .first()
        .map_or((1.0, 1.0), |l| (l.width as f32, l.height as f32));
    let steps = found.level as i32 * (SCALE_STEPS as i32 / 2) + found.offset;
    for (_, bin) in peaks.into_iter().take(2) {
        out.push(Keypoint {
            x: (found.x + 0.5) * base_width / level.width as f32 - 0.5,
            y: (found.y + 0.5) * base_height / level.height as f32 - 0.5,
            scale: (steps + i32::from(SCALE_BIAS)).clamp(0, 255) as u8,
            angle: ((bin * 256.0 / BINS as f32).round() as i32).rem_euclid(256) as u8,
            bright: found.strength > 0.0,
        });
    }
}

/// The weights of the gradients around a keypoint: exp(-d^2 / (2 * 2.2^2)) by their distance, up
/// to six pixels.
const WEIGHTS: [[f32; ROW]; SPAN] = {
    // exp(-1 / 9.68)
    let factor = 0.901_849_5_f32;
    let mut gaussian = [1.0; 37];
    let mut i = 1;
    while i < 37 {
        gaussian[i] = gaussian[i - 1] * factor;
        i += 1;
    }
    let mut table = [[0.0; ROW]; SPAN];
    let mut y = 0;
    while y < SPAN {
        let mut x = 0;
        while x < SPAN {
            let square = x.abs_diff(SPAN / 2).pow(2) + y.abs_diff(SPAN / 2).pow(2);
            if square < gaussian.len() {
                table[y][x] = gaussian[square];
            }
            x += 1;
        }
        y += 1;
    }
    table
};
