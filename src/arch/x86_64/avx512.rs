//! AVX-512 with VPOPCNTDQ: eight codes a vector, one instruction a population count.

use std::arch::x86_64::{
    __m512i, __mmask8, __mmask32, _mm512_add_epi64, _mm512_cmple_epu64_mask, _mm512_loadu_epi64,
    _mm512_mask_cmple_epu16_mask, _mm512_mask_cmple_epu64_mask, _mm512_maskz_loadu_epi16,
    _mm512_maskz_loadu_epi64, _mm512_popcnt_epi16, _mm512_popcnt_epi64, _mm512_set1_epi16,
    _mm512_set1_epi64, _mm512_storeu_epi64, _mm512_xor_si512,
};

use crate::arch::{CodeHit, Filter, List, Planes, Probe};

/// Codes in a vector.
const LANES: usize = 8;

/// Queries that share the load of a vector: with two words and the radius of
/// each they fill 12 of the 32 registers, and the popcounts of one overlap
/// with the comparisons of another.
const GROUP: usize = 4;

/// Proof that the CPU has AVX-512 F, BW, VPOPCNTDQ and BITALG: all that have the third but
/// one long gone have the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::arch) struct Avx512(());

impl Avx512 {
    pub(in crate::arch) fn new() -> Option<Self> {
        (super::avx2::Avx2::new().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("avx512bitalg"))
        .then_some(Self(()))
    }

    pub(in crate::arch) fn scan(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        let (groups, rest) = probes.as_chunks::<GROUP>();
        // SAFETY: `self` exists, so the CPU has the features that `scan_group` is compiled for.
        unsafe {
            for group in groups {
                scan_group(planes, first_code, group, hits);
            }
            for probe in rest {
                scan_group(planes, first_code, std::array::from_ref(probe), hits);
            }
        }
    }
}

impl Avx512 {
    pub(in crate::arch) fn near16(
        self,
        values: &[u16],
        lists: &[List],
        found: &mut Vec<(u32, u32)>,
    ) {
        // SAFETY: `self` exists, so the CPU has the features that `near16` is compiled for.
        unsafe { near16(values, lists, found) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn near16(values: &[u16], lists: &[List], found: &mut Vec<(u32, u32)>) {
    const LANES: usize = 32;
    for (number, list) in (0..).zip(List::prefetching(lists, values)) {
        let query = _mm512_set1_epi16(list.value.cast_signed());
        let limit = _mm512_set1_epi16(list.limit.min(16).cast_signed());
        let mut first = 0;
        for values in list.of(values).chunks(LANES) {
            let lanes: __mmask32 = u32::MAX >> (LANES - values.len());
            // SAFETY: the mask has as many bits as there are values, 1 to 32, and
            // lanes that are masked out are not accessed.
            let vector = unsafe { _mm512_maskz_loadu_epi16(lanes, values.as_ptr().cast()) };
            let bits = _mm512_popcnt_epi16(_mm512_xor_si512(vector, query));
            let mut near = _mm512_mask_cmple_epu16_mask(lanes, bits, limit);
            while near != 0 {
                found.push((number, first + near.trailing_zeros()));
                near &= near - 1;
            }
            first += LANES as u32;
        }
    }
}

impl Avx512 {
    pub(in crate::arch) fn filter16(
        self,
        values: &[u16],
        first: u32,
        filters: &[Filter],
        found: &mut Vec<(u32, u32)>,
    ) {
        // SAFETY: `self` exists, so the CPU has the features that `filter16` is compiled for.
        unsafe { filter16(values, first, filters, found) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn filter16(values: &[u16], first: u32, filters: &[Filter], found: &mut Vec<(u32, u32)>) {
    const LANES: usize = 32;
    // Value by value from the first-level cache: a list is read from memory once for all filters.
    for filter in filters {
        let query = _mm512_set1_epi16(filter.value.cast_signed());
        let limit = _mm512_set1_epi16(filter.limit.min(16).cast_signed());
        let mut first = first;
        for values in values.chunks(LANES) {
            let lanes: __mmask32 = u32::MAX >> (LANES - values.len());
            // SAFETY: the mask has as many bits as there are values, 1 to 32, and
            // lanes that are masked out are not accessed.
            let vector = unsafe { _mm512_maskz_loadu_epi16(lanes, values.as_ptr().cast()) };
            let bits = _mm512_popcnt_epi16(_mm512_xor_si512(vector, query));
            let mut near = _mm512_mask_cmple_epu16_mask(lanes, bits, limit);
            while near != 0 {
                found.push((first + near.trailing_zeros(), filter.query));
                near &= near - 1;
            }
            first += LANES as u32;
        }
    }
}

/// A probe whose words and radius are broadcast to all lanes.
#[derive(Clone, Copy)]
struct Broadcast {
    words: [__m512i; 4],
    radius: __m512i,
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn scan_group<const Q: usize>(
    planes: Planes<'_>,
    first_code: u32,
    probes: &[Probe; Q],
    hits: &mut Vec<CodeHit>,
) {
    // Not `array::map`: it is compiled without the target features, and a call
    // that is not inlined would pass every vector through memory.
    let zero = _mm512_set1_epi64(0);
    let mut broadcast = [Broadcast {
        words: [zero; 4],
        radius: zero,
    }; Q];
    for (broadcast, probe) in broadcast.iter_mut().zip(probes) {
        for (vector, word) in broadcast.words.iter_mut().zip(probe.code.0) {
            *vector = _mm512_set1_epi64(word.cast_signed());
        }
        broadcast.radius = _mm512_set1_epi64(i64::from(probe.radius));
    }

    let [a, b, c, d] = planes.words();
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((c, c_tail), (d, d_tail)) = (c.as_chunks::<LANES>(), d.as_chunks::<LANES>());
    let mut code = first_code;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let (a, b) = (load(a), load(b));
        let mut sums = [zero; Q];
        let mut near = [0; Q];
        let mut any = 0;
        for q in 0..Q {
            // At the radii in use, half of the distance rules out nearly every code; the other
            // two planes are then not even read.
            sums[q] = _mm512_add_epi64(
                difference(a, broadcast[q].words[0]),
                difference(b, broadcast[q].words[1]),
            );
            near[q] = _mm512_cmple_epu64_mask(sums[q], broadcast[q].radius);
            any |= near[q];
        }
        if any != 0 {
            let rest = [load(c), load(d)];
            for q in 0..Q {
                if near[q] != 0 {
                    let half = HalfCompared {
                        sum: sums[q],
                        lanes: near[q],
                        code,
                    };
                    finish(half, rest, &broadcast[q], &probes[q], hits);
                }
            }
        }
        code = code.wrapping_add(LANES as u32);
    }

    if !a_tail.is_empty() {
        let lanes: __mmask8 = (1 << a_tail.len()) - 1;
        let (a, b) = (load_tail(a_tail), load_tail(b_tail));
        let rest = [load_tail(c_tail), load_tail(d_tail)];
        for (broadcast, probe) in broadcast.iter().zip(probes) {
            let sum = _mm512_add_epi64(
                difference(a, broadcast.words[0]),
                difference(b, broadcast.words[1]),
            );
            let half = HalfCompared { sum, lanes, code };
            finish(half, rest, broadcast, probe, hits);
        }
    }
}

/// Codes of which half was compared with a probe.
struct HalfCompared {
    /// The distance of two words of each code.
    sum: __m512i,
    /// The lanes whose codes may be within the radius.
    lanes: __mmask8,
    /// The number of the code in the first lane.
    code: u32,
}

/// Adds the distance of the other two words and reports the lanes within the radius.
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn finish(
    half: HalfCompared,
    [c, d]: [__m512i; 2],
    broadcast: &Broadcast,
    probe: &Probe,
    hits: &mut Vec<CodeHit>,
) {
    let HalfCompared { sum, lanes, code } = half;
    let sum = _mm512_add_epi64(sum, difference(c, broadcast.words[2]));
    let sum = _mm512_add_epi64(sum, difference(d, broadcast.words[3]));
    let mut within = _mm512_mask_cmple_epu64_mask(lanes, sum, broadcast.radius);
    if within == 0 {
        return;
    }
    let mut distances = [0_i64; LANES];
    // SAFETY: the array has room for the eight words of a vector.
    unsafe { _mm512_storeu_epi64(distances.as_mut_ptr(), sum) };
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

/// Returns the number of differing bits of each lane.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn difference(a: __m512i, b: __m512i) -> __m512i {
    _mm512_popcnt_epi64(_mm512_xor_si512(a, b))
}

#[target_feature(enable = "avx512f")]
fn load(words: &[u64; LANES]) -> __m512i {
    // SAFETY: the array has the eight words that are read; no alignment is needed.
    unsafe { _mm512_loadu_epi64(words.as_ptr().cast()) }
}

/// Loads fewer than eight words; the other lanes are zero.
#[target_feature(enable = "avx512f")]
fn load_tail(words: &[u64]) -> __m512i {
    let lanes: __mmask8 = (1 << words.len().min(LANES - 1)) - 1;
    // SAFETY: the mask has at most as many bits as there are words, and lanes
    // that are masked out are not accessed.
    unsafe { _mm512_maskz_loadu_epi64(lanes, words.as_ptr().cast()) }
}
