//! The bytes of an index, mapped from a file or owned. With `arch` the only
//! place with `unsafe`.

// Mapping a file is unsafe by nature; the contract is at the block.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes that begin at a multiple of [`ALIGN`].
pub(super) enum Bytes {
    Mapped(Mmap),
    Owned { lines: Vec<Line>, len: usize },
}

/// What sections are aligned to: a cache line, and enough for every record type.
pub(super) const ALIGN: usize = 64;

/// A cache line.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub(super) struct Line([u8; ALIGN]);

impl Bytes {
    /// Maps a file read-only. Nothing is read yet.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: mapped memory must not change while it is borrowed. This crate
        // never writes to an existing index file: a new one is written beside
        // it and renamed over it, and the mapping keeps the old one alive. That
        // others keep to it is the documented condition of `Index::open`, which
        // names the copying way for where it can't be relied on.
        let map = unsafe { Mmap::map(file)? };
        Ok(Self::Mapped(map))
    }

    /// Copies bytes to where they are aligned.
    pub(super) fn copy_of(bytes: &[u8]) -> Self {
        let lines = bytes
            .chunks(ALIGN)
            .map(|chunk| {
                let mut line = Line([0; ALIGN]);
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
            // The lines were made to hold `len` bytes.
            Self::Owned { lines, len } => lines.as_bytes().get(..*len).unwrap_or_default(),
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
