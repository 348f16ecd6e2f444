//! Whole pictures: candidates by PDQ under every symmetry and inversion, a
//! second, independent opinion by the gradient hash, and the keyed sketch, which
//! decides between look-alikes.
//!
//! PDQ alone flags one innocent e-mail in twelve, because two mails in one
//! program share their layout, and so does any hash of a few hundred cells. How
//! well the sketches must agree depends on the item: the layout of a photograph
//! is its own, that of a screen or a document, which consists of flat areas, is
//! not.

use super::evidence::{Evidence, Strength};
use crate::code::Code256;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::RasterPrints;
use crate::index::{Index, PartId, PictureInfo, SearchStats};
use crate::media::PartPath;
use crate::raster::Dihedral;

/// Candidates lie within this many bits of PDQ.
pub(super) const CANDIDATE_RADIUS: u32 = 64;

/// The second opinion agrees up to this many bits of the gradient hash.
pub(super) const GRADIENT_RADIUS: u32 = 72;

/// Sketches agree up to this many bits for a photograph (a correlation of .6) ...
const SKETCH_OF_PHOTO: f64 = 300.0;
/// ... and up to this many for a screen (a correlation of .986): clean copies of
/// screens were measured up to 44, look-alikes from 65 on.
const SKETCH_OF_SCREEN: f64 = 54.0;

/// Percent of flat pixels up to which an item is a photograph ...
const PHOTO_FLATNESS: f64 = 60.0;
/// ... and from which on it is a screen.
const SCREEN_FLATNESS: f64 = 80.0;

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
        let inverted = hit.query as usize >= Dihedral::ALL.len();
        let variant = Dihedral::ALL[hit.query as usize % Dihedral::ALL.len()];
        let distances = Distances::between(prints, &picture, variant, inverted);
        let score = distances.score(picture.flatness);
        if Strength::of_score(score).is_none() {
            continue;
        }
        report(
            picture.part,
            Evidence::Image {
                part: part.clone(),
                item_part: PartPath::root(),
                distance: distances.pdq,
                gradient_distance: distances.gradient,
                sketch_distance: distances.sketch,
                // The variant undoes what was done to the item.
                transform: variant.inverse(),
                inverted,
                score,
            },
        )?;
    }
    Ok(())
}

/// How far a picture is from an item under one symmetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distances {
    /// Bits of 256.
    pub(super) pdq: u32,
    /// Bits of 256.
    pub(super) gradient: u32,
    /// Bits of 1,024.
    pub(super) sketch: u32,
}

impl Distances {
    fn between(
        prints: &RasterPrints,
        item: &PictureInfo,
        variant: Dihedral,
        inverted: bool,
    ) -> Self {
        let pdq = prints.pdq.variants[variant as usize].distance(&item.pdq);
        let sketch = prints.sketch[variant as usize].distance(&item.sketch);
        Self {
            pdq: if inverted { 256 - pdq } else { pdq },
            gradient: prints
                .gradient
                .variant(variant, inverted)
                .distance(&item.gradient),
            sketch: if inverted { 1024 - sketch } else { sketch },
        }
    }

    /// Under the symmetry that suits PDQ best, whatever they are.
    pub(super) fn best(prints: &RasterPrints, item: &PictureInfo) -> Option<Self> {
        let variants = Dihedral::ALL.into_iter();
        variants
            .flat_map(|d| [(d, false), (d, true)])
            .map(|(variant, inverted)| Self::between(prints, item, variant, inverted))
            .min()
    }

    /// The score of all opinions: that of the one that agrees least. Each has
    /// the score of [`Strong`](Strength::Strong) at its limit.
    pub(super) fn score(self, flatness: u8) -> f64 {
        let doubt = (f64::from(self.pdq) / f64::from(CANDIDATE_RADIUS))
            .max(f64::from(self.gradient) / f64::from(GRADIENT_RADIUS))
            .max(f64::from(self.sketch) / sketch_radius(flatness));
        (1.0 - (1.0 - Strength::Strong.min_score()) * doubt * doubt).max(0.0)
    }
}

/// How many bits the sketch of a copy may differ from that of an item of this flatness.
pub(super) fn sketch_radius(flatness: u8) -> f64 {
    let screen = (f64::from(flatness) - PHOTO_FLATNESS) / (SCREEN_FLATNESS - PHOTO_FLATNESS);
    SKETCH_OF_PHOTO + (SKETCH_OF_SCREEN - SKETCH_OF_PHOTO) * screen.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: Distances = Distances {
        pdq: 8,
        gradient: 6,
        sketch: 40,
    };

    #[test]
    fn the_opinion_that_agrees_least_decides() {
        let strength =
            |distances: Distances, flatness| Strength::of_score(distances.score(flatness));
        assert_eq!(strength(CLOSE, 40), Some(Strength::Certain));
        assert_eq!(strength(CLOSE, 95), Some(Strength::Strong));
        for far in [
            Distances { pdq: 66, ..CLOSE },
            Distances {
                gradient: 74,
                ..CLOSE
            },
            Distances {
                sketch: 302,
                ..CLOSE
            },
        ] {
            assert_eq!(strength(far, 40), Some(Strength::Possible), "{far:?}");
        }
        let unrelated = Distances {
            pdq: 60,
            gradient: 110,
            sketch: 500,
        };
        assert_eq!(strength(unrelated, 0), None);
    }

    #[test]
    fn flat_items_ask_for_more() {
        assert_eq!(sketch_radius(0), SKETCH_OF_PHOTO);
        assert_eq!(sketch_radius(60), SKETCH_OF_PHOTO);
        assert_eq!(sketch_radius(80), SKETCH_OF_SCREEN);
        assert_eq!(sketch_radius(100), SKETCH_OF_SCREEN);
        assert!(sketch_radius(70) < sketch_radius(69));
    }
}
