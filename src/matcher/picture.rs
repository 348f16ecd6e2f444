//! Whole pictures: candidates by PDQ under every symmetry and inversion, then a
//! second, independent opinion by the gradient hash.
//!
//! PDQ alone flags one innocent e-mail in twelve, because two mails in one
//! program share their layout; two hashes that look at different things seldom
//! err on the same pair.

use super::evidence::{Evidence, Strength};
use crate::code::Code256;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::RasterPrints;
use crate::index::{Index, PartId, PictureInfo, SearchStats};
use crate::media::PartPath;
use crate::raster::Dihedral;

/// Candidates lie within this many bits of PDQ.
pub(super) const CANDIDATE_RADIUS: u32 = 48;

/// Below this PDQ quality a picture has too few features to be recognised by
/// (the reference's recommendation).
pub(super) const MIN_QUALITY: u8 = 50;

/// All matches of one picture: the item's part and the evidence.
pub(super) fn find(
    index: &Index,
    part: &PartPath,
    prints: &RasterPrints,
    stats: &mut SearchStats,
    mut report: impl FnMut(PartId, Evidence) -> Result<()>,
) -> Result<()> {
    if prints.pdq.quality < MIN_QUALITY {
        return Ok(());
    }
    let upright = prints.pdq.variants;
    let inverted = upright.map(|code| code.complement());
    let queries: Vec<Code256> = upright.into_iter().chain(inverted).collect();
    // One picture is too little work to spread over threads: callers spread queries.
    let serial = Executor::serial();
    let (hits, search) = index
        .pictures()
        .search_pdq(&queries, CANDIDATE_RADIUS, &serial)?;
    stats.add(&search);
    for hit in hits {
        let picture = index.pictures().get(hit.code)?;
        if picture.discounted || picture.quality < MIN_QUALITY {
            continue;
        }
        let is_inverted = hit.query as usize >= Dihedral::ALL.len();
        let variant = Dihedral::ALL[hit.query as usize % Dihedral::ALL.len()];
        let second = prints.gradient.variant(variant, is_inverted);
        let gradient_distance = second.distance(&picture.gradient);
        let score = score(hit.distance, gradient_distance);
        if Strength::of_score(score).is_none() {
            continue;
        }
        report(
            picture.part,
            Evidence::Image {
                part: part.clone(),
                item_part: PartPath::root(),
                distance: hit.distance,
                gradient_distance,
                // The variant undoes what was done to the item.
                transform: variant.inverse(),
                inverted: is_inverted,
                score,
            },
        )?;
    }
    Ok(())
}

/// How far a picture is from an item under the symmetry that suits PDQ best.
pub(super) struct Distances {
    /// Bits of 256.
    pub(super) pdq: u32,
    /// Bits of 256.
    pub(super) gradient: u32,
}

/// Both distances, whatever they are.
pub(super) fn best_variant(prints: &RasterPrints, item: &PictureInfo) -> Distances {
    let mut best = Distances {
        pdq: u32::MAX,
        gradient: u32::MAX,
    };
    for (variant, inverted) in Dihedral::ALL
        .into_iter()
        .flat_map(|d| [(d, false), (d, true)])
    {
        let upright = prints.pdq.variants[variant as usize].distance(&item.pdq);
        let pdq = if inverted { 256 - upright } else { upright };
        let gradient = prints
            .gradient
            .variant(variant, inverted)
            .distance(&item.gradient);
        if (pdq, gradient) < (best.pdq, best.gradient) {
            best = Distances { pdq, gradient };
        }
    }
    best
}

/// The score of two opinions, in bits of 256 each.
pub(super) fn score(pdq: u32, gradient: u32) -> f64 {
    let doubt = f64::from(pdq) / 40.0 + f64::from(gradient) / 60.0;
    (1.0 - 0.2 * doubt * doubt).clamp(0.0, 1.0)
}
