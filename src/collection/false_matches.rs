//! The bytes of [false matches](FalseMatch) in the log and in the manifest.

use super::codec::{Decoder, Encoder};
use super::limits::{FileLimits, check_text};
use crate::code::Code256;
use crate::error::{Error, Result};
use crate::fingerprint::Digest;
use crate::matcher::{FalseMatch, FalseMatches, FalseScope};
use crate::media::PartPath;
use crate::time::Timestamp;

/// What the limit of texts is called.
const TEXT: &str = "bytes of a name, part or reason";

/// Fails unless a false match is of a size that can be kept.
pub(super) fn check(mark: &FalseMatch) -> Result<()> {
    check_texts(mark)?;
    match &mark.scope {
        FalseScope::ItemPart(part) => check_text(TEXT, part.as_str()),
        FalseScope::Digest(_) | FalseScope::Picture(_) => Ok(()),
    }
}

/// As [`check`] but for the path of a part, which earlier builds did not check.
fn check_texts(mark: &FalseMatch) -> Result<()> {
    let mut texts = [&mark.item, &mark.by, &mark.why].into_iter();
    texts.try_for_each(|text| check_text(TEXT, text))
}

/// Fails if there are more than a manifest has room for.
pub(super) fn check_all(marks: &FalseMatches, limits: &FileLimits) -> Result<()> {
    limits.check_false_matches(marks.len())?;
    limits.check_false_match_bytes(marks.stored_bytes())
}

/// Appends a false match.
pub(super) fn put(mark: &FalseMatch, out: &mut Encoder) {
    out.str(&mark.item);
    put_scope(out, &mark.scope);
    out.str(&mark.by);
    out.u64(mark.at.0 as u64);
    out.str(&mark.why);
}

/// Reads a false match.
pub(super) fn take(read: &mut Decoder<'_>) -> Result<FalseMatch> {
    let mark = FalseMatch {
        item: read.str()?.to_owned(),
        scope: take_scope(read)?,
        by: read.str()?.to_owned(),
        at: Timestamp(read.u64()? as i64),
        why: read.str()?.to_owned(),
    };
    check_texts(&mark)?;
    Ok(mark)
}

/// Appends all of them.
pub(super) fn put_all(marks: &FalseMatches, out: &mut Encoder) {
    out.varint(marks.len() as u64);
    marks.iter().for_each(|mark| put(&mark, out));
}

/// Reads all of them.
pub(super) fn take_all(read: &mut Decoder<'_>) -> Result<FalseMatches> {
    let mut all = FalseMatches::default();
    for _ in 0..read.count(12)? {
        all.insert(take(read)?);
    }
    Ok(all)
}

pub(super) fn put_scope(out: &mut Encoder, scope: &FalseScope) {
    match scope {
        FalseScope::Digest(digest) => {
            out.u8(0);
            out.raw(&digest.0);
        }
        FalseScope::Picture(code) => {
            out.u8(1);
            out.raw(&code.to_le_bytes());
        }
        FalseScope::ItemPart(part) => {
            out.u8(2);
            out.str(part.as_str());
        }
    }
}

pub(super) fn take_scope(read: &mut Decoder<'_>) -> Result<FalseScope> {
    Ok(match read.u8()? {
        0 => FalseScope::Digest(Digest(read.array()?)),
        1 => FalseScope::Picture(Code256::from_le_bytes(&read.array()?)),
        2 => FalseScope::ItemPart(PartPath::from(read.str()?)),
        _ => return Err(Error::corrupt("a false match of an unknown kind")),
    })
}
