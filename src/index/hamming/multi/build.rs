//! Building the tables: duplicates are removed, codes are divided into one column for each chunk,
//! and each column is sorted by value in two passes.

use std::sync::{Mutex, PoisonError};

use super::duplicates::find_duplicates;
use super::permute::{CHUNKS, Chunked, chunk, spread};
use super::run::{Shape, pack, value};
use super::{MultiIndex, VALUES};
use crate::error::{Error, Result};
use crate::exec::Executor;
use crate::index::pages::Pages;

/// Codes of a task.
const CODES_PER_TASK: usize = 1 << 16;

/// Values of the upper byte of a chunk, and of the lower one.
const BYTES: usize = 256;

/// Codes and their tables in memory: 4 MiB, about 100 bytes a distinct code and 40 bytes a
/// repeated code.
#[derive(Debug)]
pub(in crate::index::hamming) struct MultiTables {
    codes: Pages<Chunked>,
    distinct: usize,
    duplicates: Vec<[u32; 2]>,
    starts: Pages<u32>,
    bases: [usize; CHUNKS + 1],
    words: Pages<u16>,
}

/// The table of one chunk, and the values it is built from.
struct Table<'t> {
    /// The chunk of every code, and the next chunk.
    values: &'t [u16],
    sketches: &'t [u16],
    starts: &'t [u32],
    words: &'t mut [u16],
}

/// A buffer for the postings of a table, sorted by the upper byte.
type Buffer = Pages<u64>;

impl MultiTables {
    /// Builds tables of `len` codes; `code` returns the code of each number.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) from 2^32 codes on, or about 2 * 10^9 distinct ones.
    pub(in crate::index::hamming) fn build(
        len: usize,
        code: impl Fn(usize) -> [u64; 4] + Sync,
        exec: &Executor,
    ) -> Result<Self> {
        if u32::try_from(len).is_err() {
            return Err(Error::limit("codes", u32::MAX, len));
        }
        let mut codes = Pages::<Chunked>::zeroed(len)?;
        exec.each(
            codes.chunks_mut(CODES_PER_TASK).enumerate().collect(),
            |(block, codes)| {
                for (i, slot) in (block * CODES_PER_TASK..).zip(codes) {
                    *slot = spread(code(i));
                }
            },
        );
        let (duplicates, buffer) = find_duplicates(&codes, exec)?;
        let firsts = firsts(len, &duplicates);
        let distinct = len - duplicates.len();
        let columns = columns(&codes, &firsts, distinct, exec)?;
        let column = |chunk: usize| &columns[chunk % CHUNKS * distinct..][..distinct];

        let shape = Shape::new(len);
        let mut starts = Pages::<u32>::zeroed(CHUNKS * (VALUES + 1))?;
        let bounds = starts.chunks_mut(VALUES + 1).enumerate().collect();
        exec.each(bounds, |(chunk, starts)| {
            set_starts(starts, column(chunk), shape)
        });
        let mut bases = [0; CHUNKS + 1];
        for (chunk, starts) in starts.chunks(VALUES + 1).enumerate() {
            if !starts.is_sorted() {
                return Err(Error::limit("postings of a table", u32::MAX / 3, distinct));
            }
            bases[chunk + 1] = bases[chunk] + starts[VALUES] as usize;
        }
        let mut words = Pages::<u16>::zeroed(bases[CHUNKS])?;
        let mut tables = Vec::with_capacity(CHUNKS);
        let mut rest = &mut *words;
        for (chunk, starts) in starts.chunks(VALUES + 1).enumerate() {
            let (words, behind) =
                std::mem::take(&mut rest).split_at_mut(bases[chunk + 1] - bases[chunk]);
            rest = behind;
            tables.push(Table {
                values: column(chunk),
                sketches: column(chunk + 1),
                starts,
                words,
            });
        }
        // Buffers are reused: clearing new memory costs more than sorting in it.
        let buffers = Mutex::new(vec![buffer]);
        let failed = Mutex::new(None);
        let lock = |e| PoisonError::into_inner(e);
        exec.each(tables, |mut table| {
            let free = buffers.lock().unwrap_or_else(lock).pop();
            match free.map_or_else(|| Buffer::zeroed(distinct), Ok) {
                Ok(mut buffer) => {
                    table.fill(shape, &firsts, &mut buffer);
                    buffers.lock().unwrap_or_else(lock).push(buffer);
                }
                Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(Self {
            codes,
            distinct,
            duplicates,
            starts,
            bases,
            words,
        })
    }

    /// Returns a searchable view of the tables.
    pub(in crate::index::hamming) fn view(&self) -> MultiIndex<'_> {
        MultiIndex {
            codes: &self.codes,
            distinct: self.distinct,
            duplicates: &self.duplicates,
            starts: &self.starts,
            bases: self.bases,
            words: &self.words,
        }
    }
}

/// Returns the numbers of all codes but the repeated ones; empty if all codes differ.
fn firsts(len: usize, duplicates: &[[u32; 2]]) -> Vec<u32> {
    if duplicates.is_empty() {
        return Vec::new();
    }
    let mut repeated = vec![false; len];
    for &[_, later] in duplicates {
        repeated[later as usize] = true;
    }
    let ids = (0..).zip(repeated);
    ids.filter_map(|(id, repeated)| (!repeated).then_some(id))
        .collect()
}

/// Copies each chunk of the distinct codes to a separate column, so that building a table reads two
/// bytes of each code and not 32.
fn columns(
    codes: &[Chunked],
    firsts: &[u32],
    distinct: usize,
    exec: &Executor,
) -> Result<Pages<u16>> {
    let mut columns = Pages::<u16>::zeroed(CHUNKS * distinct)?;
    let mut blocks: Vec<Vec<&mut [u16]>> = (0..distinct.div_ceil(CODES_PER_TASK))
        .map(|_| Vec::with_capacity(CHUNKS))
        .collect();
    for column in columns.chunks_mut(distinct.max(1)) {
        for (block, slots) in blocks.iter_mut().zip(column.chunks_mut(CODES_PER_TASK)) {
            block.push(slots);
        }
    }
    exec.each(
        blocks.into_iter().enumerate().collect(),
        |(block, mut columns)| {
            let start = block * CODES_PER_TASK;
            let end = distinct.min(start + CODES_PER_TASK);
            // A few codes at a time for all columns, while they are in the first-level cache.
            const STEP: usize = 512;
            let mut own = Vec::with_capacity(STEP);
            for from in (start..end).step_by(STEP) {
                let range = from..end.min(from + STEP);
                own.clear();
                match firsts.get(range.clone()) {
                    Some(ids) => own.extend(ids.iter().map(|&id| codes[id as usize])),
                    None => own.extend_from_slice(&codes[range.clone()]),
                }
                for (c, column) in columns.iter_mut().enumerate() {
                    let slots = &mut column[from - start..range.end - start];
                    for (slot, code) in slots.iter_mut().zip(&own) {
                        *slot = chunk(code, c);
                    }
                }
            }
        },
    );
    Ok(columns)
}

/// Computes where the run of each value begins in its table, and where the last one ends. The
/// result is not sorted if an offset exceeds 32 bits.
fn set_starts(starts: &mut [u32], values: &[u16], shape: Shape) {
    for &value in values {
        starts[usize::from(value)] += 1;
    }
    let mut sum = 0_usize;
    for start in starts {
        let len = *start as usize;
        *start = u32::try_from(sum).unwrap_or(0);
        sum += shape.words(len);
    }
}

impl Table<'_> {
    /// Sorts the postings into their runs. `buffer` has room for all of them.
    fn fill(&mut self, shape: Shape, firsts: &[u32], buffer: &mut [u64]) {
        let len_of = |value: usize| shape.len(self.starts[value + 1] - self.starts[value]) as usize;
        // By the upper byte first: 256 streams, which fit the caches.
        let mut lens = vec![[0_usize; BYTES]; BYTES];
        let (mut next, mut sum) = ([0; BYTES], 0);
        for (upper, (lens, next)) in lens.iter_mut().zip(&mut next).enumerate() {
            *next = sum;
            for (lower, len) in lens.iter_mut().enumerate() {
                *len = len_of(upper * BYTES + lower);
                sum += *len;
            }
        }
        let mut place = |value: u16, sketch: u16, id: u32| {
            let next = &mut next[usize::from(value >> 8)];
            buffer[*next] = pack(value, sketch, id);
            *next += 1;
        };
        let pairs = self.values.iter().zip(self.sketches);
        if firsts.is_empty() {
            for (id, (&value, &sketch)) in (0..).zip(pairs) {
                place(value, sketch, id);
            }
        } else {
            for (&id, (&value, &sketch)) in firsts.iter().zip(pairs) {
                place(value, sketch, id);
            }
        }
        // Then by the lower byte, a few thousand postings at a time.
        let mut sorted = Vec::new();
        let mut rest = &*buffer;
        for (upper, lens) in lens.iter().enumerate() {
            let (part, behind) = rest.split_at(lens.iter().sum());
            rest = behind;
            sorted.clear();
            sorted.resize(part.len(), 0);
            let (mut next, mut sum) = ([0; BYTES], 0);
            for (next, len) in next.iter_mut().zip(lens) {
                *next = sum;
                sum += len;
            }
            for &posting in part {
                let next = &mut next[usize::from(value(posting) as u8)];
                sorted[*next] = posting;
                *next += 1;
            }
            let mut postings = sorted.as_slice();
            for (lower, &len) in lens.iter().enumerate() {
                let (own, behind) = postings.split_at(len);
                postings = behind;
                let bounds = &self.starts[upper * BYTES + lower..];
                let run = &mut self.words[bounds[0] as usize..bounds[1] as usize];
                shape.encode(run, own);
            }
        }
    }
}
