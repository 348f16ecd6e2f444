//! Writes sections one after the other and computes their checksums.

use std::io::{Seek, SeekFrom, Write};

use zerocopy::{Immutable, IntoBytes};

use crate::error::{Error, Result};
use crate::index::layout::{Extent, FRAME_LEN, Layout, Section};
use crate::index::map::ALIGN;

/// Bytes gathered before they are hashed and written.
const BUFFER: usize = 256 << 10;

/// A file that is being written. All sections must be written, in their order.
pub(super) struct FileSink<W> {
    out: W,
    at: usize,
    extents: [Extent; Section::COUNT],
}

impl<W: Write + Seek> FileSink<W> {
    /// Starts a file, with room for the header, which is known only at the end.
    pub(super) fn new(mut out: W) -> Result<Self> {
        out.write_all(&[0; FRAME_LEN]).map_err(failed)?;
        Ok(Self {
            out,
            at: FRAME_LEN,
            extents: [Extent::default(); Section::COUNT],
        })
    }

    /// Writes one section with the elements that `fill` puts into it.
    pub(super) fn section(
        &mut self,
        section: Section,
        fill: impl FnOnce(&mut SectionSink<'_, W>) -> Result<()>,
    ) -> Result<()> {
        let start = self.at.next_multiple_of(ALIGN);
        let padding = [0; ALIGN];
        self.out
            .write_all(padding.get(..start - self.at).unwrap_or_default())
            .map_err(failed)?;
        let mut sink = SectionSink {
            out: &mut self.out,
            buffer: Vec::with_capacity(BUFFER),
            hasher: blake3::Hasher::new(),
            len: 0,
        };
        fill(&mut sink)?;
        sink.flush()?;
        let end = start + sink.len;
        let checksum = *sink.hasher.finalize().as_bytes();
        if let Some(extent) = self.extents.get_mut(section as usize - 1) {
            *extent = Extent {
                start,
                end,
                checksum,
            };
        }
        self.at = end;
        Ok(())
    }

    /// Writes the header and section table.
    pub(super) fn finish(mut self) -> Result<()> {
        let frame = Layout::new(self.extents).to_bytes();
        self.out.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.out.write_all(&frame).map_err(failed)?;
        self.out.flush().map_err(failed)
    }
}

/// The section that is being written.
pub(super) struct SectionSink<'a, W> {
    out: &'a mut W,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    len: usize,
}

impl<W: Write> SectionSink<'_, W> {
    /// Appends one element.
    pub(super) fn put<T: IntoBytes + Immutable + ?Sized>(&mut self, value: &T) -> Result<()> {
        let bytes = value.as_bytes();
        if bytes.len() >= BUFFER {
            self.flush()?;
            return self.emit(bytes);
        }
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.emit(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.len += bytes.len();
        self.out.write_all(bytes).map_err(failed)
    }
}

fn failed(e: std::io::Error) -> Error {
    Error::io("cannot write the index", e)
}
