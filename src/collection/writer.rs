//! Writing: an operation is synced to the log before it becomes visible, and visible before the call
//! returns.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::cell::StateCell;
use super::codec::Encoder;
use super::compaction::Background;
use super::core::{Core, Inner};
use super::false_matches;
use super::folder::{create, is_copied, is_leftover, remove_leftovers};
use super::handle::{Collection, Shared, within};
use super::item::{AddOutcome, NewItem, WriterOptions};
use super::log::LogWriter;
use super::manifest::{COLLECTION_VERSION, COPY, MANIFEST, Manifest};
use super::merge_status::{FAILURE, MergeFailure, MergeStatus, Merges};
use super::open::{fingerprinter, load, read_log};
use super::record::{Content, Discount, ItemKey, Record, encode};
use super::state::Operation;
use super::storage::{Folder, LOCK, Storage};
use crate::calibration::Calibration;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::matcher::{FalseMatch, FalseScope};

/// The one writer of a collection. `Send + Sync`; calls of several threads take turns.
///
/// A change that a call acknowledges is visible in every later snapshot of this process, and survives a
/// crash or a power cut.
///
/// ```
/// use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
///
/// let folder = tempfile::tempdir().unwrap();
/// let writer = CollectionWriter::open(folder.path().join("leak"), WriterOptions::default())?;
/// let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
///             with no press screening before the Wednesday, even though it tested at seventy-one.";
/// let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// writer.add(NewItem::new("memo.txt", print))?;
///
/// let found = writer.collection().snapshot().find_text(memo)?;
/// assert_eq!(found[0].item, "memo.txt");
/// writer.remove(&["memo.txt"])?;
/// assert!(writer.collection().snapshot().find_text(memo)?.is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
pub struct CollectionWriter {
    pub(super) core: Arc<Core>,
    background: Background,
}

impl CollectionWriter {
    /// Opens a collection for writing; creates it if there is none.
    ///
    /// # Errors
    /// [`Locked`](ErrorKind::Locked) if it has a writer, [`InvalidInput`](ErrorKind::InvalidInput) for a
    /// folder that holds other files, and as [`Collection::open`].
    pub fn open(path: impl AsRef<Path>, options: WriterOptions) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e| Error::io("cannot make the collection's folder", e).with_path(path);
        if !path.is_dir() {
            std::fs::create_dir_all(path).map_err(failed)?;
            if let Some(parent) = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
            {
                Folder::new(parent).sync_folder().map_err(failed)?;
            }
        }
        Self::on(Arc::new(Folder::new(path)), path, options).map_err(|e| within(path, e))
    }

    pub(super) fn on(
        storage: Arc<dyn Storage>,
        path: &Path,
        options: WriterOptions,
    ) -> Result<Self> {
        let claim = storage.lock()?;
        let failed = |e| Error::io("cannot list the folder", e);
        let names = storage.list().map_err(failed)?;
        if !names.iter().any(|name| name == MANIFEST) {
            if names
                .iter()
                .any(|name| name == COPY || name.ends_with(".rec"))
            {
                return Err(Error::corrupt(
                    "the collection's manifest is missing: restore it, or let `repair` use its copy",
                ));
            }
            if names.iter().any(|name| name != LOCK && !is_leftover(name)) {
                let message =
                    "the folder holds other files, and no collection: give a new or an empty one";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            create(&*storage, &options)?;
        }
        let (manifest, id) = Manifest::read_with_id(&*storage)?;
        let (mut manifest, state, _, context) = load(&*storage, manifest, id, None)?;
        let key = match (options.key.clone(), manifest.key.clone()) {
            (Some(given), Some(stored)) if given != stored => {
                return Err(Error::new(
                    ErrorKind::Recipe,
                    format!(
                        "made with another key, whose ID is {} and which the collection holds: give no key \
                         instead of the one whose ID is {}",
                        stored.id(),
                        given.id()
                    ),
                ));
            }
            (given, stored) => given.or(stored),
        };
        let fingerprinter = fingerprinter(&manifest.recipe, key)?;
        let last = manifest.logs.last().copied();
        let last = last.ok_or_else(|| Error::corrupt("the manifest names no log"))?;
        let log = LogWriter::resume(&*storage, &read_log(&*storage, last)?)?;
        remove_leftovers(&*storage, &manifest, &names);
        let failure = match names.iter().any(|name| name == FAILURE) {
            true => MergeFailure::read(&*storage),
            false => None,
        };
        let mut merges = Merges::new(failure);
        let outdated = manifest.version != COLLECTION_VERSION;
        // A crash may have left an old copy.
        if !outdated && !is_copied(&*storage, &manifest) {
            merges.copied(manifest.write_copy(&*storage).err());
        }
        manifest.pass_over(&names);
        let (cell, token) = StateCell::of_writer(state);
        let collection = Collection {
            shared: Arc::new(Shared {
                storage,
                path: path.to_owned(),
                context,
                key_stored: manifest.key.is_some(),
                fingerprinter,
                cell,
                merges: Mutex::new(merges),
            }),
        };
        let inner = Inner {
            manifest,
            log,
            token,
        };
        let core = Core::new(collection, options, inner, claim);
        if outdated {
            // So that an older build refuses the manifest instead of failing on a log.
            core.rotate(&mut core.lock())?;
        }
        Ok(Self {
            core: Arc::new(core),
            background: Background::default(),
        })
    }

    /// Returns the collection; a change is visible in its snapshots as soon as the call has returned.
    pub fn collection(&self) -> &Collection {
        &self.core.collection
    }

    /// Returns the outcome of merges, in the background and by calls. After a failure no data is lost:
    /// everything stays in the log, and the background tries again after pauses of a second to a
    /// minute.
    pub fn merge_status(&self) -> MergeStatus {
        self.collection().shared.merges().status()
    }

    /// Adds an item, in place of one of the same name. Returns the outcome and the generation in which it
    /// is visible. Cost: one sync of the disk, which [`add_batch`](Self::add_batch) shares among many
    /// items.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key,
    /// [`Malformed`](ErrorKind::Malformed) for one whose places contradict each other,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for the name of a code,
    /// [`Io`](ErrorKind::Io) if it could not be made durable.
    pub fn add(&self, item: NewItem) -> Result<(AddOutcome, u64)> {
        let (mut results, generation) = self.add_batch(std::slice::from_ref(&item))?;
        match results.pop() {
            Some(result) => Ok((result?, generation)),
            None => Err(Error::new(ErrorKind::InvalidInput, "no item")),
        }
    }

    /// Adds many items with one sync. Each has its own result; if this fails, none was added.
    /// Of several items of one name, the last one counts.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if they could not be made durable.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// use leakprint::collection::AddOutcome;
    ///
    /// let items = [NewItem::new("memo.txt", print.clone()), NewItem::new("memo.txt", print)];
    /// let (results, generation) = writer.add_batch(&items)?;
    /// assert!(matches!(results[..], [Ok(AddOutcome::Added), Ok(AddOutcome::Unchanged)]));
    /// assert_eq!(writer.collection().snapshot().generation(), generation);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn add_batch(&self, items: &[NewItem]) -> Result<(Vec<Result<AddOutcome>>, u64)> {
        let encoded: Vec<Result<Vec<u8>>> = items.iter().map(|item| self.encode(item)).collect();
        let inner = self.core.lock();
        let state = self.core.state();
        let mut results = Vec::with_capacity(items.len());
        // The last record of each name, in the order of the batch.
        let mut batch: Vec<Option<&[u8]>> = Vec::new();
        let mut by_key: HashMap<ItemKey<'_>, usize> = HashMap::new();
        for bytes in &encoded {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(e) => {
                    results.push(Err(Error::new(e.kind(), e.message())));
                    continue;
                }
            };
            let record = Record::parse(bytes)?;
            let earlier = by_key.get(&record.key).copied();
            let same = match earlier.and_then(|place| batch[place]) {
                Some(earlier) => Record::parse(earlier)?.says_the_same(&record),
                None => {
                    let known = state.record(&record.key)?;
                    known.is_some_and(|known| known.says_the_same(&record))
                }
            };
            if same {
                results.push(Ok(AddOutcome::Unchanged));
                continue;
            }
            if let Some(place) = earlier {
                batch[place] = None;
            }
            by_key.insert(record.key, batch.len());
            batch.push(Some(bytes));
            results.push(Ok(AddOutcome::Added));
        }
        let operations: Vec<_> = batch.into_iter().flatten().map(Operation::Add).collect();
        let generation = self.commit(inner, operations)?;
        Ok((results, generation))
    }

    fn encode(&self, item: &NewItem) -> Result<Vec<u8>> {
        if let Content::Prints(fingerprint) | Content::Discount(_, fingerprint) = &item.content {
            self.collection().recipe().check_same(&fingerprint.recipe)?;
            fingerprint.check(&Deadline::never())?;
        }
        encode(&item.name, &item.metadata, &item.content)
    }

    /// Removes items by name; returns for each whether it existed, and the generation.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it could not be made durable; then none was removed.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// assert_eq!(writer.remove(&["memo.txt", "another.txt"])?.0, [true, false]);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn remove(&self, names: &[impl AsRef<str>]) -> Result<(Vec<bool>, u64)> {
        self.remove_keys(names.iter().map(|name| ItemKey::of_name(name.as_ref())))
    }

    pub(super) fn remove_keys<'a>(
        &self,
        keys: impl ExactSizeIterator<Item = ItemKey<'a>>,
    ) -> Result<(Vec<bool>, u64)> {
        let inner = self.core.lock();
        let state = self.core.state();
        let mut seen = HashSet::new();
        let mut there = Vec::with_capacity(keys.len());
        let mut operations = Vec::new();
        for key in keys {
            let found = state.find(&key)?.is_some();
            let first = seen.insert(key);
            there.push(found && first);
            if found && first {
                operations.push(Operation::Remove(key));
            }
        }
        let generation = self.commit(inner, operations)?;
        Ok((there, generation))
    }

    /// Removes ignore or background files by name; returns for each whether it existed, and the
    /// generation.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it could not be made durable; then none was removed.
    pub fn remove_discounts(
        &self,
        kind: Discount,
        names: &[impl AsRef<str>],
    ) -> Result<(Vec<bool>, u64)> {
        self.remove_keys(
            names
                .iter()
                .map(|name| ItemKey::Discount(kind, name.as_ref())),
        )
    }

    /// Marks matches as false: they are not reported any more. Returns the generation.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) for texts that are too long, and for more than 10,000,000 marks or
    /// 512 MiB of them; [`Io`](ErrorKind::Io) if it could not be made durable.
    pub fn mark_false(&self, marks: &[FalseMatch]) -> Result<u64> {
        marks.iter().try_for_each(false_matches::check)?;
        let operations = marks.iter().cloned().map(Operation::MarkFalse).collect();
        self.commit(self.core.lock(), operations)
    }

    /// Removes a mark; returns whether it existed, and the generation.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it could not be made durable.
    pub fn unmark(&self, item: &str, scope: &FalseScope) -> Result<(bool, u64)> {
        let inner = self.core.lock();
        let state = self.core.state();
        let there = state.false_matches.contains(item, scope);
        let operation = there.then(|| Operation::Unmark(item, scope.clone()));
        let generation = self.commit(inner, operation.into_iter().collect())?;
        Ok((there, generation))
    }

    /// Stores how often unrelated uploads match this collection, or with `None` removes it; returns the
    /// generation. Matchers of later snapshots use it.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if it could not be made durable; then nothing has changed.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// use leakprint::calibration::CalibrationSource;
    /// use leakprint::{Calibration, MatchOptions};
    ///
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// let post = matcher.query_fingerprinter().fingerprint_text("Nothing of it.")?;
    /// writer.set_calibration(Some(Calibration::measure(&matcher, [&post])?))?;
    /// let info = writer.collection().snapshot().info();
    /// assert_eq!(info.calibration, CalibrationSource::Measured);
    /// assert_eq!(info.calibrated.unwrap().growth, 1.0);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn set_calibration(&self, calibration: Option<Calibration>) -> Result<u64> {
        let mut inner = self.core.lock();
        self.core.calibrate(&mut inner, calibration.map(Arc::new))
    }

    /// Merges everything to one segment without removed and expired items; returns the generation.
    /// Readers and other calls of the writer continue meanwhile.
    ///
    /// Memory: 16 bytes a gram, 370 and 24 for each local print a picture, 60 a code, and while
    /// the index is written ten bytes a distinct gram.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io), or [`Corrupt`](ErrorKind::Corrupt) if a record is damaged; the
    /// collection is then unchanged.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # use leakprint::collection::NewItem;
    /// for name in ["a", "b"] {
    ///     writer.add(NewItem::new(name, print.clone()))?;
    ///     writer.flush()?;
    /// }
    /// assert_eq!(writer.collection().snapshot().info().segments.len(), 2);
    /// writer.compact()?;
    /// assert_eq!(writer.collection().snapshot().info().segments.len(), 1);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn compact(&self) -> Result<u64> {
        self.core.compact()
    }

    /// Writes the head to a segment, so that opening need not replay the log; returns the generation.
    ///
    /// # Errors
    /// As [`compact`](Self::compact).
    pub fn flush(&self) -> Result<u64> {
        self.core.flush()
    }

    /// Makes operations durable, then visible; starts a merge if one is due.
    fn commit(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        operations: Vec<Operation<'_>>,
    ) -> Result<u64> {
        let shared = &self.collection().shared;
        if operations.is_empty() {
            return Ok(self.core.state().generation);
        }
        let mut payload = Encoder::default();
        operations
            .iter()
            .for_each(|operation| operation.put(&mut payload));
        let marks = |operation: &Operation<'_>| matches!(operation, Operation::MarkFalse(_));
        let marked = operations.iter().any(marks);
        let Inner { log, token, .. } = &mut *inner;
        let generation = shared.cell.advance(token, |state, token| {
            let generation = token.next_generation()?;
            // First: an operation that could not be searched or opened again must not be acknowledged.
            let next = state.apply(operations, generation, log.number(), &shared.context)?;
            if marked {
                false_matches::check_all(&next.false_matches, &shared.storage.limits())?;
            }
            log.append(generation, &payload.0)
                .map_err(|e| within(&shared.path, e))?;
            Ok((next, generation))
        })?;
        drop(inner);
        if self.core.options.background && self.core.is_due() {
            self.background.start(&self.core);
        }
        Ok(generation)
    }
}

#[cfg(test)]
impl CollectionWriter {
    pub(super) fn core(&self) -> &Core {
        &self.core
    }
}

impl fmt::Debug for CollectionWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CollectionWriter")
            .field(&self.core.collection)
            .finish()
    }
}
