//! Building the tables: duplicates folded, then one counting sort a chunk.

use std::sync::{Mutex, PoisonError};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::permute::{CHUNKS, Chunked, chunk, spread};
use super::{MultiIndex, VALUES};
use crate::arch::prefetch;
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::hamming::pages::Pages;

/// Codes from which on sorting goes in two passes, because one would write to
/// 65,536 places in memory that no cache holds.
const TWO_PASSES: usize = 1 << 18;

/// Codes and their tables, in memory: 128 bytes a distinct code, 40 a repeated one.
#[derive(Debug)]
pub(in crate::index::hamming) struct MultiTables {
    codes: Pages<Chunked>,
    offsets: Pages<u32>,
    sketches: Pages<u16>,
    ids: Pages<u32>,
    duplicates: Vec<(u32, u32)>,
}

/// The places of one chunk's table in the arrays.
struct Table<'t> {
    chunk: usize,
    offsets: &'t mut [u32],
    sketches: &'t mut [u16],
    ids: &'t mut [u32],
}

/// An entry on its way to its place.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Entry {
    value: u16,
    sketch: u16,
    id: u32,
}

impl MultiTables {
    /// Tables over `len` codes; the code of each number comes from `code`.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on.
    pub(in crate::index::hamming) fn build(
        len: usize,
        code: impl Fn(usize) -> [u64; 4] + Sync,
        exec: &Executor,
    ) -> Result<Self> {
        if u32::try_from(len).is_err() {
            return Err(Error::limit("codes", u32::MAX, len));
        }
        let mut codes = Pages::<Chunked>::zeroed(len)?;
        const BLOCK: usize = 1 << 16;
        exec.each(
            codes.chunks_mut(BLOCK).enumerate().collect(),
            |(block, codes)| {
                for (i, slot) in (block * BLOCK..).zip(codes) {
                    *slot = spread(code(i));
                }
            },
        );
        let Folded { firsts, duplicates } = fold_duplicates(&codes)?;
        let unique = firsts.len();
        let mut tables = Self {
            codes,
            offsets: Pages::zeroed(CHUNKS * (VALUES + 1))?,
            sketches: Pages::zeroed(CHUNKS * unique)?,
            ids: Pages::zeroed(CHUNKS * unique)?,
            duplicates,
        };
        // An empty slice has no chunks, so that the tables of no code are none.
        let parts = tables
            .offsets
            .chunks_mut(VALUES + 1)
            .zip(tables.sketches.chunks_mut(unique.max(1)))
            .zip(tables.ids.chunks_mut(unique.max(1)))
            .enumerate()
            .map(|(chunk, ((offsets, sketches), ids))| Table {
                chunk,
                offsets,
                sketches,
                ids,
            });
        let codes = &*tables.codes;
        let filled = Mutex::new(Ok(()));
        exec.each(parts.collect(), |mut table| {
            if let Err(error) = table.fill(codes, &firsts) {
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
            }
        });
        filled
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)?;
        Ok(tables)
    }

    /// The tables, ready to be searched.
    pub(in crate::index::hamming) fn view(&self) -> MultiIndex<'_> {
        MultiIndex {
            codes: &self.codes,
            offsets: &self.offsets,
            sketches: &self.sketches,
            ids: &self.ids,
            duplicates: &self.duplicates,
        }
    }

    /// Bytes of all arrays.
    pub(in crate::index::hamming) fn bytes(&self) -> usize {
        size_of_val(&*self.codes)
            + size_of_val(&*self.offsets)
            + size_of_val(&*self.sketches)
            + size_of_val(&*self.ids)
            + size_of_val(self.duplicates.as_slice())
    }
}

impl Table<'_> {
    fn fill(&mut self, codes: &[Chunked], firsts: &[u32]) -> Result<()> {
        for &id in firsts {
            let value = chunk(&codes[id as usize], self.chunk);
            self.offsets[usize::from(value) + 1] += 1;
        }
        let mut sum = 0;
        for offset in self.offsets.iter_mut() {
            sum += *offset;
            *offset = sum;
        }
        let mut next: Vec<u32> = self.offsets[..VALUES].to_vec();
        let entry = |id: u32| {
            let code = &codes[id as usize];
            Entry {
                value: chunk(code, self.chunk),
                sketch: chunk(code, (self.chunk + 1) % CHUNKS),
                id,
            }
        };
        let (sketches, ids) = (&mut *self.sketches, &mut *self.ids);
        let mut place = |entry: Entry| {
            let at = &mut next[usize::from(entry.value)];
            sketches[*at as usize] = entry.sketch;
            ids[*at as usize] = entry.id;
            *at += 1;
        };
        if firsts.len() < TWO_PASSES {
            firsts.iter().for_each(|&id| place(entry(id)));
            return Ok(());
        }
        // By the upper byte first: 256 streams, which the caches hold; the 256
        // values of one upper byte then lie close together.
        let mut starts = [0_usize; 256];
        for (start, offset) in starts.iter_mut().zip(self.offsets.iter().step_by(256)) {
            *start = *offset as usize;
        }
        let mut entries = Pages::<Entry>::zeroed(firsts.len())?;
        for &id in firsts {
            let entry = entry(id);
            let start = &mut starts[usize::from(entry.value >> 8)];
            entries[*start] = entry;
            *start += 1;
        }
        entries.iter().copied().for_each(place);
        Ok(())
    }
}

/// Codes without their repetitions.
struct Folded {
    /// The first code of each kind.
    firsts: Vec<u32>,
    /// The first code and each other one of its kind, sorted.
    duplicates: Vec<(u32, u32)>,
}

/// The first code of each kind, in order, and the pairs of it and the others, sorted.
///
/// An open-addressing table of code numbers, probed a few codes behind the
/// prefetch. An attacker who fills one chain pays with the codes' own number
/// of steps only up to [`MAX_CHAIN`]; beyond it a code counts as new, which
/// costs room and is never wrong.
fn fold_duplicates(codes: &[Chunked]) -> Result<Folded> {
    const AHEAD: usize = 16;
    const MAX_CHAIN: usize = 64;
    let slots = (codes.len() * 2).next_power_of_two();
    // Numbers of codes from 1 on; 0 is an empty slot.
    let mut table = Pages::<u32>::zeroed(slots)?;
    let shift = 64 - slots.trailing_zeros();
    let slot = |code: &Chunked| {
        let [a, b, c, d] = *code;
        let mixed = (a ^ b.rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (c ^ d.rotate_left(41)).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed.checked_shr(shift).unwrap_or(0) as usize
    };
    let (mut firsts, mut duplicates) = (Vec::with_capacity(codes.len()), Vec::new());
    for (id, code) in (0_u32..).zip(codes) {
        if let Some(ahead) = codes.get(id as usize + AHEAD) {
            prefetch(&table, slot(ahead));
        }
        let start = slot(code);
        let mut first = None;
        for at in (start..start + MAX_CHAIN).map(|at| at & (slots - 1)) {
            match table[at] {
                0 => {
                    table[at] = id + 1;
                    break;
                }
                other if codes[other as usize - 1] == *code => {
                    first = Some(other - 1);
                    break;
                }
                _ => {}
            }
        }
        match first {
            Some(first) => duplicates.push((first, id)),
            None => firsts.push(id),
        }
    }
    duplicates.sort_unstable();
    Ok(Folded { firsts, duplicates })
}
