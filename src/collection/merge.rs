//! Building a segment from many records, in memory or on disk.
//!
//! Memory while a segment is written: that of [`IndexWriter`] for the index, then, after that is freed,
//! that of the code sets; records are read in place and never copied.

use std::io::{BufWriter, Cursor, Write};

use super::manifest::{FileEntry, FileKind, SegmentEntry};
use super::record::{ItemKey, Record};
use super::records::{Counts, RecordWriter, Records};
use super::segment::{Codes, Location, Segment, Slot, hash_file, index_writer};
use super::storage::{Storage, unwritable};
use crate::code::Code256;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::fingerprint::{Pipeline, Recipe};
use crate::index::{Bytes, CodeSet, Engine, Index, IndexWriter};
use crate::time::Timestamp;

/// The origin of an item of a segment: the position of the slot, and the item's number there.
pub(super) type Origin = (u32, u32);

/// The content of a new segment, in order.
#[derive(Default)]
pub(super) struct Plan<'a> {
    prints: Vec<(&'a [u8], Origin)>,
    codes: [Vec<(Code256, &'a [u8], Origin)>; 2],
    discounts: Vec<(ItemKey<'a>, &'a [u8], Origin)>,
    /// Items that were skipped because their records are damaged.
    pub(super) lost: Vec<Origin>,
}

impl<'a> Plan<'a> {
    /// Plans a segment of all items of some slots that are neither removed nor expired.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for a damaged record, unless `salvage`.
    pub(super) fn of_slots(slots: &'a [Slot], now: Timestamp, salvage: bool) -> Result<Self> {
        let mut plan = Self::default();
        for (place, slot) in (0..).zip(slots) {
            for item in slot.items() {
                match slot.segment.record(item) {
                    Ok(record) if record.metadata.is_expired(now) => {}
                    Ok(record) => plan.push(&record, (place, item)),
                    Err(_) if salvage => plan.lost.push((place, item)),
                    Err(e) => return Err(e),
                }
            }
        }
        plan.sort();
        Ok(plan)
    }

    /// Plans a segment of some records.
    pub(super) fn of_records(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut plan = Self::default();
        for bytes in records {
            plan.push(&Record::parse(bytes)?, (0, 0));
        }
        plan.sort();
        Ok(plan)
    }

    pub(super) fn push(&mut self, record: &Record<'a>, origin: Origin) {
        match record.key {
            ItemKey::Named(_) => self.prints.push((record.bytes, origin)),
            ItemKey::Code(pipeline, code) => {
                self.codes[pipeline as usize].push((code, record.bytes, origin));
            }
            key @ ItemKey::Discount(..) => self.discounts.push((key, record.bytes, origin)),
        }
    }

    pub(super) fn sort(&mut self) {
        for codes in &mut self.codes {
            codes.sort_unstable_by_key(|(code, ..)| *code);
        }
        self.discounts.sort_unstable_by_key(|(key, ..)| *key);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts().all() == 0
    }

    fn counts(&self) -> Counts {
        Counts {
            prints: self.prints.len() as u32,
            codes: [self.codes[0].len() as u32, self.codes[1].len() as u32],
            discounts: self.discounts.len() as u32,
        }
    }

    /// Returns the origin of each item of the segment.
    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> + '_ {
        let prints = self.prints.iter().map(|(_, origin)| *origin);
        let codes = self.codes.iter().flatten().map(|(.., origin)| *origin);
        let discounts = self.discounts.iter().map(|(.., origin)| *origin);
        prints.chain(codes).chain(discounts)
    }

    fn write_records<W: Write>(&self, out: W) -> std::io::Result<W> {
        let mut writer = RecordWriter::new(out, self.counts())?;
        let codes = self.codes.iter().flatten().map(|(_, record, _)| *record);
        let discounts = self.discounts.iter().map(|(_, record, _)| *record);
        let prints = self.prints.iter().map(|(record, _)| *record);
        let mut records = prints.chain(codes).chain(discounts);
        records.try_for_each(|record| writer.put(record))?;
        writer.finish()
    }

    /// Returns an index writer with all fingerprints, if there are any.
    fn index_writer(&self, recipe: &Recipe, around: &[Index]) -> Result<Option<IndexWriter>> {
        let records = self.prints.iter().map(|(bytes, _)| Record::parse(bytes));
        index_writer(records, recipe, around)
    }

    fn code_set(&self, pipeline: Pipeline, exec: &Executor) -> Result<Option<CodeSet>> {
        let codes = &self.codes[pipeline as usize];
        if codes.is_empty() {
            return Ok(None);
        }
        let bytes: Vec<u8> = codes
            .iter()
            .flat_map(|(code, ..)| code.to_le_bytes())
            .collect();
        CodeSet::from_records(&bytes, Engine::Auto, exec).map(Some)
    }

    /// Builds the segment in memory.
    pub(super) fn in_memory(&self, log: u64, recipe: &Recipe, around: &[Index]) -> Result<Segment> {
        let exec = Executor::serial();
        let failed = |e| Error::io("cannot keep records", e);
        let records = self.write_records(Vec::new()).map_err(failed)?;
        let mut bytes = records.len() as u64;
        let index = match self.index_writer(recipe, around)? {
            None => None,
            Some(mut writer) => {
                let index = writer.to_bytes(&exec)?;
                bytes += index.len() as u64;
                Some(Index::from_bytes(index)?)
            }
        };
        let [full, nn512] = Pipeline::ALL.map(|pipeline| self.code_set(pipeline, &exec));
        let segment = Segment {
            location: Location::Log(log),
            id: [0; 32],
            records: Records::open(Bytes::copy_of(&records))?,
            index,
            codes: [full?.map(Codes), nn512?.map(Codes)],
            bytes,
        };
        segment.check()?;
        Ok(segment)
    }

    /// Writes the files of the segment and syncs them, but not the folder.
    pub(super) fn on_disk(
        &self,
        storage: &dyn Storage,
        number: u64,
        recipe: &Recipe,
        around: &[Index],
        exec: &Executor,
    ) -> Result<SegmentEntry> {
        let mut files = Vec::new();
        let mut write = |kind: FileKind, fill: &mut dyn FnMut(&mut File) -> Result<()>| {
            files.push(write_file(storage, number, kind, fill)?);
            Ok::<(), Error>(())
        };
        write(FileKind::Records, &mut |file| {
            let failed = |e| unwritable(&FileKind::Records.file_name(number), e);
            let out = self.write_records(BufWriter::with_capacity(1 << 18, file));
            out.and_then(|mut out| out.flush()).map_err(failed)
        })?;
        if let Some(mut writer) = self.index_writer(recipe, around)? {
            write(FileKind::Index, &mut |file| writer.write(file, exec))?;
        }
        let kinds = [FileKind::FullCodes, FileKind::Nn512Codes];
        for (pipeline, kind) in Pipeline::ALL.into_iter().zip(kinds) {
            if let Some(codes) = self.code_set(pipeline, exec)? {
                let failed = |e| unwritable(&kind.file_name(number), e);
                write(kind, &mut |file| {
                    codes.put(|bytes| file.write_all(bytes).map_err(failed))
                })?;
            }
        }
        Ok(SegmentEntry {
            number,
            files,
            removed: Default::default(),
        })
    }
}

type File = Box<dyn super::storage::StorageFile>;

fn write_file(
    storage: &dyn Storage,
    number: u64,
    kind: FileKind,
    fill: &mut dyn FnMut(&mut File) -> Result<()>,
) -> Result<FileEntry> {
    let name = kind.file_name(number);
    let failed = |e| unwritable(&name, e);
    let mut file = storage.create(&name).map_err(failed)?;
    fill(&mut file).map_err(|e| {
        if e.path().is_some() {
            e
        } else {
            e.with_path(&name)
        }
    })?;
    file.sync().map_err(failed)?;
    drop(file);
    // Hashed from what is on disk now, not from what was passed to write.
    let (len, start, whole) = hash_file(storage, &name)?;
    Ok(FileEntry {
        kind,
        len,
        start,
        whole,
    })
}

/// Returns an empty index, for collections without fingerprints.
pub(super) fn empty_index(recipe: &Recipe) -> Result<Index> {
    let mut bytes = Cursor::new(Vec::new());
    IndexWriter::new(recipe.clone(), None)?.write(&mut bytes, &Executor::serial())?;
    Index::from_bytes(bytes.into_inner())
}
