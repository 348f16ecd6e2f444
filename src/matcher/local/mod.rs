//! Parts of pictures: candidates by local prints, a transform that their places
//! agree on, and verification patch by patch through it.
//!
//! Finding the item is easy, deciding is the problem: every e-mail in one mail
//! program agrees in its window, its buttons and its signature. So what is
//! counted is not how many places agree, but which share of all that the item
//! shows in the visible region does, each place weighed by how many other
//! pictures of the index have it too.

mod candidates;
mod geometry;

use std::collections::HashSet;

use super::evidence::Evidence;
use super::weigh;
use crate::error::Result;
use crate::fingerprint::{LocalKey, RasterPrints, signature_distance};
use crate::index::{Index, PartId, SearchStats, StoredPrint};
use crate::media::PartPath;
use crate::raster::{Frame, Pyramid, SCALE_STEPS, working_size};

use candidates::{Ballot, Candidate, Grid, Kind, Pose, Probe};
use geometry::{Pair, Transform};

/// Prints of the query that are looked up in each handedness.
const LOOKED_UP: usize = 1200;

/// Candidates whose details are compared.
const VERIFIED: usize = 16;

/// Patches agree if their signatures differ in no more bits of 128: a
/// correlation of about .75.
const AGREE: u32 = 30;

/// Patches further apart than this are not made to agree by moving one a little.
const HOPELESS: u32 = 46;

/// All matches of parts of one picture: the item's part and the evidence.
pub(super) fn find(
    index: &Index,
    key: &LocalKey,
    part: &PartPath,
    prints: &RasterPrints,
    stats: &mut SearchStats,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let locals = index.locals();
    let Some(pyramid) = prints.local.pixels.0.as_deref() else {
        return Ok(());
    };
    if locals.is_empty() || prints.local.prints.is_empty() {
        return Ok(());
    }
    let query = Query::new(prints, pyramid, key);
    let mut ballot = Ballot::new(locals);
    for (mirrored, probes) in [(false, &query.straight), (true, &query.mirrored)] {
        let step = probes.len().div_ceil(LOOKED_UP).max(1);
        for probe in probes.iter().step_by(step) {
            ballot.cast(probe, mirrored)?;
        }
    }
    stats.codes += ballot.compared;
    let mut verified = Vec::new();
    let mut posed = Vec::new();
    for candidate in ballot.candidates() {
        let (first, prints) = locals.of_picture(candidate.picture)?;
        if let Some(pose) = candidates::pose(&candidate, first, &prints) {
            posed.push((candidate, pose, prints));
        }
    }
    posed.sort_by(|(a, p, _), (b, q, _)| {
        q.weight
            .total_cmp(&p.weight)
            .then((a.picture, a.kind).cmp(&(b.picture, b.kind)))
    });
    posed.truncate(VERIFIED);
    for (candidate, pose, prints) in posed {
        if let Some(looked) = verify(&query, &prints, candidate.kind, &pose) {
            verified.push((candidate, looked));
        }
    }
    let claims: Vec<Claims> = verified
        .iter()
        .map(|(_, looked)| Claims::of(looked))
        .collect();
    for (candidate, looked) in &verified {
        let picture = index.pictures().get(candidate.picture)?;
        if picture.discounted {
            continue;
        }
        let rivals: Vec<&Claims> = (0..verified.len())
            .filter(|&j| verified[j].0.picture != candidate.picture)
            .map(|j| &claims[j])
            .collect();
        let found = weigh_up(looked, &rivals);
        let item_size = (picture.width, picture.height);
        report(
            picture.part,
            found.evidence(part, candidate, (prints.width, prints.height), item_size),
        )?;
    }
    Ok(())
}

/// A picture that is compared with many items.
struct Query<'a> {
    pyramid: &'a Pyramid,
    key: &'a LocalKey,
    straight: Vec<Probe>,
    mirrored: Vec<Probe>,
    grids: [Grid; 2],
}

impl<'a> Query<'a> {
    fn new(prints: &RasterPrints, pyramid: &'a Pyramid, key: &'a LocalKey) -> Self {
        let probes = |mirrored| -> Vec<Probe> {
            let keypoints = prints.local.prints.iter().map(|print| print.keypoint());
            candidates::probes(keypoints, pyramid, key, mirrored).collect()
        };
        let (straight, mirrored) = (probes(false), probes(true));
        let (width, height) = working_size(prints.width, prints.height);
        let grids = [&straight, &mirrored].map(|p| Grid::new(p, width, height));
        Self {
            pyramid,
            key,
            straight,
            mirrored,
            grids,
        }
    }

    fn handed(&self, mirrored: bool) -> (&[Probe], &Grid) {
        let [straight, turned] = &self.grids;
        if mirrored {
            (&self.mirrored, turned)
        } else {
            (&self.straight, straight)
        }
    }

    /// How far what the query shows in a frame is from the item's signature, in bits.
    fn distance(&self, frame: &Frame, print: &StoredPrint, inverted: bool) -> Option<u32> {
        let patch = self.pyramid.patch(frame)?;
        let patch = if print.keypoint.bright == inverted {
            patch.inverted()
        } else {
            patch
        };
        Some(signature_distance(
            &self.key.signature(&patch),
            &print.signature,
        ))
    }
}

/// What verification of one candidate gave.
struct Found {
    transform: Transform,
    /// Prints of the item that the query could show, and that it does show.
    compared: u32,
    agreed: u32,
    /// The same, weighed by rarity.
    compared_weight: f64,
    agreed_weight: f64,
    /// Left, top, right, bottom of what agrees, in working pixels.
    in_query: [f64; 4],
    in_item: [f64; 4],
}

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

fn verify(query: &Query<'_>, prints: &[StoredPrint], kind: Kind, pose: &Pose) -> Option<Looked> {
    let (probes, grid) = query.handed(kind.mirrored);
    let guided = |transform: &Transform, radius| {
        candidates::guided(transform, prints, probes, grid, kind.inverted, radius)
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
    let step = prints.len().div_ceil(220).max(1);
    let mut pairs = Vec::new();
    for print in prints.iter().step_by(step) {
        if let Some((distance, frame)) = look(query, &transform, print, kind.inverted)
            && distance <= AGREE
        {
            let size = f64::from(frame.u.0.hypot(frame.u.1));
            pairs.push(Pair {
                item: (f64::from(print.keypoint.x), f64::from(print.keypoint.y)),
                query: (f64::from(frame.x), f64::from(frame.y)),
                weight: 1.0 / (size * size),
            });
        }
    }
    if pairs.len() >= 6
        && let Some(better) = geometry::fit_robustly(&pairs)
    {
        transform = better;
    }
    let mut looks = Vec::with_capacity(prints.len());
    for print in prints {
        if let Some((distance, frame)) = look(query, &transform, print, kind.inverted) {
            looks.push(Look {
                distance,
                frame,
                solid: query.pyramid.solid(&frame),
                item: Frame::of(&print.keypoint),
                scale: print.keypoint.scale,
                agrees: false,
                hidden: false,
                weight: if print.discounted {
                    0.0
                } else {
                    1.0 / (1.0 + f64::from(print.others))
                },
            });
        }
    }
    Looked::new(transform, looks)
}

/// One print of an item, and what the query shows in its place.
struct Look {
    /// Bits of 128.
    distance: u32,
    frame: Frame,
    /// What most of the patch in the query has, if it is solid.
    solid: Option<u8>,
    item: Frame,
    scale: u8,
    weight: f64,
    agrees: bool,
    /// Something else lies over it in the query.
    hidden: bool,
}

/// What verification of one candidate saw.
struct Looked {
    transform: Transform,
    looks: Vec<Look>,
    /// The size of the finest details compared.
    finest: u8,
}

impl Looked {
    /// `None` if there is nothing to compare.
    fn new(transform: Transform, mut looks: Vec<Look>) -> Option<Self> {
        let finest = looks.iter().map(|l| l.scale).min()?;
        let octave = |look: &Look| usize::from(look.scale - finest) / SCALE_STEPS as usize;
        let all = limit(looks.iter().map(|l| l.distance))?;
        let last = looks.iter().map(octave).max()?;
        let limits: Vec<u32> = (0..=last)
            .map(|o| {
                let own = looks.iter().filter(|l| octave(l) == o);
                if own.clone().count() >= 24 {
                    limit(own.map(|l| l.distance)).unwrap_or(all)
                } else {
                    all
                }
            })
            .collect();
        for look in &mut looks {
            look.agrees = look.distance <= limits[octave(look)];
        }
        // The grounds that what agrees stands on.
        let mut grounds = [0_u32; 256];
        let mut grounded = 0;
        for ground in looks.iter().filter(|l| l.agrees).filter_map(|l| l.solid) {
            grounds[usize::from(ground)] += 1;
            grounded += 1;
        }
        for look in looks.iter_mut().filter(|l| !l.agrees) {
            look.hidden = look.solid.is_some_and(|ground| {
                let near =
                    usize::from(ground.saturating_sub(12))..=usize::from(ground.saturating_add(12));
                let like: u32 = grounds[near].iter().sum();
                like * 40 < grounded
            });
        }
        Some(Self {
            transform,
            looks,
            finest,
        })
    }
}

/// The distance up to which patches agree. What a copy has lost, it has lost everywhere: the
/// better quarter tells how much.
fn limit(distances: impl Iterator<Item = u32>) -> Option<u32> {
    let mut distances: Vec<u32> = distances.collect();
    distances.sort_unstable();
    let typical = f64::from(*distances.get(distances.len() / 4)?);
    Some(((1.3 * typical + LEEWAY) as u32).clamp(MIN_AGREE, MAX_AGREE))
}

const LEEWAY: f64 = 7.5;
const MIN_AGREE: u32 = 14;
const MAX_AGREE: u32 = 28;

/// Where in the query a candidate's details agree, coarsely.
struct Claims(HashSet<(i32, i32, i32)>);

impl Claims {
    fn key(frame: &Frame) -> (i32, i32, i32) {
        let size = frame.u.0.hypot(frame.u.1).max(0.5);
        let level = (2.0 * size.log2()).round() as i32;
        let cell = 4.0 * (level as f32 / 2.0).exp2();
        (
            (frame.x / cell).round() as i32,
            (frame.y / cell).round() as i32,
            level,
        )
    }

    fn of(looked: &Looked) -> Self {
        let mut claims = HashSet::new();
        for look in looked.looks.iter().filter(|l| l.agrees) {
            let (x, y, level) = Self::key(&look.frame);
            for dx in -1..=1 {
                for dy in -1..=1 {
                    claims.insert((x + dx, y + dy, level));
                }
            }
        }
        Self(claims)
    }

    fn has(&self, frame: &Frame) -> bool {
        self.0.contains(&Self::key(frame))
    }
}

/// The weighed account of what agrees.
fn weigh_up(looked: &Looked, rivals: &[&Claims]) -> Found {
    let mut found = Found {
        transform: looked.transform,
        compared: 0,
        agreed: 0,
        compared_weight: 0.0,
        agreed_weight: 0.0,
        in_query: EMPTY,
        in_item: EMPTY,
    };
    for look in looked.looks.iter().filter(|l| !l.hidden) {
        let rivals = rivals
            .iter()
            .filter(|claims| claims.has(&look.frame))
            .count();
        let fine = 2_f64.powf(-f64::from(look.scale - looked.finest) / 16.0);
        let rare = look.weight.min(1.0 / (1.0 + rivals as f64));
        let weight = rare * fine;
        found.compared += 1;
        found.compared_weight += weight;
        if look.agrees {
            found.agreed += 1;
            found.agreed_weight += weight;
            extend(&mut found.in_query, &look.frame);
            extend(&mut found.in_item, &look.item);
        }
    }
    found
}

const EMPTY: [f64; 4] = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];

fn extend(region: &mut [f64; 4], frame: &Frame) {
    let (x, y, reach) = (
        f64::from(frame.x),
        f64::from(frame.y),
        f64::from(frame.reach()),
    );
    region[0] = region[0].min(x - reach);
    region[1] = region[1].min(y - reach);
    region[2] = region[2].max(x + reach);
    region[3] = region[3].max(y + reach);
}

/// The best agreement around where a print should be: bits, and the frame. `None`
/// where the query cannot show it: outside, or too small. A flat place is no agreement.
fn look(
    query: &Query<'_>,
    transform: &Transform,
    print: &StoredPrint,
    inverted: bool,
) -> Option<(u32, Frame)> {
    let frame = transform.frame(&Frame::of(&print.keypoint))?;
    if !query.pyramid.shows(&frame) {
        return None;
    }
    let mut best = (u32::MAX, frame);
    for (i, (along, across)) in MOVES.into_iter().enumerate() {
        // Half a sample does not make another patch the same.
        if i == 1 && best.0 > HOPELESS {
            break;
        }
        let moved = frame.moved(along, across);
        if let Some(distance) = query.distance(&moved, print, inverted)
            && distance < best.0
        {
            best = (distance, moved);
        }
        // Nothing to gain.
        if best.0 <= 12 {
            break;
        }
    }
    Some(best)
}

impl Found {
    fn evidence(
        &self,
        part: &PartPath,
        candidate: &Candidate,
        query_size: (u32, u32),
        item_size: (u32, u32),
    ) -> Evidence {
        let share = self.agreed_weight / self.compared_weight.max(1e-9);
        let enough = (self.agreed_weight / 12.0).min(1.0);
        let score = weigh::rounded((share * enough).clamp(0.0, 1.0));
        let factor = |(width, height): (u32, u32)| {
            let (w, h) = working_size(width, height);
            (f64::from(width) / w as f64, f64::from(height) / h as f64)
        };
        let (qx, qy) = factor(query_size);
        let (ix, iy) = factor(item_size);
        let transform = Transform::scaling(1.0 / ix, 1.0 / iy)
            .then(&self.transform)
            .then(&Transform::scaling(qx, qy));
        let rect = |region: &[f64; 4], (fx, fy): (f64, f64), (width, height): (u32, u32)| {
            let clamp = |v: f64, most: u32| v.clamp(0.0, f64::from(most)) as u32;
            let (left, top) = (clamp(region[0] * fx, width), clamp(region[1] * fy, height));
            let (right, bottom) = (clamp(region[2] * fx, width), clamp(region[3] * fy, height));
            [
                left,
                top,
                right.saturating_sub(left),
                bottom.saturating_sub(top),
            ]
        };
        Evidence::Region {
            part: part.clone(),
            item_part: PartPath::root(),
            region: rect(&self.in_query, (qx, qy), query_size),
            item_region: rect(&self.in_item, (ix, iy), item_size),
            transform: transform.0.map(|v| (v * 1e6).round() / 1e6),
            mirrored: candidate.kind.mirrored,
            inverted: candidate.kind.inverted,
            agreed: self.agreed,
            compared: self.compared,
            distinctive: weigh::rounded(self.agreed_weight),
            share: weigh::rounded(share),
            score,
        }
    }
}
