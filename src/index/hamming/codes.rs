//! The two layouts of codes: planes for a scan, and whole codes with tables.

use std::ops::Range;

use super::multi::MultiIndex;
use crate::arch::Planes;
use crate::code::Code256;
use crate::error::Result;

/// A plane is padded to a multiple of this many words: 64 bytes, a cache line.
const PLANE_ALIGN: usize = 8;

/// Returns the words that a plane of `codes` codes takes, padding included.
pub(super) fn plane_words(codes: usize) -> Option<usize> {
    codes.checked_next_multiple_of(PLANE_ALIGN)
}

/// Borrowed codes to search.
#[derive(Clone, Copy, Debug)]
pub(super) enum Codes<'a> {
    /// A structure of arrays.
    Planes(Planes<'a>),
    /// Whole codes with their chunks spread, and tables.
    Multi(MultiIndex<'a>),
}

impl Codes<'_> {
    /// Returns the number of codes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Planes(planes) => planes.len(),
            Self::Multi(multi) => multi.len(),
        }
    }

    /// Returns a code by its number.
    pub(super) fn get(&self, code: usize) -> Option<Code256> {
        match self {
            Self::Planes(planes) => planes.get(code),
            Self::Multi(multi) => multi.get(code),
        }
    }

    /// Permutes the bits of a query as those of the codes are, which keeps all distances.
    pub(super) fn permute(&self, query: Code256) -> Code256 {
        match self {
            Self::Planes(_) => query,
            Self::Multi(_) => MultiIndex::spread(query),
        }
    }

    /// Calls `f` with the codes of `range` as planes, `tile` of them at a time, and the number of the
    /// first. An error of `f` ends the loop.
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
                // Converted to planes tile by tile; a tile stays in the cache for all queries of
                // a task.
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
