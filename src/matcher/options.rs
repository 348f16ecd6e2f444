//! What a caller may set about matching.

use serde::{Deserialize, Serialize};

use super::Strength;
use crate::text::GRAM_LEN;

/// What a caller may set about matching; serialisable, so that a service keeps it in its configuration.
///
/// ```
/// use leakprint::{MatchOptions, Strength};
///
/// let options: MatchOptions = serde_json::from_str(r#"{"min_strength": "possible"}"#).unwrap();
/// assert_eq!(options, MatchOptions::default().with_min_strength(Strength::Possible));
/// assert_eq!(options.text_floor, 80);
/// assert!(serde_json::from_str::<MatchOptions>(r#"{"min_strenght": "possible"}"#).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MatchOptions {
    /// Matches below this strength are not reported.
    pub min_strength: Strength,
    /// The policy for quotations: a passage of this many letters and digits,
    /// rare in the index, is a [`Strong`](Strength::Strong) match; shorter ones
    /// are weaker. The default, 80, lets a quotation of a dozen words pass.
    /// Up to `window - 1` symbols at each end of a passage may go uncounted,
    /// since not every gram is kept.
    pub text_floor: u32,
    /// Pieces of evidence kept for one item, the strongest first.
    pub max_evidence: usize,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            min_strength: Strength::Strong,
            text_floor: 80,
            max_evidence: 8,
        }
    }
}

impl MatchOptions {
    /// With another least strength.
    #[must_use]
    pub fn with_min_strength(mut self, min_strength: Strength) -> Self {
        self.min_strength = min_strength;
        self
    }

    /// With another floor for quotations, in letters and digits.
    #[must_use]
    pub fn with_text_floor(mut self, text_floor: u32) -> Self {
        self.text_floor = text_floor;
        self
    }

    /// With another number of pieces of evidence for one item; 0 counts as 1.
    #[must_use]
    pub fn with_max_evidence(mut self, max_evidence: usize) -> Self {
        self.max_evidence = max_evidence;
        self
    }

    /// The floor in force: a gram is the least that can be shared.
    pub(super) fn floor(&self) -> f64 {
        f64::from(self.text_floor.max(GRAM_LEN as u32))
    }
}
