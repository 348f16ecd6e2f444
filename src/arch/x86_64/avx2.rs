//! AVX2: four codes a vector, population counts by a nibble table.
//!
//! Source of the count: Muła, Kurz, Lemire, "Faster population counts using
//! AVX2 instructions", 2018.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd,
    _mm256_cmpgt_epi16, _mm256_cmpgt_epi64, _mm256_loadu_si256, _mm256_maddubs_epi16,
    _mm256_movemask_epi8, _mm256_movemask_pd, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_xor_si256,
};

use crate::arch::{CodeHit, List, Planes, Probe};

/// Codes in a vector.
pub(super) const LANES: usize = 4;

/// Proof that the CPU has AVX2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::arch) struct Avx2(());

impl Avx2 {
    pub(in crate::arch) fn new() -> Option<Self> {
        // All processors with AVX2 have fused operations, except a few virtual ones.
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt"))
        .then_some(Self(()))
    }
}

impl Avx2 {
    pub(in crate::arch) fn near16(
        self,
        values: &[u16],
        lists: &[List],
        found: &mut Vec<(u32, u32)>,
    ) {
        // SAFETY: `self` exists, so the CPU has the feature that `near16` is compiled for.
        unsafe { near16(values, lists, found) };
    }
}

#[target_feature(enable = "avx2")]
fn near16(values: &[u16], lists: &[List], found: &mut Vec<(u32, u32)>) {
    const LANES: usize = 16;
    let ones = _mm256_set1_epi8(1);
    for (number, list) in (0..).zip(List::prefetching(lists, values)) {
        let query = _mm256_set1_epi16(list.value.cast_signed());
        let limit = _mm256_set1_epi16(list.limit.min(16).cast_signed() + 1);
        let (blocks, rest) = list.of(values).as_chunks::<LANES>();
        let mut first = 0;
        for block in blocks {
            // SAFETY: the array has the 32 bytes that are read; no alignment is needed.
            let vector = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
            let bits = _mm256_maddubs_epi16(byte_counts(_mm256_xor_si256(vector, query)), ones);
            let near = _mm256_cmpgt_epi16(limit, bits);
            // Two bits of the mask a lane; one of them is kept.
            let mut near = _mm256_movemask_epi8(near).cast_unsigned() & 0x5555_5555;
            while near != 0 {
                found.push((number, first + near.trailing_zeros() / 2));
                near &= near - 1;
            }
            first += LANES as u32;
        }
        if rest.is_empty() {
            continue;
        }
        // Values after the list are read too, where there are enough.
        let from = list.start + first as usize;
        let behind = values.get(from..).and_then(<[u16]>::first_chunk);
        let mut copy = [0; LANES];
        let last: &[u16; LANES] = behind.unwrap_or_else(|| {
            copy[..rest.len()].copy_from_slice(rest);
            &copy
        });
        // SAFETY: as above.
        let vector = unsafe { _mm256_loadu_si256(last.as_ptr().cast()) };
        let bits = _mm256_maddubs_epi16(byte_counts(_mm256_xor_si256(vector, query)), ones);
        let near = _mm256_cmpgt_epi16(limit, bits);
        let lanes = u32::MAX >> (2 * (LANES - rest.len()));
        let mut near = _mm256_movemask_epi8(near).cast_unsigned() & 0x5555_5555 & lanes;
        while near != 0 {
            found.push((number, first + near.trailing_zeros() / 2));
            near &= near - 1;
        }
    }
}

/// A probe whose words and radius are broadcast to all lanes.
#[derive(Clone, Copy)]
struct Broadcast {
    words: [__m256i; 4],
    /// The radius plus one: AVX2 compares for greater only.
    limit: __m256i,
}

/// Scans all whole vectors of `planes`; the caller scans the codes after them.
#[target_feature(enable = "avx2")]
pub(super) fn scan_group<const Q: usize>(
    planes: Planes<'_>,
    first_code: u32,
    probes: &[Probe; Q],
    hits: &mut Vec<CodeHit>,
) {
    // Not `array::map`: it is compiled without the target features, and a call
    // that is not inlined would pass every vector through memory.
    let zero = _mm256_setzero_si256();
    let mut broadcast = [Broadcast {
        words: [zero; 4],
        limit: zero,
    }; Q];
    for (broadcast, probe) in broadcast.iter_mut().zip(probes) {
        for (vector, word) in broadcast.words.iter_mut().zip(probe.code.0) {
            *vector = _mm256_set1_epi64x(word.cast_signed());
        }
        broadcast.limit = _mm256_set1_epi64x(i64::from(probe.radius) + 1);
    }

    let [a, b, c, d] = planes.words();
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let (c, d) = (c.as_chunks::<LANES>().0, d.as_chunks::<LANES>().0);
    let mut code = first_code;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let (a, b) = (load(a), load(b));
        let mut sums = [zero; Q];
        let mut near = [zero; Q];
        let mut any = zero;
        for q in 0..Q {
            // At the radii in use, half of the distance rules out nearly every code; the
            // other two planes are then not even read.
            sums[q] = difference(a, b, broadcast[q].words[0], broadcast[q].words[1]);
            near[q] = _mm256_cmpgt_epi64(broadcast[q].limit, sums[q]);
            any = _mm256_or_si256(any, near[q]);
        }
        if lanes(any) != 0 {
            let (c, d) = (load(c), load(d));
            for q in 0..Q {
                if lanes(near[q]) != 0 {
                    let half = difference(c, d, broadcast[q].words[2], broadcast[q].words[3]);
                    let sum = _mm256_add_epi64(sums[q], half);
                    let within = lanes(_mm256_cmpgt_epi64(broadcast[q].limit, sum));
                    report(sum, within, code, &probes[q], hits);
                }
            }
        }
        code = code.wrapping_add(LANES as u32);
    }
}

/// Reports the lanes of `within`.
#[target_feature(enable = "avx2")]
fn report(sum: __m256i, mut within: u32, code: u32, probe: &Probe, hits: &mut Vec<CodeHit>) {
    let mut distances = [0_u64; LANES];
    // SAFETY: the array has room for the four words of a vector; no alignment is needed.
    unsafe { _mm256_storeu_si256(distances.as_mut_ptr().cast(), sum) };
    while within != 0 {
        let lane = within.trailing_zeros();
        within &= within - 1;
        hits.push(CodeHit {
            query: probe.query,
            code: code.wrapping_add(lane),
            distance: distances[lane as usize] as u32,
        });
    }
}

/// Returns the number of differing bits of `a` and `qa` plus those of `b` and `qb`, lane by lane.
#[target_feature(enable = "avx2")]
fn difference(a: __m256i, b: __m256i, qa: __m256i, qb: __m256i) -> __m256i {
    let bytes = _mm256_add_epi8(
        byte_counts(_mm256_xor_si256(a, qa)),
        byte_counts(_mm256_xor_si256(b, qb)),
    );
    _mm256_sad_epu8(bytes, _mm256_setzero_si256())
}

/// Returns the number of set bits of each byte, 0..=8.
#[target_feature(enable = "avx2")]
fn byte_counts(v: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, //
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let nibble = _mm256_set1_epi8(0x0F);
    let low = _mm256_and_si256(v, nibble);
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(v), nibble);
    _mm256_add_epi8(
        _mm256_shuffle_epi8(table, low),
        _mm256_shuffle_epi8(table, high),
    )
}

/// Returns one bit for each lane, set if its highest bit is.
#[target_feature(enable = "avx2")]
fn lanes(mask: __m256i) -> u32 {
    _mm256_movemask_pd(_mm256_castsi256_pd(mask)).cast_unsigned()
}

#[target_feature(enable = "avx2")]
fn load(words: &[u64; LANES]) -> __m256i {
    // SAFETY: the array has the four words that are read; no alignment is needed.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}
