//! Several indexes searched as one, less the items that are hidden.
//!
//! Numbers of items, parts and pictures run on from one index to the next. What counts how
//! rare something is, the number of items and document frequencies, is summed over all.

use std::sync::Arc;

use super::filter::PrintFilter;
use super::local::crowding;
use super::{Common, Index, ItemId, PartId, PartInfo, PictureInfo, StoredPrint};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Digest;

/// A set of items of one index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemSet {
    words: Vec<u64>,
    len: u32,
}

impl ItemSet {
    /// Adds an item; false if it was in already.
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

    #[inline]
    pub(crate) fn contains(&self, item: u32) -> bool {
        let word = self.words.get(item as usize / 64);
        word.is_some_and(|word| word >> (item % 64) & 1 == 1)
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many of them are below a number.
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

    /// In ascending order.
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

/// One index among others.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    pub(crate) index: Index,
    /// What [filters](PrintFilter) know the index by.
    pub(crate) tag: u64,
    /// Items that are not to be found; of those, only numbers below the index's count matter.
    pub(crate) hidden: Arc<ItemSet>,
    pub(crate) first_item: u32,
    pub(crate) first_part: u32,
    pub(crate) first_picture: u32,
}

impl Volume {
    /// Whether a part, by its number in this index, is of an item that is hidden.
    pub(crate) fn hides(&self, part: PartId) -> Result<bool> {
        Ok(!self.hidden.is_empty() && self.hidden.contains(self.index.item_of(part)?.0))
    }

    pub(crate) fn part(&self, part: PartId) -> PartId {
        PartId(part.0 + self.first_part)
    }
}

/// Indexes of one recipe, searched as one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    volumes: Arc<[Volume]>,
    /// Items that are not hidden.
    items: u32,
    pictures: u32,
    /// What the indexes up to a place have, if that is known, and those from there on.
    filters: [Option<Arc<PrintFilter>>; 2],
    split: usize,
    /// What is discounted in all indexes, beside what each says of its own.
    common: Option<Arc<Common>>,
}

impl Shelf {
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) if parts or pictures of all together are 2^32 or more,
    /// [`InvalidInput`](ErrorKind::InvalidInput) for none at all.
    pub(crate) fn new(indexes: impl IntoIterator<Item = (Index, Arc<ItemSet>)>) -> Result<Self> {
        let (mut items, mut parts, mut pictures, mut hidden_items) = (0_u32, 0_u32, 0_u32, 0_u32);
        let mut volumes = Vec::new();
        for (index, hidden) in indexes {
            let (of_items, of_parts) = (index.item_count(), index.part_count());
            let of_pictures = index.pictures().len() as u32;
            let next = |have: u32, more: u32| {
                have.checked_add(more)
                    .ok_or_else(|| Error::limit("parts of a collection", u32::MAX, more))
            };
            hidden_items += hidden.count_below(of_items);
            volumes.push(Volume {
                tag: PrintFilter::tag(&index),
                index,
                hidden,
                first_item: items,
                first_part: parts,
                first_picture: pictures,
            });
            items = next(items, of_items)?;
            parts = next(parts, of_parts)?;
            pictures = next(pictures, of_pictures)?;
        }
        if volumes.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "no index to search"));
        }
        Ok(Self {
            volumes: volumes.into(),
            items: items - hidden_items,
            pictures,
            filters: [None, None],
            split: 0,
            common: None,
        })
    }

    /// Discounts what ignore and background files share, whatever the indexes know of it.
    pub(crate) fn with_common(mut self, common: Option<Arc<Common>>) -> Self {
        self.common = common;
        self
    }

    /// Whether a gram is discounted in all indexes.
    pub(crate) fn discounts_gram(&self, print: u64) -> bool {
        let common = self.common.as_ref();
        common.is_some_and(|common| common.gram(print))
    }

    /// Whether a cell is.
    pub(crate) fn discounts_cell(&self, print: u64) -> bool {
        let common = self.common.as_ref();
        common.is_some_and(|common| common.cell(print))
    }

    /// Whether a digest is.
    pub(crate) fn discounts_digest(&self, digest: &Digest) -> bool {
        let common = self.common.as_ref();
        common.is_some_and(|common| common.digest(digest))
    }

    /// A picture of one of the indexes, by its number there.
    pub(crate) fn picture(&self, volume: &Volume, number: u32) -> Result<PictureInfo> {
        let mut picture = volume.index.pictures().get(number)?;
        if let Some(common) = &self.common
            && !picture.discounted
        {
            picture.discounted = common.picture(&picture)?;
        }
        Ok(picture)
    }

    /// Marks the local prints of a picture that are discounted in all indexes.
    pub(crate) fn mark(&self, prints: &mut [StoredPrint]) {
        self.common.iter().for_each(|common| common.mark(prints));
    }

    /// With filters that have all that is in the indexes up to a place, and from there on: most
    /// of what a query has is in none of them, and then looked up once instead of in each.
    pub(crate) fn with_filters(
        mut self,
        split: usize,
        filters: [Option<Arc<PrintFilter>>; 2],
    ) -> Self {
        self.split = split.min(self.volumes.len());
        self.filters = filters;
        self
    }

    /// With another filter for the indexes up to the place that is set.
    pub(crate) fn with_first_filter(mut self, filter: Option<Arc<PrintFilter>>) -> Self {
        let [first, _] = &mut self.filters;
        *first = filter;
        self
    }

    /// The indexes up to a place and those from there on, the number of the first of each, and
    /// what is known of what they have.
    pub(crate) fn rows(&self) -> [(usize, &[Volume], Option<&PrintFilter>); 2] {
        let (first, rest) = self.volumes.split_at(self.split);
        let [of_first, of_rest] = &self.filters;
        [
            (0, first, of_first.as_deref()),
            (self.split, rest, of_rest.as_deref()),
        ]
    }

    /// The indexes that may have a digest.
    pub(crate) fn with_digest(&self, digest: &Digest) -> impl Iterator<Item = &Volume> {
        let digest = *digest;
        let rows = self.rows().into_iter();
        let rows = rows.filter(move |(_, _, filter)| {
            filter.is_none_or(|filter| filter.may_have_digest(&digest))
        });
        rows.flat_map(|(_, volumes, _)| volumes)
    }

    #[cfg(test)]
    pub(crate) fn without_filters(self) -> Self {
        self.with_filters(0, [None, None])
    }

    pub(crate) fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Items that are not hidden.
    pub(crate) fn item_count(&self) -> u32 {
        self.items
    }

    /// The [crowding](super::Locals::crowding) of an index of all pictures.
    pub(crate) fn crowding(&self) -> f64 {
        crowding(self.pictures as usize)
    }

    fn volume(&self, first: impl Fn(&Volume) -> u32, number: u32) -> &Volume {
        let behind = self
            .volumes
            .partition_point(|volume| first(volume) <= number);
        &self.volumes[behind.saturating_sub(1)]
    }

    /// The index that a part is in, and its number there.
    pub(crate) fn of_part(&self, part: PartId) -> (&Volume, PartId) {
        let volume = self.volume(|volume| volume.first_part, part.0);
        (volume, PartId(part.0 - volume.first_part))
    }

    /// The index that an item is in, and its number there.
    pub(crate) fn of_item(&self, item: ItemId) -> (&Volume, ItemId) {
        let (place, item) = self.place_of(item);
        (&self.volumes[place], item)
    }

    /// The place of the index that an item is in, and its number there.
    pub(crate) fn place_of(&self, item: ItemId) -> (usize, ItemId) {
        let behind = self
            .volumes
            .partition_point(|volume| volume.first_item <= item.0);
        let place = behind.saturating_sub(1);
        (place, ItemId(item.0 - self.volumes[place].first_item))
    }

    /// The place of the index that a picture is in, and its number there.
    pub(crate) fn of_picture(&self, picture: u32) -> (&Volume, u32) {
        let volume = self.volume(|volume| volume.first_picture, picture);
        (volume, picture - volume.first_picture)
    }

    /// A part; the item's number is that among all.
    pub(crate) fn part(&self, part: PartId) -> Result<PartInfo<'_>> {
        let (volume, part) = self.of_part(part);
        let mut info = volume.index.part(part)?;
        info.item = ItemId(info.item.0 + volume.first_item);
        Ok(info)
    }

    pub(crate) fn item_name(&self, item: ItemId) -> Result<&str> {
        let (volume, item) = self.of_item(item);
        volume.index.item_name(item)
    }

    /// The item of a name that is not hidden.
    pub(crate) fn item_by_name(&self, name: &str) -> Result<Option<ItemId>> {
        for volume in self.volumes() {
            if let Some(item) = volume.index.item_by_name(name)?
                && !volume.hidden.contains(item.0)
            {
                return Ok(Some(ItemId(item.0 + volume.first_item)));
            }
        }
        Ok(None)
    }

    pub(crate) fn char_offset(&self, part: PartId, symbol: u32) -> Result<u32> {
        let (volume, part) = self.of_part(part);
        volume.index.char_offset(part, symbol)
    }

    pub(crate) fn char_end(&self, part: PartId, end: u32) -> Result<u32> {
        let (volume, part) = self.of_part(part);
        volume.index.char_end(part, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn sets_are_sets(items in prop::collection::vec(0_u32..400, 0..60), end in 0_u32..500) {
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
