//! Items to add, the outcome, and the options of a writer.

use serde::{Deserialize, Serialize};

use super::record::{Content, Discount};
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, Key, Recipe};
use crate::metadata::Metadata;
use crate::time::Timestamp;

/// The options of a [`CollectionWriter`](super::CollectionWriter). Not serialisable, since they may hold the key.
///
/// ```
/// use leakprint::collection::{CollectionWriter, WriterOptions};
/// use leakprint::{Executor, Key};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// let mut options = WriterOptions::default().with_key(Key::from_bytes([7; 32]));
/// options.head_bytes = 8 << 20;
/// options.exec = Executor::with_threads(2)?;
/// let writer = CollectionWriter::open(&path, options)?;
/// assert!(!writer.collection().snapshot().info().key_stored);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriterOptions {
    /// The winnowing window of a new collection; see [`Recipe::window`].
    pub window: u32,
    /// The key of a new collection, or the key of one that does not store it. A collection that is
    /// created without a key gets a random one and stores it.
    pub key: Option<Key>,
    /// The size of the log, in bytes, above which the head is written to a segment.
    pub head_bytes: u64,
    /// The number of segments on disk above which small ones are merged.
    pub max_segments: usize,
    /// Whether a background thread merges. Otherwise nothing is written to segments until
    /// [`compact`](super::CollectionWriter::compact) or [`flush`](super::CollectionWriter::flush) is
    /// called.
    pub background: bool,
    /// The threads that sort and build tables during a merge.
    pub exec: Executor,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            window: Recipe::DEFAULT_WINDOW,
            key: None,
            head_bytes: 64 << 20,
            max_segments: 8,
            background: true,
            exec: Executor::serial(),
        }
    }
}

impl WriterOptions {
    /// Sets a key that the owner keeps; with `None` the collection has its own.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<Option<Key>>) -> Self {
        self.key = key.into();
        self
    }
}

/// An item to add.
///
/// ```
/// use leakprint::Fingerprinter;
/// use leakprint::collection::{Content, Metadata, NewItem};
///
/// let print = Fingerprinter::builder().build()?.fingerprint_text("The memo.")?;
/// let item = NewItem::new("memo.txt", print)
///     .with_metadata(Metadata::default().with_label("plans").with_tag("case", "7"));
/// assert!(matches!(item.content, Content::Prints(_)));
/// assert_eq!(item.metadata.tags["case"], "7");
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewItem {
    /// The owner's name of the item. Not used for a [code](Content::Code): such an item is named
    /// [after the code](crate::fingerprint::Pipeline::item_name).
    pub name: String,
    /// The owner's metadata.
    pub metadata: Metadata,
    /// The content.
    pub content: Content,
}

impl NewItem {
    /// Creates an item from a fingerprint, added now.
    pub fn new(name: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self {
            name: name.into(),
            metadata: Metadata::added(Timestamp::now()),
            content: Content::Prints(Box::new(fingerprint)),
        }
    }

    /// Creates an ignore or background file, which is not an item: depending on the kind, content that it
    /// shares with items counts little from then on. Items may have the same name.
    pub fn discount(kind: Discount, name: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self {
            name: name.into(),
            metadata: Metadata::added(Timestamp::now()),
            content: Content::Discount(kind, Box::new(fingerprint)),
        }
    }

    /// Replaces the metadata, including the time when the item was added.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }
}

/// The outcome of adding an item. Serialised as its [word](Self::as_str).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddOutcome {
    /// The item was added, in place of one of the same name if there was one.
    Added,
    /// The item was there already, equal except for the time when it was added.
    Unchanged,
}

impl AddOutcome {
    /// Returns the outcome as one lower-case word: `added` or `unchanged`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Unchanged => "unchanged",
        }
    }
}
