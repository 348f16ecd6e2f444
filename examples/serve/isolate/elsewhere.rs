//! Where processes cannot be limited, uploads are read by the service itself.
#![allow(dead_code)]

use std::time::Instant;

use leakprint::{Deadline, Fingerprint, Fingerprinter, Limits};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::Failure;
use crate::admission::Ticket;
use crate::answer::Refusal;
use crate::prints::{Hint, Unread};
use crate::upload::Upload;

/// How readers would be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) count: usize,
    pub(crate) memory_mb: u64,
    pub(crate) cpu_s: u64,
    pub(crate) all: bool,
    pub(crate) queue: usize,
}

/// What the metrics would say of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: Counter,
    pub(crate) ended: Family<[(&'static str, &'static str); 1], Counter>,
    pub(crate) running: Gauge,
    pub(crate) busy: Gauge,
    pub(crate) waiting: Gauge,
}

pub(crate) const MOST_MB: u64 = 1;

/// There are none.
pub(crate) enum Readers {}

/// There are none.
pub(crate) enum Lease {}

const REFUSED: &str = "--isolate needs Linux, macOS or FreeBSD, which limit what a process may use";

pub(crate) fn run(_: u64, _: u64) -> Result<(), Failure> {
    Err(REFUSED.into())
}

pub(crate) fn memory_mb(_: &Limits) -> u64 {
    0
}

impl Readers {
    pub(crate) fn start(_: Options, _: Counts) -> Result<Self, Failure> {
        Err(REFUSED.into())
    }

    pub(crate) async fn lease(
        &self,
        _: &Hint,
        _: &Limits,
        _: &[u8],
        _: Instant,
    ) -> Result<Option<Lease>, Refusal> {
        match *self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }
}

impl Lease {
    pub(crate) fn fingerprint(
        self,
        _: &Fingerprinter,
        _: Option<&str>,
        _: &Upload,
        _: &Deadline,
        _: &Ticket,
    ) -> Result<leakprint::Result<Fingerprint>, Unread> {
        match self {}
    }
}
