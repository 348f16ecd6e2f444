//! The verdict on a comparison: each detail gets credit for its similarity, is weighted by its
//! rarity, and is left out where something occludes it.
//!
//! The credit of a detail falls from 1 to 0 between two distances. Shrinking and compression affect
//! the whole copy, so the first distance depends on that of the best quarter of the details. The
//! second does not, since other words in the same place differ as much whatever was done to the
//! picture. It is stricter for screens, where other words in the same font are similar to some
//! degree, than for photographs.

use std::collections::HashMap;

use super::candidates::Kind;
use super::comparison::{Comparison, Credit, PatchComparison, Place, Rule, around, place};
use super::doubt::{self, Objection, Own, Testimony};
use super::geometry::Transform;
use crate::matcher::evidence::{Doubt, Evidence, Strength};
use crate::matcher::{picture, weigh};
use crate::media::PartPath;
use crate::raster::{Frame, SCALE_STEPS, Texture, working_size};

/// The weight of disagreeing details that is added to every comparison, so that a few details that
/// agree are not enough.
const PRIOR_WEIGHT: Rule = Rule {
    photograph: 10.0,
    screen: 2.0,
};
/// The weighted share of agreement from which on a match is strong.
const STRONG_SHARE: Rule = Rule {
    photograph: 0.56,
    screen: 0.61,
};

/// The share of the item that a copy shows, or of the query that the item fills, at least. Below it
/// the share of a photograph is reduced: two photographs of one wall or floor overlap in part.
const MIN_COVERAGE: f64 = 0.4;

/// The coarse places of the query where a candidate's details agree, with the weight of the details
/// in its index.
pub(super) struct AgreementMap(HashMap<Place, f64>);

/// Another candidate for the same query.
pub(super) struct Competitor<'a> {
    pub(super) agreements: &'a AgreementMap,
    /// Whether it is of another index, which counts other pictures.
    pub(super) elsewhere: bool,
}

impl AgreementMap {
    fn key(frame: &Frame) -> Place {
        place(frame, frame.u.0.hypot(frame.u.1).max(0.5), 4.0)
    }

    pub(super) fn of(comparison: &Comparison) -> Self {
        // Halfway between photograph and screen: the kind of this item does not matter to others.
        let credit = Credit::new(&comparison.patches, 0.5);
        let mut agreements = HashMap::new();
        for patch in &comparison.patches {
            if !credit.agrees(patch.distance) {
                continue;
            }
            for place in around(Self::key(&patch.frame)) {
                let weight: &mut f64 = agreements.entry(place).or_insert(1.0);
                *weight = weight.min(patch.weight);
            }
        }
        Self(agreements)
    }

    /// Returns the weight of a detail that agrees at a place, if there is one.
    fn weight(&self, frame: &Frame) -> Option<f64> {
        self.0.get(&Self::key(frame)).copied()
    }
}

/// The outcome of one comparison.
pub(crate) struct Verdict {
    /// From the item's working pixels to the query's.
    transform: Transform,
    inverted: bool,
    /// Details of the item in the visible region, and those that agree.
    pub(crate) compared: u32,
    pub(crate) agreed: u32,
    /// The same, weighted by rarity.
    compared_weight: f64,
    agreed_weight: f64,
    /// The share of the query's area that the item fills, and of the item's area that the query shows.
    of_query: f64,
    of_item: f64,
    /// How far the item is a screen, 0..=1.
    screen: f64,
    own: Own,
    /// The share of the weight that other items contradict.
    contradicted: f64,
    credit: Credit,
    /// Left, top, right, bottom of the details that agree, in working pixels.
    in_query: [f64; 4],
    in_item: [f64; 4],
}

impl Verdict {
    /// Judges a comparison. `competitors` are the comparisons of other pictures, `sizes` the working
    /// sizes of the query and of the item.
    pub(super) fn new(
        comparison: &Comparison,
        kind: Kind,
        competitors: &[Competitor<'_>],
        texture: Texture,
        sizes: [(usize, usize); 2],
    ) -> Self {
        let screen = picture::screenness(texture);
        let credit = Credit::new(&comparison.patches, screen);
        // In a photograph any surface may have one tone.
        let occluded = if screen >= 0.5 {
            occluded(&comparison.patches, credit)
        } else {
            vec![false; comparison.patches.len()]
        };
        let finest = comparison
            .patches
            .iter()
            .map(|l| l.scale)
            .min()
            .unwrap_or(0);
        let [query, item] = sizes;
        let transform = comparison.transform;
        let mut verdict = Self {
            transform,
            inverted: kind.inverted,
            compared: 0,
            agreed: 0,
            compared_weight: 0.0,
            agreed_weight: 0.0,
            of_item: transform.share_inside(item, query),
            of_query: transform
                .inverse()
                .map_or(0.0, |back| back.share_inside(query, item)),
            screen,
            own: Own::default(),
            contradicted: 0.0,
            credit,
            in_query: EMPTY,
            in_item: EMPTY,
        };
        let mut occluded_weight = 0.0;
        for (patch, occluded) in comparison.patches.iter().zip(occluded) {
            let mut weight = patch.weight;
            let mut agreeing = 0;
            for competitor in competitors {
                if let Some(known) = competitor.agreements.weight(&patch.frame) {
                    agreeing += 1;
                    // A detail that is rare in one index may be in every picture of another.
                    if competitor.elsewhere {
                        weight = weight.min(known);
                    }
                }
            }
            let steps = f64::from(patch.scale - finest) / f64::from(SCALE_STEPS);
            let weight = weight.min(1.0 / (1.0 + f64::from(agreeing))) * (-steps).exp2();
            if occluded {
                occluded_weight += weight;
                continue;
            }
            let credit = credit.of(patch.distance);
            verdict.compared += 1;
            verdict.compared_weight += weight;
            verdict.agreed_weight += weight * credit;
            if credit >= 0.5 {
                verdict.agreed += 1;
                extend(&mut verdict.in_query, &patch.frame);
                extend(&mut verdict.in_item, &patch.item);
            }
        }
        // Beyond this share, details are different rather than occluded.
        let usual = MAX_OCCLUDED_SHARE * (verdict.compared_weight + occluded_weight);
        verdict.compared_weight += (occluded_weight - usual).max(0.0);
        if verdict.is_reported() {
            verdict.own = Own::of(comparison, credit, item);
        }
        verdict
    }

    /// Returns the weighted share of details that agree, reduced where there are few, 0..=1.
    pub(crate) fn share(&self) -> f64 {
        let share = self.agreed_weight / (self.compared_weight + PRIOR_WEIGHT.of(self.screen));
        let reach = (self.of_query.max(self.of_item) / MIN_COVERAGE).min(1.0);
        share * (reach + (1.0 - reach) * self.screen)
    }

    /// Returns the share from which on the match is strong.
    pub(crate) fn needed(&self) -> f64 {
        STRONG_SHARE.of(self.screen)
    }

    /// Returns why the match is [`Possible`](Strength::Possible) at most, if it is.
    pub(crate) fn doubt(&self) -> Option<Doubt> {
        if !self.is_reported() {
            return None;
        }
        if !self.contradiction().passed {
            return Some(Doubt::Sibling);
        }
        self.own.doubt(self.screen, self.of_item)
    }

    fn contradiction(&self) -> Objection {
        doubt::contradiction(self.contradicted, self.share())
    }

    /// Returns the measures of what speaks against a copy.
    pub(crate) fn objections(&self) -> Vec<Objection> {
        if !self.is_reported() {
            return Vec::new();
        }
        let mut objections = Vec::from(self.own.objections(self.screen, self.of_item));
        objections.push(self.contradiction());
        objections
    }

    pub(crate) fn score(&self) -> f64 {
        let score = weigh::rounded(self.score_of_share());
        match self.doubt() {
            Some(_) => weigh::doubted(score),
            None => score,
        }
    }

    /// Returns the score that the share of agreement has, without any doubt.
    fn score_of_share(&self) -> f64 {
        let (share, needed) = (self.share(), self.needed());
        let strong = Strength::Strong.min_score();
        if share < needed {
            strong * share / needed
        } else {
            strong + (1.0 - strong) * (share - needed) / (1.0 - needed)
        }
    }

    /// Returns whether the share of agreement is enough for a match.
    pub(super) fn is_reported(&self) -> bool {
        self.score_of_share() >= Strength::Possible.min_score()
    }

    /// Returns whether so much agrees that the item has a say in what others contradict.
    pub(super) fn is_witness(&self) -> bool {
        self.score_of_share() >= 0.5 * Strength::Strong.min_score()
    }

    /// Returns what the item says of the places of the query.
    pub(super) fn testimony<'c>(&self, comparison: &'c Comparison) -> Testimony<'c> {
        Testimony::new(comparison, self.credit)
    }

    /// Sets the share of the weight that other items contradict.
    pub(super) fn contradict(&mut self, share: f64) {
        self.contradicted = share;
    }

    /// Returns whether both are about the same region of the query.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&self.in_query, &other.in_query);
        let length = |low: f64, high: f64| (high - low).max(0.0);
        let area = |r: &[f64; 4]| length(r[0], r[2]) * length(r[1], r[3]);
        let common = area(&[
            a[0].max(b[0]),
            a[1].max(b[1]),
            a[2].min(b[2]),
            a[3].min(b[3]),
        ]);
        common >= 0.5 * area(a).min(area(b))
    }

    /// Returns the evidence, in pixels of both pictures.
    pub(super) fn evidence(
        &self,
        part: &PartPath,
        query_size: (u32, u32),
        item_size: (u32, u32),
    ) -> Evidence {
        let factor = |(width, height): (u32, u32)| {
            let (w, h) = working_size(width, height);
            (f64::from(width) / w as f64, f64::from(height) / h as f64)
        };
        let (qx, qy) = factor(query_size);
        let (ix, iy) = factor(item_size);
        let transform = Transform::scaling(1.0 / ix, 1.0 / iy)
            .then(&self.transform)
            .then(&Transform::scaling(qx, qy));
        let rect = |region: &[f64; 4], (fx, fy): (f64, f64), (width, height): (u32, u32)| {
            let clamp = |v: f64, max: u32| v.clamp(0.0, f64::from(max)) as u32;
            let (left, top) = (clamp(region[0] * fx, width), clamp(region[1] * fy, height));
            let (right, bottom) = (clamp(region[2] * fx, width), clamp(region[3] * fy, height));
            [
                left,
                top,
                right.saturating_sub(left),
                bottom.saturating_sub(top),
            ]
        };
        Evidence::Region {
            part: part.clone(),
            item_part: PartPath::root(),
            region: rect(&self.in_query, (qx, qy), query_size),
            item_region: rect(&self.in_item, (ix, iy), item_size),
            transform: transform.0.map(|v| (v * 1e6).round() / 1e6),
            mirrored: self.transform.mirrors(),
            inverted: self.inverted,
            agreed: self.agreed,
            compared: self.compared,
            distinctive: weigh::rounded(self.agreed_weight),
            share: weigh::rounded(self.share()),
            of_query: weigh::rounded(self.of_query),
            of_item: weigh::rounded(self.of_item),
            own: weigh::rounded(self.own.all),
            middle: weigh::rounded(self.own.middle),
            contradicted: weigh::rounded(self.contradicted),
            doubt: self.doubt(),
            score: self.score(),
        }
    }
}

/// The weighted share of an item's details that may be left out as occluded.
const MAX_OCCLUDED_SHARE: f64 = 0.15;

/// A background is that of something in front of the picture if at most one in this many agreeing
/// details has it.
const MIN_BACKGROUND_RARITY: u32 = 40;

/// Returns which details are occluded, or so near an occlusion that it cuts their patch: where the
/// query has a solid background that hardly any agreeing detail has.
fn occluded(patches: &[PatchComparison], credit: Credit) -> Vec<bool> {
    let agrees = |patch: &PatchComparison| credit.agrees(patch.distance);
    let agreeing = patches.iter().filter(|patch| agrees(patch));
    let mut tones = [0_u32; 256];
    let mut total = 0;
    for tone in agreeing.filter_map(|patch| patch.background) {
        tones[usize::from(tone)] += 1;
        total += 1;
    }
    let is_foreign = |patch: &PatchComparison| {
        patch.background.is_some_and(|tone| {
            let near = usize::from(tone.saturating_sub(12))..=usize::from(tone.saturating_add(12));
            let like: u32 = tones.get(near).unwrap_or_default().iter().sum();
            like * MIN_BACKGROUND_RARITY < total
        })
    };
    let occluders: Vec<Frame> = patches
        .iter()
        .filter(|patch| !agrees(patch) && is_foreign(patch))
        .map(|patch| patch.frame)
        .collect();
    let is_touched = |patch: &PatchComparison| {
        let reach = 0.8 * patch.frame.reach();
        occluders.iter().any(|occluder| {
            let away = (occluder.x - patch.frame.x)
                .abs()
                .max((occluder.y - patch.frame.y).abs());
            away < reach + 0.35 * occluder.reach()
        })
    };
    patches
        .iter()
        .map(|patch| !agrees(patch) && is_touched(patch))
        .collect()
}

const EMPTY: [f64; 4] = [f64::MAX, f64::MAX, f64::MIN, f64::MIN];

fn extend(region: &mut [f64; 4], frame: &Frame) {
    let (x, y, reach) = (
        f64::from(frame.x),
        f64::from(frame.y),
        f64::from(frame.reach()),
    );
    region[0] = region[0].min(x - reach);
    region[1] = region[1].min(y - reach);
    region[2] = region[2].max(x + reach);
    region[3] = region[3].max(y + reach);
}
