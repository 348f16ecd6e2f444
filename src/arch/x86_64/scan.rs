//! AVX2 scan of codes: few probes by whole codes, many by nibbles.

use super::avx2::{Avx2, LANES, scan_group};
use super::nibbles;
use crate::arch::scalar::Scalar;
use crate::arch::{CodeHit, Planes, Probe};

/// Queries that share the load of a vector; 16 registers hold no more than two
/// with their words beside the constants of the count.
const GROUP: usize = 2;

/// Queries from which on splitting codes into nibbles is faster.
const MIN_PROBES_TO_SPLIT: usize = 8;

impl Avx2 {
    pub(in crate::arch) fn scan(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        let widest = probes.iter().map(|probe| probe.radius).max();
        let bytes = widest.and_then(nibbles::prefix);
        if let Some(bytes) = bytes
            && probes.len() >= MIN_PROBES_TO_SPLIT
        {
            // SAFETY: `self` exists, so the CPU has the feature that `scan` is compiled for.
            unsafe { nibbles::scan(planes, first_code, probes, bytes, hits) };
            let whole = planes.len() / nibbles::BLOCK * nibbles::BLOCK;
            let first = first_code.wrapping_add(whole as u32);
            self.scan_whole(planes.slice(whole..planes.len()), first, probes, hits);
        } else {
            self.scan_whole(planes, first_code, probes, hits);
        }
    }

    /// Scans without splitting codes into nibbles.
    fn scan_whole(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        let (groups, rest) = probes.as_chunks::<GROUP>();
        // SAFETY: `self` exists, so the CPU has the feature that `scan_group` is compiled for.
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
}
