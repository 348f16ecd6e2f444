//! Candidates: look-ups of local prints, and the poses on which their hits agree.

use std::collections::HashMap;

use super::geometry::{Pair, Transform};
use crate::arch::Backend;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::{LocalKey, LocalPrint, Projected, signature_distance};
use crate::index::{IndexSet, IndexView};
use crate::index::{KEY_BITS, StoredPrint, TABLES, check};
use crate::raster::{Keypoint, Patch, direction, scale_of};

/// A print of the query, upright or mirrored.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    pub(super) keypoint: Keypoint,
    pub(super) signature: [u64; 2],
}

impl Probe {
    pub(super) fn upright(print: &LocalPrint) -> Self {
        Self {
            keypoint: print.keypoint(),
            signature: print.signature,
        }
    }

    /// Returns the print that the mirrored picture has in this place.
    pub(super) fn mirrored(print: &LocalPrint, patch: &Patch, key: &LocalKey) -> Self {
        Self {
            keypoint: print.keypoint(),
            signature: key.signature(&patch.mirrored()),
        }
    }
}

/// Whether a copy is mirrored and inverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Kind {
    pub(super) mirrored: bool,
    pub(super) inverted: bool,
}

/// A vote for a picture: a print of the query that is like one of the picture's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub(super) query: Keypoint,
    /// The print's number in its index.
    pub(super) print: u32,
    pub(super) distance: u32,
    /// The ratio of the query's size to the item's, in sixteenths of an octave.
    ratio: i16,
    /// The rotation from the item's direction to the query's, in 256ths of a turn.
    turn: u8,
    pub(super) weight: f32,
}

/// All votes for one picture.
pub(super) struct Candidate {
    /// The picture's number in the set of indexes.
    pub(super) picture: u32,
    pub(super) kind: Kind,
    pub(super) votes: Vec<Vote>,
    pub(super) weight: f32,
}

/// Bits of 128 in which the signatures of two prints may differ for a vote, before crowding: the
/// more pictures there are, the more are like by chance.
const VOTE_RADIUS: f64 = 20.0;

/// Bits of the 32 in a table's entry that may differ for a vote.
const CHECK_RADIUS: u32 = 6;

/// Votes that make a candidate.
const MIN_VOTES: usize = 4;

/// Votes that must agree on a pose, and their weight, or the pose is weak. Of screens, the copies
/// that were found had at least 12 votes and a weight of 2.1; four in five of the other candidates
/// have less than these.
const MIN_POSE_VOTES: usize = 7;
const MIN_POSE_WEIGHT: f32 = 1.2;

/// Candidates whose poses are computed.
const MAX_CANDIDATES: usize = 48;

/// The sets of the least certain bits of a key that are flipped, by descending probability that
/// exactly these differ (Lv et al., "Multi-probe LSH", 2007).
const FLIPS: [u32; 16] = [
    0b0, 0b1, 0b10, 0b11, 0b100, 0b101, 0b1000, 0b110, 0b1_0000, 0b1001, 0b111, 0b1010, 0b1_0001,
    0b1011, 0b1_0010, 0b1100,
];

/// Bits that [`FLIPS`] may flip.
const UNCERTAIN_BITS: usize = 5;

/// Buckets by which bounds are prefetched ahead; entries are by half of this number.
const AHEAD: usize = 32;

/// Entries of a bucket. Larger buckets have details that are like in many pictures, and would cost
/// more than all others; they are skipped.
const MAX_BUCKET_ENTRIES: usize = 80;

/// Probes or candidates processed between two checks of the deadline: some hundred microseconds.
const STEPS_PER_CHECK: u32 = 64;

/// Hits that count as one step.
const HITS_PER_STEP: u32 = 64;

/// The vote of a probe whose weight is not known yet.
struct UnweightedVote {
    probe: u32,
    candidate: (u32, Kind),
    vote: Vote,
}

/// Collects votes by picture.
pub(super) struct VoteCounter<'a> {
    indexes: &'a IndexSet,
    pub(super) deadline: &'a Deadline,
    votes: HashMap<(u32, Kind), Vec<Vote>>,
    /// [`VOTE_RADIUS`], reduced for the number of pictures.
    radius: u32,
    /// Entries of buckets compared so far.
    pub(super) compared: u64,
}

impl<'a> VoteCounter<'a> {
    pub(super) fn new(indexes: &'a IndexSet, deadline: &'a Deadline) -> Self {
        // One bit less for every three doublings of the number of pictures.
        let doubled = 2.0 * indexes.crowding().log2();
        Self {
            radius: (VOTE_RADIUS - doubled / 3.0).round() as u32,
            indexes,
            deadline,
            votes: HashMap::new(),
            compared: 0,
        }
    }

    /// Looks up all probes; `projected` holds the projections of their patches.
    pub(super) fn cast(
        &mut self,
        probes: &[Probe],
        mirrored: bool,
        projected: &[Projected],
    ) -> Result<()> {
        let mut cast = Vec::new();
        for view in self.indexes.views() {
            self.look_up(view, probes, mirrored, projected, &mut cast)?;
        }
        // A print has one vote in total, shared among the like prints of all indexes.
        cast.sort_by_key(|cast| cast.probe);
        for of_probe in cast.chunk_by(|a, b| a.probe == b.probe) {
            self.vote(of_probe);
        }
        Ok(())
    }

    /// Appends the like prints of one index, grouped by probe.
    fn look_up(
        &mut self,
        view: &IndexView,
        probes: &[Probe],
        mirrored: bool,
        projected: &[Projected],
        cast: &mut Vec<UnweightedVote>,
    ) -> Result<()> {
        let locals = view.index.locals();
        if locals.is_empty() {
            return Ok(());
        }
        let mut buckets: Vec<u32> = Vec::with_capacity(probes.len() * TABLES * FLIPS.len());
        for (probe, sums) in probes.iter().zip(projected) {
            for (table, &word) in probe.signature.iter().enumerate() {
                let sums = sums.0.as_chunks::<64>().0;
                let order = least_certain(&sums[table], locals.key_bits());
                buckets.extend(FLIPS.iter().map(|flips| {
                    let turned = order.iter().enumerate().fold(0, |bits, (rank, &bit)| {
                        bits | u64::from(flips >> rank & 1) << bit
                    });
                    locals.bucket(table, word ^ turned)
                }));
            }
        }
        let mut hits: Vec<u32> = Vec::new();
        let each = TABLES * FLIPS.len();
        let backend = Backend::detect();
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        for (n, probe) in probes.iter().enumerate() {
            pacer.step()?;
            hits.clear();
            for at in n * each..(n + 1) * each {
                if let Some(&ahead) = buckets.get(at + AHEAD) {
                    locals.prefetch_bounds(ahead);
                }
                if let Some(&ahead) = buckets.get(at + AHEAD / 2) {
                    locals.prefetch_entries(ahead);
                }
                let entries = locals.entries(buckets[at])?;
                if entries.len() > MAX_BUCKET_ENTRIES {
                    continue;
                }
                self.compared += entries.len() as u64;
                let own = check(probe.signature[(at - n * each) / FLIPS.len()]);
                backend.near32(own, entries, CHECK_RADIUS, &mut hits);
            }
            hits.sort_unstable();
            hits.dedup();
            pacer.steps(hits.len() as u32 / HITS_PER_STEP)?;
            for &print in &hits {
                let record = locals.print(print)?;
                let distance = signature_distance(&record.signature, &probe.signature);
                if distance > self.radius {
                    continue;
                }
                let picture = locals.owner(print)?;
                if !view.hidden.is_empty()
                    && view.is_hidden(view.index.pictures().part_of(picture)?)?
                {
                    continue;
                }
                let kind = Kind {
                    mirrored,
                    inverted: record.is_bright() != probe.keypoint.bright,
                };
                cast.push(UnweightedVote {
                    probe: n as u32,
                    candidate: (view.first_picture + picture, kind),
                    vote: Vote {
                        query: probe.keypoint,
                        print,
                        distance,
                        ratio: i16::from(probe.keypoint.scale) - i16::from(record.scale()),
                        turn: turn(probe.keypoint.angle, record.angle(), mirrored),
                        weight: 1.0,
                    },
                });
            }
        }
        Ok(())
    }

    /// Adds the votes of one probe for the pictures with like prints. The weights sum to one; the
    /// nearest print has most of it.
    fn vote(&mut self, cast: &[UnweightedVote]) {
        let nearness = |vote: &Vote| (-(vote.distance as f32) / 4.0).exp2();
        let total: f32 = cast.iter().map(|cast| nearness(&cast.vote)).sum();
        for UnweightedVote {
            candidate, vote, ..
        } in cast
        {
            let weight = nearness(vote) / total;
            let votes = self.votes.entry(*candidate).or_default();
            votes.push(Vote { weight, ..*vote });
        }
    }

    /// Returns the pictures with the most votes, by weight.
    pub(super) fn candidates(self) -> Result<Vec<Candidate>> {
        let mut pacer = self.deadline.pacer(STEPS_PER_CHECK);
        let mut candidates: Vec<Candidate> = Vec::new();
        for ((picture, kind), votes) in self.votes {
            if votes.len() < MIN_VOTES {
                continue;
            }
            pacer.step()?;
            let candidate = concentrate(picture, kind, votes);
            if candidate.votes.len() >= MIN_VOTES {
                candidates.push(candidate);
            }
        }
        candidates.sort_by(|a, b| {
            b.weight
                .total_cmp(&a.weight)
                .then((a.picture, a.kind).cmp(&(b.picture, b.kind)))
        });
        candidates.truncate(MAX_CANDIDATES);
        Ok(candidates)
    }
}

/// Bins of the ratio of sizes, each half an octave, and of the angle of rotation.
const RATIO_BINS: usize = 24;
const ANGLE_BINS: usize = 16;

/// Keeps the votes in the best bins of size ratio and rotation: the votes for a copy agree, those
/// by chance are spread (Jégou, Douze and Schmid, "Hamming embedding and weak geometric
/// consistency", 2008).
fn concentrate(picture: u32, kind: Kind, mut votes: Vec<Vote>) -> Candidate {
    let bin = |vote: &Vote| {
        let ratio = (i32::from(vote.ratio) + 96).clamp(0, 191) as usize / 8;
        (ratio, usize::from(vote.turn) * ANGLE_BINS / 256)
    };
    let mut weights = [[0.0_f32; ANGLE_BINS]; RATIO_BINS];
    for vote in &votes {
        let (ratio, angle) = bin(vote);
        weights[ratio][angle] += vote.weight;
    }
    // The best window of two by two bins.
    let window = |ratio: usize, angle: usize| {
        let next = (angle + 1) % ANGLE_BINS;
        let above = (ratio + 1).min(RATIO_BINS - 1);
        weights[ratio][angle] + weights[ratio][next] + weights[above][angle] + weights[above][next]
    };
    let mut best = (0.0, 0, 0);
    for ratio in 0..RATIO_BINS {
        for angle in 0..ANGLE_BINS {
            let weight = window(ratio, angle);
            if weight > best.0 {
                best = (weight, ratio, angle);
            }
        }
    }
    let (weight, ratio, angle) = best;
    votes.retain(|vote| {
        let (r, a) = bin(vote);
        (r == ratio || r == ratio + 1) && (a == angle || a == (angle + 1) % ANGLE_BINS)
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

/// Returns the bits of a key with sums nearest to zero, of those that select a bucket: those most
/// likely to differ in a copy.
fn least_certain(sums: &[i32; 64], bits: u32) -> [u32; UNCERTAIN_BITS] {
    let mut least = [(u32::MAX, 0); UNCERTAIN_BITS];
    for (bit, sum) in (0..bits.min(KEY_BITS as u32)).zip(sums) {
        let mut entry = (sum.unsigned_abs(), bit);
        if entry < least[UNCERTAIN_BITS - 1] {
            for slot in &mut least {
                if entry < *slot {
                    std::mem::swap(&mut entry, slot);
                }
            }
        }
    }
    least.map(|(_, bit)| bit)
}

/// Votes whose poses are tried.
const MAX_HYPOTHESES: usize = 24;

/// Votes by which poses are scored.
const MAX_SCORED_VOTES: usize = 100;

/// A pose and the pairs that agree with it.
pub(super) struct Pose {
    /// The weight of the votes that agree.
    pub(super) weight: f32,
    pub(super) transform: Transform,
    pub(super) pairs: Vec<Pair>,
}

impl Pose {
    /// Returns whether few votes agree, as they may by chance.
    pub(super) fn is_weak(&self) -> bool {
        self.pairs.len() < MIN_POSE_VOTES || self.weight < MIN_POSE_WEIGHT
    }
}

/// Returns the pose on which most votes agree. The hypotheses are the similarity transforms of single
/// votes.
pub(super) fn pose(candidate: &Candidate, first: u32, prints: &[StoredPrint]) -> Option<Pose> {
    let votes: Vec<(&Vote, &StoredPrint)> = candidate
        .votes
        .iter()
        .filter_map(|vote| {
            // In a damaged file the numbers of prints may be out of order.
            let at = vote.print.checked_sub(first)?;
            Some((vote, prints.get(at as usize)?))
        })
        .take(MAX_SCORED_VOTES)
        .collect();
    let mirrored = candidate.kind.mirrored;
    let mut best: (f32, Vec<Pair>, Option<Transform>) = (0.0, Vec::new(), None);
    let mut pairs = Vec::new();
    let mut places: Vec<(u32, u32)> = Vec::new();
    for (vote, print) in votes.iter().take(MAX_HYPOTHESES) {
        let hypothesis = similarity(&vote.query, &print.keypoint, mirrored);
        let from = place(&vote.query);
        let mut weight = 0.0;
        pairs.clear();
        places.clear();
        for (other, item) in &votes {
            if !same_size(&vote.query, &print.keypoint, &other.query, &item.keypoint) {
                continue;
            }
            let (place, query) = (place(&item.keypoint), place(&other.query));
            let Some((x, y)) = hypothesis.apply(place) else {
                continue;
            };
            let square = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2);
            let slack =
                4.0 * f64::from(scale_of(other.query.scale)) + 0.12 * square(query, from).sqrt();
            if square((x, y), query) > slack * slack {
                continue;
            }
            // Two orientations of one place count as one vote.
            let key = (
                other.query.x.to_bits(),
                other.query.y.to_bits() ^ item.keypoint.x.to_bits(),
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
            best = (weight, pairs.clone(), Some(hypothesis));
        }
    }
    let (weight, pairs, transform) = best;
    Some(Pose {
        weight,
        transform: transform?,
        pairs,
    })
}

pub(super) fn place(keypoint: &Keypoint) -> (f64, f64) {
    (f64::from(keypoint.x), f64::from(keypoint.y))
}

/// Returns the angle by which an item is rotated, after mirroring if it is mirrored.
fn turn(query: u8, item: u8, mirrored: bool) -> u8 {
    if mirrored {
        query.wrapping_add(item)
    } else {
        query.wrapping_sub(item)
    }
}

/// Returns the similarity transform that maps the item's keypoint to the query's.
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

/// Returns whether two pairs of keypoints have about the same ratio of sizes.
fn same_size(a: &Keypoint, b: &Keypoint, c: &Keypoint, d: &Keypoint) -> bool {
    let ratio = |q: &Keypoint, i: &Keypoint| i32::from(q.scale) - i32::from(i.scale);
    (ratio(a, b) - ratio(c, d)).abs() <= 6
}
