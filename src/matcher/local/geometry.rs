//! Plane transforms from an item to a query, and their estimation from pairs of places.

use crate::raster::Frame;

/// A homography, row by row: the transform of a flat picture that is cropped, scaled, rotated,
/// mirrored or photographed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transform(pub(super) [f64; 9]);

/// A place in the item and the corresponding place in the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) item: (f64, f64),
    pub(super) query: (f64, f64),
    pub(super) weight: f64,
}

impl Transform {
    /// Returns the affine transform with the matrix [a b; c d] that maps `item` to `query`.
    pub(super) fn about(item: (f64, f64), query: (f64, f64), [a, b, c, d]: [f64; 4]) -> Self {
        let x = query.0 - a * item.0 - b * item.1;
        let y = query.1 - c * item.0 - d * item.1;
        Self([a, b, x, c, d, y, 0.0, 0.0, 1.0])
    }

    /// Maps a place of the item to the query; returns `None` beyond the horizon.
    pub(super) fn apply(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let h = &self.0;
        let w = h[6] * x + h[7] * y + h[8];
        (w > 1e-6).then(|| {
            (
                (h[0] * x + h[1] * y + h[2]) / w,
                (h[3] * x + h[4] * y + h[5]) / w,
            )
        })
    }

    /// Returns the derivative at a place: [dx/dx, dx/dy, dy/dx, dy/dy].
    fn derivative(&self, (x, y): (f64, f64)) -> [f64; 4] {
        let h = &self.0;
        let w = h[6] * x + h[7] * y + h[8];
        let (u, v) = (
            (h[0] * x + h[1] * y + h[2]) / w,
            (h[3] * x + h[4] * y + h[5]) / w,
        );
        [
            (h[0] - u * h[6]) / w,
            (h[1] - u * h[7]) / w,
            (h[3] - v * h[6]) / w,
            (h[4] - v * h[7]) / w,
        ]
    }

    /// Maps a frame of the item to the query.
    pub(super) fn frame(&self, frame: &Frame) -> Option<Frame> {
        let place = (f64::from(frame.x), f64::from(frame.y));
        let (x, y) = self.apply(place)?;
        let [a, b, c, d] = self.derivative(place);
        let map = |(x, y): (f32, f32)| {
            let (x, y) = (f64::from(x), f64::from(y));
            ((a * x + b * y) as f32, (c * x + d * y) as f32)
        };
        Some(Frame {
            x: x as f32,
            y: y as f32,
            u: map(frame.u),
            v: map(frame.v),
        })
    }

    /// Returns the factor by which lengths at a place are scaled, on average over directions.
    pub(super) fn scale(&self, place: (f64, f64)) -> f64 {
        let [a, b, c, d] = self.derivative(place);
        (a * d - b * c).abs().sqrt()
    }

    /// Returns how much more lengths at a place are scaled in one direction than in another.
    pub(super) fn stretch(&self, place: (f64, f64)) -> f64 {
        let [a, b, c, d] = self.derivative(place);
        // The singular values, by their sum and difference.
        let (sum, difference) = ((a + d).hypot(b - c), (a - d).hypot(b + c));
        (sum + difference) / (sum - difference).abs()
    }

    /// Returns the composition: `self`, then `after`.
    pub(super) fn then(&self, after: &Self) -> Self {
        let (a, b) = (&after.0, &self.0);
        let mut out = [0.0; 9];
        for (i, value) in out.iter_mut().enumerate() {
            let (row, column) = (i / 3, i % 3);
            *value = (0..3).map(|k| a[3 * row + k] * b[3 * k + column]).sum();
        }
        Self(out)
    }

    /// Returns the inverse; `None` if there is none.
    pub(super) fn inverse(&self) -> Option<Self> {
        let h = &self.0;
        let minor = |a: usize, b: usize, c: usize, d: usize| h[a] * h[d] - h[b] * h[c];
        // The adjugate, row by row.
        let out = [
            minor(4, 5, 7, 8),
            -minor(1, 2, 7, 8),
            minor(1, 2, 4, 5),
            -minor(3, 5, 6, 8),
            minor(0, 2, 6, 8),
            -minor(0, 2, 3, 5),
            minor(3, 4, 6, 7),
            -minor(0, 1, 6, 7),
            minor(0, 1, 3, 4),
        ];
        let determinant = h[0] * out[0] + h[1] * out[3] + h[2] * out[6];
        let inverse = out.map(|v| v / determinant);
        (determinant != 0.0 && inverse.iter().all(|v| v.is_finite())).then_some(Self(inverse))
    }

    /// Returns whether the transform mirrors.
    pub(super) fn mirrors(&self) -> bool {
        self.0[0] * self.0[4] - self.0[1] * self.0[3] < 0.0
    }

    /// Returns the share of a picture of size `from` that is mapped into one of size `to`, estimated
    /// from 256 places.
    pub(super) fn share_inside(&self, from: (usize, usize), to: (usize, usize)) -> f64 {
        const SIDE: usize = 16;
        let at = |i: usize, length: usize| (i as f64 + 0.5) / SIDE as f64 * length as f64 - 0.5;
        let inside = |v: f64, length: usize| (-0.5..length as f64 - 0.5).contains(&v);
        let places = (0..SIDE * SIDE).map(|i| (at(i % SIDE, from.0), at(i / SIDE, from.1)));
        let count = places
            .filter_map(|place| self.apply(place))
            .filter(|&(x, y)| inside(x, to.0) && inside(y, to.1))
            .count();
        count as f64 / (SIDE * SIDE) as f64
    }

    /// Returns the transform that scales both axes.
    pub(super) fn scaling(x: f64, y: f64) -> Self {
        // Places are centers of pixels.
        Self([x, 0.0, 0.5 * x - 0.5, 0.0, y, 0.5 * y - 0.5, 0.0, 0.0, 1.0])
    }

    /// Fits a transform by weighted least squares of distances in the query: affine for fewer than 12
    /// pairs, otherwise a homography. Returns `None` if the pairs do not determine one.
    pub(super) fn fit(pairs: &[Pair]) -> Option<Self> {
        let free = if pairs.len() < 3 {
            return None;
        } else if pairs.len() < 12 {
            6
        } else {
            8
        };
        // Coordinates with mean 0 and deviation 1 keep the equations well conditioned.
        let to_unit = |place: fn(&Pair) -> (f64, f64)| {
            let total: f64 = pairs.iter().map(|p| p.weight).sum();
            let mean = |axis: fn((f64, f64)) -> f64| {
                pairs.iter().map(|p| p.weight * axis(place(p))).sum::<f64>() / total
            };
            let (x, y) = (mean(|p| p.0), mean(|p| p.1));
            let spread = pairs
                .iter()
                .map(|p| {
                    let (px, py) = place(p);
                    p.weight * ((px - x).powi(2) + (py - y).powi(2))
                })
                .sum::<f64>()
                / total;
            (x, y, spread.sqrt().max(1e-9))
        };
        let (ix, iy, is) = to_unit(|p| p.item);
        let (qx, qy, qs) = to_unit(|p| p.query);
        let mut h = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        // Each round is weighted by the denominators of the one before.
        for _ in 0..if free == 8 { 3 } else { 1 } {
            let mut normal = [[0.0; 9]; 8];
            for pair in pairs {
                let (x, y) = ((pair.item.0 - ix) / is, (pair.item.1 - iy) / is);
                let (u, v) = ((pair.query.0 - qx) / qs, (pair.query.1 - qy) / qs);
                let w = h[6] * x + h[7] * y + 1.0;
                let weight = pair.weight / (w * w).max(0.05);
                let rows = [
                    ([x, y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u], u),
                    ([0.0, 0.0, 0.0, x, y, 1.0, -x * v, -y * v], v),
                ];
                for (row, value) in rows {
                    for i in 0..free {
                        for j in 0..free {
                            normal[i][j] += weight * row[i] * row[j];
                        }
                        normal[i][8] += weight * row[i] * value;
                    }
                }
            }
            let solution = solve(normal, free)?;
            h[..free].copy_from_slice(&solution[..free]);
        }
        let unit = Self([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], 1.0]);
        let from_item = Self([
            1.0 / is,
            0.0,
            -ix / is,
            0.0,
            1.0 / is,
            -iy / is,
            0.0,
            0.0,
            1.0,
        ]);
        let to_query = Self([qs, 0.0, qx, 0.0, qs, qy, 0.0, 0.0, 1.0]);
        let mut fitted = from_item.then(&unit).then(&to_query);
        let last = fitted.0[8];
        fitted.0.iter_mut().for_each(|v| *v /= last);
        fitted.0.iter().all(|v| v.is_finite()).then_some(fitted)
    }
}

/// Triples of pairs that are tried for a consensus.
const MAX_TRIALS: u32 = 160;

/// Pairs by which a trial is scored.
const MAX_SCORED_PAIRS: usize = 150;

/// Returns the squared error of a pair, in units of its size.
fn error(transform: &Transform, pair: &Pair) -> f64 {
    match transform.apply(pair.item) {
        Some((x, y)) => ((x - pair.query.0).powi(2) + (y - pair.query.1).powi(2)) * pair.weight,
        None => f64::MAX,
    }
}

/// Returns the pairs within `tolerance` sizes of the affine transform of three of them, for the best
/// of a number of samples (Fischler and Bolles, "Random sample consensus", 1981; the samples are
/// deterministic).
pub(super) fn consensus(pairs: &[Pair], tolerance: f64) -> Vec<Pair> {
    let step = pairs.len().div_ceil(MAX_SCORED_PAIRS).max(1);
    let scored: Vec<&Pair> = pairs.iter().step_by(step).collect();
    let mut state = 0x9E37_79B9_u32;
    let mut pick = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(state) * n as u64) >> 32) as usize
    };
    let mut best: (usize, Option<Transform>) = (0, None);
    for _ in 0..MAX_TRIALS {
        let sample = [(); 3].map(|()| pairs[pick(pairs.len())]);
        let Some(transform) = Transform::fit(&sample) else {
            continue;
        };
        let agree = scored
            .iter()
            .filter(|pair| error(&transform, pair) <= tolerance * tolerance)
            .count();
        if agree > best.0 {
            best = (agree, Some(transform));
            if agree * 10 > scored.len() * 7 {
                break;
            }
        }
    }
    let Some(transform) = best.1 else {
        return Vec::new();
    };
    let agree = pairs
        .iter()
        .filter(|pair| error(&transform, pair) <= tolerance * tolerance);
    agree.copied().collect()
}

/// Fits a transform robustly: reweights pairs by Cauchy's function of their errors.
pub(super) fn fit_robustly(pairs: &[Pair]) -> Option<Transform> {
    let mut transform = Transform::fit(pairs)?;
    for scale in [2.0, 1.0, 0.5, 0.5] {
        let weighed: Vec<Pair> = pairs
            .iter()
            .map(|pair| {
                let off = error(&transform, pair) / (scale * scale);
                Pair {
                    weight: pair.weight / (1.0 + off),
                    ..*pair
                }
            })
            .collect();
        transform = Transform::fit(&weighed)?;
    }
    Some(transform)
}

/// Solves linear equations by Gaussian elimination with pivots; column 8 is the right-hand side.
fn solve(mut m: [[f64; 9]; 8], n: usize) -> Option<[f64; 8]> {
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs()))?;
        m.swap(i, pivot);
        if m[i][i].abs() < 1e-9 {
            return None;
        }
        for j in 0..n {
            if j != i {
                let factor = m[j][i] / m[i][i];
                let row = m[i];
                for (value, above) in m[j].iter_mut().zip(row).skip(i) {
                    *value -= factor * above;
                }
            }
        }
    }
    Some(std::array::from_fn(|i| {
        if i < n { m[i][8] / m[i][i] } else { 0.0 }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(truth: &Transform, n: usize) -> Vec<Pair> {
        (0..n)
            .map(|i| {
                let item = ((i * 379 % 1000) as f64, (i * 271 % 700) as f64);
                Pair {
                    item,
                    query: truth.apply(item).unwrap(),
                    weight: 1.0,
                }
            })
            .collect()
    }

    #[test]
    fn fits_are_exact_on_exact_pairs() {
        let affine = Transform([0.7, -0.1, 30.0, 0.2, 0.6, -14.0, 0.0, 0.0, 1.0]);
        let tilted = Transform([0.7, -0.1, 30.0, 0.2, 0.6, -14.0, 1e-4, -2e-4, 1.0]);
        for (truth, n) in [(affine, 5), (affine, 40), (tilted, 40)] {
            let fitted = Transform::fit(&pairs(&truth, n)).unwrap();
            for place in [(0.0, 0.0), (1000.0, 0.0), (500.0, 650.0)] {
                let (a, b) = (truth.apply(place).unwrap(), fitted.apply(place).unwrap());
                assert!((a.0 - b.0).hypot(a.1 - b.1) < 1e-5, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_inverse_maps_places_back() {
        let tilted = Transform([0.7, -0.1, 30.0, 0.2, 0.6, -14.0, 1e-4, -2e-4, 1.0]);
        let back = tilted.inverse().unwrap();
        for place in [(0.0, 0.0), (640.0, 20.0), (300.0, 480.0)] {
            let (x, y) = back.apply(tilted.apply(place).unwrap()).unwrap();
            assert!((x - place.0).hypot(y - place.1) < 1e-6);
        }
        assert!(!tilted.mirrors() && Transform::scaling(-1.0, 2.0).mirrors());
        assert!(
            Transform([1.0, 2.0, 0.0, 2.0, 4.0, 0.0, 0.0, 0.0, 1.0])
                .inverse()
                .is_none()
        );
        let half = Transform::scaling(2.0, 1.0);
        assert_eq!(half.share_inside((100, 100), (100, 100)), 0.5);
    }

    #[test]
    fn pairs_that_determine_no_transform_are_refused() {
        let line: Vec<Pair> = (0..20)
            .map(|i| Pair {
                item: (f64::from(i), f64::from(i)),
                query: (f64::from(i), 3.0),
                weight: 1.0,
            })
            .collect();
        assert!(Transform::fit(&line).is_none());
        assert!(Transform::fit(&line[..2]).is_none());
    }
}
