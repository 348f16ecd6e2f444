//! The significance of matches, and the sample that it is measured by.

use super::Matcher;
use super::evidence::{Evidence, Match};
use crate::calibration::{Kind, PerKind};
use crate::index::IndexSet;

/// The largest measure: a score is rounded to a millionth.
const MAX_MEASURE: f64 = 14.0;

/// The distance of a hash from one of a list that has the measure 0, and bits per unit of it.
pub(super) const FARTHEST_CODE: u32 = 128;
const CODE_UNIT: f64 = 32.0;

/// Returns the kind of evidence and its measure, which grows with its strength; `None` for identical
/// bytes and pixels, which chance does not bring.
///
/// It is computed from the score, so that it stays right if the formulas of scores change; only
/// [calibrations](crate::calibration) that were measured before are then outdated.
pub(super) fn measure(evidence: &Evidence) -> Option<(Kind, f64)> {
    let kind = match evidence {
        Evidence::Bytes { .. } | Evidence::Pixels { .. } => return None,
        Evidence::Code { distance, .. } => return Some((Kind::Code, code_measure(*distance))),
        Evidence::Text { .. } => Kind::Text,
        Evidence::Region { .. } => Kind::Region,
        Evidence::Image { .. } => Kind::Image,
        Evidence::Record { .. } => Kind::Record,
    };
    let measure = -(1.0 - evidence.score().clamp(0.0, 1.0)).ln();
    Some((kind, measure.min(MAX_MEASURE)))
}

pub(super) fn code_measure(distance: u32) -> f64 {
    (f64::from(FARTHEST_CODE) - f64::from(distance)) / CODE_UNIT
}

/// Returns how much content of each kind can be found: items with text, pictures, hashes of hash
/// lists, and tables.
pub(crate) fn sizes(indexes: &IndexSet, codes: u64) -> PerKind<u64> {
    let views = || indexes.views().iter();
    let has_text = views().any(|view| !view.index.grams().is_empty());
    let has_regions = views().any(|view| !view.index.locals().is_empty());
    let pictures = views().map(|view| view.index.pictures().len() as u64);
    let pictures = pictures.sum();
    let tables = views().map(|view| u64::from(view.index.cells().tables()));
    let mut sizes = [0; Kind::ALL.len()];
    for kind in Kind::ALL {
        sizes[kind as usize] = match kind {
            Kind::Text if has_text => u64::from(indexes.item_count()),
            Kind::Region if has_regions => pictures,
            Kind::Text | Kind::Region => 0,
            Kind::Image => pictures,
            Kind::Code => codes,
            Kind::Record => tables.clone().sum(),
        };
    }
    sizes
}

impl Matcher {
    /// Sets how often a match as significant as this is expected.
    pub(super) fn set_expected(&self, found: &mut Match) {
        let measures: Option<Vec<_>> = found.evidence.iter().map(measure).collect();
        found.expected = Some(match measures {
            Some(measures) => self.calibration.expected(&self.sizes, measures),
            // Something is identical.
            None => 0.0,
        });
    }
}
