//! Building an index: fingerprints are collected in compact lists, sorted once and written section
//! by section.

mod cells;
mod discount;
mod emit;
mod grams;
mod local;
mod sink;
mod stop_pictures;
mod stop_prints;
mod values;
mod vouch;

use std::collections::HashSet;
use std::io::Cursor;
use std::path::Path;

use super::records::{ItemRecord, PartRecord, ValueRecord};
use super::replace::replace;
use super::{Index, ItemId, PartId};
use crate::code::Code256;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Executor;
use crate::fingerprint::{
    Digest, Fingerprint, Fingerprinter, Key, LocalPrint, PartPrints, RasterPrints, Recipe, Sketch,
    check_parts,
};
use crate::raster::{Dihedral, Texture};
use crate::text::{Zones, messages};

pub(crate) use discount::Discounts;
pub(crate) use stop_prints::StopPrints;

/// The number of pictures from which their codes get tables, at about 100 bytes a code more.
/// Matching searches at a radius where the scan is faster, so tables serve only direct searches of
/// the codes, and only where a scan takes long.
const MIN_PICTURES_FOR_TABLES: usize = 1 << 18;

/// Collects fingerprints and writes them as an index file.
///
/// Memory: 16 bytes a gram, 24 a cell, 40 a digest and 370 a picture, plus names and paths; saving
/// adds twenty bytes a distinct gram and eighty a message. The bytes written depend only on what was added and in which
/// order, not on the number of threads, the time or the machine.
///
/// ```
/// use leakprint::{Executor, Fingerprinter, Index, IndexWriter};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let fingerprinter = Fingerprinter::builder().build()?;
/// let mut writer = IndexWriter::from(&fingerprinter);
/// writer.add("leak/memo.txt", &fingerprinter.fingerprint(b"The memo.", Some("memo.txt"))?)?;
/// writer.save(folder.path().join("leak.lpx"), &Executor::serial())?;
///
/// let index = Index::open(folder.path().join("leak.lpx"))?;
/// assert!(index.item_by_name("leak/memo.txt")?.is_some());
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Debug)]
pub struct IndexWriter {
    recipe: Recipe,
    key: Option<Key>,
    names: HashSet<Box<str>>,
    strings: Vec<u8>,
    items: Vec<ItemRecord>,
    parts: Vec<PartRecord>,
    anchors: Vec<u32>,
    digests: Vec<DigestEntry>,
    pictures: Vec<PictureEntry>,
    /// The local prints of each picture.
    locals: Vec<Vec<LocalPrint>>,
    postings: Vec<Posting>,
    cells: Vec<cells::Entry>,
    values: Vec<ValueRecord>,
    messages: vouch::Messages,
    /// The grams in signatures and footers, each with its item.
    closings: Vec<(u64, u32)>,
    discounts: Discounts,
    /// Other indexes of the same collection.
    siblings: Vec<Index>,
    /// Pictures from which on their codes get tables.
    pub(super) tables_from: usize,
}

/// A digest, ordered as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct DigestEntry {
    digest: Digest,
    pixels: bool,
    part: u32,
}

#[derive(Clone, Copy, Debug)]
struct PictureEntry {
    part: u32,
    width: u32,
    height: u32,
    quality: u8,
    codes: PictureCodes,
    nn512: Code256,
    sketch: Sketch,
    texture: Texture,
}

/// The codes of the upright picture, by which two pictures are compared.
#[derive(Clone, Copy, Debug)]
struct PictureCodes {
    pdq: Code256,
    gradient: Code256,
}

impl PictureCodes {
    fn of(raster: &RasterPrints) -> Self {
        let [pdq, ..] = raster.pdq.variants;
        Self {
            pdq,
            gradient: raster.gradient.variant(Dihedral::Identity, false),
        }
    }
}

/// One place of a gram, ordered as it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Posting {
    print: u64,
    part: u32,
    at: u32,
}

impl IndexWriter {
    /// Makes a writer for fingerprints of a recipe: for prints that were made elsewhere, or to
    /// store a key that `IndexWriter::from(&fingerprinter)` would not store.
    ///
    /// With `stored_key` the index has the key in it and can be used by itself; without, matchers
    /// need the key from elsewhere. See [what an index reveals](super#what-an-index-reveals).
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) if the key is not the recipe's, or if this
    /// build does not make the recipe's version.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter, Key, Matcher};
    ///
    /// let key = Key::from_bytes([7; 32]);
    /// let prints = Fingerprinter::builder().key(key.clone()).build()?.fingerprint_text("The memo.")?;
    /// let mut writer = IndexWriter::new(prints.recipe.clone(), Some(key))?;
    /// writer.add("memo.txt", &prints)?;
    /// assert!(Matcher::new(writer.to_index()?).is_ok());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn new(recipe: Recipe, stored_key: Option<Key>) -> Result<Self> {
        Recipe::check_version(recipe.version)?;
        if let Some(key) = &stored_key {
            recipe.check_key(key)?;
        }
        let recipe = Recipe::new(recipe.window, recipe.key_id)?;
        Ok(Self::of(recipe, stored_key))
    }

    /// Makes a writer for a recipe that this build supports.
    fn of(recipe: Recipe, key: Option<Key>) -> Self {
        Self {
            recipe,
            key,
            names: HashSet::new(),
            strings: Vec::new(),
            items: Vec::new(),
            parts: Vec::new(),
            anchors: Vec::new(),
            digests: Vec::new(),
            pictures: Vec::new(),
            locals: Vec::new(),
            postings: Vec::new(),
            cells: Vec::new(),
            values: Vec::new(),
            messages: vouch::Messages::default(),
            closings: Vec::new(),
            discounts: Discounts::default(),
            siblings: Vec::new(),
            tables_from: MIN_PICTURES_FOR_TABLES,
        }
    }

    /// Returns the recipe that every fingerprint must have.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Returns the number of items added so far.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether no item was added yet.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds an item. An error leaves the writer unchanged and usable.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that was added before,
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key,
    /// [`Malformed`](ErrorKind::Malformed) for one with inconsistent places,
    /// [`Limit`](ErrorKind::Limit) from 2^32 parts, digests, grams or cells on.
    ///
    /// ```
    /// use leakprint::{ErrorKind, Fingerprinter, IndexWriter};
    ///
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let print = fingerprinter.fingerprint_text("The memo.")?;
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// assert_eq!(writer.add("memo.txt", &print)?.index(), 0);
    /// assert_eq!(writer.add("memo.txt", &print).unwrap_err().kind(), ErrorKind::InvalidInput);
    /// assert_eq!(writer.add("copy.txt", &print)?.index(), 1);
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn add(&mut self, name: &str, fingerprint: &Fingerprint) -> Result<ItemId> {
        self.recipe.check_same(&fingerprint.recipe)?;
        if self.names.contains(name) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("there is an item {name:?} already: give each item a unique name"),
            ));
        }
        self.check_room(name, &fingerprint.parts)?;

        let item = ItemId(self.items.len() as u32);
        let first_part = self.parts.len() as u32;
        let (name_at, name_len) = self.push_string(name);
        self.items.push(ItemRecord {
            name_at,
            name_len,
            first_part,
        });
        for part in &fingerprint.parts {
            self.push_part(item, part);
        }
        self.names.insert(name.into());
        Ok(item)
    }

    /// Discounts the content of a fingerprint: its digests, grams and cells, and pictures that look the
    /// same. For content that is known to be public or shared: signatures, disclaimers, templates,
    /// logos. Discounted content is not evidence. A passage may include it, and its evidence says how
    /// much of it is discounted.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter, Matcher};
    ///
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let footer = "This message is confidential and intended for the addressee alone; if you are \
    ///               not the addressee, delete it and tell the sender of it without delay.";
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// writer.add("mail.txt", &fingerprinter.fingerprint_text(&format!("See you on Friday. {footer}"))?)?;
    /// assert_eq!(Matcher::new(writer.to_index()?)?.find_text(footer)?.len(), 1);
    /// writer.ignore(&fingerprinter.fingerprint_text(footer)?)?;
    /// assert!(Matcher::new(writer.to_index()?)?.find_text(footer)?.is_empty());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn ignore(&mut self, fingerprint: &Fingerprint) -> Result<()> {
        self.recipe.check_same(&fingerprint.recipe)?;
        self.discounts.ignore(fingerprint);
        Ok(())
    }

    /// Adds a fingerprint of ordinary traffic: content that two or more of these have is discounted.
    /// Takes 8 bytes of memory for each of their grams.
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key.
    ///
    /// ```
    /// # use leakprint::example::{MEMO, memo_print, memo_writer};
    /// # let (print, mut writer) = (memo_print()?, memo_writer()?);
    /// use leakprint::Matcher;
    ///
    /// writer.background(&print)?;
    /// assert_eq!(Matcher::new(writer.to_index()?)?.find_text(MEMO)?.len(), 1);
    /// writer.background(&print)?; // another document with the same text
    /// assert!(Matcher::new(writer.to_index()?)?.find_text(MEMO)?.is_empty());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn background(&mut self, fingerprint: &Fingerprint) -> Result<()> {
        self.recipe.check_same(&fingerprint.recipe)?;
        self.discounts.background(fingerprint);
        Ok(())
    }

    /// Vouches for the text of a fingerprint: it is content however many items hold it, such as a memo that
    /// is in every mailbox. For what the index takes for a disclaimer, a form or a footer, because it
    /// is beside other text in most items. Outweighs [`ignore`](Self::ignore) and
    /// [`background`](Self::background).
    ///
    /// # Errors
    /// [`Recipe`](ErrorKind::Recipe) for a fingerprint of another recipe or key.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter, Matcher};
    ///
    /// let fingerprinter = Fingerprinter::builder().build()?;
    /// let clause = "The supplier returns to the board one percent of every invoice, in notes, by hand \
    ///     of the driver who brings the goods on the first Monday of the quarter.";
    /// let mut writer = IndexWriter::from(&fingerprinter);
    /// for n in 0..40 {
    ///     let contract = format!("{:?} {clause}", blake3::hash(&[n]));
    ///     writer.add(&n.to_string(), &fingerprinter.fingerprint_text(&contract)?)?;
    /// }
    /// assert!(Matcher::new(writer.to_index()?)?.find_text(clause)?.is_empty());
    /// writer.vouch(&fingerprinter.fingerprint_text(clause)?)?;
    /// let found = Matcher::new(writer.to_index()?)?.find_text(clause)?;
    /// assert_eq!(found[0].shared_by, Some(40));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn vouch(&mut self, fingerprint: &Fingerprint) -> Result<()> {
        self.recipe.check_same(&fingerprint.recipe)?;
        self.discounts.vouch(fingerprint);
        Ok(())
    }

    /// Adds another index of the same collection, whose pictures count for the rarity of details; if
    /// they are many, a sample of them. Its texts count for the frequency of grams.
    pub(crate) fn add_sibling(&mut self, index: &Index) {
        self.siblings.push(index.clone());
    }

    /// Writes the index to a file atomically: writes a temporary file in the same folder, syncs it
    /// and renames it over `path`. A crash leaves the old file or the new one, and perhaps a
    /// `.leakprint-*.tmp` in the folder.
    ///
    /// A new file is readable only by its owner (where the system has owners); one that replaces
    /// another keeps its permissions. More items may be added to the writer, and it may be saved
    /// again.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if the file cannot be written, [`Limit`](ErrorKind::Limit) for grams
    /// that were made up to collide.
    ///
    /// ```
    /// # use leakprint::example::{memo_print, memo_writer};
    /// # let (print, mut writer) = (memo_print()?, memo_writer()?);
    /// use leakprint::{Executor, Index};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("leak.lpx");
    /// writer.save(&path, &Executor::with_threads(2)?)?;
    /// let old = Index::open(&path)?;
    /// writer.add("copy.txt", &print)?;
    /// writer.save(&path, &Executor::with_threads(2)?)?;
    /// // An open index keeps the old content.
    /// assert_eq!((old.item_count(), Index::open(&path)?.item_count()), (1, 2));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn save(&mut self, path: impl AsRef<Path>, exec: &Executor) -> Result<()> {
        let path = path.as_ref();
        self.save_to(path, exec).map_err(|e| e.with_path(path))
    }

    fn save_to(&mut self, path: &Path, exec: &Executor) -> Result<()> {
        replace(path, "cannot write the index", |file| {
            self.write(file, exec)
        })
    }

    /// Returns the bytes that [`save`](Self::save) would write.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) as for [`save`](Self::save).
    pub fn to_bytes(&mut self, exec: &Executor) -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        self.write(&mut bytes, exec)?;
        Ok(bytes.into_inner())
    }

    /// Returns the index that [`save`](Self::save) would write, in memory: for tests, and for
    /// indexes that are searched where they are made. Works on the calling thread, and holds the
    /// bytes twice for a moment.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn to_index(&mut self) -> Result<Index> {
        Index::from_bytes(self.to_bytes(&Executor::serial())?)
    }

    /// Checks everything that can fail about an item, before anything is changed.
    fn check_room(&self, name: &str, parts: &[PartPrints]) -> Result<()> {
        let strings = parts.iter().map(|part| part.path.as_str()).chain([name]);
        for string in strings {
            fits("bytes of a name or path", 0, string.len())?;
        }
        let texts = || parts.iter().filter_map(|part| part.text.as_ref());
        check_parts(parts, &Deadline::never())?;
        for text in texts() {
            fits("anchors of a text", 0, text.anchors.len())?;
        }
        let digests = parts
            .iter()
            .map(|part| usize::from(part.bytes.is_some()) + usize::from(part.pixels().is_some()));
        fits("items", self.items.len(), 1)?;
        fits("parts", self.parts.len(), parts.len())?;
        fits("digests", self.digests.len(), digests.sum())?;
        let grams = texts().map(|text| text.grams.len()).sum();
        fits("grams", self.postings.len(), grams)?;
        let cells = parts.iter().map(|part| part.cells.len()).sum();
        fits("cells", self.cells.len(), cells)?;
        fits("values", self.values.len(), cells)
    }

    fn push_string(&mut self, string: &str) -> (u64, u32) {
        let at = self.strings.len() as u64;
        self.strings.extend_from_slice(string.as_bytes());
        (at, string.len() as u32)
    }

    fn push_part(&mut self, item: ItemId, prints: &PartPrints) {
        let part = PartId(self.parts.len() as u32).0;
        let (path_at, path_len) = self.push_string(prints.path.as_str());
        let mut record = PartRecord {
            path_at,
            anchors_at: self.anchors.len() as u64,
            path_len,
            anchors_len: 0,
            item: item.0,
            chars: 0,
            folded: 0,
            grams: 0,
            rows: 0,
            cells: 0,
            values_at: self.values.len() as u32,
            values: 0,
        };
        if let Some(text) = &prints.text {
            self.anchors.extend_from_slice(&text.anchors);
            record.anchors_len = text.anchors.len() as u32;
            record.chars = text.chars;
            record.folded = text.folded;
            record.grams = text.grams.len() as u32;
            self.postings.extend(text.grams.iter().map(|gram| Posting {
                print: gram.print,
                part,
                at: gram.at,
            }));
            let mut zones = Zones::new(&text.marks);
            let closing = text.grams.iter().filter(|gram| zones.closes(gram.at));
            self.closings
                .extend(closing.map(|gram| (gram.print, item.0)));
        }
        let (marks, grams, folded) = match &prints.text {
            Some(text) => (text.marks.as_slice(), text.grams.as_slice(), text.folded),
            None => Default::default(),
        };
        self.messages.push(messages(marks, folded), grams);
        (record.rows, record.cells) = cells::add(part, &prints.cells, &mut self.cells);
        record.values = values::add(&prints.cells, &mut self.values);
        self.parts.push(record);
        for (pixels, digest) in digests(prints) {
            self.digests.push(DigestEntry {
                digest,
                pixels,
                part,
            });
        }
        if let Some(raster) = &prints.raster {
            self.locals.push(local::select(raster));
            self.pictures.push(PictureEntry {
                part,
                width: raster.width,
                height: raster.height,
                quality: raster.pdq.quality,
                codes: PictureCodes::of(raster),
                nn512: raster.pdq_nn512,
                sketch: raster.sketch[Dihedral::Identity as usize],
                texture: raster.texture,
            });
        }
    }
}

impl From<&Fingerprinter> for IndexWriter {
    /// Makes a writer for the prints of a fingerprinter. A key that was given to the fingerprinter is
    /// not stored, and matchers need it ([`Matcher::with_key`](crate::Matcher::with_key)); a random
    /// key, which exists nowhere else, is stored in the index. [`IndexWriter::new`] leaves the
    /// choice to the caller.
    ///
    /// ```
    /// use leakprint::{Fingerprinter, IndexWriter, Key};
    ///
    /// let random = Fingerprinter::builder().build()?;
    /// assert!(IndexWriter::from(&random).to_index()?.key().is_some());
    /// let kept = Fingerprinter::builder().key(Key::from_bytes([7; 32])).build()?;
    /// assert!(IndexWriter::from(&kept).to_index()?.key().is_none());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    fn from(fingerprinter: &Fingerprinter) -> Self {
        let key = (!fingerprinter.key_given()).then(|| fingerprinter.key().clone());
        Self::of(fingerprinter.recipe().clone(), key)
    }
}

/// Returns the digests of a part, and whether each is one of pixels.
fn digests(part: &PartPrints) -> impl Iterator<Item = (bool, Digest)> {
    let bytes = part.bytes.map(|digest| (false, digest));
    bytes
        .into_iter()
        .chain(part.pixels().map(|digest| (true, digest)))
}

/// Fails unless `have + more` is a number that the file can hold.
fn fits(what: &str, have: usize, more: usize) -> Result<()> {
    match have.checked_add(more).map(u32::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Error::limit(
            what,
            u32::MAX,
            format_args!("{more} more after {have}"),
        )),
    }
}
