//! Codes in memory, ready to be searched.

use crate::arch::Planes;
use crate::code::Code256;
use crate::error::{Error, Result};

use super::codes::Codes;
use super::multi::MultiTables;
use super::{Engine, HammingIndex};
use crate::exec::Executor;

/// The words to which a plane is padded: 64 bytes, a cache line.
const PLANE_ALIGN: usize = 8;

/// The words that a plane of `codes` codes takes, padding included.
pub(in crate::index) fn plane_words(codes: usize) -> Option<usize> {
    codes.checked_next_multiple_of(PLANE_ALIGN)
}

/// Codes from which on tables pay.
const MULTI_FROM: usize = 20_000;

/// 256-bit codes in memory, ready to be searched: 32 bytes a code as a structure
/// of arrays, or 4 MB and 128 bytes a distinct code with tables that make a search
/// at the usual radii hundreds of times faster. Building the tables takes some 20
/// bytes a code more, and 8 for each thread.
///
/// For searching raw codes without an index file; see the example of
/// [`index::hamming`](super).
#[derive(Debug)]
pub struct CodeSet(Layout);

#[derive(Debug)]
enum Layout {
    /// Plane after plane, each of `len` words.
    Planes {
        words: Vec<u64>,
        len: usize,
    },
    Multi(MultiTables),
}

impl Default for CodeSet {
    fn default() -> Self {
        Self(Layout::Planes {
            words: Vec::new(),
            len: 0,
        })
    }
}

impl CodeSet {
    /// A set of the codes in the order given; the first has number 0. To be scanned.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    pub fn from_codes<I>(codes: I) -> Result<Self>
    where
        I: IntoIterator<Item = Code256>,
    {
        let codes: Vec<Code256> = codes.into_iter().collect();
        let code = |i: usize| codes.get(i).map_or([0; 4], |code| code.0);
        Self::build(codes.len(), code, Engine::Scan, &Executor::serial())
    }

    /// A set of raw codes of 32 bytes each, without a header, as
    /// [`Code256::to_le_bytes`] writes them, laid out for an engine;
    /// [`Auto`](Engine::Auto) makes tables from 20,000 codes on.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) unless the length is a multiple of 32,
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    pub fn from_records(records: &[u8], engine: Engine, exec: &Executor) -> Result<Self> {
        let (records, rest) = records.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::malformed(format!(
                "raw codes are 32 bytes each, but {} bytes are left at the end",
                rest.len()
            )));
        }
        let code = |i: usize| {
            let record = records.get(i);
            record.map_or([0; 4], |record| Code256::from_le_bytes(record).0)
        };
        Self::build(records.len(), code, engine, exec)
    }

    fn build(
        len: usize,
        code: impl Fn(usize) -> [u64; 4] + Sync,
        engine: Engine,
        exec: &Executor,
    ) -> Result<Self> {
        let has_tables = match engine {
            Engine::Auto => len >= MULTI_FROM,
            Engine::Scan => false,
            Engine::Mih => true,
        };
        if has_tables {
            return MultiTables::build(len, code, exec).map(|tables| Self(Layout::Multi(tables)));
        }
        if u32::try_from(len).is_err() {
            return Err(Error::limit("codes", u32::MAX, len));
        }
        let mut words = vec![0; 4 * len];
        // One pass over the codes and four streams out, rather than four passes.
        let (ab, cd) = words.split_at_mut(2 * len);
        let ((a, b), (c, d)) = (ab.split_at_mut(len), cd.split_at_mut(len));
        let columns = a.iter_mut().zip(b).zip(c).zip(d);
        for (i, (((a, b), c), d)) in columns.enumerate() {
            [*a, *b, *c, *d] = code(i);
        }
        Ok(Self(Layout::Planes { words, len }))
    }

    /// The number of codes.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory for each code, everything included; 0 for an empty set.
    pub fn bytes_per_code(&self) -> f64 {
        let bytes = match &self.0 {
            Layout::Planes { words, .. } => size_of_val(words.as_slice()),
            Layout::Multi(tables) => tables.bytes(),
        };
        match self.len() {
            0 => 0.0,
            len => bytes as f64 / len as f64,
        }
    }

    /// The set, ready to be searched.
    pub fn view(&self) -> HammingIndex<'_> {
        match &self.0 {
            Layout::Planes { words, len } => {
                let plane = |w: usize| words.get(w * len..(w + 1) * len).unwrap_or_default();
                // `words` holds four planes of `len` words, so none is shorter than the others.
                let planes = Planes::new([plane(0), plane(1), plane(2), plane(3)]);
                HammingIndex::new(planes.unwrap_or_default())
            }
            Layout::Multi(tables) => HammingIndex::of(Codes::Multi(tables.view())),
        }
    }
}

impl<'a> From<&'a CodeSet> for HammingIndex<'a> {
    fn from(set: &'a CodeSet) -> Self {
        set.view()
    }
}
