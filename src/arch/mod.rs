//! Inner loops with implementations for several instruction sets. This module and the memory map are
//! the only places with `unsafe`.
//!
//! | algorithm | any CPU | x86-64 AVX2 | x86-64 AVX-512 | AArch64 NEON |
//! |---|---|---|---|---|
//! | 256-bit Hamming scan | [`scalar`] | `x86_64::avx2`, `x86_64::nibbles` | `x86_64::avx512` | `aarch64::neon` |
//! | 16-bit Hamming filter | [`scalar`] | `x86_64::avx2`, `x86_64::nibbles` | `x86_64::avx512` | `aarch64::neon` |
//! | ASCII to symbols | `ascii` | `x86_64::ascii` | `x86_64::ascii` | `ascii` |
//! | gram hashes, window minima | `winnow` | `x86_64::winnow` | `x86_64::winnow` | `winnow` |
//! | 32-bit distances to one | `near32` | `x86_64::popcnt` | `x86_64::popcnt` | `near32` |
//! | 128-bit distances to one | `near128` | `x86_64::popcnt` | `x86_64::popcnt` | `near128` |
//! | 256-bit distances of pairs | [`scalar`] | `x86_64::popcnt` | `x86_64::popcnt` | `aarch64::neon` |
//! | passes over rows of pictures | `rows` | `x86_64::rows` | `x86_64::rows` | `rows` |
//! | band-pass filter of a picture | `blur` | `x86_64::blur` | `x86_64::blur` | `blur` |
//! | gradients around a keypoint | `polar` | `x86_64::polar` | `x86_64::polar` | `polar` |
//! | samples of a patch | `lattice` | `x86_64::lattice` | `x86_64::lattice` | `lattice` |
//! | projections of patches | `project` | `x86_64::project` | `x86_64::project` | `project` |
//! | eight numbers against one | `equal` | `x86_64::equal` | `x86_64::equal` | `equal` |
//!
//! The code in the column for any CPU is the oracle: all others are tested to return the same results.
//! `x86_64::equal` needs only SSE2, which is part of the baseline of x86-64. NEON is part of the
//! baseline of AArch64, so the compiler uses it for the portable passes too.
//!
//! Every instruction set is a type with `new() -> Option<Self>`, which returns `None` where the CPU
//! lacks it: a value proves that the code may run.

// For loads and stores of vectors; each block says why it is sound.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod ascii;
mod blur;
mod equal;
mod lattice;
mod near128;
mod near32;
mod planes;
mod polar;
mod prefetch;
mod project;
mod rows;
mod scalar;
#[cfg(test)]
mod tests;
mod winnow;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::fmt;

use crate::code::Code256;

pub(crate) use ascii::{Alphabet, Block, STOP};
pub(crate) use equal::equal;
pub(crate) use lattice::Lattice;
pub(crate) use planes::Planes;
pub(crate) use polar::{Polar, ROW, SPAN};
pub(crate) use prefetch::prefetch;
pub(crate) use project::{DIRECTIONS, Directions, MAX_WEIGHT, SAMPLES};
pub(crate) use rows::{ByteBox, Divisor, LANES, Lanes, stride};
pub(crate) use winnow::{GRAM, MAX_HASHES};

/// A query of a scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) code: Code256,
    /// Codes at this distance or less are reported.
    pub(crate) radius: u32,
    /// The caller's number, copied into the hits.
    pub(crate) query: u32,
}

/// A list of consecutive values to compare with one value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct List {
    /// The position of the first.
    pub(crate) start: usize,
    /// The number of values.
    pub(crate) len: u32,
    /// The value that they are compared with.
    pub(crate) value: u16,
    /// Bits in which a value may differ.
    pub(crate) limit: u16,
}

impl List {
    /// Lists that are prefetched ahead. Three are too few where lists are short; more than ten gain
    /// nothing at any length.
    const AHEAD: usize = 10;

    /// Cache lines of a list that are prefetched; after that the hardware has seen the pattern.
    const MAX_LINES: usize = 12;

    /// Values in a cache line.
    const LINE: usize = 32;

    /// Returns the values of the list.
    #[inline(always)]
    fn of<'v>(&self, values: &'v [u16]) -> &'v [u16] {
        let end = self.start.saturating_add(self.len as usize);
        values.get(self.start..end).unwrap_or_default()
    }

    /// Iterates over lists and prefetches those ahead.
    #[inline(always)]
    fn prefetching<'l>(lists: &'l [Self], values: &[u16]) -> impl Iterator<Item = &'l Self> {
        for list in lists.iter().take(Self::AHEAD) {
            list.prefetch(values);
        }
        lists.iter().enumerate().map(move |(now, list)| {
            if let Some(ahead) = lists.get(now + Self::AHEAD) {
                ahead.prefetch(values);
            }
            list
        })
    }

    /// Prefetches the values.
    #[inline(always)]
    fn prefetch(&self, values: &[u16]) {
        let len = self.len as usize;
        for place in (0..len).step_by(Self::LINE).take(Self::MAX_LINES) {
            prefetch(values, self.start.wrapping_add(place));
        }
        prefetch(values, self.start.wrapping_add(len).wrapping_sub(1));
    }
}

/// A filter of values: one query's comparison with a list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    /// The value to compare with.
    pub(crate) value: u16,
    /// Bits in which a value may differ.
    pub(crate) limit: u16,
    /// The caller's number.
    pub(crate) query: u32,
}

/// A code within the radius of a query. No field will be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeHit {
    /// The position of the query in the batch.
    pub query: u32,
    /// The number of the code in the set.
    pub code: u32,
    /// The number of differing bits, 0..=256.
    pub distance: u32,
}

/// The instruction set that a search uses.
///
/// A value exists only where the CPU has the instructions, so it proves that they may be used.
///
/// ```
/// use leakprint::index::{Backend, CodeSet};
/// use leakprint::{Code256, Executor};
///
/// let set = CodeSet::from_codes((0..999).map(|i| Code256([i, i, !i, i])))?;
/// let search = |backend| set.view().with_backend(backend).search(&[Code256([5; 4])], 40, &Executor::serial());
/// let expected = search(Backend::scalar())?;
/// for backend in Backend::available() {
///     assert_eq!(search(backend)?, expected, "{}", backend.name());
/// }
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar(scalar::Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86_64::avx2::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::avx512::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(aarch64::neon::Neon),
}

impl Backend {
    /// Returns the fastest instruction set that this CPU has.
    pub fn detect() -> Self {
        Self::avx512()
            .or_else(Self::avx2)
            .or_else(Self::neon)
            .unwrap_or_else(Self::scalar)
    }

    /// Returns the portable code, for any CPU.
    pub fn scalar() -> Self {
        Self(Kind::Scalar(scalar::Scalar))
    }

    /// Returns AVX2 and FMA with BMI1 and POPCNT, if this is an x86-64 CPU that has them.
    pub fn avx2() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return x86_64::avx2::Avx2::new().map(|k| Self(Kind::Avx2(k)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Returns AVX-512 F and BW with VPOPCNTDQ and BITALG, if this is an x86-64 CPU that has them and
    /// what [`avx2`](Self::avx2) needs.
    pub fn avx512() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return x86_64::avx512::Avx512::new().map(|k| Self(Kind::Avx512(k)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Returns NEON, if this is an AArch64 CPU.
    pub fn neon() -> Option<Self> {
        #[cfg(target_arch = "aarch64")]
        return aarch64::neon::Neon::new().map(|k| Self(Kind::Neon(k)));
        #[cfg(not(target_arch = "aarch64"))]
        None
    }

    /// Returns all instruction sets that this CPU has, slowest first.
    pub fn available() -> Vec<Self> {
        let all = [
            Some(Self::scalar()),
            Self::neon(),
            Self::avx2(),
            Self::avx512(),
        ];
        all.into_iter().flatten().collect()
    }

    /// Returns the name: `scalar`, `neon`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
        }
    }

    /// Appends every (probe, code) pair within the probe's radius, in no particular order.
    /// `first_code` is the number of the first code in `planes`.
    ///
    /// Reads the codes once for each group of probes, so `planes` should fit the cache.
    pub(crate) fn scan(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        match self.0 {
            Kind::Scalar(kernel) => kernel.scan(planes, first_code, probes, hits),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.scan(planes, first_code, probes, hits),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.scan(planes, first_code, probes, hits),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(kernel) => kernel.scan(planes, first_code, probes, hits),
        }
    }
}

impl Backend {
    /// Appends (list, position in the list) of every value that is within its list's limit, one list
    /// after the other. Skips lists that extend beyond `values`.
    pub(crate) fn near16(self, values: &[u16], lists: &[List], found: &mut Vec<(u32, u32)>) {
        match self.0 {
            Kind::Scalar(kernel) => kernel.near16(values, lists, found),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.near16(values, lists, found),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.near16(values, lists, found),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(kernel) => kernel.near16(values, lists, found),
        }
    }
}

impl Backend {
    /// Appends (position, query) of every value that passes a filter, in no particular order. `first`
    /// is the position of the first value.
    pub(crate) fn filter16(
        self,
        values: &[u16],
        first: u32,
        filters: &[Filter],
        found: &mut Vec<(u32, u32)>,
    ) {
        match self.0 {
            Kind::Scalar(kernel) => kernel.filter16(values, first, filters, found),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.filter16(values, first, filters, found),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.filter16(values, first, filters, found),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(kernel) => kernel.filter16(values, first, filters, found),
        }
    }
}

impl Backend {
    /// Fills a block with the symbols of the first bytes, up to one that is [`STOP`] in the alphabet.
    pub(crate) fn ascii(self, alphabet: &Alphabet, bytes: &[u8], block: &mut Block) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.ascii(alphabet, bytes, block),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.ascii(alphabet, bytes, block),
            _ => block.fill(alphabet, bytes, ascii::translate),
        }
    }
}

impl Backend {
    /// Writes the hash of the gram that begins at each symbol; see `winnow`. `values` are those of the
    /// symbols, `twos` and `fours` are buffers of the same length.
    pub(crate) fn gram_hashes(
        self,
        values: &[u64],
        twos: &mut [u64],
        fours: &mut [u64],
        hashes: &mut [u64],
    ) {
        match self.0 {
            Kind::Scalar(_) => winnow::gram_hashes(values, twos, fours, hashes),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.gram_hashes(values, twos, fours, hashes),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.gram_hashes(values, twos, fours, hashes),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => winnow::gram_hashes(values, twos, fours, hashes),
        }
    }

    /// Writes the positions of the smallest hash of every window, each once, and returns their number;
    /// see `winnow`. `keys` are two buffers with the length of `hashes`, `places` has room for one
    /// position for each window.
    pub(crate) fn minima(
        self,
        hashes: &[u64],
        window: usize,
        keys: [&mut [f64]; 2],
        places: &mut [u16],
    ) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.minima(hashes, window, keys, places),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.minima(hashes, window, keys, places),
            _ => winnow::minima(hashes, window, keys, places),
        }
    }
}

/// Pairs of a code and a query, by their positions.
#[derive(Clone, Copy)]
pub(crate) struct Pairs<'p> {
    pub(crate) codes: &'p [[u64; 4]],
    pub(crate) queries: &'p [Code256],
    /// The positions of code and query. That of the query is ignored if there is only one.
    pub(crate) places: &'p [(u32, u32)],
}

impl Pairs<'_> {
    /// Appends (position in `places`, distance) of every pair within `radius`. Skips pairs with invalid
    /// positions.
    #[inline(always)]
    fn within(&self, radius: u32, found: &mut Vec<(u32, u32)>) {
        let many = if self.queries.len() > 1 { u32::MAX } else { 0 };
        for (pair, &(code, query)) in (0..).zip(self.places) {
            let code = self.codes.get(code as usize);
            let query = self.queries.get((query & many) as usize);
            if let (Some(code), Some(query)) = (code, query) {
                let distance = query.distance(&Code256(*code));
                if distance <= radius {
                    found.push((pair, distance));
                }
            }
        }
    }
}

impl Backend {
    /// Appends (position of the pair, distance) of every pair within `radius`.
    pub(crate) fn within(self, pairs: &Pairs<'_>, radius: u32, found: &mut Vec<(u32, u32)>) {
        match self.0 {
            Kind::Scalar(_) => pairs.within(radius, found),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) | Kind::Avx512(_) => match x86_64::popcnt::Popcnt::new() {
                Some(popcnt) => popcnt.within(pairs, radius, found),
                None => pairs.within(radius, found),
            },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(kernel) => kernel.within(pairs, radius, found),
        }
    }
}

impl Backend {
    /// Appends the first number of every entry whose second one differs from `own` in at most `radius`
    /// bits.
    pub(crate) fn near32(self, own: u32, entries: &[[u32; 2]], radius: u32, found: &mut Vec<u32>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) | Kind::Avx512(_) => match x86_64::popcnt::Popcnt::new() {
                Some(popcnt) => popcnt.near32(own, entries, radius, found),
                None => near32::near32(own, entries, radius, found),
            },
            _ => near32::near32(own, entries, radius, found),
        }
    }

    /// Appends the position of every one of `others` that differs from `own` in at most `radius` bits.
    pub(crate) fn near128(
        self,
        own: &[u64; 2],
        others: &[[u64; 2]],
        radius: u32,
        found: &mut Vec<u32>,
    ) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) | Kind::Avx512(_) => match x86_64::popcnt::Popcnt::new() {
                Some(popcnt) => popcnt.near128(own, others, radius, found),
                None => near128::near128(own, others, radius, found),
            },
            _ => near128::near128(own, others, radius, found),
        }
    }
}

impl Backend {
    /// Applies a band-pass filter to a plane of `width` columns; see `blur`.
    pub(crate) fn band_pass(
        self,
        plane: &[u8],
        width: usize,
        soft: &mut [u8],
        response: &mut [i16],
    ) {
        match self.0 {
            Kind::Scalar(_) => blur::band_pass(plane, width, soft, response),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.band_pass(plane, width, soft, response),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.band_pass(plane, width, soft, response),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => blur::band_pass(plane, width, soft, response),
        }
    }
}

impl Backend {
    /// Computes the gradients around a place of a plane; see `polar`.
    pub(crate) fn polar(
        self,
        plane: &[u8],
        width: usize,
        place: (usize, usize),
        sign: f32,
        out: &mut Polar,
    ) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.polar(plane, width, place, sign, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.polar(plane, width, place, sign, out),
            _ => polar::polar(plane, width, place, sign, out),
        }
    }

    /// Samples a plane of `width` columns, in 256ths of its values, row by row. Returns `None` if a
    /// sample is outside; see `lattice`.
    pub(crate) fn sample(
        self,
        plane: &[u8],
        width: usize,
        lattice: &Lattice,
    ) -> Option<[u16; SAMPLES]> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.sample(plane, width, lattice),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.sample(plane, width, lattice),
            _ => lattice::sample(plane, width, lattice),
        }
    }

    /// Returns the deviations of the samples from their mean, scaled so that the largest is 127; `None`
    /// if the largest is below `flat`, which must be at least 1.
    pub(crate) fn stretch(self, samples: &[u16; SAMPLES], flat: i32) -> Option<[i8; SAMPLES]> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.stretch(samples, flat),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.stretch(samples, flat),
            _ => lattice::stretch(samples, flat),
        }
    }

    /// Computes the dot product of `patch` with each direction; see `project`.
    pub(crate) fn project(
        self,
        directions: &Directions,
        patch: &[i8; SAMPLES],
        sums: &mut [i32; DIRECTIONS],
    ) {
        match self.0 {
            Kind::Scalar(_) => project::project(directions, patch, sums),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(kernel) => kernel.project(directions, patch, sums),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(kernel) => kernel.project(directions, patch, sums),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => project::project(directions, patch, sums),
        }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name())
    }
}
