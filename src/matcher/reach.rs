//! How far a search goes: as far as matches are reported, or as far as a calibration needs.

use super::Strength;
use crate::calibration::LEAST_MEASURE;

/// Bits of 256 in which the PDQ of a candidate may differ.
pub(super) const CANDIDATE_RADIUS: u32 = 64;

/// The bounds of a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The least score of evidence that is found.
    pub(super) least_score: f64,
    /// Bits of 256 in which the PDQ of a candidate may differ.
    pub(super) pdq_radius: u32,
}

impl Reach {
    /// What may be reported.
    pub(super) fn of_matches() -> Self {
        Self {
            least_score: Strength::Possible.min_score(),
            pdq_radius: CANDIDATE_RADIUS,
        }
    }

    /// What shows the tail below matches. Beyond the radius the score of a picture is 0.
    pub(super) fn of_calibration() -> Self {
        Self {
            least_score: 1.0 - (-LEAST_MEASURE).exp(),
            pdq_radius: 2 * CANDIDATE_RADIUS,
        }
    }
}
