//! The query's prints by place, and the pairs found with an estimated transform.

use super::candidates::{Probe, place};
use super::geometry::{Pair, Transform};
use crate::fingerprint::signature_distance;
use crate::index::StoredPrint;
use crate::raster::scale_of;

/// Bits of 128 in which the signatures of a pair may differ.
const RADIUS: u32 = 28;

/// The query's prints in a grid of cells, for finding those near a place.
pub(super) struct Grid {
    cell: f32,
    columns: usize,
    rows: usize,
    /// Probes sorted by cell, and where each cell begins.
    order: Vec<u32>,
    starts: Vec<u32>,
}

impl Grid {
    pub(super) fn new(probes: &[Probe], width: usize, height: usize) -> Self {
        let cell = 16.0;
        let (columns, rows) = (width / 16 + 1, height / 16 + 1);
        let mut counted: Vec<(u32, u32)> = (0..)
            .zip(probes)
            .map(|(i, p)| {
                let column = (p.keypoint.x.max(0.0) / cell) as usize;
                let row = (p.keypoint.y.max(0.0) / cell) as usize;
                (
                    (row.min(rows - 1) * columns + column.min(columns - 1)) as u32,
                    i,
                )
            })
            .collect();
        counted.sort_unstable();
        let starts = (0..=columns * rows)
            .map(|c| counted.partition_point(|e| (e.0 as usize) < c) as u32)
            .collect();
        Self {
            cell,
            columns,
            rows,
            order: counted.into_iter().map(|e| e.1).collect(),
            starts,
        }
    }

    /// Returns the probes in the cells that a circle touches.
    fn near(&self, x: f32, y: f32, radius: f32) -> impl Iterator<Item = u32> + '_ {
        let range = |v: f32, n: usize| {
            let low = ((v - radius).max(0.0) / self.cell) as usize;
            let high = ((v + radius).max(0.0) / self.cell) as usize;
            low.min(n)..(high + 1).min(n)
        };
        let columns = range(x, self.columns);
        range(y, self.rows).flat_map(move |row| {
            let start = self.starts[row * self.columns + columns.start] as usize;
            let end = if columns.is_empty() {
                start
            } else {
                self.starts[row * self.columns + columns.end] as usize
            };
            self.order[start..end].iter().copied()
        })
    }
}

/// Returns for every print of the item the most similar print of the query near the place to which
/// the transform maps it.
pub(super) fn guided(
    transform: &Transform,
    prints: &[StoredPrint],
    probes: &[Probe],
    grid: &Grid,
    inverted: bool,
    radius: f64,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for print in prints {
        let item = place(&print.keypoint);
        let Some((x, y)) = transform.apply(item) else {
            continue;
        };
        let scale = transform.scale(item);
        let size = f64::from(scale_of(print.keypoint.scale)) * scale;
        let radius = (radius * size.max(1.0)).min(64.0);
        let square = radius * radius;
        let mut best: Option<(u32, (f64, f64))> = None;
        for i in grid.near(x as f32, y as f32, radius as f32) {
            let Some(probe) = probes.get(i as usize) else {
                continue;
            };
            let query = place(&probe.keypoint);
            if (probe.keypoint.bright != print.keypoint.bright) != inverted
                || (query.0 - x).powi(2) + (query.1 - y).powi(2) > square
            {
                continue;
            }
            let ratio = f64::from(scale_of(probe.keypoint.scale)) / size;
            if !(0.72..1.4).contains(&ratio) {
                continue;
            }
            let distance = signature_distance(&probe.signature, &print.signature);
            if distance <= RADIUS && best.is_none_or(|(d, _)| distance < d) {
                best = Some((distance, query));
            }
        }
        if let Some((_, query)) = best {
            pairs.push(Pair {
                item,
                query,
                weight: 1.0 / (size * size).max(1.0),
            });
        }
    }
    pairs
}
