//! Opening a collection for reading, and keeping up with its writer.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::cell::{DiskState, ReadPosition, StateCell};
use super::handle::{Collection, Shared, within};
use super::log::{self, Log};
use super::manifest::{MANIFEST, Manifest};
use super::merge::empty_index;
use super::segment::{Location, Segment, Slot, check_recipe};
use super::state::{Carried, OpenContext, Operation, State};
use super::storage::{Folder, Storage};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Fingerprinter, Key, Recipe};

/// How often a reader tries again when files of a manifest have vanished because the writer has merged
/// them meanwhile.
const MAX_RETRIES: usize = 20;

impl Collection {
    /// Opens a collection for reading. Cost: mapping the segments and reading the log; independent of the
    /// number of items in segments.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if there is none, [`Corrupt`](ErrorKind::Corrupt) with the file
    /// that is damaged, [`Version`](ErrorKind::Version) or [`Recipe`](ErrorKind::Recipe)
    /// if it was written by an incompatible build.
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

    /// Returns whether a path is the folder of a collection.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(MANIFEST).is_file()
    }

    fn open_folder(path: &Path, key: Option<Key>) -> Result<Self> {
        if !path.is_dir() {
            let message = match path.exists() {
                true => "this is a file, but a collection is a folder",
                false => "there is no such folder",
            };
            return Err(Error::new(ErrorKind::Io, message).with_path(path));
        }
        Self::on(Arc::new(Folder::new(path)), path, key).map_err(|e| within(path, e))
    }

    pub(super) fn on(storage: Arc<dyn Storage>, path: &Path, key: Option<Key>) -> Result<Self> {
        let (manifest, state, read, context) = load_with_retries(&*storage, None)?;
        let key_stored = manifest.key.is_some();
        let fingerprinter = fingerprinter(&manifest.recipe, key.or(manifest.key))?;
        Ok(Self {
            shared: Arc::new(Shared {
                storage,
                path: path.to_owned(),
                context,
                key_stored,
                fingerprinter,
                cell: StateCell::of_disk(state, read),
                merges: Mutex::default(),
            }),
        })
    }

    /// Reads the changes that a writer in another process has made; returns whether there were any.
    /// Running searches keep their snapshot. Cost: little if nothing has changed, otherwise that of
    /// [`open`](Self::open) or of the new operations.
    ///
    /// The generation never goes back. If this is the [handle](super::CollectionWriter::collection) of a
    /// [writer](super::CollectionWriter) in this process, every change is visible at once: nothing is
    /// read, and the result is false.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Recipe`](ErrorKind::Recipe) if another collection has taken the
    /// place of this one, and [`Stale`](ErrorKind::Stale) if an older state of it has, such as a
    /// backup that was restored: open it again. On an error the current state is kept.
    pub fn refresh(&self) -> Result<bool> {
        let shared = &self.shared;
        let result = shared.cell.follow(|state, read| news(shared, state, read));
        result.map_err(|e| within(&shared.path, e))
    }
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

type Loaded = (Manifest, State, ReadPosition, OpenContext);

fn load_with_retries(storage: &dyn Storage, old: Option<(&State, &OpenContext)>) -> Result<Loaded> {
    let mut retries = MAX_RETRIES;
    loop {
        let (manifest, id) = Manifest::read_with_id(storage)?;
        match load(storage, manifest, id, old) {
            Ok(loaded) => return Ok(loaded),
            Err(e) => {
                retries -= 1;
                // Files vanish when a newer generation no longer needs them.
                if retries == 0 || Manifest::read_with_id(storage)?.1 == id {
                    return Err(e);
                }
            }
        }
    }
}

/// Opens the files of a manifest; segments that are open already are taken from `old`.
pub(super) fn load(
    storage: &dyn Storage,
    manifest: Manifest,
    id: [u8; 32],
    old: Option<(&State, &OpenContext)>,
) -> Result<Loaded> {
    let context = match old {
        Some((_, context)) => context.clone(),
        None => OpenContext {
            recipe: manifest.recipe.clone(),
            empty: empty_index(&manifest.recipe)?,
        },
    };
    let mut slots = Vec::new();
    for entry in &manifest.segments {
        let open = old.and_then(|(state, _)| {
            let mut slots = state.slots.iter();
            // By content too: a backup that was restored may have given the number to another.
            slots.find(|slot| {
                let segment = &slot.segment;
                segment.location == Location::Disk(entry.number) && segment.id == entry.id()
            })
        });
        let segment = match open {
            Some(slot) => Arc::clone(&slot.segment),
            None => Arc::new(Segment::open(storage, entry, &context.recipe)?),
        };
        check_recipe(&segment, &context.recipe)?;
        slots.push(Slot {
            segment,
            removed: Arc::new(entry.removed.clone()),
        });
    }
    let marks = Arc::new(manifest.false_matches.clone());
    // The ignore files may differ from before, and the head does.
    let carried = Carried {
        filter: old
            .map(|(state, _)| state.filter.clone())
            .unwrap_or_default(),
        calibration: manifest.calibration.clone(),
        ..Carried::default()
    };
    let mut state = State::new(manifest.generation, slots, marks, &context, carried)?;
    let mut read = ReadPosition {
        manifest: id,
        log: 0,
        len: 0,
        tail: log::Tail::default(),
    };
    for &number in &manifest.logs {
        let log = read_log(storage, number)?;
        state = replay(&state, &log, 0, &context)?;
        (read.log, read.len, read.tail) = (number, log.bytes_read(), log.tail());
    }
    let marks = state.false_matches.len();
    storage.limits().check_false_matches(marks)?;
    Ok((manifest, state, read, context))
}

pub(super) fn read_log(storage: &dyn Storage, number: u64) -> Result<Log> {
    match storage.len(&log::file_name(number)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(log::missing(number)),
        _ => Log::read(storage, number),
    }
}

/// Applies the frames of a log from a position on: all at once, so that they make one segment.
pub(super) fn replay(
    state: &State,
    log: &Log,
    from: usize,
    context: &OpenContext,
) -> Result<State> {
    let mut generation = state.generation;
    let mut operations = Vec::new();
    for frame in log.frames().skip(from) {
        operations.extend(Operation::all(frame.payload)?);
        generation = generation.max(frame.generation);
    }
    match state.apply(operations, generation, log.number(), context) {
        // The writer applied them one by one, so a limit on one segment must not prevent reading a log.
        Err(e) if e.kind() == ErrorKind::Limit => one_by_one(state, log, from, context),
        result => result,
    }
}

/// As [`replay`], in the steps in which the log was written.
fn one_by_one(state: &State, log: &Log, from: usize, context: &OpenContext) -> Result<State> {
    let mut last: Option<State> = None;
    for frame in log.frames().skip(from) {
        let state = last.as_ref().unwrap_or(state);
        let generation = state.generation.max(frame.generation);
        let operations = Operation::all(frame.payload)?;
        last = Some(state.apply(operations, generation, log.number(), context)?);
    }
    match last {
        Some(state) => Ok(state),
        None => state.apply([], state.generation, log.number(), context),
    }
}

/// Reads changes on disk that the current state lacks; `read` is the position that the current state
/// was read up to, if known.
fn news(shared: &Shared, old: &State, read: Option<&ReadPosition>) -> Result<DiskState> {
    let storage = &*shared.storage;
    let (manifest, id) = Manifest::read_with_id(storage)?;
    if manifest.recipe != shared.context.recipe {
        return Err(Error::new(
            ErrorKind::Recipe,
            "another collection has taken the place of this one: open it again",
        ));
    }
    let same_manifest = read.filter(|read| read.manifest == id);
    if let Some(read) = same_manifest {
        if is_unchanged(storage, read) {
            return Ok(DiskState::Unchanged(read.clone()));
        }
        // A log that cannot be read here is read below, or fails there.
        if let Ok(log) = read_log(storage, read.log)
            && log.begins_with(&read.tail)
        {
            let frames = read.tail.frames;
            let now = ReadPosition {
                len: log.bytes_read(),
                tail: log.tail(),
                ..read.clone()
            };
            if now.tail.frames == frames {
                return Ok(DiskState::Unchanged(now));
            }
            return Ok(DiskState::Changed(
                replay(old, &log, frames, &shared.context)?,
                now,
            ));
        }
    }
    let (_, mut state, now, _) = load_with_retries(storage, Some((old, &shared.context)))?;
    // An operation was read before it was durable, and the writer took it back: its generation was
    // never acknowledged, and the next one is newer.
    let taken_back =
        same_manifest.is_some_and(|read| !read.tail.is_synced && read.manifest == now.manifest);
    if taken_back {
        state.generation = state.generation.max(old.generation);
    }
    Ok(DiskState::Changed(state, now))
}

/// Returns whether the last log is unchanged: its size and the identity of its last frame.
fn is_unchanged(storage: &dyn Storage, read: &ReadPosition) -> bool {
    let name = log::file_name(read.log);
    let same_len = storage.len(&name).is_ok_and(|len| len == read.len);
    same_len
        && read
            .tail
            .is_last_in(|at, len| storage.read_at(&name, at, len))
}
