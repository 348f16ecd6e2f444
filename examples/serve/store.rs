//! The collection that is searched. With a writer, this process alone changes it, and every snapshot
//! is new; without one, it follows what another process writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use leakprint::collection::Snapshot;
use leakprint::{Collection, ErrorKind, Key, MatchOptions, Matcher, Result, Strength};

/// What is in force.
pub(crate) struct Store {
    path: PathBuf,
    key: Option<Key>,
    current: ArcSwap<Collection>,
    /// Whether another process writes.
    follows: bool,
}

impl Store {
    /// Follows what another process writes.
    pub(crate) fn follow(path: &Path, key: Option<Key>) -> Result<Self> {
        let collection = Collection::open_with_key(path, key.clone())?;
        // Whether there is a key, before anybody asks.
        collection.fingerprinter()?;
        Ok(Self {
            path: path.to_owned(),
            key,
            current: ArcSwap::from_pointee(collection),
            follows: true,
        })
    }

    /// What a writer of this process changes.
    pub(crate) fn of_writer(collection: &Collection) -> Result<Self> {
        collection.fingerprinter()?;
        Ok(Self {
            path: collection.path().to_owned(),
            key: None,
            current: ArcSwap::from_pointee(collection.clone()),
            follows: false,
        })
    }

    /// Whether another process writes.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// What the collection holds now; never waits.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.current.load().snapshot()
    }

    /// Compares queries with what the collection holds now.
    pub(crate) fn matcher(&self, min_strength: Strength) -> Result<Matcher> {
        let options = MatchOptions::default().with_min_strength(min_strength);
        self.snapshot().matcher(options)
    }

    /// Puts in force what is on disk; true if that is another generation. Whoever searches goes on with
    /// what they have. On an error all is as before.
    pub(crate) fn reload(&self) -> Result<bool> {
        if !self.follows {
            return Ok(false);
        }
        match self.current.load().refresh() {
            Err(e) if matches!(e.kind(), ErrorKind::Recipe | ErrorKind::Stale) => {
                // Another collection has taken the place of the one that was here, or a backup of it.
                let collection = Collection::open_with_key(&self.path, self.key.clone())?;
                collection.fingerprinter()?;
                self.current.store(Arc::new(collection));
                Ok(true)
            }
            result => result,
        }
    }
}
