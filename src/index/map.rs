//! The bytes of an index, mapped from a file or owned. Besides `arch` the only place with `unsafe`.

// Mapping a file is unsafe by nature; the contract is at the block.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::pages::Pages;
use crate::error::{Error, ErrorKind, Result};

/// Bytes that begin at a multiple of [`ALIGN`].
pub(crate) enum Bytes {
    Mapped(Mmap),
    Owned { lines: Vec<CacheLine>, len: usize },
    Loaded { lines: Pages<CacheLine>, len: usize },
}

/// How the content of a file becomes available.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// By a memory map: at once, read page by page as it is used.
    Map,
    /// By reading all of it into memory on huge pages.
    Load,
}

/// The alignment of sections: a cache line, and enough for every record type.
pub(super) const ALIGN: usize = 64;

/// A cache line.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(crate) struct CacheLine([u8; ALIGN]);

impl Bytes {
    /// Opens a file. `what` names what it should be, for errors.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io), or [`Version`](ErrorKind::Version) if it is no regular file.
    pub(crate) fn open(path: &Path, access: Access, what: &str) -> Result<Self> {
        let unreadable = |e| Error::io(&format!("cannot open the {what}"), e);
        // Before opening, which would block on a pipe until another process writes to it.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(Error::new(
                ErrorKind::Version,
                match path.is_dir() {
                    true => format!("this is a folder, but a leakprint {what} is a file"),
                    false => format!("this is no leakprint {what}: it is no regular file"),
                },
            ));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        if len == 0 {
            // An empty mapping does not exist. The check of the layout reports the empty file.
            return Ok(Self::copy_of(&[]));
        }
        match access {
            Access::Map => Self::map(&file, what),
            Access::Load => {
                let len = usize::try_from(len)
                    .map_err(|_| Error::limit("bytes of a file", usize::MAX, len))?;
                let mut lines = Pages::<CacheLine>::zeroed(len.div_ceil(ALIGN))?;
                let room = lines.as_mut_bytes().get_mut(..len).unwrap_or_default();
                file.read_exact(room).map_err(unreadable)?;
                Ok(Self::Loaded { lines, len })
            }
        }
    }

    /// Maps a file read-only. Nothing is read yet.
    fn map(file: &File, what: &str) -> Result<Self> {
        // SAFETY: mapped memory must not change while it is borrowed. This crate
        // never writes to an existing file: a new one is written beside it and
        // renamed over it, and the mapping keeps the old one alive. That no other program
        // changes the file is a documented condition of `Index::open` and `CodeSet::open`,
        // which name `load` for where it cannot be relied on.
        let map = unsafe { Mmap::map(file) };
        let map = map.map_err(|e| Error::io(&format!("cannot map the {what}"), e))?;
        Ok(Self::Mapped(map))
    }

    /// Reads all pages that are not in memory yet. Does nothing where the system has no call for it.
    pub(super) fn warm(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Mapped(map) = self {
            // Huge pages where the file system supports them. Not at opening: then the first
            // access to a page would read two MiB.
            let _ = map.advise(memmap2::Advice::HugePage);
            if map.advise(memmap2::Advice::PopulateRead).is_err() {
                // Linux before 5.14.
                let _ = map.advise(memmap2::Advice::WillNeed);
            }
        }
    }

    /// Copies bytes into aligned memory.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let lines = bytes
            .chunks(ALIGN)
            .map(|chunk| {
                let mut line = CacheLine([0; ALIGN]);
                for (to, from) in line.0.iter_mut().zip(chunk) {
                    *to = *from;
                }
                line
            })
            .collect();
        Self::Owned {
            lines,
            len: bytes.len(),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            // The lines have room for `len` bytes.
            Self::Owned { lines, len } => lines.as_bytes().get(..*len).unwrap_or_default(),
            Self::Loaded { lines, len } => lines.as_bytes().get(..*len).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_equal_and_aligned() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let copy = Bytes::copy_of(&bytes);
            assert_eq!(&*copy, &bytes[..]);
            assert_eq!(copy.as_ptr().addr() % ALIGN, 0);
        }
    }
}
