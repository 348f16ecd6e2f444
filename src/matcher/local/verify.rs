//! Verification of one candidate: the transform is refined, then every print of the item that
//! the query could show is compared with what is there.

use super::Query;
use super::candidates::{Kind, Pose};
use super::geometry::{self, Pair, Transform};
use super::grid;
use super::verdict::{Comparison, PatchComparison};
use crate::index::StoredPrint;
use crate::raster::Frame;

/// Moves tried around each place, in parts of the distance between samples.
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

/// Patches further apart than this are not made to agree by moving one a little.
const MAX_IMPROVABLE_DISTANCE: u32 = 44;

/// Patches this near are as good as equal.
const MAX_EQUAL_DISTANCE: u32 = 8;

/// Patches agree well enough to tell where they lie: a correlation of about .75.
const MAX_AGREEING_DISTANCE: u32 = 30;

/// Prints by which a transform is refined, and by which it is judged whether it is worth more.
const MAX_REFINING_PRINTS: usize = 160;

/// Of these at least one in so many must agree, and of the first few too.
const MIN_AGREEMENT: usize = 4;

/// The first few.
const EARLY_EXIT_PRINTS: usize = 48;

/// Of what agrees, the ground is looked at for one in so many.
const BACKGROUND_STEP: usize = 3;

/// The comparison under the best transform that the candidate's pairs lead to; `None` if they lead
/// nowhere. `crowding` is that of the [index](crate::index::Locals::crowding) of the prints.
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
    // Pixels tell the place better than keypoints: where the patch agrees best.
    let step = prints.len().div_ceil(MAX_REFINING_PRINTS).max(1);
    let mut pairs = Vec::new();
    let mut shown = 0;
    // In three rounds, each of all sizes.
    let rounds = (0..3).flat_map(|r| prints.iter().skip(r * step).step_by(3 * step));
    for print in rounds {
        let Some((distance, frame)) = compare_patch(query, &transform, print, kind.inverted) else {
            continue;
        };
        shown += 1;
        if shown == EARLY_EXIT_PRINTS && pairs.len() * MIN_AGREEMENT < shown {
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
    if pairs.len() * MIN_AGREEMENT < shown {
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
        let asked = distance > MAX_EQUAL_DISTANCE || i % BACKGROUND_STEP == 0;
        patches.push(PatchComparison {
            distance,
            frame,
            solid: asked.then(|| query.seen.pyramid.solid(&frame)).flatten(),
            item: Frame::of(&print.keypoint),
            scale: print.keypoint.scale,
            weight: if print.discounted {
                0.0
            } else {
                1.0 / (1.0 + f64::from(print.others) / crowding)
            },
        });
    }
    (!patches.is_empty()).then_some(Comparison { transform, patches })
}

/// The best agreement around where a print should be: bits, and the frame. `None`
/// where the query cannot show it: outside, or too small. A flat place is no agreement.
fn compare_patch(
    query: &Query<'_>,
    transform: &Transform,
    print: &StoredPrint,
    inverted: bool,
) -> Option<(u32, Frame)> {
    let frame = transform.frame(&Frame::of(&print.keypoint))?;
    if !query.seen.pyramid.shows(&frame) {
        return None;
    }
    let mut best = (u32::MAX, frame);
    for (i, (along, across)) in MOVES.into_iter().enumerate() {
        // Half a sample does not make another patch the same.
        if i == 1 && best.0 > MAX_IMPROVABLE_DISTANCE {
            break;
        }
        let moved = frame.moved(along, across);
        if let Some(distance) = query.distance(&moved, print, inverted)
            && distance < best.0
        {
            best = (distance, moved);
        }
        // Nothing to gain.
        if best.0 <= MAX_EQUAL_DISTANCE {
            break;
        }
    }
    Some(best)
}
