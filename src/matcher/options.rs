//! The options of matching.

use serde::{Deserialize, Serialize};

use super::Strength;
use crate::text::GRAM_LEN;

/// The options of a matcher. Serialisable, so that a service can keep them in its configuration.
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
    /// The policy for quotations: a passage of this many letters and digits that are rare in the
    /// index is a [`Strong`](Strength::Strong) match, shorter ones are weaker. The default, 80, allows
    /// a quotation of a dozen words. Up to `window - 1` symbols at each end of a passage may not be
    /// counted, since not every gram is kept.
    pub text_floor: u32,
    /// Pieces of evidence reported for one item: the strongest.
    pub max_evidence: usize,
    /// Whether a hash of a hash list is a [`Strong`](Strength::Strong) match by itself. By default it
    /// is [`Possible`](Strength::Possible) at most, unless the list has a second print of the picture:
    /// anyone who knows a hash can change an innocent picture until it has nearly this hash.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trust_hash_lists: bool,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            min_strength: Strength::Strong,
            text_floor: 80,
            max_evidence: 8,
            trust_hash_lists: false,
        }
    }
}

impl MatchOptions {
    /// Sets the least strength of matches.
    #[must_use]
    pub fn with_min_strength(mut self, min_strength: Strength) -> Self {
        self.min_strength = min_strength;
        self
    }

    /// Sets the floor for quotations, in letters and digits.
    #[must_use]
    pub fn with_text_floor(mut self, text_floor: u32) -> Self {
        self.text_floor = text_floor;
        self
    }

    /// Sets the number of pieces of evidence for one item; 0 counts as 1.
    #[must_use]
    pub fn with_max_evidence(mut self, max_evidence: usize) -> Self {
        self.max_evidence = max_evidence;
        self
    }

    /// Sets whether a hash of a hash list is a strong match by itself.
    #[must_use]
    pub fn with_trust_hash_lists(mut self, trust: bool) -> Self {
        self.trust_hash_lists = trust;
        self
    }

    /// Returns the floor in effect, at least the length of a gram.
    pub(super) fn floor(&self) -> f64 {
        f64::from(self.text_floor.max(GRAM_LEN as u32))
    }
}
