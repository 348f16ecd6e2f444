//! The interface to the content of a collection that is not in its indexes.

use std::fmt;

use super::evidence::Match;
use super::options::MatchOptions;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::index::{ItemId, SearchStats};
use crate::metadata::Metadata;

/// Metadata of the items in a set of indexes, and items that are bare hashes, which no index has.
pub(crate) trait Catalog: fmt::Debug + Send + Sync {
    /// Returns the metadata of an item, by its number in the set of indexes.
    fn metadata(&self, item: ItemId) -> Result<Metadata>;

    /// Returns the number of items that are bare hashes.
    fn codes(&self) -> u64;

    /// Returns the least distance of a picture of the query from a bare hash, up to a radius in bits.
    fn nearest_code(
        &self,
        query: &Fingerprint,
        radius: u32,
        deadline: &Deadline,
    ) -> Result<Option<u32>>;

    /// Appends a match for each bare hash that is near the hash of a picture of the query.
    fn find_codes(
        &self,
        query: &Fingerprint,
        options: &MatchOptions,
        deadline: &Deadline,
        stats: &mut SearchStats,
        matches: &mut Vec<Match>,
    ) -> Result<()>;
}
