//! The manifest: the current state of a collection. One small file, replaced atomically, and a copy of it.

use std::io::Write;
use std::sync::Arc;

use super::codec::{Decoder, Encoder};
use super::false_matches;
use super::storage::{Storage, read_all, unwritable};
use crate::calibration::{Calibration, StoredCalibration};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::{Key, KeyId, Recipe};
use crate::index::ItemSet;
use crate::matcher::FalseMatches;

const MAGIC: [u8; 8] = *b"\x89LKM\r\n\x1a\n";

/// The version of the collection's files that this build writes, and the newest that it reads.
///
/// It grows with every change that an older build would misread. Every build reads all
/// versions before its own; `tests/collections/` keeps one collection of each.
pub const COLLECTION_VERSION: u32 = 2;

/// The manifest file, and its copy, which only `repair` reads.
pub(super) const MANIFEST: &str = "manifest";
pub(super) const COPY: &str = "manifest.copy";
const NEW: &str = "manifest.new";

/// The offset of the checksum in the file.
const CHECKSUM_AT: usize = 24;

/// The extensions of numbered files.
const KINDS: [&str; 5] = [".rec", ".lkp", ".pdq", ".pdq512", ".log"];

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

    /// Returns the file name for a segment.
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
    /// The items that were removed since it was written.
    pub(super) removed: ItemSet,
}

impl SegmentEntry {
    /// Returns the identity of the segment's files, which differs from that of a segment with the same
    /// number in another state of the folder.
    pub(super) fn id(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for file in &self.files {
            hasher.update(&[file.kind as u8]).update(&file.whole);
        }
        *hasher.finalize().as_bytes()
    }
}

/// The content of the manifest file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// The version that was read; the version of this build is written.
    pub(super) version: u32,
    pub(super) generation: u64,
    /// The next number of a file.
    pub(super) next: u64,
    pub(super) recipe: Recipe,
    /// `None` if the owner keeps it.
    pub(super) key: Option<Key>,
    pub(super) segments: Vec<SegmentEntry>,
    /// The logs to replay, oldest first; the writer appends to the last one.
    pub(super) logs: Vec<u64>,
    pub(super) false_matches: FalseMatches,
    /// How often unrelated uploads match, if it was measured.
    pub(super) calibration: Option<Arc<Calibration>>,
}

impl Manifest {
    /// Skips the numbers of files that are in the folder, such as those that a crash has left.
    pub(super) fn pass_over(&mut self, names: &[String]) {
        let taken = names.iter().filter_map(|name| number_of(name));
        self.next = self
            .next
            .max(taken.max().map_or(0, |n| n.saturating_add(1)));
    }

    /// Returns a new file number.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) after 2^64.
    pub(super) fn take_number(&mut self) -> Result<u64> {
        let number = self.next;
        let next = number.checked_add(1);
        self.next = next.ok_or_else(|| Error::limit("numbers of files", u64::MAX, "one more"))?;
        Ok(number)
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
        false_matches::put_all(&self.false_matches, &mut out);
        if let Some(calibration) = &self.calibration {
            out.raw(&calibration.to_bytes());
        }

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
            return Err(Error::corrupt("not the manifest of a collection"));
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
                "the manifest's checksum does not match: `repair` uses its copy",
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
        let false_matches = false_matches::take_all(&mut read)?;
        // One of other scores counts as none, and is not written again.
        let stored = StoredCalibration::read(read.rest())?;
        let calibration = stored.calibration().cloned();
        Ok(Self {
            version,
            generation,
            next,
            recipe,
            key,
            segments,
            logs,
            false_matches,
            calibration,
        })
    }

    /// Reads the manifest.
    pub(super) fn read(storage: &dyn Storage) -> Result<Self> {
        Self::read_from(storage, MANIFEST)
    }

    /// Reads the manifest and its checksum, which identifies it.
    pub(super) fn read_with_id(storage: &dyn Storage) -> Result<(Self, [u8; 32])> {
        read_named(storage, MANIFEST)
    }

    /// Reads the manifest or its copy.
    pub(super) fn read_from(storage: &dyn Storage, name: &str) -> Result<Self> {
        read_named(storage, name).map(|(manifest, _)| manifest)
    }

    /// Commits the manifest, durable when it returns. Its files must be durable before. Returns the error
    /// if only the copy could not be written: only `repair` reads the copy, so a late or missing one
    /// does no harm yet.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io), and [`Limit`](ErrorKind::Limit) for a manifest that could not be read
    /// again.
    pub(super) fn commit(&self, storage: &dyn Storage) -> Result<Option<Error>, NotCommitted> {
        let untouched = |error| NotCommitted {
            error,
            in_doubt: false,
        };
        let bytes = self.to_bytes();
        let size = storage.limits().check_manifest(bytes.len() as u64);
        let size = size.and_then(|()| {
            let marks = self.false_matches.len();
            storage.limits().check_false_matches(marks)
        });
        size.map_err(|e| untouched(e.with_path(MANIFEST)))?;
        let failed = |e| untouched(unwritable(MANIFEST, e));
        // The names of the files that it refers to must be durable before its own name.
        storage.sync_folder().map_err(failed)?;
        write_new(storage, &bytes).map_err(failed)?;
        let renamed = storage.rename(NEW, MANIFEST);
        let renamed = renamed.and_then(|()| storage.sync_folder());
        renamed.map_err(|e| NotCommitted {
            in_doubt: true,
            ..failed(e)
        })?;
        Ok(self.write_copy(storage).err())
    }

    /// Writes the copy.
    pub(super) fn write_copy(&self, storage: &dyn Storage) -> Result<()> {
        let written = write_new(storage, &self.to_bytes());
        let written = written.and_then(|()| storage.rename(NEW, COPY));
        written.map_err(|e| unwritable(COPY, e))
    }

    /// Returns the names of all files that it refers to.
    pub(super) fn files(&self) -> impl Iterator<Item = String> + '_ {
        let of_segments = self.segments.iter().flat_map(|segment| {
            let files = segment.files.iter();
            files.map(|file| file.kind.file_name(segment.number))
        });
        of_segments.chain(self.logs.iter().map(|&log| super::log::file_name(log)))
    }
}

/// The reason why a manifest was not committed.
#[derive(Debug)]
pub(super) struct NotCommitted {
    pub(super) error: Error,
    /// Whether opening the collection again could still find it.
    pub(super) in_doubt: bool,
}

impl From<NotCommitted> for Error {
    fn from(failure: NotCommitted) -> Self {
        failure.error
    }
}

fn write_new(storage: &dyn Storage, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = storage.create(NEW)?;
    file.write_all(bytes)?;
    file.sync()
}

fn read_named(storage: &dyn Storage, name: &str) -> Result<(Manifest, [u8; 32])> {
    let limits = storage.limits();
    let most = limits.manifest_bytes;
    let bytes = read_all(storage, name, most, |len| limits.check_manifest(len));
    let bytes = bytes.map_err(|e| match name == MANIFEST && holds_none(storage) {
        true => Error::new(
            e.kind(),
            "this folder is no collection: it holds no manifest",
        )
        .with_source(e),
        false => e,
    })?;
    let manifest = Manifest::from_bytes(&bytes).and_then(|manifest| {
        limits.check_false_matches(manifest.false_matches.len())?;
        Ok(manifest)
    });
    let id = bytes.get(CHECKSUM_AT..).and_then(|rest| rest.first_chunk());
    let manifest = manifest.map_err(|e| e.with_path(name))?;
    Ok((manifest, id.copied().unwrap_or_default()))
}

/// Returns whether a folder can be listed and has no file of a collection.
fn holds_none(storage: &dyn Storage) -> bool {
    let is_ours = |name: &String| [MANIFEST, COPY].contains(&&**name) || number_of(name).is_some();
    storage.list().is_ok_and(|names| !names.iter().any(is_ours))
}

/// Returns the number in the name of a collection's file, including one that `repair` has renamed.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let (number, kind) = name.split_at_checked(16)?;
    let kind = kind.strip_suffix(".damaged").unwrap_or(kind);
    let ours = number.bytes().all(|b| b.is_ascii_hexdigit()) && KINDS.contains(&kind);
    let number = ours.then(|| u64::from_str_radix(number, 16).ok());
    number.flatten()
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
