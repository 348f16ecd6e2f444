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
    /// Reports matches by their significance instead of their strength: those of which unrelated
    /// uploads have at most this many per million uploads, as [`Match::expected`](super::Match::expected)
    /// states it. `min_strength` then has no effect; matches below [`Possible`](Strength::Possible) are not
    /// reported whatever the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_expected: Option<f64>,
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
            max_expected: None,
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

    /// Sets the rate, in matches per million unrelated uploads, up to which matches are reported; with
    /// `None` their strength decides.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// use leakprint::{MatchOptions, Matcher, Strength};
    ///
    /// let post = "So Lighthouse opens in fourteen territories with no press screening before the sale.";
    /// let matcher = Matcher::new(index)?;
    /// let rare = MatchOptions::default().with_max_expected(1e-3);
    /// assert!(matcher.clone().with_options(rare).find_text(post)?.is_empty());
    /// let wide = MatchOptions::default().with_max_expected(1e5);
    /// let found = matcher.with_options(wide).find_text(post)?;
    /// assert_eq!(found[0].strength, Strength::Possible);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    #[must_use]
    pub fn with_max_expected(mut self, max_expected: impl Into<Option<f64>>) -> Self {
        self.max_expected = max_expected.into();
        self
    }

    /// Sets whether a hash of a hash list is a strong match by itself.
    #[must_use]
    pub fn with_trust_hash_lists(mut self, trust: bool) -> Self {
        self.trust_hash_lists = trust;
        self
    }

    /// Returns the least strength of matches in effect.
    pub(crate) fn least_strength(&self) -> Strength {
        match self.max_expected {
            Some(_) => Strength::Possible,
            None => self.min_strength,
        }
    }

    /// Returns whether a match that is expected so often is reported.
    pub(super) fn allows(&self, expected: f64) -> bool {
        self.max_expected.is_none_or(|most| expected <= most)
    }

    /// Returns the floor in effect, at least the length of a gram.
    pub(super) fn floor(&self) -> f64 {
        f64::from(self.text_floor.max(GRAM_LEN as u32))
    }
}
