//! The searched collection. Either this process is its only writer, and every snapshot is current, or it
//! follows the changes of another process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use leakprint::collection::Snapshot;
use leakprint::{Collection, ErrorKind, Key, MatchOptions, Matcher, Result, Strength};

/// The searched collection.
pub(crate) struct Store {
    path: PathBuf,
    key: Option<Key>,
    current: ArcSwap<Collection>,
    /// Whether another process writes.
    follows: bool,
    /// Whether a hash of a hash list is a strong match by itself.
    trusts_hash_lists: bool,
}

impl Store {
    /// Opens a collection that another process writes.
    pub(crate) fn follow(path: &Path, key: Option<Key>) -> Result<Self> {
        let collection = Collection::open_with_key(path, key.clone())?;
        // Fails now, and not at the first query, if the key is missing.
        collection.fingerprinter()?;
        Ok(Self {
            path: path.to_owned(),
            key,
            current: ArcSwap::from_pointee(collection),
            follows: true,
            trusts_hash_lists: false,
        })
    }

    /// Uses the collection of a writer in this process.
    pub(crate) fn from_writer(collection: &Collection) -> Result<Self> {
        collection.fingerprinter()?;
        Ok(Self {
            path: collection.path().to_owned(),
            key: None,
            current: ArcSwap::from_pointee(collection.clone()),
            follows: false,
            trusts_hash_lists: false,
        })
    }

    /// Sets whether a hash of a hash list is a strong match by itself.
    pub(crate) fn trusting_hash_lists(mut self, trust: bool) -> Self {
        self.trusts_hash_lists = trust;
        self
    }

    /// Whether another process writes.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// The current snapshot; never waits.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.current.load().snapshot()
    }

    /// A matcher for the current snapshot.
    pub(crate) fn matcher(&self, min_strength: Strength) -> Result<Matcher> {
        let options = MatchOptions::default()
            .with_min_strength(min_strength)
            .with_trust_hash_lists(self.trusts_hash_lists);
        self.snapshot().matcher(options)
    }

    /// Loads the state on disk; returns true if it is another generation. Running requests keep their
    /// snapshot. On an error, nothing changes.
    pub(crate) fn reload(&self) -> Result<bool> {
        if !self.follows {
            return Ok(false);
        }
        match self.current.load().refresh() {
            Err(e) if matches!(e.kind(), ErrorKind::Recipe | ErrorKind::Stale) => {
                // The folder was replaced by another collection, or by a backup.
                let collection = Collection::open_with_key(&self.path, self.key.clone())?;
                collection.fingerprinter()?;
                self.current.store(Arc::new(collection));
                Ok(true)
            }
            result => result,
        }
    }
}
