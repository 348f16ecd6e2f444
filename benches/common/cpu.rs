//! Processor time instead of wall time, which other programs on the machine lengthen.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};

/// Processor time of the measuring thread; wall time if the system does not report it.
pub(crate) struct CpuTime;

/// Processor time of the thread in nanoseconds, from the Linux scheduler.
fn ran() -> Option<Duration> {
    // The scheduler updates its account when the thread yields.
    std::thread::yield_now();
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = account.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

impl Measurement for CpuTime {
    type Intermediate = (Option<Duration>, <WallTime as Measurement>::Intermediate);
    type Value = Duration;

    fn start(&self) -> Self::Intermediate {
        (ran(), WallTime.start())
    }

    fn end(&self, (start, clock): Self::Intermediate) -> Duration {
        let by_clock = WallTime.end(clock);
        start
            .and_then(|start| ran()?.checked_sub(start))
            .unwrap_or(by_clock)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        WallTime.add(a, b)
    }

    fn zero(&self) -> Duration {
        WallTime.zero()
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
