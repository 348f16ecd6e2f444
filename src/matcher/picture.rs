//! Whole pictures: candidates by PDQ under every symmetry and inversion, then a
//! second, independent opinion by the gradient hash.
//!
//! PDQ alone flags one innocent e-mail in twelve, because two mails in one
//! program share their layout; two hashes that look at different things seldom
//! err on the same pair.

use super::evidence::{Evidence, Strength};
use crate::code::Code256;
use crate::error::Result;
use crate::fingerprint::RasterPrints;
use crate::id::PartId;
use crate::index::{Index, SearchStats};
use crate::media::PartPath;
use crate::raster::Dihedral;

/// Candidates lie within this many bits of PDQ.
const CANDIDATE_RADIUS: u32 = 48;

/// Below this PDQ quality a picture has too few features to be recognised by
/// (the reference's recommendation).
pub(crate) const MIN_QUALITY: u8 = 50;

/// All matches of one picture: the item's part and the evidence.
pub(crate) fn find(
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
    let (hits, search) = index.search_pdq(&queries, CANDIDATE_RADIUS)?;
    *stats += search;
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

/// The score of two opinions, in bits of 256 each.
fn score(pdq: u32, gradient: u32) -> f64 {
    let doubt = f64::from(pdq) / 40.0 + f64::from(gradient) / 60.0;
    (1.0 - 0.2 * doubt * doubt).clamp(0.0, 1.0)
}
