//! Measuring a calibration: what a sample of ordinary traffic reaches.

use super::search::Search;
use super::significance::{FARTHEST_CODE, code_measure, measure};
use super::{Evidence, MatchOptions, Matcher, Strength, reach::Reach};
use crate::calibration::{Calibration, Kind, PerKind, Sample, fit};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::Fingerprint;

/// Measures how often unrelated uploads match.
///
/// The sample is to be ordinary traffic of the service in its usual mixture: a thousand uploads and more.
/// It must not have leaked content, since that would count as chance; uploads with identical content
/// are left out. Nor may it have the files that were given as
/// [background](crate::IndexWriter::background), since what these share with items is discounted.
///
/// ```
/// # let index = leakprint::example::memo_index()?;
/// # let memo = leakprint::example::MEMO;
/// use leakprint::Matcher;
/// use leakprint::calibration::CalibrationSource;
/// use leakprint::matcher::Calibrator;
///
/// let matcher = Matcher::new(index)?;
/// let mut calibrator = Calibrator::new(&matcher);
/// for number in 0..200 {
///     let post = format!("Post {number}: nothing of it, and no press screening either.");
///     let print = matcher.query_fingerprinter().fingerprint_text(&post)?;
///     let observation = calibrator.observe(&print)?; // from any thread
///     calibrator.add(&observation);
/// }
/// let calibration = calibrator.finish();
/// assert_eq!(calibration.source(), CalibrationSource::Measured);
/// assert_eq!(calibration.tails()[0].uploads, 200);
/// let matches = matcher.with_calibration(calibration).find_text(&memo[..150])?;
/// assert!(matches[0].expected.unwrap() < 10_000.0);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Calibrator {
    matcher: Matcher,
    samples: PerKind<Sample>,
    copies: u64,
    uploads: u64,
}

/// What one upload of a sample reaches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Observation {
    /// The item of which the upload looks like a copy: identical content, or a match that is
    /// [`Certain`](Strength::Certain). Look at it: leaked content must not be in the sample.
    pub copy_of: Option<String>,
    /// Whether content is identical, so that the upload does not count.
    pub identical: bool,
    /// The best measure of each kind, 0 for none; `None` if the upload has nothing of the kind.
    measures: PerKind<Option<f64>>,
}

impl Calibrator {
    /// Starts a sample of uploads that are matched with the index or collection of a matcher, under its
    /// [limits](Matcher::with_limits). Text in pictures is not recognised.
    pub fn new(matcher: &Matcher) -> Self {
        let mut matcher = matcher.clone();
        matcher.recogniser = None;
        let options = std::mem::take(&mut matcher.options);
        matcher.options = MatchOptions {
            min_strength: Strength::Possible,
            max_expected: None,
            max_evidence: usize::MAX,
            ..options
        };
        let samples = matcher.sizes.map(|size| Sample {
            size,
            ..Sample::default()
        });
        Self {
            matcher,
            samples,
            copies: 0,
            uploads: 0,
        }
    }

    /// Matches one upload, also far below what is reported. Takes several times longer than
    /// [`Matcher::find`].
    ///
    /// # Errors
    /// As [`Matcher::find`].
    pub fn observe(&self, upload: &Fingerprint) -> Result<Observation> {
        self.observe_until(upload, &Deadline::never())
    }

    /// As [`observe`](Self::observe), but fails at a deadline as well as after
    /// [`Limits::time_ms`](crate::Limits::time_ms).
    ///
    /// # Errors
    /// As [`Matcher::find_until`].
    pub fn observe_until(&self, upload: &Fingerprint, deadline: &Deadline) -> Result<Observation> {
        let matcher = &self.matcher;
        let deadline = &matcher.fingerprinter.deadline(deadline);
        let mut seen = Observation {
            copy_of: None,
            identical: false,
            measures: kinds_of(upload),
        };
        // As it is matched later: of the wide search, passages that are far too short change how
        // many items seem to share others.
        for found in matcher.find_until(upload, deadline)? {
            if found.strength == Strength::Certain {
                seen.copy_of.get_or_insert(found.item);
            }
            for evidence in &found.evidence {
                seen.take(evidence);
            }
        }
        let mut search = Search::new(matcher, deadline);
        for part in &upload.parts {
            deadline.check()?;
            for (_, evidence) in search.found(part, Reach::of_calibration())? {
                seen.take(&evidence);
            }
        }
        if let Some(catalog) = &matcher.catalog
            && let Some(distance) = catalog.nearest_code(upload, FARTHEST_CODE, deadline)?
        {
            seen.raise(Kind::Code, code_measure(distance));
        }
        Ok(seen)
    }

    /// Adds an upload to the sample.
    pub fn add(&mut self, observation: &Observation) {
        self.copies += u64::from(observation.copy_of.is_some());
        if observation.identical {
            return;
        }
        self.uploads += 1;
        let seen = observation.measures.iter();
        for (sample, measure) in self.samples.iter_mut().zip(seen) {
            if let Some(measure) = measure {
                sample.uploads += 1;
                sample.measures.extend((*measure > 0.0).then_some(*measure));
            }
        }
    }

    /// Returns the number of uploads that count.
    pub fn uploads(&self) -> u64 {
        self.uploads
    }

    /// Returns the number of uploads that look like copies, whether they count or not.
    pub fn copies(&self) -> u64 {
        self.copies
    }

    /// Fits the calibration: rates per upload of this traffic, whatever it consists of. Where the
    /// sample shows too little of a kind, its tail is no lighter than the built-in one; and a kind of
    /// which there is no content has the built-in tail.
    pub fn finish(self) -> Calibration {
        let built_in = Calibration::built_in();
        Calibration::measured(Kind::ALL.map(|kind| {
            let prior = built_in.tail(kind);
            let sample = Sample {
                uploads: self.uploads,
                ..self.samples[kind as usize].clone()
            };
            match sample.size {
                0 => *prior,
                _ => fit(kind, &sample, &prior.bound),
            }
        }))
    }

    /// Returns the samples, whose uploads are those that have anything of the kind. For the
    /// program that fits the built-in calibration.
    #[doc(hidden)]
    pub fn samples(&self) -> impl Iterator<Item = (Kind, &Sample)> {
        Kind::ALL.into_iter().zip(&self.samples)
    }
}

impl Calibration {
    /// Measures a calibration by a sample of fingerprints, one after the other. [`Calibrator`] has an
    /// example, and also serves several threads.
    ///
    /// # Errors
    /// As [`Matcher::find`].
    pub fn measure<'a>(
        matcher: &Matcher,
        sample: impl IntoIterator<Item = &'a Fingerprint>,
    ) -> Result<Self> {
        let mut calibrator = Calibrator::new(matcher);
        for upload in sample {
            let observation = calibrator.observe(upload)?;
            calibrator.add(&observation);
        }
        Ok(calibrator.finish())
    }
}

impl Observation {
    fn take(&mut self, evidence: &Evidence) {
        match measure(evidence) {
            Some((kind, measure)) => self.raise(kind, measure),
            None => self.identical = true,
        }
    }

    fn raise(&mut self, kind: Kind, measure: f64) {
        let best = &mut self.measures[kind as usize];
        *best = Some(best.unwrap_or_default().max(measure));
    }

    /// Returns how many of a million unrelated uploads reach as much as this one by the calibration of a
    /// matcher, to check it with other uploads than those of its sample. Also states it for uploads that
    /// share too little for a match.
    pub fn expected(&self, matcher: &Matcher) -> f64 {
        if self.identical {
            return 0.0;
        }
        let measures = Kind::ALL.into_iter().zip(self.measures);
        let measures = measures.filter_map(|(kind, measure)| Some((kind, measure?)));
        matcher.calibration.expected(&matcher.sizes, measures)
    }

    /// Returns the best measure of a kind, 0 for none; `None` if the upload has nothing of the kind.
    pub fn measure(&self, kind: Kind) -> Option<f64> {
        self.measures[kind as usize]
    }
}

/// Returns the kinds of evidence that an upload can show.
fn kinds_of(upload: &Fingerprint) -> PerKind<Option<f64>> {
    let has_text = upload.parts.iter().any(|part| part.text.is_some());
    let has_cells = upload.parts.iter().any(|part| !part.cells.is_empty());
    let has_picture = upload.parts.iter().any(|part| part.raster.is_some());
    Kind::ALL.map(|kind| {
        let shows = match kind {
            Kind::Text => has_text,
            Kind::Record => has_cells,
            Kind::Region | Kind::Image | Kind::Code => has_picture,
        };
        shows.then_some(0.0)
    })
}
