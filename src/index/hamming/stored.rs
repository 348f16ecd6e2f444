//! A set of codes as bytes: a file, or a section of an index, that is searched in place. Described
//! in `CODES.md`.
//!
//! Opening checks the header, so that the parts can be sliced from the bytes. It does not check the
//! content of the parts: searches do not trust it, and [`SetLayout::verify`] checks all of it.

use std::ops::Range;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::HammingIndex;
use super::codes::plane_words;
use super::multi::{CHUNKS, MultiIndex, VALUES};
use crate::arch::Planes;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Executor;

/// The version of the format of code sets that this build writes, and the only one it reads.
pub const CODE_SET_VERSION: u32 = 1;

/// That of an index with one letter changed.
const MAGIC: [u8; 8] = *b"\x89LKC\r\n\x1a\n";

/// Parts begin at multiples of this.
const ALIGN: usize = 64;

/// In [`Header::forms`]: the codes as planes, to be scanned.
const PLANES: u32 = 1;
/// In [`Header::forms`]: the codes with tables.
const TABLES: u32 = 2;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: u32,
    forms: u32,
    codes: u32,
    /// Codes without their repetitions; 0 without tables.
    distinct: u32,
    /// Bytes of header and parts.
    len: u64,
    /// BLAKE3 of the header, with zeros in place of this field.
    checksum: [u8; 32],
    /// BLAKE3 of everything after the header.
    content: [u8; 32],
    /// Where each table begins among the words, and where the last one ends.
    bases: [u64; CHUNKS + 1],
    reserved: [u8; 24],
}

const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER == 256);

impl Header {
    fn checksum(&self) -> [u8; 32] {
        let header = Self {
            checksum: [0; 32],
            ..*self
        };
        *blake3::hash(header.as_bytes()).as_bytes()
    }
}

/// The extents of the parts of a set, checked against the length of its bytes.
#[derive(Clone, Debug)]
pub(in crate::index) struct SetLayout {
    codes: usize,
    distinct: usize,
    content: [u8; 32],
    bases: [usize; CHUNKS + 1],
    parts: Parts,
}

#[derive(Clone, Debug, Default)]
struct Parts {
    planes: Option<Range<usize>>,
    tables: Option<[Range<usize>; 4]>,
    /// Bytes of header and parts.
    len: usize,
}

impl Parts {
    /// Computes the extents of the parts; returns `None` on overflow.
    fn new(forms: u32, codes: usize, distinct: usize, words: usize) -> Option<Self> {
        let mut parts = Self {
            len: HEADER,
            ..Self::default()
        };
        let mut next = |count: usize, stride: usize| {
            let start = parts.len;
            let end = start.checked_add(count.checked_mul(stride)?)?;
            parts.len = end.checked_next_multiple_of(ALIGN)?;
            Some(start..end)
        };
        let planes = if forms & PLANES == 0 {
            None
        } else {
            Some(next(plane_words(codes)?.checked_mul(4)?, 8)?)
        };
        let tables = if forms & TABLES == 0 {
            None
        } else {
            Some([
                next(codes, 32)?,
                next(codes.checked_sub(distinct)?, 8)?,
                next(CHUNKS * (VALUES + 1), 4)?,
                next(words, 2)?,
            ])
        };
        (parts.planes, parts.tables) = (planes, tables);
        Some(parts)
    }
}

impl SetLayout {
    /// Reads and checks the header, and nothing else.
    pub(in crate::index) fn read(bytes: &[u8]) -> Result<Self> {
        let magic = bytes.get(..MAGIC.len().min(bytes.len()));
        if bytes.is_empty() || !MAGIC.starts_with(magic.unwrap_or_default()) {
            return Err(Error::new(
                ErrorKind::Version,
                "this is no stored set of codes: it does not begin with the magic bytes",
            ));
        }
        let (header, _) = Header::read_from_prefix(bytes)
            .map_err(|_| corrupt(format_args!("it ends after {} bytes", bytes.len())))?;
        if header.version != CODE_SET_VERSION {
            return Err(Error::new(
                ErrorKind::Version,
                format!(
                    "the set of codes has version {}, this build reads {CODE_SET_VERSION}: rebuild \
                     it from the codes",
                    header.version
                ),
            ));
        }
        if header.checksum() != header.checksum {
            return Err(corrupt("the checksum of the header does not match"));
        }
        if header.len != bytes.len() as u64 {
            return Err(corrupt(format_args!(
                "it has {} bytes, its header says {}",
                bytes.len(),
                header.len
            )));
        }
        let layout = || {
            let has_tables = header.forms & TABLES != 0;
            let known = (1..=PLANES | TABLES).contains(&header.forms);
            let tidy = header.reserved == [0; 24] && header.bases[0] == 0;
            let bare = has_tables || (header.distinct == 0 && header.bases[CHUNKS] == 0);
            if !known || !tidy || !bare || !header.bases.is_sorted() {
                return None;
            }
            let mut bases = [0; CHUNKS + 1];
            for (base, &stored) in bases.iter_mut().zip(&header.bases) {
                *base = usize::try_from(stored).ok()?;
            }
            let (codes, distinct) = (header.codes as usize, header.distinct as usize);
            let parts = Parts::new(header.forms, codes, distinct, bases[CHUNKS])?;
            (parts.len == bytes.len()).then_some(Self {
                codes,
                distinct,
                content: header.content,
                bases,
                parts,
            })
        };
        layout().ok_or_else(|| corrupt("the header is invalid in its version"))
    }

    /// Returns the number of codes.
    pub(in crate::index) fn len(&self) -> usize {
        self.codes
    }

    /// Returns a searchable view of the set in the bytes that the layout was read from.
    pub(in crate::index) fn view<'a>(&self, bytes: &'a [u8]) -> HammingIndex<'a> {
        HammingIndex::new(self.planes(bytes), self.tables(bytes))
    }

    fn planes<'a>(&self, bytes: &'a [u8]) -> Option<Planes<'a>> {
        let words: &[u64] = part(bytes, self.parts.planes.as_ref()?);
        let stride = words.len() / 4;
        let plane = |w: usize| words.get(w * stride..w * stride + self.codes);
        let plane = |w: usize| plane(w).unwrap_or_default();
        Planes::new([plane(0), plane(1), plane(2), plane(3)])
    }

    fn tables<'a>(&self, bytes: &'a [u8]) -> Option<MultiIndex<'a>> {
        let [codes, duplicates, starts, words] = self.parts.tables.as_ref()?;
        Some(MultiIndex {
            codes: part(bytes, codes),
            distinct: self.distinct,
            duplicates: part(bytes, duplicates),
            starts: part(bytes, starts),
            bases: self.bases,
            words: part(bytes, words),
        })
    }

    /// Reads and checks the whole set: the checksum, and the invariants that searches rely on.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) with the first damage.
    pub(in crate::index) fn verify(&self, bytes: &[u8], exec: &Executor) -> Result<()> {
        let content = bytes.get(HEADER..).unwrap_or_default();
        if *blake3::hash(content).as_bytes() != self.content {
            return Err(corrupt("the checksum does not match"));
        }
        // The checksum holds, so a failure from here on is a fault of the writer, or the file was
        // forged by somebody who computed the checksum again.
        let none = 0..0;
        let parts = self.parts.planes.iter();
        let parts = parts.chain(self.parts.tables.iter().flatten());
        let starts = parts.clone().skip(1).map(|part| part.start);
        for (part, next) in parts.clone().zip(starts.chain([self.parts.len])) {
            let gap = bytes.get(part.end..next).unwrap_or_default();
            if gap.iter().any(|&byte| byte != 0) {
                return Err(corrupt("the padding of a part is not zero"));
            }
        }
        let words: &[u64] = part(bytes, self.parts.planes.as_ref().unwrap_or(&none));
        let padded = plane_words(self.codes).unwrap_or(self.codes).max(1);
        let padding = words.chunks(padded).filter_map(|p| p.get(self.codes..));
        if padding.flatten().any(|&word| word != 0) {
            return Err(corrupt("the padding of a plane is not zero"));
        }
        let Some(tables) = self.tables(bytes) else {
            return Ok(());
        };
        if let Some(planes) = self.planes(bytes)
            && (0..self.codes).any(|i| planes.get(i) != tables.get(i))
        {
            return Err(corrupt("planes and tables have different codes"));
        }
        tables.verify(exec).map_err(corrupt)
    }
}

/// A set to be written.
pub(in crate::index) struct StoredSet<'a> {
    planes: Option<Planes<'a>>,
    tables: Option<MultiIndex<'a>>,
    header: Header,
}

impl<'a> StoredSet<'a> {
    /// Prepares planes, tables, or both of the same codes for writing; with neither, an empty set.
    pub(super) fn new(planes: Option<Planes<'a>>, tables: Option<MultiIndex<'a>>) -> Result<Self> {
        let planes = match (planes, tables) {
            (None, None) => Some(Planes::default()),
            _ => planes,
        };
        let codes = planes.map_or_else(|| tables.map_or(0, |t| t.len()), |p| p.len());
        let distinct = tables.map_or(0, |tables| tables.distinct);
        let bases = tables.map_or([0; CHUNKS + 1], |tables| tables.bases);
        let forms = u32::from(planes.is_some()) * PLANES + u32::from(tables.is_some()) * TABLES;
        let too_many = || Error::limit("codes", u32::MAX, codes);
        let parts = Parts::new(forms, codes, distinct, bases[CHUNKS]).ok_or_else(too_many)?;
        let mut set = Self {
            planes,
            tables,
            header: Header {
                magic: MAGIC,
                version: CODE_SET_VERSION,
                forms,
                codes: u32::try_from(codes).map_err(|_| too_many())?,
                distinct: u32::try_from(distinct).map_err(|_| too_many())?,
                len: parts.len as u64,
                checksum: [0; 32],
                content: [0; 32],
                bases: bases.map(|base| base as u64),
                reserved: [0; 24],
            },
        };
        let mut hasher = blake3::Hasher::new();
        set.put_parts(|bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        set.header.content = *hasher.finalize().as_bytes();
        set.header.checksum = set.header.checksum();
        Ok(set)
    }

    /// Passes the bytes of the set to `out`, from front to back.
    pub(in crate::index) fn put(&self, mut out: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        out(self.header.as_bytes())?;
        self.put_parts(out)
    }

    fn put_parts(&self, mut out: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let padding = [0; ALIGN];
        let pad = |bytes: usize, out: &mut dyn FnMut(&[u8]) -> Result<()>| {
            out(padding.get(..bytes).unwrap_or_default())
        };
        if let Some(planes) = &self.planes {
            for plane in planes.words() {
                let bytes = plane.as_bytes();
                out(bytes)?;
                let padded = plane_words(plane.len()).unwrap_or(plane.len());
                pad(8 * padded - bytes.len(), &mut out)?;
            }
        }
        if let Some(tables) = &self.tables {
            for bytes in [
                tables.codes.as_bytes(),
                tables.duplicates.as_bytes(),
                tables.starts.as_bytes(),
                tables.words.as_bytes(),
            ] {
                out(bytes)?;
                pad(bytes.len().next_multiple_of(ALIGN) - bytes.len(), &mut out)?;
            }
        }
        Ok(())
    }
}

/// Returns the elements of a part.
fn part<'a, T: FromBytes + Immutable>(bytes: &'a [u8], range: &Range<usize>) -> &'a [T] {
    let bytes = bytes.get(range.clone()).unwrap_or_default();
    // Bounds, alignment and stride follow from the layout, so this cannot fail. If it did, an empty
    // part would have no hits.
    <[T]>::ref_from_bytes(bytes).unwrap_or_default()
}

fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("set of codes: {what}"))
}
