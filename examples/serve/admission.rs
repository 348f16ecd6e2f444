//! Admission control: a bounded queue in front of the matching threads.
//!
//! Matching is CPU-bound, so it runs on a rayon pool and never on the threads that serve connections.
//! The queue has two lanes, one for small texts, which take microseconds, and one for everything
//! else: a text waits at most for the pictures that are already running. A full lane refuses
//! requests. Jobs whose client has disconnected are skipped, or cancelled if they are running.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use leakprint::{CancellationToken, Deadline};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

use crate::answer::ApiError;

/// After this many small texts in a row, a waiting job of the other lane runs.
const MAX_SHORT_IN_A_ROW: u32 = 4;

/// Weight of the newest job in the moving average of job times.
const MEAN_WEIGHT: f64 = 0.05;

/// The lane in which a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Small texts.
    Short,
    /// Everything else.
    Long,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Short, Self::Long];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Long => "long",
        }
    }
}

/// The state of a running job.
pub(crate) struct Ticket {
    /// How long the job waited in its lane.
    pub(crate) waited: Duration,
    /// When to stop: at the deadline, or when the client has disconnected.
    pub(crate) deadline: Deadline,
}

impl Ticket {
    /// Whether the deadline has passed or the client has disconnected.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.deadline.check().is_err()
    }
}

/// Cancels a job when the future that waits for it is dropped.
struct CancelOnDrop(CancellationToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The queue and its worker threads.
pub(crate) struct Gate {
    pool: rayon::ThreadPool,
    lanes: Mutex<Lanes>,
    capacity: usize,
    /// Running jobs that were cancelled because the client had disconnected.
    abandoned: Counter,
}

#[derive(Default)]
struct Lanes {
    queues: [VecDeque<Box<dyn Work>>; 2],
    /// Moving average of the seconds that a job of each lane takes.
    means: [f64; 2],
    short_in_a_row: u32,
}

trait Work: Send {
    /// Whether the client has disconnected.
    fn is_abandoned(&self) -> bool;
    /// Runs the job; returns false if it was cancelled because the client had disconnected.
    fn run(self: Box<Self>) -> bool;
}

struct Job<F, T> {
    work: F,
    reply: oneshot::Sender<Result<T, ApiError>>,
    queued: Instant,
    deadline: Deadline,
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce(&Ticket) -> Result<T, ApiError> + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(self: Box<Self>) -> bool {
        let Self {
            work,
            reply,
            queued,
            deadline,
        } = *self;
        let ticket = Ticket {
            waited: queued.elapsed(),
            deadline,
        };
        let result = if ticket.is_cancelled() {
            Err(deadline_passed())
        } else {
            // A panic must not affect other requests.
            catch_unwind(AssertUnwindSafe(|| work(&ticket))).unwrap_or_else(|_| Err(panicked()))
        };
        // A job that finished does not count as abandoned.
        let is_done = result.is_ok();
        reply.send(result).is_ok() || is_done
    }
}

/// The error for a missed deadline.
pub(crate) fn deadline_passed() -> ApiError {
    let message = "the deadline passed before the request was finished";
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
}

fn panicked() -> ApiError {
    let message = "the service failed to process this request";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", message)
}

impl Gate {
    /// Creates a gate with its own threads, 0 for one per core, and `capacity` jobs in each lane.
    pub(crate) fn new(
        threads: usize,
        capacity: usize,
        abandoned: Counter,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("match-{i}"))
            .build()?;
        Ok(Self {
            pool,
            lanes: Mutex::default(),
            capacity: capacity.max(1),
            abandoned,
        })
    }

    pub(crate) fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The number of jobs waiting in a lane.
    pub(crate) fn depth(&self, lane: Lane) -> usize {
        self.lock().queues[lane as usize].len()
    }

    /// Fails if a lane is full, so that a client need not upload in vain.
    pub(crate) fn check(&self, lane: Lane) -> Result<(), ApiError> {
        let mut lanes = self.lock();
        if lanes.queues[lane as usize].len() >= self.capacity {
            lanes.queues[lane as usize].retain(|job| !job.is_abandoned());
        }
        let waiting = lanes.queues[lane as usize].len();
        if waiting < self.capacity {
            return Ok(());
        }
        let seconds = waiting as f64 * lanes.means[lane as usize] / self.threads() as f64;
        Err(ApiError::overloaded(
            "the queue is full",
            seconds.ceil().clamp(1.0, 30.0) as u32,
        ))
    }

    /// Runs a job on the threads of the gate, and waits for it until the deadline. Dropping the
    /// future skips a waiting job and cancels a running one.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        lane: Lane,
        deadline: Instant,
        work: impl FnOnce(&Ticket) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.check(lane)?;
        let (reply, answer) = oneshot::channel();
        let token = CancellationToken::new();
        let _guard = CancelOnDrop(token.clone());
        let queued = Instant::now();
        let left = deadline.saturating_duration_since(queued);
        let job = Job {
            work,
            reply,
            queued,
            deadline: Deadline::after(left).with_cancellation(token),
        };
        self.lock().queues[lane as usize].push_back(Box::new(job));
        // One task per job; the task chooses which job to run when it starts.
        let gate = Arc::clone(self);
        self.pool.spawn_fifo(move || gate.run_next());
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(panicked()),
            Err(_) => Err(deadline_passed()),
        }
    }

    fn run_next(&self) {
        let (lane, job) = loop {
            let Some((lane, job)) = self.lock().next() else {
                return;
            };
            if !job.is_abandoned() {
                break (lane, job);
            }
        };
        let started = Instant::now();
        if !job.run() {
            self.abandoned.inc();
        }
        let took = started.elapsed().as_secs_f64();
        let mean = &mut self.lock().means[lane as usize];
        *mean += MEAN_WEIGHT * (took - *mean);
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn next(&mut self) -> Option<(Lane, Box<dyn Work>)> {
        let long_is_due = self.short_in_a_row >= MAX_SHORT_IN_A_ROW;
        let order = match long_is_due {
            true => [Lane::Long, Lane::Short],
            false => [Lane::Short, Lane::Long],
        };
        for lane in order {
            if let Some(job) = self.queues[lane as usize].pop_front() {
                match lane {
                    Lane::Short => self.short_in_a_row += 1,
                    Lane::Long => self.short_in_a_row = 0,
                }
                return Some((lane, job));
            }
        }
        None
    }
}
