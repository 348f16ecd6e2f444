//! Reading uploads in child processes (`--isolate`): a decoder that crashes, hangs or exceeds a limit
//! fails one upload and not the service.
//!
//! A pool of readers ([`child`]) is started in advance. A request leases a reader before it enters the
//! gate, so that no thread of the gate waits for one. The thread sends the bytes, receives the decoded
//! parts ([`wire`]) and fingerprints them; it has the key and the reader does not. A reader that dies,
//! breaks the protocol or misses the deadline is killed, and [`pool`] starts another.

mod child;
mod pool;
mod process;
mod wire;

use leakprint::media::Format;
use leakprint::{Deadline, Fingerprint, Fingerprinter, Limits};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::admission::Ticket;
use crate::prints::{Hint, ReadError};
use crate::upload::Upload;

pub(crate) use child::run;
pub(crate) use pool::{Lease, Readers};

/// Options of the readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Number of readers.
    pub(crate) count: usize,
    /// Address space of each reader, in MiB.
    pub(crate) memory_mb: u64,
    /// Processor time for each upload, in seconds.
    pub(crate) cpu_s: u64,
    /// Whether readers also read texts and common pictures.
    pub(crate) all: bool,
    /// Maximum number of uploads that wait for a reader.
    pub(crate) queue: usize,
}

/// Address space that a reader needs in addition to the decoded upload, in MiB.
const BASE_MB: u64 = 256;
/// Maximum address space of a reader, in MiB.
pub(crate) const MAX_MB: u64 = 1 << 24;

/// Address space that suffices for any upload within the limits, in MiB.
pub(crate) fn memory_mb(limits: &Limits) -> u64 {
    let input = limits.input_bytes.saturating_mul(2);
    ((limits.decoded_bytes.saturating_add(input) >> 20) + BASE_MB).min(MAX_MB)
}

/// Metrics of the readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: Counter,
    /// By reason.
    pub(crate) ended: Family<[(&'static str, &'static str); 1], Counter>,
    pub(crate) running: Gauge,
    pub(crate) busy: Gauge,
    /// Uploads waiting for a reader.
    pub(crate) waiting: Gauge,
}

/// Bytes from which the format is detected; a longer text goes to a reader.
const SNIFF_BYTES: usize = 64 << 10;

/// Whether the service may read an upload itself: short text, pictures in the most common formats, and
/// unknown formats, which are not decoded at all.
fn is_plain(hint: &Hint, bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    match Format::sniff(head, hint.name()) {
        // Detected by their signatures.
        Some(Format::Png | Format::Jpeg | Format::Gif | Format::WebP) => true,
        Some(Format::Text | Format::Separated) | None => bytes.len() <= SNIFF_BYTES,
        Some(_) => false,
    }
}

/// Whether a reader is needed for this upload.
fn is_for_reader(all: bool, hint: &Hint, limits: &Limits, bytes: &[u8]) -> bool {
    // UTF-8 declared as text needs no decoding; empty and oversized uploads are refused unread.
    let is_read = !bytes.is_empty() && bytes.len() as u64 <= limits.input_bytes;
    let is_text = hint.is_text && str::from_utf8(bytes).is_ok();
    is_read && !is_text && (all || !is_plain(hint, bytes))
}

impl Lease {
    /// Reads an upload in the reader until a deadline, and fingerprints it here. Kills a reader that is
    /// still busy when the ticket is cancelled.
    pub(crate) fn fingerprint(
        mut self,
        fingerprinter: &Fingerprinter,
        name: Option<&str>,
        upload: &Upload,
        reading: &Deadline,
        ticket: &Ticket,
    ) -> Result<leakprint::Result<Fingerprint>, ReadError> {
        let mut limits = fingerprinter.limits().clone();
        if let Some(left) = reading.remaining() {
            // Rounded up, so that the reader never stops before the deadline.
            let left = left.as_millis() as u64 + 1;
            limits.time_ms = limits.time_ms.min(left);
        }
        let collector = fingerprinter.collector(reading);
        let mut collector = collector.within_input(upload.bytes.len() as u64);
        let is_cancelled = || ticket.is_cancelled();
        let read = self.read(&limits, name, &upload.bytes, &mut collector, &is_cancelled);
        match read {
            Ok(Ok(())) => Ok(collector.finish()),
            Ok(Err(error)) => Ok(Err(error)),
            Err(process::End::Deadline) => Err(ReadError::DeadlinePassed),
            Err(end) => Err(ReadError::Isolated(end.to_string())),
        }
    }
}
