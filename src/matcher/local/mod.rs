//! Matching of regions of pictures: candidates by local prints, a transform on which their places
//! agree, and verification of every patch under this transform.
//!
//! Finding candidates is easy, deciding is hard: screenshots of one mail program agree in window,
//! buttons and signature, whatever the mail. So the measure is not how many details agree, but the
//! share of the item's details in the visible region that agree, each weighted by how few other
//! pictures of the index have it.

mod candidates;
mod comparison;
mod doubt;
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

use candidates::{Candidate, Probe, VoteCounter};
use comparison::Comparison;
pub(super) use doubt::Objection;
use doubt::Testimony;
use grid::Grid;
use verdict::{AgreementMap, Competitor, Verdict};

/// Prints of the query that are looked up.
const MAX_PROBES: usize = 1400;

/// Prints of the mirrored query that are looked up. Fewer, since few copies are mirrored, and those
/// have more prints than needed.
const MAX_MIRRORED_PROBES: usize = 700;

/// Candidates whose details are compared.
const MAX_VERIFIED: usize = 12;

/// Candidates with a [weak](candidates::Pose::is_weak) pose among these.
const MAX_WEAK: usize = 2;

/// A picture of the query.
pub(super) struct Source<'a> {
    pub(super) key: &'a LocalKey,
    pub(super) part: &'a PartPath,
    pub(super) prints: &'a RasterPrints,
    pub(super) deadline: &'a Deadline,
}

/// Reports all matches of regions of one picture: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    source: &Source<'_>,
    least_score: f64,
    stats: &mut SearchStats,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    let Source { part, prints, .. } = *source;
    for (picture, verdict) in verdicts(indexes, source, stats)? {
        let (view, picture) = indexes.locate_picture(picture);
        let picture = indexes.picture(view, picture)?;
        if picture.discounted || verdict.score() < least_score {
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

/// Returns the verdict on every candidate picture, with the picture's number in the set.
pub(super) fn verdicts(
    indexes: &IndexSet,
    source: &Source<'_>,
    stats: &mut SearchStats,
) -> Result<Vec<(u32, Verdict)>> {
    let Source {
        key,
        prints,
        deadline,
        ..
    } = *source;
    let Some(decoded) = prints.local.pixels.get() else {
        return Ok(Vec::new());
    };
    let is_empty = indexes.views().iter().all(|v| v.index.locals().is_empty());
    if is_empty || prints.local.prints.is_empty() {
        return Ok(Vec::new());
    }
    let query = Query::new(prints, decoded, key);
    let mut votes = VoteCounter::new(indexes, deadline);
    query.cast(&mut votes)?;
    stats.entries += votes.compared;
    let mut posed = Vec::new();
    for candidate in votes.candidates()? {
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
    // Candidates of all indexes: those of another index have another measure of rarity.
    let agreements: Vec<AgreementMap> = comparisons
        .iter()
        .map(|(_, comparison)| AgreementMap::of(comparison))
        .collect();
    let mut judged = Vec::with_capacity(comparisons.len());
    for (candidate, comparison) in &comparisons {
        deadline.check()?;
        let (view, picture) = indexes.locate_picture(candidate.picture);
        let item = view.index.pictures().get(picture)?;
        let competitors: Vec<Competitor<'_>> = comparisons
            .iter()
            .zip(&agreements)
            .filter(|((other, _), _)| other.picture != candidate.picture)
            .map(|((other, _), agreements)| Competitor {
                agreements,
                elsewhere: indexes.locate_picture(other.picture).0.first_picture
                    != view.first_picture,
            })
            .collect();
        let sizes = [
            working_size(prints.width, prints.height),
            working_size(item.width, item.height),
        ];
        let verdict = Verdict::new(
            comparison,
            candidate.kind,
            &competitors,
            item.texture,
            sizes,
        );
        judged.push((candidate.picture, verdict));
    }
    weigh_testimonies(&comparisons, &mut judged, deadline)?;
    let mut verdicts: Vec<(u32, Verdict)> = Vec::new();
    for (picture, verdict) in judged {
        // Upright and mirrored candidates may have the same transform.
        match verdicts.iter_mut().find(|(p, _)| *p == picture) {
            Some((_, known)) if known.overlaps(&verdict) => {
                if verdict.score() > known.score() {
                    *known = verdict;
                }
            }
            _ => verdicts.push((picture, verdict)),
        }
    }
    Ok(verdicts)
}

/// Compares what the items that agree with the query say of the same places, and notes for each match
/// what other items contradict.
fn weigh_testimonies(
    comparisons: &[(Candidate, Comparison)],
    judged: &mut [(u32, Verdict)],
    deadline: &Deadline,
) -> Result<()> {
    let is_witness = |&i: &usize| {
        judged
            .get(i)
            .is_some_and(|(_, verdict)| verdict.is_witness())
    };
    let witnesses: Vec<usize> = (0..judged.len()).filter(is_witness).collect();
    if witnesses.len() < 2 || !judged.iter().any(|(_, verdict)| verdict.is_reported()) {
        return Ok(());
    }
    let testimonies: Vec<Testimony<'_>> = witnesses
        .iter()
        .map(|&i| judged[i].1.testimony(&comparisons[i].1))
        .collect();
    for (&at, testimony) in witnesses.iter().zip(&testimonies) {
        deadline.check()?;
        let (picture, verdict) = &mut judged[at];
        if !verdict.is_reported() {
            continue;
        }
        let others = witnesses.iter().zip(&testimonies);
        let others = others.filter(|(other, _)| comparisons[**other].0.picture != *picture);
        verdict.contradict(testimony.contradicted_by(others.map(|(_, other)| other)));
    }
    Ok(())
}

/// The picture of the query, prepared for comparison with many items.
struct Query<'a> {
    decoded: &'a DecodedPicture,
    prints: &'a [LocalPrint],
    key: &'a LocalKey,
    upright: Vec<Probe>,
    grid: Grid,
    /// Computed when the first mirrored candidate is compared.
    mirrored: OnceCell<Vec<Probe>>,
}

impl<'a> Query<'a> {
    fn new(raster: &'a RasterPrints, decoded: &'a DecodedPicture, key: &'a LocalKey) -> Self {
        let prints = raster.local.prints.as_slice();
        let (width, height) = working_size(raster.width, raster.height);
        let upright: Vec<Probe> = prints.iter().map(Probe::upright).collect();
        Self {
            decoded,
            prints,
            key,
            grid: Grid::new(&upright, width, height),
            upright,
            mirrored: OnceCell::new(),
        }
    }

    /// Looks up a sample of the prints, upright and mirrored.
    fn cast(&self, votes: &mut VoteCounter<'_>) -> Result<()> {
        for (mirrored, most) in [(false, MAX_PROBES), (true, MAX_MIRRORED_PROBES)] {
            let step = self.prints.len().div_ceil(most).max(1);
            let chosen = || self.prints.iter().zip(&self.decoded.patches).step_by(step);
            votes.deadline.check()?;
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
            votes.cast(&probes, mirrored, &projected)?;
        }
        Ok(())
    }

    /// Returns all prints, upright or mirrored.
    fn probes(&self, mirrored: bool) -> &[Probe] {
        if !mirrored {
            return &self.upright;
        }
        self.mirrored.get_or_init(|| {
            let all = self.prints.iter().zip(&self.decoded.patches);
            all.map(|(print, patch)| Probe::mirrored(print, patch, self.key))
                .collect()
        })
    }

    /// Returns the distance in bits between a frame of the query and the signature of an item's print;
    /// `None` if the frame is flat.
    fn distance(&self, frame: &Frame, print: &StoredPrint, inverted: bool) -> Option<u32> {
        let patch = self.decoded.pyramid.patch(frame)?;
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
