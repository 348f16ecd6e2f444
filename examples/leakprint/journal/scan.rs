//! Finds the records of a journal: reads the heads and skips the payloads.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::record::{HEAD, Head, Key, MAGIC, Seal};

/// Bytes that are searched at once after damage.
const PIECE: u64 = 64 << 10;

/// The result of a scan of a journal.
pub(super) struct Scan {
    /// The last record of each key.
    pub(super) table: HashMap<Key, u64>,
    /// The end of the last record. Bytes after it are an incomplete record.
    pub(super) end: u64,
    /// Damaged bytes that are followed by records.
    pub(super) lost: u64,
}

impl Scan {
    /// Of a journal whose head ends at `end`.
    pub(super) fn empty(end: u64) -> Self {
        Self {
            table: HashMap::new(),
            end,
            lost: 0,
        }
    }
}

/// Reads the heads from `start` on, of a file of `len` bytes.
pub(super) fn scan(file: &File, start: u64, len: u64, seal: &Seal) -> io::Result<Scan> {
    let mut scan = Scan::empty(start);
    let mut reader = BufReader::with_capacity(PIECE as usize, file);
    reader.seek(SeekFrom::Start(start))?;
    loop {
        let at = scan.end;
        if let Some(head) = head(&mut reader, at, len, seal)? {
            scan.table.insert(head.key, at);
            scan.end = head.end(at);
            reader.seek_relative(i64::from(head.len))?;
            continue;
        }
        let Some(next) = next(&mut reader, at + 1, len, seal)? else {
            return Ok(scan);
        };
        scan.lost += next - at;
        scan.end = next;
        reader.seek(SeekFrom::Start(next))?;
    }
}

/// Returns the head at an offset, if there is one and its record is complete.
fn head(reader: &mut impl Read, at: u64, len: u64, seal: &Seal) -> io::Result<Option<Head>> {
    if len.saturating_sub(at) < HEAD as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEAD];
    reader.read_exact(&mut bytes)?;
    Ok(Head::parse(&bytes, seal, at).filter(|head| head.end(at) <= len))
}

/// Returns the first record from an offset on.
fn next(
    reader: &mut (impl Read + Seek),
    from: u64,
    len: u64,
    seal: &Seal,
) -> io::Result<Option<u64>> {
    let mut piece = Vec::new();
    // Pieces overlap by all of a head but one byte.
    for start in (from..len).step_by(PIECE as usize) {
        piece.clear();
        reader.seek(SeekFrom::Start(start))?;
        reader
            .take(PIECE + HEAD as u64 - 1)
            .read_to_end(&mut piece)?;
        for (at, bytes) in (start..).zip(piece.windows(HEAD)) {
            if !bytes.starts_with(&MAGIC) {
                continue;
            }
            let head = bytes.try_into().ok();
            let head = head.and_then(|bytes| Head::parse(bytes, seal, at));
            if head.is_some_and(|head| head.end(at) <= len) {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}
