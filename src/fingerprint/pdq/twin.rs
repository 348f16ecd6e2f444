//! PDQ as the reference's text has it, on whole planes, one running sum at a
//! time: slow, plain, and the oracle of the fast way in `downscale` and `dct`.
//!
//! Source: <https://github.com/facebook/ThreatExchange>, `pdq/cpp`.

use super::Grid;

/// The grid that the reference makes of a plane of luma.
pub(super) fn grid(luma: &[f32], width: usize, height: usize) -> Grid {
    let mut plane = luma.to_vec();
    if (width, height) != (64, 64) {
        let mut other = plane.clone();
        for _ in 0..2 {
            for y in 0..height {
                box_filter(&plane, &mut other, y * width, 1, width);
            }
            for x in 0..width {
                box_filter(&other, &mut plane, x, width, height);
            }
        }
    }
    let place = |i: usize, length: usize| ((i as f64 + 0.5) * length as f64 / 64.0) as usize;
    std::array::from_fn(|i| {
        std::array::from_fn(|j| plane[place(i, height) * width + place(j, width)])
    })
}

/// One box filter over `length` values, `stride` apart, from `start` on.
fn box_filter(from: &[f32], to: &mut [f32], start: usize, stride: usize, length: usize) {
    let window = length.div_ceil(128);
    let ahead = (window + 2) / 2;
    let at = |i: usize| start + i * stride;
    let (mut sum, mut count) = (0.0_f32, 0);
    let (mut left, mut right, mut out) = (0, 0, 0);
    while right < ahead - 1 {
        sum += from[at(right)];
        count += 1;
        right += 1;
    }
    while right < window {
        sum += from[at(right)];
        count += 1;
        to[at(out)] = sum / count as f32;
        right += 1;
        out += 1;
    }
    while right < length {
        sum += from[at(right)];
        sum -= from[at(left)];
        to[at(out)] = sum / count as f32;
        left += 1;
        right += 1;
        out += 1;
    }
    while out < length {
        sum -= from[at(left)];
        count -= 1;
        to[at(out)] = sum / count as f32;
        left += 1;
        out += 1;
    }
}

/// The 16 x 16 lowest frequencies of a grid without the mean, by the formula.
pub(super) fn frequencies(grid: &Grid) -> [[f32; 16]; 16] {
    let scale = f64::from((2.0_f64 / 64.0).sqrt() as f32);
    let weight = |i: usize, k: usize| {
        let angle = std::f64::consts::PI / 128.0 * (i + 1) as f64 * (2 * k + 1) as f64;
        (scale * angle.cos()) as f32
    };
    let mut vertical = [[0.0_f32; 64]; 16];
    let mut both = [[0.0_f32; 16]; 16];
    for (i, sums) in vertical.iter_mut().enumerate() {
        for (j, sum) in sums.iter_mut().enumerate() {
            for (k, row) in grid.iter().enumerate() {
                *sum += weight(i, k) * row[j];
            }
        }
    }
    for (sums, row) in both.iter_mut().zip(&vertical) {
        for (j, sum) in sums.iter_mut().enumerate() {
            for (k, sample) in row.iter().enumerate() {
                *sum += sample * weight(j, k);
            }
        }
    }
    both
}
