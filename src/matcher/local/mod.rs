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
mod grid;
mod verdict;
mod verify;

use std::cell::OnceCell;

use super::evidence::Evidence;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::{
    DecodedPicture, LocalKey, LocalPrint, Projected, RasterPrints, signature_distance,
};
use crate::index::IndexSet;
use crate::index::{PartId, SearchStats, StoredPrint};
use crate::media::PartPath;
use crate::raster::{Frame, working_size};

use candidates::{Ballot, Probe};
use grid::Grid;
use verdict::{Claims, Rival, Verdict};

/// Prints of the query that are comparisons up as they are, and as the mirrored picture has them: most
/// copies are not mirrored, and one that is has prints to spare.
const MAX_PROBES: usize = 1400;
const MAX_MIRRORED_PROBES: usize = 700;

/// Candidates whose details are compared.
const MAX_VERIFIED: usize = 12;

/// Of these, candidates whose pose few votes agree on.
const MAX_WEAK: usize = 2;

/// All matches of parts of one picture: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    key: &LocalKey,
    part: &PartPath,
    prints: &RasterPrints,
    deadline: &Deadline,
    stats: &mut SearchStats,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    for (picture, verdict) in verdicts(indexes, key, prints, deadline, stats)? {
        let (view, picture) = indexes.locate_picture(picture);
        let picture = indexes.picture(view, picture)?;
        if picture.discounted || verdict.score() < super::Strength::Possible.min_score() {
            continue;
        }
        let query_size = (prints.width, prints.height);
        let item_size = (picture.width, picture.height);
        report(
            view.part_in_set(picture.part),
            verdict.evidence(part, query_size, item_size),
        )?;
    }
    Ok(())
}

/// What is to be said of every picture of the index that the query's prints point to.
pub(super) fn verdicts(
    indexes: &IndexSet,
    key: &LocalKey,
    prints: &RasterPrints,
    deadline: &Deadline,
    stats: &mut SearchStats,
) -> Result<Vec<(u32, Verdict)>> {
    let Some(seen) = prints.local.pixels.get() else {
        return Ok(Vec::new());
    };
    let is_empty = indexes.views().iter().all(|v| v.index.locals().is_empty());
    if is_empty || prints.local.prints.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(prints, seen, key);
    let mut ballot = Ballot::new(indexes, deadline);
    query.cast(&mut ballot)?;
    stats.entries += ballot.compared;
    let mut posed = Vec::new();
    for candidate in ballot.candidates()? {
        deadline.check()?;
        let (view, picture) = indexes.locate_picture(candidate.picture);
        let (first, prints) = view.index.locals().of_picture(picture)?;
        if let Some(pose) = candidates::pose(&candidate, first, &prints) {
            posed.push((candidate, pose, prints));
        }
    }
    posed.sort_by(|(a, p, _), (b, q, _)| {
        q.weight
            .total_cmp(&p.weight)
            .then((a.picture, a.kind).cmp(&(b.picture, b.kind)))
    });
    let mut weak = 0;
    posed.retain(|(_, pose, _)| {
        weak += usize::from(pose.is_weak());
        !pose.is_weak() || weak <= MAX_WEAK
    });
    posed.truncate(MAX_VERIFIED);
    let mut comparisons = Vec::new();
    for (candidate, pose, mut prints) in posed {
        deadline.check()?;
        indexes.mark_stop_prints(&mut prints);
        let (view, _) = indexes.locate_picture(candidate.picture);
        let crowding = view.index.locals().crowding();
        if let Some(comparison) = verify::verify(&query, &prints, candidate.kind, &pose, crowding) {
            comparisons.push((candidate, comparison));
        }
    }
    // Of the same index or of another one, whose opinion on what is rare then counts too.
    let claims: Vec<Claims> = comparisons
        .iter()
        .map(|(_, comparison)| Claims::of(comparison))
        .collect();
    let mut verdicts: Vec<(u32, Verdict)> = Vec::new();
    for (candidate, comparison) in &comparisons {
        deadline.check()?;
        let (view, picture) = indexes.locate_picture(candidate.picture);
        let item = view.index.pictures().get(picture)?;
        let rivals: Vec<Rival<'_>> = comparisons
            .iter()
            .zip(&claims)
            .filter(|((other, _), _)| other.picture != candidate.picture)
            .map(|((other, _), claims)| Rival {
                claims,
                elsewhere: indexes.locate_picture(other.picture).0.first_picture
                    != view.first_picture,
            })
            .collect();
        let sizes = [
            working_size(prints.width, prints.height),
            working_size(item.width, item.height),
        ];
        let verdict = Verdict::new(comparison, candidate.kind, &rivals, item.texture, sizes);
        // Straight and mirrored candidates may come to the same transform.
        match verdicts.iter_mut().find(|(p, _)| *p == candidate.picture) {
            Some((_, known)) if known.overlaps(&verdict) => {
                if verdict.score() > known.score() {
                    *known = verdict;
                }
            }
            _ => verdicts.push((candidate.picture, verdict)),
        }
    }
    Ok(verdicts)
}

/// A picture that is compared with many items.
struct Query<'a> {
    seen: &'a DecodedPicture,
    prints: &'a [LocalPrint],
    key: &'a LocalKey,
    straight: Vec<Probe>,
    grid: Grid,
    /// Made when an item turns up that the picture seems to show mirrored.
    mirrored: OnceCell<Vec<Probe>>,
}

impl<'a> Query<'a> {
    fn new(raster: &'a RasterPrints, seen: &'a DecodedPicture, key: &'a LocalKey) -> Self {
        let prints = raster.local.prints.as_slice();
        let (width, height) = working_size(raster.width, raster.height);
        let straight: Vec<Probe> = prints.iter().map(Probe::straight).collect();
        Self {
            seen,
            prints,
            key,
            grid: Grid::new(&straight, width, height),
            straight,
            mirrored: OnceCell::new(),
        }
    }

    /// Looks up a share of the prints in both handednesses.
    fn cast(&self, ballot: &mut Ballot<'_>) -> Result<()> {
        for (mirrored, most) in [(false, MAX_PROBES), (true, MAX_MIRRORED_PROBES)] {
            let step = self.prints.len().div_ceil(most).max(1);
            let chosen = || self.prints.iter().zip(&self.seen.patches).step_by(step);
            ballot.deadline.check()?;
            let projected: Vec<Projected> = chosen()
                .map(|(_, patch)| match mirrored {
                    false => self.key.project(patch),
                    true => self.key.project(&patch.mirrored()),
                })
                .collect();
            let probes: Vec<Probe> = chosen()
                .zip(&projected)
                .map(|((print, _), projected)| Probe {
                    keypoint: print.keypoint(),
                    signature: projected.signature(),
                })
                .collect();
            ballot.cast(&probes, mirrored, &projected)?;
        }
        Ok(())
    }

    /// All prints in one handedness.
    fn probes(&self, mirrored: bool) -> &[Probe] {
        if !mirrored {
            return &self.straight;
        }
        self.mirrored.get_or_init(|| {
            let all = self.prints.iter().zip(&self.seen.patches);
            all.map(|(print, patch)| Probe::mirrored(print, patch, self.key))
                .collect()
        })
    }

    /// How far what the query shows in a frame is from the item's signature, in bits.
    fn distance(&self, frame: &Frame, print: &StoredPrint, inverted: bool) -> Option<u32> {
        let patch = self.seen.pyramid.patch(frame)?;
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
