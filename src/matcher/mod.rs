//! From candidates to matches: verification, weighing, evidence.

mod chain;
mod evidence;
mod explain;
mod gather;
mod local;
mod options;
mod picture;
mod recognised;
mod record;
mod search;
mod text;
mod weigh;

use std::collections::HashSet;
use std::sync::Arc;

pub use evidence::{Evidence, Match, Strength};
pub use explain::{Explanation, Stage};
pub use options::MatchOptions;
pub(crate) use search::rank_until;

use crate::deadline::{CancellationToken, Deadline};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, Fingerprint, Fingerprinter, Key};
use crate::index::shelf::Shelf;
use crate::index::{Index, ItemId, SearchStats};
use crate::limits::Limits;
use crate::media::{PartPath, TextFromImage};

use search::Search;

/// Compares fingerprints with an index and answers with evidence.
///
/// Cheap to clone, `Send + Sync`: one matcher serves all threads of a service. To put a new index in
/// force, make a new matcher and swap it in; queries that are under way go on with the old one.
///
/// ```
/// # use leakprint::{Fingerprinter, IndexWriter};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let fingerprinter = Fingerprinter::builder().build()?;
/// # let mut writer = IndexWriter::from(&fingerprinter);
/// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
/// # let index = writer.to_index()?;
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
/// # From asynchronous code
/// Matching is work for a processor, so it belongs on a blocking thread or a pool. Dropping a
/// future does not end that work; a guard that cancels a token does. With tokio:
///
/// ```ignore
/// struct CancelOnDrop(CancellationToken);
///
/// impl Drop for CancelOnDrop {
///     fn drop(&mut self) {
///         self.0.cancel();
///     }
/// }
///
/// async fn find(matcher: Matcher, upload: Vec<u8>) -> leakprint::Result<Vec<Match>> {
///     let token = CancellationToken::new();
///     // Dropped with the future, for instance when the client has gone.
///     let _guard = CancelOnDrop(token.clone());
///     let deadline = Deadline::after(Duration::from_secs(2)).with_cancellation(token);
///     let work = move || matcher.find_media_until(&upload, None, &deadline);
///     tokio::task::spawn_blocking(work).await.expect("the library does not panic")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Matcher {
    shelf: Shelf,
    options: MatchOptions,
    fingerprinter: Fingerprinter,
    recogniser: Option<Arc<dyn TextFromImage>>,
}

impl Matcher {
    /// A matcher with default options and limits over an index that holds its own key.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the owner kept the key apart: see [`with_key`](Self::with_key).
    pub fn new(index: Index) -> Result<Self> {
        Self::with_key(index, None::<Key>)
    }

    /// A matcher over an index whose key is kept apart from it. Takes a [`Key`], or an
    /// `Option<Key>` where there may be one: `None` is as [`new`](Self::new).
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the key is not the one that the index was made with, or
    /// is needed and not given.
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
        let shelf = Shelf::new([(index, Default::default())])?;
        Ok(Self::over(shelf, fingerprinter))
    }

    /// A matcher over several indexes of the fingerprinter's recipe.
    pub(crate) fn over(shelf: Shelf, mut fingerprinter: Fingerprinter) -> Self {
        let mut indexes = shelf.volumes().iter().map(|volume| &volume.index);
        if indexes.all(|index| index.cells().is_empty()) {
            fingerprinter = fingerprinter.without_cells();
        }
        Self {
            shelf,
            options: MatchOptions::default(),
            fingerprinter,
            recogniser: None,
        }
    }

    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The same index under other options; the old matcher is as it was if it was cloned.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
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

    /// Other limits for what [`fingerprinter`](Self::fingerprinter) reads.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let print = fingerprinter.fingerprint_text(memo)?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &print)?;
    /// # let index = writer.to_index()?;
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

    /// Asks a recogniser for the text in pictures that look like text and in which nothing else
    /// is found; [`fingerprinter`](Self::fingerprinter) keeps the luma of pictures for it, a
    /// byte a pixel. Recognising takes far longer than all else. A recogniser that fails costs
    /// the text of that picture only. [`TextFromImage`] has an example.
    #[must_use]
    pub fn with_recogniser(mut self, recogniser: Arc<dyn TextFromImage>) -> Self {
        self.fingerprinter = self.fingerprinter.keep_luma();
        self.recogniser = Some(recogniser);
        self
    }

    /// The index searched.
    pub fn index(&self) -> &Index {
        self.shelf.first()
    }

    /// Width and height in pixels of a part of an item; `None` if it is no picture or not there. What
    /// `item_region` of [evidence](Evidence::Region) lies in.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if the index file turns out damaged.
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
        let Some(item) = self.shelf.item_by_name(item)? else {
            return Ok(None);
        };
        let (volume, item) = self.shelf.of_item(item);
        let index = &volume.index;
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

    /// The options in force.
    pub fn options(&self) -> &MatchOptions {
        &self.options
    }

    /// Makes the fingerprints that this matcher compares. They are for that alone: where no
    /// item has a table, they lack the values that stand in texts.
    pub fn fingerprinter(&self) -> &Fingerprinter {
        &self.fingerprinter
    }

    /// Fingerprints one upload and finds what it shows: [`Fingerprinter::fingerprint`], then [`find`](Self::find).
    ///
    /// # Errors
    /// As those two: most come from the upload, [`kind`](crate::Error::kind) tells.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use leakprint::{ErrorKind, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// assert_eq!(matcher.find_media(memo.as_bytes(), Some("a.txt"))?[0].item, "memo.txt");
    /// assert_eq!(matcher.find_media(b"\x89PNG\r\n\x1a\n", None).unwrap_err().kind(), ErrorKind::Malformed);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media(&self, bytes: &[u8], name: Option<&str>) -> Result<Vec<Match>> {
        self.find_media_until(bytes, name, &Deadline::never())
    }

    /// [`find_media`](Self::find_media), which ends at a deadline as well as at
    /// [`Limits::time_ms`]. Reading may take three quarters of the time; what was read until then
    /// is matched in the rest.
    ///
    /// # Errors
    /// As [`find_media`](Self::find_media); [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use std::time::Duration;
    ///
    /// use leakprint::{CancellationToken, Deadline, ErrorKind, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let token = CancellationToken::new();
    /// let deadline = Deadline::after(Duration::from_secs(60)).with_cancellation(token.clone());
    /// assert_eq!(matcher.find_media_until(memo.as_bytes(), None, &deadline)?.len(), 1);
    /// token.cancel(); // whoever asked has gone
    /// let error = matcher.find_media_until(memo.as_bytes(), None, &deadline).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media_until(
        &self,
        bytes: &[u8],
        name: Option<&str>,
        deadline: &Deadline,
    ) -> Result<Vec<Match>> {
        let deadline = self.fingerprinter.deadline(deadline);
        let query = self
            .fingerprinter
            .fingerprint_until(bytes, name, &deadline.for_reading())?;
        self.find_until(&query, &deadline)
    }

    /// Fingerprints one text and finds what it quotes.
    ///
    /// # Errors
    /// As [`Fingerprinter::fingerprint_text`] and [`find`](Self::find).
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use leakprint::{Evidence, Matcher};
    ///
    /// let post = format!("They say: {}", &memo[12..130].to_uppercase());
    /// let matches = Matcher::new(index)?.find_text(&post)?;
    /// let Evidence::Text { query_span: [start, end], .. } = matches[0].evidence[0] else { panic!() };
    /// assert!((10..=20).contains(&start) && end as usize > post.len() - 10);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_text(&self, text: &str) -> Result<Vec<Match>> {
        self.find_text_until(text, &Deadline::never())
    }

    /// [`find_text`](Self::find_text), which fails at a deadline as well as after
    /// [`Limits::time_ms`].
    ///
    /// # Errors
    /// As [`find_text`](Self::find_text), [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn find_text_until(&self, text: &str, deadline: &Deadline) -> Result<Vec<Match>> {
        let deadline = self.fingerprinter.deadline(deadline);
        let query = self.fingerprinter.fingerprint_text_until(text, &deadline)?;
        self.find_until(&query, &deadline)
    }

    /// The items that the query shows, by falling score, then by name.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key,
    /// [`Malformed`](ErrorKind::Malformed) for one whose places contradict each other,
    /// [`Corrupt`](ErrorKind::Corrupt) if the index file turns out damaged.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use leakprint::{ErrorKind, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let query = matcher.fingerprinter().fingerprint_text(memo)?;
    /// assert_eq!(matcher.find(&query)?[0].score, 1.0);
    /// // Prints of another key say nothing here, and are refused.
    /// let foreign = Fingerprinter::builder().build()?.fingerprint_text(memo)?;
    /// assert_eq!(matcher.find(&foreign).unwrap_err().kind(), ErrorKind::Recipe);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find(&self, query: &Fingerprint) -> Result<Vec<Match>> {
        self.find_until(query, &Deadline::never())
    }

    /// [`find`](Self::find), which fails at a deadline as well as after [`Limits::time_ms`].
    ///
    /// # Errors
    /// As [`find`](Self::find), [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn find_until(&self, query: &Fingerprint, deadline: &Deadline) -> Result<Vec<Match>> {
        let deadline = self.fingerprinter.deadline(deadline);
        let (matches, _) = self.find_items(query, &deadline)?;
        Ok(matches.into_iter().map(|(_, found)| found).collect())
    }

    /// Fails unless the prints of `query` can be compared with the index.
    fn check(&self, query: &Fingerprint, deadline: &Deadline) -> Result<()> {
        self.fingerprinter.recipe().check_same(&query.recipe)?;
        query.check(deadline)
    }

    /// [`find`](Self::find), with the work that it took.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_with_stats(&self, query: &Fingerprint) -> Result<(Vec<Match>, SearchStats)> {
        let deadline = self.fingerprinter.deadline(&Deadline::never());
        let (matches, stats) = self.find_items(query, &deadline)?;
        Ok((matches.into_iter().map(|(_, found)| found).collect(), stats))
    }

    /// [`find_with_stats`](Self::find_with_stats) with the number of each item on the shelf.
    pub(crate) fn find_items(
        &self,
        query: &Fingerprint,
        deadline: &Deadline,
    ) -> Result<(Vec<(ItemId, Match)>, SearchStats)> {
        self.check(query, deadline)?;
        let mut search = Search::new(self, deadline);
        let mut seen: HashSet<Digest> = HashSet::new();
        for part in &query.parts {
            // A mailbox may hold one picture ten thousand times: once tells all.
            if part.bytes.is_none_or(|digest| seen.insert(digest)) {
                search.part(part)?;
            }
        }
        search.finish()
    }

    /// [`find`](Self::find) of every query, in parallel; results in input order,
    /// the same for any number of threads.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use leakprint::{Executor, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let print = |text| matcher.fingerprinter().fingerprint_text(text);
    /// let queries = [print("Nothing of it.")?, print(memo)?];
    /// let results = matcher.find_batch(&queries, &Executor::with_threads(2)?);
    /// assert!(results[0].as_ref().unwrap().is_empty());
    /// assert_eq!(results[1].as_ref().unwrap()[0].item, "memo.txt");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_batch(&self, queries: &[Fingerprint], exec: &Executor) -> Vec<Result<Vec<Match>>> {
        self.find_batch_until(queries, exec, &Deadline::never())
    }

    /// [`find_batch`](Self::find_batch), in which each query fails as in
    /// [`find_until`](Self::find_until): the deadline is one for all queries together,
    /// [`Limits::time_ms`] is for each.
    pub fn find_batch_until(
        &self,
        queries: &[Fingerprint],
        exec: &Executor,
        deadline: &Deadline,
    ) -> Vec<Result<Vec<Match>>> {
        exec.map(queries, |query| self.find_until(query, deadline))
    }

    /// Matches a stream of any length in flat memory: `prepare` turns an
    /// element into a fingerprint (in parallel, so that decoding is spread too),
    /// `sink` gets every element's result in input order.
    ///
    /// At most `capacity` elements are in flight: a slow sink holds back the source. Matching of
    /// each may take [`Limits::time_ms`], as may what `prepare` reads. Where an element has a
    /// deadline of its own, `prepare` is the place for reading by it, and [`find_until`](Self::find_until)
    /// in [`Executor::map_stream`] for matching.
    ///
    /// # Errors
    /// The first error of `sink`, which stops the stream and ends what is being matched. A query's
    /// own error goes to the sink.
    ///
    /// ```
    /// # use leakprint::{Fingerprinter, IndexWriter};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let fingerprinter = Fingerprinter::builder().build()?;
    /// # let mut writer = IndexWriter::from(&fingerprinter);
    /// # writer.add("memo.txt", &fingerprinter.fingerprint_text(memo)?)?;
    /// # let index = writer.to_index()?;
    /// use leakprint::{Executor, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let mut out = Vec::new();
    /// matcher.find_stream(
    ///     ["Nothing of it.", memo, ""].into_iter(),
    ///     64,
    ///     &Executor::with_threads(2)?,
    ///     |fingerprinter, post| fingerprinter.fingerprint_text(post),
    ///     |_, result| {
    ///         out.push(result.ok().map(|(_, matches)| matches.len()));
    ///         Ok::<(), std::io::Error>(())
    ///     },
    /// )
    /// .unwrap();
    /// assert_eq!(out, [Some(0), Some(1), None]);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_stream<T, E>(
        &self,
        queries: impl Iterator<Item = T>,
        capacity: usize,
        exec: &Executor,
        prepare: impl Fn(&Fingerprinter, &T) -> Result<Fingerprint> + Sync,
        mut sink: impl FnMut(T, Result<(Fingerprint, Vec<Match>)>) -> Result<(), E> + Send,
    ) -> Result<(), E>
    where
        T: Send,
        E: Send,
    {
        // Once the sink has failed nobody waits for what is under way.
        let token = CancellationToken::new();
        let deadline = Deadline::never().with_cancellation(token.clone());
        exec.map_stream(
            queries,
            capacity,
            |query| {
                let result = prepare(&self.fingerprinter, &query).and_then(|fingerprint| {
                    let matches = self.find_until(&fingerprint, &deadline)?;
                    Ok((fingerprint, matches))
                });
                (query, result)
            },
            |(query, result)| sink(query, result).inspect_err(|_| token.cancel()),
        )
    }
}
