//! What is added, and what a writer is told.

use serde::{Deserialize, Serialize};

use super::record::{Content, Discount};
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, Key, Recipe};
use crate::metadata::Metadata;
use crate::time::Timestamp;

/// What a caller may set about a collection. Not serialisable, since it may hold the key.
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
    /// The winnowing window of a collection that is made; see [`Recipe::window`].
    pub window: u32,
    /// The key of a collection that is made, or one that the owner keeps. A collection that is
    /// made without one gets a random key, which is stored in it.
    pub key: Option<Key>,
    /// Bytes of the log from which on the head is written to a segment.
    pub head_bytes: u64,
    /// Segments on disk from which on small ones are merged.
    pub most_segments: usize,
    /// Whether that is done by a thread of the writer's while it goes on. Otherwise nothing
    /// is written to segments before [`compact`](super::CollectionWriter::compact) or
    /// [`flush`](super::CollectionWriter::flush) is called.
    pub background: bool,
    /// Where merging sorts and builds tables.
    pub exec: Executor,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            window: Recipe::DEFAULT_WINDOW,
            key: None,
            head_bytes: 64 << 20,
            most_segments: 8,
            background: true,
            exec: Executor::serial(),
        }
    }
}

impl WriterOptions {
    /// With a key that the owner keeps; `None` leaves it to the collection.
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
    /// What the owner calls it. Of a [code](Content::Code) it is not asked for: such an item is named
    /// [after it](crate::fingerprint::Pipeline::item_name).
    pub name: String,
    /// What the owner says about it.
    pub metadata: Metadata,
    /// What it is made of.
    pub content: Content,
}

impl NewItem {
    /// An item of prints, added now.
    pub fn new(name: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self {
            name: name.into(),
            metadata: Metadata::added(Timestamp::now()),
            content: Content::Prints(Box::new(fingerprint)),
        }
    }

    /// An ignore or background file, which is no item: what it shares with items, as the
    /// kind says, proves little from then on. Its name is told from those of items.
    pub fn discount(kind: Discount, name: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self {
            name: name.into(),
            metadata: Metadata::added(Timestamp::now()),
            content: Content::Discount(kind, Box::new(fingerprint)),
        }
    }

    /// With other metadata, the time at which it was added among it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }
}

/// What became of an item that was to be added. Serialised as its [word](Self::as_str).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddOutcome {
    /// It is there now, in place of another one of its name if there was one.
    Added,
    /// It was there already, all the same but for the time.
    Unchanged,
}

impl AddOutcome {
    /// As one lower-case word: `added` or `unchanged`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Unchanged => "unchanged",
        }
    }
}
