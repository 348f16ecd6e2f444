//! Equal codes are looked up once: a blank picture that leaked a million times
//! must not flood sixteen buckets.

use super::permute::Chunked;
use crate::error::Result;
use crate::exec::Executor;
use crate::index::pages::Pages;

/// Parts of the codes, by their hash: so many that a part's table stays in the cache.
const PARTS: usize = 256;

/// Parts that a task deals with.
const GROUP: usize = 16;

/// Codes of a task that distributes them.
const BLOCK: usize = 1 << 18;

/// Steps after which a code counts as new. Who fills one chain on purpose gains
/// nothing by it: that costs room and is never wrong.
const MAX_CHAIN: usize = 64;

/// The first code of each kind that there are several of, with each later one; sorted.
/// And room for a number of eight bytes a code, which was needed on the way.
pub(super) fn fold_duplicates(
    codes: &[Chunked],
    exec: &Executor,
) -> Result<(Vec<[u32; 2]>, Pages<u64>)> {
    let blocks: Vec<(usize, &[Chunked])> = codes.chunks(BLOCK).enumerate().collect();
    let counts = exec.map(&blocks, |(_, codes)| {
        let mut counts = [0_usize; PARTS];
        for code in *codes {
            counts[part(hash(code))] += 1;
        }
        counts
    });
    // One part after the other, in each the blocks in order: ascending numbers.
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
        for (id, code) in (block * BLOCK..).zip(codes) {
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
    let groups: Vec<&[&[u64]]> = parts.chunks(GROUP).collect();
    let mut duplicates = exec
        .map(&groups, |group| {
            let (mut table, mut duplicates) = (Vec::new(), Vec::new());
            for part in *group {
                fold_part(codes, part, &mut table, &mut duplicates);
            }
            duplicates
        })
        .concat();
    exec.sort_by_key(&mut duplicates, |pair| *pair);
    Ok((duplicates, hashed))
}

/// An open-addressing table of places in `part`, from 1 on.
fn fold_part(
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
