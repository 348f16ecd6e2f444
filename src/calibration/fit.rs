//! Fitting a tail: peaks over a threshold, by probability-weighted moments.
//!
//! Source: Hosking, Wallis, "Parameter and quantile estimation for the generalized Pareto distribution",
//! Technometrics 29, 1987. For the small samples here these moments have less error than maximum
//! likelihood, and always exist.

use super::{Kind, LEAST_MEASURE, Pareto, Tail};

/// Exceedances to which a tail is fitted, at least where there are as many measures.
const MIN_TAIL: usize = 25;

/// Exceedances below which nothing is fitted: the prior is taken.
const MIN_FITTED: usize = 10;

/// Exceedances beyond which the fit would be one of the body rather than of the tail.
const MAX_TAIL: usize = 5000;

/// The heaviest tail: beyond it the moments that are used do not exist.
pub(super) const MAX_SHAPE: f64 = 0.5;

/// The least scale: measures that are all equal have none.
const MIN_SCALE: f64 = 0.01;

/// Resamples of the bootstrap, and how many of these are beyond the bound. Resamples of so few
/// exceedances vary less than samples do: with one in twenty beyond it, the bound was too low for 10 to 20
/// of 100 samples of known tails.
const RESAMPLES: usize = 200;
const BEYOND: usize = RESAMPLES / 100;

/// The least shape of the bound: a sample that looks exponential may come from a somewhat heavier tail.
const MIN_BOUND_SHAPE: f64 = 0.1;

/// The rate at which resamples are compared: one upload in a million.
const REFERENCE_RATE: f64 = 1e-6;

/// The best measures of the uploads of a sample in one kind of evidence.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// The measures of the uploads that have any. Others count as below the threshold.
    pub measures: Vec<f64>,
    /// All uploads.
    pub uploads: u64,
    /// The content that was searched.
    pub size: u64,
}

/// Fits a tail to a sample. Where the sample shows too few exceedances, the tail is no lighter than
/// the prior. The result does not depend on the order of the measures.
pub fn fit(kind: Kind, sample: &Sample, prior: &Pareto) -> Tail {
    let mut measures = sample.measures.clone();
    measures.retain(|&measure| measure.is_finite() && measure >= LEAST_MEASURE);
    measures.sort_by(|a, b| b.total_cmp(a));
    let uploads = sample.uploads.max(measures.len() as u64).max(1);
    // Two thirds of the order of magnitude: as the sample grows, so does the number of exceedances,
    // and their share falls.
    let wanted = (uploads as f64).powf(2.0 / 3.0).ceil() as usize;
    let wanted = wanted.clamp(MIN_TAIL, MAX_TAIL);
    let threshold = measures.get(wanted).or(measures.last()).copied();
    let threshold = threshold.unwrap_or(LEAST_MEASURE);
    let excesses: Vec<f64> = measures
        .iter()
        .map(|measure| measure - threshold)
        .take_while(|&excess| excess > 0.0)
        .collect();
    let tail = |threshold, count: usize, fit, bound| Tail {
        kind,
        uploads,
        exceedances: count as u64,
        size: sample.size,
        threshold,
        fit,
        bound,
    };
    if excesses.len() < MIN_FITTED {
        let excesses: Vec<f64> = measures.iter().map(|m| m - LEAST_MEASURE).collect();
        let (fit, bound) = with_few(&excesses, uploads, prior);
        return tail(LEAST_MEASURE, excesses.len(), fit, bound);
    }
    let count = excesses.len();
    let rate = count as f64 / uploads as f64;
    let fit = moments(&excesses).with_rate(rate);
    let bound = bootstrap(&excesses, &fit).with_rate(upper_rate(count, uploads));
    tail(threshold, count, fit, bound)
}

impl Pareto {
    fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }
}

/// The upper 95 % bound of a rate: a little more than the exact one of Poisson's distribution.
fn upper_rate(count: usize, uploads: u64) -> f64 {
    let count = count as f64;
    ((count + 1.645 * count.sqrt() + 3.0) / uploads as f64).min(1.0)
}

/// The tail where there are too few exceedances to fit one.
fn with_few(excesses: &[f64], uploads: u64, prior: &Pareto) -> (Pareto, Pareto) {
    let count = excesses.len();
    let mean = excesses.iter().sum::<f64>() / count.max(1) as f64;
    let error = 1.0 + 2.0 / (count.max(1) as f64).sqrt();
    let fit = Pareto {
        rate: count as f64 / uploads as f64,
        scale: mean.max(prior.scale),
        shape: prior.shape,
    };
    let bound = Pareto {
        rate: upper_rate(count, uploads),
        scale: (mean * error).max(prior.scale),
        shape: prior.shape,
    };
    (fit, bound)
}

/// Fits scale and shape to excesses in descending order.
fn moments(descending: &[f64]) -> Pareto {
    let count = descending.len() as f64;
    let mean = descending.iter().sum::<f64>() / count;
    // The moment weighted by the share of the excesses that are larger.
    let weighted = descending.iter().enumerate().map(|(i, excess)| {
        let larger = (i as f64 + 0.35) / count;
        larger * excess
    });
    let weighted = weighted.sum::<f64>() / count;
    let difference = mean - 2.0 * weighted;
    let shape = match difference > 0.0 {
        true => (2.0 - mean / difference).clamp(0.0, MAX_SHAPE),
        false => 0.0,
    };
    Pareto {
        rate: 1.0,
        // With the shape in these bounds, the scale that keeps the mean.
        scale: (mean * (1.0 - shape)).max(MIN_SCALE),
        shape,
    }
}

/// Fits resamples of the excesses, and returns the fit that few surpass.
fn bootstrap(excesses: &[f64], fit: &Pareto) -> Pareto {
    let mut random = SplitMix(0x6C65_616B_7072_696E);
    let mut resample = vec![0.0; excesses.len()];
    let mut fits = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        for value in &mut resample {
            let at = random.below(excesses.len());
            *value = excesses.get(at).copied().unwrap_or_default();
        }
        resample.sort_by(|a, b| b.total_cmp(a));
        fits.push(moments(&resample));
    }
    let excess = fit.excess_at(REFERENCE_RATE);
    fits.sort_by(|a, b| b.rate_above(excess).total_cmp(&a.rate_above(excess)));
    let bound = fits.get(BEYOND).copied().unwrap_or(*fit);
    let shape = bound.shape.max(MIN_BOUND_SHAPE);
    Pareto {
        shape,
        // Keeps the mean.
        scale: bound.scale * (1.0 - shape) / (1.0 - bound.shape),
        ..bound
    }
}

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.next()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Pareto = Pareto {
        rate: 1.0,
        scale: 0.3,
        shape: 0.1,
    };

    /// Measures of which all exceed 0.5, by a generalised Pareto distribution.
    fn sample(seed: u64, count: usize, scale: f64, shape: f64) -> Sample {
        let mut random = SplitMix(seed);
        let measures = (0..count).map(|_| {
            let uniform = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
            let excess = match shape == 0.0 {
                true => -scale * (1.0 - uniform).ln(),
                false => scale * ((1.0 - uniform).powf(-shape) - 1.0) / shape,
            };
            0.5 + excess
        });
        Sample {
            measures: measures.collect(),
            uploads: count as u64,
            size: 1,
        }
    }

    #[test]
    fn known_tails_are_found() {
        for (scale, shape) in [(0.2, 0.0), (0.2, 0.2), (0.5, 0.35)] {
            let (mut scales, mut shapes) = (0.0, 0.0);
            for seed in 0..40 {
                let sample = sample(seed, 4000, scale, shape);
                let excesses = sample.measures.iter().map(|measure| measure - 0.5);
                let mut excesses: Vec<f64> = excesses.collect();
                excesses.sort_by(|a, b| b.total_cmp(a));
                let fit = moments(&excesses);
                scales += fit.scale / 40.0;
                shapes += fit.shape / 40.0;
            }
            assert!((scales / scale - 1.0).abs() < 0.05, "{scale}: {scales}");
            assert!((shapes - shape).abs() < 0.03, "{shape}: {shapes}");
        }
    }

    /// Of the rates that are stated for events beyond the sample, few are too low.
    #[test]
    fn the_bound_holds() {
        let (scale, shape) = (0.25, 0.1);
        let truth = Pareto {
            rate: 1.0,
            scale,
            shape,
        };
        for rate in [1e-3, 1e-4, 1e-6] {
            let measure = 0.5 + truth.excess_at(rate);
            let mut too_low = 0;
            for seed in 0..200 {
                let tail = fit(Kind::Text, &sample(seed, 600, scale, shape), &PRIOR);
                too_low += u32::from(tail.rate(measure) < rate);
            }
            assert!(too_low <= 16, "{rate}: {too_low} of 200");
        }
    }

    #[test]
    fn a_tail_that_ends_is_taken_for_an_exponential_one() {
        // Uniform: the shape is -1.
        let measures = (0..1000).map(|i| 0.5 + f64::from(i) / 1000.0);
        let sample = Sample {
            measures: measures.collect(),
            uploads: 1000,
            size: 1,
        };
        let tail = fit(Kind::Region, &sample, &PRIOR);
        assert_eq!((tail.fit.shape, tail.exceedances), (0.0, 100));
        assert!((tail.threshold - 1.399).abs() < 1e-9 && (tail.fit.scale - 0.05).abs() < 0.002);
        assert!(tail.rate(1.6) > 0.0);
    }

    #[test]
    fn few_exceedances_leave_the_prior() {
        let sample = |measures: &[f64], uploads| Sample {
            measures: measures.to_vec(),
            uploads,
            size: 7,
        };
        let none = fit(Kind::Code, &sample(&[], 1000), &PRIOR);
        assert_eq!((none.exceedances, none.fit.rate, none.size), (0, 0.0, 7));
        assert_eq!(none.rate(LEAST_MEASURE), 3.0 / 1000.0);
        assert!(none.rate(2.0) > 0.0 && none.rate(2.0) < none.rate(1.0));
        let few = fit(
            Kind::Code,
            &sample(&[0.9, 0.4, f64::NAN, 0.05], 1000),
            &PRIOR,
        );
        assert_eq!(few.exceedances, 2);
        assert!(few.rate(1.0) > none.rate(1.0));
        // Equal measures have no excess.
        let equal = fit(Kind::Code, &sample(&[0.9; 40], 1000), &PRIOR);
        assert!(equal.fit.scale >= PRIOR.scale && equal.rate(0.9).is_finite());
        let nothing = fit(Kind::Code, &sample(&[], 0), &PRIOR);
        assert_eq!(
            nothing.rate(0.2),
            1.0_f64.min(nothing.bound.rate_above(0.1))
        );
    }

    #[test]
    fn the_order_of_the_sample_does_not_matter() {
        let one = sample(3, 500, 0.2, 0.1);
        let mut other = one.clone();
        other.measures.reverse();
        assert_eq!(
            fit(Kind::Text, &one, &PRIOR),
            fit(Kind::Text, &other, &PRIOR)
        );
    }
}
