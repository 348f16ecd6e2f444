//! Several indexes searched as one, without the items that are hidden.
//!
//! Items, parts and pictures are numbered consecutively: the numbers of an index follow those of
//! the index before it. The number of items and document frequencies, which determine rarity, are
//! summed over all indexes.

use std::sync::Arc;

use super::filter::PrintFilter;
use super::item_set::ItemSet;
use super::local::crowding;
use super::{Index, ItemId, PartId, PartInfo, PictureInfo, StopPrints, StoredPrint, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::fingerprint::Digest;

/// One index of an [`IndexSet`], with its offsets in the set and its hidden items.
#[derive(Clone, Debug)]
pub(crate) struct IndexView {
    pub(crate) index: Index,
    /// The number by which a [filter](PrintFilter) knows the index.
    pub(crate) tag: u64,
    /// Items that are not reported. Only numbers below the index's item count matter.
    pub(crate) hidden: Arc<ItemSet>,
    pub(crate) first_item: u32,
    pub(crate) first_part: u32,
    pub(crate) first_picture: u32,
}

impl IndexView {
    /// Returns whether a part of this index belongs to a hidden item.
    pub(crate) fn is_hidden(&self, part: PartId) -> Result<bool> {
        Ok(!self.hidden.is_empty() && self.hidden.contains(self.index.item_of(part)?.0))
    }

    /// Converts a part's number in this index to its number in the set.
    pub(crate) fn part_in_set(&self, part: PartId) -> PartId {
        PartId(part.0 + self.first_part)
    }
}

/// Some of the indexes of a set, one after the other, and a filter of their prints.
pub(crate) struct IndexGroup<'a> {
    /// The position of the first index in the set.
    pub(crate) first: usize,
    pub(crate) views: &'a [IndexView],
    /// A filter of the prints of these indexes, if there is one.
    pub(crate) filter: Option<&'a PrintFilter>,
}

/// Indexes of one recipe, searched as one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct IndexSet {
    views: Arc<[IndexView]>,
    /// Items that are not hidden.
    items: u32,
    pictures: u32,
    /// Filters of the prints of the indexes before `split`, and of those from there on.
    filters: [Option<Arc<PrintFilter>>; 2],
    split: usize,
    /// Prints discounted in all indexes, in addition to those that each index marks itself.
    stop_prints: Option<Arc<StopPrints>>,
}

impl IndexSet {
    /// Makes a set of indexes and their hidden items.
    ///
    /// # Errors
    /// [`Limit`](ErrorKind::Limit) if the indexes together have 2^32 or more items, parts or
    /// pictures, [`InvalidInput`](ErrorKind::InvalidInput) if there is no index.
    pub(crate) fn new(indexes: impl IntoIterator<Item = (Index, Arc<ItemSet>)>) -> Result<Self> {
        let (mut items, mut parts, mut pictures, mut hidden_items) = (0_u32, 0_u32, 0_u32, 0_u32);
        let mut views = Vec::new();
        for (index, hidden) in indexes {
            let (item_count, part_count) = (index.item_count(), index.part_count());
            let picture_count = index.pictures().len() as u32;
            let next = |have: u32, more: u32| {
                have.checked_add(more)
                    .ok_or_else(|| Error::limit("parts of a collection", u32::MAX, more))
            };
            hidden_items += hidden.count_below(item_count);
            views.push(IndexView {
                tag: PrintFilter::tag(&index),
                index,
                hidden,
                first_item: items,
                first_part: parts,
                first_picture: pictures,
            });
            items = next(items, item_count)?;
            parts = next(parts, part_count)?;
            pictures = next(pictures, picture_count)?;
        }
        if views.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "no index to search"));
        }
        Ok(Self {
            views: views.into(),
            items: items - hidden_items,
            pictures,
            filters: [None, None],
            split: 0,
            stop_prints: None,
        })
    }

    /// Discounts stop prints in all indexes, also in those that were written without them.
    pub(crate) fn with_stop_prints(mut self, stop_prints: Option<Arc<StopPrints>>) -> Self {
        self.stop_prints = stop_prints;
        self
    }

    /// Returns whether a gram is discounted in all indexes.
    pub(crate) fn discounts_gram(&self, print: u64) -> bool {
        let stop_prints = self.stop_prints.as_ref();
        stop_prints.is_some_and(|stop| stop.has_gram(print))
    }

    /// Returns whether the owner vouches for a gram in all indexes.
    pub(crate) fn vouches_for_gram(&self, print: u64) -> bool {
        let stop_prints = self.stop_prints.as_ref();
        stop_prints.is_some_and(|stop| stop.vouches_for(print))
    }

    /// Returns whether a cell is discounted in all indexes.
    pub(crate) fn discounts_cell(&self, print: u64) -> bool {
        let stop_prints = self.stop_prints.as_ref();
        stop_prints.is_some_and(|stop| stop.has_cell(print))
    }

    /// Returns whether a digest is discounted in all indexes.
    pub(crate) fn discounts_digest(&self, digest: &Digest) -> bool {
        let stop_prints = self.stop_prints.as_ref();
        stop_prints.is_some_and(|stop| stop.has_digest(digest))
    }

    /// Returns a picture of one of the indexes, by its number there.
    pub(crate) fn picture(&self, view: &IndexView, number: u32) -> Result<PictureInfo> {
        let mut picture = view.index.pictures().get(number)?;
        if let Some(stop_prints) = &self.stop_prints
            && !picture.discounted
        {
            picture.discounted = stop_prints.has_picture(&picture)?;
        }
        Ok(picture)
    }

    /// Marks the local prints of a picture that are discounted in all indexes.
    pub(crate) fn mark_stop_prints(&self, prints: &mut [StoredPrint]) {
        if let Some(stop_prints) = &self.stop_prints {
            stop_prints.mark(prints);
        }
    }

    /// Sets the filters of the prints of the indexes before `split`, and of those from there on.
    ///
    /// Most prints of a query are in no index: a filter rules them out with one look-up rather
    /// than one in each index.
    pub(crate) fn with_filters(
        mut self,
        split: usize,
        filters: [Option<Arc<PrintFilter>>; 2],
    ) -> Self {
        self.split = split.min(self.views.len());
        self.filters = filters;
        self
    }

    /// Replaces the filter of the indexes before the split.
    pub(crate) fn with_first_filter(mut self, filter: Option<Arc<PrintFilter>>) -> Self {
        let [first, _] = &mut self.filters;
        *first = filter;
        self
    }

    /// Returns the indexes before the split and those from there on, each with its filter.
    pub(crate) fn groups(&self) -> [IndexGroup<'_>; 2] {
        let (before, after) = self.views.split_at(self.split);
        let [before_filter, after_filter] = &self.filters;
        [
            IndexGroup {
                first: 0,
                views: before,
                filter: before_filter.as_deref(),
            },
            IndexGroup {
                first: self.split,
                views: after,
                filter: after_filter.as_deref(),
            },
        ]
    }

    /// Returns the indexes that may have a digest.
    pub(crate) fn digest_candidates(&self, digest: &Digest) -> impl Iterator<Item = &IndexView> {
        let digest = *digest;
        let groups = self.groups().into_iter();
        let groups = groups.filter(move |group| {
            group
                .filter
                .is_none_or(|filter| filter.may_have_digest(&digest))
        });
        groups.flat_map(|group| group.views)
    }

    #[cfg(test)]
    pub(crate) fn without_filters(self) -> Self {
        self.with_filters(0, [None, None])
    }

    /// Returns all indexes of the set.
    pub(crate) fn views(&self) -> &[IndexView] {
        &self.views
    }

    /// Returns the number of items that are not hidden.
    pub(crate) fn item_count(&self) -> u32 {
        self.items
    }

    /// Returns the [crowding](super::Locals::crowding) of an index of all pictures of the set.
    pub(crate) fn crowding(&self) -> f64 {
        crowding(self.pictures as usize)
    }

    /// Returns the position of the last index whose first number is not above `number`.
    fn position(&self, first: impl Fn(&IndexView) -> u32, number: u32) -> usize {
        let after = self.views.partition_point(|view| first(view) <= number);
        after.saturating_sub(1)
    }

    /// Returns the index that has a part of the set, and the part's number there.
    pub(crate) fn locate_part(&self, part: PartId) -> (&IndexView, PartId) {
        let view = &self.views[self.position(|view| view.first_part, part.0)];
        (view, PartId(part.0 - view.first_part))
    }

    /// Returns the index that has an item of the set, and the item's number there.
    pub(crate) fn locate_item(&self, item: ItemId) -> (&IndexView, ItemId) {
        let (position, item) = self.position_of_item(item);
        (&self.views[position], item)
    }

    /// Returns the position of the index that has an item of the set, and the item's number there.
    pub(crate) fn position_of_item(&self, item: ItemId) -> (usize, ItemId) {
        let position = self.position(|view| view.first_item, item.0);
        (position, ItemId(item.0 - self.views[position].first_item))
    }

    /// Returns the index that has a picture of the set, and the picture's number there.
    pub(crate) fn locate_picture(&self, picture: u32) -> (&IndexView, u32) {
        let view = &self.views[self.position(|view| view.first_picture, picture)];
        (view, picture - view.first_picture)
    }

    /// Returns a part of the set; the item in it is the item's number in the set.
    pub(crate) fn part(&self, part: PartId) -> Result<PartInfo<'_>> {
        let (view, part) = self.locate_part(part);
        let mut info = view.index.part(part)?;
        info.item = ItemId(info.item.0 + view.first_item);
        Ok(info)
    }

    /// Returns the name of an item of the set.
    pub(crate) fn item_name(&self, item: ItemId) -> Result<&str> {
        let (view, item) = self.locate_item(item);
        view.index.item_name(item)
    }

    /// Finds the item of a name, unless it is hidden.
    pub(crate) fn item_by_name(&self, name: &str) -> Result<Option<ItemId>> {
        for view in self.views() {
            if let Some(item) = view.index.item_by_name(name)?
                && !view.hidden.contains(item.0)
            {
                return Ok(Some(ItemId(item.0 + view.first_item)));
            }
        }
        Ok(None)
    }

    /// Returns the character offset of a symbol; see [`Index::char_offset`].
    pub(crate) fn char_offset(&self, part: PartId, symbol: u32) -> Result<u32> {
        let (view, part) = self.locate_part(part);
        view.index.char_offset(part, symbol)
    }

    /// Returns the values in the text of a part.
    pub(crate) fn values(&self, part: PartId) -> Result<Values<'_>> {
        let (view, part) = self.locate_part(part);
        view.index.values(part)
    }

    /// Returns the character offset just after a symbol; see [`Index::char_end`].
    pub(crate) fn char_end(&self, part: PartId, end: u32) -> Result<u32> {
        let (view, part) = self.locate_part(part);
        view.index.char_end(part, end)
    }
}
