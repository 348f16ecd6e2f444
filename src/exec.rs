//! How work is spread over threads: the pool is given by the caller, never
//! taken; results come in input order whatever their number; cancellation.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use rayon::prelude::*;

use crate::error::{Error, ErrorKind, Result};

/// Where parallel work runs: on the caller's thread or on a rayon pool the caller gives.
///
/// Cheap to clone. The crate never touches rayon's global pool.
#[derive(Clone, Debug, Default)]
pub struct Executor {
    pool: Option<Arc<rayon::ThreadPool>>,
}

impl Executor {
    /// Everything on the calling thread.
    pub fn serial() -> Self {
        Self { pool: None }
    }

    /// On a pool that the caller made and may share with other work.
    pub fn pool(pool: Arc<rayon::ThreadPool>) -> Self {
        Self { pool: Some(pool) }
    }

    /// A pool of its own with `threads` threads; 0 means one a core.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if the operating system gives no threads.
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

    /// The number of threads that work at once.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |p| p.current_num_threads())
    }

    /// `f` of every element, results in input order.
    pub fn map<T: Sync, R: Send>(&self, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
        match &self.pool {
            None => items.iter().map(f).collect(),
            Some(pool) => pool.install(|| items.par_iter().map(&f).collect()),
        }
    }

    /// Runs `f` inside the pool, so that rayon calls in it use it.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            None => f(),
            Some(pool) => pool.install(f),
        }
    }

    /// Sorts with all threads; equal to `slice.sort_unstable_by_key`.
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

    /// `f` of every element of a stream of any length; `sink` gets the results in input order.
    ///
    /// At most `capacity` elements are between `items` and `sink` at any time:
    /// a slow sink holds back the source, and memory stays flat. `items` and
    /// `sink` run on the calling thread; `sink` returning an error stops the
    /// stream and is handed back after the work in flight has ended.
    pub fn map_stream<T, R, E>(
        &self,
        items: impl Iterator<Item = T>,
        capacity: usize,
        f: impl Fn(T) -> R + Sync,
        mut sink: impl FnMut(R) -> Result<(), E>,
    ) -> Result<(), E>
    where
        T: Send,
        R: Send,
    {
        let Some(pool) = &self.pool else {
            for item in items {
                sink(f(item))?;
            }
            return Ok(());
        };
        let capacity = capacity.max(1) as u64;
        let f = &f;
        pool.in_place_scope(|scope| {
            let (sender, results) = mpsc::channel::<(u64, std::thread::Result<R>)>();
            let mut items = items.fuse();
            let mut done = BTreeMap::new();
            let (mut started, mut emitted) = (0_u64, 0_u64);
            loop {
                while started - emitted < capacity {
                    let Some(item) = items.next() else { break };
                    let sender = sender.clone();
                    let sequence = started;
                    scope.spawn(move |_| {
                        // A panic must reach the caller, not leave it waiting for a result.
                        let result =
                            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(item)));
                        // The receiver is gone only after the sink failed.
                        let _ = sender.send((sequence, result));
                    });
                    started += 1;
                }
                if emitted == started {
                    return Ok(());
                }
                if let Ok((sequence, result)) = results.recv() {
                    done.insert(sequence, result);
                }
                while let Some(result) = done.remove(&emitted) {
                    emitted += 1;
                    match result {
                        Ok(value) => sink(value)?,
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
            }
        })
    }
}

/// A switch that stops long work from another thread. Cheap to clone; all clones are one switch.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A switch that is off.
    pub fn new() -> Self {
        Self::default()
    }

    /// Turns the switch on, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the switch is on.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`Cancelled`](ErrorKind::Cancelled) once the switch is on.
    ///
    /// # Errors
    /// That one alone.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "cancelled by the caller"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_stream_keeps_order_and_bounds_what_is_in_flight() {
        for threads in [1, 2, 4] {
            let exec = Executor::with_threads(threads).unwrap();
            let pulled = AtomicUsize::new(0);
            let mut emitted = 0;
            exec.map_stream(
                (0..1000_u32).inspect(|_| {
                    pulled.fetch_add(1, Ordering::SeqCst);
                }),
                7,
                |x| {
                    if x % 97 == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(2));
                    }
                    x * 2
                },
                |x| {
                    assert_eq!(x, emitted * 2);
                    emitted += 1;
                    let ahead = pulled.load(Ordering::SeqCst) - emitted as usize;
                    assert!(ahead <= 7, "{ahead} ahead");
                    Ok::<(), ()>(())
                },
            )
            .unwrap();
            assert_eq!(emitted, 1000);
        }
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
    fn a_panic_in_the_work_reaches_the_caller() {
        let exec = Executor::with_threads(2).unwrap();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            exec.map_stream(0..100, 4, |x| assert_ne!(x, 50), |()| Ok::<(), ()>(()))
        }));
        assert!(caught.is_err());
    }
}
