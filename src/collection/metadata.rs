//! What the owner says about an item: returned with every match, never compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::codec::{Decoder, Encoder};
use super::limits::{check_tags, check_text};
use super::time::Timestamp;
use crate::error::{Error, Result};

/// What the limit of texts is called.
const TEXT: &str = "bytes of a label, note or tag";

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
            check_text(TEXT, text)?;
        }
        check_tags(self.tags.len())
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
        Ok(Self {
            label,
            note,
            tags,
            added,
            expires,
        })
    }
}
