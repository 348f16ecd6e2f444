//! The bytes of [`Metadata`] in a record.

use super::codec::{Decoder, Encoder};
use super::limits::{check_tags, check_text};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::time::Timestamp;

/// What the limit of texts is called.
const TEXT: &str = "bytes of a label, note or tag";

/// Fails unless metadata is of a size that can be kept.
pub(super) fn check(metadata: &Metadata) -> Result<()> {
    let tags = metadata.tags.iter().flat_map(|(key, value)| [key, value]);
    for text in metadata.label.iter().chain(&metadata.note).chain(tags) {
        check_text(TEXT, text)?;
    }
    check_tags(metadata.tags.len())
}

/// Appends metadata.
pub(super) fn put(metadata: &Metadata, out: &mut Encoder) {
    out.u64(metadata.added.0 as u64);
    let optional = |out: &mut Encoder, text: &Option<String>| match text {
        None => out.u8(0),
        Some(text) => {
            out.u8(1);
            out.str(text);
        }
    };
    optional(out, &metadata.label);
    optional(out, &metadata.note);
    match metadata.expires {
        None => out.u8(0),
        Some(time) => {
            out.u8(1);
            out.u64(time.0 as u64);
        }
    }
    out.varint(metadata.tags.len() as u64);
    for (key, value) in &metadata.tags {
        out.str(key);
        out.str(value);
    }
}

/// Reads metadata.
///
/// # Errors
/// [`Corrupt`](crate::ErrorKind::Corrupt) or [`Limit`](crate::ErrorKind::Limit).
pub(super) fn take(read: &mut Decoder<'_>) -> Result<Metadata> {
    let added = Timestamp(read.u64()? as i64);
    let flag = |read: &mut Decoder<'_>| match read.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::corrupt("metadata with unknown flags")),
    };
    let string = |read: &mut Decoder<'_>| -> Result<String> {
        let text = read.str()?;
        check_text(TEXT, text)?;
        Ok(text.to_owned())
    };
    let text = |read: &mut Decoder<'_>| -> Result<Option<String>> {
        let there = flag(read)?;
        there.then(|| string(read)).transpose()
    };
    let (label, note) = (text(read)?, text(read)?);
    let expires = flag(read)?
        .then(|| read.u64().map(|time| Timestamp(time as i64)))
        .transpose()?;
    let count = read.count(2)?;
    check_tags(count)?;
    let tags = (0..count)
        .map(|_| Ok((string(read)?, string(read)?)))
        .collect::<Result<_>>()?;
    let mut metadata = Metadata::added(added);
    (metadata.label, metadata.note) = (label, note);
    (metadata.tags, metadata.expires) = (tags, expires);
    Ok(metadata)
}
