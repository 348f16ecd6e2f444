//! Limits on the size of a collection's files and their parts. Writing and reading share each limit, so
//! that nothing is acknowledged that cannot be opened again.

use std::fmt::Display;

use crate::error::{Error, Result};

/// Bytes of one label, note, tag, name or reason.
pub(super) const MAX_TEXT_BYTES: usize = 64 << 10;

/// Tags of one item.
pub(super) const MAX_TAGS: usize = 256;

/// Limits of files. They belong to the storage, so that tests can lower them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileLimits {
    /// Bytes of a log: merging begins long before.
    pub(super) log_bytes: u64,
    /// Bytes of the operations of one frame of a log.
    pub(super) frame_bytes: usize,
    /// Bytes of the manifest.
    pub(super) manifest_bytes: u64,
    /// False matches: each is a person's decision.
    pub(super) false_matches: usize,
    /// Bytes of all false matches, which the manifest holds beside the rest.
    pub(super) false_match_bytes: u64,
}

impl FileLimits {
    pub(super) const DEFAULT: Self = Self {
        log_bytes: 4 << 30,
        frame_bytes: 1 << 30,
        manifest_bytes: 1 << 30,
        false_matches: 10_000_000,
        false_match_bytes: 512 << 20,
    };

    pub(super) fn check_log(&self, bytes: u64) -> Result<()> {
        let name = "bytes of a log (a compaction begins a new one)";
        check(name, self.log_bytes, bytes)
    }

    pub(super) fn check_frame(&self, bytes: usize) -> Result<()> {
        check("bytes of one batch", self.frame_bytes, bytes)
    }

    pub(super) fn check_manifest(&self, bytes: u64) -> Result<()> {
        check("bytes of the manifest", self.manifest_bytes, bytes)
    }

    pub(super) fn check_false_matches(&self, count: usize) -> Result<()> {
        check("false matches", self.false_matches, count)
    }

    pub(super) fn check_false_match_bytes(&self, bytes: u64) -> Result<()> {
        check("bytes of false matches", self.false_match_bytes, bytes)
    }
}

/// Fails if a text is too long.
pub(super) fn check_text(what: &str, text: &str) -> Result<()> {
    check(what, MAX_TEXT_BYTES, text.len())
}

/// Fails if there are too many tags.
pub(super) fn check_tags(tags: usize) -> Result<()> {
    check("tags of an item", MAX_TAGS, tags)
}

fn check<T: PartialOrd + Display>(name: &str, limit: T, value: T) -> Result<()> {
    if value > limit {
        return Err(Error::limit(name, limit, value));
    }
    Ok(())
}
