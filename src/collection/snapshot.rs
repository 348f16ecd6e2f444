//! Snapshots: the content of a collection at one moment.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalog::StateCatalog;
use super::handle::Collection;
use super::merge_status::MergeFailure;
use super::record::{Content, ItemKey, Record};
use super::segment::Location;
use super::state::State;
use crate::calibration::{CalibrationInfo, CalibrationSource};
use crate::error::Result;
use crate::fingerprint::Recipe;
use crate::matcher::{FalseMatch, Match, MatchOptions, Matcher, sizes};
use crate::metadata::Metadata;

/// A collection at one moment. Cheap to clone, and independent of later changes of the collection.
/// Memory and files of merged segments are kept as long as a snapshot uses them.
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

/// The name and metadata of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemInfo {
    /// The name.
    pub item: String,
    /// The owner's metadata.
    #[serde(flatten)]
    pub metadata: Metadata,
}

impl ItemInfo {
    /// Creates the description of an item.
    pub fn new(item: impl Into<String>, metadata: Metadata) -> Self {
        Self {
            item: item.into(),
            metadata,
        }
    }
}

/// Figures about a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionInfo {
    /// The version of the file format.
    pub format_version: u32,
    /// The generation, which grows with every change.
    pub generation: u64,
    /// The recipe of its fingerprints.
    pub recipe: Recipe,
    /// Whether the key is stored in the folder.
    pub key_stored: bool,
    /// The number of items.
    pub items: u64,
    /// The number of items that are hashes of hash lists.
    pub codes: u64,
    /// The number of false matches that are left out.
    pub false_matches: usize,
    /// The number of ignore and background files.
    pub discounts: u64,
    /// Whether the calibration in effect was measured for this collection.
    #[serde(default = "built_in")]
    pub calibration: CalibrationSource,
    /// The measured calibration, and by how much the collection has grown since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<CalibrationInfo>,
    /// The segments, on disk and in memory.
    pub segments: Vec<SegmentSummary>,
    /// Why the last merge failed; `None` if it succeeded. See [`Collection::merge_failure`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_failure: Option<MergeFailure>,
}

/// The calibration in effect in descriptions by builds that had no other.
fn built_in() -> CalibrationSource {
    CalibrationSource::BuiltIn
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SegmentSummary {
    /// Whether its items are in the log only.
    pub head: bool,
    /// The number of items and of ignore and background files, including removed ones.
    pub items: u32,
    /// The number of those that were removed.
    pub removed: u32,
    /// The size of its files, or its size in memory, in bytes.
    pub bytes: u64,
}

impl Collection {
    /// Returns the current content. Takes no lock and never waits; later changes are not visible in it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.shared.cell.load(),
            collection: self.clone(),
        }
    }
}

impl Snapshot {
    /// Returns the generation, which grows with every change of the collection.
    pub fn generation(&self) -> u64 {
        self.state.generation
    }

    /// Returns the number of items.
    pub fn len(&self) -> u64 {
        self.state.len()
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Returns figures about the collection. Cost: counting segments and looking for one small file.
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
        CollectionInfo {
            format_version: super::COLLECTION_VERSION,
            generation: state.generation,
            recipe: self.collection.recipe().clone(),
            key_stored: self.collection.shared.key_stored,
            items: state.len(),
            codes: state.codes(),
            false_matches: state.false_matches.len(),
            discounts: state.discounts(),
            calibration: (state.calibration.as_ref())
                .map_or(CalibrationSource::BuiltIn, |measured| measured.source()),
            calibrated: (state.calibration.as_ref())
                .and_then(|measured| measured.info(&sizes(&state.indexes, state.codes()))),
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

    /// Iterates over the names and metadata of all items, including hashes of hash lists, segment by
    /// segment. An item whose record is damaged is a [`Corrupt`](crate::ErrorKind::Corrupt) error.
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

    /// Iterates over all items with their content; [`ItemLine`](crate::exchange::ItemLine) has an
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

    /// Returns the metadata of an item; `None` if there is no item of that name.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged.
    pub fn item(&self, name: &str) -> Result<Option<Metadata>> {
        let record = self.state.record(&ItemKey::of_name(name))?;
        Ok(record.map(|record| record.metadata))
    }

    /// Returns the content of an item; `None` if there is no item of that name.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if a file is damaged.
    pub fn content(&self, name: &str) -> Result<Option<Content>> {
        let record = self.state.record(&ItemKey::of_name(name))?;
        record
            .map(|record| record.content(self.collection.recipe()))
            .transpose()
    }

    /// Iterates over the ignore and background files, as [`contents`](Self::contents) does over the items.
    pub fn discounts(&self) -> impl Iterator<Item = Result<(ItemInfo, Content)>> + '_ {
        let recipe = self.collection.recipe();
        let slots = self.state.slots.iter();
        let records = slots.flat_map(|slot| slot.discounts().map(|item| slot.segment.record(item)));
        records.map(move |record| {
            let record = record?;
            Ok((info(&record), record.content(recipe)?))
        })
    }

    /// Iterates over the false matches that are left out.
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
        let matcher = match &self.state.calibration {
            Some(calibration) => matcher.with_calibration(Arc::clone(calibration)),
            None => matcher,
        };
        Ok(matcher.with_options(options))
    }

    /// Fingerprints one text and returns the items that it quotes, with default options. For many texts,
    /// make one [`matcher`](Self::matcher).
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

    /// Fingerprints one upload and returns the items that it shows, with default options.
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
