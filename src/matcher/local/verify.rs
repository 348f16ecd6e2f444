//! Verification of one candidate: refines the transform, then compares every print of the item in
//! the visible region with the query.

use super::Query;
use super::candidates::{Kind, Pose};
use super::comparison::{Comparison, PatchComparison};
use super::doubt;
use super::geometry::{self, Pair, Transform};
use super::grid;
use crate::index::StoredPrint;
use crate::raster::Frame;

/// Offsets tried around each place, in units of the distance between samples.
const MOVES: [(f32, f32); 9] = [
    (0.0, 0.0),
    (0.6, 0.0),
    (-0.6, 0.0),
    (0.0, 0.6),
    (0.0, -0.6),
    (0.6, 0.6),
    (-0.6, -0.6),
    (0.6, -0.6),
    (-0.6, 0.6),
];

/// Bits of 128 by which patches may differ for an offset to be worth trying.
const MAX_IMPROVABLE_DISTANCE: u32 = 44;

/// Bits of 128 up to which no better offset is looked for.
const MAX_EQUAL_DISTANCE: u32 = 8;

/// Bits of 128 up to which patches are aligned well enough to refine the transform: a correlation of
/// about .75.
const MAX_AGREEING_DISTANCE: u32 = 30;

/// Prints by which a transform is refined.
const MAX_REFINING_PRINTS: usize = 160;

/// The comparison continues only if at least one in this many of these prints agrees.
const PRINTS_PER_AGREEMENT: usize = 4;

/// Prints after which agreement is checked for the first time.
const EARLY_EXIT_PRINTS: usize = 48;

/// The background is computed for one in this many prints that agree.
const BACKGROUND_STEP: usize = 3;

/// Compares a candidate with the query under the best transform of its pairs; returns `None` if there
/// is none. `crowding` is that of the print's [index](crate::index::Locals::crowding).
pub(super) fn verify(
    query: &Query<'_>,
    prints: &[StoredPrint],
    kind: Kind,
    pose: &Pose,
    crowding: f64,
) -> Option<Comparison> {
    let probes = query.probes(kind.mirrored);
    let guided = |transform: &Transform, radius| {
        grid::guided(
            transform,
            prints,
            probes,
            &query.grid,
            kind.inverted,
            radius,
        )
    };
    let mut best: Option<(usize, Transform)> = None;
    let mut consider = |transform: Transform| {
        let pairs = guided(&transform, 2.5);
        if best.as_ref().is_none_or(|(count, _)| pairs.len() > *count) {
            best = Some((pairs.len(), transform));
        }
        pairs
    };
    let agreed = geometry::consensus(&pose.pairs, 6.0);
    let near = match geometry::fit_robustly(&agreed) {
        Some(transform) => {
            consider(transform);
            guided(&transform, 8.0)
        }
        None => guided(&pose.transform, 10.0),
    };
    if near.len() < 4 {
        return None;
    }
    let mut pairs = geometry::consensus(&near, 4.0);
    for _ in 0..3 {
        let Some(transform) = geometry::fit_robustly(&pairs) else {
            break;
        };
        pairs = consider(transform);
    }
    let (count, mut transform) = best?;
    if count < 4 {
        return None;
    }
    // Pixels are more exact than keypoints: refine by the offsets with the best agreement.
    let step = prints.len().div_ceil(MAX_REFINING_PRINTS).max(1);
    let mut pairs = Vec::new();
    let mut shown = 0;
    // In three rounds, each with prints of all sizes.
    let rounds = (0..3).flat_map(|r| prints.iter().skip(r * step).step_by(3 * step));
    for print in rounds {
        let Some((distance, frame)) = compare_patch(query, &transform, print, kind.inverted) else {
            continue;
        };
        shown += 1;
        if shown == EARLY_EXIT_PRINTS && pairs.len() * PRINTS_PER_AGREEMENT < shown {
            return None;
        }
        if distance <= MAX_AGREEING_DISTANCE {
            let size = f64::from(frame.u.0.hypot(frame.u.1));
            pairs.push(Pair {
                item: (f64::from(print.keypoint.x), f64::from(print.keypoint.y)),
                query: (f64::from(frame.x), f64::from(frame.y)),
                weight: 1.0 / (size * size),
            });
        }
    }
    if pairs.len() * PRINTS_PER_AGREEMENT < shown {
        return None;
    }
    if pairs.len() >= 6
        && let Some(better) = geometry::fit_robustly(&pairs)
    {
        transform = better;
    }
    let mut patches = Vec::with_capacity(prints.len());
    for (i, print) in prints.iter().enumerate() {
        let Some((distance, frame)) = compare_patch(query, &transform, print, kind.inverted) else {
            continue;
        };
        let is_sampled = distance > MAX_EQUAL_DISTANCE || i % BACKGROUND_STEP == 0;
        patches.push(PatchComparison {
            distance,
            frame,
            background: is_sampled
                .then(|| query.decoded.pyramid.solid(&frame))
                .flatten(),
            item: Frame::of(&print.keypoint),
            scale: print.keypoint.scale,
            weight: if print.discounted {
                0.0
            } else {
                1.0 / (1.0 + f64::from(print.others) / crowding)
            },
        });
    }
    let usable = !patches.is_empty() && !doubt::is_distorted(&transform, &patches);
    usable.then_some(Comparison { transform, patches })
}

/// Returns the least distance in bits around the place of a print, and its frame. Returns `None` where
/// the query cannot show the print because it would be outside or too small. A flat place does not
/// agree.
fn compare_patch(
    query: &Query<'_>,
    transform: &Transform,
    print: &StoredPrint,
    inverted: bool,
) -> Option<(u32, Frame)> {
    let frame = transform.frame(&Frame::of(&print.keypoint))?;
    if !query.decoded.pyramid.shows(&frame) {
        return None;
    }
    let mut best = (u32::MAX, frame);
    for (i, (along, across)) in MOVES.into_iter().enumerate() {
        // An offset of half a sample does not make a different patch similar.
        if i == 1 && best.0 > MAX_IMPROVABLE_DISTANCE {
            break;
        }
        let moved = frame.moved(along, across);
        if let Some(distance) = query.distance(&moved, print, inverted)
            && distance < best.0
        {
            best = (distance, moved);
        }
        // No offset is much better.
        if best.0 <= MAX_EQUAL_DISTANCE {
            break;
        }
    }
    Some(best)
}
