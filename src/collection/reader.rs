//! Reading a collection: opening, snapshots, and keeping up with its writer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::log::{self, Log};
use super::manifest::{MANIFEST, Manifest};
use super::merge::empty_index;
use super::segment::{Home, Segment, Slot, check_recipe};
use super::snapshot::Snapshot;
use super::state::{Ground, Known, Operation, State};
use super::storage::{Folder, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprinter, Key, Recipe};

/// How often files that a manifest names may vanish under a reader, because the writer has
/// merged them meanwhile, before it gives up.
const PATIENCE: usize = 20;

/// A collection, opened for reading: any number of processes and threads may.
///
/// Cheap to clone; clones see the same. [`snapshot`](Self::snapshot) never waits, and
/// [`refresh`](Self::refresh) picks up what a writer in another process has done since.
/// With a [`CollectionWriter`](super::CollectionWriter) in this process its
/// [`collection`](super::CollectionWriter::collection) sees every change when it is done.
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// use leakprint::Collection;
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// // Another process, or a thread of this one.
/// let collection = Collection::open(&path)?;
/// assert_eq!(collection.snapshot().find_text(memo)?.len(), 1);
/// writer.remove(&["memo.txt"])?;
/// assert!(collection.refresh()? && collection.snapshot().is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone)]
pub struct Collection {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) path: PathBuf,
    pub(super) ground: Ground,
    pub(super) key_stored: bool,
    /// With the key, if it is known.
    pub(super) fingerprinter: Option<Fingerprinter>,
    pub(super) state: ArcSwap<State>,
    /// What was read for the state in force.
    pub(super) read: Mutex<ReadSoFar>,
}

/// What of the files a state is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadSoFar {
    manifest: u64,
    log: u64,
    /// Bytes of the last log.
    len: u64,
    frames: usize,
}

impl Collection {
    /// Opens a collection for reading. Time is that of mapping the segments and reading the
    /// log since the last of them; neither depends on the size of the collection.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if there is none, [`Corrupt`](ErrorKind::Corrupt) with the file
    /// that is damaged, [`Version`](ErrorKind::Version) or [`Recipe`](ErrorKind::Recipe)
    /// if another build made it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_folder(path.as_ref(), None)
    }

    /// Opens a collection whose key is kept apart from it. Takes a [`Key`], or an `Option<Key>`
    /// where there may be one: `None` is as [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Recipe`](ErrorKind::Recipe) if the key is another one.
    ///
    /// ```
    /// use leakprint::collection::{CollectionWriter, WriterOptions};
    /// use leakprint::{Collection, Key};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.collection");
    /// let key = Key::from_bytes([7; 32]);
    /// CollectionWriter::open(&path, WriterOptions::default().with_key(key.clone()))?;
    /// assert!(Collection::open_with_key(&path, key)?.fingerprinter().is_ok());
    /// // Without the key everything can be read and nothing matched.
    /// assert!(Collection::open(&path)?.fingerprinter().is_err());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn open_with_key(path: impl AsRef<Path>, key: impl Into<Option<Key>>) -> Result<Self> {
        Self::open_folder(path.as_ref(), key.into())
    }

    /// Whether a path is a folder that holds a collection.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(MANIFEST).is_file()
    }

    fn open_folder(path: &Path, key: Option<Key>) -> Result<Self> {
        if !path.is_dir() {
            let message = match path.exists() {
                true => "a collection is a folder, this is none: `Index::open` opens an index file",
                false => "there is no such folder: `CollectionWriter::open` makes a collection",
            };
            return Err(Error::new(ErrorKind::Io, message).with_path(path));
        }
        Self::on(Arc::new(Folder::new(path)), path, key).map_err(|e| within(path, e))
    }

    pub(super) fn on(storage: Arc<dyn Storage>, path: &Path, key: Option<Key>) -> Result<Self> {
        let (manifest, state, read, ground) = load_patiently(&*storage, None)?;
        let key_stored = manifest.key.is_some();
        let fingerprinter = fingerprinter(&manifest.recipe, key.or(manifest.key))?;
        Ok(Self {
            shared: Arc::new(Shared {
                storage,
                path: path.to_owned(),
                ground,
                key_stored,
                fingerprinter,
                state: ArcSwap::from_pointee(state),
                read: Mutex::new(read),
            }),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// How its prints are made.
    pub fn recipe(&self) -> &Recipe {
        &self.shared.ground.recipe
    }

    /// Makes the fingerprints that can be added and matched.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the owner keeps the key and it was not given.
    pub fn fingerprinter(&self) -> Result<&Fingerprinter> {
        let known = self.shared.fingerprinter.as_ref();
        known.ok_or_else(|| self.recipe().without_key("collection"))
    }

    /// What the collection holds now. Takes no lock and never waits; what is added or removed
    /// later does not show in it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.shared.state.load_full(),
            collection: self.clone(),
        }
    }

    /// Picks up what a writer in another process has done since; true if there was anything.
    /// Searches that are under way go on with what they have. Costs next to nothing if
    /// nothing has changed, else what [`open`](Self::open) or the new operations cost.
    ///
    /// # Errors
    /// As [`open`](Self::open); what was in force stays in force.
    pub fn refresh(&self) -> Result<bool> {
        let shared = &self.shared;
        let mut read = shared.read.lock().unwrap_or_else(PoisonError::into_inner);
        let old = shared.state.load_full();
        let result = refresh(shared, &old, *read).map_err(|e| within(&shared.path, e))?;
        let Some((state, now)) = result else {
            return Ok(false);
        };
        shared.state.store(Arc::new(state));
        *read = now;
        Ok(true)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// Names the file in the folder.
pub(super) fn within(folder: &Path, e: Error) -> Error {
    let path = match e.path() {
        Some(path) if path.is_absolute() || path.starts_with(folder) => return e,
        Some(path) => folder.join(path),
        None => folder.to_owned(),
    };
    e.with_path(path)
}

pub(super) fn fingerprinter(recipe: &Recipe, key: Option<Key>) -> Result<Option<Fingerprinter>> {
    let Some(key) = key else { return Ok(None) };
    recipe.check_key(&key)?;
    let fingerprinter = Fingerprinter::builder()
        .key(key)
        .window(recipe.window)
        .build()?;
    Ok(Some(fingerprinter))
}

type Loaded = (Manifest, State, ReadSoFar, Ground);

fn load_patiently(storage: &dyn Storage, old: Option<(&State, &Ground)>) -> Result<Loaded> {
    let mut patience = PATIENCE;
    loop {
        let manifest = Manifest::read(storage)?;
        let generation = manifest.generation;
        match load(storage, manifest, old) {
            Ok(loaded) => return Ok(loaded),
            Err(e) => {
                patience -= 1;
                // Files vanish when a newer generation does without them.
                if patience == 0 || Manifest::read(storage)?.generation == generation {
                    return Err(e);
                }
            }
        }
    }
}

/// Opens what a manifest names; segments that are open already are taken from `old`.
pub(super) fn load(
    storage: &dyn Storage,
    manifest: Manifest,
    old: Option<(&State, &Ground)>,
) -> Result<Loaded> {
    let ground = match old {
        Some((_, ground)) => ground.clone(),
        None => Ground {
            recipe: manifest.recipe.clone(),
            empty: empty_index(&manifest.recipe)?,
        },
    };
    let mut slots = Vec::new();
    for entry in &manifest.segments {
        let open = old.and_then(|(state, _)| {
            let mut slots = state.slots.iter();
            slots.find(|slot| slot.segment.home == Home::Disk(entry.number))
        });
        let segment = match open {
            Some(slot) => Arc::clone(&slot.segment),
            None => Arc::new(Segment::open(storage, entry)?),
        };
        check_recipe(&segment, &ground.recipe)?;
        slots.push(Slot {
            segment,
            removed: Arc::new(entry.removed.clone()),
        });
    }
    let marks = Arc::new(manifest.false_matches.clone());
    // What is ignored may be other than before, and so is the head.
    let known = Known {
        on_disk: old
            .map(|(state, _)| state.on_disk.clone())
            .unwrap_or_default(),
        ..Known::default()
    };
    let mut state = State::new(manifest.generation, slots, marks, &ground, known)?;
    let mut read = ReadSoFar {
        manifest: manifest.generation,
        ..ReadSoFar::default()
    };
    for &number in &manifest.logs {
        let log = read_log(storage, number)?;
        (state, read.frames) = replay(&state, &log, 0, &ground)?;
        (read.log, read.len) = (number, log.bytes_read());
    }
    Ok((manifest, state, read, ground))
}

pub(super) fn read_log(storage: &dyn Storage, number: u64) -> Result<Log> {
    match storage.len(&log::file_name(number)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(log::missing(number)),
        _ => Log::read(storage, number),
    }
}

/// Applies the frames of a log from one on.
pub(super) fn replay(
    state: &State,
    log: &Log,
    from: usize,
    ground: &Ground,
) -> Result<(State, usize)> {
    let mut generation = state.generation;
    let mut operations = Vec::new();
    let mut frames = 0;
    for frame in log.frames() {
        frames += 1;
        if frames > from {
            operations.extend(Operation::all(frame.payload)?);
            generation = generation.max(frame.generation);
        }
    }
    let state = state.apply(operations, generation, log.number(), ground)?;
    Ok((state, frames))
}

fn refresh(shared: &Shared, old: &State, read: ReadSoFar) -> Result<Option<(State, ReadSoFar)>> {
    let storage = &*shared.storage;
    let manifest = Manifest::read(storage)?;
    if manifest.recipe != shared.ground.recipe {
        return Err(Error::new(
            ErrorKind::Recipe,
            "another collection has taken the place of this one: open it anew",
        ));
    }
    if manifest.generation == read.manifest && manifest.logs.last() == Some(&read.log) {
        let len = storage.len(&log::file_name(read.log)).unwrap_or(0);
        if len == read.len {
            return Ok(None);
        }
        if len > read.len
            && let Ok(log) = read_log(storage, read.log)
        {
            let (state, frames) = replay(old, &log, read.frames, &shared.ground)?;
            let now = ReadSoFar {
                len: log.bytes_read(),
                frames,
                ..read
            };
            return Ok(Some((state, now)));
        }
    }
    let (_, state, now, _) = load_patiently(storage, Some((old, &shared.ground)))?;
    Ok(Some((state, now)))
}
