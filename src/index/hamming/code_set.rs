//! Sets of codes without an index: built in memory, saved and opened.

use std::io::Write;
use std::path::Path;

use crate::arch::Planes;
use crate::code::Code256;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::map::{Access, Bytes};
use crate::index::replace::replace;

use super::multi::MultiTables;
use super::stored::{SetLayout, StoredSet};
use super::{Engine, HammingIndex};

/// Codes from which on tables are faster than a scan.
const MIN_CODES_FOR_TABLES: usize = 20_000;

/// A searchable set of 256-bit codes, for hash lists and raw codes.
///
/// Takes 32 bytes a code as a structure of arrays. With tables, which make a search at the usual
/// radii hundreds of times faster, it takes 4 MiB and about 100 bytes a distinct code; building them
/// takes about 40 bytes a code more, and 8 for each thread.
///
/// A set can be [saved](Self::save). [Opening](Self::open) the file takes no time, however large it
/// is: it is searched in place.
///
/// ```
/// use leakprint::index::{CodeSet, Engine};
/// use leakprint::{Code256, Executor};
///
/// let exec = Executor::serial();
/// let list: Vec<u8> = (0..9_u8).flat_map(|i| [i; 32]).collect();
/// let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("list.lkc");
/// CodeSet::from_records(&list, Engine::Mih, &exec)?.save(&file)?;
///
/// let set = CodeSet::open(&file)?;
/// set.verify(&exec)?;
/// let query = Code256([0x0303_0303_0303_0302; 4]);
/// let (hits, _) = set.view().search(&[query], 31, &exec)?;
/// let found: Vec<_> = hits.iter().map(|h| (h.code, h.distance)).collect();
/// assert_eq!(found, [(2, 28), (3, 4)]);
/// # Ok::<(), leakprint::Error>(())
/// ```
pub struct CodeSet(Layout);

enum Layout {
    /// Plane after plane, each of `len` words.
    Planes {
        words: Vec<u64>,
        len: usize,
    },
    Multi(MultiTables),
    Stored {
        bytes: Bytes,
        layout: SetLayout,
    },
}

impl Default for CodeSet {
    fn default() -> Self {
        Self(Layout::Planes {
            words: Vec::new(),
            len: 0,
        })
    }
}

impl std::fmt::Debug for CodeSet {
    /// Prints the number of codes and how they are stored.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeSet")
            .field("len", &self.len())
            .field("has_tables", &self.has_tables())
            .field("stored", &matches!(self.0, Layout::Stored { .. }))
            .finish()
    }
}

impl CodeSet {
    /// Makes a set without tables of codes, which are numbered from 0 in their order.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    ///
    /// ```
    /// use leakprint::Code256;
    /// use leakprint::index::CodeSet;
    ///
    /// let set = CodeSet::from_codes([Code256([1; 4]), Code256([2; 4])])?;
    /// assert_eq!((set.len(), set.has_tables()), (2, false));
    /// assert_eq!(set.view().get(1), Some(Code256([2; 4])));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn from_codes<I>(codes: I) -> Result<Self>
    where
        I: IntoIterator<Item = Code256>,
    {
        let codes: Vec<Code256> = codes.into_iter().collect();
        let code = |i: usize| codes.get(i).map_or([0; 4], |code| code.0);
        Self::build(codes.len(), code, Engine::Scan, &Executor::serial())
    }

    /// Makes a set of raw codes: 32 bytes each as [`Code256::to_le_bytes`] writes them, without a
    /// header. Makes tables for [`Mih`](Engine::Mih), and for [`Auto`](Engine::Auto) from 20,000
    /// codes on.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) unless the length is a multiple of 32,
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on, with tables from about 10^9.
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

    pub(in crate::index) fn build(
        len: usize,
        code: impl Fn(usize) -> [u64; 4] + Sync,
        engine: Engine,
        exec: &Executor,
    ) -> Result<Self> {
        let has_tables = match engine {
            Engine::Auto => len >= MIN_CODES_FOR_TABLES,
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
        // One pass over the codes that writes four streams, rather than four passes.
        let (ab, cd) = words.split_at_mut(2 * len);
        let ((a, b), (c, d)) = (ab.split_at_mut(len), cd.split_at_mut(len));
        let columns = a.iter_mut().zip(b).zip(c).zip(d);
        for (i, (((a, b), c), d)) in columns.enumerate() {
            [*a, *b, *c, *d] = code(i);
        }
        Ok(Self(Layout::Planes { words, len }))
    }

    /// Opens a file that [`save`](Self::save) wrote, by memory map, in time independent of its size:
    /// only the header is read and checked. Searches of a damaged file may return wrong results;
    /// [`verify`](Self::verify) detects the damage.
    ///
    /// No program may change the file in place while it is open, as for
    /// [`Index::open`](crate::Index::open). Where that cannot be ruled out, use
    /// [`load`](Self::load).
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) if the file cannot be read,
    /// [`Version`](crate::ErrorKind::Version) if it is no set of codes or one of
    /// another version, [`Corrupt`](crate::ErrorKind::Corrupt) if its header is damaged or the file
    /// is truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::stored(path.as_ref(), Access::Map)
    }

    /// Reads a file that [`save`](Self::save) wrote into memory, on huge pages where the system has
    /// them. Searches are as fast as in a set that was just built.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::stored(path.as_ref(), Access::Load)
    }

    /// Opens a set from the bytes of a file. Copies them once, to align them.
    ///
    /// # Errors
    /// As [`open`](Self::open), except [`Io`](crate::ErrorKind::Io).
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_stored(Bytes::copy_of(bytes.as_ref()))
    }

    fn stored(path: &Path, access: Access) -> Result<Self> {
        Bytes::open(path, access, "set of codes")
            .and_then(Self::from_stored)
            .map_err(|e| e.with_path(path))
    }

    pub(crate) fn from_stored(bytes: Bytes) -> Result<Self> {
        let layout = SetLayout::read(&bytes)?;
        Ok(Self(Layout::Stored { bytes, layout }))
    }

    /// Reads all of an [opened](Self::open) file into the page cache, so that the first searches do
    /// not wait for it. Takes as long as reading the file.
    pub fn warm(&self) {
        if let Layout::Stored { bytes, .. } = &self.0 {
            bytes.warm();
        }
    }

    /// Writes the set to a file atomically: writes a temporary file in the same folder, syncs it and
    /// renames it over `path`. The bytes depend on the codes and on whether there are tables, not
    /// on the number of threads that built them.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let what = "cannot write the set of codes";
        let write = |file: &mut std::fs::File| {
            let failed = |e| Error::io(what, e);
            self.to_stored()?
                .put(|bytes| file.write_all(bytes).map_err(failed))
        };
        replace(path, what, write).map_err(|e| e.with_path(path))
    }

    /// Returns the bytes that [`save`](Self::save) would write.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if the set has more codes than a file can hold; never for
    /// a set that was built here.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        self.to_stored()?.put(|bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    }

    /// Passes the bytes of [`to_bytes`](Self::to_bytes) to `out`, piece by piece.
    pub(crate) fn put(&self, out: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.to_stored()?.put(out)
    }

    fn to_stored(&self) -> Result<StoredSet<'_>> {
        self.view().to_stored()
    }

    /// Reads and checks all of a stored set: its checksum, and that the tables are those of the
    /// codes. Does nothing for a set that was built here.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) with the first damage.
    pub fn verify(&self, exec: &Executor) -> Result<()> {
        match &self.0 {
            Layout::Stored { bytes, layout } => layout.verify(bytes, exec),
            _ => Ok(()),
        }
    }

    /// Returns the number of codes.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Returns whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether there are tables. Without them every search is a scan.
    pub fn has_tables(&self) -> bool {
        self.view().has_tables()
    }

    /// Returns the bytes of memory, or of the file, for each code, everything included; 0 for an
    /// empty set.
    pub fn bytes_per_code(&self) -> f64 {
        let bytes = match &self.0 {
            Layout::Planes { words, .. } => size_of_val(words.as_slice()),
            Layout::Multi(tables) => tables.view().bytes(),
            Layout::Stored { bytes, .. } => bytes.len(),
        };
        match self.len() {
            0 => 0.0,
            len => bytes as f64 / len as f64,
        }
    }

    /// Returns a searchable view of the set.
    pub fn view(&self) -> HammingIndex<'_> {
        match &self.0 {
            Layout::Planes { words, len } => {
                let plane = |w: usize| words.get(w * len..(w + 1) * len).unwrap_or_default();
                // `words` holds four planes of `len` words, so all have the same length.
                let planes = Planes::new([plane(0), plane(1), plane(2), plane(3)]);
                HammingIndex::new(planes, None)
            }
            Layout::Multi(tables) => HammingIndex::new(None, Some(tables.view())),
            Layout::Stored { bytes, layout } => layout.view(bytes),
        }
    }
}

impl<'a> From<&'a CodeSet> for HammingIndex<'a> {
    fn from(set: &'a CodeSet) -> Self {
        set.view()
    }
}
