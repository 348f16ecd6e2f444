//! Metadata: what the owner says about an item. Returned with every match, never compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the owner of a collection says about an item. Texts are of at most 64 KiB each, and there are at most 256 tags.
///
/// ```
/// use leakprint::{Metadata, Timestamp};
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
    /// The kind of leak, or the case that the item belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A remark for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Tags, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The time when it was added.
    pub added: Timestamp,
    /// The time from which it is no longer matched; merging then drops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

impl Metadata {
    /// Returns metadata with nothing but the time when the item was added.
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

    /// Sets the time when the item expires.
    #[must_use]
    pub fn until(mut self, expires: Timestamp) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Returns whether the item has expired at a time.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
