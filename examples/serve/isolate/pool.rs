//! The readers that are free, and the thread that starts new ones for those that have ended.

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
use crate::admission::late;
use crate::answer::Refusal;
use crate::observe::Counted;
use crate::prints::Hint;

/// After so many uploads a reader is replaced by a new one, whose memory is not fragmented.
const MOST_UPLOADS: u32 = 1000;

/// A reader that ends sooner than this, without an upload, is one of those that cannot run.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The first and the longest pause before another one is started then.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// How often to look for readers that have ended while they were free.
const LOOK: Duration = Duration::from_secs(1);

/// The readers of uploads.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    options: Options,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    free: Mutex<Vec<Reader>>,
    /// As many permits as readers are free.
    permits: Semaphore,
    counts: Counts,
    gone: Mutex<Sender<Event>>,
    stopping: AtomicBool,
}

enum Event {
    /// A reader has ended, and whether another one may be started at once.
    Gone(bool),
    Stop,
}

impl Readers {
    /// Starts them; fails if the first one does not start.
    pub(crate) fn start(options: Options, counts: Counts) -> Result<Self, Failure> {
        let (gone, events) = mpsc::channel();
        let shared = Arc::new(Shared {
            free: Mutex::default(),
            permits: Semaphore::new(0),
            counts,
            gone: Mutex::new(gone),
            stopping: false.into(),
        });
        let (first, started) = mpsc::channel();
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("readers".to_owned());
        // The system ends readers with the thread that has started them: this one outlives them.
        let thread = thread.spawn(move || keep(&own, options, &events, first))?;
        started.recv()?.map_err(|e| {
            let (memory, cpu) = (options.memory_mb, options.cpu_s);
            format!("a reader of uploads does not start with {memory} MiB and {cpu} s: {e}")
        })?;
        Ok(Self {
            shared,
            options,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Waits for a reader, if the upload is for one.
    pub(crate) async fn lease(
        &self,
        hint: &Hint,
        limits: &Limits,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<Option<Lease>, Refusal> {
        if !is_for_reader(self.options.all, hint, limits, bytes) {
            return Ok(None);
        }
        let shared = &self.shared;
        let waiting = Counted::new(&shared.counts.waiting);
        if shared.counts.waiting.get() > self.options.queue as i64 {
            return Err(Refusal::overloaded("all readers of uploads are busy", 1));
        }
        loop {
            match tokio::time::timeout_at(deadline.into(), shared.permits.acquire()).await {
                Ok(Ok(permit)) => permit.forget(),
                Ok(Err(_)) => return Err(Refusal::stopping()),
                Err(_) => return Err(late()),
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
            shared.bury(reader);
        }
    }

    /// Ends all of them.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.permits.close();
        self.shared.tell(Event::Stop);
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

/// A reader that works for one upload.
pub(crate) struct Lease {
    reader: Option<Reader>,
    _busy: Counted,
    shared: Arc<Shared>,
}

impl Lease {
    /// As [`Reader::read`].
    pub(super) fn read(
        &mut self,
        limits: &Limits,
        name: Option<&str>,
        bytes: &[u8],
        collector: &mut Collector<'_>,
        is_void: &dyn Fn() -> bool,
    ) -> Result<leakprint::Result<()>, End> {
        let Some(reader) = &mut self.reader else {
            return Err(End::Exit);
        };
        let result = reader.read(limits, name, bytes, collector, is_void);
        if let Err(end) = result {
            self.shared.note(end, reader.uploads);
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
        if reader.is_ready && reader.uploads < MOST_UPLOADS && !is_stopping {
            self.shared.free().push(reader);
            self.shared.permits.add_permits(1);
        } else {
            reader.end();
            self.shared.counts.running.dec();
            self.shared.tell(Event::Gone(true));
        }
    }
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Event) {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens once the service ends.
        let _ = gone.send(event);
    }

    /// Counts and logs why a reader has ended.
    fn note(&self, end: End, uploads: u32) {
        let reason = end.as_str();
        self.counts.ended.get_or_create(&[("reason", reason)]).inc();
        tracing::warn!(reason, uploads, "a reader of uploads has ended");
    }

    /// Replaces a reader that has ended while it was free.
    fn bury(&self, mut reader: Reader) {
        let is_sound = reader.uploads > 0 || reader.started.elapsed() > AT_ONCE;
        let end = reader.end();
        self.note(end, reader.uploads);
        self.counts.running.dec();
        self.tell(Event::Gone(is_sound));
    }

    /// Buries those that are free and have ended.
    fn reap(&self) {
        let mut dead = Vec::new();
        {
            let mut free = self.free();
            while let Some(at) = free.iter_mut().position(|reader| !reader.is_alive()) {
                // Without a permit somebody is about to take one of them, and will see.
                let Ok(permit) = self.permits.try_acquire() else {
                    break;
                };
                permit.forget();
                dead.push(free.swap_remove(at));
            }
        }
        dead.into_iter().for_each(|reader| self.bury(reader));
    }
}

/// Keeps as many readers as there are to be, until the service ends.
fn keep(
    shared: &Shared,
    options: Options,
    events: &mpsc::Receiver<Event>,
    first: Sender<std::io::Result<()>>,
) {
    let mut first = Some(first);
    let mut lacking = options.count;
    let mut pause = Duration::ZERO;
    let mut next = Instant::now();
    loop {
        while lacking > 0 && Instant::now() >= next {
            match Reader::start(options.memory_mb, options.cpu_s) {
                Ok(reader) => {
                    shared.counts.started.inc();
                    shared.counts.running.inc();
                    shared.free().push(reader);
                    shared.permits.add_permits(1);
                    lacking -= 1;
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                }
                Err(e) => {
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(e));
                        return;
                    }
                    tracing::error!(error = %e, "a reader of uploads does not start");
                    pause = (2 * pause).clamp(PAUSES[0], PAUSES[1]);
                    next = Instant::now() + pause;
                }
            }
        }
        let mut patience = LOOK;
        if lacking > 0 {
            patience = patience.min(next.saturating_duration_since(Instant::now()));
        }
        match events.recv_timeout(patience) {
            Ok(Event::Gone(is_sound)) => {
                lacking += 1;
                pause = match is_sound {
                    true => Duration::ZERO,
                    false => (2 * pause).clamp(PAUSES[0], PAUSES[1]),
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
