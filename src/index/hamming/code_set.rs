//! Codes in memory, ready to be searched.

use crate::arch::Planes;
use crate::code::Code256;
use crate::error::{Error, Result};

use super::HammingIndex;

/// The words to which a plane is padded: 64 bytes, a cache line.
const PLANE_ALIGN: usize = 8;

/// The words that a plane of `codes` codes takes, padding included.
pub(in crate::index) fn plane_words(codes: usize) -> Option<usize> {
    codes.checked_next_multiple_of(PLANE_ALIGN)
}

/// 256-bit codes in memory as a structure of arrays: 32 bytes a code.
///
/// For searching raw codes without an index file; see the example of
/// [`index::hamming`](super).
#[derive(Clone, Debug, Default)]
pub struct CodeSet {
    /// Plane after plane, each of `len` words.
    words: Vec<u64>,
    len: usize,
}

impl CodeSet {
    /// A set of the codes in the order given; the first has number 0.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    pub fn from_codes<I>(codes: I) -> Result<Self>
    where
        I: IntoIterator<Item = Code256>,
    {
        let codes: Vec<Code256> = codes.into_iter().collect();
        Self::build(codes.len(), |i| codes.get(i).map(|code| code.0))
    }

    /// A set of raw codes of 32 bytes each, without a header, as
    /// [`Code256::to_le_bytes`] writes them.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) unless the length is a multiple of 32,
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    pub fn from_records(records: &[u8]) -> Result<Self> {
        let (records, rest) = records.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(Error::malformed(format!(
                "raw codes are 32 bytes each, but {} bytes are left at the end",
                rest.len()
            )));
        }
        Self::build(records.len(), |i| {
            records
                .get(i)
                .map(|record| Code256::from_le_bytes(record).0)
        })
    }

    fn build(len: usize, code: impl Fn(usize) -> Option<[u64; 4]>) -> Result<Self> {
        if u32::try_from(len).is_err() {
            return Err(Error::limit("codes", u32::MAX, len));
        }
        let mut words = vec![0; 4 * len];
        // One pass over the codes and four streams out, rather than four passes.
        let (ab, cd) = words.split_at_mut(2 * len);
        let ((a, b), (c, d)) = (ab.split_at_mut(len), cd.split_at_mut(len));
        let columns = a.iter_mut().zip(b).zip(c).zip(d);
        for (i, (((a, b), c), d)) in columns.enumerate() {
            if let Some(code) = code(i) {
                [*a, *b, *c, *d] = code;
            }
        }
        Ok(Self { words, len })
    }

    /// The number of codes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory for each code, everything included; 0 for an empty set.
    pub fn bytes_per_code(&self) -> f64 {
        if self.len == 0 {
            return 0.0;
        }
        size_of_val(self.words.as_slice()) as f64 / self.len as f64
    }

    /// The set, ready to be searched.
    pub fn view(&self) -> HammingIndex<'_> {
        HammingIndex::new(self.planes())
    }

    fn planes(&self) -> Planes<'_> {
        let plane = |w: usize| {
            self.words
                .get(w * self.len..(w + 1) * self.len)
                .unwrap_or_default()
        };
        // `words` holds four planes of `len` words, so none is shorter than the others.
        Planes::new([plane(0), plane(1), plane(2), plane(3)]).unwrap_or_default()
    }
}

impl<'a> From<&'a CodeSet> for HammingIndex<'a> {
    fn from(set: &'a CodeSet) -> Self {
        set.view()
    }
}
