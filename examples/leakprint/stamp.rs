//! File sizes and times, which show without reading whether a file has changed.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The resolution of file times on some file systems. A file that was modified within this time before it
/// was read may have been modified again without a new time.
const COARSE: Duration = Duration::from_secs(2);

/// The state of a file: its size, when it was modified and, where the system says so, when anything
/// about it was changed, which a program cannot set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    changed: i64,
    /// Whether the times were too close to the reading to prove that the content is the same.
    young: bool,
}

impl Stamp {
    /// The size of a stamp in bytes.
    pub(crate) const LEN: usize = 25;

    /// Returns the stamp of a file as it is now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let modified = nanoseconds(metadata.modified()?);
        let changed = changed(&metadata);
        let now = SystemTime::now().checked_sub(COARSE);
        Ok(Self {
            size: metadata.len(),
            modified,
            changed,
            young: now.is_none_or(|now| modified.max(changed) >= nanoseconds(now)),
        })
    }

    /// Returns whether a file that had this stamp when it was read, and has `now`, is unchanged.
    pub(crate) fn is_unchanged(&self, now: &Self) -> bool {
        !self.young && self.same_times(now)
    }

    /// Returns whether size and times are the same.
    pub(crate) fn same_times(&self, other: &Self) -> bool {
        (self.size, self.modified, self.changed) == (other.size, other.modified, other.changed)
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.size.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.modified.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.changed.to_le_bytes());
        bytes[24] = u8::from(self.young);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let word = |at: usize| std::array::from_fn(|i| bytes[at + i]);
        Self {
            size: u64::from_le_bytes(word(0)),
            modified: i64::from_le_bytes(word(8)),
            changed: i64::from_le_bytes(word(16)),
            young: bytes[24] != 0,
        }
    }
}

/// Since 1970, negative before; saturates in 2262.
fn nanoseconds(time: SystemTime) -> i64 {
    let saturated = |since: Duration| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => saturated(since),
        Err(e) => -saturated(e.duration()),
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    let seconds = metadata.ctime().saturating_mul(1_000_000_000);
    seconds.saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_: &Metadata) -> i64 {
    0
}
