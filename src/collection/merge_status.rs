//! The outcome of merges: kept by the writer, and in the folder for other processes.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::storage::Storage;
use crate::error::{Error, ErrorKind};
use crate::time::Timestamp;

/// The file with the reason why the last merge failed; missing if it did not.
pub(super) const FAILURE: &str = "merge.failed";

/// The maximal size of that file in bytes.
const MAX_FAILURE_BYTES: u64 = 64 << 10;

/// The pause after the first failure before the background merges again; it doubles each time ...
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// ... up to 2 to this power.
const MAX_DOUBLINGS: u32 = 6;

/// The reason why a merge failed.
///
/// No data is lost: everything stays in the log, which grows until a merge succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MergeFailure {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// The error message, with the file concerned.
    pub message: String,
    /// The time when it happened.
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

    /// Reads the failure of the last merge from the folder.
    pub(super) fn read(storage: &dyn Storage) -> Option<Self> {
        let mut text = String::new();
        let read = match storage.open(FAILURE) {
            Ok(file) => file.take(MAX_FAILURE_BYTES).read_to_string(&mut text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => Err(e),
        };
        // It is for people: a partial reason is better than none.
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

/// The outcome of a writer's merges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MergeStatus {
    /// Merges that succeeded since the writer was opened.
    pub merged: u64,
    /// Merges that failed since the writer was opened, and copies of the manifest that could not be
    /// written.
    pub failed: u64,
    /// Why the last one failed; `None` if it succeeded. Stored in the folder for the next writer.
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
    /// Why the copy of the manifest could not be written last time.
    copy: Option<MergeFailure>,
    /// Whether the folder may contain the file with the reason.
    on_disk: bool,
    failed_in_turn: u32,
    retry_at: Option<Instant>,
}

impl Merges {
    /// Creates the record from the failure that is stored in the folder.
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

    /// Returns whether a background merge may start.
    pub(super) fn may_run(&self) -> bool {
        self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    /// Records whether the copy of the manifest was written.
    pub(super) fn copied(&mut self, failure: Option<Error>) {
        self.copy = failure.as_ref().map(MergeFailure::of);
        self.failed += u64::from(self.copy.is_some());
    }

    /// Records the outcome of a merge, here and in the folder.
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
            // If it cannot be removed, the next successful merge tries again.
            None if self.on_disk => self.on_disk = storage.remove(FAILURE).is_err(),
            None => {}
            Some(failure) => {
                // A failing disk may refuse this too; the status has the failure anyway.
                let _ = failure.write(storage);
                self.on_disk = true;
            }
        }
    }
}
