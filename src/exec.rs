//! Parallel work on a thread pool of the caller. Results are in input order and do not depend on the
//! number of threads. A stream ends with its source, or when its sink fails.

mod sort;
mod stream;

pub(crate) use sort::sort_until;

use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};

/// Runs parallel work on the calling thread or on a rayon pool of the caller.
///
/// Cheap to clone. The crate never uses rayon's global pool. The default is [`serial`](Self::serial).
///
/// ```
/// use leakprint::Executor;
///
/// let exec = Executor::with_threads(2)?;
/// assert_eq!(exec.threads(), 2);
/// assert_eq!(exec.map(&[1, 2, 3], |n| n * n), [1, 4, 9]);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Executor {
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Executor {
    /// Makes an executor that runs everything on the calling thread.
    pub fn serial() -> Self {
        Self { pool: None }
    }

    /// Makes an executor that runs work on a pool of the caller, which may be shared with other work.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use leakprint::Executor;
    ///
    /// let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build()?;
    /// let exec = Executor::pool(Arc::new(pool));
    /// assert_eq!(exec.install(rayon::current_num_threads), 3);
    /// # Ok::<(), rayon::ThreadPoolBuildError>(())
    /// ```
    pub fn pool(pool: Arc<rayon::ThreadPool>) -> Self {
        Self { pool: Some(pool) }
    }

    /// Makes an executor with a new pool of `threads` threads; 0 means one for each core.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if the operating system cannot start the threads.
    pub fn with_threads(threads: usize) -> Result<Self> {
        if threads == 1 {
            return Ok(Self::serial());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("leakprint-{i}"))
            .build()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start threads: {e}")))?;
        Ok(Self::pool(Arc::new(pool)))
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |p| p.current_num_threads())
    }

    /// Calls `f` for every element, and returns the results in input order.
    pub fn map<T: Sync, R: Send>(&self, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
        match &self.pool {
            None => items.iter().map(f).collect(),
            Some(pool) => pool.install(|| items.par_iter().map(&f).collect()),
        }
    }

    /// Calls `f` for every element.
    pub(crate) fn each<T: Send>(&self, items: Vec<T>, f: impl Fn(T) + Sync) {
        match &self.pool {
            None => items.into_iter().for_each(f),
            Some(pool) => pool.install(|| items.into_par_iter().for_each(&f)),
        }
    }

    /// Runs `f` inside the pool, so that calls of rayon in it use the pool.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            None => f(),
            Some(pool) => pool.install(f),
        }
    }

    /// Sorts with all threads, as `slice.sort_unstable_by_key` does.
    pub(crate) fn sort_by_key<T: Send, K: Ord>(
        &self,
        slice: &mut [T],
        key: impl Fn(&T) -> K + Sync + Send,
    ) {
        match &self.pool {
            None => slice.sort_unstable_by_key(key),
            Some(pool) => pool.install(|| slice.par_sort_unstable_by_key(key)),
        }
    }

    /// Calls `f` for every element of a stream of any length, and passes the results to `sink` in input
    /// order.
    ///
    /// At most `capacity` elements are in flight at any time: a slow sink holds back the source, and
    /// memory is constant. `items` is iterated on the calling thread. `sink` is called by the thread
    /// that finishes the next result, one thread at a time, so a result never waits for the next
    /// element of a slow source. An error of `sink` stops the stream and is returned after the work in
    /// flight has ended. May be called from a thread of the pool, unless the source waits for earlier
    /// elements to be finished.
    ///
    /// # Errors
    /// The first error of `sink`, unless `f` panicked on a later element in the meantime.
    ///
    /// # Panics
    /// If `f` or `sink` panics, after the work in flight has ended.
    ///
    /// ```
    /// use leakprint::Executor;
    ///
    /// let mut out = Vec::new();
    /// let result = Executor::with_threads(2)?.map_stream(1.., 8, |n| n * n, |square| {
    ///     out.push(square);
    ///     if square < 16 { Ok(()) } else { Err("enough") }
    /// });
    /// assert_eq!((out, result), (vec![1, 4, 9, 16], Err("enough")));
    /// # Ok::<(), leakprint::Error>(())
    /// ```
    pub fn map_stream<T, R, E>(
        &self,
        items: impl Iterator<Item = T>,
        capacity: usize,
        f: impl Fn(T) -> R + Sync,
        mut sink: impl FnMut(R) -> Result<(), E> + Send,
    ) -> Result<(), E>
    where
        T: Send,
        R: Send,
        E: Send,
    {
        match &self.pool {
            Some(pool) => stream::map(pool, items, capacity, &f, sink),
            None => {
                for item in items {
                    sink(f(item))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_stream_keeps_order_and_bounds_elements_in_flight() {
        for threads in [1, 2, 4] {
            for capacity in [1, 7, 64] {
                let exec = Executor::with_threads(threads).unwrap();
                let pulled = AtomicUsize::new(0);
                let mut emitted = 0;
                exec.map_stream(
                    (0..1000_u32).inspect(|_| {
                        pulled.fetch_add(1, Ordering::SeqCst);
                    }),
                    capacity,
                    |x| {
                        if x % 97 == 0 {
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        x * 2
                    },
                    |x| {
                        assert_eq!(x, emitted * 2);
                        emitted += 1;
                        let ahead = pulled.load(Ordering::SeqCst) - emitted as usize;
                        assert!(ahead <= capacity, "{ahead} ahead");
                        Ok::<(), ()>(())
                    },
                )
                .unwrap();
                assert_eq!(emitted, 1000);
            }
        }
    }

    /// A caller that sends each element only after the result of the one before must not deadlock.
    #[test]
    fn a_result_does_not_wait_for_the_next_element() {
        let exec = Executor::with_threads(2).unwrap();
        let (ask, questions) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                exec.map_stream(
                    questions.into_iter(),
                    32,
                    |x: u32| x + 1,
                    |x| answer.send(x),
                )
            });
            for x in [1, 10, 100] {
                ask.send(x).unwrap();
                assert_eq!(answers.recv_timeout(Duration::from_secs(20)), Ok(x + 1));
            }
            drop(ask);
        });
    }

    #[test]
    fn a_stream_may_run_on_a_thread_of_its_pool() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let exec = Executor::pool(Arc::new(pool));
            let sum = exec.install(|| {
                let mut sum = 0;
                exec.map_stream(
                    0..500_u64,
                    4,
                    |x| x,
                    |x| {
                        sum += x;
                        Ok::<(), ()>(())
                    },
                )
                .unwrap();
                sum
            });
            assert_eq!(sum, 499 * 250);
        }
    }

    #[test]
    fn a_stream_does_not_starve_other_work_of_the_pool() {
        let exec = Executor::with_threads(2).unwrap();
        let (other, done) = (exec.clone(), std::sync::atomic::AtomicBool::new(false));
        let most = 200_000;
        let mut seen = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                other.install(|| done.store(true, Ordering::SeqCst));
            });
            // A stream that ends only once the other work has run, or much too late.
            let source = (0..most).take_while(|_| !done.load(Ordering::SeqCst));
            exec.map_stream(
                source,
                64,
                |_| std::thread::sleep(Duration::from_micros(100)),
                |()| {
                    seen += 1;
                    Ok::<(), ()>(())
                },
            )
            .unwrap();
        });
        assert!(seen < most, "the other work waited for the whole stream");
    }

    #[test]
    fn a_failing_sink_stops_the_source() {
        let exec = Executor::with_threads(3).unwrap();
        let mut pulled = 0;
        let result = exec.map_stream(
            (0..1_000_000).inspect(|_| pulled += 1),
            4,
            |x| x,
            |x| if x == 10 { Err("enough") } else { Ok(()) },
        );
        assert_eq!(result, Err("enough"));
        assert!(pulled <= 16, "{pulled}");
    }

    #[test]
    fn a_panic_in_the_work_or_the_sink_reaches_the_caller() {
        let exec = Executor::with_threads(2).unwrap();
        let caught = |in_work: bool| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                exec.map_stream(
                    0..100,
                    4,
                    |x| {
                        assert!(!in_work || x != 50);
                        x
                    },
                    |x| {
                        assert!(in_work || x != 50);
                        Ok::<(), ()>(())
                    },
                )
            }))
        };
        assert!(caught(true).is_err());
        assert!(caught(false).is_err());
    }
}
