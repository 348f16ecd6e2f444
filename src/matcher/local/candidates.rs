//! Look-ups of local prints, and the poses that their hits agree on.

use std::collections::HashMap;

use super::geometry::{Pair, Transform};
use crate::error::Result;
use crate::fingerprint::{KEY_BITS, KEYS, LocalKey, Projected, signature_distance};
use crate::index::{Locals, StoredPrint};
use crate::raster::{Frame, Keypoint, Patch, Pyramid, direction, scale_of};

/// A print of the query, straight or mirrored.
pub(super) struct Probe {
    pub(super) keypoint: Keypoint,
    pub(super) projected: Projected,
}

/// The query's prints in one handedness.
pub(super) fn probes<'a>(
    keypoints: impl Iterator<Item = Keypoint> + 'a,
    pyramid: &'a Pyramid,
    key: &'a LocalKey,
    mirrored: bool,
) -> impl Iterator<Item = Probe> + 'a {
    keypoints.filter_map(move |keypoint| {
        let patch = pyramid.patch(&Frame::of(&keypoint))?;
        let patch = upright(patch, keypoint.bright, mirrored);
        Some(Probe {
            keypoint,
            projected: key.project(&patch),
        })
    })
}

/// The patch as the prints of bright, not mirrored places have it.
fn upright(patch: Patch, bright: bool, mirrored: bool) -> Patch {
    let patch = if bright { patch } else { patch.inverted() };
    if mirrored { patch.mirrored() } else { patch }
}

/// How a copy differs from the item beyond its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    pub(super) mirrored: bool,
    pub(super) inverted: bool,
}

/// A print of the query that looks like one of an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub(super) query: Keypoint,
    /// The print's number in the index.
    pub(super) print: u32,
    pub(super) distance: u32,
    /// The query's size over the item's, in sixteenths of an octave.
    ratio: i16,
    /// The turn from the item's direction to the query's, in 256ths.
    turn: u8,
    pub(super) weight: f32,
}

/// All votes for one picture.
pub(super) struct Candidate {
    pub(super) picture: u32,
    pub(super) kind: Kind,
    pub(super) votes: Vec<Vote>,
    pub(super) weight: f32,
}

/// The first half of a signature differs in no more bits of 64 ...
const HALF_RADIUS: u32 = 13;
/// ... and all of it in no more of 128.
const RADIUS: u32 = 28;

/// A vote needs ...
const VOTE_RADIUS: u32 = 24;

/// Prints that more pictures than this have are no sign of any of them.
const COMMON: u8 = 60;

/// Votes that make a candidate.
const MIN_VOTES: usize = 4;

/// Candidates that are looked at further.
const CANDIDATES: usize = 64;

/// Which of the least certain bits of a key are turned, in the order of how
/// likely it is that just they differ (Lv et al., "Multi-probe LSH", 2007).
const FLIPS: [u16; 16] = [
    0b0, 0b1, 0b10, 0b11, 0b100, 0b101, 0b1000, 0b110, 0b1001, 0b111, 0b1_0000, 0b1010, 0b1_0001,
    0b10_0000, 0b1100, 0b1011,
];

/// Collects votes by picture.
pub(super) struct Ballot<'a> {
    locals: Locals<'a>,
    votes: HashMap<(u32, Kind), Vec<Vote>>,
    /// Codes compared.
    pub(super) compared: u64,
}

impl<'a> Ballot<'a> {
    pub(super) fn new(locals: Locals<'a>) -> Self {
        Self {
            locals,
            votes: HashMap::new(),
            compared: 0,
        }
    }

    /// Looks one print up.
    pub(super) fn cast(&mut self, probe: &Probe, mirrored: bool) -> Result<()> {
        let bits = self.locals.key_bits();
        let mut hits: Vec<(u32, u32)> = Vec::new();
        for table in 0..KEYS {
            let key = probe.projected.keys[table];
            let order = least_certain(&probe.projected.margins[table], bits);
            for flips in FLIPS {
                let mut probed = key;
                for (rank, &bit) in order.iter().enumerate() {
                    probed ^= (flips >> rank & 1) << bit;
                }
                let (ids, codes) = self.locals.bucket(table, probed)?;
                self.compared += codes.len() as u64;
                let own = probe.projected.signature[0];
                for (&id, &code) in ids.iter().zip(codes) {
                    let half = (code ^ own).count_ones();
                    if half <= HALF_RADIUS {
                        hits.push((id, half));
                    }
                }
            }
        }
        hits.sort_unstable();
        hits.dedup();
        let mut cast = Vec::new();
        for (print, half) in hits {
            let (picture, record) = self.locals.owner(print)?;
            let distance = half + (record.signature[1] ^ probe.projected.signature[1]).count_ones();
            if distance > VOTE_RADIUS || record.others() > COMMON || record.is_discounted() {
                continue;
            }
            let kind = Kind {
                mirrored,
                inverted: record.is_bright() != probe.keypoint.bright,
            };
            cast.push((
                (picture, kind),
                Vote {
                    query: probe.keypoint,
                    print,
                    distance,
                    ratio: i16::from(probe.keypoint.scale) - i16::from(record.scale()),
                    turn: turn(probe.keypoint.angle, record.angle(), mirrored),
                    weight: 1.0,
                },
            ));
        }
        // A print has one vote, shared among what it looks like: most of it goes to the nearest.
        let nearness = |vote: &Vote| (-(vote.distance as f32) / 4.0).exp2();
        let total: f32 = cast.iter().map(|(_, vote)| nearness(vote)).sum();
        for (candidate, vote) in cast {
            let weight = nearness(&vote) / total;
            self.votes
                .entry(candidate)
                .or_default()
                .push(Vote { weight, ..vote });
        }
        Ok(())
    }

    /// The pictures with the most votes, each counted by its rarity.
    pub(super) fn candidates(self) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .votes
            .into_iter()
            .filter(|(_, votes)| votes.len() >= MIN_VOTES)
            .map(|((picture, kind), votes)| concentrate(picture, kind, votes))
            .filter(|candidate| candidate.votes.len() >= MIN_VOTES)
            .collect();
        candidates.sort_by(|a, b| {
            b.weight
                .total_cmp(&a.weight)
                .then((a.picture, a.kind).cmp(&(b.picture, b.kind)))
        });
        candidates.truncate(CANDIDATES);
        candidates
    }
}

/// Bins of the ratio of sizes, each half an octave, and of the angle between directions.
const RATIOS: usize = 24;
const ANGLES: usize = 16;

/// Keeps the votes that tell about the same ratio of sizes and the same turn: those of a copy
/// do, those of chance are spread (Jégou, Douze and Schmid, "Hamming embedding
/// and weak geometric consistency", 2008).
fn concentrate(picture: u32, kind: Kind, mut votes: Vec<Vote>) -> Candidate {
    let bin = |vote: &Vote| {
        let ratio = (i32::from(vote.ratio) + 96).clamp(0, 191) as usize / 8;
        (ratio, usize::from(vote.turn) * ANGLES / 256)
    };
    let mut weights = [[0.0_f32; ANGLES]; RATIOS];
    for vote in &votes {
        let (ratio, angle) = bin(vote);
        weights[ratio][angle] += vote.weight;
    }
    // The best window of two by two bins.
    let window = |ratio: usize, angle: usize| {
        let next = (angle + 1) % ANGLES;
        let above = (ratio + 1).min(RATIOS - 1);
        weights[ratio][angle] + weights[ratio][next] + weights[above][angle] + weights[above][next]
    };
    let mut best = (0.0, 0, 0);
    for ratio in 0..RATIOS {
        for angle in 0..ANGLES {
            let weight = window(ratio, angle);
            if weight > best.0 {
                best = (weight, ratio, angle);
            }
        }
    }
    let (weight, ratio, angle) = best;
    votes.retain(|vote| {
        let (r, a) = bin(vote);
        (r == ratio || r == ratio + 1) && (a == angle || a == (angle + 1) % ANGLES)
    });
    votes.sort_by(|a, b| {
        b.weight
            .total_cmp(&a.weight)
            .then((a.distance, a.print).cmp(&(b.distance, b.print)))
    });
    Candidate {
        picture,
        kind,
        votes,
        weight,
    }
}

/// The six bits of a key with the least margins, of those that select a bucket.
fn least_certain(margins: &[u32; KEY_BITS], bits: u32) -> [u16; 6] {
    let unused = KEY_BITS - bits as usize;
    let mut order: [(u32, u16); KEY_BITS] = std::array::from_fn(|bit| {
        let margin = if bit < unused { u32::MAX } else { margins[bit] };
        (margin, bit as u16)
    });
    order.sort_unstable();
    std::array::from_fn(|rank| order[rank].1)
}

/// Votes that poses are made of, and compared by.
const POSES: usize = 100;

/// A pose and the pairs that agree with it.
pub(super) struct Pose {
    /// The weight of the votes that agree.
    pub(super) weight: f32,
    pub(super) transform: Transform,
    pub(super) pairs: Vec<Pair>,
}

/// The pose that most votes agree on, each vote for a similarity of its own.
pub(super) fn pose(candidate: &Candidate, first: u32, prints: &[StoredPrint]) -> Option<Pose> {
    let votes: Vec<(&Vote, &StoredPrint)> = candidate
        .votes
        .iter()
        .filter_map(|vote| Some((vote, prints.get((vote.print - first) as usize)?)))
        .take(POSES)
        .collect();
    let mirrored = candidate.kind.mirrored;
    let mut best: (f32, Vec<Pair>, Option<Transform>) = (0.0, Vec::new(), None);
    for (vote, print) in &votes {
        let hypothesis = similarity(&vote.query, &print.keypoint, mirrored);
        let mut pairs = Vec::new();
        let mut weight = 0.0;
        let mut places: Vec<(u32, u32)> = Vec::new();
        for (other, item) in &votes {
            let place = place(&item.keypoint);
            let Some((x, y)) = hypothesis.apply(place) else {
                continue;
            };
            let query = self::place(&other.query);
            let from = self::place(&vote.query);
            let away = (query.0 - from.0).hypot(query.1 - from.1);
            let slack = 4.0 * f64::from(scale_of(other.query.scale)) + 0.12 * away;
            if (x - query.0).hypot(y - query.1) > slack
                || !same_size(&vote.query, &print.keypoint, &other.query, &item.keypoint)
            {
                continue;
            }
            // Two orientations of one place are one vote.
            let key = (
                query.0.to_bits() as u32,
                query.1.to_bits() as u32 ^ place.0 as u32,
            );
            if places.contains(&key) {
                continue;
            }
            places.push(key);
            weight += other.weight;
            pairs.push(Pair {
                item: place,
                query,
                weight: 1.0,
            });
        }
        if pairs.len() >= MIN_VOTES && weight > best.0 {
            best = (weight, pairs, Some(hypothesis));
        }
    }
    let (weight, pairs, transform) = best;
    Some(Pose {
        weight,
        transform: transform?,
        pairs,
    })
}

fn place(keypoint: &Keypoint) -> (f64, f64) {
    (f64::from(keypoint.x), f64::from(keypoint.y))
}

/// The angle by which an item is turned, after it was mirrored if it was.
fn turn(query: u8, item: u8, mirrored: bool) -> u8 {
    if mirrored {
        query.wrapping_add(item)
    } else {
        query.wrapping_sub(item)
    }
}

/// The similarity that takes one keypoint to the other.
fn similarity(query: &Keypoint, item: &Keypoint, mirrored: bool) -> Transform {
    let scale = f64::from(scale_of(query.scale) / scale_of(item.scale));
    let (cos, sin) = direction(turn(query.angle, item.angle, mirrored));
    let (cos, sin) = (scale * f64::from(cos), scale * f64::from(sin));
    let matrix = if mirrored {
        [cos, sin, sin, -cos]
    } else {
        [cos, -sin, sin, cos]
    };
    Transform::about(place(item), place(query), matrix)
}

/// Whether two pairs of keypoints tell about the same ratio of sizes.
fn same_size(a: &Keypoint, b: &Keypoint, c: &Keypoint, d: &Keypoint) -> bool {
    let ratio = |q: &Keypoint, i: &Keypoint| i32::from(q.scale) - i32::from(i.scale);
    (ratio(a, b) - ratio(c, d)).abs() <= 6
}

/// The query's prints by place, for finding those near where an item's should be.
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

    /// The probes within the cells that a circle touches.
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

/// The best pair for every print of the item near where the transform takes it.
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
        let mut best: Option<(u32, (f64, f64))> = None;
        for i in grid.near(x as f32, y as f32, radius as f32) {
            let Some(probe) = probes.get(i as usize) else {
                continue;
            };
            let query = place(&probe.keypoint);
            if (probe.keypoint.bright != print.keypoint.bright) != inverted
                || (query.0 - x).hypot(query.1 - y) > radius
            {
                continue;
            }
            let ratio = f64::from(scale_of(probe.keypoint.scale)) / size;
            if !(0.72..1.4).contains(&ratio) {
                continue;
            }
            let distance = signature_distance(&probe.projected.signature, &print.signature);
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
