//! What became of merging: kept by the writer, and in the folder for whoever else looks.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::storage::Storage;
use crate::error::{Error, ErrorKind};
use crate::time::Timestamp;

/// The file that says why the last merge failed; missing if it did not.
pub(super) const FAILURE: &str = "merge.failed";

/// Bytes of that file, at most.
const MAX_FAILURE_BYTES: u64 = 64 << 10;

/// After a failure the background waits before it tries again: that long, then twice as long, ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to 2 to this power.
const MAX_DOUBLINGS: u32 = 6;

/// Why a merge failed.
///
/// Nothing is lost then: everything stays in the log, which grows until a merge succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MergeFailure {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The error, with the file that it is about.
    pub message: String,
    /// When it happened.
    pub at: Timestamp,
}

impl MergeFailure {
    pub(super) fn of(e: &Error) -> Self {
        Self {
            kind: e.kind(),
            message: e.to_string(),
            at: Timestamp::now(),
        }
    }

    /// What the folder says about the last merge.
    pub(super) fn read(storage: &dyn Storage) -> Option<Self> {
        let mut text = String::new();
        let read = match storage.open(FAILURE) {
            Ok(file) => file.take(MAX_FAILURE_BYTES).read_to_string(&mut text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => Err(e),
        };
        // It is for people: whatever it says is better than nothing.
        Some(match read {
            Ok(_) => Self::parse(&text).unwrap_or_else(|| Self {
                kind: ErrorKind::Io,
                message: format!("a merge failed, and {FAILURE} does not say why"),
                at: Timestamp::default(),
            }),
            Err(e) => Self {
                kind: ErrorKind::Io,
                message: format!("a merge failed, and {FAILURE} cannot be read: {e}"),
                at: Timestamp::default(),
            },
        })
    }

    /// A line with the kind, one with the time, and the message.
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('\n')?;
        let (at, message) = rest.split_once('\n')?;
        Some(Self {
            kind: kind.parse().ok()?,
            message: message.trim_end().to_owned(),
            at: at.parse().ok()?,
        })
    }

    fn write(&self, storage: &dyn Storage) -> std::io::Result<()> {
        let text = format!("{}\n{}\n{}\n", self.kind, self.at, self.message);
        storage.create(FAILURE)?.write_all(text.as_bytes())
    }
}

/// What became of the merges of a writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MergeStatus {
    /// Merges that succeeded since the writer was opened.
    pub merged: u64,
    /// Merges that failed since the writer was opened, and copies of the manifest that could not be
    /// written.
    pub failed: u64,
    /// Why the last one failed; `None` if it succeeded. The folder keeps it for the next writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<MergeFailure>,
}

/// The record of merges that a writer keeps.
#[derive(Debug, Default)]
pub(super) struct Merges {
    merged: u64,
    failed: u64,
    /// Why the last merge failed.
    failure: Option<MergeFailure>,
    /// Why the copy of the manifest could not be written the last time.
    copy: Option<MergeFailure>,
    /// Whether the folder may have the file that says why.
    on_disk: bool,
    failed_in_turn: u32,
    retry_at: Option<Instant>,
}

impl Merges {
    /// With what the folder says.
    pub(super) fn new(failure: Option<MergeFailure>) -> Self {
        Self {
            on_disk: failure.is_some(),
            failure,
            ..Self::default()
        }
    }

    pub(super) fn status(&self) -> MergeStatus {
        MergeStatus {
            merged: self.merged,
            failed: self.failed,
            failure: self.failure.as_ref().or(self.copy.as_ref()).cloned(),
        }
    }

    /// Whether the background may try.
    pub(super) fn may_run(&self) -> bool {
        self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    /// Notes whether the copy of the manifest was written: half of a merge.
    pub(super) fn copied(&mut self, failure: Option<Error>) {
        self.copy = failure.as_ref().map(MergeFailure::of);
        self.failed += u64::from(self.copy.is_some());
    }

    /// Notes the outcome of a merge, here and in the folder.
    pub(super) fn finished<T>(&mut self, storage: &dyn Storage, result: Result<T, &Error>) {
        match result {
            Ok(_) => {
                self.failure = None;
                self.merged += 1;
                self.failed_in_turn = 0;
                self.retry_at = None;
            }
            Err(e) => {
                self.failure = Some(MergeFailure::of(e));
                self.failed += 1;
                let pause = FIRST_PAUSE * 2_u32.pow(self.failed_in_turn.min(MAX_DOUBLINGS));
                self.failed_in_turn += 1;
                self.retry_at = Instant::now().checked_add(pause);
            }
        }
        match self.status().failure {
            // If it stays, the next merge that succeeds tries again.
            None if self.on_disk => self.on_disk = storage.remove(FAILURE).is_err(),
            None => {}
            Some(failure) => {
                // The disk that failed may refuse this, too; the status says it all the same.
                let _ = failure.write(storage);
                self.on_disk = true;
            }
        }
    }
}
