//! The index: an immutable search structure over fingerprints, in one file.
//!
//! [`IndexWriter`] collects fingerprints and writes the file. [`Index`] opens it and looks up
//! [digests](Index::digests), similar [pictures](Index::pictures), [grams](Index::grams) of text
//! and [cells](Index::cells) of tables. The [matcher](crate::matcher) weighs what is found.
//!
//! Opening maps the file and reads only its first kilobytes, whatever its size. A damaged section
//! is noticed when it is read: every accessor checks what it reads, and returns an error of kind
//! [`Corrupt`](ErrorKind::Corrupt) rather than panic or read out of bounds. [`Index::verify`]
//! checks the whole file.
//!
//! # What an index reveals
//! Names and paths are stored in the clear. Anybody who has a file can tell by its digest whether
//! it is in the index. PDQ and gradient codes are not pictures, but can be compared with any
//! picture, and reveal about as much of their own as a grid of 16 x 16 bits. Grams, cells and
//! sketches are keyed: without the [`Key`] they are random numbers. An index made with a random key
//! stores the key, so that it can be used by itself; anybody who has such a file can test guesses
//! of sentences. To keep the key out of the file, give one to the fingerprinter: then
//! `IndexWriter::from` does not store it.
//!
//! # The file
#![doc = include_str!("FORMAT.md")]

mod buckets;
mod calibrated;
mod cells;
mod digests;
pub(crate) mod filter;
mod frequency;
mod golomb;
pub mod hamming;
mod index_set;
mod info;
mod item_set;
mod layout;
mod local;
mod map;
mod pages;
mod pictures;
mod postings;
mod records;
mod replace;
mod shared;
mod tables;
#[cfg(test)]
mod tests;
pub(crate) mod values;
mod verify;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable};

use crate::calibration::StoredCalibration;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::Result;
use crate::fingerprint::{Key, KeyId, Recipe};

pub use crate::id::{ItemId, PartId};
pub use cells::{CellList, Cells, PlacedCell};
pub use digests::{DigestHit, DigestKind, Digests};
pub use hamming::{Backend, CodeHit, CodeSet, Engine, HammingIndex, SearchStats};
pub use info::{IndexInfo, SectionInfo};
pub use layout::FORMAT_VERSION;
pub use pictures::{PictureInfo, Pictures};
pub use postings::{Grams, PostingList};
pub use shared::SharedContent;
pub use tables::PartInfo;
pub use writer::IndexWriter;

pub(crate) use index_set::{IndexGroup, IndexSet, IndexView};
pub(crate) use item_set::ItemSet;
pub(crate) use map::{Access, Bytes};
pub(crate) use values::{PlacedValue, Values};
pub(crate) use writer::{Discounts, StopPrints};

pub(crate) use local::{KEY_BITS, Locals, StoredPrint, TABLES, check};

use buckets::{MAX_DISPLACEMENT, SLOTS};
use hamming::SetLayout;
use layout::{Layout, Section};
use records::{KEY_STORED, MetaRecord};

/// An opened index. Cheap to clone: all clones share one mapping.
///
/// ```
/// # let mut writer = leakprint::example::memo_writer()?;
/// use leakprint::{Executor, Index};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("leak.lpx");
/// writer.save(&path, &Executor::serial())?;
/// let index = Index::open(&path)?;
/// index.verify(&Executor::serial())?; // the whole file; opening reads only the header
/// assert_eq!(index.item_name(index.item_by_name("memo.txt")?.unwrap())?, "memo.txt");
/// assert!(index.info().grams > 0 && index.pictures().is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone)]
pub struct Index(Arc<Inner>);

/// The bytes of an index, and what was read from its header.
struct Inner {
    bytes: Bytes,
    layout: Layout,
    meta: MetaRecord,
    recipe: Recipe,
    pdq: SetLayout,
    gradient: SetLayout,
    calibration: StoredCalibration,
}

impl Index {
    /// Opens an index file by memory map, in time independent of its size.
    ///
    /// No program may change the file in place while it is open: the mapping is sound only under
    /// this condition. Replace the file by renaming another over it, as [`IndexWriter::save`] does;
    /// open indexes then keep the old content. If another program truncates an open file, the
    /// operating system ends the process (`SIGBUS`). Where that cannot be ruled out, use
    /// [`load`](Self::load).
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if the file cannot be read, [`Version`](ErrorKind::Version)
    /// if it is no index or one of another format version, [`Recipe`](ErrorKind::Recipe)
    /// if its prints were made by another version of the recipe,
    /// [`Corrupt`](ErrorKind::Corrupt) if its header or section table is damaged or the file is
    /// truncated.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Bytes::open(path, Access::Map, "index")
            .and_then(Self::from_mapped)
            .map_err(|e| e.with_path(path))
    }

    /// Reads an index file into memory, on huge pages where the system has them. A look-up takes up
    /// to two fifths less time than in a [mapped](Self::open) file, and other programs cannot change
    /// what is searched.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Bytes::open(path, Access::Load, "index")
            .and_then(Self::from_mapped)
            .map_err(|e| e.with_path(path))
    }

    /// Opens an index in memory. Copies the bytes once, to align them.
    ///
    /// # Errors
    /// As [`open`](Self::open), except [`Io`](ErrorKind::Io).
    ///
    /// ```
    /// use leakprint::{ErrorKind, Executor, Fingerprinter, Index, IndexWriter};
    ///
    /// let mut bytes = IndexWriter::from(&Fingerprinter::builder().build()?).to_bytes(&Executor::serial())?;
    /// assert_eq!(Index::from_bytes(&bytes)?.item_count(), 0);
    /// bytes.truncate(1000);
    /// assert_eq!(Index::from_bytes(&bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_mapped(Bytes::copy_of(bytes.as_ref()))
    }

    pub(crate) fn from_mapped(bytes: Bytes) -> Result<Self> {
        let layout = Layout::read(&bytes)?;
        let (meta, recipe) = read_meta(&bytes, &layout)?;
        let set = |section: Section| {
            let bytes = bytes.get(layout.extent(section).range());
            let set = SetLayout::read(bytes.unwrap_or_default())
                .map_err(|e| section.corrupt(e.message()))?;
            if set.len() != meta.pictures as usize {
                return Err(section.corrupt("not as many codes as pictures"));
            }
            Ok(set)
        };
        let (pdq, gradient) = (set(Section::PdqCodes)?, set(Section::GradientCodes)?);
        let mut inner = Inner {
            bytes,
            layout,
            meta,
            recipe,
            pdq,
            gradient,
            calibration: StoredCalibration::None,
        };
        inner.check_counts()?;
        inner.calibration = inner.read_calibration()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Returns how the prints in this index were made. Only fingerprints of the same recipe match.
    pub fn recipe(&self) -> &Recipe {
        &self.0.recipe
    }

    /// Returns the key of the prints, if it is stored in the file. Otherwise a matcher needs it from
    /// elsewhere; see [`Matcher::with_key`](crate::Matcher::with_key).
    pub fn key(&self) -> Option<Key> {
        (self.0.meta.flags & KEY_STORED != 0).then(|| Key::from_bytes(self.0.meta.key))
    }

    /// Returns the exact digests.
    pub fn digests(&self) -> Digests<'_> {
        Digests::new(&self.0)
    }

    /// Returns the pictures and their perceptual codes.
    pub fn pictures(&self) -> Pictures<'_> {
        Pictures::new(&self.0)
    }

    /// Returns the local prints of the pictures.
    pub(crate) fn locals(&self) -> Locals<'_> {
        Locals::new(&self.0)
    }

    /// Returns the cells of tables.
    pub fn cells(&self) -> Cells<'_> {
        Cells::new(&self.0)
    }

    /// Returns whether there are values in texts.
    pub(crate) fn has_values(&self) -> bool {
        self.0.layout.count(layout::Section::Values) > 0
    }

    /// Returns the values in the text of a part.
    pub(crate) fn values(&self, part: PartId) -> Result<Values<'_>> {
        self.0.values(part)
    }

    /// Returns the grams of texts.
    pub fn grams(&self) -> Grams<'_> {
        Grams::new(&self.0)
    }
}

impl fmt::Debug for Index {
    /// Prints the counts; never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("recipe", &self.0.recipe)
            .field("items", &self.0.meta.items)
            .field("parts", &self.0.meta.parts)
            .field("pictures", &self.0.meta.pictures)
            .field("postings", &self.0.meta.postings)
            .finish_non_exhaustive()
    }
}

/// Reads the `meta` section. Its checksum and that of `calibration` are verified at opening.
fn read_meta(bytes: &[u8], layout: &Layout) -> Result<(MetaRecord, Recipe)> {
    let corrupt = |what: &str| Section::Meta.corrupt(what);
    let extent = layout.extent(Section::Meta);
    let section = bytes.get(extent.range()).unwrap_or_default();
    let meta = MetaRecord::read_from_bytes(section).map_err(|_| corrupt("not one record"))?;
    if *blake3::hash(section).as_bytes() != extent.checksum {
        return Err(corrupt("the checksum does not match"));
    }
    Recipe::check_version(meta.recipe_version)?;
    let recipe = Recipe::new(meta.window, KeyId(meta.key_id))
        .map_err(|e| corrupt(e.message()).with_source(e))?;
    if meta.flags & !KEY_STORED != 0 || meta.reserved != [0; 16] {
        return Err(corrupt("unknown flags"));
    }
    if meta.place_order > 31 || meta.multiplier % 2 == 0 {
        return Err(corrupt("an invalid hash function of grams"));
    }
    let stored = meta.flags & KEY_STORED != 0;
    if stored && Key::from_bytes(meta.key).id() != recipe.key_id {
        return Err(corrupt("the stored key is not that of the prints"));
    }
    if !stored && meta.key != [0; 32] {
        return Err(corrupt("a key that the flags do not declare"));
    }
    Ok((meta, recipe))
}

impl Inner {
    /// Returns the bytes of a section.
    fn section(&self, section: Section) -> &[u8] {
        let range = self.layout.extent(section).range();
        self.bytes.get(range).unwrap_or_default()
    }

    /// Returns the elements of a section.
    fn slice<T: FromBytes + Immutable>(&self, section: Section) -> &[T] {
        let bytes = self.section(section);
        // Bounds, alignment and stride were checked at opening, so this cannot fail. If it did, an
        // empty section would lead to typed errors, not panics.
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }

    /// Checks that the sections have as many elements as the meta section says.
    fn check_counts(&self) -> Result<()> {
        let meta = &self.meta;
        // A print is in every table or in none.
        let entries = self.layout.count(Section::LocalEntries);
        let listed = entries / TABLES;
        let expected = [
            (Section::Meta, Some(1)),
            (Section::Items, Some(meta.items as usize)),
            (Section::ItemOrder, Some(meta.items as usize)),
            (Section::Parts, Some(meta.parts as usize)),
            (Section::Digests, Some(meta.digests as usize)),
            (Section::DigestRefs, Some(meta.digests as usize)),
            (Section::Pictures, Some(meta.pictures as usize)),
            (Section::Sketches, Some(meta.pictures as usize)),
            (Section::LocalBuckets, Some(local::bucket_bounds(listed))),
            (Section::LocalEntries, listed.checked_mul(TABLES)),
            (Section::Cells, Some(meta.cells as usize)),
            (Section::CellPlaces, Some(meta.cell_places as usize)),
        ];
        for (section, expected) in expected {
            let count = self.layout.count(section);
            if Some(count) != expected {
                return Err(section.corrupt(format_args!(
                    "{count} elements, which is not what the meta section says"
                )));
            }
        }
        let (homes, grams) = (meta.homes as usize, meta.grams as usize);
        let buckets = self.layout.count(Section::GramBuckets);
        // Every gram has a home, and the last grams may overflow beyond the last home.
        if (homes == 0) != (grams == 0)
            || buckets < homes
            || buckets > homes + MAX_DISPLACEMENT
            || grams > buckets.saturating_mul(SLOTS)
        {
            return Err(Section::GramBuckets.corrupt(format_args!(
                "{buckets} buckets, which is not what the meta section says"
            )));
        }
        // A gram has a list, a list has at least a byte, and a place at least two bits.
        let (postings, bytes) = (meta.postings as usize, self.layout.count(Section::Postings));
        if grams > postings || grams > bytes || bytes.saturating_mul(4) < postings {
            return Err(Section::Postings.corrupt(format_args!(
                "{bytes} bytes, which is not what the meta section says"
            )));
        }
        Ok(())
    }
}
