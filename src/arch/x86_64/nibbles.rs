//! Population counts without an instruction for it, for many queries: values are split into nibbles
//! once.
//!
//! One byte shuffle of a table for the query's nibble computes the number of bits in which 32 nibbles
//! differ from it. Values are split once for all queries, so a nibble of 32 values costs a shuffle
//! and an addition, and sums are bytes: a third of the cost of counting the bits of each difference
//! by a table (Muła, Kurz, Lemire, "Faster population counts using AVX2 instructions", 2018). For
//! few queries it is slower.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi8, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8,
    _mm256_movemask_epi8, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};

use super::avx2::{Avx2, scan_group};
use crate::arch::scalar::Scalar;
use crate::arch::{CodeHit, Filter, Planes, Probe};

/// Values in a vector, of a byte or a nibble each.
const LANES: usize = 32;

/// For each nibble of a query, the number of bits in which every other one differs.
static DIFFERENCES: [[u8; 16]; 16] = {
    let mut table = [[0; 16]; 16];
    let mut i = 0;
    while i < 256 {
        table[i / 16][i % 16] = ((i / 16) ^ (i % 16)).count_ones() as u8;
        i += 1;
    }
    table
};

#[target_feature(enable = "avx2")]
fn differences(nibble: u8) -> __m256i {
    let row: &[u8; 16] = &DIFFERENCES[usize::from(nibble & 15)];
    // SAFETY: a row has the 16 bytes that are read; no alignment is needed.
    let row: __m128i = unsafe { _mm_loadu_si128(row.as_ptr().cast()) };
    _mm256_broadcastsi128_si256(row)
}

/// Returns the lower and the upper nibble of each byte.
#[target_feature(enable = "avx2")]
fn halves(bytes: __m256i) -> [__m256i; 2] {
    let nibble = _mm256_set1_epi8(0x0F);
    [
        _mm256_and_si256(bytes, nibble),
        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble),
    ]
}

/// Returns one bit for each lane, set if that of `sums` is at most that of `limit`, unsigned.
#[target_feature(enable = "avx2")]
fn within(sums: __m256i, limit: __m256i) -> u32 {
    let within = _mm256_cmpeq_epi8(_mm256_min_epu8(sums, limit), sums);
    _mm256_movemask_epi8(within).cast_unsigned()
}

/// Vectors of a list that are split into nibbles at a time: one KiB.
const SPLIT_VECTORS: usize = 8;

/// Values up to which scalar code is as fast.
const SCALAR: usize = 3;

impl Avx2 {
    pub(in crate::arch) fn filter16(
        self,
        values: &[u16],
        first: u32,
        filters: &[Filter],
        found: &mut Vec<(u32, u32)>,
    ) {
        if values.len() <= SCALAR {
            return Scalar.filter16(values, first, filters, found);
        }
        let firsts = (first..).step_by(SPLIT_VECTORS * LANES);
        for (first, values) in firsts.zip(values.chunks(SPLIT_VECTORS * LANES)) {
            // SAFETY: `self` exists, so the CPU has the feature that `filter16` is compiled for.
            unsafe {
                if values.len() <= LANES {
                    filter16::<1>(values, first, filters, found);
                } else {
                    filter16::<SPLIT_VECTORS>(values, first, filters, found);
                }
            }
        }
    }
}

/// Filters at most `V` vectors of values.
#[target_feature(enable = "avx2")]
fn filter16<const V: usize>(
    values: &[u16],
    first: u32,
    filters: &[Filter],
    found: &mut Vec<(u32, u32)>,
) {
    let zero = _mm256_setzero_si256();
    let mut split = [[zero; 4]; V];
    let mut lanes = [0; V];
    let vectors = values.len().div_ceil(LANES).min(V);
    let mut padded = [0; LANES];
    for ((split, lanes), values) in split.iter_mut().zip(&mut lanes).zip(values.chunks(LANES)) {
        *lanes = u32::MAX >> (LANES - values.len());
        let values = values.as_array().unwrap_or_else(|| {
            padded[..values.len()].copy_from_slice(values);
            &padded
        });
        *split = split16(values);
    }
    for filter in filters {
        let [a, b, c, d] = [0, 4, 8, 12].map(|shift| (filter.value >> shift) as u8);
        let (a, b) = (differences(a), differences(b));
        let (c, d) = (differences(c), differences(d));
        let limit = _mm256_set1_epi8(filter.limit.min(16) as i8);
        let mut first = first;
        for (split, lanes) in split.iter().zip(lanes).take(vectors) {
            let low = _mm256_add_epi8(
                _mm256_shuffle_epi8(a, split[0]),
                _mm256_shuffle_epi8(b, split[1]),
            );
            let high = _mm256_add_epi8(
                _mm256_shuffle_epi8(c, split[2]),
                _mm256_shuffle_epi8(d, split[3]),
            );
            let mut near = within(_mm256_add_epi8(low, high), limit) & lanes;
            while near != 0 {
                found.push((first + near.trailing_zeros(), filter.query));
                near &= near - 1;
            }
            first += LANES as u32;
        }
    }
}

/// Splits 32 values into nibbles, the lowest first.
#[target_feature(enable = "avx2")]
fn split16(values: &[u16; LANES]) -> [__m256i; 4] {
    let (low, high) = values.split_at(LANES / 2);
    // SAFETY: both halves have the 32 bytes that are read; no alignment is needed.
    let (low, high) = unsafe {
        (
            _mm256_loadu_si256(low.as_ptr().cast()),
            _mm256_loadu_si256(high.as_ptr().cast()),
        )
    };
    let byte = _mm256_set1_epi16(0xFF);
    // Packing takes turns between the halves of its operands.
    const ORDER: i32 = 0b11_01_10_00;
    let lower = _mm256_packus_epi16(_mm256_and_si256(low, byte), _mm256_and_si256(high, byte));
    let upper = _mm256_packus_epi16(_mm256_srli_epi16::<8>(low), _mm256_srli_epi16::<8>(high));
    let [a, b] = halves(_mm256_permute4x64_epi64::<ORDER>(lower));
    let [c, d] = halves(_mm256_permute4x64_epi64::<ORDER>(upper));
    [a, b, c, d]
}

/// Vectors of codes that are split at a time, and the number of codes: three KiB at radius 31.
const VECTORS: usize = 4;
pub(super) const BLOCK: usize = VECTORS * LANES;

/// Bytes of a code that are split at most: the number of their differing bits fits a byte.
const BYTES: usize = 31;

/// Probes that share the load of a vector: their sums and tables take ten registers.
const GROUP: usize = 2;

/// The nibbles of some bytes of [`BLOCK`] codes: for each byte the lower ones, then the upper.
type Block = [[[__m256i; VECTORS]; 2]; BYTES];

/// Returns how many bytes at the front of a code rule out nearly every random code at a radius;
/// `None` if no number of them does.
///
/// Random codes differ in half of the bits on average; one in four thousand differs in three and a
/// half standard deviations less.
pub(super) fn prefix(radius: u32) -> Option<usize> {
    let rules_out = |bytes: &usize| {
        let bits = 8 * *bytes as u32;
        let margin = (bits / 2).saturating_sub(radius);
        margin * margin >= 3 * bits
    };
    (1..=BYTES).find(rules_out)
}

/// Scans whole blocks of `planes` for probes with radii that a prefix of `bytes` suits; the caller
/// scans the codes after them.
#[target_feature(enable = "avx2")]
pub(super) fn scan(
    planes: Planes<'_>,
    first_code: u32,
    probes: &[Probe],
    bytes: usize,
    hits: &mut Vec<CodeHit>,
) {
    let cut_query = |probe: &Probe| -> [[u8; 2]; BYTES] {
        let code = probe.code.to_le_bytes();
        std::array::from_fn(|i| [code[i] & 15, code[i] >> 4])
    };
    let queries: Vec<_> = probes.iter().map(cut_query).collect();
    let zero = _mm256_setzero_si256();
    let mut block: Block = [[[zero; VECTORS]; 2]; BYTES];
    let bytes = bytes.min(BYTES);
    for start in (0..planes.len() / BLOCK * BLOCK).step_by(BLOCK) {
        let planes = planes.slice(start..start + BLOCK);
        let first = first_code.wrapping_add(start as u32);
        for (plane, bytes) in planes.words().iter().zip(block[..bytes].chunks_mut(8)) {
            split_plane(plane, bytes);
        }
        let (pairs, rest) = queries.as_chunks::<GROUP>();
        let (probe_pairs, probe_rest) = probes.as_chunks::<GROUP>();
        for (queries, probes) in pairs.iter().zip(probe_pairs) {
            pass(&block[..bytes], queries, planes, first, probes, hits);
        }
        for (query, probe) in rest.iter().zip(probe_rest) {
            let query = std::array::from_ref(query);
            let probe = std::array::from_ref(probe);
            pass(&block[..bytes], query, planes, first, probe, hits);
        }
    }
}

/// Scans one block for a group of probes.
#[target_feature(enable = "avx2")]
fn pass<const Q: usize>(
    block: &[[[__m256i; VECTORS]; 2]],
    queries: &[[[u8; 2]; BYTES]; Q],
    planes: Planes<'_>,
    first_code: u32,
    probes: &[Probe; Q],
    hits: &mut Vec<CodeHit>,
) {
    let zero = _mm256_setzero_si256();
    let mut sums = [[zero; VECTORS]; Q];
    for (byte, halves) in block.iter().take(BYTES).enumerate() {
        for (half, vectors) in halves.iter().enumerate() {
            let mut tables = [zero; Q];
            for (table, query) in tables.iter_mut().zip(queries) {
                *table = differences(query[byte][half]);
            }
            for (v, &vector) in vectors.iter().enumerate() {
                for q in 0..Q {
                    let bits = _mm256_shuffle_epi8(tables[q], vector);
                    sums[q][v] = _mm256_add_epi8(sums[q][v], bits);
                }
            }
        }
    }
    for (sums, probe) in sums.iter().zip(probes) {
        let limit = _mm256_set1_epi8(probe.radius.min(255) as u8 as i8);
        let all = _mm256_min_epu8(
            _mm256_min_epu8(sums[0], sums[1]),
            _mm256_min_epu8(sums[2], sums[3]),
        );
        if within(all, limit) == 0 {
            continue;
        }
        for (start, &sums) in (0..).step_by(LANES).zip(sums) {
            if within(sums, limit) != 0 {
                let near = planes.slice(start..start + LANES);
                let first = first_code.wrapping_add(start as u32);
                scan_group(near, first, std::array::from_ref(probe), hits);
            }
        }
    }
}

/// Splits the first bytes of the words of [`BLOCK`] codes. The order of the 32 codes of a vector does
/// not matter, since candidates are compared again one by one.
#[target_feature(enable = "avx2")]
fn split_plane(plane: &[u64], bytes: &mut [[[__m256i; VECTORS]; 2]]) {
    for (v, words) in plane
        .as_chunks::<LANES>()
        .0
        .iter()
        .take(VECTORS)
        .enumerate()
    {
        let mut vectors = [_mm256_setzero_si256(); 8];
        for (vector, words) in vectors.iter_mut().zip(words.as_chunks::<4>().0) {
            // SAFETY: the array has the four words that are read; no alignment is needed.
            *vector = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
        }
        // Each round moves the highest bit of a byte's position in its vector, 0..16, to a bit of
        // the vector's number, and that bit to the lowest of the position. After four rounds the
        // number of a vector is the position of its bytes in their words.
        for bit in [0, 1, 2, 0] {
            let before = vectors;
            for i in (0..8).filter(|i| i >> bit & 1 == 0) {
                let (a, b) = (before[i], before[i | 1 << bit]);
                vectors[i] = _mm256_unpacklo_epi8(a, b);
                vectors[i | 1 << bit] = _mm256_unpackhi_epi8(a, b);
            }
        }
        for (byte, halves_of_byte) in bytes.iter_mut().enumerate().take(8) {
            // The highest bit of the position is at 2^1 of the number, the next one at 2^2.
            let number = (byte & 1) | (byte >> 2 & 1) << 1 | (byte >> 1 & 1) << 2;
            let [low, high] = halves(vectors[number]);
            halves_of_byte[0][v] = low;
            halves_of_byte[1][v] = high;
        }
    }
}
