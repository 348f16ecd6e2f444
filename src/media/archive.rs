//! Containers of files: ZIP, gzip, tar.
//!
//! Every file inside becomes the part `member:N`, in the order of the archive,
//! and is read by its own content; its name settles what the content leaves
//! open. Nothing is ever written, so that a name such as `../../x` is only a name.

use std::io::Read;

use super::PartPath;
use super::guard::guard;
use super::walk::{Hint, Walk};
use super::zip::Zip;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Output that no ratio is asked of: small files compress well in all honesty.
const FREE_BYTES: u64 = 1 << 20;

/// Reads a decompressor to its end under the limits on its output and its ratio.
///
/// # Errors
/// [`Limit`](ErrorKind::Limit) for `archive_ratio`, `decoded_bytes`, `time_ms`;
/// else what `broken` makes of the decompressor's error. `output` keeps what came before.
pub(super) fn inflate(
    mut source: impl Read,
    compressed: u64,
    output: &mut Vec<u8>,
    budget: &mut Budget,
    broken: impl Fn(std::io::Error) -> Error,
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
        budget.charge_decoded(len as u64)?;
        if output.len() as u64 > most {
            let value = format!("{compressed} bytes hold more than {most}");
            return Err(Error::limit("archive_ratio", ratio, value));
        }
        if output.len() as u64 > largest {
            return Err(Error::limit("input_bytes", largest, output.len()));
        }
        read?;
        if len == 0 {
            return Ok(());
        }
        budget.check_time()?;
    }
}

/// The members of a ZIP archive. Errors as for [`Walk::member`].
pub(super) fn zip(walk: &mut Walk<'_>, path: &PartPath, zip: &mut Zip<'_>) -> Result<()> {
    let mut number = 0;
    for index in 0..zip.len() {
        if zip.is_folder(index) {
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
    let source = flate2::read::MultiGzDecoder::new(bytes);
    let broken = |e| Error::malformed(format!("gzip: {e}"));
    match inflate(source, bytes.len() as u64, &mut output, budget, broken) {
        Ok(()) => Ok((output, None)),
        Err(error) if output.is_empty() || error.kind() == ErrorKind::Limit => Err(error),
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
    for member in super::tar::Members::new(bytes) {
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
