//! The records of a segment: what was added, in the order of the index's items, with a table
//! to find each. Drawn in `FORMAT.md`.

use std::io::Write;

use super::codec::{Decoder, Encoder};
use super::record::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::index::Bytes;

const MAGIC: [u8; 8] = *b"\x89LKR\r\n\x1a\n";
/// Version 1 has no ignore and background files, and zeros in place of their number.
const VERSION: u32 = 2;
const HEADER: usize = 64;
/// Before each record: its length and the start of its BLAKE3.
const FRAME: usize = 12;

/// How many items of each kind there are, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Fingerprints.
    pub(super) prints: u32,
    /// Codes of each pipeline.
    pub(super) codes: [u32; 2],
    /// Ignore and background files, which are no items.
    pub(super) discounts: u32,
}

impl Counts {
    pub(super) fn all(&self) -> u32 {
        self.items().saturating_add(self.discounts)
    }

    /// How many of them are items; these come first.
    pub(super) fn items(&self) -> u32 {
        let [full, nn512] = self.codes;
        self.prints.saturating_add(full).saturating_add(nn512)
    }

    /// The first item among the codes of a pipeline.
    pub(super) fn first_code(&self, pipeline: usize) -> u32 {
        self.prints + if pipeline == 0 { 0 } else { self.codes[0] }
    }
}

/// Writes records one after the other.
pub(super) struct RecordWriter<W> {
    out: W,
    at: u64,
    table: Vec<u64>,
}

impl<W: Write> RecordWriter<W> {
    /// Writes the header, which says how many records will follow.
    pub(super) fn new(mut out: W, counts: Counts) -> std::io::Result<Self> {
        let mut header = Encoder::default();
        header.raw(&MAGIC);
        header.u32(VERSION);
        header.u32(counts.prints);
        counts.codes.iter().for_each(|&count| header.u32(count));
        header.u32(counts.discounts);
        header.0.resize(HEADER - 32, 0);
        let checksum = blake3::hash(&header.0);
        header.raw(checksum.as_bytes());
        out.write_all(&header.0)?;
        Ok(Self {
            out,
            at: HEADER as u64,
            table: Vec::with_capacity(counts.all() as usize + 1),
        })
    }

    pub(super) fn put(&mut self, record: &[u8]) -> std::io::Result<()> {
        let len = u32::try_from(record.len())
            .map_err(|_| std::io::Error::other("a record of more than 4 GiB"))?;
        self.table.push(self.at);
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&checksum(record))?;
        self.out.write_all(record)?;
        self.at += (FRAME + record.len()) as u64;
        Ok(())
    }

    /// Writes the table.
    pub(super) fn finish(mut self) -> std::io::Result<W> {
        self.table.push(self.at);
        for at in &self.table {
            self.out.write_all(&at.to_le_bytes())?;
        }
        Ok(self.out)
    }
}

fn checksum(record: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(record);
    let mut short = [0; 8];
    for (to, from) in short.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    short
}

/// The records of a segment, opened.
pub(super) struct Records {
    bytes: Bytes,
    counts: Counts,
    table_at: usize,
}

impl Records {
    /// Checks the header and the size; reads nothing else.
    pub(super) fn open(bytes: Bytes) -> Result<Self> {
        let corrupt = |what: &str| Error::corrupt(format!("records of a segment: {what}"));
        let mut read = Decoder::new(&bytes);
        if read.array::<8>().ok() != Some(MAGIC) {
            return Err(Error::new(
                ErrorKind::Version,
                "these are no records of a segment",
            ));
        }
        let version = read.u32()?;
        if !(1..=VERSION).contains(&version) {
            let message = format!("records of version {version}, this build reads up to {VERSION}");
            return Err(Error::new(ErrorKind::Version, message));
        }
        let header = bytes.get(..HEADER).ok_or_else(|| corrupt("cut short"))?;
        let (fields, sum) = header.split_at(HEADER - 32);
        if blake3::hash(fields).as_bytes() != sum {
            return Err(corrupt("the header's checksum does not match"));
        }
        let counts = Counts {
            prints: read.u32()?,
            codes: [read.u32()?, read.u32()?],
            discounts: read.u32()?,
        };
        let [full, nn512] = counts.codes;
        let kinds = [counts.prints, full, nn512, counts.discounts];
        let all: u64 = kinds.into_iter().map(u64::from).sum();
        let table = (all <= u64::from(u32::MAX)).then_some((all as usize + 1) * 8);
        let table_at = table.and_then(|table| bytes.len().checked_sub(table));
        let table_at = table_at.filter(|&at| at >= HEADER);
        Ok(Self {
            counts,
            table_at: table_at.ok_or_else(|| corrupt("cut short"))?,
            bytes,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn at(&self, item: u32) -> Option<usize> {
        let at = self.table_at.checked_add(item as usize * 8)?;
        let place = self.bytes.get(at..)?.first_chunk()?;
        usize::try_from(u64::from_le_bytes(*place)).ok()
    }

    /// The bytes of a record, its checksum verified.
    pub(super) fn raw(&self, item: u32) -> Result<&[u8]> {
        let find = || {
            let (start, end) = (self.at(item)?, self.at(item.checked_add(1)?)?);
            let frame = self.bytes.get(start..end.min(self.table_at))?;
            let (head, record) = frame.split_at_checked(FRAME)?;
            let whole = u32::try_from(record.len()).ok()?.to_le_bytes();
            let (len, sum) = head.split_at(4);
            (len == whole && sum == checksum(record)).then_some(record)
        };
        if item >= self.counts.all() {
            let message = format!("item {item} of {}", self.counts.all());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        find().ok_or_else(|| {
            let message =
                format!("record {item} of a segment is damaged: `repair` saves the others");
            Error::corrupt(message)
        })
    }

    pub(super) fn get(&self, item: u32) -> Result<Record<'_>> {
        Record::parse(self.raw(item)?)
    }
}

/// The records one after the other, for when the table is lost: their numbers, and those that
/// are sound. Ends where no further record can be made out.
pub(super) fn scan(bytes: &[u8]) -> impl Iterator<Item = (u32, Option<&[u8]>)> {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    (0..).map_while(move |item| {
        let (head, behind) = rest.split_at_checked(FRAME)?;
        let (len, sum) = head.split_first_chunk::<4>()?;
        let (record, behind) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = behind;
        // The table would look like records of no bytes; none has.
        (!record.is_empty()).then(|| (item, (sum == checksum(record)).then_some(record)))
    })
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
