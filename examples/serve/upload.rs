//! Request bodies: bounded in size, in reserved memory, with a minimum transfer rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::answer::ApiError;

/// The unit of memory reservations, in bytes.
const UNIT_BYTES: usize = 1 << 10;

/// Step of memory reservations for bodies of unknown length, in bytes.
const STEP_BYTES: usize = 64 << 10;

/// Minimum average transfer rate of a body after its grace period, in bytes per second.
const MIN_BYTES_PER_SECOND: usize = 32 << 10;

/// Bytes of a refused body that are read and discarded, so that the client receives the response and can
/// reuse the connection.
const MAX_DRAIN_BYTES: usize = 8 << 20;

/// Time limit for that.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Limits on request bodies.
pub(crate) struct Uploads {
    /// Maximum size of one body, in bytes.
    pub(crate) max_bytes: usize,
    /// Time before the minimum rate applies.
    pub(crate) grace: Duration,
    /// Memory for all of them.
    memory: Arc<Semaphore>,
    units: usize,
}

/// A body. Dropping it releases its memory.
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl Uploads {
    pub(crate) fn new(max_bytes: usize, grace: Duration, memory: usize) -> Self {
        let units = memory
            .max(max_bytes)
            .div_ceil(UNIT_BYTES)
            .clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            max_bytes,
            grace,
            memory: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    /// Bytes reserved by all bodies.
    pub(crate) fn in_use(&self) -> usize {
        (self.units - self.memory.available_permits()) * UNIT_BYTES
    }

    /// Fails if the declared length is too long.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match declared(headers) {
            Some(bytes) if bytes > self.max_bytes as u64 => {
                Err(ApiError::too_large(self.max_bytes, bytes))
            }
            _ => Ok(()),
        }
    }

    /// Reads a whole body.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Upload, ApiError> {
        let mut body = body;
        let result = self.fill(headers, &mut body).await;
        if let Err(error) = &result
            && error.status != StatusCode::REQUEST_TIMEOUT
        {
            drain(headers, body).await;
        }
        result
    }

    async fn fill(&self, headers: &HeaderMap, body: &mut Body) -> Result<Upload, ApiError> {
        self.check(headers)?;
        let declared = declared(headers);
        let mut memory = self.reserve(declared.map_or(STEP_BYTES, |bytes| bytes as usize))?;
        let mut bytes = Vec::with_capacity(declared.map_or(0, |n| (n as usize).min(1 << 20)));
        let started = Instant::now();
        loop {
            let allowance =
                Duration::from_secs_f64(bytes.len() as f64 / MIN_BYTES_PER_SECOND as f64);
            let until = started + self.grace + allowance;
            let frame = match timeout_at(until.into(), body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    return Err(ApiError::invalid(
                        "the body is incomplete or not valid HTTP",
                    ));
                }
                Err(_) => {
                    let message = "the body is sent too slowly";
                    return Err(ApiError::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "timeout",
                        message,
                    ));
                }
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let len = bytes.len() + data.len();
            if len > self.max_bytes {
                return Err(ApiError::too_large(
                    self.max_bytes,
                    format_args!("{len} and more"),
                ));
            }
            if len > memory.num_permits() * UNIT_BYTES {
                memory.merge(self.reserve(STEP_BYTES.max(data.len()))?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Upload {
            bytes,
            _memory: memory,
        })
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = bytes.div_ceil(UNIT_BYTES).max(1).min(self.units) as u32;
        let memory = Arc::clone(&self.memory);
        memory
            .try_acquire_many_owned(units)
            .map_err(|_| ApiError::overloaded("too many request bodies are in memory", 1))
    }
}

/// The declared length of a body.
fn declared(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Reads some of a refused body: closing a connection while the client is still writing resets it, and
/// the client would never see the response.
pub(crate) async fn drain(headers: &HeaderMap, mut body: Body) {
    // A client that expects `100 Continue` has sent nothing yet; reading would ask it to send the body.
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let read = async {
        let mut left = MAX_DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.data_ref().map_or(0, |data| data.len());
            let Some(rest) = left.checked_sub(data) else {
                break;
            };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, read).await;
}
