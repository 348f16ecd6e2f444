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
