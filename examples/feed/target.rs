//! What posts are matched against: an index file or a collection's folder.

use std::path::Path;

use leakprint::collection::{CollectionMatcher, verify};
use leakprint::{
    Collection, Error, ErrorKind, Executor, Fingerprint, Fingerprinter, Index, Key, Match,
    MatchOptions, Matcher, Result,
};

/// What posts are matched against; a collection as it was when the run began.
pub(crate) enum Target {
    Index(Matcher),
    Collection(CollectionMatcher),
}

impl Target {
    /// Opens it, after reading all of it to see that it is sound.
    pub(crate) fn open(
        path: &Path,
        key: Option<Key>,
        options: MatchOptions,
        exec: &Executor,
    ) -> Result<Self> {
        if path.is_dir() {
            if let Some(damage) = verify(path, exec)?.damage.first() {
                let message = format!("{damage}: `leakprint repair` saves what is sound");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            let collection = Collection::open_with_key(path, key)?;
            let matcher = collection.snapshot().matcher(options)?;
            return Ok(Self::Collection(matcher));
        }
        let index = Index::open(path)?;
        index.verify(exec).map_err(|e| e.with_path(path))?;
        let matcher = Matcher::with_key(index, key)?;
        Ok(Self::Index(matcher.with_options(options)))
    }

    pub(crate) fn fingerprinter(&self) -> &Fingerprinter {
        match self {
            Self::Index(matcher) => matcher.fingerprinter(),
            Self::Collection(matcher) => matcher.fingerprinter(),
        }
    }

    /// Items that are searched.
    pub(crate) fn items(&self) -> u64 {
        match self {
            Self::Index(matcher) => u64::from(matcher.index().item_count()),
            Self::Collection(matcher) => matcher.snapshot().len(),
        }
    }

    pub(crate) fn find(&self, query: &Fingerprint) -> Result<Vec<Match>> {
        match self {
            Self::Index(matcher) => matcher.find(query),
            Self::Collection(matcher) => {
                let found = matcher.find(query)?.into_iter();
                Ok(found.map(|one| one.found).collect())
            }
        }
    }
}
