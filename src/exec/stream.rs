//! A stream over a pool: elements in, results out in order, few of them in between.
//!
//! The caller pulls elements into a queue. Workers on the pool, at most one a
//! thread, take from it until it is empty, so that a busy stream costs neither a
//! task nor a wake-up for each element. Whoever finishes the result that is due
//! hands it and its successors to the sink, so that no thread waits for another.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rayon::{Scope, ThreadPool};

/// Elements that a worker treats before it lets other tasks of the pool have its thread.
const TURN: usize = 64;

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
    /// Results that are not due yet, by the number of their element.
    early: BTreeMap<u64, R>,
    started: u64,
    emitted: u64,
    /// Whether some thread is at the sink.
    at_sink: bool,
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
            at_sink: false,
            failure: None,
        }),
        room: Condvar::new(),
        sink: Mutex::new(sink),
        capacity: capacity.max(1) as u64,
        threads: pool.current_num_threads(),
    };
    // A thread of the pool that slept here might be the one that has to do the work.
    let is_worker = pool.current_thread_index().is_some();
    pool.in_place_scope(|scope| {
        let mut items = items.fuse();
        while stream.wait_for_room(is_worker) {
            let Some(item) = items.next() else { break };
            stream.push(item, scope);
        }
        // The end of the scope waits for the workers, and helps them where it can.
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
    /// Waits until another element may be started; false once the stream has failed.
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
                // Half of it at once: waking up for every element costs more than a short one.
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
        for _ in 0..TURN {
            let mut queue = lock(&self.queue);
            let Some((number, item)) = queue.elements.pop_front() else {
                queue.workers -= 1;
                return;
            };
            drop(queue);
            self.run(number, item);
        }
        // What is spawned here comes before anything else of the pool: let that go first.
        rayon::yield_now();
        scope.spawn(|scope| self.work(scope));
    }

    /// Treats one element on this thread; false if there is none.
    fn work_once(&self) -> bool {
        let next = lock(&self.queue).elements.pop_front();
        next.map(|(number, item)| self.run(number, item)).is_some()
    }

    fn run(&self, number: u64, item: T) {
        if lock(&self.results).failure.is_some() {
            return;
        }
        // A panic must reach the caller, not leave it waiting for a result.
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

    /// Hands everything that is due to the sink, unless another thread is at it.
    fn emit<'r>(&'r self, mut results: MutexGuard<'r, Results<R, E>>) {
        if results.at_sink {
            return;
        }
        results.at_sink = true;
        while results.failure.is_none() {
            let due = results.emitted;
            let Some(result) = results.early.remove(&due) else {
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
        results.at_sink = false;
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

/// Panics are caught before they can poison anything.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
