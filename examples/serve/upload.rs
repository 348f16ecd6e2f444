//! Bodies of requests: of a size that is known or bounded, in memory that was set aside for them, and
//! no slower than they may be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::answer::Refusal;

/// The unit in which memory is set aside.
const UNIT: usize = 1 << 10;

/// Memory is set aside in steps of this where a body does not say how long it is.
const STEP: usize = 64 << 10;

/// Bytes a second that a body must reach on average, once its grace is over.
const SLOWEST: usize = 32 << 10;

/// Bytes of a refused body that are read and thrown away, so that the refusal arrives and
/// the connection can go on.
const DRAIN: usize = 8 << 20;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// What bodies may take.
pub(crate) struct Uploads {
    /// Bytes of one.
    pub(crate) most: usize,
    /// How long one may take before its rate counts.
    pub(crate) grace: Duration,
    /// Memory for all of them.
    memory: Arc<Semaphore>,
    units: usize,
}

/// A body, whose memory is given back when it is dropped.
pub(crate) struct Upload {
    pub(crate) bytes: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl Uploads {
    pub(crate) fn new(most: usize, grace: Duration, memory: usize) -> Self {
        let units = memory
            .max(most)
            .div_ceil(UNIT)
            .clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self {
            most,
            grace,
            memory: Arc::new(Semaphore::new(units)),
            units,
        }
    }

    /// Bytes that bodies have set aside.
    pub(crate) fn in_use(&self) -> usize {
        (self.units - self.memory.available_permits()) * UNIT
    }

    /// Fails for a body that says it is too long.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match declared(headers) {
            Some(bytes) if bytes > self.most as u64 => Err(Refusal::too_large(self.most, bytes)),
            _ => Ok(()),
        }
    }

    /// Reads a whole body.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Upload, Refusal> {
        let mut body = body;
        let result = self.fill(headers, &mut body).await;
        if let Err(refusal) = &result
            && refusal.status != StatusCode::REQUEST_TIMEOUT
        {
            drain(headers, body).await;
        }
        result
    }

    async fn fill(&self, headers: &HeaderMap, body: &mut Body) -> Result<Upload, Refusal> {
        self.check(headers)?;
        let declared = declared(headers);
        let mut memory = self.set_aside(declared.map_or(STEP, |bytes| bytes as usize))?;
        let mut bytes = Vec::with_capacity(declared.map_or(0, |n| (n as usize).min(1 << 20)));
        let started = Instant::now();
        loop {
            let patience = Duration::from_secs_f64(bytes.len() as f64 / SLOWEST as f64);
            let until = started + self.grace + patience;
            let frame = match timeout_at(until.into(), body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    return Err(Refusal::invalid("the body breaks off or is no HTTP"));
                }
                Err(_) => {
                    let message = "the body comes too slowly";
                    return Err(Refusal::new(
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
            if len > self.most {
                return Err(Refusal::too_large(
                    self.most,
                    format_args!("{len} and more"),
                ));
            }
            if len > memory.num_permits() * UNIT {
                memory.merge(self.set_aside(STEP.max(data.len()))?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Upload {
            bytes,
            _memory: memory,
        })
    }

    fn set_aside(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let units = bytes.div_ceil(UNIT).max(1).min(self.units) as u32;
        let memory = Arc::clone(&self.memory);
        memory
            .try_acquire_many_owned(units)
            .map_err(|_| Refusal::overloaded("too many bodies are under way", 1))
    }
}

/// What the request says of the length of its body.
fn declared(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Reads some of a body that was refused: a connection that is closed while its client still writes is
/// reset, and the client never sees why.
pub(crate) async fn drain(headers: &HeaderMap, mut body: Body) {
    // Who asks first has sent nothing yet, and would be told to go on.
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let read = async {
        let mut left = DRAIN;
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.data_ref().map_or(0, |data| data.len());
            let Some(rest) = left.checked_sub(data) else {
                break;
            };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}
