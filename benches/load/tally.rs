//! The results: latencies, statuses, and unexpected responses.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Maximum number of unexpected responses that are quoted.
const MAX_EXAMPLES: usize = 20;

/// The results of one thread, or of all threads.
#[derive(Default)]
pub(crate) struct Tally {
    /// Microseconds by kind of request.
    latencies: BTreeMap<&'static str, Vec<u32>>,
    statuses: BTreeMap<String, u64>,
    unexpected: u64,
    examples: Vec<String>,
}

/// Latencies of one kind, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    requests: usize,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Tally {
    /// Records an expected response.
    pub(crate) fn answered(&mut self, kind: &'static str, status: u16, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.latencies.entry(kind).or_default().push(micros);
        self.status(kind, status);
    }

    /// Records a status without a latency.
    pub(crate) fn status(&mut self, kind: &'static str, status: impl ToString) {
        let key = format!("{kind} {}", status.to_string());
        *self.statuses.entry(key).or_default() += 1;
    }

    /// Records an unexpected outcome.
    pub(crate) fn unexpected(&mut self, kind: &'static str, what: impl ToString) {
        self.unexpected += 1;
        self.status(kind, "unexpected");
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(format!("{kind}: {}", what.to_string()));
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (kind, latencies) in other.latencies {
            self.latencies.entry(kind).or_default().extend(latencies);
        }
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.unexpected += other.unexpected;
        self.examples.extend(other.examples);
        self.examples.truncate(MAX_EXAMPLES);
    }

    /// Number of answered queries.
    pub(crate) fn queries(&self) -> usize {
        let of = |kind: &str| self.latencies.get(kind).map_or(0, Vec::len);
        of("text") + of("picture")
    }

    pub(crate) fn has_unexpected(&self) -> bool {
        self.unexpected > 0
    }

    pub(crate) fn report(mut self) -> Report {
        let latencies = self.latencies.iter_mut().map(|(&kind, micros)| {
            micros.sort_unstable();
            let at = |share: f64| {
                let place = (micros.len() as f64 * share).ceil() as usize;
                let micros = micros.get(place.saturating_sub(1)).copied().unwrap_or(0);
                f64::from(micros) / 1000.0
            };
            let latency = Latency {
                requests: micros.len(),
                p50_ms: at(0.5),
                p99_ms: at(0.99),
                p999_ms: at(0.999),
                max_ms: at(1.0),
            };
            (kind, latency)
        });
        Report {
            latencies: latencies.collect(),
            statuses: self.statuses,
            unexpected: self.unexpected,
            examples: self.examples,
        }
    }
}

/// A tally as printed.
#[derive(Serialize)]
pub(crate) struct Report {
    latencies: BTreeMap<&'static str, Latency>,
    statuses: BTreeMap<String, u64>,
    /// Unexpected or missing responses.
    unexpected: u64,
    examples: Vec<String>,
}
