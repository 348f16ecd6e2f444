//! The pool of free readers, and the thread that replaces readers that have ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use leakprint::Limits;
use leakprint::fingerprint::Collector;
use tokio::sync::Semaphore;

use super::process::{End, Reader};
use super::{Counts, Options, is_for_reader};
use crate::Failure;
use crate::admission::deadline_passed;
use crate::answer::ApiError;
use crate::observe::Counted;
use crate::prints::Hint;

/// A reader is replaced after this many uploads, because its memory becomes fragmented.
const MAX_UPLOADS: u32 = 1000;

/// A reader that ends sooner than this, without an upload, has failed to start.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

/// The shortest and the longest pause before the next start after a failed one.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Interval between checks for free readers that have ended.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The pool of readers.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    options: Options,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    free: Mutex<Vec<Reader>>,
    /// One permit per free reader.
    permits: Semaphore,
    counts: Counts,
    events: Mutex<Sender<Event>>,
    stopping: AtomicBool,
}

enum Event {
    /// A reader has ended; whether the next one may be started at once.
    Ended(bool),
    Stop,
}

impl Readers {
    /// Starts the readers; fails if the first one does not start.
    pub(crate) fn start(options: Options, counts: Counts) -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel();
        let shared = Arc::new(Shared {
            free: Mutex::default(),
            permits: Semaphore::new(0),
            counts,
            events: Mutex::new(sender),
            stopping: false.into(),
        });
        let (first, started) = mpsc::channel();
        let shared_of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("readers".to_owned());
        // The system kills a reader when the thread that started it ends, so one long-lived thread
        // starts them all.
        let thread = thread.spawn(move || supervise(&shared_of_thread, options, &events, first))?;
        started.recv()?.map_err(|e| {
            let (memory, cpu) = (options.memory_mb, options.cpu_s);
            format!("cannot start a reader process with {memory} MiB and {cpu} s: {e}")
        })?;
        Ok(Self {
            shared,
            options,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Waits for a free reader, if the upload needs one.
    pub(crate) async fn lease(
        &self,
        hint: &Hint,
        limits: &Limits,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<Option<Lease>, ApiError> {
        if !is_for_reader(self.options.all, hint, limits, bytes) {
            return Ok(None);
        }
        let shared = &self.shared;
        let waiting = Counted::new(&shared.counts.waiting);
        if shared.counts.waiting.get() > self.options.queue as i64 {
            return Err(ApiError::overloaded("all reader processes are busy", 1));
        }
        loop {
            match tokio::time::timeout_at(deadline.into(), shared.permits.acquire()).await {
                Ok(Ok(permit)) => permit.forget(),
                Ok(Err(_)) => return Err(ApiError::stopping()),
                Err(_) => return Err(deadline_passed()),
            }
            let reader = shared.free().pop();
            let Some(mut reader) = reader else { continue };
            if reader.is_alive() {
                drop(waiting);
                return Ok(Some(Lease {
                    reader: Some(reader),
                    _busy: Counted::new(&shared.counts.busy),
                    shared: Arc::clone(shared),
                }));
            }
            shared.replace(reader);
        }
    }

    /// Stops all readers.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.permits.close();
        self.shared.send(Event::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A reader leased for one upload.
pub(crate) struct Lease {
    reader: Option<Reader>,
    _busy: Counted,
    shared: Arc<Shared>,
}

impl Lease {
    /// See [`Reader::read`].
    pub(super) fn read(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, End> {
        let Some(reader) = &mut self.reader else {
            return Err(End::Exit);
        };
        let result = reader.read(limits, name, bytes, collector, is_cancelled);
        if let Err(end) = result {
            self.shared.record(end, reader.uploads);
        }
        result
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let is_stopping = self.shared.stopping.load(Ordering::Acquire);
        if reader.is_ready && reader.uploads < MAX_UPLOADS && !is_stopping {
            self.shared.free().push(reader);
            self.shared.permits.add_permits(1);
        } else {
            reader.end();
            self.shared.counts.running.dec();
            self.shared.send(Event::Ended(true));
        }
    }
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, event: Event) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only when the service has stopped.
        let _ = events.send(event);
    }

    /// Counts and logs the end of a reader.
    fn record(&self, end: End, uploads: u32) {
        let reason = end.as_str();
        self.counts.ended.get_or_create(&[("reason", reason)]).inc();
        tracing::warn!(reason, uploads, "reader process ended");
    }

    /// Replaces a free reader that has ended.
    fn replace(&self, mut reader: Reader) {
        let is_sound = reader.uploads > 0 || reader.started.elapsed() > MIN_LIFETIME;
        let end = reader.end();
        self.record(end, reader.uploads);
        self.counts.running.dec();
        self.send(Event::Ended(is_sound));
    }

    /// Replaces all free readers that have ended.
    fn reap(&self) {
        let mut dead = Vec::new();
        {
            let mut free = self.free();
            while let Some(at) = free.iter_mut().position(|reader| !reader.is_alive()) {
                // Without a permit, a request is about to take a reader, and will check it.
                let Ok(permit) = self.permits.try_acquire() else {
                    break;
                };
                permit.forget();
                dead.push(free.swap_remove(at));
            }
        }
        dead.into_iter().for_each(|reader| self.replace(reader));
    }
}

/// Keeps the pool at its size until the service stops.
fn supervise(
    shared: &Shared,
    options: Options,
    events: &mpsc::Receiver<Event>,
    first: Sender<std::io::Result<()>>,
) {
    let mut first = Some(first);
    let mut missing = options.count;
    let mut pause = Duration::ZERO;
    let mut next = Instant::now();
    loop {
        while missing > 0 && Instant::now() >= next {
            match Reader::start(options.memory_mb, options.cpu_s) {
                Ok(reader) => {
                    shared.counts.started.inc();
                    shared.counts.running.inc();
                    shared.free().push(reader);
                    shared.permits.add_permits(1);
                    missing -= 1;
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                }
                Err(e) => {
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(e));
                        return;
                    }
                    tracing::error!(error = %e, "cannot start a reader process");
                    pause = (2 * pause).clamp(MIN_PAUSE, MAX_PAUSE);
                    next = Instant::now() + pause;
                }
            }
        }
        let mut timeout = POLL_INTERVAL;
        if missing > 0 {
            timeout = timeout.min(next.saturating_duration_since(Instant::now()));
        }
        match events.recv_timeout(timeout) {
            Ok(Event::Ended(is_sound)) => {
                missing += 1;
                pause = match is_sound {
                    true => Duration::ZERO,
                    false => (2 * pause).clamp(MIN_PAUSE, MAX_PAUSE),
                };
                next = Instant::now() + pause;
            }
            Err(RecvTimeoutError::Timeout) => shared.reap(),
            Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    shared.free().drain(..).for_each(|mut reader| {
        reader.end();
    });
}
