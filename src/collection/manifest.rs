//! The manifest: what is in force. One small file, replaced atomically, and a copy of it.

use std::io::Write;

use super::codec::{Decoder, Encoder};
use super::false_matches::FalseMatches;
use super::storage::{Storage, read_all, unwritable};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Key, KeyId, Recipe};
use crate::index::shelf::ItemSet;

const MAGIC: [u8; 8] = *b"\x89LKM\r\n\x1a\n";

/// The version of the collection's files that this build writes, and the newest that it reads.
///
/// It grows with every change that an older build would misread. Every build reads all
/// versions before its own; `tests/collections/` keeps one collection of each.
pub const COLLECTION_VERSION: u32 = 2;

/// The file that is in force, and its copy, which only repairing reads.
pub(super) const MANIFEST: &str = "manifest";
pub(super) const COPY: &str = "manifest.copy";
const NEW: &str = "manifest.new";

const MOST_BYTES: u64 = 1 << 30;

/// The kinds of files that a segment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKind {
    Records,
    Index,
    FullCodes,
    Nn512Codes,
}

impl FileKind {
    pub(super) const ALL: [Self; 4] = [
        Self::Records,
        Self::Index,
        Self::FullCodes,
        Self::Nn512Codes,
    ];

    /// The name of such a file of a segment.
    pub(super) fn file_name(self, segment: u64) -> String {
        let extension = match self {
            Self::Records => "rec",
            Self::Index => "lkp",
            Self::FullCodes => "pdq",
            Self::Nn512Codes => "pdq512",
        };
        format!("{segment:016x}.{extension}")
    }
}

/// Bytes at the start of each file that opening compares: headers and tables of checksums.
pub(super) const CHECKED_AT_OPENING: u64 = 4096;

/// One file of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileEntry {
    pub(super) kind: FileKind,
    pub(super) len: u64,
    /// BLAKE3 of its first bytes, which opening checks ...
    pub(super) start: [u8; 32],
    /// ... and of all of it.
    pub(super) whole: [u8; 32],
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentEntry {
    pub(super) number: u64,
    pub(super) files: Vec<FileEntry>,
    /// Items that were removed since it was written.
    pub(super) removed: ItemSet,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The version that it was read as; it is written as this build's.
    pub(super) version: u32,
    pub(super) generation: u64,
    /// The next number of a file.
    pub(super) next: u64,
    pub(super) recipe: Recipe,
    /// Unless the owner keeps it.
    pub(super) key: Option<Key>,
    pub(super) segments: Vec<SegmentEntry>,
    /// To be replayed, oldest first; the last one is written to.
    pub(super) logs: Vec<u64>,
    pub(super) false_matches: FalseMatches,
}

impl Manifest {
    /// Numbers of files that are in the folder, such as those that a crash has left, are not used
    /// again.
    pub(super) fn pass_over(&mut self, names: &[String]) {
        let taken = names
            .iter()
            .filter_map(|name| u64::from_str_radix(name.get(..16)?, 16).ok());
        self.next = self
            .next
            .max(taken.max().map_or(0, |n| n.saturating_add(1)));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.u64(self.generation);
        out.u64(self.next);
        out.u32(self.recipe.version);
        out.u32(self.recipe.window);
        out.raw(&self.recipe.key_id.0);
        match &self.key {
            None => out.u8(0),
            Some(key) => {
                out.u8(1);
                out.raw(key.as_bytes());
            }
        }
        out.varint(self.segments.len() as u64);
        for segment in &self.segments {
            out.u64(segment.number);
            out.varint(segment.files.len() as u64);
            for file in &segment.files {
                out.u8(file.kind as u8);
                out.u64(file.len);
                out.raw(&file.start);
                out.raw(&file.whole);
            }
            out.varint(u64::from(segment.removed.len()));
            let mut last = 0;
            for item in segment.removed.iter() {
                out.varint(u64::from(item - last));
                last = item;
            }
        }
        out.varint(self.logs.len() as u64);
        self.logs.iter().for_each(|&log| out.u64(log));
        self.false_matches.put(&mut out);

        let mut file = Encoder::default();
        file.raw(&MAGIC);
        file.u32(COLLECTION_VERSION);
        file.u32(0);
        file.u64(out.0.len() as u64);
        file.raw(checksum(COLLECTION_VERSION, &out.0).as_bytes());
        file.raw(&out.0);
        file.0
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut read = Decoder::new(bytes);
        if read.array::<8>().ok() != Some(MAGIC) {
            return Err(Error::corrupt("this is no manifest of a collection"));
        }
        let version = read.u32()?;
        let reserved = read.u32()?;
        let len = read.u64()?;
        let sum = read.array::<32>()?;
        if reserved != 0
            || len != read.left() as u64
            || checksum(version, read.rest()) != blake3::Hash::from_bytes(sum)
        {
            return Err(Error::corrupt(
                "the manifest's checksum does not hold: `repair` uses its copy",
            ));
        }
        if !(1..=COLLECTION_VERSION).contains(&version) {
            return Err(Error::new(
                ErrorKind::Version,
                format!(
                    "a collection of version {version}, this build reads up to \
                     {COLLECTION_VERSION}: use a newer one"
                ),
            ));
        }
        let generation = read.u64()?;
        let next = read.u64()?;
        let recipe_version = read.u32()?;
        Recipe::check_version(recipe_version)?;
        let recipe = Recipe::new(read.u32()?, KeyId(read.array()?))?;
        let key = match read.u8()? {
            0 => None,
            1 => Some(Key::from_bytes(read.array()?)),
            _ => return Err(Error::corrupt("unknown flags of a key")),
        };
        if key.as_ref().is_some_and(|key| key.id() != recipe.key_id) {
            return Err(Error::corrupt(
                "the stored key is not the one of the prints",
            ));
        }
        let segments = (0..read.count(10)?).map(|_| segment(&mut read));
        let segments = segments.collect::<Result<_>>()?;
        let logs = (0..read.count(8)?).map(|_| read.u64());
        let logs = logs.collect::<Result<_>>()?;
        let false_matches = FalseMatches::take(&mut read)?;
        read.end()?;
        Ok(Self {
            version,
            generation,
            next,
            recipe,
            key,
            segments,
            logs,
            false_matches,
        })
    }

    /// The manifest in force.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self> {
        Self::read_from(storage, MANIFEST)
    }

    /// That, or its copy.
    pub(super) fn read_from(storage: &dyn Storage, name: &str) -> Result<Self> {
        let bytes = read_all(storage, name, MOST_BYTES)?;
        Self::from_bytes(&bytes).map_err(|e| e.with_path(name))
    }

    /// Puts this one in force: durable when it returns. Its files must be durable before.
    pub(super) fn commit(&self, storage: &dyn Storage) -> Result<()> {
        let bytes = self.to_bytes();
        let write = |name: &str| -> std::io::Result<()> {
            let mut file = storage.create(NEW)?;
            file.write_all(&bytes)?;
            file.sync()?;
            drop(file);
            storage.rename(NEW, name)
        };
        let failed = |e| unwritable(MANIFEST, e);
        // The names of the files that it refers to, before it can be found itself.
        storage.sync_folder().map_err(failed)?;
        write(MANIFEST).map_err(failed)?;
        storage.sync_folder().map_err(failed)?;
        // Only repairing reads the copy: that it is late by one, or missing, harms nobody.
        let _ = write(COPY);
        Ok(())
    }

    /// The names of all files that it refers to.
    pub(super) fn files(&self) -> impl Iterator<Item = String> + '_ {
        let of_segments = self.segments.iter().flat_map(|segment| {
            let files = segment.files.iter();
            files.map(|file| file.kind.file_name(segment.number))
        });
        of_segments.chain(self.logs.iter().map(|&log| super::log::file_name(log)))
    }
}

fn checksum(version: u32, bytes: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&version.to_le_bytes());
    hasher.update(bytes).finalize()
}

fn segment(read: &mut Decoder<'_>) -> Result<SegmentEntry> {
    let number = read.u64()?;
    let files = (0..read.count(73)?).map(|_| {
        let kind = read.u8()?;
        let kind = FileKind::ALL.into_iter().find(|known| *known as u8 == kind);
        Ok(FileEntry {
            kind: kind.ok_or_else(|| Error::corrupt("a file of an unknown kind"))?,
            len: read.u64()?,
            start: read.array()?,
            whole: read.array()?,
        })
    });
    let files = files.collect::<Result<_>>()?;
    let mut removed = ItemSet::default();
    let mut item = 0_u32;
    for i in 0..read.count(1)? {
        let step = read.varint32()?;
        let next = item.checked_add(step).filter(|_| i == 0 || step > 0);
        item = next.ok_or_else(|| Error::corrupt("removed items out of order"))?;
        removed.insert(item);
    }
    Ok(SegmentEntry {
        number,
        files,
        removed,
    })
}
