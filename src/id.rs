//! The numbers of items and parts in one index.
//!
//! They are dense, start at 0, follow the order of
//! [`IndexWriter::add`](crate::index::IndexWriter::add), and are valid in
//! that index only: outside of it, store the item's name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One item of one index; [`Index::item_name`](crate::Index::item_name) gives its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u32);

/// One part of one item of one index; the parts of an item are consecutive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartId(pub u32);

impl ItemId {
    /// The number as an index into a slice.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl PartId {
    /// The number as an index into a slice.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
