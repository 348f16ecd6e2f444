//! Containers of files: ZIP, gzip, tar.
//!
//! Every file inside becomes the part `member:N`, in the order of the archive,
//! and is read by its own content; its name settles what the content leaves
//! open. Nothing is ever written, so that a name such as `../../x` is only a name.

use std::io::{self, Read, Seek, SeekFrom};

use super::PartPath;
use super::guard::guard;
use super::walk::{Hint, Walk};
use super::zip::Zip;
use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, ErrorKind, Result};
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
/// [`Limit`](ErrorKind::Limit) for `archive_ratio`, `decoded_bytes`, `input_bytes`, `time_ms`;
/// [`Cancelled`](ErrorKind::Cancelled);
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

/// The members of a ZIP archive. Errors as for [`Walk::member`].
pub(super) fn zip(walk: &mut Walk<'_>, path: &PartPath, zip: &mut Zip<'_>) -> Result<()> {
    let mut number = 0;
    for index in 0..zip.len() {
        if zip.is_folder(index) {
            walk.budget.check_time()?;
            continue;
        }
        number += 1;
        let member = path.child(format_args!("member:{number}"));
        match zip.read(index, walk.budget) {
            Ok(bytes) => {
                let name = zip.name(index).to_owned();
                walk.member(member, &bytes, &named(&name))?;
            }
            Err(error) => walk.lost(member, error)?,
        }
    }
    Ok(())
}

/// The file in a gzip stream, or files one after the other, and what is wrong with it.
///
/// # Errors
/// If nothing came out.
pub(super) fn gunzip(bytes: &[u8], budget: &mut Budget) -> Result<(Vec<u8>, Option<Error>)> {
    let mut output = Vec::new();
    let source = Timed::new(bytes, budget.deadline());
    let source = flate2::read::MultiGzDecoder::new(source);
    let broken = |e| Error::malformed(format!("gzip: {e}"));
    match inflate(source, bytes.len() as u64, &mut output, budget, broken) {
        Ok(()) => Ok((output, None)),
        Err(error)
            if output.is_empty()
                || matches!(error.kind(), ErrorKind::Limit | ErrorKind::Cancelled) =>
        {
            Err(error)
        }
        Err(error) => Ok((output, Some(error))),
    }
}

/// The name of the file in a gzip archive of this name.
pub(super) fn ungzipped(name: Option<&str>) -> Option<String> {
    let name = name?;
    let (stem, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "gz" => Some(stem.to_owned()),
        "tgz" => Some(format!("{stem}.tar")),
        _ => None,
    }
}

/// The members of a tar archive. Errors as for [`Walk::member`].
pub(super) fn tar(walk: &mut Walk<'_>, path: &PartPath, bytes: &[u8]) -> Result<()> {
    let mut number = 0;
    for member in super::tar::Members::new(bytes, walk.budget.deadline()) {
        let member = member?;
        number += 1;
        let path = path.child(format_args!("member:{number}"));
        walk.member(path, member.bytes, &named(&member.name))?;
    }
    Ok(())
}

fn named(name: &str) -> Hint<'_> {
    Hint {
        name: Some(name),
        ..Hint::default()
    }
}
