//! Matching against a snapshot: its indexes as one, its codes, what is false or past its time left out.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::metadata::Metadata;
use super::record::Content;
use super::segment::Codes;
use super::snapshot::Snapshot;
use super::time::Timestamp;
use crate::code::Code256;
use crate::deadline::{CancellationToken, Deadline};
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::fingerprint::{Fingerprint, Fingerprinter, Pipeline, RasterPrints};
use crate::index::SearchStats;
use crate::limits::Limits;
use crate::matcher::{Evidence, Explanation, Match, MatchOptions, Matcher, Strength, rank_until};
use crate::media::{PartPath, TextFromImage};
use crate::raster::Dihedral;

/// The radius that PDQ's authors recommend for a match.
const RADIUS: u32 = 31;

/// The quality below which they advise not to match.
const MIN_QUALITY: u8 = 50;

/// The score of equal hashes. Two pictures may have one hash, and there is no second
/// opinion: never certain.
const EQUAL: f64 = 0.94;

/// Matches, hits or parts between two looks at the clock: less than a millisecond.
const STEPS: u32 = 1 << 8;

/// A match, and what the owner says about the item. Serialised as one object.
///
/// ```
/// use leakprint::collection::CollectionMatch;
///
/// let line = r#"{"item": "memo.txt", "score": 1.0, "strength": "certain", "evidence":
///     [{"kind": "bytes", "part": "", "item_part": ""}], "label": "plans", "added": "2026-03-01T12:00:00Z"}"#;
/// let one: CollectionMatch = serde_json::from_str(line).unwrap();
/// assert_eq!((one.found.score, one.metadata.label.as_deref()), (1.0, Some("plans")));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CollectionMatch {
    /// The match.
    #[serde(flatten)]
    pub found: Match,
    /// What the owner says.
    #[serde(flatten)]
    pub metadata: Metadata,
}

/// Compares fingerprints with a snapshot. Cheap to clone, `Send + Sync`. Made by
/// [`Snapshot::matcher`]; what a [`Matcher`] is for an index.
///
/// ```
/// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
/// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
/// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.collection");
/// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
/// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
/// use leakprint::{Executor, MatchOptions};
///
/// writer.add(NewItem::new("memo.txt", print.clone()))?;
/// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
/// // It goes on with what the snapshot holds.
/// writer.remove(&["memo.txt"])?;
/// for result in matcher.find_batch(&[print.clone(), print], &Executor::with_threads(2)?) {
///     assert_eq!(result?[0].found.item, "memo.txt");
/// }
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CollectionMatcher {
    snapshot: Snapshot,
    matcher: Matcher,
}

impl CollectionMatcher {
    /// With `prepare`, one for many queries.
    pub(super) fn new(snapshot: Snapshot, options: MatchOptions, prepare: bool) -> Result<Self> {
        let fingerprinter = snapshot.collection.fingerprinter()?.clone();
        let common = snapshot.state.common(snapshot.collection.recipe())?;
        let shelf = snapshot.state.filtered_shelf(prepare).with_common(common);
        let matcher = Matcher::over(shelf, fingerprinter);
        Ok(Self {
            matcher: matcher.with_options(options),
            snapshot,
        })
    }

    /// Makes the fingerprints that are compared.
    pub fn fingerprinter(&self) -> &Fingerprinter {
        self.matcher.fingerprinter()
    }

    /// What is searched.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The options in force.
    pub fn options(&self) -> &MatchOptions {
        self.matcher.options()
    }

    /// The items that the query shows, by falling score, then by name.
    ///
    /// Verdicts on texts and whole pictures do not depend on how the items are spread over
    /// segments, but for grams in 48 items and more, whose frequencies are rounded, and for
    /// parts of pictures; see ARCHITECTURE.md.
    ///
    /// # Errors
    /// As [`Matcher::find`].
    pub fn find(&self, query: &Fingerprint) -> Result<Vec<CollectionMatch>> {
        self.find_at(query, Timestamp::now())
    }

    /// [`find`](Self::find) as of a time: what is past its time then is left out.
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
    /// use leakprint::MatchOptions;
    /// use leakprint::collection::Metadata;
    ///
    /// let until = Metadata::default().until("2030-01-01".parse()?);
    /// writer.add(NewItem::new("memo.txt", print.clone()).with_metadata(until))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// assert_eq!(matcher.find_at(&print, "2029-12-31".parse()?)?.len(), 1);
    /// assert!(matcher.find_at(&print, "2030-01-01".parse()?)?.is_empty());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_at(&self, query: &Fingerprint, now: Timestamp) -> Result<Vec<CollectionMatch>> {
        self.find_at_until(query, now, &Deadline::never())
    }

    /// [`find`](Self::find), which fails at a deadline as well as after
    /// [`Limits::time_ms`](crate::Limits::time_ms).
    ///
    /// # Errors
    /// As [`Matcher::find_until`].
    pub fn find_until(
        &self,
        query: &Fingerprint,
        deadline: &Deadline,
    ) -> Result<Vec<CollectionMatch>> {
        self.find_at_until(query, Timestamp::now(), deadline)
    }

    /// [`find_at`](Self::find_at) and [`find_until`](Self::find_until) in one.
    ///
    /// # Errors
    /// As [`find_until`](Self::find_until).
    pub fn find_at_until(
        &self,
        query: &Fingerprint,
        now: Timestamp,
        deadline: &Deadline,
    ) -> Result<Vec<CollectionMatch>> {
        let deadline = self.fingerprinter().deadline(deadline);
        let state = &self.snapshot.state;
        let mut stats = SearchStats::default();
        let (matches, _) = self.matcher.find_items(query, &deadline)?;
        let mut pacer = deadline.pacer(STEPS);
        let mut all = Vec::with_capacity(matches.len());
        for (item, found) in matches {
            pacer.step()?;
            let (volume, item) = state.shelf.place_of(item);
            let slot = state
                .shelved
                .get(volume)
                .and_then(|&slot| state.slots.get(slot as usize));
            let slot = slot.ok_or_else(|| Error::corrupt("a match in no segment"))?;
            let metadata = slot.segment.record(item.0)?.metadata;
            all.push(CollectionMatch { found, metadata });
        }
        self.codes(query, &deadline, &mut stats, &mut all)?;
        let least = self.options().min_strength;
        let mut kept = Vec::with_capacity(all.len());
        for mut one in all {
            pacer.step()?;
            let marks = &state.false_matches;
            let is_reported = !one.metadata.is_expired(now)
                && (!marks.concerns(&one.found.item)
                    || marks.filter(query, &mut one.found, least, &mut pacer)?);
            if is_reported {
                kept.push(one);
            }
        }
        rank_until(&mut kept, |one| &one.found, &deadline)?;
        Ok(kept)
    }

    /// Fingerprints one upload and finds what it shows: see [`Matcher::find_media`].
    ///
    /// # Errors
    /// As there.
    pub fn find_media(&self, bytes: &[u8], name: Option<&str>) -> Result<Vec<CollectionMatch>> {
        self.find_media_until(bytes, name, &Deadline::never())
    }

    /// [`find_media`](Self::find_media), which ends at a deadline: see
    /// [`Matcher::find_media_until`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.collection");
    /// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
    /// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
    /// use std::time::Duration;
    ///
    /// use leakprint::{Deadline, ErrorKind, MatchOptions};
    ///
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// let minute = Deadline::after(Duration::from_secs(60));
    /// assert_eq!(matcher.find_media_until(memo.as_bytes(), None, &minute)?.len(), 1);
    /// let over = Deadline::after(Duration::ZERO);
    /// let error = matcher.find_media_until(memo.as_bytes(), None, &over).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Limit);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_media_until(
        &self,
        bytes: &[u8],
        name: Option<&str>,
        deadline: &Deadline,
    ) -> Result<Vec<CollectionMatch>> {
        let deadline = self.fingerprinter().deadline(deadline);
        let reading = deadline.for_reading();
        let query = self
            .fingerprinter()
            .fingerprint_until(bytes, name, &reading)?;
        self.find_until(&query, &deadline)
    }

    /// Fingerprints one text and finds what it quotes.
    ///
    /// # Errors
    /// As [`Fingerprinter::fingerprint_text`] and [`find`](Self::find).
    pub fn find_text(&self, text: &str) -> Result<Vec<CollectionMatch>> {
        self.find_text_until(text, &Deadline::never())
    }

    /// [`find_text`](Self::find_text), which fails at a deadline as well as after
    /// [`Limits::time_ms`](crate::Limits::time_ms).
    ///
    /// # Errors
    /// As [`Matcher::find_text_until`].
    pub fn find_text_until(&self, text: &str, deadline: &Deadline) -> Result<Vec<CollectionMatch>> {
        let deadline = self.fingerprinter().deadline(deadline);
        let query = self
            .fingerprinter()
            .fingerprint_text_until(text, &deadline)?;
        self.find_until(&query, &deadline)
    }

    /// [`find`](Self::find) of every query, in parallel, all as of one time; results in input
    /// order, the same for any number of threads.
    pub fn find_batch(
        &self,
        queries: &[Fingerprint],
        exec: &Executor,
    ) -> Vec<Result<Vec<CollectionMatch>>> {
        self.find_batch_until(queries, exec, &Deadline::never())
    }

    /// [`find_batch`](Self::find_batch) with a deadline for all queries together: see
    /// [`Matcher::find_batch_until`].
    pub fn find_batch_until(
        &self,
        queries: &[Fingerprint],
        exec: &Executor,
        deadline: &Deadline,
    ) -> Vec<Result<Vec<CollectionMatch>>> {
        let now = Timestamp::now();
        exec.map(queries, |query| self.find_at_until(query, now, deadline))
    }

    /// Matches a stream of any length in flat memory, all of it against this one snapshot, which
    /// is held for as long: see [`Matcher::find_stream`].
    ///
    /// # Errors
    /// The first error of `sink`, which stops the stream. A query's own error goes to the sink.
    ///
    /// ```
    /// # use leakprint::collection::{CollectionWriter, NewItem, WriterOptions};
    /// # let memo = "The winter slate moves by six weeks, and Lighthouse opens in fourteen territories \
    /// #     with no press screening before the Wednesday, even though it tested at seventy-one.";
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.collection");
    /// # let writer = CollectionWriter::open(&path, WriterOptions::default())?;
    /// # let print = writer.collection().fingerprinter()?.fingerprint_text(memo)?;
    /// use leakprint::{Executor, MatchOptions};
    ///
    /// writer.add(NewItem::new("memo.txt", print))?;
    /// let matcher = writer.collection().snapshot().matcher(MatchOptions::default())?;
    /// let mut found = Vec::new();
    /// matcher.find_stream(
    ///     [("a.txt", "Nothing of it."), ("b.txt", memo)].into_iter(),
    ///     64,
    ///     &Executor::with_threads(2)?,
    ///     |fingerprinter, (name, post)| fingerprinter.fingerprint(post.as_bytes(), Some(name)),
    ///     |(name, _), result| result.map(|(_, matches)| found.push((name, matches.len()))),
    /// )?;
    /// assert_eq!(found, [("a.txt", 0), ("b.txt", 1)]);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn find_stream<T, E>(
        &self,
        queries: impl Iterator<Item = T>,
        capacity: usize,
        exec: &Executor,
        prepare: impl Fn(&Fingerprinter, &T) -> Result<Fingerprint> + Sync,
        mut sink: impl FnMut(T, Result<(Fingerprint, Vec<CollectionMatch>)>) -> Result<(), E> + Send,
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
                let result = prepare(self.fingerprinter(), &query).and_then(|fingerprint| {
                    let matches = self.find_until(&fingerprint, &deadline)?;
                    Ok((fingerprint, matches))
                });
                (query, result)
            },
            |(query, result)| sink(query, result).inspect_err(|_| token.cancel()),
        )
    }

    /// The hashes of hash lists that pictures of the query are near to.
    fn codes(
        &self,
        query: &Fingerprint,
        deadline: &Deadline,
        stats: &mut SearchStats,
        all: &mut Vec<CollectionMatch>,
    ) -> Result<()> {
        let has = |p: &Pipeline| {
            let mut slots = self.snapshot.state.slots.iter();
            slots.any(|slot| slot.segment.codes[*p as usize].is_some())
        };
        // The places of the slot and the item, and what is known of it.
        let mut found: BTreeMap<(usize, u32), Vec<Evidence>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for pipeline in Pipeline::ALL.into_iter().filter(has) {
            for part in &query.parts {
                let Some(raster) = &part.raster else { continue };
                deadline.check()?;
                let quality = raster.pdq.quality.max(raster.exchange_pdq().quality);
                if quality < MIN_QUALITY || !seen.insert((pipeline, raster.pdq_nn512)) {
                    continue;
                }
                let queries = Queries::new(pipeline, raster);
                self.search(pipeline, &queries, &part.path, deadline, stats, &mut found)?;
            }
        }
        let options = self.options();
        let mut pacer = deadline.pacer(STEPS);
        for ((place, item), mut evidence) in found {
            pacer.step()?;
            let Some(slot) = self.snapshot.state.slots.get(place) else {
                continue;
            };
            let record = slot.segment.record(item)?;
            let Content::Code { quality, .. } =
                record.content(self.snapshot.collection.recipe())?
            else {
                continue;
            };
            evidence.sort_by(|a, b| b.score().total_cmp(&a.score()));
            evidence.truncate(options.max_evidence.max(1));
            let score = evidence.first().map_or(0.0, Evidence::score);
            let Some(strength) = Strength::of_score(score) else {
                continue;
            };
            if quality >= MIN_QUALITY && strength >= options.min_strength {
                all.push(CollectionMatch {
                    found: Match {
                        item: record.key.name().into_owned(),
                        score,
                        strength,
                        evidence,
                    },
                    metadata: record.metadata,
                });
            }
        }
        Ok(())
    }

    fn search(
        &self,
        pipeline: Pipeline,
        queries: &Queries,
        part: &PartPath,
        deadline: &Deadline,
        stats: &mut SearchStats,
        found: &mut BTreeMap<(usize, u32), Vec<Evidence>>,
    ) -> Result<()> {
        let serial = Executor::serial();
        for (place, slot) in self.snapshot.state.slots.iter().enumerate() {
            let Some(Codes(codes)) = &slot.segment.codes[pipeline as usize] else {
                continue;
            };
            let view = codes.view();
            let (hits, search) = view.search_until(&queries.codes, RADIUS, &serial, deadline)?;
            stats.add(&search);
            let mut pacer = deadline.pacer(STEPS);
            let first = slot.segment.records.counts().first_code(pipeline as usize);
            for hit in hits {
                pacer.step()?;
                let item = first.saturating_add(hit.code);
                let Some(&(variant, inverted)) = queries.meaning.get(hit.query as usize) else {
                    continue;
                };
                if slot.removed.contains(item) {
                    continue;
                }
                let evidence = Evidence::Code {
                    part: part.clone(),
                    item_part: PartPath::root(),
                    pipeline,
                    distance: hit.distance,
                    transform: variant.inverse(),
                    inverted,
                    score: score(hit.distance),
                };
                let known = found.entry((place, item)).or_default();
                // One picture is one piece of evidence, under the symmetry that suits best.
                match known.iter_mut().find(|e| e.parts().0 == part) {
                    Some(other) if other.score() < evidence.score() => *other = evidence,
                    Some(_) => {}
                    None => known.push(evidence),
                }
            }
        }
        Ok(())
    }

    /// See [`Matcher::picture_size`].
    ///
    /// # Errors
    /// As there.
    pub fn picture_size(&self, item: &str, part: &PartPath) -> Result<Option<(u32, u32)>> {
        self.matcher.picture_size(item, part)
    }

    /// Other limits for what [`fingerprinter`](Self::fingerprinter) reads, and for the time of
    /// matching.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.matcher = self.matcher.with_limits(limits);
        self
    }

    /// Other options.
    #[must_use]
    pub fn with_options(mut self, options: MatchOptions) -> Self {
        self.matcher = self.matcher.with_options(options);
        self
    }

    /// Asks a recogniser for text in pictures: see [`Matcher::with_recogniser`].
    #[must_use]
    pub fn with_recogniser(mut self, recogniser: Arc<dyn TextFromImage>) -> Self {
        self.matcher = self.matcher.with_recogniser(recogniser);
        self
    }

    /// What every stage of matching says of one item that is no code: see [`Matcher::explain`].
    ///
    /// # Errors
    /// As [`Matcher::explain`].
    pub fn explain(&self, item: &str, query: &Fingerprint) -> Result<Explanation> {
        self.matcher.explain(item, query)
    }

    /// [`explain`](Self::explain) with a deadline: see [`Matcher::explain_until`].
    ///
    /// # Errors
    /// As there.
    pub fn explain_until(
        &self,
        item: &str,
        query: &Fingerprint,
        deadline: &Deadline,
    ) -> Result<Explanation> {
        self.matcher.explain_until(item, query, deadline)
    }
}

/// 0.7 at the recommended radius, falling with the square of the distance.
fn score(distance: u32) -> f64 {
    let share = f64::from(distance) / f64::from(RADIUS);
    let score = EQUAL - (EQUAL - Strength::Strong.min_score()) * share * share;
    (score * 1e6).round() / 1e6
}

/// The codes of a picture that a list may have, and what each means.
struct Queries {
    codes: Vec<Code256>,
    meaning: Vec<(Dihedral, bool)>,
}

impl Queries {
    fn new(pipeline: Pipeline, raster: &RasterPrints) -> Self {
        let mut upright = Vec::new();
        match pipeline {
            Pipeline::Full => {
                upright.extend(Dihedral::ALL.into_iter().zip(raster.pdq.variants));
                // Lists are made of the colours as stored.
                let stored = raster
                    .pdq_stored
                    .map(|stored| (Dihedral::Identity, stored.code));
                upright.extend(stored);
            }
            // Of this pipeline, prints have the upright picture only.
            Pipeline::Nn512 => upright.push((Dihedral::Identity, raster.pdq_nn512)),
        }
        let inverted = upright
            .iter()
            .map(|(d, code)| (code.complement(), (*d, true)));
        let straight = upright.iter().map(|(d, code)| (*code, (*d, false)));
        let (codes, meaning) = straight.chain(inverted).unzip();
        Self { codes, meaning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_opinion_is_strong_at_most() {
        assert_eq!(Strength::of_score(score(0)), Some(Strength::Strong));
        assert_eq!(Strength::of_score(score(RADIUS)), Some(Strength::Strong));
        assert_eq!(score(RADIUS), Strength::Strong.min_score());
        assert!(score(10) > score(20));
    }
}
