//! Large arrays on huge pages.
//!
//! A search makes random accesses to gigabytes. With pages of 4 KiB nearly every one misses the
//! TLB, which makes a search take two fifths longer.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::{Error, Result};

/// A zeroed array in an anonymous mapping, on Linux with advice to use huge pages.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    /// `None` if the array is empty.
    map: Option<MmapMut>,
    bytes: usize,
    elements: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes + Immutable> Pages<T> {
    /// Allocates `len` zeros.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) if there is not enough memory.
    pub(super) fn zeroed(len: usize) -> Result<Self> {
        let bytes = len
            .checked_mul(size_of::<T>())
            .ok_or_else(|| Error::limit("bytes of an array", usize::MAX, len))?;
        let map = (bytes > 0)
            .then(|| MmapMut::map_anon(bytes))
            .transpose()
            .map_err(|e| Error::io("cannot get memory", e))?;
        #[cfg(target_os = "linux")]
        if let Some(map) = &map {
            // Only advice: where huge pages are switched off, small ones are used.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self {
            map,
            bytes,
            elements: PhantomData,
        })
    }
}

impl<T: FromBytes + IntoBytes + Immutable> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let bytes = self.map.as_deref().and_then(|map| map.get(..self.bytes));
        // The map begins at a page and holds a whole number of elements.
        <[T]>::ref_from_bytes(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

impl<T: FromBytes + IntoBytes + Immutable> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let bytes = self.map.as_deref_mut();
        let bytes = bytes.and_then(|map| map.get_mut(..self.bytes));
        <[T]>::mut_from_bytes(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_zeroed_and_writable() {
        for len in [0, 1, 1000, 100_000] {
            let mut pages = Pages::<[u64; 4]>::zeroed(len).unwrap();
            assert_eq!(pages.len(), len);
            assert!(pages.iter().all(|element| *element == [0; 4]));
            if let Some(last) = pages.last_mut() {
                *last = [7; 4];
                assert_eq!(pages[len - 1], [7; 4]);
            }
        }
    }
}
