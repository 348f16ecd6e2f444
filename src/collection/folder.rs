//! The files of a collection's folder: those of a new one, and those that a crash leaves behind.

use std::collections::BTreeSet;

use super::item::WriterOptions;
use super::log::LogWriter;
use super::manifest::{COLLECTION_VERSION, COPY, Manifest, number_of};
use super::storage::Storage;
use crate::error::Result;
use crate::fingerprint::{Key, Recipe};

/// Returns whether an interrupted creation leaves a file of this name: a log or an uncommitted manifest.
pub(super) fn is_leftover(name: &str) -> bool {
    name == "manifest.new" || name.ends_with(".log")
}

/// Writes an empty collection to a folder.
pub(super) fn create(storage: &dyn Storage, options: &WriterOptions) -> Result<()> {
    let (key, stored) = match &options.key {
        Some(key) => (key.clone(), None),
        None => {
            let key = Key::random()?;
            (key.clone(), Some(key))
        }
    };
    LogWriter::create(storage, 1)?;
    let manifest = Manifest {
        version: COLLECTION_VERSION,
        generation: 0,
        next: 2,
        recipe: Recipe::new(options.window, key.id())?,
        key: stored,
        segments: Vec::new(),
        logs: vec![1],
        false_matches: Default::default(),
        calibration: None,
    };
    // The collection is complete without the copy; the next writer writes it.
    manifest.commit(storage)?;
    Ok(())
}

/// Removes files of a collection that nothing refers to, which a crash has left.
pub(super) fn remove_leftovers(storage: &dyn Storage, manifest: &Manifest, names: &[String]) {
    let used: BTreeSet<String> = manifest.files().collect();
    for name in names {
        let ours = number_of(name).is_some() && !name.ends_with(".damaged");
        if (ours && !used.contains(name)) || name == "manifest.new" {
            // On some systems a file in use cannot be removed; the next writer removes it.
            let _ = storage.remove(name);
        }
    }
}

/// Returns whether the copy of the manifest equals it.
pub(super) fn is_copied(storage: &dyn Storage, manifest: &Manifest) -> bool {
    Manifest::read_from(storage, COPY).is_ok_and(|copy| copy == *manifest)
}
