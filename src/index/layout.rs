//! The frame of the file: header and section table, and the checks at opening. Described in
//! `FORMAT.md`.

use std::ops::Range;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::buckets::Bucket;
use super::map::ALIGN;
use super::records::{
    CellPlace, CellRecord, DigestRecord, ItemRecord, LocalEntry, LocalRecord, MetaRecord,
    PartRecord, PictureRecord, ValueRecord,
};
use crate::calibration::RECORD_LEN;
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Sketch;

/// The version of the file format that this build writes, and the only one it reads. It is
/// increased by every change that an older build would misread; see `FORMAT.md` for the policy.
pub const FORMAT_VERSION: u32 = 3;

/// A byte outside ASCII and the line ends of the PNG signature: a transfer as text breaks them.
const MAGIC: [u8; 8] = *b"\x89LKP\r\n\x1a\n";

/// The sections, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Section {
    Meta = 1,
    Strings,
    Items,
    ItemOrder,
    Parts,
    Anchors,
    Digests,
    DigestRefs,
    Pictures,
    PdqCodes,
    GradientCodes,
    Sketches,
    Postings,
    GramBuckets,
    LocalPrints,
    LocalBuckets,
    LocalEntries,
    Cells,
    CellPlaces,
    Values,
    Calibration,
}

impl Section {
    pub(super) const COUNT: usize = 21;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Meta,
        Self::Strings,
        Self::Items,
        Self::ItemOrder,
        Self::Parts,
        Self::Anchors,
        Self::Digests,
        Self::DigestRefs,
        Self::Pictures,
        Self::PdqCodes,
        Self::GradientCodes,
        Self::Sketches,
        Self::Postings,
        Self::GramBuckets,
        Self::LocalPrints,
        Self::LocalBuckets,
        Self::LocalEntries,
        Self::Cells,
        Self::CellPlaces,
        Self::Values,
        Self::Calibration,
    ];

    /// Returns the name of the section in `FORMAT.md`, [`IndexInfo`](super::IndexInfo) and errors.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Strings => "strings",
            Self::Items => "items",
            Self::ItemOrder => "item_order",
            Self::Parts => "parts",
            Self::Anchors => "anchors",
            Self::Digests => "digests",
            Self::DigestRefs => "digest_refs",
            Self::Pictures => "pictures",
            Self::PdqCodes => "pdq_codes",
            Self::GradientCodes => "gradient_codes",
            Self::Sketches => "sketches",
            Self::Postings => "postings",
            // An older word for buckets, which readers of `IndexInfo` know.
            Self::GramBuckets => "gram_lines",
            Self::LocalPrints => "local_prints",
            Self::LocalBuckets => "local_buckets",
            Self::LocalEntries => "local_entries",
            Self::Cells => "cells",
            Self::CellPlaces => "cell_places",
            Self::Values => "values",
            Self::Calibration => "calibration",
        }
    }

    /// Returns the bytes of one element.
    pub(super) fn stride(self) -> usize {
        match self {
            Self::Meta => size_of::<MetaRecord>(),
            Self::Strings | Self::Postings => 1,
            Self::Items => size_of::<ItemRecord>(),
            Self::Parts => size_of::<PartRecord>(),
            Self::Digests => 32,
            Self::DigestRefs => size_of::<DigestRecord>(),
            Self::Pictures => size_of::<PictureRecord>(),
            Self::Sketches => size_of::<[u64; Sketch::WORDS]>(),
            Self::LocalPrints => size_of::<LocalRecord>(),
            Self::LocalEntries => size_of::<LocalEntry>(),
            Self::GramBuckets => size_of::<Bucket>(),
            Self::Cells => size_of::<CellRecord>(),
            Self::CellPlaces => size_of::<CellPlace>(),
            Self::Values => size_of::<ValueRecord>(),
            Self::Calibration => RECORD_LEN,
            Self::LocalBuckets => 4,
            Self::PdqCodes | Self::GradientCodes => ALIGN,
            Self::ItemOrder | Self::Anchors => 4,
        }
    }

    /// Returns the position in [`Section::ALL`].
    fn position(self) -> usize {
        self as usize - 1
    }

    /// Makes the error that this section is damaged.
    pub(super) fn corrupt(self, what: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("section {}: {what}", self.name()))
    }
}

/// The first 64 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: u32,
    sections: u32,
    file_len: u64,
    reserved: u64,
    /// BLAKE3 of the preceding 32 bytes and of the section table.
    checksum: [u8; 32],
}

/// One entry of the section table.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Entry {
    kind: u32,
    stride: u32,
    offset: u64,
    len: u64,
    reserved: u64,
    checksum: [u8; 32],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Frame {
    header: Header,
    table: [Entry; Section::COUNT],
}

/// Bytes of header and section table. The first section begins here.
pub(super) const FRAME_LEN: usize = size_of::<Frame>();

const _: () = assert!(
    FRAME_LEN == 64 * (1 + Section::COUNT) && FRAME_LEN.is_multiple_of(ALIGN),
    "header and table entries are 64 bytes each"
);

/// A section as the table describes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) checksum: [u8; 32],
}

impl Extent {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// The extent of every section, checked against the length of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout([Extent; Section::COUNT]);

impl Layout {
    pub(super) fn extent(&self, section: Section) -> Extent {
        self.0.get(section.position()).copied().unwrap_or_default()
    }

    /// Returns the number of elements of a section.
    pub(super) fn count(&self, section: Section) -> usize {
        self.extent(section).range().len() / section.stride()
    }

    /// Reads and checks header and section table, and nothing else.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let magic = bytes
            .get(..MAGIC.len().min(bytes.len()))
            .unwrap_or_default();
        if bytes.is_empty() || !MAGIC.starts_with(magic) {
            return Err(Error::new(
                ErrorKind::Version,
                "this is no leakprint index: it does not begin with the magic bytes",
            ));
        }
        let version = bytes
            .get(8..12)
            .and_then(|version| u32::read_from_bytes(version).ok())
            .ok_or_else(|| cut_short(bytes.len()))?;
        if version != FORMAT_VERSION {
            return Err(Error::new(
                ErrorKind::Version,
                format!(
                    "the index has format version {version}, this build reads {FORMAT_VERSION}: \
                     rebuild the index, or use the build that made it"
                ),
            ));
        }
        let (frame, _) = Frame::read_from_prefix(bytes).map_err(|_| cut_short(bytes.len()))?;
        if frame.checksum() != frame.header.checksum {
            return Err(Error::corrupt(
                "the checksum of the header does not match: restore the file, or rebuild it",
            ));
        }
        if frame.header.sections as usize != Section::COUNT || frame.header.reserved != 0 {
            return Err(Error::corrupt("the header is invalid in its version"));
        }
        if frame.header.file_len != bytes.len() as u64 {
            return Err(Error::corrupt(format!(
                "the file has {} bytes, its header says {}: copy it again",
                bytes.len(),
                frame.header.file_len
            )));
        }
        let mut extents = [Extent::default(); Section::COUNT];
        let mut end = FRAME_LEN;
        for ((section, entry), extent) in
            Section::ALL.into_iter().zip(&frame.table).zip(&mut extents)
        {
            *extent = entry.check(section, end, bytes.len())?;
            end = extent.end;
        }
        if end != bytes.len() {
            return Err(Error::corrupt("bytes follow the last section"));
        }
        Ok(Self(extents))
    }

    /// Returns header and section table of a file with this layout as bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let table = std::array::from_fn(|i| {
            let (Some(section), Some(extent)) = (Section::ALL.get(i), self.0.get(i)) else {
                return Entry::default();
            };
            Entry {
                kind: *section as u32,
                stride: section.stride() as u32,
                offset: extent.start as u64,
                len: extent.range().len() as u64,
                reserved: 0,
                checksum: extent.checksum,
            }
        });
        let mut frame = Frame {
            header: Header {
                magic: MAGIC,
                version: FORMAT_VERSION,
                sections: Section::COUNT as u32,
                file_len: self.0.last().map_or(0, |extent| extent.end as u64),
                reserved: 0,
                checksum: [0; 32],
            },
            table,
        };
        frame.header.checksum = frame.checksum();
        frame.as_bytes().to_vec()
    }

    /// Makes a layout of the extents of all sections, in order.
    pub(super) fn new(extents: [Extent; Section::COUNT]) -> Self {
        Self(extents)
    }
}

impl Frame {
    fn checksum(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let header = self.header.as_bytes();
        hasher.update(header.get(..32).unwrap_or_default());
        hasher.update(self.table.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl Entry {
    /// Checks that a section is the expected one, begins at the first aligned byte after its
    /// predecessor and is inside the file.
    fn check(&self, section: Section, previous_end: usize, file_len: usize) -> Result<Extent> {
        if self.kind != section as u32
            || self.stride as usize != section.stride()
            || self.reserved != 0
        {
            return Err(section.corrupt("its entry in the section table is invalid"));
        }
        let extent = || {
            let start = usize::try_from(self.offset).ok()?;
            let len = usize::try_from(self.len).ok()?;
            let end = start.checked_add(len)?;
            let fits = Some(start) == previous_end.checked_next_multiple_of(ALIGN)
                && end <= file_len
                && len.is_multiple_of(section.stride());
            fits.then_some(Extent {
                start,
                end,
                checksum: self.checksum,
            })
        };
        extent().ok_or_else(|| {
            section.corrupt(format_args!(
                "{} bytes at {} do not fit the file of {file_len} bytes",
                self.len, self.offset
            ))
        })
    }
}

fn cut_short(len: usize) -> Error {
    Error::corrupt(format!(
        "the file ends after {len} bytes, inside its header of {FRAME_LEN}: copy it again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_numbered_from_one_in_order() {
        for (i, section) in Section::ALL.into_iter().enumerate() {
            assert_eq!(section as usize, i + 1);
            assert_eq!(section.position(), i);
        }
    }
}
