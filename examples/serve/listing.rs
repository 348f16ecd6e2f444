//! Lists of any length as JSON lines: of one snapshot, in flat memory, at the pace of the reader.

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

use crate::answer::Refusal;
use crate::app::Shared;

/// Bytes that are sent at once.
const BLOCK: usize = 32 << 10;

/// Blocks that wait for the reader.
const AHEAD: usize = 2;

/// How long a reader may take for one.
const PATIENCE: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where lines go.
pub(crate) struct Lines {
    sender: Sender<Bytes, Failure>,
    block: Vec<u8>,
    runtime: Handle,
}

impl Lines {
    /// Adds a line; fails if the reader has gone or does not read.
    pub(crate) fn put(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.block, value)
            .map_err(|e| Error::io("cannot write", e.into()))?;
        self.block.push(b'\n');
        if self.block.len() >= BLOCK {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let block = Bytes::from(std::mem::take(&mut self.block));
        if block.is_empty() {
            return Ok(());
        }
        let sent = async { tokio::time::timeout(PATIENCE, self.sender.send_data(block)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            _ => {
                let gone = std::io::ErrorKind::BrokenPipe.into();
                Err(Error::io("the reader has gone", gone))
            }
        }
    }
}

/// Answers with what `list` puts. An error in the middle breaks the answer off, so that nobody takes
/// a part for the whole.
pub(crate) fn lines(
    app: &Shared,
    list: impl FnOnce(&Snapshot, &mut Lines) -> Result<()> + Send + 'static,
) -> std::result::Result<Response, Refusal> {
    let permit = Arc::clone(&app.streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::overloaded("too many lists are under way", 1))?;
    let (sender, channel) = Channel::<Bytes, Failure>::new(AHEAD);
    let snapshot = app.store.snapshot();
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines {
            sender,
            block: Vec::with_capacity(BLOCK),
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
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
