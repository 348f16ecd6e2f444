//! Reasons to doubt that a query with the details of an item is a copy of it. Such a match is
//! [`Possible`](Strength::Possible) at most.
//!
//! Details that agree tell a copy from chance. They do not tell it from a sibling: another receipt
//! of the same shop, another window of the same program. Three things do:
//! - how much agrees at all: an icon, a logo or a button is in many pictures that are in no index;
//! - where it is: menus, tool bars and side bars lie along the borders of a window, what it is about
//!   lies in its middle;
//! - what other items say of the same place of the query: where one of them agrees and this item
//!   does not, the query shows other content rather than something that covers it.

use std::collections::HashMap;

use super::geometry::Transform;
use super::verdict::{Comparison, Credit, PatchComparison};
use crate::matcher::evidence::Doubt;
#[cfg(doc)]
use crate::matcher::evidence::Strength;
use crate::raster::Frame;

/// The weight of details that must agree with a screen, about as many as an icon or a short button
/// has. Of screens, the copies that were found have 10 or more, even crops of a tenth of the area.
const MIN_OWN_WEIGHT: f64 = 8.0;

/// The shares of a screen's width, and of its height, on either side that are its border.
const BORDER: (f64, f64) = (0.27, 0.14);

/// The weight of details in the middle of a screen that must agree ...
const MIN_MIDDLE_WEIGHT: f64 = 1.5;

/// ... unless the query shows more than this share of it: then what is in the middle shows that it is
/// the item, whether it has details or not.
const MAX_STRIP: f64 = 0.4;

/// The share of the weight that another item must contradict for doubt, after subtracting half of
/// what this item contradicts there. Measured on receipts of one shop: copies reach .02, the
/// receipts beside them have .04 or more.
const MAX_CONTRADICTED: f64 = 0.03;

/// The share of an item's agreement that must be where another item agrees, for both to be about the
/// same content.
const MIN_SHARED: f64 = 0.5;

/// Bits by which another item's detail must be nearer to the query to contradict.
const MIN_NEARER: u32 = 8;

/// The weight of details that agree, by their rarity in the index alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    /// Of all details.
    pub(super) all: f64,
    /// Of those in the middle of the item.
    pub(super) middle: f64,
}

impl Own {
    /// `size` is the working size of the item.
    pub(super) fn of(comparison: &Comparison, credit: Credit, size: (usize, usize)) -> Self {
        let mut own = Self::default();
        let inside = |v: f32, length: usize, border: f64| {
            let at = f64::from(v) / length.max(1) as f64;
            (border..1.0 - border).contains(&at)
        };
        for patch in &comparison.patches {
            let weight = patch.weight * credit.of(patch.distance);
            own.all += weight;
            if inside(patch.item.x, size.0, BORDER.0) && inside(patch.item.y, size.1, BORDER.1) {
                own.middle += weight;
            }
        }
        own
    }

    /// Returns the doubt about an item that is a screen to the degree `screen`, and of which the query
    /// shows the share `of_item`.
    pub(super) fn doubt(self, screen: f64, of_item: f64) -> Option<Doubt> {
        if self.all < MIN_OWN_WEIGHT * screen {
            Some(Doubt::Little)
        } else if of_item < MAX_STRIP && self.middle < MIN_MIDDLE_WEIGHT * screen {
            Some(Doubt::Border)
        } else {
            None
        }
    }
}

/// What one item says of the places of the query, for comparison with other items.
pub(super) struct Testimony<'a> {
    patches: &'a [PatchComparison],
    credit: Credit,
    /// The least distance of a detail that agrees, by place.
    agreements: HashMap<(i32, i32, i32), u32>,
    weight: f64,
}

impl<'a> Testimony<'a> {
    pub(super) fn new(comparison: &'a Comparison, credit: Credit) -> Self {
        let mut agreements = HashMap::new();
        for patch in &comparison.patches {
            if credit.agrees(patch.distance) {
                let nearest = agreements.entry(key(&patch.frame)).or_insert(u32::MAX);
                *nearest = patch.distance.min(*nearest);
            }
        }
        Self {
            patches: &comparison.patches,
            credit,
            agreements,
            weight: comparison.patches.iter().map(|patch| patch.weight).sum(),
        }
    }

    /// Returns the share of the weight that `other` contradicts beyond what this item contradicts of
    /// `other`; zero unless both are about the same content.
    pub(super) fn contradicted_by(&self, other: &Self) -> f64 {
        if self.share_agreed_with(other) < MIN_SHARED {
            return 0.0;
        }
        (self.share_contradicted_by(other) - 0.5 * other.share_contradicted_by(self)).max(0.0)
    }

    fn share_agreed_with(&self, other: &Self) -> f64 {
        let (mut shared, mut agreed) = (0.0, 0.0);
        for patch in self.patches {
            if self.credit.agrees(patch.distance) {
                agreed += patch.weight;
                if other.distance(&patch.frame).is_some() {
                    shared += patch.weight;
                }
            }
        }
        if agreed > 0.0 { shared / agreed } else { 0.0 }
    }

    fn share_contradicted_by(&self, other: &Self) -> f64 {
        let contradicted: f64 = self
            .patches
            .iter()
            .filter(|patch| {
                !self.credit.agrees(patch.distance)
                    && other.distance(&patch.frame).is_some_and(|distance| {
                        distance.saturating_add(MIN_NEARER) < patch.distance
                    })
            })
            .map(|patch| patch.weight)
            .sum();
        if self.weight > 0.0 {
            contradicted / self.weight
        } else {
            0.0
        }
    }

    /// Returns the least distance of a detail that agrees near a place.
    fn distance(&self, frame: &Frame) -> Option<u32> {
        let (x, y, level) = key(frame);
        let near = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy, level)));
        near.filter_map(|key| self.agreements.get(&key).copied())
            .min()
    }
}

/// Returns whether so much is contradicted that the item is a sibling.
pub(super) fn is_sibling(contradicted: f64) -> bool {
    contradicted > MAX_CONTRADICTED
}

/// Returns the coarse place of a frame of the query: half its width, by size.
fn key(frame: &Frame) -> (i32, i32, i32) {
    let size = frame.reach().max(1.0);
    let level = (2.0 * size.log2()).round() as i32;
    let cell = (level as f32 / 2.0).exp2();
    (
        (frame.x / cell).round() as i32,
        (frame.y / cell).round() as i32,
        level,
    )
}

/// The factor by which a copy may be stretched along one direction: beyond it, the details that agree
/// lie on a line and determine no transform.
const MAX_STRETCH: f64 = 3.0;

/// Returns whether a transform distorts the details that agree more than any copy is distorted.
pub(super) fn is_distorted(transform: &Transform, patches: &[PatchComparison]) -> bool {
    let stretched = patches.iter().filter(|patch| {
        let place = (f64::from(patch.item.x), f64::from(patch.item.y));
        transform.stretch(place) > MAX_STRETCH
    });
    2 * stretched.count() > patches.len()
}
