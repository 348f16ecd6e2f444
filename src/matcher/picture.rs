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

/// Candidates lie within this many bits of PDQ.
pub(super) const CANDIDATE_RADIUS: u32 = 64;

/// The second opinion agrees up to this many bits of the gradient hash.
pub(super) const GRADIENT_RADIUS: u32 = 72;

/// Sketches agree up to this many bits for a photograph (a correlation of .6) ...
const SKETCH_OF_PHOTO: f64 = 600.0;
/// ... and up to this many for a screen (a correlation of .987): clean copies of
/// screens were measured up to 100 over six keys, look-alikes from 116 on.
const SKETCH_OF_SCREEN: f64 = 104.0;

/// Percent of flat pixels, and of hard edges among the others, up to which an
/// item is a photograph, and from which on it is a screen (if it has both).
const FLAT: (f64, f64) = (45.0, 60.0);
const HARD: (f64, f64) = (8.0, 15.0);

/// Below this PDQ quality a picture has too few features to be recognised by
/// (the reference's recommendation).
pub(super) const MIN_QUALITY: u8 = 50;

/// Candidates judged between two checks of a deadline.
const PACE: u32 = 512;

/// All matches of one picture: the item's part and the evidence.
pub(super) fn find(
    indexes: &IndexSet,
    part: &PartPath,
    prints: &RasterPrints,
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
                .search_until(&queries, CANDIDATE_RADIUS, &serial, deadline)?;
        stats.add(&search);
        let mut pacer = deadline.pacer(PACE);
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
            if Strength::from_score(score).is_none() {
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
                    // The variant undoes what was done to the item.
                    transform: variant.inverse(),
                    inverted,
                    score,
                },
            )?;
        }
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

    /// Under the symmetry that suits best, whatever they are.
    pub(super) fn best(prints: &RasterPrints, item: &PictureInfo) -> Option<Self> {
        let score = |distances: &Self| distances.score(item.texture);
        Dihedral::ALL
            .into_iter()
            .flat_map(|d| [(d, false), (d, true)])
            .map(|(variant, inverted)| Self::between(prints, item, variant, inverted))
            .min_by(|a, b| score(b).total_cmp(&score(a)).then(a.cmp(b)))
    }

    /// The score of all opinions: that of the one that agrees least. Each has
    /// the score of [`Strong`](Strength::Strong) at its limit.
    pub(super) fn score(self, texture: Texture) -> f64 {
        let doubt = (f64::from(self.pdq) / f64::from(CANDIDATE_RADIUS))
            .max(f64::from(self.gradient) / f64::from(GRADIENT_RADIUS))
            .max(f64::from(self.sketch) / sketch_radius(texture));
        weigh::rounded((1.0 - (1.0 - Strength::Strong.min_score()) * doubt * doubt).max(0.0))
    }
}

/// How many bits the sketch of a copy may differ from that of an item of this texture.
pub(super) fn sketch_radius(texture: Texture) -> f64 {
    SKETCH_OF_PHOTO + (SKETCH_OF_SCREEN - SKETCH_OF_PHOTO) * screenness(texture)
}

/// How far a picture is a screen or a document rather than a photograph, 0..=1.
pub(super) fn screenness(texture: Texture) -> f64 {
    let ramp = |percent: u8, (from, to): (f64, f64)| {
        ((f64::from(percent) - from) / (to - from)).clamp(0.0, 1.0)
    };
    ramp(texture.flat, FLAT) * ramp(texture.hard, HARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: Distances = Distances {
        pdq: 8,
        gradient: 6,
        sketch: 70,
    };

    const PHOTO: Texture = Texture { flat: 40, hard: 5 };
    const SCREEN: Texture = Texture { flat: 90, hard: 50 };

    #[test]
    fn the_opinion_that_agrees_least_decides() {
        let strength = |distances: Distances, texture| Strength::from_score(distances.score(texture));
        assert_eq!(strength(CLOSE, PHOTO), Some(Strength::Certain));
        assert_eq!(strength(CLOSE, SCREEN), Some(Strength::Strong));
        for far in [
            Distances { pdq: 66, ..CLOSE },
            Distances {
                gradient: 74,
                ..CLOSE
            },
            Distances {
                sketch: 604,
                ..CLOSE
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
    fn drawn_items_ask_for_more() {
        let radius = |flat, hard| sketch_radius(Texture { flat, hard });
        assert_eq!(radius(0, 0), SKETCH_OF_PHOTO);
        assert_eq!(radius(90, 8), SKETCH_OF_PHOTO, "a smooth photograph");
        assert_eq!(radius(45, 60), SKETCH_OF_PHOTO, "a busy one");
        assert_eq!(radius(60, 15), SKETCH_OF_SCREEN);
        assert!(radius(55, 20) < radius(50, 20) && radius(80, 12) < radius(80, 10));
    }
}
