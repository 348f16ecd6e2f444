//! Containers of files: ZIP, gzip, tar.
//!
//! Every file inside becomes the part `member:N`, in the order of the archive,
//! whose format is detected from its content; the file name breaks ties.
//! Nothing is ever written, so that a name such as `../../x` is only a name.

use super::inflate::{Timed, inflate};
use super::walk::{Hint, Input, Walk};
use super::zip::Zip;
use super::{Content, PartPath};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Budget;

/// Reads a ZIP archive.
///
/// # Errors
/// If none of its files can be opened.
pub(super) fn read_zip(walk: &mut Walk<'_>, input: &Input<'_>, zip: &mut Zip<'_>) -> Result<()> {
    zip.check(walk.budget)?;
    walk.part(input.path, Some(input.bytes), Content::Opaque);
    walk.inside(input.path, |walk| zip_members(walk, input.path, zip));
    Ok(())
}

/// The members of a ZIP archive. Errors as for [`Walk::member`].
fn zip_members(walk: &mut Walk<'_>, path: &PartPath, zip: &mut Zip<'_>) -> Result<()> {
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
                walk.member(member, &bytes, Hint::named(Some(&name)))?;
            }
            Err(error) => walk.lost(member, error)?,
        }
    }
    Ok(())
}

/// Reads a gzip stream.
///
/// # Errors
/// If nothing came out.
pub(super) fn read_gzip(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    let (file, problem) = gunzip(input.bytes, walk.budget)?;
    walk.part(input.path, Some(input.bytes), Content::Opaque);
    let name = ungzipped(input.hint.name);
    walk.inside(input.path, |walk| {
        let hint = Hint::named(name.as_deref());
        walk.member(input.path.child("member:1"), &file, hint)?;
        problem.map_or(Ok(()), Err)
    });
    Ok(())
}

/// The concatenated members of a gzip stream, and the error that cut them short.
///
/// # Errors
/// If nothing came out.
fn gunzip(bytes: &[u8], budget: &mut Budget) -> Result<(Vec<u8>, Option<Error>)> {
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
fn ungzipped(name: Option<&str>) -> Option<String> {
    let name = name?;
    let (stem, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "gz" => Some(stem.to_owned()),
        "tgz" => Some(format!("{stem}.tar")),
        _ => None,
    }
}

/// Reads a tar archive.
pub(super) fn read_tar(walk: &mut Walk<'_>, input: &Input<'_>) -> Result<()> {
    walk.part(input.path, Some(input.bytes), Content::Opaque);
    walk.inside(input.path, |walk| {
        tar_members(walk, input.path, input.bytes)
    });
    Ok(())
}

/// The members of a tar archive. Errors as for [`Walk::member`].
fn tar_members(walk: &mut Walk<'_>, path: &PartPath, bytes: &[u8]) -> Result<()> {
    let mut number = 0;
    for member in super::tar::Members::new(bytes, walk.budget.deadline()) {
        let member = member?;
        number += 1;
        let path = path.child(format_args!("member:{number}"));
        walk.member(path, member.bytes, Hint::named(Some(&member.name)))?;
    }
    Ok(())
}
