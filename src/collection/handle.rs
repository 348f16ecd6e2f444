//! The handle of an open collection, shared by readers and the writer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cell::StateCell;
use super::merge_status::{MergeFailure, Merges};
use super::state::OpenContext;
use super::storage::Storage;
use crate::error::{Error, Result};
use crate::fingerprint::{Fingerprinter, Recipe};

/// A collection that is open for reading, by any number of processes and threads.
///
/// Cheap to clone; clones share their state. [`snapshot`](Self::snapshot) never waits, and
/// [`refresh`](Self::refresh) picks up what a writer in another process has done since. With a
/// [`CollectionWriter`](super::CollectionWriter) in this process, its
/// [`collection`](super::CollectionWriter::collection) sees every change at once.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let memo = leakprint::example::MEMO;
/// # let path = writer.collection().path().to_owned();
/// # use leakprint::collection::NewItem;
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
    pub(super) context: OpenContext,
    pub(super) key_stored: bool,
    /// With the key, if it was given or is stored.
    pub(super) fingerprinter: Option<Fingerprinter>,
    pub(super) cell: StateCell,
    /// The outcome of the writer's merges, while there is one in this process.
    pub(super) merges: Mutex<Merges>,
}

impl Shared {
    pub(super) fn merges(&self) -> MutexGuard<'_, Merges> {
        self.merges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collection {
    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Returns the recipe of its fingerprints.
    pub fn recipe(&self) -> &Recipe {
        &self.shared.context.recipe
    }

    /// Returns the fingerprinter whose fingerprints can be added and matched.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) if the owner keeps the key and it was not given.
    pub fn fingerprinter(&self) -> Result<&Fingerprinter> {
        let known = self.shared.fingerprinter.as_ref();
        known.ok_or_else(|| {
            let error = self.recipe().without_key("collection");
            error.with_path(&self.shared.path)
        })
    }

    /// Returns why the last merge failed; `None` if it succeeded. Comes from the writer in this process,
    /// otherwise from the folder, where every writer stores it if it can. No data is lost meanwhile,
    /// but the log grows.
    pub fn merge_failure(&self) -> Option<MergeFailure> {
        if self.shared.cell.has_writer() {
            return self.shared.merges().status().failure;
        }
        MergeFailure::read(&*self.shared.storage)
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// Adds the path of the file in the folder to an error.
pub(super) fn within(folder: &Path, e: Error) -> Error {
    let path = match e.path() {
        Some(path) if path.is_absolute() || path.starts_with(folder) => return e,
        Some(path) => folder.join(path),
        None => folder.to_owned(),
    };
    e.with_path(path)
}
