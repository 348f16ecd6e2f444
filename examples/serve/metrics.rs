//! Metrics in the OpenMetrics format, for Prometheus.

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

/// The content type of OpenMetrics text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 10 microseconds to 21 seconds, doubling: start, factor and number of buckets.
const BUCKETS: (f64, f64, u16) = (10e-6, 2.0, 22);

/// A stage of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Waiting for a thread.
    Queue,
    /// Decoding and fingerprinting.
    Fingerprint,
    /// Searching and verifying.
    Match,
    /// From the request head to the response, including the upload.
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
struct StageLabels {
    stage: &'static str,
    media: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
    status: u16,
}

type Label = [(&'static str, &'static str); 1];

/// All metrics of the service.
pub(crate) struct Metrics {
    registry: Registry,
    stages: Family<StageLabels, Histogram, fn() -> Histogram>,
    requests: Family<RouteLabels, Counter>,
    matches: Family<Label, Counter>,
    errors: Family<Label, Counter>,
    pub(crate) reloads: Counter,
    pub(crate) abandoned: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) readers: Counts,
    queue: Family<Label, Gauge>,
    body_bytes: Gauge,
    generation: Gauge,
    items: Gauge,
    merges_failed: Counter,
    merge_failing: Gauge,
}

/// Values that are read when the metrics are requested.
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
        let registry = &mut self.registry;
        registry.register_with_unit(
            "stage",
            "Duration of the stages of a query, by kind of media",
            Unit::Seconds,
            self.stages.clone(),
        );
        registry.register("requests", "Responses sent", self.requests.clone());
        registry.register("matches", "Matches found", self.matches.clone());
        let errors = "Failed requests and reloads, by kind of error; `overloaded` means refused because a queue, or the \
                      memory for bodies, was full";
        registry.register("errors", errors, self.errors.clone());
        let reloads = "Reloads of changes by another process";
        registry.register("reloads", reloads, self.reloads.clone());
        let abandoned = "Running jobs cancelled because the client had disconnected";
        registry.register("abandoned", abandoned, self.abandoned.clone());
        let in_flight = "Requests being processed";
        registry.register("in_flight_requests", in_flight, self.in_flight.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register(
            "queue_depth",
            "Jobs waiting for a thread",
            self.queue.clone(),
        );
        let bytes = "Memory reserved for request bodies";
        registry.register_with_unit("body", bytes, Unit::Bytes, self.body_bytes.clone());
        let generation = "Generation of the searched collection";
        registry.register("generation", generation, self.generation.clone());
        registry.register(
            "items",
            "Items in the searched collection",
            self.items.clone(),
        );
        let failed = "Failed merges of the collection";
        registry.register("merges_failed", failed, self.merges_failed.clone());
        let failing =
            "1 if the last merge failed: no data is lost, but the log grows until a merge succeeds";
        registry.register("merge_failing", failing, self.merge_failing.clone());
    }

    /// Registers the metrics that exist only with `--isolate`.
    pub(crate) fn register_readers(&mut self) {
        let (registry, readers) = (&mut self.registry, self.readers.clone());
        let started = "Reader processes started";
        registry.register("readers_started", started, readers.started);
        let ended = "Reader processes that ended and were replaced, by reason";
        registry.register("readers_ended", ended, readers.ended);
        registry.register(
            "readers_running",
            "Running reader processes",
            readers.running,
        );
        registry.register(
            "readers_busy",
            "Reader processes that are reading an upload",
            readers.busy,
        );
        let waiting = "Uploads waiting for a reader process";
        registry.register("readers_waiting", waiting, readers.waiting);
    }

    pub(crate) fn stage(&self, stage: Stage, media: &'static str, took: Duration) {
        let labels = StageLabels {
            stage: stage.as_str(),
            media,
        };
        let histogram = self.stages.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16) {
        let labels = RouteLabels {
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

    /// Failed merges, as of when the metrics were last written.
    pub(crate) fn merges_failed(&self) -> u64 {
        self.merges_failed.get()
    }

    /// All metrics as text.
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
        // The writer counts; `fetch_max` keeps concurrent requests consistent.
        let counted = self.merges_failed.inner();
        counted.fetch_max(merge.failed, Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
