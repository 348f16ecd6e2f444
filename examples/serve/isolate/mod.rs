//! Reading uploads in child processes (`--isolate`), so that a decoder which crashes, hangs or
//! needs too much takes one upload along and not the service.
//!
//! N readers are started ahead ([`child`]). An upload takes one of them before it goes through the gate, so that no
//! thread of the gate waits for a reader to become free; the thread sends the bytes, receives
//! the decoded parts ([`wire`]) and makes their prints, for which it has the key and the reader does
//! not. A reader that dies, breaks the protocol or is late is killed, and [`pool`] starts another.

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
use crate::prints::{Hint, Unread};
use crate::upload::Upload;

pub(crate) use child::run;
pub(crate) use pool::{Lease, Readers};

/// How the readers are to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How many there are.
    pub(crate) count: usize,
    /// Address space of each, in MiB.
    pub(crate) memory_mb: u64,
    /// Processor time for each upload, in seconds.
    pub(crate) cpu_s: u64,
    /// Whether texts and common pictures are read by them as well.
    pub(crate) all: bool,
    /// Uploads that may wait for one.
    pub(crate) queue: usize,
}

/// MiB that a reader needs beside what an upload is unpacked to, and the most that can be given.
const OWN_MB: u64 = 256;
pub(crate) const MOST_MB: u64 = 1 << 24;

/// Address space that suffices for whatever the limits allow, in MiB.
pub(crate) fn memory_mb(limits: &Limits) -> u64 {
    let input = limits.input_bytes.saturating_mul(2);
    ((limits.decoded_bytes.saturating_add(input) >> 20) + OWN_MB).min(MOST_MB)
}

/// What the metrics say of readers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: Counter,
    /// By why they ended.
    pub(crate) ended: Family<[(&'static str, &'static str); 1], Counter>,
    pub(crate) running: Gauge,
    pub(crate) busy: Gauge,
    /// Uploads that wait for one.
    pub(crate) waiting: Gauge,
}

/// Bytes from which a format is detected; a text that is longer goes to a reader.
const HEAD: usize = 64 << 10;

/// Whether an upload may be read by the service itself: text that is short, pictures of the formats
/// that most pictures have, and what nothing reads.
fn is_plain(hint: &Hint, bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    match Format::sniff(head, hint.name()) {
        // By their signatures, whatever follows.
        Some(Format::Png | Format::Jpeg | Format::Gif | Format::WebP) => true,
        Some(Format::Text | Format::Separated) | None => bytes.len() <= HEAD,
        Some(_) => false,
    }
}

/// Whether a reader is for this upload.
fn is_for_reader(all: bool, hint: &Hint, limits: &Limits, bytes: &[u8]) -> bool {
    // UTF-8 that is text by declaration is not decoded at all; of what is empty or too long nothing is read.
    let is_read = !bytes.is_empty() && bytes.len() as u64 <= limits.input_bytes;
    let is_text = hint.is_text && str::from_utf8(bytes).is_ok();
    is_read && !is_text && (all || !is_plain(hint, bytes))
}

impl Lease {
    /// Reads an upload until a deadline, and makes its prints here. A reader that has not finished
    /// when the ticket is void is killed.
    pub(crate) fn fingerprint(
        mut self,
        fingerprinter: &Fingerprinter,
        name: Option<&str>,
        upload: &Upload,
        reading: &Deadline,
        ticket: &Ticket,
    ) -> Result<leakprint::Result<Fingerprint>, Unread> {
        let mut limits = fingerprinter.limits().clone();
        if let Some(left) = reading.remaining() {
            // Never before the deadline, which says whether it was too late.
            let left = left.as_millis() as u64 + 1;
            limits.time_ms = limits.time_ms.min(left);
        }
        let collector = fingerprinter.collector(reading);
        let mut collector = collector.within_input(upload.bytes.len() as u64);
        let is_void = || ticket.is_void();
        let read = self.read(&limits, name, &upload.bytes, &mut collector, &is_void);
        match read {
            Ok(Ok(())) => Ok(collector.finish()),
            Ok(Err(error)) => Ok(Err(error)),
            Err(process::End::Deadline) => Err(Unread::Late),
            Err(end) => Err(Unread::Isolated(end.to_string())),
        }
    }
}
