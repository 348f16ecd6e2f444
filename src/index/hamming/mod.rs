//! Exact search of 256-bit codes by Hamming distance.
//!
//! [`HammingIndex`] is a view of codes in a mapped index file or in a [`CodeSet`]. Every search is
//! exact, takes any radius 0..=256, returns the same result on any number of threads, and reports
//! its work in [`SearchStats`].
//!
//! ```
//! use leakprint::Executor;
//! use leakprint::code::Code256;
//! use leakprint::index::CodeSet;
//!
//! let set = CodeSet::from_codes([Code256([0; 4]), Code256([7, 0, 0, 0]), Code256([!0; 4])])?;
//! let (hits, stats) = set.view().search(&[Code256([1, 0, 0, 0])], 31, &Executor::serial())?;
//! assert_eq!(hits.iter().map(|h| (h.code, h.distance)).collect::<Vec<_>>(), [(0, 1), (1, 2)]);
//! assert_eq!(stats.candidates, 3);
//! # Ok::<(), leakprint::Error>(())
//! ```
//!
//! # The format of a set
#![doc = include_str!("CODES.md")]

mod code_set;
mod codes;
mod lookup;
mod multi;
mod scan;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::arch::Planes;
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Executor;

pub use crate::arch::{Backend, CodeHit};
pub use code_set::CodeSet;

use codes::Codes;

pub use stored::CODE_SET_VERSION;

use multi::{MultiIndex, Settings};

pub(super) use stored::{SetLayout, StoredSet};

/// The algorithm by which codes are searched. All engines return equal results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Engine {
    /// The engine that is expected to be the fastest for this set, batch and radius.
    #[default]
    Auto,
    /// Compares every query with every code, vectorised and blocked for the cache.
    Scan,
    /// Multi-index hashing: sixteen tables from chunks of a code to codes.
    Mih,
}

impl Engine {
    /// Returns the engine as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Scan => "scan",
            Self::Mih => "mih",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Auto, Self::Scan, Self::Mih]
            .into_iter()
            .find(|engine| engine.as_str() == text)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("unknown engine {text:?}: use auto, scan or mih"),
                )
            })
    }
}

/// The work of a search. Equal for any number of threads and any [`Backend`].
///
/// ```
/// use leakprint::index::{CodeSet, SearchStats};
/// use leakprint::{Code256, Executor};
///
/// let set = CodeSet::from_codes([Code256([0; 4]), Code256([!0; 4])])?;
/// let mut total = SearchStats::default();
/// for query in [0, 1, 2] {
///     total.add(&set.view().search(&[Code256([query; 4])], 31, &Executor::serial())?.1);
/// }
/// assert_eq!((total.queries, total.codes, total.candidates, total.verified), (3, 2, 6, 3));
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchStats {
    /// Queries in the batch.
    pub queries: u64,
    /// Codes in the set.
    pub codes: u64,
    /// Entries of lists that were tested; none in a scan.
    pub entries: u64,
    /// (query, code) pairs that were compared; all of them in a scan.
    pub candidates: u64,
    /// Pairs within the radius.
    pub verified: u64,
    /// An upper bound of the bytes of codes and lists that were read from memory. Repeated reads
    /// from the cache do not count.
    pub bytes: u64,
}

impl SearchStats {
    /// Adds the work of another search; `codes` becomes the larger of the two.
    pub fn add(&mut self, other: &Self) {
        self.queries = self.queries.saturating_add(other.queries);
        self.codes = self.codes.max(other.codes);
        self.entries = self.entries.saturating_add(other.entries);
        self.candidates = self.candidates.saturating_add(other.candidates);
        self.verified = self.verified.saturating_add(other.verified);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// A searchable view of codes. Cheap to copy. [`CodeSet::view`] returns that of a set,
/// [`Index::pictures`](crate::Index::pictures) has those of an index.
///
/// Source of the tables: Norouzi, Punjani, Fleet, "Fast exact search in Hamming space with
/// multi-index hashing", 2014.
///
/// ```
/// use leakprint::index::{CodeSet, Engine};
/// use leakprint::{Code256, Executor};
///
/// let exec = Executor::serial();
/// let list: Vec<u8> = (0..2000_u32).flat_map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
/// let set = CodeSet::from_records(&list, Engine::Mih, &exec)?;
/// let query = [set.view().get(77).unwrap()];
/// // Both engines return the same hits, at different cost.
/// let [tables, scan] = [Engine::Mih, Engine::Scan].map(|engine| set.view().with_engine(engine));
/// let ((found, few), (same, all)) = (tables.search(&query, 31, &exec)?, scan.search(&query, 31, &exec)?);
/// assert_eq!((found[0].code, &found), (77, &same));
/// assert!(few.candidates < all.candidates && all.candidates == 2000);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HammingIndex<'a> {
    /// The codes that a scan reads.
    codes: Codes<'a>,
    multi: Option<MultiIndex<'a>>,
    engine: Engine,
    backend: Backend,
}

impl<'a> HammingIndex<'a> {
    /// Makes a view of codes as planes, with tables, or both; both must have the same codes.
    fn new(planes: Option<Planes<'a>>, multi: Option<MultiIndex<'a>>) -> Self {
        let codes = match (planes, multi) {
            (None, Some(multi)) => Codes::Multi(multi),
            (planes, _) => Codes::Planes(planes.unwrap_or_default()),
        };
        Self {
            codes,
            multi,
            engine: Engine::Auto,
            backend: Backend::detect(),
        }
    }

    /// Forces an engine, for tests and comparisons. Without tables every search is a scan.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Forces an instruction set, for tests and comparisons.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Returns the number of codes.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Returns whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether there are tables. Without them every search is a scan.
    pub fn has_tables(&self) -> bool {
        self.multi.is_some()
    }

    /// Adds the tables of a set with the same codes.
    pub(super) fn with_tables_of(mut self, set: Option<&Self>) -> Self {
        self.multi = set.and_then(|set| set.multi);
        self
    }

    /// Prepares the codes for writing to a file.
    pub(super) fn to_stored(self) -> Result<StoredSet<'a>> {
        let planes = match self.codes {
            Codes::Planes(planes) => Some(planes),
            Codes::Multi(_) => None,
        };
        StoredSet::new(planes, self.multi)
    }

    /// Returns a code by its number, `None` from [`len`](Self::len) on.
    pub fn get(&self, code: usize) -> Option<Code256> {
        self.codes.get(code)
    }

    /// Returns the engine that a search at this radius uses; never [`Engine::Auto`]. Even on tables,
    /// single queries whose lists are too long are answered by a scan.
    pub fn engine(&self, radius: u32) -> Engine {
        match (self.engine, &self.multi) {
            (Engine::Mih, Some(_)) => Engine::Mih,
            (Engine::Auto, Some(multi)) if multi.suits(radius) => Engine::Mih,
            _ => Engine::Scan,
        }
    }

    fn settings(&self, radius: u32, max_hits: usize) -> Settings {
        Settings {
            backend: self.backend,
            radius,
            forced: self.engine == Engine::Mih,
            max_hits,
        }
    }

    /// Returns every code within `radius` of each query, sorted by (query, code).
    ///
    /// A scan takes about 0.1 to 1 ns for each pair of query and code. With tables a query at
    /// radius 31 takes microseconds. Hits take 12 bytes each: a batch may hit every one of many
    /// similar codes, which [`top_k`](Self::top_k) bounds.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a radius above 256 or more than `u32::MAX` queries.
    pub fn search(
        &self,
        queries: &[Code256],
        radius: u32,
        exec: &Executor,
    ) -> Result<(Vec<CodeHit>, SearchStats)> {
        self.search_until(queries, radius, exec, &Deadline::never())
    }

    /// Searches as [`search`](Self::search), but fails at a deadline.
    ///
    /// # Errors
    /// As [`search`](Self::search), and as [`Deadline::check`].
    pub fn search_until(
        &self,
        queries: &[Code256],
        radius: u32,
        exec: &Executor,
        deadline: &Deadline,
    ) -> Result<(Vec<CodeHit>, SearchStats)> {
        check_batch(queries.len(), radius)?;
        match (self.engine(radius), self.multi) {
            (Engine::Mih, Some(multi)) => {
                let settings = self.settings(radius, usize::MAX);
                lookup::range(multi, &settings, queries, exec, deadline)
            }
            _ => {
                let hits = scan::range(self.codes, self.backend, queries, radius, exec, deadline)?;
                let stats = scan_stats(queries.len(), self.len(), hits.len());
                Ok((hits, stats))
            }
        }
    }

    /// Returns the up to `k` nearest codes within `radius` of each query, sorted by
    /// (query, distance, code). Of equally distant codes, those with lower numbers come first.
    /// Memory grows with `k` times the number of queries in a scan, and with the number of distinct
    /// codes within the radius on tables.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a radius above 256 or more than `u32::MAX` queries.
    ///
    /// ```
    /// use leakprint::index::CodeSet;
    /// use leakprint::{Code256, Executor};
    ///
    /// let set = CodeSet::from_codes((0..100).map(|i| Code256([i, 0, 0, 0])))?;
    /// let (hits, _) = set.view().top_k(&[Code256([65, 0, 0, 0])], 3, 256, &Executor::serial())?;
    /// let found: Vec<_> = hits.iter().map(|hit| (hit.code, hit.distance)).collect();
    /// assert_eq!(found, [(65, 0), (1, 1), (64, 1)]);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn top_k(
        &self,
        queries: &[Code256],
        k: usize,
        radius: u32,
        exec: &Executor,
    ) -> Result<(Vec<CodeHit>, SearchStats)> {
        check_batch(queries.len(), radius)?;
        match (self.engine(radius), self.multi) {
            (Engine::Mih, Some(multi)) => {
                lookup::top_k(multi, &self.settings(radius, k), queries, exec)
            }
            _ => {
                let hits = scan::top_k(self.codes, self.backend, queries, k, radius, exec)?;
                let stats = scan_stats(queries.len(), self.len(), hits.len());
                Ok((hits, stats))
            }
        }
    }
}

/// Keeps the first `k` hits of each query.
fn keep_nearest(hits: &mut Vec<CodeHit>, k: usize) {
    let mut rank = (0, 0);
    hits.retain(|hit| {
        if rank.0 != hit.query {
            rank = (hit.query, 0);
        }
        rank.1 += 1;
        rank.1 <= k
    });
}

fn scan_stats(queries: usize, codes: usize, hits: usize) -> SearchStats {
    let (queries, codes) = (queries as u64, codes as u64);
    SearchStats {
        queries,
        codes,
        entries: 0,
        candidates: queries.saturating_mul(codes),
        verified: hits as u64,
        bytes: scan::passes(queries).saturating_mul(codes.saturating_mul(32)),
    }
}

fn check_batch(queries: usize, radius: u32) -> Result<()> {
    if radius > 256 {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the radius must be 0..=256 bits, not {radius}"),
        ));
    }
    if u32::try_from(queries).is_err() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "{queries} queries in one batch, at most {}: split it",
                u32::MAX
            ),
        ));
    }
    Ok(())
}
