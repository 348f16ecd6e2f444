//! Decompression under limits: on the output, on its ratio to the input, and on time.

use std::io::{self, Read, Seek, SeekFrom};

use super::guard::guard;
use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Output that no ratio is asked of: small files compress well in all honesty.
const FREE_BYTES: u64 = 1 << 20;

/// A source that fails once the deadline has passed, so that a decoder which reads on and on
/// without any output is interrupted as well.
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
/// else what `broken` makes of the decompressor's error. `output` keeps what came before.
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
    // A file is no smaller a burden inside an archive than outside.
    let largest = budget.limits().input_bytes;
    loop {
        let start = output.len();
        let mut chunk = (&mut source).take(CHUNK as u64);
        // The guard stands around each step, so that what came before a panic is kept.
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
