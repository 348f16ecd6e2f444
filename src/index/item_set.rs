//! A set of the items of one index, as a bit map.

/// A set of the items of one index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemSet {
    words: Vec<u64>,
    len: u32,
}

impl ItemSet {
    /// Adds an item; returns false if the set already has it.
    pub(crate) fn insert(&mut self, item: u32) -> bool {
        let word = item as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (item % 64);
        let new = self.words.get(word).is_some_and(|word| word & bit == 0);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
        self.len += u32::from(new);
        new
    }

    /// Returns whether the set has an item.
    #[inline]
    pub(crate) fn contains(&self, item: u32) -> bool {
        let word = self.words.get(item as usize / 64);
        word.is_some_and(|word| word >> (item % 64) & 1 == 1)
    }

    /// Returns the number of items in the set.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether the set has no item.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns how many items of the set are below a number.
    pub(crate) fn count_below(&self, end: u32) -> u32 {
        let whole = self.words.iter().take(end as usize / 64);
        let count: u32 = whole.map(|word| word.count_ones()).sum();
        let last = self
            .words
            .get(end as usize / 64)
            .copied()
            .unwrap_or_default();
        count + (last & ((1 << (end % 64)) - 1)).count_ones()
    }

    /// Returns the items in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = (0_u32..).step_by(64).zip(&self.words);
        words.flat_map(|(first, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(first + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_btree_set(items in prop::collection::vec(0_u32..400, 0..60), end in 0_u32..500) {
            let mut set = ItemSet::default();
            let mut model = BTreeSet::new();
            for item in items {
                prop_assert_eq!(set.insert(item), model.insert(item));
            }
            prop_assert_eq!(set.len() as usize, model.len());
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.count_below(end) as usize, model.range(..end).count());
            prop_assert!((0..450).all(|item| set.contains(item) == model.contains(&item)));
        }
    }
}
