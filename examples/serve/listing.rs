//! Lists of any length as JSON lines, from one snapshot, in constant memory, with backpressure.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::channel::{Channel, Sender};
use leakprint::collection::Snapshot;
use leakprint::{Error, Result};
use serde::Serialize;
use tokio::runtime::Handle;

use crate::answer::ApiError;
use crate::app::Shared;

/// Bytes sent at once.
const BLOCK_BYTES: usize = 32 << 10;

/// Blocks queued for the client.
const MAX_QUEUED_BLOCKS: usize = 2;

/// How long a client may take to receive a block.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The output of a list.
pub(crate) struct Lines {
    sender: Sender<Bytes, Failure>,
    block: Vec<u8>,
    runtime: Handle,
}

impl Lines {
    /// Appends a line; fails if the client has disconnected or does not read.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.block, value)
            .map_err(|e| Error::io("cannot write", e.into()))?;
        self.block.push(b'\n');
        if self.block.len() >= BLOCK_BYTES {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let block = Bytes::from(std::mem::take(&mut self.block));
        if block.is_empty() {
            return Ok(());
        }
        let sent = async { tokio::time::timeout(SEND_TIMEOUT, self.sender.send_data(block)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            _ => {
                let broken = std::io::ErrorKind::BrokenPipe.into();
                Err(Error::io("the client has disconnected", broken))
            }
        }
    }
}

/// Responds with the lines that `list` appends. An error in the middle aborts the response, so that a
/// partial list is not taken for a complete one.
pub(crate) fn lines(
    app: &Shared,
    list: impl FnOnce(&Snapshot, &mut Lines) -> Result<()> + Send + 'static,
) -> std::result::Result<Response, ApiError> {
    let permit = Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| ApiError::overloaded("too many lists are being sent", 1))?;
    let (sender, channel) = Channel::<Bytes, Failure>::new(MAX_QUEUED_BLOCKS);
    let snapshot = app.store.snapshot();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines {
            sender,
            block: Vec::with_capacity(BLOCK_BYTES),
            runtime,
        };
        let result = list(&snapshot, &mut lines).and_then(|()| lines.send());
        if let Err(e) = result {
            lines.sender.abort(e.into());
        }
        drop(permit);
    });
    let mut response = Response::new(Body::new(channel));
    *response.status_mut() = StatusCode::OK;
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, ndjson);
    Ok(response)
}
