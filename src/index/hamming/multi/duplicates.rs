//! Finding equal codes, of which only the first is in the tables: a blank picture that leaked a
//! million times must not fill sixteen buckets.

use super::permute::Chunked;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::pages::Pages;

/// Parts of the codes, by their hash: enough that the hash table of a part stays in the cache.
const PARTS: usize = 256;

/// Parts of a task.
const PARTS_PER_TASK: usize = 16;

/// Codes of a task that distributes them to parts.
const CODES_PER_TASK: usize = 1 << 18;

/// Steps of probing after which a code counts as new. Filling a chain on purpose gains nothing: a
/// duplicate that is not found costs memory, but no correctness.
const MAX_CHAIN: usize = 64;

/// Returns pairs of the first of several equal codes and each later one, sorted, and a buffer of
/// eight bytes a code that the caller may reuse.
pub(super) fn find_duplicates(
    codes: &[Chunked],
    exec: &Executor,
) -> Result<(Vec<[u32; 2]>, Pages<u64>)> {
    let blocks: Vec<(usize, &[Chunked])> = codes.chunks(CODES_PER_TASK).enumerate().collect();
    let counts = exec.map(&blocks, |(_, codes)| {
        let mut counts = [0_usize; PARTS];
        for code in *codes {
            counts[part(hash(code))] += 1;
        }
        counts
    });
    // Part after part, and within each the blocks in order, so that numbers ascend.
    let mut hashed = Pages::<u64>::zeroed(codes.len())?;
    let mut places: Vec<Vec<&mut [u64]>> = blocks.iter().map(|_| Vec::new()).collect();
    let mut rest = &mut *hashed;
    for part in 0..PARTS {
        for (counts, places) in counts.iter().zip(&mut places) {
            let (own, behind) = std::mem::take(&mut rest).split_at_mut(counts[part]);
            places.push(own);
            rest = behind;
        }
    }
    let tasks: Vec<_> = blocks.iter().zip(places).collect();
    exec.each(tasks, |(&(block, codes), mut places)| {
        let mut next = [0_usize; PARTS];
        for (id, code) in (block * CODES_PER_TASK..).zip(codes) {
            let hash = hash(code);
            let part = part(hash);
            if let Some(place) = places[part].get_mut(next[part]) {
                *place = u64::from(hash) << 32 | id as u64;
            }
            next[part] += 1;
        }
    });
    let mut parts = Vec::with_capacity(PARTS);
    let mut rest = &*hashed;
    for part in 0..PARTS {
        let len = counts.iter().map(|counts| counts[part]).sum();
        let (own, behind) = rest.split_at(len);
        parts.push(own);
        rest = behind;
    }
    let groups: Vec<&[&[u64]]> = parts.chunks(PARTS_PER_TASK).collect();
    let mut duplicates = exec
        .map(&groups, |group| {
            let (mut table, mut duplicates) = (Vec::new(), Vec::new());
            for part in *group {
                find_in_part(codes, part, &mut table, &mut duplicates);
            }
            duplicates
        })
        .concat();
    exec.sort_by_key(&mut duplicates, |pair| *pair);
    Ok((duplicates, hashed))
}

/// Appends the duplicates of one part, by an open-addressing hash table of places in `part`, counted
/// from 1.
fn find_in_part(
    codes: &[Chunked],
    part: &[u64],
    table: &mut Vec<u32>,
    duplicates: &mut Vec<[u32; 2]>,
) {
    let slots = (part.len() * 2).next_power_of_two().max(2);
    table.clear();
    table.resize(slots, 0);
    let shift = 32 - slots.trailing_zeros().min(24);
    for (place, &hashed) in (1..).zip(part) {
        let start = ((hashed >> 32) as u32) << PARTS.trailing_zeros() >> shift;
        let code = codes.get(hashed as u32 as usize);
        for slot in start as usize..start as usize + MAX_CHAIN {
            let slot = &mut table[slot & (slots - 1)];
            if *slot == 0 {
                *slot = place;
                break;
            }
            let other = part[*slot as usize - 1];
            if other >> 32 == hashed >> 32 && codes.get(other as u32 as usize) == code {
                duplicates.push([other as u32, hashed as u32]);
                break;
            }
        }
    }
}

#[inline(always)]
fn hash(code: &Chunked) -> u32 {
    let [a, b, c, d] = *code;
    let mixed = (a ^ b.rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (c ^ d.rotate_left(41)).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    ((mixed ^ mixed >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

#[inline(always)]
fn part(hash: u32) -> usize {
    (hash >> 24) as usize
}
