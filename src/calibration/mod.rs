//! Significance: how often unrelated uploads reach a match.
//!
//! A sample of ordinary traffic is matched, and of each upload the best measure of each kind of
//! evidence is kept. Most of these are far below a match, so the rate of matches is extrapolated: by
//! extreme-value theory, the excesses over a high threshold have a generalised Pareto distribution
//! (Pickands 1975, Balkema and de Haan 1974), whatever the distribution below it. A binomial model of
//! differing bits is no substitute: the tail of PDQ's distances is twenty times heavier.
//!
//! The rate is that of *unrelated* uploads. Documents made from a template of which the leak has an instance, or
//! screenshots of the same program, are no random traffic: no rate covers them. Nor does it cover
//! uploads made to match, such as [forged hashes](crate::MatchOptions::trust_hash_lists).

mod built_in;
mod fit;
mod stored;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use fit::{Sample, fit};
pub(crate) use stored::{RECORD_LEN, StoredCalibration};

/// The least measure that a sample can show.
pub(crate) const LEAST_MEASURE: f64 = 0.1;

/// The least rate of matches per upload that is stated: nothing measured supports a smaller one.
const MIN_RATE: f64 = 1e-12;

/// A kind of evidence whose rate is calibrated. Identical bytes or pixels are not: chance brings
/// them about once in 2^128 uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A passage of text.
    Text,
    /// A region of a picture.
    Region,
    /// A whole picture.
    Image,
    /// A hash of a hash list.
    Code,
    /// Rows of a table.
    Record,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Text,
        Self::Region,
        Self::Image,
        Self::Code,
        Self::Record,
    ];

    /// Returns the kind as one lower-case word, as in the evidence of a match.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Region => "region",
            Self::Image => "image",
            Self::Code => "code",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One value for each [`Kind`], in their order.
pub(crate) type PerKind<T> = [T; Kind::ALL.len()];

/// A generalised Pareto distribution of the excesses over a threshold, and how often there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pareto {
    /// The share of uploads that exceed the threshold, 0..=1.
    pub rate: f64,
    /// The scale of the excesses.
    pub scale: f64,
    /// The shape, 0..=0.5: 0 is an exponential tail, more is a heavier one. A lighter tail is not
    /// assumed: it would end, and no sample shows that nothing is beyond.
    pub shape: f64,
}

impl Pareto {
    /// Returns the share of uploads whose measure exceeds the threshold by more than `excess`.
    pub fn rate_above(&self, excess: f64) -> f64 {
        let excess = excess.max(0.0) / self.scale;
        let survival = if self.shape < 1e-6 {
            (-excess).exp()
        } else {
            (1.0 + self.shape * excess).powf(-1.0 / self.shape)
        };
        self.rate * survival
    }

    /// Returns the excess that a share of `rate` of the uploads surpasses.
    fn excess_at(&self, rate: f64) -> f64 {
        let times = (self.rate / rate).max(1.0);
        if self.shape < 1e-6 {
            self.scale * times.ln()
        } else {
            self.scale * (times.powf(self.shape) - 1.0) / self.shape
        }
    }
}

/// The upper tail of the best measures that unrelated uploads reach in one kind of evidence.
///
/// The measure is `-ln(1 - score)`, which does not saturate: 0.7 at a score of 0.5, 1.2 at
/// 0.7 and 3 at 0.95. For a hash of a hash list it is `(128 - distance) / 32`, since
/// the score depends on more than the hash.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tail {
    /// The kind of evidence.
    pub kind: Kind,
    /// Uploads of the sample.
    pub uploads: u64,
    /// Uploads whose measure exceeds the threshold.
    pub exceedances: u64,
    /// The content that was searched: items with text, pictures, hashes, or tables.
    pub size: u64,
    /// The threshold above which the tail is fitted.
    pub threshold: f64,
    /// The best estimate.
    pub fit: Pareto,
    /// The upper end of its error: a 95 % bound of the rate, and a bootstrapped bound of the tail behind
    /// it. It held for 95 of 100 samples of tails with a shape of 0.1, and for 85 with 0.3.
    pub bound: Pareto,
}

impl Tail {
    /// Returns the rate per upload of measures above `measure`, with its error: the larger one of the
    /// estimate and its bound. 1 below the threshold. Never increases with `measure`.
    pub fn rate(&self, measure: f64) -> f64 {
        let excess = measure - self.threshold;
        if excess < 0.0 || excess.is_nan() {
            return 1.0;
        }
        let rate = self
            .fit
            .rate_above(excess)
            .max(self.bound.rate_above(excess));
        rate.clamp(0.0, 1.0)
    }

    /// Returns the factor by which `size` exceeds that of the sample, at least 1. The chance to find
    /// anything grows with it at most.
    fn growth(&self, size: u64) -> f64 {
        (size as f64 / self.size.max(1) as f64).max(1.0)
    }
}

/// Where a calibration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CalibrationSource {
    /// From samples of the crate's authors: 2,152 texts, 1,025 of which have values, and 879 pictures, against three
    /// leaks of photos, documents, and mails with screenshots. Rates are those of uploads that
    /// have a text, a picture or values at all.
    BuiltIn,
    /// From a sample of your traffic, against your index.
    Measured,
}

impl CalibrationSource {
    /// Returns the source as one lower-case word: `built-in` or `measured`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::Measured => "measured",
        }
    }
}

/// How often unrelated uploads reach a measure, for each kind of evidence.
///
/// [`Calibrator`](crate::matcher::Calibrator) makes one of a sample of traffic, and has an example.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    source: CalibrationSource,
    tails: PerKind<Tail>,
}

impl Calibration {
    /// Returns the calibration that is used where none was measured.
    pub fn built_in() -> Self {
        Self {
            source: CalibrationSource::BuiltIn,
            tails: built_in::TAILS,
        }
    }

    pub(crate) fn measured(tails: PerKind<Tail>) -> Self {
        Self {
            source: CalibrationSource::Measured,
            tails,
        }
    }

    /// Returns where it comes from.
    pub fn source(&self) -> CalibrationSource {
        self.source
    }

    /// Returns the tails, one for each kind of evidence.
    pub fn tails(&self) -> &[Tail] {
        &self.tails
    }

    /// Returns the tail of one kind.
    pub fn tail(&self, kind: Kind) -> &Tail {
        &self.tails[kind as usize]
    }

    /// Returns how many matches at least as significant as this evidence a million unrelated uploads
    /// have, where an index has `sizes` of content for each kind.
    ///
    /// Each kind of evidence is tested on each upload, so the rate of the most significant kind is
    /// multiplied by the number of kinds that the index can show: with the same limit for each, the
    /// sum of their rates is at most this, whatever depends on what (Bonferroni). The maximum would
    /// be too low by that factor.
    pub(crate) fn expected(
        &self,
        sizes: &PerKind<u64>,
        evidence: impl IntoIterator<Item = (Kind, f64)>,
    ) -> f64 {
        let kinds = sizes.iter().filter(|&&size| size > 0).count().max(1);
        let rates = evidence.into_iter().map(|(kind, measure)| {
            let tail = self.tail(kind);
            tail.rate(measure) * tail.growth(sizes[kind as usize])
        });
        let least = rates.fold(1.0, f64::min);
        let rate = (kinds as f64 * least).clamp(MIN_RATE, 1.0);
        three_digits(1e6 * rate)
    }

    /// Describes it, where an index has `sizes` of content for each kind now.
    pub(crate) fn info(&self, sizes: &PerKind<u64>) -> Option<CalibrationInfo> {
        if self.source == CalibrationSource::BuiltIn {
            return None;
        }
        let growth = self.tails.iter().zip(sizes);
        let growth = growth.map(|(tail, &size)| match size {
            0 => 1.0,
            size => tail.growth(size),
        });
        Some(CalibrationInfo {
            growth: three_digits(growth.fold(1.0, f64::max)),
            tails: self.tails.to_vec(),
        })
    }
}

/// A measured calibration in the description of an index or collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CalibrationInfo {
    /// The factor by which the content of some kind has grown since, at least 1. Rates are multiplied
    /// by that of their kind, so they stay bounds; measure again when it is large.
    pub growth: f64,
    /// The tails, one for each kind of evidence.
    pub tails: Vec<Tail>,
}

/// Rounds to three significant digits: mathematical libraries differ in the last ones, and a sample
/// does not support more.
fn three_digits(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return value;
    }
    let digits = format!("{value:.2e}");
    digits.parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: PerKind<u64> = [1; 5];

    #[test]
    fn a_better_match_is_never_more_expected() {
        let all = Calibration::built_in();
        for kind in Kind::ALL {
            let expected = |measure: f64| all.expected(&SIZES, [(kind, measure)]);
            let mut last = f64::MAX;
            for step in 0..300 {
                let now = expected(f64::from(step) * 0.05);
                assert!(now <= last && now > 0.0, "{kind}: {now} after {last}");
                last = now;
            }
            assert_eq!(expected(0.0), 1e6, "{kind}");
            assert_eq!(expected(f64::NAN), 1e6, "{kind}");
        }
    }

    #[test]
    fn more_content_and_more_kinds_mean_more_chance_matches() {
        let all = Calibration::built_in();
        let evidence = [(Kind::Text, 3.0)];
        let few = [all.tail(Kind::Text).size, 0, 0, 0, 0];
        let expected = all.expected(&few, evidence);
        let kinds = all.expected(&[few[0], 1, 1, 0, 0], evidence);
        let larger = all.expected(&[10 * few[0], 0, 0, 0, 0], evidence);
        let smaller = all.expected(&[1, 0, 0, 0, 0], evidence);
        assert!((kinds / expected - 3.0).abs() < 0.05);
        assert!((larger / expected - 10.0).abs() < 0.05);
        assert_eq!(smaller, expected);
    }

    #[test]
    fn the_most_significant_evidence_counts() {
        let all = Calibration::built_in();
        let alone = all.expected(&SIZES, [(Kind::Text, 4.0)]);
        let both = all.expected(&SIZES, [(Kind::Image, 0.2), (Kind::Text, 4.0)]);
        assert_eq!(alone, both);
    }

    #[test]
    fn three_digits_are_kept() {
        assert_eq!(three_digits(1.234_567e-9), 1.23e-9);
        assert_eq!(three_digits(1e6), 1e6);
        assert_eq!(three_digits(0.0), 0.0);
    }
}
