//! A stream on a pool, with results in input order and a bounded number of elements in flight.
//!
//! The calling thread moves elements from the source to a queue. Workers on the pool, at most one for
//! each thread, take them until the queue is empty, so that a busy stream needs neither a task nor a
//! wake-up for each element. The worker that finishes the next result passes it and those after it
//! to the sink, so that no thread waits for another.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rayon::{Scope, ThreadPool};

/// Elements that a worker processes before it yields its thread to other tasks of the pool.
const ELEMENTS_PER_TASK: usize = 64;

struct Stream<'a, T, R, E, F, S> {
    f: &'a F,
    queue: Mutex<Queue<T>>,
    results: Mutex<Results<R, E>>,
    /// Signalled when half of the capacity is free again, or the stream fails.
    room: Condvar,
    sink: Mutex<S>,
    capacity: u64,
    threads: usize,
}

struct Queue<T> {
    elements: VecDeque<(u64, T)>,
    workers: usize,
}

struct Results<R, E> {
    /// Results that are not next, by the number of their element.
    early: BTreeMap<u64, R>,
    started: u64,
    emitted: u64,
    /// Whether a thread is calling the sink.
    in_sink: bool,
    failure: Option<Failure<E>>,
}

enum Failure<E> {
    Sink(E),
    Panic(Box<dyn Any + Send>),
}

/// See [`Executor::map_stream`](super::Executor::map_stream).
pub(super) fn map<T, R, E, F, S>(
    pool: &ThreadPool,
    items: impl Iterator<Item = T>,
    capacity: usize,
    f: &F,
    sink: S,
) -> Result<(), E>
where
    T: Send,
    R: Send,
    E: Send,
    F: Fn(T) -> R + Sync,
    S: FnMut(R) -> Result<(), E> + Send,
{
    let stream = Stream {
        f,
        queue: Mutex::new(Queue {
            elements: VecDeque::new(),
            workers: 0,
        }),
        results: Mutex::new(Results {
            early: BTreeMap::new(),
            started: 0,
            emitted: 0,
            in_sink: false,
            failure: None,
        }),
        room: Condvar::new(),
        sink: Mutex::new(sink),
        capacity: capacity.max(1) as u64,
        threads: pool.current_num_threads(),
    };
    // A thread of the pool must not sleep here: it may be the only one that can do the work.
    let is_worker = pool.current_thread_index().is_some();
    pool.in_place_scope(|scope| {
        let mut items = items.fuse();
        while stream.wait_for_room(is_worker) {
            let Some(item) = items.next() else { break };
            stream.push(item, scope);
        }
        // The end of the scope waits for the workers, and works itself if it is on the pool.
    });
    match lock(&stream.results).failure.take() {
        None => Ok(()),
        Some(Failure::Sink(error)) => Err(error),
        Some(Failure::Panic(panic)) => resume_unwind(panic),
    }
}

impl<T, R, E, F, S> Stream<'_, T, R, E, F, S>
where
    T: Send,
    R: Send,
    E: Send,
    F: Fn(T) -> R + Sync,
    S: FnMut(R) -> Result<(), E> + Send,
{
    /// Waits until another element may be started; returns false if the stream has failed.
    fn wait_for_room(&self, is_worker: bool) -> bool {
        loop {
            let results = lock(&self.results);
            if results.failure.is_some() {
                return false;
            }
            if results.started - results.emitted < self.capacity {
                return true;
            }
            if is_worker {
                drop(results);
                if !self.work_once() {
                    rayon::yield_now();
                }
            } else {
                // Until half of it is free: a wake-up costs more than processing a short element.
                let full = |results: &mut Results<R, E>| {
                    results.failure.is_none()
                        && results.started - results.emitted > self.capacity / 2
                };
                let waited = self.room.wait_while(results, full);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn push<'s>(&'s self, item: T, scope: &Scope<'s>) {
        let mut results = lock(&self.results);
        let number = results.started;
        results.started += 1;
        drop(results);
        let mut queue = lock(&self.queue);
        queue.elements.push_back((number, item));
        if queue.workers < self.threads {
            queue.workers += 1;
            drop(queue);
            scope.spawn(|scope| self.work(scope));
        }
    }

    fn work<'s>(&'s self, scope: &Scope<'s>) {
        for _ in 0..ELEMENTS_PER_TASK {
            let mut queue = lock(&self.queue);
            let Some((number, item)) = queue.elements.pop_front() else {
                queue.workers -= 1;
                return;
            };
            drop(queue);
            self.run(number, item);
        }
        // A task that is spawned here would run before other tasks of the pool: yield to these first.
        rayon::yield_now();
        scope.spawn(|scope| self.work(scope));
    }

    /// Processes one element on this thread; returns false if there is none.
    fn work_once(&self) -> bool {
        let next = lock(&self.queue).elements.pop_front();
        next.map(|(number, item)| self.run(number, item)).is_some()
    }

    fn run(&self, number: u64, item: T) {
        if lock(&self.results).failure.is_some() {
            return;
        }
        // A panic must be passed to the caller, not leave it waiting for a result.
        let result = catch_unwind(AssertUnwindSafe(|| (self.f)(item)));
        let mut results = lock(&self.results);
        match result {
            Ok(result) => {
                results.early.insert(number, result);
            }
            Err(panic) => results.fail(Failure::Panic(panic)),
        }
        self.emit(results);
    }

    /// Passes the next results to the sink, unless another thread is doing so.
    fn emit<'r>(&'r self, mut results: MutexGuard<'r, Results<R, E>>) {
        if results.in_sink {
            return;
        }
        results.in_sink = true;
        while results.failure.is_none() {
            let next = results.emitted;
            let Some(result) = results.early.remove(&next) else {
                break;
            };
            drop(results);
            let outcome = catch_unwind(AssertUnwindSafe(|| (lock(&self.sink))(result)));
            results = lock(&self.results);
            results.emitted += 1;
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => results.fail(Failure::Sink(error)),
                Err(panic) => results.fail(Failure::Panic(panic)),
            }
            if results.started - results.emitted == self.capacity / 2 {
                self.room.notify_all();
            }
        }
        results.in_sink = false;
        if results.failure.is_some() {
            self.room.notify_all();
        }
    }
}

impl<R, E> Results<R, E> {
    fn fail(&mut self, failure: Failure<E>) {
        self.failure.get_or_insert(failure);
        self.early.clear();
    }
}

/// Locks a mutex. Panics are caught before they can poison one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
