//! The log: every operation since the last segment was written, in frames. Drawn in `FORMAT.md`.
//!
//! A frame holds what one call acknowledged, whole batches too, under one checksum. It is synced
//! before the call returns, and only then is a *mark* written after it. So at most the last frame
//! can lack durability: damage before the last mark is an error, damage after it is an operation
//! that was never acknowledged.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::codec::{Decoder, Encoder};
use super::limits::FileLimits;
use super::storage::{Storage, StorageFile, read_all, unwritable};
use crate::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 8] = *b"\x89LKL\r\n\x1a\n";
/// Version 1 has no operations on ignore and background files.
const VERSION: u32 = 2;
pub(super) const HEADER: usize = 64;
/// Length, generation, and 20 bytes of checksum.
const FRAME: usize = 32;
const SYNCED: [u8; 8] = *b"\x89LKSYNC\n";
const MARK: usize = 16;

/// Returns the file name of a log.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:016x}.log")
}

fn header(number: u64, version: u32) -> Vec<u8> {
    let mut out = Encoder::default();
    out.raw(&MAGIC);
    out.u32(version);
    out.u32(0);
    out.u64(number);
    out.u64(0);
    let checksum = blake3::hash(&out.0);
    out.raw(checksum.as_bytes());
    out.0
}

/// Returns the checksum of a frame: bound to the log and the offset, so that bytes of another file or
/// time do not pass.
fn checksum(number: u64, at: u64, generation: u64, payload: &[u8]) -> [u8; 20] {
    let mut hasher = blake3::Hasher::new();
    for word in [number, at, generation, payload.len() as u64] {
        hasher.update(&word.to_le_bytes());
    }
    let hash = *hasher.update(payload).finalize().as_bytes();
    std::array::from_fn(|i| hash.get(i).copied().unwrap_or_default())
}

/// Returns a mark, which states that everything before `at` was synced.
fn mark(number: u64, at: u64) -> [u8; MARK] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&SYNCED);
    let hash = *hasher
        .update(&number.to_le_bytes())
        .update(&at.to_le_bytes())
        .finalize()
        .as_bytes();
    let all = SYNCED.into_iter().chain(hash);
    let mut out = [0; MARK];
    out.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    out
}

/// A log that is open for writing.
#[derive(Debug)]
pub(super) struct LogWriter {
    file: Box<dyn StorageFile>,
    number: u64,
    at: u64,
    /// Whether the last frame still lacks its mark.
    unmarked: bool,
    /// Set when a failure left the files in an unknown state.
    broken: bool,
    limits: FileLimits,
}

impl LogWriter {
    /// Creates a log, durable except for its name, which the caller syncs.
    pub(super) fn create(storage: &dyn Storage, number: u64) -> Result<Self> {
        let name = file_name(number);
        let failed = |e| unwritable(&name, e);
        let mut file = storage.create(&name).map_err(failed)?;
        file.write_all(&header(number, VERSION)).map_err(failed)?;
        file.sync().map_err(failed)?;
        Ok(Self {
            file,
            number,
            at: HEADER as u64,
            unmarked: false,
            broken: false,
            limits: storage.limits(),
        })
    }

    /// Resumes a log that was read: bytes after its last valid frame are cut off, and frames before are
    /// synced and marked.
    pub(super) fn resume(storage: &dyn Storage, log: &Log) -> Result<Self> {
        let name = file_name(log.number);
        let failed = |e| unwritable(&name, e);
        let mut file = storage.edit(&name).map_err(failed)?;
        file.set_len(log.end).map_err(failed)?;
        let mut writer = Self {
            file,
            number: log.number,
            at: log.end,
            unmarked: false,
            broken: false,
            limits: storage.limits(),
        };
        // Each mark is written once everything before it is durable, as in normal operation.
        for &end in &log.unmarked {
            writer.file.sync().map_err(failed)?;
            (writer.at, writer.unmarked) = (end, true);
            writer.mark().map_err(failed)?;
        }
        if log.unmarked.is_empty() {
            writer.file.sync().map_err(failed)?;
        }
        Ok(writer)
    }

    /// Returns the size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.at
    }

    /// Returns whether there is no frame.
    pub(super) fn is_empty(&self) -> bool {
        self.at <= HEADER as u64
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Fails if an earlier failure left the files in an unknown state: then nothing is written until the
    /// collection is opened again.
    pub(super) fn check_usable(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        let message = "an earlier write failed and could not be undone: open the collection again";
        Err(Error::new(ErrorKind::Io, message).with_path(file_name(self.number)))
    }

    /// Prevents all further writes.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    /// Fails if a log with a further frame of this many bytes could not be read again.
    pub(super) fn check_room(&self, payload: usize) -> Result<()> {
        self.limits.check_frame(payload)?;
        let due = if self.unmarked { MARK } else { 0 };
        let more = (due + FRAME + MARK) as u64 + payload as u64;
        self.limits.check_log(self.at.saturating_add(more))
    }

    /// Writes one frame; it is durable when this returns.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) if the log could not be read again. [`Io`](ErrorKind::Io); if the
    /// rest of the frame cannot be removed either, it may be there after opening again, and nothing
    /// more is written.
    pub(super) fn append(&mut self, generation: u64, payload: &[u8]) -> Result<()> {
        self.check_usable()?;
        let name = file_name(self.number);
        self.check_room(payload.len())
            .map_err(|e| e.with_path(&name))?;
        // There may have been no room for it on a full disk.
        self.mark().map_err(|e| unwritable(&name, e))?;
        let mut frame = Encoder(Vec::with_capacity(FRAME + payload.len()));
        frame.u32(payload.len() as u32);
        frame.u64(generation);
        frame.raw(&checksum(self.number, self.at, generation, payload));
        frame.raw(payload);
        let written = (|| {
            self.file.seek(SeekFrom::Start(self.at))?;
            self.file.write_all(&frame.0)?;
            self.file.sync()
        })();
        if let Err(e) = written {
            let undone = self.file.set_len(self.at).and_then(|()| self.file.sync());
            self.broken = undone.is_err();
            return Err(unwritable(&name, e));
        }
        self.at += frame.0.len() as u64;
        self.unmarked = true;
        // The frame is durable, so the operation is done even if its mark fails: the next frame writes
        // the mark, or fails.
        let _ = self.mark();
        Ok(())
    }

    /// Writes the pending mark. Not synced: the sync of the next frame covers it.
    fn mark(&mut self) -> std::io::Result<()> {
        if self.unmarked {
            self.file.seek(SeekFrom::Start(self.at))?;
            self.file.write_all(&mark(self.number, self.at))?;
            self.at += MARK as u64;
            self.unmarked = false;
        }
        Ok(())
    }

    /// Makes the last mark durable, since no further frame will.
    pub(super) fn seal(&mut self) -> Result<()> {
        let sealed = self.mark().and_then(|()| self.file.sync());
        sealed.map_err(|e| unwritable(&file_name(self.number), e))
    }
}

/// A frame of a log.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) generation: u64,
    pub(super) payload: &'a [u8],
}

/// A log that was read.
#[derive(Debug)]
pub(super) struct Log {
    number: u64,
    bytes: Vec<u8>,
    /// The byte range of each frame's payload, and its generation.
    frames: Vec<(u64, std::ops::Range<usize>)>,
    /// The end of the valid frames with their marks.
    end: u64,
    /// The end of the valid frames after the last mark: at most two, one whose mark was lost and one that
    /// was being written.
    unmarked: Vec<u64>,
    /// Offsets where durable data is damaged.
    pub(super) damaged: Vec<u64>,
}

impl Log {
    /// Reads a log.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if an operation that was acknowledged is damaged.
    pub(super) fn read(storage: &dyn Storage, number: u64) -> Result<Self> {
        let log = Self::salvage(storage, number)?;
        match log.damaged.first() {
            None => Ok(log),
            Some(at) => Err(Error::corrupt(format!(
                "the log is damaged at byte {at}: `repair` saves the undamaged items"
            ))
            .with_path(file_name(number))),
        }
    }

    /// Reads the valid part of a log and records where it is damaged.
    pub(super) fn salvage(storage: &dyn Storage, number: u64) -> Result<Self> {
        let name = file_name(number);
        let limits = storage.limits();
        let bytes = read_all(storage, &name, limits.log_bytes, |len| {
            limits.check_log(len)
        })?;
        let start = bytes.get(..HEADER).unwrap_or(&bytes);
        if start.get(..8) != Some(&MAGIC) && start.len() >= 8 && !bytes.is_empty() {
            // The manifest names it as a log, so this is damage rather than another format.
            return Ok(Self::parsed(number, bytes, vec![0]));
        }
        let version = start.get(8..).and_then(|rest| rest.first_chunk());
        let version = version.map_or(VERSION, |version| u32::from_le_bytes(*version));
        if !(1..=VERSION).contains(&version)
            && blake3::hash(start.get(..32).unwrap_or_default()).as_bytes()
                == start.get(32..).unwrap_or_default()
        {
            let message = format!("a log of version {version}, this build reads up to {VERSION}");
            return Err(Error::new(ErrorKind::Version, message).with_path(name));
        }
        if start != header(number, version) {
            return Ok(Self::parsed(number, bytes, vec![0]));
        }
        Ok(Self::parsed(number, bytes, Vec::new()))
    }

    /// Reads the frames after the header; `damaged` holds the damage found so far.
    fn parsed(number: u64, bytes: Vec<u8>, damaged: Vec<u64>) -> Self {
        let mut log = Self {
            number,
            bytes,
            frames: Vec::new(),
            end: HEADER as u64,
            unmarked: Vec::new(),
            damaged,
        };
        log.parse(HEADER);
        log
    }

    /// Returns the frame at an offset, if it is valid, and its end.
    fn frame(&self, at: usize) -> Option<(u64, std::ops::Range<usize>)> {
        let mut read = Decoder::new(self.bytes.get(at..)?);
        let len = read.u32().ok()? as usize;
        let generation = read.u64().ok()?;
        let sum = read.array().ok()?;
        let payload = read.raw(len).ok()?;
        let start = at + FRAME;
        (checksum(self.number, at as u64, generation, payload) == sum)
            .then_some((generation, start..start + len))
    }

    fn is_mark(&self, at: usize) -> bool {
        self.bytes.get(at..at + MARK) == Some(&mark(self.number, at as u64))
    }

    /// Returns the first mark at or after an offset.
    fn next_mark(&self, from: usize) -> Option<usize> {
        let rest = self.bytes.get(from..)?;
        let mut places = (from..).zip(rest.windows(SYNCED.len()));
        let found = places.find(|(at, bytes)| *bytes == SYNCED && self.is_mark(*at));
        found.map(|(at, _)| at)
    }

    fn parse(&mut self, mut at: usize) {
        loop {
            if let Some((generation, payload)) = self.frame(at) {
                let end = payload.end;
                self.frames.push((generation, payload));
                if self.is_mark(end) {
                    at = end + MARK;
                    self.end = at as u64;
                    self.unmarked.clear();
                    continue;
                }
                self.end = end as u64;
                self.unmarked.push(self.end);
                // The mark may have been lost with the power; then a frame may follow it.
                if self.next_mark(end).is_some() {
                    self.damaged.push(end as u64);
                }
                at = (end + MARK).min(self.bytes.len());
                if self.frame(at).is_some() {
                    continue;
                }
            }
            // Nothing more, or nothing valid: everything durable is followed by a mark.
            let Some(mark) = self.next_mark(at) else {
                return;
            };
            if self.damaged.last() != Some(&(at as u64)) {
                self.damaged.push(at as u64);
            }
            at = mark + MARK;
            self.end = at as u64;
            self.unmarked.clear();
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the identity of this log's frames.
    pub(super) fn tail(&self) -> Tail {
        let last = self.frames.last().and_then(|(_, payload)| {
            let at = payload.start.checked_sub(FRAME)?;
            let head = self.bytes.get(at..)?.first_chunk()?;
            Some((at as u64, *head))
        });
        Tail {
            frames: self.frames.len(),
            digest: self.digest(self.frames.len()),
            last,
            is_synced: self.unmarked.is_empty(),
        }
    }

    /// Returns whether the log begins with the frames that were read before.
    pub(super) fn begins_with(&self, tail: &Tail) -> bool {
        self.frames.len() >= tail.frames && self.digest(tail.frames) == tail.digest
    }

    /// BLAKE3 of the heads of the first frames, which hold the checksums of the rest.
    fn digest(&self, frames: usize) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (_, payload) in self.frames.iter().take(frames) {
            let head = payload.start.saturating_sub(FRAME)..payload.start;
            hasher.update(self.bytes.get(head).unwrap_or_default());
        }
        *hasher.finalize().as_bytes()
    }

    /// Returns the number of bytes after the last valid frame.
    pub(super) fn torn(&self) -> u64 {
        (self.bytes.len() as u64).saturating_sub(self.end)
    }

    pub(super) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().filter_map(|(generation, range)| {
            Some(Frame {
                generation: *generation,
                payload: self.bytes.get(range.clone())?,
            })
        })
    }

    /// Returns the size of the file when it was read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// The identity of a log's frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) frames: usize,
    digest: [u8; 32],
    /// The offset and the head of the last frame.
    last: Option<(u64, [u8; FRAME])>,
    /// Whether all frames have marks. Otherwise the last one may be taken back.
    pub(super) is_synced: bool,
}

impl Tail {
    /// Returns whether the last frame is still in its place.
    pub(super) fn is_last_in(
        &self,
        read_at: impl FnOnce(u64, usize) -> std::io::Result<Vec<u8>>,
    ) -> bool {
        let Some((at, head)) = self.last else {
            return true;
        };
        read_at(at, FRAME).is_ok_and(|found| found == head)
    }
}

/// Returns the error for a missing log.
pub(super) fn missing(number: u64) -> Error {
    Error::corrupt("a log of the manifest is missing: restore it, or use `repair`")
        .with_path(Path::new(&file_name(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::simulator::Simulator;

    fn filled(payloads: &[&[u8]]) -> Simulator {
        let disk = Simulator::new(1);
        let mut log = LogWriter::create(&disk, 7).unwrap();
        for (generation, payload) in (1..).zip(payloads) {
            log.append(generation, payload).unwrap();
        }
        disk
    }

    fn payloads(log: &Log) -> Vec<Vec<u8>> {
        log.frames().map(|frame| frame.payload.to_vec()).collect()
    }

    #[test]
    fn every_flipped_bit_is_damage_and_never_another_operation() {
        let written: [&[u8]; 3] = [b"first", b"", b"the third operation"];
        let disk = filled(&written);
        let whole = disk.content(&file_name(7));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            disk.put(&file_name(7), &bytes);
            match Log::read(&disk, 7) {
                Err(e) => assert!(
                    matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version),
                    "bit {bit}: {e}"
                ),
                // The last mark, after which there is nothing.
                Ok(log) => {
                    assert!(bit / 8 >= whole.len() - MARK, "bit {bit} went unnoticed");
                    assert_eq!(payloads(&log), written);
                    assert!(log.torn() > 0, "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_mark_that_was_lost_before_a_frame_that_was_not_is_written_again() {
        let disk = filled(&[b"first", b"second"]);
        let mut bytes = disk.content(&file_name(7));
        let second = bytes.len() - MARK - FRAME - 6;
        bytes[second - MARK..second].fill(0);
        bytes.truncate(bytes.len() - MARK);
        disk.put(&file_name(7), &bytes);
        for _ in 0..2 {
            let log = Log::read(&disk, 7).unwrap();
            assert_eq!(payloads(&log).len(), 2);
            LogWriter::resume(&disk, &log).unwrap();
        }
        assert_eq!(Log::read(&disk, 7).unwrap().torn(), 0);
    }

    #[test]
    fn a_torn_tail_is_cut_and_written_over() {
        let written: [&[u8]; 3] = [b"first", b"second", b"third"];
        let disk = filled(&written);
        let whole = disk.content(&file_name(7));
        let third = whole.len() - MARK - FRAME - 5;
        for len in third..whole.len() {
            disk.put(&file_name(7), &whole[..len]);
            let log = Log::read(&disk, 7).unwrap();
            let kept = if len < whole.len() - MARK { 2 } else { 3 };
            assert_eq!(payloads(&log), written[..kept], "{len}");
            let mut writer = LogWriter::resume(&disk, &log).unwrap();
            writer.append(9, b"more").unwrap();
            let log = Log::read(&disk, 7).unwrap();
            assert_eq!(payloads(&log).last().unwrap(), b"more");
            assert_eq!(payloads(&log).len(), kept + 1);
            assert_eq!(log.torn(), 0);
        }
    }
}
