//! NEON: two codes a vector, population counts of bytes by `cnt`, summed pair by
//! pair with `uaddlp`.

use std::arch::aarch64::{
    uint8x16_t, uint64x2_t, vaddq_u8, vaddq_u64, vandq_u16, vcleq_u16, vcleq_u64, vcntq_u8,
    vdupq_n_u16, vdupq_n_u64, veorq_u16, veorq_u64, vgetq_lane_u64, vld1q_u16, vld1q_u64,
    vorrq_u64, vpaddlq_u8, vpaddlq_u16, vpaddlq_u32, vreinterpretq_u8_u16, vreinterpretq_u8_u64,
    vreinterpretq_u64_u16,
};

use crate::arch::scalar::Scalar;
use crate::arch::{CodeHit, Filter, List, Pairs, Planes, Probe};
use crate::code::Code256;

/// Codes in a vector.
const LANES: usize = 2;

/// Queries that share the load of a vector: with the four words and the radius of
/// each they fill 20 of the 32 registers.
const GROUP: usize = 4;

/// Proof that the CPU has NEON, as all but the rarest AArch64 have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::arch) struct Neon(());

impl Neon {
    pub(in crate::arch) fn new() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub(in crate::arch) fn scan(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        let (groups, rest) = probes.as_chunks::<GROUP>();
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe {
            for group in groups {
                scan_group(planes, first_code, group, hits);
            }
            for probe in rest {
                scan_group(planes, first_code, std::array::from_ref(probe), hits);
            }
        }
        let whole = planes.len() - planes.len() % LANES;
        let tail = planes.slice(whole..planes.len());
        Scalar.scan(tail, first_code.wrapping_add(whole as u32), probes, hits);
    }

    pub(in crate::arch) fn near16(
        self,
        values: &[u16],
        lists: &[List],
        found: &mut Vec<(u32, u32)>,
    ) {
        for (number, list) in (0..).zip(List::prefetching(lists, values)) {
            let own = list.of(values);
            // SAFETY: `self` exists, so the CPU has NEON.
            unsafe {
                near(own, list.value, u32::from(list.limit), |place| {
                    found.push((number, place));
                });
            };
        }
    }

    pub(in crate::arch) fn filter16(
        self,
        values: &[u16],
        first: u32,
        filters: &[Filter],
        found: &mut Vec<(u32, u32)>,
    ) {
        for filter in filters {
            // SAFETY: `self` exists, so the CPU has NEON.
            unsafe {
                near(values, filter.value, u32::from(filter.limit), |place| {
                    found.push((first + place, filter.query));
                });
            }
        }
    }

    pub(in crate::arch) fn within(
        self,
        pairs: &Pairs<'_>,
        radius: u32,
        found: &mut Vec<(u32, u32)>,
    ) {
        // SAFETY: `self` exists, so the CPU has NEON.
        unsafe { within(pairs, radius, found) }
    }
}

/// Computes the distances of pairs, with two vectors for each code.
#[target_feature(enable = "neon")]
fn within(pairs: &Pairs<'_>, radius: u32, found: &mut Vec<(u32, u32)>) {
    let many = if pairs.queries.len() > 1 { u32::MAX } else { 0 };
    for (pair, &(code, query)) in (0..).zip(pairs.places) {
        let code = pairs.codes.get(code as usize);
        let query = pairs.queries.get((query & many) as usize);
        if let (Some(code), Some(query)) = (code, query) {
            let distance = distance(code, query);
            if distance <= radius {
                found.push((pair, distance));
            }
        }
    }
}

#[target_feature(enable = "neon")]
fn distance(code: &[u64; 4], query: &Code256) -> u32 {
    let ([a, b, c, d], [qa, qb, qc, qd]) = (*code, query.0);
    let sums = difference(
        load(&[a, b]),
        load(&[c, d]),
        load(&[qa, qb]),
        load(&[qc, qd]),
    );
    (vgetq_lane_u64::<0>(sums) + vgetq_lane_u64::<1>(sums)) as u32
}

/// Calls `f` with the place of every value that differs from `query` in at most
/// `limit` bits, in order.
#[inline]
#[target_feature(enable = "neon")]
fn near(values: &[u16], query: u16, limit: u32, mut f: impl FnMut(u32)) {
    const LANES: usize = 8;
    let vector_query = vdupq_n_u16(query);
    let vector_limit = vdupq_n_u16(limit.min(16) as u16);
    // One of the sixteen equal bits of each lane is kept.
    let marks = vdupq_n_u16(1);
    let mut blocks = values.chunks_exact(LANES);
    let mut first = 0;
    for block in &mut blocks {
        // SAFETY: the block has the eight values that are read.
        let vector = unsafe { vld1q_u16(block.as_ptr()) };
        let differing = vreinterpretq_u8_u16(veorq_u16(vector, vector_query));
        let bits = vpaddlq_u8(vcntq_u8(differing));
        let near = vreinterpretq_u64_u16(vandq_u16(vcleq_u16(bits, vector_limit), marks));
        let (low, high) = (vgetq_lane_u64::<0>(near), vgetq_lane_u64::<1>(near));
        // Nearly always none is within.
        if low | high != 0 {
            for (half, mut mask) in [(0, low), (4, high)] {
                while mask != 0 {
                    f(first + half + mask.trailing_zeros() / 16);
                    mask &= mask - 1;
                }
            }
        }
        first += LANES as u32;
    }
    for (place, value) in (first..).zip(blocks.remainder()) {
        if (value ^ query).count_ones() <= limit {
            f(place);
        }
    }
}

/// A probe whose words and radius are broadcast to all lanes.
#[derive(Clone, Copy)]
struct Broadcast {
    words: [uint64x2_t; 4],
    radius: uint64x2_t,
}

/// Scans all whole vectors of `planes`; the caller scans the codes after them.
#[target_feature(enable = "neon")]
fn scan_group<const Q: usize>(
    planes: Planes<'_>,
    first_code: u32,
    probes: &[Probe; Q],
    hits: &mut Vec<CodeHit>,
) {
    let zero = vdupq_n_u64(0);
    let mut broadcast = [Broadcast {
        words: [zero; 4],
        radius: zero,
    }; Q];
    for (broadcast, probe) in broadcast.iter_mut().zip(probes) {
        for (vector, word) in broadcast.words.iter_mut().zip(probe.code.0) {
            *vector = vdupq_n_u64(word);
        }
        broadcast.radius = vdupq_n_u64(u64::from(probe.radius));
    }

    let [a, b, c, d] = planes.words();
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    let (c, d) = (c.as_chunks::<LANES>().0, d.as_chunks::<LANES>().0);
    let mut code = first_code;
    for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
        let (a, b) = (load(a), load(b));
        let mut sums = [zero; Q];
        let mut any = zero;
        for q in 0..Q {
            // At the radii in use, half of the distance rules out nearly every code; the
            // other two planes are then not even read.
            sums[q] = difference(a, b, broadcast[q].words[0], broadcast[q].words[1]);
            any = vorrq_u64(any, vcleq_u64(sums[q], broadcast[q].radius));
        }
        if vgetq_lane_u64::<0>(any) | vgetq_lane_u64::<1>(any) != 0 {
            let (c, d) = (load(c), load(d));
            for q in 0..Q {
                let half = difference(c, d, broadcast[q].words[2], broadcast[q].words[3]);
                let sum = vaddq_u64(sums[q], half);
                let within = vcleq_u64(sum, broadcast[q].radius);
                let sum = [vgetq_lane_u64::<0>(sum), vgetq_lane_u64::<1>(sum)];
                let within = [vgetq_lane_u64::<0>(within), vgetq_lane_u64::<1>(within)];
                for lane in 0..LANES {
                    if within[lane] != 0 {
                        hits.push(CodeHit {
                            query: probes[q].query,
                            code: code.wrapping_add(lane as u32),
                            distance: sum[lane] as u32,
                        });
                    }
                }
            }
        }
        code = code.wrapping_add(LANES as u32);
    }
}

/// Returns the number of differing bits of `a` and `qa` plus those of `b` and `qb`, lane by lane.
#[inline]
#[target_feature(enable = "neon")]
fn difference(a: uint64x2_t, b: uint64x2_t, qa: uint64x2_t, qb: uint64x2_t) -> uint64x2_t {
    let bytes = vaddq_u8(byte_counts(a, qa), byte_counts(b, qb));
    vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(bytes)))
}

/// Returns the number of differing bits of each byte, 0..=8.
#[inline]
#[target_feature(enable = "neon")]
fn byte_counts(a: uint64x2_t, b: uint64x2_t) -> uint8x16_t {
    vcntq_u8(vreinterpretq_u8_u64(veorq_u64(a, b)))
}

#[inline]
#[target_feature(enable = "neon")]
fn load(words: &[u64; LANES]) -> uint64x2_t {
    // SAFETY: the array has the two words that are read; no more alignment is needed.
    unsafe { vld1q_u64(words.as_ptr()) }
}
