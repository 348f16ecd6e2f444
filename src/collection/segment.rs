//! Segments: items that are searched together and never change. On disk, mapped; or in memory,
//! where those of the log are.

use std::sync::Arc;

use super::manifest::{CHECKED_AT_OPENING, FileEntry, FileKind, SegmentEntry};
use super::record::{Content, ItemKey, Record};
use super::records::Records;
use super::storage::Storage;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::Executor;
use crate::fingerprint::Recipe;
use crate::index::ItemSet;
use crate::index::{Bytes, CodeSet, Index, IndexWriter};

/// Where a segment's items are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// In files of this number.
    Disk(u64),
    /// In the log of this number.
    Log(u64),
}

/// Items that are searched together.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) location: Location,
    /// Distinguishes it from every other segment on disk; zeros in memory.
    pub(super) id: [u8; 32],
    pub(super) records: Records,
    /// Of the fingerprints; an item's number is that in the index.
    pub(super) index: Option<Index>,
    /// Of the codes of each pipeline, in ascending order.
    pub(super) codes: [Option<Codes>; 2],
    /// The bytes of all of it.
    pub(super) bytes: u64,
}

/// A set of codes.
pub(super) struct Codes(pub(super) CodeSet);

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Codes({})", self.0.len())
    }
}

/// A segment and the items of it that are no longer there.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) segment: Arc<Segment>,
    pub(super) removed: Arc<ItemSet>,
}

impl Slot {
    /// Returns the number of items.
    pub(super) fn live(&self) -> u32 {
        self.segment.items().saturating_sub(self.removed.len())
    }

    /// Of these, ignore and background files.
    pub(super) fn discounts(&self) -> impl Iterator<Item = u32> + '_ {
        let counts = self.segment.records.counts();
        (counts.items()..counts.all()).filter(|&item| !self.removed.contains(item))
    }

    /// The item of a key, if the segment has it.
    pub(super) fn find(&self, key: &ItemKey<'_>) -> Result<Option<u32>> {
        let item = self.segment.find(key)?;
        Ok(item.filter(|&item| !self.removed.contains(item)))
    }

    /// The numbers of the items that are not removed, including ignore and background files.
    pub(super) fn items(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.segment.items()).filter(|&item| !self.removed.contains(item))
    }
}

impl Segment {
    /// Opens the files of a segment: their sizes and first kilobytes are checked. An index of another
    /// format version is built again from the records, in memory: the next merge writes it.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if a file is missing, cut or another one.
    pub(super) fn open(
        storage: &dyn Storage,
        entry: &SegmentEntry,
        recipe: &Recipe,
    ) -> Result<Self> {
        let mut records = None;
        let mut index = None;
        let mut codes = [None, None];
        let mut is_old = false;
        for file in &entry.files {
            let name = file.kind.file_name(entry.number);
            let mut open = || -> Result<()> {
                let bytes = map(storage, &name, file)?;
                match file.kind {
                    FileKind::Records => records = Some(Records::open(bytes)?),
                    FileKind::Index => match Index::from_mapped(bytes) {
                        Ok(opened) => index = Some(opened),
                        Err(e) if e.kind() == ErrorKind::Version => is_old = true,
                        Err(e) => return Err(e),
                    },
                    FileKind::FullCodes => codes[0] = Some(Codes(CodeSet::from_stored(bytes)?)),
                    FileKind::Nn512Codes => codes[1] = Some(Codes(CodeSet::from_stored(bytes)?)),
                }
                Ok(())
            };
            open().map_err(|e| {
                if e.path().is_some() {
                    e
                } else {
                    e.with_path(name.clone())
                }
            })?;
        }
        let records = records.ok_or_else(|| Error::corrupt("a segment without records"))?;
        if is_old {
            let prints = (0..records.counts().prints).map(|item| records.get(item));
            let writer = index_writer(prints, recipe, &[])?;
            index = writer.map(|mut writer| writer.to_index()).transpose()?;
        }
        let segment = Self {
            location: Location::Disk(entry.number),
            id: entry.id(),
            records,
            index,
            codes,
            bytes: entry.files.iter().map(|file| file.len).sum(),
        };
        segment.check()?;
        Ok(segment)
    }

    /// That the parts have as many items as the records say.
    pub(super) fn check(&self) -> Result<()> {
        let counts = self.records.counts();
        let of_codes = |codes: &Option<Codes>| codes.as_ref().map_or(0, |codes| codes.0.len());
        let prints = self.index.as_ref().map_or(0, Index::item_count);
        let agree = prints == counts.prints
            && (self.codes.iter().zip(counts.codes)).all(|(set, n)| of_codes(set) == n as usize);
        if agree {
            return Ok(());
        }
        Err(Error::corrupt(
            "the files of a segment do not belong together",
        ))
    }

    pub(super) fn items(&self) -> u32 {
        self.records.counts().all()
    }

    pub(super) fn record(&self, item: u32) -> Result<Record<'_>> {
        self.records.get(item)
    }

    /// The item of a key, by binary search.
    pub(super) fn find(&self, key: &ItemKey<'_>) -> Result<Option<u32>> {
        match key {
            ItemKey::Named(name) => {
                let index = self.index.as_ref();
                let item = index.map(|index| index.item_by_name(name)).transpose()?;
                Ok(item.flatten().map(|item| item.0))
            }
            ItemKey::Discount(..) => {
                let counts = self.records.counts();
                let (mut low, mut high) = (counts.items(), counts.all());
                while low < high {
                    let middle = low.midpoint(high);
                    match self.record(middle)?.key.cmp(key) {
                        std::cmp::Ordering::Less => low = middle + 1,
                        std::cmp::Ordering::Greater => high = middle,
                        std::cmp::Ordering::Equal => return Ok(Some(middle)),
                    }
                }
                Ok(None)
            }
            ItemKey::Code(pipeline, code) => {
                let place = *pipeline as usize;
                let Some(Codes(set)) = &self.codes[place] else {
                    return Ok(None);
                };
                let set = set.view();
                let (mut low, mut high) = (0, set.len());
                while low < high {
                    let middle = low.midpoint(high);
                    match set.get(middle).map(|other| other.cmp(code)) {
                        Some(std::cmp::Ordering::Less) => low = middle + 1,
                        Some(std::cmp::Ordering::Greater) => high = middle,
                        Some(std::cmp::Ordering::Equal) => {
                            let first = self.records.counts().first_code(place);
                            return Ok(first.checked_add(middle as u32));
                        }
                        None => break,
                    }
                }
                Ok(None)
            }
        }
    }

    /// Reads all files and compares them with the manifest.
    pub(super) fn verify(
        storage: &dyn Storage,
        entry: &SegmentEntry,
        recipe: &Recipe,
        exec: &Executor,
    ) -> Result<()> {
        for file in &entry.files {
            let name = file.kind.file_name(entry.number);
            let (len, start, whole) = hash_file(storage, &name)?;
            if (len, start, whole) != (file.len, file.start, file.whole) {
                return Err(Error::corrupt(
                    "the file differs from what was written: restore it, or use `repair`",
                )
                .with_path(name));
            }
        }
        let segment = Self::open(storage, entry, recipe)?;
        for item in 0..segment.items() {
            segment.record(item)?;
        }
        if let Some(index) = &segment.index {
            index
                .verify(exec)
                .map_err(|e| e.with_path(FileKind::Index.file_name(entry.number)))?;
        }
        let kinds = [FileKind::FullCodes, FileKind::Nn512Codes];
        for (codes, kind) in segment.codes.iter().zip(kinds) {
            if let Some(Codes(codes)) = codes {
                codes
                    .verify(exec)
                    .map_err(|e| e.with_path(kind.file_name(entry.number)))?;
            }
        }
        Ok(())
    }
}

/// Makes a writer of the index of a segment, with the fingerprints of its records and beside the indexes
/// `around` it; `None` without records.
pub(super) fn index_writer<'r>(
    records: impl Iterator<Item = Result<Record<'r>>>,
    recipe: &Recipe,
    around: &[Index],
) -> Result<Option<IndexWriter>> {
    let mut records = records.peekable();
    if records.peek().is_none() {
        return Ok(None);
    }
    let mut writer = IndexWriter::new(recipe.clone(), None)?;
    for index in around {
        writer.add_sibling(index);
    }
    for record in records {
        let record = record?;
        if let Content::Prints(fingerprint) = record.content(recipe)? {
            writer.add(&record.key.name(), &fingerprint)?;
        }
    }
    Ok(Some(writer))
}

/// A file of a segment, if its size and start are those that were written.
pub(super) fn map(storage: &dyn Storage, name: &str, file: &FileEntry) -> Result<Bytes> {
    let wrong = |what: &str| {
        let advice = "restore the file, or let `repair` save the undamaged items";
        Error::corrupt(format!("a file of a segment {what}: {advice}")).with_path(name)
    };
    let len = match storage.len(name) {
        Ok(len) => len,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(wrong("is missing")),
        Err(e) => return Err(Error::io("cannot open", e).with_path(name)),
    };
    // Before it is mapped: reading past the end of a mapped file ends the process.
    if len != file.len {
        return Err(wrong("has another size"));
    }
    let bytes = storage.map(name)?;
    let start = bytes.get(..(CHECKED_AT_OPENING as usize).min(bytes.len()));
    if bytes.len() as u64 != len
        || blake3::hash(start.unwrap_or_default()).as_bytes() != &file.start
    {
        return Err(wrong("has other content"));
    }
    Ok(bytes)
}

/// The size of a file, and the BLAKE3 of its start and of all of it.
pub(super) fn hash_file(storage: &dyn Storage, name: &str) -> Result<(u64, [u8; 32], [u8; 32])> {
    let failed = |e| Error::io("cannot read", e).with_path(name);
    let mut file = storage.open(name).map_err(failed)?;
    let (mut whole, mut start) = (blake3::Hasher::new(), blake3::Hasher::new());
    let mut buffer = vec![0; 1 << 18];
    let mut len = 0_u64;
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(e)),
        };
        let bytes = buffer.get(..read).unwrap_or_default();
        whole.update(bytes);
        let of_start = CHECKED_AT_OPENING.saturating_sub(len) as usize;
        start.update(bytes.get(..of_start.min(read)).unwrap_or_default());
        len += read as u64;
    }
    Ok((
        len,
        *start.finalize().as_bytes(),
        *whole.finalize().as_bytes(),
    ))
}

/// Checks that an index has the collection's recipe; it does unless files were swapped.
pub(super) fn check_recipe(segment: &Segment, recipe: &crate::fingerprint::Recipe) -> Result<()> {
    match &segment.index {
        Some(index) => index.recipe().check_same(recipe).map_err(|e| {
            Error::new(
                ErrorKind::Corrupt,
                format!("an index of another collection: {e}"),
            )
        }),
        None => Ok(()),
    }
}
