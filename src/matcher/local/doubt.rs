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

use super::comparison::{Comparison, Credit, PatchComparison, Place, around, place};
use super::geometry::Transform;
use crate::matcher::evidence::Doubt;
#[cfg(doc)]
use crate::matcher::evidence::Strength;
use crate::raster::Frame;

/// The weight of details that must agree with a screen, at different places: more than an icon or a
/// short button has. Of screens, crops that were found have 8 or more; icons have up to 6.
const MIN_OWN_WEIGHT: f64 = 6.5;

/// The shares of a screen's width, and of its height, on either side that are its border.
const BORDER: (f64, f64) = (0.27, 0.14);

/// The weight of details in the middle of a screen that must agree ...
const MIN_MIDDLE_WEIGHT: f64 = 1.5;

/// ... unless the query shows more than this share of it: then what is in the middle shows that it is
/// the item, whether it has details or not.
const MAX_STRIP: f64 = 0.4;

/// The share of the weight that other items must contradict for doubt, after subtracting half of what
/// this item contradicts of them. Measured on receipts of one shop: copies stay below .025, the
/// receipts beside them and those of innocents have .04 or more.
const MAX_CONTRADICTED: f64 = 0.03;

/// The share of agreement from which on an item may be contradicted twice as much: of siblings, none
/// agreed so well, while a smaller copy of the same picture lacks its finest details.
const SURE_SHARE: f64 = 0.8;

/// The weight of details that may be contradicted by chance: two or three of a small crop.
const CHANCE_WEIGHT: f64 = 2.5;

/// The share of an item's agreement that must be where another item agrees, for both to be about the
/// same content.
const MIN_SHARED: f64 = 0.5;

/// Bits by which another item's detail must be nearer to the query to contradict.
const MIN_NEARER: u32 = 8;

/// The weight of details that agree, by their rarity in the index alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Own {
    /// Of all details, each place counted once: an icon has many details in one place.
    pub(super) all: f64,
    /// Of the details in the middle of the item.
    pub(super) middle: f64,
}

impl Own {
    /// `size` is the working size of the item.
    pub(super) fn of(comparison: &Comparison, credit: Credit, size: (usize, usize)) -> Self {
        let mut places: HashMap<Place, f64> = HashMap::new();
        let mut middle = 0.0;
        let inside = |v: f32, length: usize, border: f64| {
            let at = f64::from(v) / length.max(1) as f64;
            (border..1.0 - border).contains(&at)
        };
        for patch in &comparison.patches {
            let weight = patch.weight * credit.of(patch.distance);
            let place = places.entry(key(&patch.item)).or_default();
            *place = place.max(weight);
            if inside(patch.item.x, size.0, BORDER.0) && inside(patch.item.y, size.1, BORDER.1) {
                middle += weight;
            }
        }
        // In order, so that the sum does not depend on that of the map.
        let mut weights: Vec<f64> = places.into_values().collect();
        weights.sort_by(f64::total_cmp);
        Self {
            all: weights.iter().sum(),
            middle,
        }
    }

    /// Returns the doubt about an item that is a screen to the degree `screen`, and of which the query
    /// shows the share `of_item`.
    pub(super) fn doubt(self, screen: f64, of_item: f64) -> Option<Doubt> {
        let doubts = [Doubt::Little, Doubt::Border];
        let mut failed = doubts.into_iter().zip(self.objections(screen, of_item));
        failed.find_map(|(doubt, objection)| (!objection.passed).then_some(doubt))
    }

    /// Returns the measures for [`Doubt::Little`] and [`Doubt::Border`], in this order.
    pub(super) fn objections(self, screen: f64, of_item: f64) -> [Objection; 2] {
        let is_strip = of_item < MAX_STRIP;
        let middle = MIN_MIDDLE_WEIGHT * screen * f64::from(u8::from(is_strip));
        let own = MIN_OWN_WEIGHT * screen;
        [
            Objection {
                stage: "region_own",
                measure: self.all,
                limit: own,
                passed: self.all >= own,
                note: "details that agree, each place once, weighted by rarity in the index, at least: \
                       more than an icon has",
            },
            Objection {
                stage: "region_middle",
                measure: self.middle,
                limit: middle,
                passed: self.middle >= middle,
                note: "details that agree in the middle of the item, weighted by rarity in the index, at \
                       least, where the query shows only a strip of a screen: bars and menus lie along \
                       the borders",
            },
        ]
    }
}

/// A measure of what may speak against a copy.
pub(crate) struct Objection {
    pub(crate) stage: &'static str,
    pub(crate) measure: f64,
    pub(crate) limit: f64,
    pub(crate) passed: bool,
    pub(crate) note: &'static str,
}

/// Returns the measure for [`Doubt::Sibling`]: the share that another item contradicts, of an item
/// with this share of agreement.
pub(super) fn contradiction(contradicted: f64, share: f64) -> Objection {
    let limit = if share < SURE_SHARE {
        MAX_CONTRADICTED
    } else {
        2.0 * MAX_CONTRADICTED
    };
    Objection {
        stage: "region_contradicted",
        measure: contradicted,
        limit,
        passed: contradicted <= limit,
        note: "share of the weight that differs where other items agree, less half of the reverse, at \
               most: more has another instance of the same form",
    }
}

/// What one item says of the places of the query, for comparison with other items.
pub(super) struct Testimony<'a> {
    patches: &'a [PatchComparison],
    credit: Credit,
    /// The least distance of a detail that agrees, by place.
    agreements: HashMap<Place, u32>,
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
            weight: weight(comparison.patches.iter()),
        }
    }

    /// Returns the share of the weight that `others` contradict, beyond what this item contradicts of
    /// the one of them that it contradicts least; only those that are about the same content count.
    pub(super) fn contradicted_by<'b>(&self, others: impl Iterator<Item = &'b Self>) -> f64
    where
        Self: 'b,
    {
        let mut contradicted = vec![false; self.patches.len()];
        let mut least = None;
        for other in others {
            if self.share_agreed_with(other) < MIN_SHARED {
                continue;
            }
            for (known, patch) in contradicted.iter_mut().zip(self.patches) {
                *known |= self.is_contradicted(patch, other);
            }
            let differs = |patch: &&PatchComparison| other.is_contradicted(patch, self);
            let reverse = weight(other.patches.iter().filter(differs)) / other.weight.max(1.0);
            least = Some(least.map_or(reverse, |least: f64| least.min(reverse)));
        }
        let Some(least) = least else { return 0.0 };
        let all = contradicted.iter().zip(self.patches);
        let own = weight(all.filter_map(|(known, patch)| known.then_some(patch)));
        let net = (own - CHANCE_WEIGHT) / self.weight.max(1.0) - 0.5 * least;
        net.max(0.0)
    }

    fn is_contradicted(&self, patch: &PatchComparison, other: &Self) -> bool {
        let is_nearer = |distance: u32| distance.saturating_add(MIN_NEARER) < patch.distance;
        !self.credit.agrees(patch.distance) && other.distance(&patch.frame).is_some_and(is_nearer)
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

    /// Returns the least distance of a detail that agrees near a place.
    fn distance(&self, frame: &Frame) -> Option<u32> {
        let near = around(key(frame));
        near.filter_map(|place| self.agreements.get(&place).copied())
            .min()
    }
}

fn weight<'a>(patches: impl Iterator<Item = &'a PatchComparison>) -> f64 {
    patches.map(|patch| patch.weight).sum()
}

/// Returns the coarse place of a frame, in steps of half its width, and its size.
fn key(frame: &Frame) -> Place {
    place(frame, frame.reach().max(1.0), 1.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (1000, 600);
    const CREDIT: f64 = 1.0;

    /// A detail with a patch of 24 x 24 pixels.
    fn detail(x: f32, y: f32, distance: u32) -> PatchComparison {
        let frame = Frame {
            x,
            y,
            u: (2.0, 0.0),
            v: (0.0, 2.0),
        };
        PatchComparison {
            distance,
            frame,
            background: None,
            item: frame,
            scale: 8,
            weight: 1.0,
        }
    }

    fn comparison(patches: Vec<PatchComparison>) -> Comparison {
        Comparison {
            transform: Transform::scaling(1.0, 1.0),
            patches,
        }
    }

    /// Details in a row, thirty pixels apart; those of which `differs` is true do not agree.
    fn row(y: f32, n: usize, differs: impl Fn(usize) -> bool) -> Vec<PatchComparison> {
        (0..n)
            .map(|i| detail(20.0 + 30.0 * i as f32, y, if differs(i) { 50 } else { 1 }))
            .collect()
    }

    fn doubt(patches: Vec<PatchComparison>, of_item: f64) -> Option<Doubt> {
        let comparison = comparison(patches);
        let credit = Credit::new(&comparison.patches, CREDIT);
        Own::of(&comparison, credit, SIZE).doubt(1.0, of_item)
    }

    #[test]
    fn many_details_in_one_place_are_an_icon() {
        let heap = (0..40).map(|i| detail(500.0 + (i % 5) as f32, 300.0 + (i / 8) as f32, 1));
        assert_eq!(doubt(heap.collect(), 0.1), Some(Doubt::Little));
        let line = row(300.0, 32, |_| false);
        assert_eq!(doubt(line, 0.1), None);
    }

    #[test]
    fn a_strip_along_the_border_is_no_content_but_the_whole_is() {
        let bar = row(20.0, 32, |_| false);
        assert_eq!(doubt(bar.clone(), 0.1), Some(Doubt::Border));
        assert_eq!(
            doubt(bar.clone(), 0.9),
            None,
            "a window with an empty middle"
        );
        let with_content: Vec<_> = bar.into_iter().chain(row(300.0, 32, |_| false)).collect();
        assert_eq!(doubt(with_content, 0.1), None);
    }

    #[test]
    fn another_item_contradicts_where_it_agrees_and_this_one_differs() {
        let contradicted = |a: &[PatchComparison], b: &[PatchComparison]| {
            let (a, b) = (comparison(a.to_vec()), comparison(b.to_vec()));
            let credit = |c: &Comparison| Credit::new(&c.patches, CREDIT);
            let (a, b) = (
                Testimony::new(&a, credit(&a)),
                Testimony::new(&b, credit(&b)),
            );
            a.contradicted_by(std::iter::once(&b))
        };
        let lines = |differs: &dyn Fn(usize) -> bool| -> Vec<_> {
            (0..10)
                .flat_map(|y| row(40.0 + 50.0 * y as f32, 32, differs))
                .collect()
        };
        let (copy, sibling) = (lines(&|_| false), lines(&|i| i > 24));
        let measure = contradicted(&sibling, &copy);
        assert!(!contradiction(measure, 0.7).passed, "{measure}");
        assert_eq!(contradicted(&copy, &sibling), 0.0);
        // A third instance of the form: neither of the two is it.
        let third = lines(&|i| (18..25).contains(&i));
        for (a, b) in [(&sibling, &third), (&third, &sibling)] {
            let measure = contradicted(a, b);
            assert!(!contradiction(measure, 0.7).passed, "{measure}");
        }
        // Both differ in the same places: something covers the query.
        assert_eq!(contradicted(&sibling, &sibling), 0.0);
        // Two pictures side by side say nothing of each other, although one reaches into the other.
        let (left, right) = (lines(&|i| i >= 16), lines(&|i| i < 16));
        assert_eq!(contradicted(&left, &right), 0.0);
    }

    #[test]
    fn details_on_a_line_determine_no_transform() {
        let patches = row(300.0, 32, |_| false);
        assert!(!is_distorted(&Transform::scaling(0.5, 0.9), &patches));
        assert!(is_distorted(&Transform::scaling(1.0, 0.1), &patches));
    }
}
