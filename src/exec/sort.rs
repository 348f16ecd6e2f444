//! Sorting that a deadline can end: an in-place radix sort that checks the deadline in its passes, and
//! uses the standard library's sort for small slices.
//!
//! The standard library's sort of millions of elements takes hundreds of milliseconds and cannot be
//! interrupted. Source: McIlroy, Bostic and McIlroy, "Engineering radix sort" (American flag sort),
//! 1993.

use crate::deadline::{Deadline, Pacer};
use crate::error::Result;

/// Elements up to which the standard library sorts: about a millisecond.
const MAX_SMALL: usize = 1 << 15;

/// Bits of the key by which a pass distributes elements.
const DIGIT_BITS: u32 = 8;
const BUCKETS: usize = 1 << DIGIT_BITS;

/// Steps between two checks of the deadline.
const STEPS_PER_CHECK: u32 = 1 << 15;

/// Sorts by a key, not stably. Takes linear time, at most 16 passes.
///
/// # Errors
/// As [`Deadline::check`]; the elements are then in an unspecified order.
pub(crate) fn sort_until<T>(
    elements: &mut [T],
    key: impl Fn(&T) -> u128 + Copy,
    deadline: &Deadline,
) -> Result<()> {
    if elements.len() <= MAX_SMALL {
        elements.sort_unstable_by_key(key);
        return Ok(());
    }
    sort(elements, key, &mut deadline.pacer(STEPS_PER_CHECK))
}

fn sort<T>(elements: &mut [T], key: impl Fn(&T) -> u128 + Copy, pacer: &mut Pacer) -> Result<()> {
    pacer.steps(elements.len().min(MAX_SMALL) as u32)?;
    if elements.len() <= MAX_SMALL {
        elements.sort_unstable_by_key(key);
        return Ok(());
    }
    // The bits above the highest one in which two keys differ are the same in all keys.
    let first = elements.first().map_or(0, key);
    let mut differ = 0;
    for element in &*elements {
        pacer.step()?;
        differ |= key(element) ^ first;
    }
    let Some(highest) = differ.checked_ilog2() else {
        return Ok(());
    };
    let shift = (highest + 1).saturating_sub(DIGIT_BITS);
    let digit = |element: &T| (key(element) >> shift) as usize % BUCKETS;
    let mut ends = [0_usize; BUCKETS];
    for element in &*elements {
        pacer.step()?;
        ends[digit(element)] += 1;
    }
    let mut starts = [0; BUCKETS];
    let mut sum = 0;
    for (start, end) in starts.iter_mut().zip(&mut ends) {
        *start = sum;
        sum += *end;
        *end = sum;
    }
    // The first position of each bucket whose element is not known to belong there.
    let mut next = starts;
    for bucket in 0..BUCKETS {
        while next[bucket] < ends[bucket] {
            pacer.step()?;
            let own = digit(&elements[next[bucket]]);
            elements.swap(next[bucket], next[own]);
            next[own] += 1;
        }
    }
    for (start, end) in starts.into_iter().zip(ends) {
        sort(&mut elements[start..end], key, pacer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_elements_are_sorted_as_the_standard_library_does() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            state >> 17
        };
        // Spread evenly, all alike, few different ones, two far apart, already sorted.
        let masks = [u64::MAX, 0, 7, 1 << 40];
        let mut cases: Vec<Vec<u64>> = masks
            .iter()
            .map(|mask| (0..100_000).map(|_| random() & mask).collect())
            .collect();
        cases.push((0..100_000).collect());
        for case in cases {
            let (mut found, mut expected) = (case.clone(), case);
            sort_until(&mut found, |&n| u128::from(n) << 64, &Deadline::never()).unwrap();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn sorting_many_elements_ends_at_the_deadline() {
        let mut many: Vec<u32> = (0..200_000).rev().collect();
        let over = Deadline::after(Duration::ZERO);
        assert!(sort_until(&mut many, |&n| n.into(), &over).is_err());
        many.sort_unstable();
        assert!(many.into_iter().eq(0..200_000), "nothing is lost");
    }
}
