//! The comparison of an item's details with the same places of a query, and what each is worth.

use super::geometry::Transform;
use crate::raster::Frame;

/// One print of an item, compared with the same place of the query.
#[derive(Clone, Copy)]
pub(super) struct PatchComparison {
    /// The distance in bits of 128; more than that where the query is flat.
    pub(super) distance: u32,
    /// The patch in the query.
    pub(super) frame: Frame,
    /// The tone of the patch's background in the query, if it is solid; known where the distance is
    /// large, and for a sample of the others.
    pub(super) background: Option<u8>,
    /// The patch in the item.
    pub(super) item: Frame,
    pub(super) scale: u8,
    /// 1 if no other picture of the index has a like detail, less the more pictures have.
    pub(super) weight: f64,
}

/// The comparison of one candidate with the query.
pub(super) struct Comparison {
    /// From the item's working pixels to the query's.
    pub(super) transform: Transform,
    /// Never empty.
    pub(super) patches: Vec<PatchComparison>,
}

/// A parameter that depends on the kind of the item's picture.
pub(super) struct Rule {
    pub(super) photograph: f64,
    pub(super) screen: f64,
}

impl Rule {
    pub(super) fn of(&self, screen: f64) -> f64 {
        self.photograph + (self.screen - self.photograph) * screen
    }
}

/// The least distance in bits up to which a detail has full credit.
const FULL_CREDIT_DISTANCE: Rule = Rule {
    photograph: 24.0,
    screen: 3.0,
};
/// The distance in bits from which on a detail has no credit.
const NO_CREDIT_DISTANCE: Rule = Rule {
    photograph: 44.0,
    screen: 24.0,
};
/// The function from distance to credit.
#[derive(Clone, Copy)]
pub(super) struct Credit {
    full: f64,
    none: f64,
}

impl Credit {
    pub(super) fn new(patches: &[PatchComparison], screen: f64) -> Self {
        let mut distances: Vec<u32> = patches.iter().map(|patch| patch.distance).collect();
        let quarter = distances.len() / 4;
        let typical = if distances.is_empty() {
            0
        } else {
            *distances.select_nth_unstable(quarter).1
        };
        let full = (0.8 * f64::from(typical) + 3.0).max(FULL_CREDIT_DISTANCE.of(screen));
        Self {
            full,
            none: NO_CREDIT_DISTANCE.of(screen).max(full + 4.0),
        }
    }

    pub(super) fn of(&self, distance: u32) -> f64 {
        ((self.none - f64::from(distance)) / (self.none - self.full)).clamp(0.0, 1.0)
    }

    /// Returns whether a detail at this distance counts as one that agrees.
    pub(super) fn agrees(&self, distance: u32) -> bool {
        self.of(distance) >= 0.5
    }
}

/// A coarse place: column and row of a cell, and the level of the size, two to an octave.
pub(super) type Place = (i32, i32, i32);

/// Returns the coarse place of a frame of a size, in cells of so many sizes.
pub(super) fn place(frame: &Frame, size: f32, cell: f32) -> Place {
    let level = (2.0 * size.log2()).round() as i32;
    let cell = cell * (level as f32 / 2.0).exp2();
    (
        (frame.x / cell).round() as i32,
        (frame.y / cell).round() as i32,
        level,
    )
}

/// Returns a place and those next to it.
pub(super) fn around((x, y, level): Place) -> impl Iterator<Item = Place> {
    (-1..=1).flat_map(move |dx| (-1..=1).map(move |dy| (x + dx, y + dy, level)))
}
