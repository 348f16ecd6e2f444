//! Opens an index file or a collection's folder by its path.

use std::path::{Path, PathBuf};

use crate::collection::{Collection, Snapshot, verify};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::fingerprint::{Key, Recipe};
use crate::index::Index;
use crate::matcher::{MatchOptions, Matcher};

/// An index, or a collection as it was when it was opened. Cheap to clone.
///
/// ```
/// # let (folder, writer, print) = leakprint::example::collection()?;
/// # let collection = writer.collection().path().to_owned();
/// # let memo = leakprint::example::MEMO;
/// # writer.add(leakprint::collection::NewItem::new("memo.txt", print))?;
/// # let file = folder.path().join("leak.lpx");
/// # leakprint::example::memo_writer()?.save(&file, &leakprint::Executor::serial())?;
/// use leakprint::{MatchOptions, Source};
///
/// for path in [&file, &collection] {
///     let source = Source::open(path)?;
///     assert_eq!(source.item_count(), 1);
///     let matches = source.matcher(MatchOptions::default())?.find_text(memo)?;
///     assert_eq!(matches[0].item, "memo.txt");
///     assert_eq!(matches[0].metadata.is_some(), source.snapshot().is_some());
/// }
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
    key: Option<Key>,
}

#[derive(Clone, Debug)]
enum Kind {
    Index(Index),
    Collection(Snapshot),
}

impl Source {
    /// Opens an index file, or the current state of a collection for reading.
    ///
    /// # Errors
    /// As [`Index::open`] or [`Collection::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with_key(path, None::<Key>)
    }

    /// Opens an index or a collection whose key is kept apart from it. Takes a [`Key`], or an
    /// `Option<Key>` where there may be one: `None` is as [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Recipe`](ErrorKind::Recipe) if the key is another one.
    pub fn open_with_key(path: impl AsRef<Path>, key: impl Into<Option<Key>>) -> Result<Self> {
        Self::open_by(path.as_ref(), key.into(), |path| Index::open(path))
    }

    /// As [`open_with_key`](Self::open_with_key), but reads an index file into memory, as
    /// [`Index::load`]: searches are faster, and no other program can change what is searched. The files
    /// of a collection are mapped; its writer never changes them.
    ///
    /// # Errors
    /// As [`open_with_key`](Self::open_with_key).
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let file = folder.path().join("leak.lpx");
    /// # leakprint::example::memo_writer()?.save(&file, &leakprint::Executor::serial())?;
    /// use leakprint::{Key, MatchOptions, Source};
    ///
    /// let source = Source::load(&file, None::<Key>)?;
    /// std::fs::write(&file, "written over")?;
    /// let matcher = source.matcher(MatchOptions::default())?;
    /// assert_eq!(matcher.find_text(leakprint::example::MEMO)?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load(path: impl AsRef<Path>, key: impl Into<Option<Key>>) -> Result<Self> {
        Self::open_by(path.as_ref(), key.into(), |path| Index::load(path))
    }

    fn open_by(
        path: &Path,
        key: Option<Key>,
        open: impl Fn(&Path) -> Result<Index>,
    ) -> Result<Self> {
        let kind = if path.is_dir() {
            let collection = Collection::open_with_key(path, key.clone())?;
            Kind::Collection(collection.snapshot())
        } else {
            let index = open(path)?;
            let checked = key.iter().try_for_each(|key| index.recipe().check_key(key));
            checked.map_err(|e| e.with_path(path))?;
            Kind::Index(index)
        };
        Ok(Self {
            path: path.to_owned(),
            kind,
            key,
        })
    }

    /// Reads everything and checks it against the checksums.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) with the first damage, or [`Io`](ErrorKind::Io).
    pub fn verify(&self, exec: &Executor) -> Result<()> {
        let result = match &self.kind {
            Kind::Index(index) => index.verify(exec).map(drop),
            Kind::Collection(snapshot) => {
                verify(snapshot.collection().path(), exec).and_then(|report| report.check())
            }
        };
        result.map_err(|e| self.named(e))
    }

    /// Returns a matcher for many queries: [`Matcher::with_key`] or [`Snapshot::matcher`].
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the owner keeps the key and it was not given.
    pub fn matcher(&self, options: MatchOptions) -> Result<Matcher> {
        let result = match &self.kind {
            Kind::Index(index) => Matcher::with_key(index.clone(), self.key.clone())
                .map(|matcher| matcher.with_options(options)),
            Kind::Collection(snapshot) => snapshot.matcher(options),
        };
        result.map_err(|e| self.named(e))
    }

    /// Names the file or folder in an error that names none.
    fn named(&self, e: Error) -> Error {
        match e.path() {
            Some(_) => e,
            None => e.with_path(&self.path),
        }
    }

    /// Returns the number of items.
    pub fn item_count(&self) -> u64 {
        match &self.kind {
            Kind::Index(index) => u64::from(index.item_count()),
            Kind::Collection(snapshot) => snapshot.len(),
        }
    }

    /// Returns whether there is an item of this name, such as the one that a
    /// [false match](crate::FalseMatch) names.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if a file is damaged.
    ///
    /// ```
    /// # let (folder, writer, print) = leakprint::example::collection()?;
    /// # let collection = writer.collection().path().to_owned();
    /// # writer.add(leakprint::collection::NewItem::new("memo.txt", print))?;
    /// # let file = folder.path().join("leak.lpx");
    /// # leakprint::example::memo_writer()?.save(&file, &leakprint::Executor::serial())?;
    /// for path in [&file, &collection] {
    ///     let source = leakprint::Source::open(path)?;
    ///     assert!(source.contains("memo.txt")? && !source.contains("memo")?);
    /// }
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn contains(&self, item: &str) -> Result<bool> {
        let result = match &self.kind {
            Kind::Index(index) => index.item_by_name(item).map(|item| item.is_some()),
            Kind::Collection(snapshot) => snapshot.item(item).map(|item| item.is_some()),
        };
        result.map_err(|e| self.named(e))
    }

    /// Returns the recipe of the fingerprints.
    pub fn recipe(&self) -> &Recipe {
        match &self.kind {
            Kind::Index(index) => index.recipe(),
            Kind::Collection(snapshot) => snapshot.collection().recipe(),
        }
    }

    /// Returns the index, if it is one.
    pub fn index(&self) -> Option<&Index> {
        match &self.kind {
            Kind::Index(index) => Some(index),
            Kind::Collection(_) => None,
        }
    }

    /// Returns the snapshot, if it is a collection.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match &self.kind {
            Kind::Index(_) => None,
            Kind::Collection(snapshot) => Some(snapshot),
        }
    }
}
