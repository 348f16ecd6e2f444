//! What the owner says about an item: returned with every match, never compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder};
use super::time::Timestamp;
use crate::error::{Error, Result};

/// Bytes of one label, note, tag or name, at most.
pub(super) const MOST_BYTES: usize = 64 << 10;

/// Tags of one item, at most.
const MOST_TAGS: usize = 256;

/// What the owner says about an item. Texts are of at most 64 KiB each, and there are at most 256 tags.
///
/// ```
/// use leakprint::collection::{Metadata, Timestamp};
///
/// let metadata = Metadata::added(Timestamp::now())
///     .with_label("plans")
///     .with_note("from the board's folder")
///     .until("2030-01-01".parse()?);
/// assert!(!metadata.is_expired("2029-12-31T23:59:59Z".parse()?));
/// assert!(metadata.is_expired("2030-01-01".parse()?));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Metadata {
    /// What kind of leak it is, or where it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Anything for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Free tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When it was added.
    pub added: Timestamp,
    /// From then on it is not matched, and merging leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Metadata {
    /// Nothing but the time.
    pub fn added(added: Timestamp) -> Self {
        Self {
            added,
            ..Self::default()
        }
    }

    /// With a label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With a note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// With a tag.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Until a time.
    #[must_use]
    pub fn until(mut self, expires: Timestamp) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Whether it is past its time.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Fails unless it is of a size that can be kept.
    pub(super) fn check(&self) -> Result<()> {
        let tags = self.tags.iter().flat_map(|(key, value)| [key, value]);
        for text in self.label.iter().chain(&self.note).chain(tags) {
            check_text("bytes of a label, note or tag", text)?;
        }
        if self.tags.len() > MOST_TAGS {
            return Err(Error::limit("tags of an item", MOST_TAGS, self.tags.len()));
        }
        Ok(())
    }

    pub(super) fn put(&self, out: &mut Encoder) {
        out.u64(self.added.0 as u64);
        let optional = |out: &mut Encoder, text: &Option<String>| match text {
            None => out.u8(0),
            Some(text) => {
                out.u8(1);
                out.str(text);
            }
        };
        optional(out, &self.label);
        optional(out, &self.note);
        match self.expires {
            None => out.u8(0),
            Some(time) => {
                out.u8(1);
                out.u64(time.0 as u64);
            }
        }
        out.varint(self.tags.len() as u64);
        for (key, value) in &self.tags {
            out.str(key);
            out.str(value);
        }
    }

    pub(super) fn take(read: &mut Decoder<'_>) -> Result<Self> {
        let added = Timestamp(read.u64()? as i64);
        let flag = |read: &mut Decoder<'_>| match read.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Error::corrupt("metadata with unknown flags")),
        };
        let text = |read: &mut Decoder<'_>| -> Result<Option<String>> {
            let there = flag(read)?;
            there.then(|| read.str().map(str::to_owned)).transpose()
        };
        let (label, note) = (text(read)?, text(read)?);
        let expires = flag(read)?
            .then(|| read.u64().map(|time| Timestamp(time as i64)))
            .transpose()?;
        let tags = (0..read.count(2)?)
            .map(|_| Ok((read.str()?.to_owned(), read.str()?.to_owned())))
            .collect::<Result<_>>()?;
        Ok(Self {
            label,
            note,
            tags,
            added,
            expires,
        })
    }
}

/// Fails if a text is too long to be kept.
pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() > MOST_BYTES {
        return Err(Error::limit(what, MOST_BYTES, text.len()));
    }
    Ok(())
}
