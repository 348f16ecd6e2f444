//! What a collection holds beside its indexes, as a matcher sees it.

use std::fmt;

use super::evidence::Match;
use super::options::MatchOptions;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::index::{ItemId, SearchStats};
use crate::metadata::Metadata;

/// Metadata of the items in a set of indexes, and items that are bare hashes and in no index.
pub(crate) trait Catalog: fmt::Debug + Send + Sync {
    /// Returns the metadata of an item, by its number in the set of indexes.
    fn metadata(&self, item: ItemId) -> Result<Metadata>;

    /// Appends a match for each bare hash that a picture of the query is near to.
    fn find_codes(
        &self,
        query: &Fingerprint,
        options: &MatchOptions,
        deadline: &Deadline,
        stats: &mut SearchStats,
        matches: &mut Vec<Match>,
    ) -> Result<()>;
}
