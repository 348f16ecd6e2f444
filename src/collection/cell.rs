//! The current state of an open collection, and the only way to replace it.
//!
//! A state comes either from a writer of this process or from the disk, never from both. A
//! writer derives each state from the current one, under its [`WriteToken`], of which there is
//! one; nothing is read while it lives. Otherwise states are read from the disk, by one thread at
//! a time. Either way an older generation never takes the place of a newer one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::log::Tail;
use super::state::State;
use crate::error::{Error, ErrorKind, Result};

/// The current state.
#[derive(Debug)]
pub(super) struct StateCell {
    current: ArcSwap<State>,
    source: Mutex<Source>,
}

/// Where the next state comes from.
#[derive(Debug)]
enum Source {
    /// A writer of this process.
    Writer,
    /// The disk; `None` if it is not known what the current state was read from.
    Disk(Option<ReadPosition>),
}

/// The part of the files that a state was read from.
#[derive(Clone, Debug)]
pub(super) struct ReadPosition {
    /// The checksum of the manifest.
    pub(super) manifest: [u8; 32],
    /// The number of the last log.
    pub(super) log: u64,
    /// Bytes of the last log.
    pub(super) len: u64,
    /// The frames of the last log.
    pub(super) tail: Tail,
}

/// The outcome of reading the disk again.
pub(super) enum DiskState {
    /// The current state is that of the disk.
    Unchanged(ReadPosition),
    Changed(State, ReadPosition),
}

/// The right to replace the state of one [`StateCell`]. It numbers the generations and uses no number
/// twice: the number of an operation that failed is skipped.
#[derive(Debug)]
pub(super) struct WriteToken {
    issued: u64,
}

impl WriteToken {
    /// Returns the number of the next generation.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) after 2^64.
    pub(super) fn next_generation(&mut self) -> Result<u64> {
        let next = self.issued.checked_add(1);
        self.issued = next.ok_or_else(|| Error::limit("generations", u64::MAX, "one more"))?;
        Ok(self.issued)
    }
}

impl StateCell {
    /// Creates a cell that follows the disk.
    pub(super) fn of_disk(state: State, read: ReadPosition) -> Self {
        Self::new(state, Source::Disk(Some(read)))
    }

    /// Creates a cell that a writer of this process owns until it [releases](Self::release) it.
    pub(super) fn of_writer(state: State) -> (Self, WriteToken) {
        let issued = state.generation;
        (Self::new(state, Source::Writer), WriteToken { issued })
    }

    fn new(state: State, source: Source) -> Self {
        Self {
            current: ArcSwap::from_pointee(state),
            source: Mutex::new(source),
        }
    }

    /// Returns the current state. Takes no lock.
    pub(super) fn load(&self) -> Arc<State> {
        self.current.load_full()
    }

    /// Returns whether a writer of this process owns it.
    pub(super) fn has_writer(&self) -> bool {
        matches!(*self.source(), Source::Writer)
    }

    /// Replaces the state by one that is made from it. What `make` writes must be durable when it
    /// returns.
    ///
    /// # Errors
    /// Those of `make`; the state is then unchanged.
    pub(super) fn advance<T>(
        &self,
        token: &mut WriteToken,
        make: impl FnOnce(&State, &mut WriteToken) -> Result<(State, T)>,
    ) -> Result<T> {
        let (next, made) = make(&self.load(), token)?;
        self.put(&mut self.source(), next)?;
        Ok(made)
    }

    /// Replaces the state by what is on disk; true if that is another one. With a writer in this
    /// process nothing is newer than the current state, and nothing is read.
    ///
    /// # Errors
    /// Those of `read`, and [`Stale`](ErrorKind::Stale) if the disk has an older state; then the
    /// state is kept.
    pub(super) fn follow(
        &self,
        read: impl FnOnce(&State, Option<&ReadPosition>) -> Result<DiskState>,
    ) -> Result<bool> {
        let mut source = self.source();
        let Source::Disk(so_far) = &*source else {
            return Ok(false);
        };
        let current = self.load();
        let (changed, now) = match read(&current, so_far.as_ref())? {
            DiskState::Unchanged(now) => (false, now),
            DiskState::Changed(next, now) => {
                // The writer has ended: its last state is read from the disk once.
                let changed = so_far.is_some() || next.generation != current.generation;
                self.put(&mut source, next)?;
                (changed, now)
            }
        };
        *source = Source::Disk(Some(now));
        Ok(changed)
    }

    /// Lets the cell follow the disk, when its writer ends.
    pub(super) fn release(&self, _: &mut WriteToken) {
        *self.source() = Source::Disk(None);
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one place where a state is replaced, under the lock of the source.
    fn put(&self, _: &mut MutexGuard<'_, Source>, next: State) -> Result<()> {
        let generation = self.current.load().generation;
        if next.generation < generation {
            return Err(Error::new(
                ErrorKind::Stale,
                format!(
                    "the folder has generation {}, which is older than {generation}, the one that \
                     is open: was a backup restored? Open the collection again to read it",
                    next.generation
                ),
            ));
        }
        self.current.store(Arc::new(next));
        Ok(())
    }
}
