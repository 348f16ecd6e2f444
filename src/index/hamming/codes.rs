//! Where codes lie: in planes to be scanned, or under tables to be looked up in.

use std::ops::Range;

use super::multi::MultiIndex;
use crate::arch::Planes;
use crate::code::Code256;
use crate::error::Result;

/// The words to which a plane is padded: 64 bytes, a cache line.
const PLANE_ALIGN: usize = 8;

/// The words that a plane of `codes` codes takes, padding included.
pub(super) fn plane_words(codes: usize) -> Option<usize> {
    codes.checked_next_multiple_of(PLANE_ALIGN)
}

/// Codes to search, which lie elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Codes<'a> {
    /// As a structure of arrays.
    Planes(Planes<'a>),
    /// As they are, with tables.
    Multi(MultiIndex<'a>),
}

impl Codes<'_> {
    /// The number of codes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Planes(planes) => planes.len(),
            Self::Multi(multi) => multi.len(),
        }
    }

    /// One code.
    pub(super) fn get(&self, code: usize) -> Option<Code256> {
        match self {
            Self::Planes(planes) => planes.get(code),
            Self::Multi(multi) => multi.get(code),
        }
    }

    /// A query in the form in which the codes lie: equal distances.
    pub(super) fn form(&self, query: Code256) -> Code256 {
        match self {
            Self::Planes(_) => query,
            Self::Multi(_) => MultiIndex::spread(query),
        }
    }

    /// Calls `f`, which may end it, with the codes of `range` as planes, `tile` of them at a time, and
    /// the number of the first.
    pub(super) fn tiles(
        &self,
        range: Range<usize>,
        tile: usize,
        mut f: impl FnMut(u32, Planes<'_>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Planes(planes) => {
                for start in range.clone().step_by(tile) {
                    f(
                        start as u32,
                        planes.slice(start..range.end.min(start + tile)),
                    )?;
                }
            }
            Self::Multi(multi) => {
                // Turned into planes on the way; a tile stays in the cache while
                // all queries of a task pass over it.
                let mut words: [Vec<u64>; 4] = Default::default();
                for start in range.clone().step_by(tile) {
                    let codes = multi.codes().get(start..range.end.min(start + tile));
                    let codes = codes.unwrap_or_default();
                    for (w, plane) in words.iter_mut().enumerate() {
                        plane.clear();
                        plane.extend(codes.iter().map(|code| code[w]));
                    }
                    let [a, b, c, d] = &words;
                    f(start as u32, Planes::new([a, b, c, d]).unwrap_or_default())?;
                }
            }
        }
        Ok(())
    }
}
