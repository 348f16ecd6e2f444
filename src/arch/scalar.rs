//! Portable code, the oracle of every instruction set.

use super::{CodeHit, Filter, List, Planes, Probe};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar;

impl Scalar {
    pub(super) fn scan(
        self,
        planes: Planes<'_>,
        first_code: u32,
        probes: &[Probe],
        hits: &mut Vec<CodeHit>,
    ) {
        let [a, b, c, d] = planes.words();
        for (code, (((a, b), c), d)) in (first_code..).zip(a.iter().zip(b).zip(c).zip(d)) {
            for probe in probes {
                let [qa, qb, qc, qd] = probe.code.0;
                // At the radii in use, half of the distance rules out nearly every code.
                let mut distance = (a ^ qa).count_ones() + (b ^ qb).count_ones();
                if distance > probe.radius {
                    continue;
                }
                distance += (c ^ qc).count_ones() + (d ^ qd).count_ones();
                if distance <= probe.radius {
                    hits.push(CodeHit {
                        query: probe.query,
                        code,
                        distance,
                    });
                }
            }
        }
    }

    pub(super) fn near16(self, values: &[u16], lists: &[List], found: &mut Vec<(u32, u32)>) {
        for (number, list) in (0..).zip(List::prefetching(lists, values)) {
            for (place, value) in (0..).zip(list.of(values)) {
                if (value ^ list.value).count_ones() <= u32::from(list.limit) {
                    found.push((number, place));
                }
            }
        }
    }

    pub(super) fn filter16(
        self,
        values: &[u16],
        first: u32,
        filters: &[Filter],
        found: &mut Vec<(u32, u32)>,
    ) {
        for filter in filters {
            for (place, value) in (first..).zip(values) {
                if (value ^ filter.value).count_ones() <= u32::from(filter.limit) {
                    found.push((place, filter.query));
                }
            }
        }
    }
}
