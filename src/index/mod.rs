//! The index: an immutable search structure over fingerprints, in one file.
//!
//! [`IndexWriter`] collects fingerprints and writes the file, [`Index`] opens
//! it and answers four questions: who has this [digest](Index::digests), who
//! shows a [picture](Index::pictures) like this one, who has this
//! [gram](Index::grams) or [cell](Index::cells) and where. What an answer is worth is for the matcher
//! to say.
//!
//! Opening maps the file and reads its first kilobytes only, whatever its
//! size. So a damaged section shows where it is read: every accessor checks
//! what it takes from the file and gives an error of kind
//! [`Corrupt`](ErrorKind::Corrupt) rather than panic or
//! read out of bounds. [`Index::verify`] checks all of it.
//!
//! # What an index gives away
//! Names and paths are in it in the clear. Digests answer "is it this very
//! file?"; PDQ and gradient codes are no pictures, but can be compared with any
//! picture, and show as much of one as 16 x 16 signs do. Grams, cells and sketches are
//! keyed: without the [`Key`] they are random numbers. An index made
//! without a key of the owner's carries a random one inside, so that it can be
//! used by itself; whoever has such a file can test guesses of sentences. Give
//! the fingerprinter a key of your own to keep the two apart: `IndexWriter::from` stores none then.
//!
//! # The file
#![doc = include_str!("FORMAT.md")]

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
mod buckets;
mod local;
mod map;
mod pages;
mod pictures;
mod postings;
mod records;
mod replace;
mod tables;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable};

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
pub use tables::PartInfo;
pub use writer::IndexWriter;

pub(crate) use index_set::{IndexGroup, IndexSet, IndexView};
pub(crate) use item_set::ItemSet;
pub(crate) use map::{Access, Bytes};
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
/// index.verify(&Executor::serial())?; // all of it; opening reads the header alone
/// assert_eq!(index.item_name(index.item_by_name("memo.txt")?.unwrap())?, "memo.txt");
/// assert!(index.info().grams > 0 && index.pictures().is_empty());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone)]
pub struct Index(Arc<Inner>);

/// The bytes of an index and where its sections lie.
struct Inner {
    bytes: Bytes,
    layout: Layout,
    meta: MetaRecord,
    recipe: Recipe,
    pdq: SetLayout,
    gradient: SetLayout,
}

impl Index {
    /// Opens an index file by memory map, in time that does not depend on its size.
    ///
    /// The file must not be changed in place while it is open, by nobody: the
    /// soundness of the mapping rests on it. Replace it by renaming another over
    /// it, as [`IndexWriter::save`] does, and readers keep the old content for as
    /// long as they hold it. If another program cuts an open file short, the
    /// operating system ends this one (`SIGBUS`). Where that cannot be ruled out,
    /// use [`load`](Self::load).
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if the file cannot be read, [`Version`](ErrorKind::Version)
    /// if it is no index or one of another format version, [`Recipe`](ErrorKind::Recipe)
    /// if its prints were made by another version of the recipe,
    /// [`Corrupt`](ErrorKind::Corrupt) if its header or section table is
    /// damaged or the file was cut short.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Bytes::open(path, Access::Map, "index")
            .and_then(Self::from_mapped)
            .map_err(|e| e.with_path(path))
    }

    /// Reads an index file into memory, on huge pages where the system has them: a
    /// lookup then takes up to two fifths less time than from the
    /// [map](Self::open), and nobody else can change what is searched.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Bytes::open(path, Access::Load, "index")
            .and_then(Self::from_mapped)
            .map_err(|e| e.with_path(path))
    }

    /// An index from bytes in memory, which are copied once to align them.
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
        let inner = Inner {
            bytes,
            layout,
            meta,
            recipe,
            pdq,
            gradient,
        };
        inner.check_counts()?;
        Ok(Self(Arc::new(inner)))
    }

    /// How the prints in this index were made. Only fingerprints of the same recipe can be matched.
    pub fn recipe(&self) -> &Recipe {
        &self.0.recipe
    }

    /// The key of the prints, if it is stored in the file; else whoever matches text must bring it.
    pub fn key(&self) -> Option<Key> {
        (self.0.meta.flags & KEY_STORED != 0).then(|| Key::from_bytes(self.0.meta.key))
    }

    /// The exact digests.
    pub fn digests(&self) -> Digests<'_> {
        Digests::new(&self.0)
    }

    /// The pictures and their perceptual codes.
    pub fn pictures(&self) -> Pictures<'_> {
        Pictures::new(&self.0)
    }

    /// The local prints of the pictures.
    pub(crate) fn locals(&self) -> Locals<'_> {
        Locals::new(&self.0)
    }

    /// The cells of tables.
    pub fn cells(&self) -> Cells<'_> {
        Cells::new(&self.0)
    }

    /// The text grams.
    pub fn grams(&self) -> Grams<'_> {
        Grams::new(&self.0)
    }
}

impl fmt::Debug for Index {
    /// The counts; never the key.
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

/// The one section that is read, and its checksum verified, at opening.
fn read_meta(bytes: &[u8], layout: &Layout) -> Result<(MetaRecord, Recipe)> {
    let corrupt = |what: &str| Section::Meta.corrupt(what);
    let extent = layout.extent(Section::Meta);
    let section = bytes.get(extent.range()).unwrap_or_default();
    let meta = MetaRecord::read_from_bytes(section).map_err(|_| corrupt("not one record"))?;
    if *blake3::hash(section).as_bytes() != extent.checksum {
        return Err(corrupt("the checksum does not hold"));
    }
    Recipe::check_version(meta.recipe_version)?;
    let recipe = Recipe::new(meta.window, KeyId(meta.key_id))
        .map_err(|e| corrupt(e.message()).with_source(e))?;
    if meta.flags & !KEY_STORED != 0 || meta.reserved != [0; 16] {
        return Err(corrupt("unknown flags"));
    }
    if meta.place_order > 31 || meta.multiplier % 2 == 0 {
        return Err(corrupt("a table of grams that is none"));
    }
    let stored = meta.flags & KEY_STORED != 0;
    if stored && Key::from_bytes(meta.key).id() != recipe.key_id {
        return Err(corrupt("the stored key is not the one of the prints"));
    }
    if !stored && meta.key != [0; 32] {
        return Err(corrupt("a key that is not declared"));
    }
    Ok((meta, recipe))
}

impl Inner {
    /// The bytes of a section.
    fn section(&self, section: Section) -> &[u8] {
        let range = self.layout.extent(section).range();
        self.bytes.get(range).unwrap_or_default()
    }

    /// The elements of a section.
    fn slice<T: FromBytes + Immutable>(&self, section: Section) -> &[T] {
        let bytes = self.section(section);
        // Bounds, alignment and stride were checked at opening, so this cannot
        // fail; and if it did, an empty section makes typed errors, not panics.
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }

    /// The sections must have as many elements as the meta section says.
    fn check_counts(&self) -> Result<()> {
        let meta = &self.meta;
        // A print stands in every table or in none.
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
