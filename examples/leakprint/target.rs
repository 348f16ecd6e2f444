//! What is matched against: an index file or a collection's folder.

use std::path::Path;
use std::sync::Arc;

use leakprint::collection::{CollectionMatcher, Metadata};
use leakprint::media::TextFromImage;
use leakprint::{
    Collection, Error, ErrorKind, Executor, Explanation, Fingerprint, Fingerprinter, Index, Key,
    Limits, Match, MatchOptions, Matcher, PartPath, Result,
};
use serde::Serialize;

/// What is matched against.
pub(crate) enum Target {
    Index(Matcher),
    Collection(CollectionMatcher),
}

/// A match as it is printed: with what the owner says about the item, in a collection.
#[derive(Serialize)]
pub(crate) struct Reported {
    #[serde(flatten)]
    pub(crate) found: Match,
    #[serde(flatten)]
    metadata: Option<Metadata>,
}

/// The key in a file, if there is one.
pub(crate) fn key(path: Option<&Path>) -> Result<Option<Key>> {
    path.map(Key::from_file).transpose()
}

/// Opens a collection for reading.
pub(crate) fn collection(path: &Path, key_file: Option<&Path>) -> Result<Collection> {
    Collection::open_with_key(path, key(key_file)?)
}

/// Reads all of a collection; the first damage is the error.
pub(crate) fn check(path: &Path, exec: &Executor) -> Result<leakprint::collection::VerifyReport> {
    let report = leakprint::collection::verify(path, exec)?;
    match report.damage.first() {
        None => Ok(report),
        Some(damage) => Err(Error::new(
            ErrorKind::Corrupt,
            format!("{damage}: `repair` saves what is sound"),
        )),
    }
}

impl Target {
    /// Opens it, and reads all of it first if `verify`.
    pub(crate) fn open(
        path: &Path,
        key_file: Option<&Path>,
        options: MatchOptions,
        verify: Option<&Executor>,
    ) -> Result<Self> {
        if path.is_dir() {
            if let Some(exec) = verify {
                check(path, exec)?;
            }
            let snapshot = collection(path, key_file)?.snapshot();
            return snapshot.matcher(options).map(Self::Collection);
        }
        let index = Index::open(path)?;
        if let Some(exec) = verify {
            index.verify(exec).map_err(|e| e.with_path(path))?;
        }
        // The file that is to be replaced by another: the key, or the index that lacks one.
        let wrong = key_file.unwrap_or(path);
        let matcher = Matcher::with_key(index, key(key_file)?).map_err(|e| e.with_path(wrong))?;
        Ok(Self::Index(matcher.with_options(options)))
    }

    /// Asks a recogniser for text in pictures.
    pub(crate) fn with_recogniser(self, recogniser: Arc<dyn TextFromImage>) -> Self {
        match self {
            Self::Index(matcher) => Self::Index(matcher.with_recogniser(recogniser)),
            Self::Collection(matcher) => Self::Collection(matcher.with_recogniser(recogniser)),
        }
    }

    /// Other limits for what is read.
    pub(crate) fn with_limits(self, limits: Limits) -> Self {
        match self {
            Self::Index(matcher) => Self::Index(matcher.with_limits(limits)),
            Self::Collection(matcher) => Self::Collection(matcher.with_limits(limits)),
        }
    }

    pub(crate) fn with_options(&self, options: MatchOptions) -> Self {
        match self {
            Self::Index(matcher) => Self::Index(matcher.clone().with_options(options)),
            Self::Collection(matcher) => Self::Collection(matcher.clone().with_options(options)),
        }
    }

    pub(crate) fn options(&self) -> &MatchOptions {
        match self {
            Self::Index(matcher) => matcher.options(),
            Self::Collection(matcher) => matcher.options(),
        }
    }

    pub(crate) fn fingerprinter(&self) -> &Fingerprinter {
        match self {
            Self::Index(matcher) => matcher.fingerprinter(),
            Self::Collection(matcher) => matcher.fingerprinter(),
        }
    }

    /// What it is told by: whatever changes an answer changes this, but the time at which items of
    /// a collection expire.
    pub(crate) fn state(&self) -> String {
        match self {
            Self::Index(matcher) => format!("index {}", matcher.index().digest()),
            Self::Collection(matcher) => {
                let info = matcher.snapshot().info();
                format!(
                    "collection {}, generation {}, {} items, {} hashes, {} false matches, {} discounted",
                    info.recipe.key_id,
                    info.generation,
                    info.items,
                    info.codes,
                    info.false_matches,
                    info.discounts
                )
            }
        }
    }

    pub(crate) fn find(&self, query: &Fingerprint) -> Result<Vec<Reported>> {
        Ok(match self {
            Self::Index(matcher) => {
                let matches = matcher.find(query)?.into_iter();
                let plain = |found| Reported {
                    found,
                    metadata: None,
                };
                matches.map(plain).collect()
            }
            Self::Collection(matcher) => {
                let matches = matcher.find(query)?.into_iter();
                let known = |one: leakprint::collection::CollectionMatch| Reported {
                    found: one.found,
                    metadata: Some(one.metadata),
                };
                matches.map(known).collect()
            }
        })
    }

    pub(crate) fn explain(&self, item: &str, query: &Fingerprint) -> Result<Explanation> {
        match self {
            Self::Index(matcher) => matcher.explain(item, query),
            Self::Collection(matcher) => matcher.explain(item, query),
        }
    }

    pub(crate) fn picture_size(&self, item: &str, part: &PartPath) -> Result<Option<(u32, u32)>> {
        match self {
            Self::Index(matcher) => matcher.picture_size(item, part),
            Self::Collection(matcher) => matcher.picture_size(item, part),
        }
    }
}
