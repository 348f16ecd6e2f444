//! Matching: candidates from the index are verified, weighted and reported with evidence.

mod calibrator;
mod catalog;
mod chain;
mod evidence;
mod explain;
mod false_matches;
mod find;
mod gather;
mod holders;
mod local;
mod options;
mod picture;
mod reach;
mod recognised;
mod record;
mod search;
mod sibling;
mod significance;
mod text;
mod weigh;

use std::sync::Arc;

pub use calibrator::{Calibrator, Observation};
pub(crate) use catalog::Catalog;
pub use evidence::{Doubt, Evidence, Match, Strength};
pub use explain::{Explanation, Stage};
pub(crate) use false_matches::FalseMatches;
pub use false_matches::{FalseMatch, FalseScope};
pub use options::MatchOptions;
pub(crate) use picture::GRADIENT_RADIUS;
pub(crate) use significance::sizes;

use crate::calibration::{Calibration, PerKind};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::fingerprint::{Fingerprinter, Key};
use crate::index::Index;
use crate::index::IndexSet;
use crate::limits::Limits;
use crate::media::{PartPath, TextFromImage};

/// Compares fingerprints with an index, or with the [snapshot](crate::collection::Snapshot::matcher) of
/// a collection, and returns matches with evidence.
///
/// Cheap to clone, `Send + Sync`: one matcher serves all threads of a service. To search a new index or
/// snapshot, make a new matcher and replace the old one; queries in progress continue with the old one.
///
/// ```
/// # let index = leakprint::example::memo_index()?;
/// # let memo = leakprint::example::MEMO;
/// use leakprint::{Matcher, Strength};
///
/// let matcher = Matcher::new(index)?; // of `Index::open("leak.lpx")?`
/// let matches = matcher.find_media(memo.as_bytes(), Some("upload.txt"))?;
/// assert_eq!((matches[0].item.as_str(), matches[0].strength), ("memo.txt", Strength::Certain));
/// assert_eq!(matches[0].evidence[0].kind(), "bytes");
/// let one = matcher.clone();
/// let thread = std::thread::spawn(move || one.find_text("Nothing of it."));
/// assert!(thread.join().unwrap()?.is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
///
/// The documentation of the [crate](crate#in-a-service) shows its use in a service and from asynchronous code.
#[derive(Clone, Debug)]
pub struct Matcher {
    indexes: IndexSet,
    options: MatchOptions,
    fingerprinter: Fingerprinter,
    recogniser: Option<Arc<dyn TextFromImage>>,
    catalog: Option<Arc<dyn Catalog>>,
    false_matches: Arc<FalseMatches>,
    calibration: Arc<Calibration>,
    /// How much content of each kind there is.
    sizes: PerKind<u64>,
}

impl Matcher {
    /// Makes a matcher with default options and limits over an index that has its key in it.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the key is not in the index: see [`with_key`](Self::with_key).
    pub fn new(index: Index) -> Result<Self> {
        Self::with_key(index, None::<Key>)
    }

    /// Makes a matcher over an index whose key is stored elsewhere. Takes a [`Key`] or an
    /// `Option<Key>`; `None` is the same as [`new`](Self::new).
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the index was made with another key, or if the key is
    /// missing.
    ///
    /// ```
    /// use leakprint::{ErrorKind, Fingerprinter, IndexWriter, Key, Matcher};
    ///
    /// let key = Key::from_bytes([7; 32]);
    /// let fingerprinter = Fingerprinter::builder().key(key.clone()).build()?;
    /// let index = IndexWriter::from(&fingerprinter).to_index()?;
    /// assert!(Matcher::with_key(index.clone(), key).is_ok());
    /// let error = Matcher::new(index).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Recipe);
    /// assert!(error.message().contains(&fingerprinter.key().id().to_string()));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn with_key(index: Index, key: impl Into<Option<Key>>) -> Result<Self> {
        let key = key.into().or_else(|| index.key());
        let key = key.ok_or_else(|| index.recipe().without_key("index"))?;
        index.recipe().check_key(&key)?;
        let fingerprinter = Fingerprinter::builder()
            .key(key)
            .window(index.recipe().window)
            .build()?;
        let calibration = index.shared_calibration().cloned();
        let indexes = IndexSet::new([(index, Default::default())])?;
        let matcher = Self::over(indexes, fingerprinter);
        Ok(match calibration {
            Some(calibration) => matcher.with_calibration(calibration),
            None => matcher,
        })
    }

    /// Makes a matcher over several indexes of the fingerprinter's recipe.
    pub(crate) fn over(indexes: IndexSet, mut fingerprinter: Fingerprinter) -> Self {
        if (indexes.views().iter()).all(|view| !view.index.has_values()) {
            fingerprinter = fingerprinter.without_cells();
        }
        let sizes = sizes(&indexes, 0);
        Self {
            indexes,
            sizes,
            calibration: Arc::new(Calibration::built_in()),
            options: MatchOptions::default(),
            fingerprinter,
            recogniser: None,
            catalog: None,
            false_matches: Arc::default(),
        }
    }

    /// Adds the content of a collection that is not in its indexes.
    pub(crate) fn with_catalog(
        mut self,
        catalog: Arc<dyn Catalog>,
        false_matches: Arc<FalseMatches>,
    ) -> Self {
        self.sizes = sizes(&self.indexes, catalog.codes());
        self.catalog = Some(catalog);
        self.false_matches = false_matches;
        self
    }

    pub(crate) fn index_set(&self) -> &IndexSet {
        &self.indexes
    }

    /// Sets the options of matching.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// use leakprint::{MatchOptions, Matcher, Strength};
    ///
    /// let strict = Matcher::new(index)?;
    /// let post = "So Lighthouse opens in fourteen territories with no press screening before the sale.";
    /// assert!(strict.find_text(post)?.is_empty());
    /// let wide = MatchOptions::default().with_min_strength(Strength::Possible);
    /// assert_eq!(strict.with_options(wide).find_text(post)?[0].strength, Strength::Possible);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    #[must_use]
    pub fn with_options(mut self, options: MatchOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets the limits of reading and matching.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::{ErrorKind, Limits, Matcher};
    ///
    /// let mut limits = Limits::default();
    /// limits.input_bytes = 100;
    /// let matcher = Matcher::new(index)?.with_limits(limits);
    /// let error = matcher.find_media(memo.as_bytes(), None).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Limit);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.fingerprinter = self.fingerprinter.with_limits(limits);
        self
    }

    /// Recognises text in pictures, by a recogniser that is called for pictures that look like text
    /// and have no other strong match.
    ///
    /// [`query_fingerprinter`](Self::query_fingerprinter) keeps the luma of pictures for it, one byte
    /// per pixel. Recognition takes far longer than everything else. If it fails, only the text of
    /// that picture is not found. [`TextFromImage`] has an example.
    #[must_use]
    pub fn with_recogniser(mut self, recogniser: Arc<dyn TextFromImage>) -> Self {
        self.fingerprinter = self.fingerprinter.keep_luma();
        self.recogniser = Some(recogniser);
        self
    }

    /// Adds decisions of reviewers that matches are false, to those of the collection if there is
    /// one. Such matches are not reported. Costs nothing for items without such decisions. A decision about
    /// an item that is not here has no effect: check names with
    /// [`Source::contains`](crate::Source::contains).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::{FalseMatch, FalseScope, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let print = matcher.query_fingerprinter().fingerprint_text(memo)?;
    /// let scope = FalseScope::Digest(print.parts[0].bytes.unwrap());
    /// let decision = FalseMatch::new("memo.txt", scope, "ada", "it is in the press");
    /// let matcher = matcher.with_false_matches([decision]);
    /// assert!(matcher.find(&print)?.is_empty());
    /// assert_eq!(matcher.find_text(&memo[..150])?.len(), 1);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    #[must_use]
    pub fn with_false_matches(mut self, marks: impl IntoIterator<Item = FalseMatch>) -> Self {
        let all = Arc::make_mut(&mut self.false_matches);
        marks.into_iter().for_each(|mark| all.insert(mark));
        self
    }

    /// Sets the calibration that [`Match::expected`] is computed by, instead of that of the index or
    /// collection.
    #[must_use]
    pub fn with_calibration(mut self, calibration: impl Into<Arc<Calibration>>) -> Self {
        self.calibration = calibration.into();
        self
    }

    /// Returns the calibration in effect: that of the index or collection, or the built-in one if it
    /// has none.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::Matcher;
    /// use leakprint::calibration::CalibrationSource;
    ///
    /// let matcher = Matcher::new(index)?;
    /// assert_eq!(matcher.calibration().source(), CalibrationSource::BuiltIn);
    /// assert_eq!(matcher.find_text(memo)?[0].expected, Some(0.0)); // the same bytes
    /// let expected = |letters: usize| -> leakprint::Result<f64> {
    ///     let matches = matcher.find_text(&memo[..letters])?;
    ///     Ok(matches[0].expected.unwrap())
    /// };
    /// assert!(expected(160)? < expected(110)?);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Returns the indexes that are searched: one, or those of a collection's segments.
    pub fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.indexes.views().iter().map(|view| &view.index)
    }

    /// Returns width and height in pixels of a part of an item; `None` if it is no picture or does not
    /// exist. The `item_region` of [evidence](Evidence::Region) is within this size.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if the index file is damaged.
    ///
    /// ```
    /// use leakprint::raster::{Pixels, Raster};
    /// use leakprint::{Fingerprinter, IndexWriter, Matcher, PartPath};
    ///
    /// let rings = (0..90 * 60_u32).map(|i| ((i % 90).pow(2) / 32 + (i / 90).pow(2) / 8) as u8);
    /// let raster = Raster::new(90, 60, Pixels::Luma8(rings.collect())).unwrap();
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let print = fingerprinter.fingerprint_raster(&raster);
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// writer.add("rings", &print)?;
    /// let matcher = Matcher::new(writer.to_index()?)?;
    /// assert_eq!(matcher.picture_size("rings", &PartPath::root())?, Some((90, 60)));
    /// assert_eq!(matcher.picture_size("squares", &PartPath::root())?, None);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn picture_size(&self, item: &str, part: &PartPath) -> Result<Option<(u32, u32)>> {
        let Some(item) = self.indexes.item_by_name(item)? else {
            return Ok(None);
        };
        let (view, item) = self.indexes.locate_item(item);
        let index = &view.index;
        for id in index.item_parts(item)? {
            if index.part(id)?.path == part.as_str()
                && let Some(number) = index.pictures().of_part(id)
            {
                let picture = index.pictures().get(number)?;
                return Ok(Some((picture.width, picture.height)));
            }
        }
        Ok(None)
    }

    /// Returns the options of matching.
    pub fn options(&self) -> &MatchOptions {
        &self.options
    }

    /// Returns the fingerprinter for queries. Its fingerprints are only for matching: if no item has
    /// a table, they lack the values in texts.
    pub fn query_fingerprinter(&self) -> &Fingerprinter {
        &self.fingerprinter
    }
}
