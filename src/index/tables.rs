//! Items and their parts: names, paths, and the mapping from symbols to characters.

use super::layout::Section;
use super::records::{ItemRecord, PartRecord};
use super::{Index, Inner, ItemId, PartId};
use crate::error::{Error, ErrorKind, Result};
use crate::text::{char_end, char_offset};

/// One part of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartInfo<'a> {
    /// The item that it belongs to.
    pub item: ItemId,
    /// The path within the item; empty for the item itself.
    pub path: &'a str,
    /// Characters of its text, 0 if it has none.
    pub chars: u32,
    /// Symbols of its text after folding.
    pub folded: u32,
    /// Grams of its text in the index.
    pub grams: u32,
}

impl Index {
    /// Returns the number of items; their ids are 0 up to this.
    pub fn item_count(&self) -> u32 {
        self.0.meta.items
    }

    /// Returns the number of parts of all items; their ids are 0 up to this.
    pub fn part_count(&self) -> u32 {
        self.0.meta.parts
    }

    /// Returns the name that the owner gave to an item.
    ///
    /// # Errors
    /// [`InvalidInput`](ErrorKind::InvalidInput) for an id that does not exist in this index,
    /// [`Corrupt`](ErrorKind::Corrupt) if the file is damaged.
    pub fn item_name(&self, item: ItemId) -> Result<&str> {
        let record = self.0.item(item)?;
        self.0
            .string(Section::Items, record.name_at, record.name_len)
    }

    /// Finds the item of a name by binary search.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) if the file is damaged.
    pub fn item_by_name(&self, name: &str) -> Result<Option<ItemId>> {
        let order: &[u32] = self.0.slice(Section::ItemOrder);
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low.midpoint(high);
            let Some(&item) = order.get(middle) else {
                break;
            };
            let item = self.0.checked_item(Section::ItemOrder, item)?;
            match self.item_name(item)?.cmp(name) {
                std::cmp::Ordering::Equal => return Ok(Some(item)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Returns the parts of an item, in reading order.
    ///
    /// # Errors
    /// As [`item_name`](Self::item_name).
    ///
    /// ```
    /// # use leakprint::example::{MEMO, memo_index};
    /// # let index = memo_index()?;
    /// let item = index.item_by_name("memo.txt")?.unwrap();
    /// for part in index.item_parts(item)? {
    ///     let part = index.part(part)?;
    ///     assert_eq!((part.path, part.chars as usize), ("", MEMO.len()));
    /// }
    /// assert!(index.item_by_name("Memo.txt")?.is_none());
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn item_parts(&self, item: ItemId) -> Result<impl Iterator<Item = PartId> + use<>> {
        let range = self.0.part_range(item)?;
        Ok(range.map(PartId))
    }

    /// Returns a part.
    ///
    /// # Errors
    /// As [`item_name`](Self::item_name).
    pub fn part(&self, part: PartId) -> Result<PartInfo<'_>> {
        let record = self.0.part(part)?;
        Ok(PartInfo {
            item: self.0.checked_item(Section::Parts, record.item)?,
            path: self
                .0
                .string(Section::Parts, record.path_at, record.path_len)?,
            chars: record.chars,
            folded: record.folded,
            grams: record.grams,
        })
    }

    /// Returns the item of a part.
    pub(crate) fn item_of(&self, part: PartId) -> Result<ItemId> {
        let record = self.0.part(part)?;
        self.0.checked_item(Section::Parts, record.item)
    }

    /// Returns the character offset of a folded symbol of a part's text, interpolated between
    /// anchors and at most the number of characters. A symbol after the last is at the end.
    ///
    /// # Errors
    /// As [`item_name`](Self::item_name).
    pub fn char_offset(&self, part: PartId, symbol: u32) -> Result<u32> {
        let record = self.0.part(part)?;
        let anchors = self.0.anchors(record)?;
        Ok(char_offset(anchors, symbol, record.folded, record.chars))
    }

    /// Returns the character offset just after folded symbol `end - 1` of a part's text.
    ///
    /// # Errors
    /// As [`item_name`](Self::item_name).
    pub fn char_end(&self, part: PartId, end: u32) -> Result<u32> {
        let record = self.0.part(part)?;
        let anchors = self.0.anchors(record)?;
        let offset = |symbol| char_offset(anchors, symbol, record.folded, record.chars);
        Ok(char_end(end, record.chars, offset))
    }
}

impl Inner {
    pub(super) fn items(&self) -> &[ItemRecord] {
        self.slice(Section::Items)
    }

    pub(super) fn parts(&self) -> &[PartRecord] {
        self.slice(Section::Parts)
    }

    fn item(&self, item: ItemId) -> Result<&ItemRecord> {
        self.items()
            .get(item.index())
            .ok_or_else(|| foreign("item", item.0, self.meta.items))
    }

    pub(super) fn part(&self, part: PartId) -> Result<&PartRecord> {
        self.parts()
            .get(part.index())
            .ok_or_else(|| foreign("part", part.0, self.meta.parts))
    }

    /// Checks an item id that was read from `section`.
    pub(super) fn checked_item(&self, section: Section, item: u32) -> Result<ItemId> {
        if item < self.meta.items {
            Ok(ItemId(item))
        } else {
            Err(section.corrupt(format_args!("item {item} of {}", self.meta.items)))
        }
    }

    /// Checks a part id that was read from `section`.
    pub(super) fn checked_part(&self, section: Section, part: u32) -> Result<PartId> {
        if part < self.meta.parts {
            Ok(PartId(part))
        } else {
            Err(section.corrupt(format_args!("part {part} of {}", self.meta.parts)))
        }
    }

    pub(super) fn part_range(&self, item: ItemId) -> Result<std::ops::Range<u32>> {
        let start = self.item(item)?.first_part;
        let end = self
            .items()
            .get(item.index() + 1)
            .map_or(self.meta.parts, |next| next.first_part);
        if start <= end && end <= self.meta.parts {
            Ok(start..end)
        } else {
            Err(Section::Items.corrupt(format_args!("parts {start}..{end} of item {item}")))
        }
    }

    /// Returns the character offsets of every 32nd symbol of a part.
    pub(super) fn anchors(&self, part: &PartRecord) -> Result<&[u32]> {
        range(part.anchors_at, part.anchors_len)
            .and_then(|range| self.slice(Section::Anchors).get(range))
            .ok_or_else(|| Section::Parts.corrupt("anchors out of bounds"))
    }

    /// Returns a string that a record of `section` points to.
    pub(super) fn string(&self, section: Section, at: u64, len: u32) -> Result<&str> {
        let bytes = range(at, len)
            .and_then(|range| self.slice::<u8>(Section::Strings).get(range))
            .ok_or_else(|| section.corrupt("a string out of bounds"))?;
        std::str::from_utf8(bytes).map_err(|_| Section::Strings.corrupt("a name that is not UTF-8"))
    }
}

fn range(at: u64, len: u32) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(at).ok()?;
    Some(start..start.checked_add(len as usize)?)
}

fn foreign(what: &str, id: u32, count: u32) -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        format!("{what} {id} does not exist: the index has {count}"),
    )
}
