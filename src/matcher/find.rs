//! The `find` methods: fingerprint, search, and leave out expired items and false matches.

use std::collections::HashSet;

use super::Matcher;
use super::evidence::Match;
use super::search::{Search, rank_until};
use crate::deadline::{CancellationToken, Deadline};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::exec::Executor;
use crate::fingerprint::{Digest, Fingerprint, Fingerprinter, Warning};
use crate::index::SearchStats;
#[cfg(doc)]
use crate::limits::Limits;
use crate::time::Timestamp;

/// Matches processed between two checks of the deadline: less than a millisecond.
const STEPS_PER_CHECK: u32 = 1 << 8;

impl Matcher {
    /// Fingerprints one upload and finds the items that it contains: [`Fingerprinter::fingerprint`],
    /// then [`find`](Self::find).
    ///
    /// # Errors
    /// As those two. Most errors are faults of the upload; see [`kind`](crate::Error::kind).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
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

    /// As [`find_media`](Self::find_media), but ends at a deadline as well as after
    /// [`Limits::time_ms`]. Three quarters of the time are for reading; one text or picture that takes
    /// longer to read is an error. If they are not enough for all
    /// parts of a container, only the parts read so far are matched, and the result does not say so: an
    /// empty result means that nothing was found in what could be read. For the parts that could not be
    /// read, use [`find_media_with_warnings`](Self::find_media_with_warnings).
    ///
    /// # Errors
    /// As [`find_media`](Self::find_media); [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use std::time::Duration;
    ///
    /// use leakprint::{CancellationToken, Deadline, ErrorKind, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let token = CancellationToken::new();
    /// let deadline = Deadline::after(Duration::from_secs(60)).with_cancellation(token.clone());
    /// assert_eq!(matcher.find_media_until(memo.as_bytes(), None, &deadline)?.len(), 1);
    /// token.cancel(); // the client has disconnected
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
        let (matches, _) = self.find_media_with_warnings(bytes, name, deadline)?;
        Ok(matches)
    }

    /// As [`find_media_until`](Self::find_media_until), but also returns why parts of the upload could
    /// not be read: a broken attachment, a limit, the deadline. A platform should not treat an upload
    /// with warnings as clean.
    ///
    /// # Errors
    /// As [`find_media_until`](Self::find_media_until).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// use leakprint::{Deadline, Matcher};
    ///
    /// let mail = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    ///     --b\r\nContent-Type: text/plain\r\n\r\nSee the picture.\r\n\
    ///     --b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\
    ///     Content-Disposition: attachment; filename=a.png\r\n\r\niVBORw0KGgo=\r\n--b--\r\n";
    /// let matcher = Matcher::new(index)?;
    /// let (matches, warnings) =
    ///     matcher.find_media_with_warnings(mail.as_bytes(), Some("a.eml"), &Deadline::never())?;
    /// assert!(matches.is_empty());
    /// assert_eq!(warnings[0].part.as_str(), "attachment:1");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media_with_warnings(
        &self,
        bytes: &[u8],
        name: Option<&str>,
        deadline: &Deadline,
    ) -> Result<(Vec<Match>, Vec<Warning>)> {
        let deadline = self.fingerprinter.deadline(deadline);
        let query = self
            .fingerprinter
            .fingerprint_until(bytes, name, &deadline.for_reading())?;
        let matches = self.find_until(&query, &deadline)?;
        Ok((matches, query.warnings))
    }

    /// Fingerprints one text and finds the items that it quotes.
    ///
    /// # Errors
    /// As [`Fingerprinter::fingerprint_text`] and [`find`](Self::find).
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
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

    /// As [`find_text`](Self::find_text), but fails at a deadline as well as after
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

    /// Returns the items that the query contains, by descending score, then by name.
    ///
    /// In a collection, matches of texts and whole pictures do not depend on how the items are
    /// distributed to segments, except for grams in more than 48 items, whose frequencies are
    /// rounded. Matches of regions of pictures do; see ARCHITECTURE.md.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key,
    /// [`Malformed`](ErrorKind::Malformed) for one with inconsistent places,
    /// [`Corrupt`](ErrorKind::Corrupt) if the index file is damaged.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// # use leakprint::Fingerprinter;
    /// use leakprint::{ErrorKind, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let query = matcher.query_fingerprinter().fingerprint_text(memo)?;
    /// assert_eq!(matcher.find(&query)?[0].score, 1.0);
    /// // Prints of another key cannot be compared and are refused.
    /// let foreign = Fingerprinter::builder().build()?.fingerprint_text(memo)?;
    /// assert_eq!(matcher.find(&foreign).unwrap_err().kind(), ErrorKind::Recipe);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find(&self, query: &Fingerprint) -> Result<Vec<Match>> {
        self.find_until(query, &Deadline::never())
    }

    /// As [`find`](Self::find), but fails at a deadline as well as after [`Limits::time_ms`].
    ///
    /// # Errors
    /// As [`find`](Self::find), [`Limit`](ErrorKind::Limit) for `time_ms`, and
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn find_until(&self, query: &Fingerprint, deadline: &Deadline) -> Result<Vec<Match>> {
        self.find_at_until(query, Timestamp::now(), deadline)
    }

    /// As [`find`](Self::find), but at another time than now: leaves out the items of a collection
    /// that have [expired](crate::Metadata::expires) by then.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    ///
    /// ```
    /// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.collection");
    /// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
    /// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
    /// use leakprint::{MatchOptions, Metadata};
    ///
    /// let until = Metadata::default().until("2030-01-01".parse()?);
    /// writer.add(NewItem::new("memo.txt", print.clone()).with_metadata(until))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// assert_eq!(matcher.find_at(&print, "2029-12-31".parse()?)?.len(), 1);
    /// assert!(matcher.find_at(&print, "2030-01-01".parse()?)?.is_empty());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_at(&self, query: &Fingerprint, now: Timestamp) -> Result<Vec<Match>> {
        self.find_at_until(query, now, &Deadline::never())
    }

    /// Combines [`find_at`](Self::find_at) and [`find_until`](Self::find_until).
    ///
    /// # Errors
    /// As [`find_until`](Self::find_until).
    pub fn find_at_until(
        &self,
        query: &Fingerprint,
        now: Timestamp,
        deadline: &Deadline,
    ) -> Result<Vec<Match>> {
        let deadline = self.fingerprinter.deadline(deadline);
        let (matches, _) = self.find_with_stats_until(query, now, &deadline)?;
        Ok(matches)
    }

    /// As [`find`](Self::find), and also returns the work of the search.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn find_with_stats(&self, query: &Fingerprint) -> Result<(Vec<Match>, SearchStats)> {
        let deadline = self.fingerprinter.deadline(&Deadline::never());
        self.find_with_stats_until(query, Timestamp::now(), &deadline)
    }

    fn find_with_stats_until(
        &self,
        query: &Fingerprint,
        now: Timestamp,
        deadline: &Deadline,
    ) -> Result<(Vec<Match>, SearchStats)> {
        self.check(query, deadline)?;
        let mut search = Search::new(self, deadline);
        let mut seen: HashSet<Digest> = HashSet::new();
        for part in &query.parts {
            // A mailbox may have one picture ten thousand times: comparing it once is enough.
            if part.bytes.is_none_or(|digest| seen.insert(digest)) {
                search.part(part)?;
            }
        }
        let (mut matches, mut stats) = search.finish()?;
        if let Some(catalog) = &self.catalog {
            catalog.find_codes(query, &self.options, deadline, &mut stats, &mut matches)?;
        }
        if self.catalog.is_some() || !self.false_matches.is_empty() {
            matches = self.reported(query, matches, now, deadline)?;
        }
        let mut pacer = deadline.pacer(STEPS_PER_CHECK);
        for found in &mut matches {
            pacer.step()?;
            self.set_expected(found);
        }
        matches.retain(|found| {
            found
                .expected
                .is_none_or(|expected| self.options.allows(expected))
        });
        rank_until(&mut matches, deadline)?;
        Ok((matches, stats))
    }

    /// Leaves out expired items and false matches.
    fn reported(
        &self,
        query: &Fingerprint,
        matches: Vec<Match>,
        now: Timestamp,
        deadline: &Deadline,
    ) -> Result<Vec<Match>> {
        let mut pacer = deadline.pacer(STEPS_PER_CHECK);
        let (marks, least) = (&self.false_matches, self.options.least_strength());
        let mut reported = Vec::with_capacity(matches.len());
        for mut found in matches {
            pacer.step()?;
            let expired = found.metadata.as_ref().is_some_and(|m| m.is_expired(now));
            if !expired
                && (!marks.concerns(&found.item)
                    || marks.filter(query, &mut found, least, &mut pacer)?)
            {
                reported.push(found);
            }
        }
        Ok(reported)
    }

    /// Fails unless the prints of `query` can be compared with the index.
    pub(super) fn check(&self, query: &Fingerprint, deadline: &Deadline) -> Result<()> {
        self.fingerprinter.recipe().check_same(&query.recipe)?;
        query.check(deadline)
    }

    /// Calls [`find`](Self::find) for every query, in parallel. Results are in input order and do not
    /// depend on the number of threads.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::{Executor, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let print = |text| matcher.query_fingerprinter().fingerprint_text(text);
    /// let queries = [print("Nothing of it.")?, print(memo)?];
    /// let results = matcher.find_batch(&queries, &Executor::with_threads(2)?);
    /// assert!(results[0].as_ref().unwrap().is_empty());
    /// assert_eq!(results[1].as_ref().unwrap()[0].item, "memo.txt");
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_batch(&self, queries: &[Fingerprint], exec: &Executor) -> Vec<Result<Vec<Match>>> {
        self.find_batch_until(queries, exec, &Deadline::never())
    }

    /// As [`find_batch`](Self::find_batch), with one deadline for all queries together;
    /// [`Limits::time_ms`] applies to each.
    pub fn find_batch_until(
        &self,
        queries: &[Fingerprint],
        exec: &Executor,
        deadline: &Deadline,
    ) -> Vec<Result<Vec<Match>>> {
        let now = Timestamp::now();
        exec.map(queries, |query| self.find_at_until(query, now, deadline))
    }

    /// Calls [`find_media`](Self::find_media) for every upload and its file name, in parallel. Results
    /// are in input order and do not depend on the number of threads.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
    /// use leakprint::{ErrorKind, Executor, Matcher};
    ///
    /// let matcher = Matcher::new(index)?;
    /// let uploads = [(memo.as_bytes(), Some("upload.txt")), (b"", None)];
    /// let results = matcher.find_media_batch(&uploads, &Executor::with_threads(2)?);
    /// assert_eq!(results[0].as_ref().unwrap()[0].item, "memo.txt");
    /// assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Empty);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media_batch(
        &self,
        uploads: &[(impl AsRef<[u8]> + Sync, Option<&str>)],
        exec: &Executor,
    ) -> Vec<Result<Vec<Match>>> {
        self.find_media_batch_until(uploads, exec, &Deadline::never())
    }

    /// As [`find_media_batch`](Self::find_media_batch), with one deadline for all uploads together;
    /// [`Limits::time_ms`] applies to each.
    pub fn find_media_batch_until(
        &self,
        uploads: &[(impl AsRef<[u8]> + Sync, Option<&str>)],
        exec: &Executor,
        deadline: &Deadline,
    ) -> Vec<Result<Vec<Match>>> {
        exec.map(uploads, |(bytes, name)| {
            self.find_media_until(bytes.as_ref(), *name, deadline)
        })
    }

    /// Matches a stream of any length in constant memory: `prepare` makes the fingerprint of an
    /// element, in parallel; `sink` receives the result of every element, in input order.
    ///
    /// At most `capacity` elements are in flight: a slow sink holds back the source. Matching an
    /// element may take [`Limits::time_ms`], and so may reading it in `prepare`. Where elements have
    /// separate deadlines, use [`find_until`](Self::find_until) in [`Executor::map_stream`] instead.
    ///
    /// # Errors
    /// The first error of `sink`, which stops the stream and cancels matching in progress. The error
    /// of a query is passed to the sink.
    ///
    /// ```
    /// # let index = leakprint::example::memo_index()?;
    /// # let memo = leakprint::example::MEMO;
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
        // Once the sink has failed, the work in progress is not needed.
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
