//! What the service tells of itself, as Prometheus reads it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use leakprint::collection::MergeStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::isolate::Counts;

/// What OpenMetrics text is called.
pub(crate) const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 10 microseconds to 21 seconds, by doubling.
const BUCKETS: (f64, f64, u16) = (10e-6, 2.0, 22);

/// A stage of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Waiting for a thread.
    Queue,
    /// Decoding, and making prints.
    Fingerprint,
    /// Searching and verifying.
    Match,
    /// From the head of the request to its answer, the upload included.
    Total,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Fingerprint => "fingerprint",
            Self::Match => "match",
            Self::Total => "total",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStage {
    stage: &'static str,
    media: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    method: &'static str,
    route: String,
    status: u16,
}

type One = [(&'static str, &'static str); 1];

/// All of it.
pub(crate) struct Metrics {
    registry: Registry,
    stages: Family<OfStage, Histogram, fn() -> Histogram>,
    requests: Family<OfRoute, Counter>,
    matches: Family<One, Counter>,
    errors: Family<One, Counter>,
    pub(crate) reloads: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) readers: Counts,
    queue: Family<One, Gauge>,
    body_bytes: Gauge,
    generation: Gauge,
    items: Gauge,
    merges_failed: Counter,
    merge_failing: Gauge,
}

/// What is looked up when somebody asks.
pub(crate) struct Levels {
    pub(crate) queues: [(&'static str, usize); 2],
    pub(crate) body_bytes: usize,
    pub(crate) generation: u64,
    pub(crate) items: u64,
    pub(crate) merge: MergeStatus,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let histogram: fn() -> Histogram = || {
            let (start, factor, length) = BUCKETS;
            Histogram::new(exponential_buckets(start, factor, length))
        };
        let mut metrics = Self {
            registry: Registry::with_prefix("leakprint"),
            stages: Family::new_with_constructor(histogram),
            requests: Family::default(),
            matches: Family::default(),
            errors: Family::default(),
            reloads: Counter::default(),
            abandoned: Counter::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            readers: Counts::default(),
            queue: Family::default(),
            body_bytes: Gauge::default(),
            generation: Gauge::default(),
            items: Gauge::default(),
            merges_failed: Counter::default(),
            merge_failing: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let of = &mut self.registry;
        of.register_with_unit(
            "stage",
            "How long the stages of queries take, by kind of media",
            Unit::Seconds,
            self.stages.clone(),
        );
        of.register("requests", "Requests answered", self.requests.clone());
        of.register("matches", "Items found", self.matches.clone());
        let errors = "Requests that were not served, by the kind of the error; `overloaded` are those \
                      that were refused for want of room";
        of.register("errors", errors, self.errors.clone());
        let reloads = "Generations of another writer that were put in force";
        of.register("reloads", reloads, self.reloads.clone());
        let abandoned = "Jobs under way that ended since nobody waited for them any more";
        of.register("abandoned", abandoned, self.abandoned.clone());
        let in_flight = "Requests under way";
        of.register("in_flight_requests", in_flight, self.in_flight.clone());
        of.register("connections", "Connections open", self.connections.clone());
        of.register("queue_depth", "Jobs that wait", self.queue.clone());
        let bytes = "Memory that bodies have set aside";
        of.register_with_unit("body", bytes, Unit::Bytes, self.body_bytes.clone());
        let generation = "The generation of the collection that is searched";
        of.register("generation", generation, self.generation.clone());
        of.register("items", "Items that are searched", self.items.clone());
        let failed = "Merges of the collection that failed";
        of.register("merges_failed", failed, self.merges_failed.clone());
        let failing =
            "1 if the last merge failed: nothing is lost, but the log grows until one succeeds";
        of.register("merge_failing", failing, self.merge_failing.clone());
    }

    /// What there is only with `--isolate`.
    pub(crate) fn register_readers(&mut self) {
        let (of, readers) = (&mut self.registry, self.readers.clone());
        let started = "Processes started to read uploads";
        of.register("readers_started", started, readers.started);
        let ended = "Those that ended and were replaced, by why";
        of.register("readers_ended", ended, readers.ended);
        of.register("readers_running", "Those that run", readers.running);
        of.register("readers_busy", "Those that have an upload", readers.busy);
        let waiting = "Uploads that wait for one";
        of.register("readers_waiting", waiting, readers.waiting);
    }

    pub(crate) fn stage(&self, stage: Stage, media: &'static str, took: Duration) {
        let labels = OfStage {
            stage: stage.as_str(),
            media,
        };
        let histogram = self.stages.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16) {
        let labels = OfRoute {
            method,
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn matched(&self, strength: &'static str) {
        self.matches.get_or_create(&[("strength", strength)]).inc();
    }

    pub(crate) fn failed(&self, kind: &'static str) {
        self.errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// Merges that failed, up to when the metrics were last written.
    pub(crate) fn merges_failed(&self) -> u64 {
        self.merges_failed.get()
    }

    /// All of it as text.
    pub(crate) fn text(&self, levels: &Levels) -> String {
        for (lane, depth) in levels.queues {
            let gauge = self.queue.get_or_create(&[("lane", lane)]);
            gauge.set(depth as i64);
        }
        self.body_bytes.set(levels.body_bytes as i64);
        self.generation.set(levels.generation as i64);
        self.items.set(levels.items as i64);
        let merge = &levels.merge;
        self.merge_failing.set(i64::from(merge.failure.is_some()));
        // Counted by the writer; two that ask at once see the same.
        let counted = self.merges_failed.inner();
        counted.fetch_max(merge.failed, Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
