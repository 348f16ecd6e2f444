//! Budgets: how far each chunk may differ so that every code within the radius is found.
//!
//! If a code is within `r` bits and the budgets of the chunks sum to `r + 1`, then some chunk
//! differs in fewer bits than its budget (the general pigeonhole principle; Qin et al., "GPH:
//! similarity search in Hamming space", 2018). That holds however the sum is divided, so a query
//! has larger budgets where the buckets are small.

use super::permute::CHUNKS;

/// The budget of each chunk of a query, in bits.
pub(super) type Budgets = [u8; CHUNKS];

/// The largest budget: probes of up to three flipped bits.
pub(super) const MAX_BUDGET: usize = 4;

/// The cost of finding a list, in entries of lists.
const PROBE_COST: u64 = 40;

/// The radius up to which budgets exist.
pub(super) const MAX_RADIUS: u32 = (MAX_BUDGET * CHUNKS) as u32 - 1;

/// For each budget, how many values of 16 bits have fewer set bits: the probes of a chunk.
pub(super) const PROBES: [usize; MAX_BUDGET + 1] = [0, 1, 17, 137, 697];

/// Returns the budgets for tables with buckets of equal size.
pub(super) fn even(radius: u32) -> Budgets {
    let total = radius as usize + 1;
    std::array::from_fn(|i| (total / CHUNKS + usize::from(i < total % CHUNKS)) as u8)
}

/// Returns the cheapest budgets for `radius`, where the chunk at budget `w` has `entries[w]` entries
/// in its buckets; `None` above [`MAX_RADIUS`].
///
/// Dynamic programming over chunks and the sum of the budgets so far: 16 x 64 x 5 steps.
pub(super) fn cheapest(radius: u32, entries: &[[u64; MAX_BUDGET + 1]; CHUNKS]) -> Option<Budgets> {
    if radius > MAX_RADIUS {
        return None;
    }
    let total = radius as usize + 1;
    // For each sum, the least cost of the chunks so far, and their budgets.
    let mut least = vec![u64::MAX; total + 1];
    let mut chosen = vec![[0_u8; CHUNKS]; total + 1];
    if let Some(none) = least.first_mut() {
        *none = 0;
    }
    for (chunk, entries) in entries.iter().enumerate() {
        let (before, choices) = (least.clone(), chosen.clone());
        for spent in 0..=total {
            least[spent] = u64::MAX;
            for budget in 0..=MAX_BUDGET.min(spent) {
                let rest = before[spent - budget];
                let own = entries[budget] + PROBE_COST * PROBES[budget] as u64;
                let cost = rest.saturating_add(own);
                if rest < u64::MAX && cost < least[spent] {
                    least[spent] = cost;
                    chosen[spent] = choices[spent - budget];
                    chosen[spent][chunk] = budget as u8;
                }
            }
        }
    }
    chosen.pop()
}

/// Returns the cost of a query with such budgets, in entries.
pub(super) fn cost(budgets: &Budgets, entries: impl Fn(usize, usize) -> u64) -> u64 {
    let costs = budgets.iter().enumerate().map(|(chunk, &budget)| {
        let budget = usize::from(budget);
        entries(chunk, budget) + PROBE_COST * PROBES[budget] as u64
    });
    costs.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn probes_are_sums_of_binomials() {
        for (budget, &probes) in PROBES.iter().enumerate() {
            let counted = (0..=u16::MAX).filter(|v| (v.count_ones() as usize) < budget);
            assert_eq!(counted.count(), probes);
        }
    }

    #[test]
    fn even_budgets_add_up() {
        for radius in 0..=MAX_RADIUS {
            let budgets = even(radius);
            assert_eq!(
                budgets.iter().map(|&w| u32::from(w)).sum::<u32>(),
                radius + 1
            );
            assert!(budgets.iter().all(|&w| usize::from(w) <= MAX_BUDGET));
        }
    }

    proptest! {
        #[test]
        fn cheapest_adds_up_and_beats_even(
            radius in 0_u32..=63,
            sizes in prop::array::uniform16(0_u64..100_000),
        ) {
            let entries = sizes.map(|size| [0, size, size * 3, size * 4, size * 5]);
            let budgets = cheapest(radius, &entries).unwrap();
            prop_assert_eq!(budgets.iter().map(|&w| u32::from(w)).sum::<u32>(), radius + 1);
            let total = |budgets| cost(&budgets, |chunk, budget| entries[chunk][budget]);
            prop_assert!(total(budgets) <= total(even(radius)));
        }
    }
}
