//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use leakprint::Limits;
use leakprint::collection::MergeStatus;
use tokio::sync::Semaphore;

use crate::admission::{Gate, Lane};
use crate::answer::Refusal;
use crate::auth::Tokens;
use crate::isolate::{Lease, Readers};
use crate::metrics::{Levels, Metrics};
use crate::prints::Hint;
use crate::store::Store;
use crate::upload::Uploads;
use crate::writing::Writing;

/// What all requests share.
pub(crate) struct App {
    pub(crate) store: Store,
    /// None if another process writes, or nobody may.
    pub(crate) writing: Option<Writing>,
    /// None if nobody may write.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) gate: Arc<Gate>,
    /// None if the service reads all uploads itself.
    pub(crate) readers: Option<Readers>,
    pub(crate) uploads: Uploads,
    pub(crate) metrics: Metrics,
    /// What one input may cost.
    pub(crate) limits: Limits,
    /// From the last byte of a body to the answer.
    pub(crate) deadline: Duration,
    /// Answers that are streamed, each of which holds a thread.
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) stopping: AtomicBool,
}

/// What handlers get.
pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Fails unless the request may administer the service.
    pub(crate) fn authorise(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match &self.tokens {
            Some(tokens) => tokens.check(headers),
            None => Err(read_only(
                "the service was started without --token-file: nobody may write",
            )),
        }
    }

    /// The writer, if the request may write.
    pub(crate) fn writing(&self, headers: &HeaderMap) -> Result<&Writing, Refusal> {
        self.authorise(headers)?;
        let message = "another process writes this collection, and the service follows it";
        self.writing.as_ref().ok_or_else(|| read_only(message))
    }

    /// A process to read this upload, if one is to read it.
    pub(crate) async fn reader(
        &self,
        hint: &Hint,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<Option<Lease>, Refusal> {
        match &self.readers {
            Some(readers) => readers.lease(hint, &self.limits, bytes, deadline).await,
            None => Ok(None),
        }
    }

    /// What the metrics look up.
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

    /// What became of merging: by the writer here, or as another one has left it in the folder.
    pub(crate) fn merge_status(&self) -> MergeStatus {
        let own = self.writing.as_ref().and_then(Writing::merge_status);
        own.unwrap_or_else(|| {
            let mut status = MergeStatus::default();
            status.failure = self.store.snapshot().collection().merge_failure();
            status
        })
    }
}

fn read_only(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "read_only", message)
}
