//! The target of matching: an index file or a collection's folder.

use std::path::Path;

use leakprint::{Error, ErrorKind, Executor, Key, MatchOptions, Matcher, Result, Source};

/// Reads the key in a file, if there is one.
pub(crate) fn key(path: Option<&Path>) -> Result<Option<Key>> {
    path.map(Key::from_file).transpose()
}

/// An opened index or collection with its matcher.
pub(crate) struct Target {
    pub(crate) source: Source,
    pub(crate) matcher: Matcher,
}

impl Target {
    /// Opens an index or a collection, and reads all of it first if `verify`.
    pub(crate) fn open(
        path: &Path,
        key_file: Option<&Path>,
        options: MatchOptions,
        verify: Option<&Executor>,
    ) -> Result<Self> {
        // The file to replace: the key file, or the index for which no key was given.
        let wrong = key_file.unwrap_or(path);
        let blame = |e: Error| match e.kind() {
            ErrorKind::Recipe => e.with_path(wrong),
            _ => e,
        };
        let source = Source::open_with_key(path, key(key_file)?).map_err(blame)?;
        if let Some(exec) = verify {
            source.verify(exec)?;
        }
        let matcher = source.matcher(options).map_err(blame)?;
        Ok(Self { source, matcher })
    }

    /// Identifies what is searched: whatever changes an answer changes this, except the time at which
    /// items of a collection expire.
    pub(crate) fn state(&self) -> String {
        if let Some(index) = self.source.index() {
            return format!("index {}", index.digest());
        }
        let info = self.source.snapshot().map(|snapshot| snapshot.info());
        info.map_or_else(String::new, |info| {
            format!(
                "collection {}, generation {}, {} items, {} hashes, {} false matches, {} discounted",
                info.recipe.key_id,
                info.generation,
                info.items,
                info.codes,
                info.false_matches,
                info.discounts
            )
        })
    }
}
