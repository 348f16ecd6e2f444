//! State shared by all requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use leakprint::Limits;
use leakprint::collection::MergeStatus;
use tokio::sync::Semaphore;

use crate::admission::{Gate, Lane};
use crate::answer::ApiError;
use crate::auth::Tokens;
use crate::isolate::{Lease, Readers};
use crate::metrics::{Levels, Metrics};
use crate::prints::Hint;
use crate::store::Store;
use crate::upload::Uploads;
use crate::writing::Writing;

/// State shared by all requests.
pub(crate) struct App {
    pub(crate) store: Store,
    /// None if another process writes, or the service is read-only.
    pub(crate) writing: Option<Writing>,
    /// None if the service is read-only.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) gate: Arc<Gate>,
    /// None if the service reads all uploads itself.
    pub(crate) readers: Option<Readers>,
    pub(crate) uploads: Uploads,
    pub(crate) metrics: Metrics,
    /// Limits per input.
    pub(crate) limits: Limits,
    /// Time from the last byte of a body to the response.
    pub(crate) deadline: Duration,
    /// Bounds the streamed responses, each of which occupies a thread.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stopping: AtomicBool,
}

/// The state that handlers receive.
pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Fails unless the request may administer the service.
    pub(crate) fn authorise(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match &self.tokens {
            Some(tokens) => tokens.check(headers),
            None => Err(read_only(
                "the service was started without --token-file, so it is read-only",
            )),
        }
    }

    /// The writer, if the request may write.
    pub(crate) fn writing(&self, headers: &HeaderMap) -> Result<&Writing, ApiError> {
        self.authorise(headers)?;
        let message = "another process writes this collection; the service only follows it";
        self.writing.as_ref().ok_or_else(|| read_only(message))
    }

    /// The process that is to read this upload, if any.
    pub(crate) async fn reader(
        &self,
        hint: &Hint,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<Option<Lease>, ApiError> {
        match &self.readers {
            Some(readers) => readers.lease(hint, &self.limits, bytes, deadline).await,
            None => Ok(None),
        }
    }

    /// The current values for the metrics.
    pub(crate) fn levels(&self) -> Levels {
        let snapshot = self.store.snapshot();
        Levels {
            queues: Lane::ALL.map(|lane| (lane.as_str(), self.gate.depth(lane))),
            body_bytes: self.uploads.in_use(),
            generation: snapshot.generation(),
            items: snapshot.len(),
            merge: self.merge_status(),
        }
    }

    /// The outcome of the last merge: of this process's writer, or as recorded in the folder by another.
    pub(crate) fn merge_status(&self) -> MergeStatus {
        let own = self.writing.as_ref().and_then(Writing::merge_status);
        own.unwrap_or_else(|| {
            let mut status = MergeStatus::default();
            status.failure = self.store.snapshot().collection().merge_failure();
            status
        })
    }
}

fn read_only(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "read_only", message)
}
