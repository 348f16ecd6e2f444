//! The state that the writer's calls and its merging thread share, and how they commit a change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cell::WriteToken;
use super::handle::{Collection, within};
use super::item::WriterOptions;
use super::log::LogWriter;
use super::manifest::{COLLECTION_VERSION, Manifest, SegmentEntry};
use super::segment::{Segment, Slot};
use super::state::{Carried, State, is_of_log, on_disk};
use super::storage::Claim;
use crate::calibration::Calibration;
use crate::error::{Error, Result};
use crate::index::ItemSet;

/// The state that the writer and its thread share.
pub(super) struct Core {
    pub(super) collection: Collection,
    pub(super) options: WriterOptions,
    inner: Mutex<Inner>,
    /// Held during a merge.
    maintenance: Mutex<()>,
    _claim: Box<dyn Claim>,
}

/// The state that only one call at a time may change.
pub(super) struct Inner {
    pub(super) manifest: Manifest,
    pub(super) log: LogWriter,
    pub(super) token: WriteToken,
}

/// The difference between a new manifest and the current one.
pub(super) struct Change {
    /// The slots that are kept.
    pub(super) kept: Vec<Slot>,
    /// A new segment, and the items of it that are removed already.
    pub(super) built: Option<(SegmentEntry, Arc<Segment>)>,
    pub(super) removed: ItemSet,
    /// Whether all logs but the last are in segments.
    pub(super) logs_done: bool,
}

impl Core {
    pub(super) fn new(
        collection: Collection,
        options: WriterOptions,
        inner: Inner,
        claim: Box<dyn Claim>,
    ) -> Self {
        Self {
            collection,
            options,
            inner: Mutex::new(inner),
            maintenance: Mutex::new(()),
            _claim: claim,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a merge that is running.
    pub(super) fn lock_merging(&self) -> MutexGuard<'_, ()> {
        let lock = self.maintenance.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> Arc<State> {
        self.collection.shared.cell.load()
    }

    /// Begins a new log, so that the ones before are complete.
    pub(super) fn rotate(&self, inner: &mut Inner) -> Result<()> {
        let shared = &self.collection.shared;
        inner.log.check_usable()?;
        inner.log.seal().map_err(|e| within(&shared.path, e))?;
        let mut manifest = inner.manifest.clone();
        let number = manifest.take_number()?;
        let log = LogWriter::create(&*shared.storage, number)?;
        manifest.version = COLLECTION_VERSION;
        manifest.logs.push(number);
        let Inner {
            manifest: in_force,
            log: current,
            token,
        } = inner;
        shared.cell.advance(token, |state, token| {
            manifest.generation = token.next_generation()?;
            let slots = state.slots.clone();
            let marks = Arc::clone(&state.false_matches);
            let (generation, carried) = (manifest.generation, state.carried());
            let next = State::new(generation, slots, marks, &shared.context, carried)?;
            self.commit_manifest(in_force, current, token, manifest)?;
            *current = log;
            Ok((next, ()))
        })
    }

    /// Commits a manifest with another calibration; returns the generation.
    pub(super) fn calibrate(
        &self,
        inner: &mut Inner,
        calibration: Option<Arc<Calibration>>,
    ) -> Result<u64> {
        let (_, generation) = self.advance(inner, |state, manifest| {
            manifest.calibration.clone_from(&calibration);
            let carried = Carried {
                calibration,
                ..state.carried()
            };
            Ok((state.slots.clone(), carried))
        })?;
        Ok(generation)
    }

    /// Commits a manifest with a new segment before the slots that are kept; returns the generation.
    pub(super) fn put_in_force(
        &self,
        inner: &mut Inner,
        change: impl FnOnce(&State) -> Change,
    ) -> Result<u64> {
        let (old, generation) = self.advance(inner, |state, manifest| {
            let change = change(state);
            let mut slots = change.kept;
            let mut entries = std::mem::take(&mut manifest.segments);
            if let Some((mut entry, segment)) = change.built {
                entry.removed = change.removed.clone();
                entries.push(entry);
                let slot = Slot {
                    segment,
                    removed: Arc::new(change.removed),
                };
                // Those on disk come first.
                let on_disk = slots.iter().take_while(|slot| !is_of_log(&slot.segment));
                slots.insert(on_disk.count(), slot);
            }
            for (number, slot) in on_disk(&slots) {
                let entry = entries.iter().position(|entry| entry.number == number);
                let entry = entry.map(|place| entries.swap_remove(place));
                let unknown = || Error::corrupt("a segment that the manifest does not know");
                let mut entry = entry.ok_or_else(unknown)?;
                entry.removed = (*slot.removed).clone();
                manifest.segments.push(entry);
            }
            if change.logs_done {
                let last = manifest.logs.len().saturating_sub(1);
                manifest.logs.drain(..last);
            }
            manifest.false_matches = (*state.false_matches).clone();
            // Of the head hardly anything is left.
            let carried = Carried {
                head: None,
                ..state.carried()
            };
            Ok((slots, carried))
        })?;
        let used: Vec<String> = inner.manifest.files().collect();
        for name in old.files().filter(|name| !used.contains(name)) {
            // A reader that has it mapped keeps it. Where a file in use cannot be removed, the next
            // writer removes it.
            let _ = self.collection.shared.storage.remove(&name);
        }
        Ok(generation)
    }

    /// Commits the next manifest and state, with the slots and what is carried over to it that `change`
    /// returns. Returns the old manifest and the new generation.
    fn advance(
        &self,
        inner: &mut Inner,
        change: impl FnOnce(&State, &mut Manifest) -> Result<(Vec<Slot>, Carried)>,
    ) -> Result<(Manifest, u64)> {
        let shared = &self.collection.shared;
        inner.log.check_usable()?;
        let Inner {
            manifest: in_force,
            log,
            token,
        } = inner;
        shared.cell.advance(token, |state, token| {
            let mut manifest = in_force.clone();
            let generation = token.next_generation()?;
            manifest.generation = generation;
            let (slots, carried) = change(state, &mut manifest)?;
            let marks = Arc::clone(&state.false_matches);
            let next = State::new(generation, slots, marks, &shared.context, carried)?;
            let old = self.commit_manifest(in_force, log, token, manifest)?;
            Ok((next, (old, generation)))
        })
    }

    /// Replaces the current manifest and returns the old one.
    ///
    /// If it fails in a way that could leave the new one on disk, the old one is written over it; if that
    /// fails too, nothing more is written.
    fn commit_manifest(
        &self,
        in_force: &mut Manifest,
        log: &mut LogWriter,
        token: &mut WriteToken,
        manifest: Manifest,
    ) -> Result<Manifest> {
        let shared = &self.collection.shared;
        let storage = &*shared.storage;
        let failure = match manifest.commit(storage) {
            Ok(copied) => {
                shared.merges().copied(copied);
                return Ok(std::mem::replace(in_force, manifest));
            }
            Err(failure) => failure,
        };
        if failure.in_doubt {
            let undone = token.next_generation().and_then(|generation| {
                in_force.generation = generation;
                Ok(in_force.commit(storage)?)
            });
            match undone {
                Ok(copied) => shared.merges().copied(copied),
                Err(_) => log.give_up(),
            }
        }
        Err(within(&shared.path, failure.error))
    }
}

impl Drop for Core {
    /// Readers follow the disk from now on, which another writer may change.
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.collection.shared.cell.release(&mut inner.token);
    }
}
