//! Decompression under limits: on the output, on its ratio to the input, and on time.

use std::io::{self, Read, Seek, SeekFrom};

use super::guard::guard;
use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Output to which the limit on the ratio does not apply: small ordinary files compress well too.
const FREE_BYTES: u64 = 1 << 20;

/// A source that fails once the deadline has passed, so that a decoder that reads without
/// any output is interrupted too.
pub(super) struct Timed<R> {
    source: R,
    pacer: Pacer,
}

impl<R> Timed<R> {
    pub(super) fn new(source: R, deadline: &Deadline) -> Self {
        Self {
            source,
            pacer: deadline.pacer(16),
        }
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pacer.step().map_err(io::Error::other)?;
        self.source.read(buffer)
    }
}

impl<R: Seek> Seek for Timed<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.source.seek(to)
    }
}

/// Reads a decompressor to its end under the limits on its output and its ratio.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) for `archive_ratio`, `decoded_bytes`, `input_bytes`, `time_ms`;
/// [`Cancelled`](crate::ErrorKind::Cancelled);
/// else the error of the decompressor, converted by `broken`. `output` keeps what was read before.
pub(super) fn inflate(
    mut source: impl Read,
    compressed: u64,
    output: &mut Vec<u8>,
    budget: &mut Budget,
    broken: impl Fn(io::Error) -> Error,
) -> Result<()> {
    const CHUNK: usize = 256 << 10;
    let ratio = budget.limits().archive_ratio;
    let most = compressed.saturating_mul(ratio.into()).max(FREE_BYTES);
    // A file inside an archive costs as much as one outside.
    let largest = budget.limits().input_bytes;
    loop {
        let start = output.len();
        let mut chunk = (&mut source).take(CHUNK as u64);
        // Each step is guarded separately, so that the output before a panic is kept.
        let read = guard("the decompressor", || {
            chunk.read_to_end(output).map_err(&broken)
        });
        let len = output.len() - start;
        if output.len() as u64 > most {
            let value = format!("{compressed} bytes hold more than {most}");
            return Err(Error::limit("archive_ratio", ratio, value));
        }
        budget.charge_inflated(len as u64)?;
        if output.len() as u64 > largest {
            return Err(Error::limit("input_bytes", largest, output.len()));
        }
        // Before the error of the decompressor: the deadline may be why its source failed.
        budget.check_time()?;
        read?;
        if len == 0 {
            return Ok(());
        }
    }
}
