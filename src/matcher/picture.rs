//! Matching of whole pictures: candidates by PDQ under every symmetry and inversion, the gradient
//! hash as a second, independent opinion, and the keyed sketch to distinguish look-alikes.
//!
//! PDQ alone would report one screenshot of an unrelated e-mail in twelve, because two mails in one
//! program share their layout, and so would any hash of a few hundred bits. How well the sketches
//! must agree depends on the item: the layout of a photograph is unique, that of a screen or a
//! document, which consists of flat areas, is not.

use super::evidence::{Evidence, Strength};
pub(super) use super::reach::CANDIDATE_RADIUS;
use super::reach::Reach;
use super::weigh;
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{RasterPrints, Sketch};
use crate::index::IndexSet;
use crate::index::{PartId, PictureInfo, SearchStats};
use crate::media::PartPath;
use crate::raster::{Dihedral, Texture};

/// Bits of 256 in which the gradient hash of a copy may differ.
pub(crate) const GRADIENT_RADIUS: u32 = 72;

/// Bits of 2,048 in which the sketch of a photograph's copy may differ (a correlation of .6) ...
const MAX_PHOTO_SKETCH_DISTANCE: f64 = 600.0;
/// ... and that of a screen's copy (a correlation of .987). Measured over six keys, clean copies of
/// screens differ in up to 100 bits, look-alikes in 116 or more.
const MAX_SCREEN_SKETCH_DISTANCE: f64 = 104.0;

/// Percent of flat pixels, and of hard edges among the other pixels, up to which an item is a
/// photograph, and from which on it is a screen if it has both.
const FLAT_PERCENT: (f64, f64) = (45.0, 60.0);
const HARD_PERCENT: (f64, f64) = (8.0, 15.0);

/// The PDQ quality below which a picture has too few features to be recognised; recommended by the
/// authors of PDQ.
pub(super) const MIN_QUALITY: u8 = 50;

/// Candidates compared between two checks of the deadline.
const CANDIDATES_PER_CHECK: u32 = 512;

/// Reports all matches of one picture: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    part: &PartPath,
    prints: &RasterPrints,
    reach: Reach,
    deadline: &Deadline,
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
    for view in indexes.views() {
        let pictures = view.index.pictures();
        let (hits, search) =
            pictures
                .pdq()
                .search_until(&queries, reach.pdq_radius, &serial, deadline)?;
        stats.add(&search);
        let mut pacer = deadline.pacer(CANDIDATES_PER_CHECK);
        for hit in hits {
            pacer.step()?;
            let picture = indexes.picture(view, hit.code)?;
            if picture.discounted
                || picture.quality < MIN_QUALITY
                || view.is_hidden(picture.part)?
            {
                continue;
            }
            let inverted = hit.query as usize >= Dihedral::ALL.len();
            let variant = Dihedral::ALL[hit.query as usize % Dihedral::ALL.len()];
            let distances = Distances::between(prints, &picture, variant, inverted);
            let score = distances.score(picture.texture);
            if score < reach.least_score {
                continue;
            }
            report(
                view.part_in_set(picture.part),
                Evidence::Image {
                    part: part.clone(),
                    item_part: PartPath::root(),
                    distance: distances.pdq,
                    gradient_distance: distances.gradient,
                    sketch_distance: distances.sketch,
                    // The variant inverts what was done to the item.
                    transform: variant.inverse(),
                    inverted,
                    score,
                },
            )?;
        }
    }
    Ok(())
}

/// The distances of a picture from an item under one symmetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distances {
    /// Bits of 256.
    pub(super) pdq: u32,
    /// Bits of 256.
    pub(super) gradient: u32,
    /// Bits of 2,048.
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
            sketch: if inverted {
                Sketch::BITS - sketch
            } else {
                sketch
            },
        }
    }

    /// Returns the distances under the symmetry with the best score.
    pub(super) fn best(prints: &RasterPrints, item: &PictureInfo) -> Option<Self> {
        let score = |distances: &Self| distances.score(item.texture);
        Dihedral::ALL
            .into_iter()
            .flat_map(|d| [(d, false), (d, true)])
            .map(|(variant, inverted)| Self::between(prints, item, variant, inverted))
            .min_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)))
    }

    /// Returns the score of the hash that agrees least. At its radius each has the least score of
    /// [`Strong`](Strength::Strong).
    pub(super) fn score(self, texture: Texture) -> f64 {
        let worst = (f64::from(self.pdq) / f64::from(CANDIDATE_RADIUS))
            .max(f64::from(self.gradient) / f64::from(GRADIENT_RADIUS))
            .max(f64::from(self.sketch) / sketch_radius(texture));
        weigh::rounded((1.0 - (1.0 - Strength::Strong.min_score()) * worst * worst).max(0.0))
    }
}

/// Returns the bits in which the sketch of a copy may differ from that of an item of this texture.
pub(super) fn sketch_radius(texture: Texture) -> f64 {
    MAX_PHOTO_SKETCH_DISTANCE
        + (MAX_SCREEN_SKETCH_DISTANCE - MAX_PHOTO_SKETCH_DISTANCE) * screenness(texture)
}

/// Returns how far a picture is a screen or a document rather than a photograph, 0..=1.
pub(super) fn screenness(texture: Texture) -> f64 {
    let ramp = |percent: u8, (from, to): (f64, f64)| {
        ((f64::from(percent) - from) / (to - from)).clamp(0.0, 1.0)
    };
    ramp(texture.flat, FLAT_PERCENT) * ramp(texture.hard, HARD_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: Distances = Distances {
        pdq: 8,
        gradient: 6,
        sketch: 70,
    };

    const PHOTO: Texture = Texture { flat: 40, hard: 5 };
    const SCREEN: Texture = Texture { flat: 90, hard: 50 };

    #[test]
    fn the_score_is_that_of_the_hash_that_agrees_least() {
        let strength =
            |distances: Distances, texture| Strength::from_score(distances.score(texture));
        assert_eq!(strength(NEAR, PHOTO), Some(Strength::Certain));
        assert_eq!(strength(NEAR, SCREEN), Some(Strength::Strong));
        for far in [
            Distances { pdq: 66, ..NEAR },
            Distances {
                gradient: 74,
                ..NEAR
            },
            Distances {
                sketch: 604,
                ..NEAR
            },
        ] {
            assert_eq!(strength(far, PHOTO), Some(Strength::Possible), "{far:?}");
        }
        let unrelated = Distances {
            pdq: 60,
            gradient: 110,
            sketch: 1000,
        };
        assert_eq!(strength(unrelated, PHOTO), None);
    }

    #[test]
    fn sketches_of_screens_must_agree_better_than_those_of_photographs() {
        let radius = |flat, hard| sketch_radius(Texture { flat, hard });
        assert_eq!(radius(0, 0), MAX_PHOTO_SKETCH_DISTANCE);
        assert_eq!(
            radius(90, 8),
            MAX_PHOTO_SKETCH_DISTANCE,
            "a smooth photograph"
        );
        assert_eq!(radius(45, 60), MAX_PHOTO_SKETCH_DISTANCE, "a busy one");
        assert_eq!(radius(60, 15), MAX_SCREEN_SKETCH_DISTANCE);
        assert!(radius(55, 20) < radius(50, 20) && radius(80, 12) < radius(80, 10));
    }
}
