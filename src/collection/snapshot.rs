//! What a collection holds at one moment: items, metadata, numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalog::StateCatalog;
use super::handle::Collection;
use super::merge_status::MergeFailure;
use super::record::{Content, ItemKey, Record};
use super::segment::Location;
use super::state::State;
use crate::error::Result;
use crate::fingerprint::Recipe;
use crate::matcher::{FalseMatch, Match, MatchOptions, Matcher};
use crate::metadata::Metadata;

/// A collection at one moment. Cheap to clone; holds what it needs, whatever happens to the
/// collection meanwhile. Memory and files of segments that were merged are kept for as long.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # use leakprint::collection::NewItem;
/// use leakprint::collection::Metadata;
///
/// writer.add(NewItem::new("memo.txt", print).with_metadata(Metadata::default().with_label("plans")))?;
/// let before = writer.collection().snapshot();
/// writer.remove(&["memo.txt"])?;
/// assert_eq!(before.item("memo.txt")?.unwrap().label.as_deref(), Some("plans"));
/// let items: Vec<String> = before.items().map(|info| Ok(info?.item)).collect::<leakprint::Result<_>>()?;
/// assert_eq!((items, before.len()), (vec!["memo.txt".to_owned()], 1));
/// assert!(writer.collection().snapshot().generation() > before.generation());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) state: Arc<State>,
    pub(super) collection: Collection,
}

/// An item's name and what the owner says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemInfo {
    /// The name.
    pub item: String,
    /// The rest.
    #[serde(flatten)]
    pub metadata: Metadata,
}

impl ItemInfo {
    /// An item's name and what the owner says about it.
    pub fn new(item: impl Into<String>, metadata: Metadata) -> Self {
        Self {
            item: item.into(),
            metadata,
        }
    }
}

/// What a collection says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionInfo {
    /// The version of its files.
    pub format_version: u32,
    /// Grows with every change.
    pub generation: u64,
    /// How its prints are made.
    pub recipe: Recipe,
    /// Whether the key is stored with it.
    pub key_stored: bool,
    /// Items that are there.
    pub items: u64,
    /// Of these, hashes of hash lists.
    pub codes: u64,
    /// Matches that are never reported.
    pub false_matches: usize,
    /// Ignore and background files.
    pub discounts: u64,
    /// Its segments, on disk and in memory.
    pub segments: Vec<SegmentSummary>,
    /// Why the last merge failed; `None` if it succeeded. See [`Collection::merge_failure`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_failure: Option<MergeFailure>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SegmentSummary {
    /// Whether its items are in the log only.
    pub head: bool,
    /// Items, and ignore and background files; those that were removed too.
    pub items: u32,
    /// Those that were removed.
    pub removed: u32,
    /// Bytes of its files, or of what it takes in memory.
    pub bytes: u64,
}

impl Collection {
    /// What the collection holds now. Takes no lock and never waits; what is added or removed
    /// later does not show in it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.shared.cell.load(),
            collection: self.clone(),
        }
    }
}

impl Snapshot {
    /// Grows with every change of the collection.
    pub fn generation(&self) -> u64 {
        self.state.generation
    }

    /// The number of items.
    pub fn len(&self) -> u64 {
        self.state.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// What it says about itself. Time is that of counting segments, and of looking for one small file.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let info = writer.collection().snapshot().info();
    /// assert_eq!((info.items, info.codes, info.key_stored), (1, 0, true));
    /// assert!(info.segments[0].head);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn info(&self) -> CollectionInfo {
        let state = &self.state;
        let codes = state.slots.iter().map(|slot| {
            let counts = slot.segment.records.counts();
            let gone = slot.removed.count_below(counts.items());
            let gone = gone - slot.removed.count_below(counts.prints);
            u64::from(counts.items() - counts.prints - gone)
        });
        CollectionInfo {
            format_version: super::COLLECTION_VERSION,
            generation: state.generation,
            recipe: self.collection.recipe().clone(),
            key_stored: self.collection.shared.key_stored,
            items: state.len(),
            codes: codes.sum(),
            false_matches: state.false_matches.len(),
            discounts: state.discounts(),
            segments: (state.slots.iter())
                .map(|slot| SegmentSummary {
                    head: matches!(slot.segment.location, Location::Log(_)),
                    items: slot.segment.items(),
                    removed: slot.removed.len(),
                    bytes: slot.segment.bytes,
                })
                .collect(),
            merge_failure: self.collection.merge_failure(),
        }
    }

    /// All items, segment by segment. An item whose record is damaged is a
    /// [`Corrupt`](crate::ErrorKind::Corrupt) error. The name, what the owner says, and hashes of
    /// hash lists too.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # let memo = leakprint::example::MEMO;
    /// # use leakprint::collection::NewItem;
    /// use leakprint::collection::Metadata;
    ///
    /// for case in ["7", "8"] {
    ///     let metadata = Metadata::default().with_tag("case", case);
    ///     writer.add(NewItem::new(format!("memo {case}"), print.clone()).with_metadata(metadata))?;
    /// }
    /// let snapshot = writer.collection().snapshot();
    /// let mut of_case = snapshot.items().filter_map(Result::ok);
    /// assert_eq!(of_case.find(|info| info.metadata.tags["case"] == "8").unwrap().item, "memo 8");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn items(&self) -> impl Iterator<Item = Result<ItemInfo>> + '_ {
        self.records().map(|record| Ok(info(&record?)))
    }

    /// All items with what they are made of, likewise; [`ItemLine`](crate::exchange::ItemLine) has an
    /// example.
    pub fn contents(&self) -> impl Iterator<Item = Result<(ItemInfo, Content)>> + '_ {
        let recipe = self.collection.recipe();
        self.records().map(move |record| {
            let record = record?;
            Ok((info(&record), record.content(recipe)?))
        })
    }

    fn records(&self) -> impl Iterator<Item = Result<Record<'_>>> {
        let slots = self.state.slots.iter();
        slots.flat_map(|slot| {
            let items = slot.segment.records.counts().items();
            let items = slot.items().take_while(move |&item| item < items);
            items.map(|item| slot.segment.record(item))
        })
    }

    /// What the owner says about an item; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged.
    pub fn item(&self, name: &str) -> Result<Option<Metadata>> {
        let record = self.state.record(&ItemKey::of_name(name))?;
        Ok(record.map(|record| record.metadata))
    }

    /// What an item is made of; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged.
    pub fn content(&self, name: &str) -> Result<Option<Content>> {
        let record = self.state.record(&ItemKey::of_name(name))?;
        record
            .map(|record| record.content(self.collection.recipe()))
            .transpose()
    }

    /// The ignore and background files, as [`contents`](Self::contents) has the items.
    pub fn discounts(&self) -> impl Iterator<Item = Result<(ItemInfo, Content)>> + '_ {
        let recipe = self.collection.recipe();
        let slots = self.state.slots.iter();
        let records = slots.flat_map(|slot| slot.discounts().map(|item| slot.segment.record(item)));
        records.map(move |record| {
            let record = record?;
            Ok((info(&record), record.content(recipe)?))
        })
    }

    /// The matches that are never reported.
    pub fn false_matches(&self) -> impl Iterator<Item = FalseMatch> + '_ {
        self.state.false_matches.iter()
    }

    /// Returns a matcher over this snapshot, for many queries. Later changes of the collection do not
    /// reach it.
    ///
    /// Cost: with three segments or more the first matcher of a [`Collection`] builds a filter over
    /// their grams, about ten nanoseconds and two to three bytes of memory for each; later matchers
    /// share it and add the segments that are new.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) if the owner keeps the key and it was not given.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # let memo = leakprint::example::MEMO;
    /// # use leakprint::collection::NewItem;
    /// use leakprint::MatchOptions;
    ///
    /// writer.add(NewItem::new("memo.txt", print.clone()))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// let query = matcher.query_fingerprinter().fingerprint_text(memo)?;
    /// assert_eq!(matcher.find(&query)?[0].item, "memo.txt");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn matcher(&self, options: MatchOptions) -> Result<Matcher> {
        self.matcher_with(options, true)
    }

    /// Without `prepare` no filter is built: for one query.
    fn matcher_with(&self, options: MatchOptions, prepare: bool) -> Result<Matcher> {
        let fingerprinter = self.collection.fingerprinter()?.clone();
        let recipe = self.collection.recipe();
        let indexes = self.state.searched(recipe, prepare)?;
        let catalog = StateCatalog::new(Arc::clone(&self.state), recipe.clone());
        let marks = Arc::clone(&self.state.false_matches);
        let matcher = Matcher::over(indexes, fingerprinter).with_catalog(Arc::new(catalog), marks);
        Ok(matcher.with_options(options))
    }

    /// Fingerprints one text and finds what it quotes, with default options. For many, make
    /// one [`matcher`](Self::matcher).
    ///
    /// # Errors
    /// As [`matcher`](Self::matcher), and those of fingerprinting and matching.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # let memo = leakprint::example::MEMO;
    /// # use leakprint::collection::NewItem;
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let snapshot = writer.collection().snapshot();
    /// assert_eq!(snapshot.find_text(memo)?[0].item, "memo.txt");
    /// assert!(snapshot.find_text("Nothing of it.")?.is_empty());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_text(&self, text: &str) -> Result<Vec<Match>> {
        self.matcher_with(MatchOptions::default(), false)?
            .find_text(text)
    }

    /// Fingerprints one upload and finds what it shows, with default options.
    ///
    /// # Errors
    /// As [`find_text`](Self::find_text).
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::Strength;
    ///
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let found = writer.collection().snapshot().find_media(memo.as_bytes(), Some("upload.txt"))?;
    /// assert_eq!(found[0].strength, Strength::Certain);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media(&self, bytes: &[u8], name: Option<&str>) -> Result<Vec<Match>> {
        self.matcher_with(MatchOptions::default(), false)?
            .find_media(bytes, name)
    }
}

pub(super) fn info(record: &Record<'_>) -> ItemInfo {
    ItemInfo {
        item: record.key.name().into_owned(),
        metadata: record.metadata.clone(),
    }
}
