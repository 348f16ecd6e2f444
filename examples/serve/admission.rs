//! Who may work: a bounded queue in front of the threads that compute.
//!
//! Matching is work for processors, so it never runs on the threads that serve connections but on a
//! rayon pool. In front of it wait two lanes, one for small texts, which take microseconds, and one
//! for everything else: a text never waits for more than the pictures that are under way. A
//! lane that is full refuses; what nobody waits for any more is passed over, and ends where it is
//! under way.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use leakprint::{CancellationToken, Deadline};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;

use crate::answer::Refusal;

/// After so many small texts something else comes, if it waits.
const TURN: u32 = 4;

/// How much the mean of the time a job takes follows the newest one.
const NEWEST: f64 = 0.05;

/// Where a job waits.
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

/// What a job knows of itself while it runs.
pub(crate) struct Ticket {
    /// How long it has waited.
    pub(crate) waited: Duration,
    /// When the work ends: once the time is over, or whoever asked has gone.
    pub(crate) deadline: Deadline,
}

impl Ticket {
    /// Whether going on makes no sense: the time is over, or whoever asked has gone.
    pub(crate) fn is_void(&self) -> bool {
        self.deadline.check().is_err()
    }
}

/// Cancels work once nobody waits for it any more: when the future that waits is dropped.
struct CancelOnDrop(CancellationToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The queue and the threads behind it.
pub(crate) struct Gate {
    pool: rayon::ThreadPool,
    lanes: Mutex<Lanes>,
    capacity: usize,
    /// Jobs under way that ended since nobody waited for them any more.
    abandoned: Counter,
}

#[derive(Default)]
struct Lanes {
    queues: [VecDeque<Box<dyn Work>>; 2],
    /// Seconds that a job of each lane takes, on average.
    means: [f64; 2],
    short_in_a_row: u32,
}

trait Work: Send {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
    /// Runs it; false if it ended early and nobody waited for the end.
    fn run(self: Box<Self>) -> bool;
}

struct Job<F, T> {
    work: F,
    reply: oneshot::Sender<Result<T, Refusal>>,
    queued: Instant,
    deadline: Deadline,
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce(&Ticket) -> Result<T, Refusal> + Send,
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
        let result = if ticket.is_void() {
            Err(late())
        } else {
            // A panic must not take the other requests along.
            catch_unwind(AssertUnwindSafe(|| work(&ticket))).unwrap_or_else(|_| Err(panicked()))
        };
        // What was done to its end was not given up.
        let is_done = result.is_ok();
        reply.send(result).is_ok() || is_done
    }
}

/// The time is over.
pub(crate) fn late() -> Refusal {
    let message = "the deadline has passed before the answer was found";
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
}

fn panicked() -> Refusal {
    let message = "the service failed on this request";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "panicked", message)
}

impl Gate {
    /// Threads of its own, 0 for one a core, and room for `capacity` jobs in each lane.
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

    /// How many jobs wait in a lane.
    pub(crate) fn depth(&self, lane: Lane) -> usize {
        self.lock().queues[lane as usize].len()
    }

    /// Fails if a lane has no room, so that nobody uploads in vain.
    pub(crate) fn check(&self, lane: Lane) -> Result<(), Refusal> {
        let mut lanes = self.lock();
        if lanes.queues[lane as usize].len() >= self.capacity {
            lanes.queues[lane as usize].retain(|job| !job.is_abandoned());
        }
        let waiting = lanes.queues[lane as usize].len();
        if waiting < self.capacity {
            return Ok(());
        }
        let seconds = waiting as f64 * lanes.means[lane as usize] / self.threads() as f64;
        Err(Refusal::overloaded(
            "the queue is full",
            seconds.ceil().clamp(1.0, 30.0) as u32,
        ))
    }

    /// Runs a job on the threads of the gate, and waits for it until the deadline. Dropping the
    /// future abandons the job: one that waits is passed over, one that is under way is cancelled.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        lane: Lane,
        deadline: Instant,
        work: impl FnOnce(&Ticket) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
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
        // One turn for each job; which job it takes is decided when its turn comes.
        let gate = Arc::clone(self);
        self.pool.spawn_fifo(move || gate.turn());
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(panicked()),
            Err(_) => Err(late()),
        }
    }

    fn turn(&self) {
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
        *mean += NEWEST * (took - *mean);
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn next(&mut self) -> Option<(Lane, Box<dyn Work>)> {
        let long_is_due = self.short_in_a_row >= TURN;
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
