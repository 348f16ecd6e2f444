//! When to give up: one moment in time and one flag, looked at by every loop whose length an input decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// A flag that ends work which nobody waits for any more.
///
/// Cheap to clone; clones share one flag, and it is never taken back. Give it to a [`Deadline`].
///
/// ```
/// use leakprint::{CancellationToken, Deadline, ErrorKind};
///
/// let token = CancellationToken::new();
/// let deadline = Deadline::never().with_cancellation(token.clone());
/// assert!(deadline.check().is_ok());
/// token.cancel(); // from any thread
/// assert_eq!(deadline.check().unwrap_err().kind(), ErrorKind::Cancelled);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancellationToken(Arc<AtomicBool>);

impl CancellationToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the work of every [`Deadline`] that has this token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The moment at which reading or matching gives up, and a flag that makes it give up at once.
///
/// Every loop whose length is decided by an input checks it, so a call that takes a deadline
/// returns soon after it: within a few milliseconds, or the time of the one step of a decoder that
/// cannot be interrupted and whose work is bounded by [`Limits`](crate::Limits) instead.
/// Cheap to clone.
///
/// ```
/// use std::time::Duration;
///
/// use leakprint::{Deadline, ErrorKind};
///
/// assert!(Deadline::after(Duration::from_secs(60)).check().is_ok());
/// let error = Deadline::after(Duration::ZERO).check().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Limit);
/// assert_eq!(error.message(), "limit time_ms = 0 exceeded: the deadline has passed");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Option<(Instant, Duration)>,
    token: Option<CancellationToken>,
}

impl Deadline {
    /// No deadline: work goes on until it is done.
    pub fn never() -> Self {
        Self::default()
    }

    /// A deadline after a duration from now. One that is too far away to be counted is none.
    pub fn after(duration: Duration) -> Self {
        Self::never().within(duration)
    }

    /// The same, or a duration from now if that comes first.
    #[must_use]
    pub fn within(mut self, duration: Duration) -> Self {
        let new = Instant::now().checked_add(duration);
        if let Some(new) = new
            && self.at.is_none_or(|(old, _)| new < old)
        {
            self.at = Some((new, duration));
        }
        self
    }

    /// The same, and work ends as well once the token is cancelled.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.token = Some(token);
        self
    }

    /// The time that is left, zero once it is over or the work was cancelled; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        if self.is_cancelled() {
            return Some(Duration::ZERO);
        }
        self.at
            .map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }

    /// The deadline of reading, where matching must be over at this one: a quarter of the time that is
    /// left is kept for it. Of use where [`Matcher::find_media_until`](crate::Matcher::find_media_until)
    /// is taken apart.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use leakprint::Deadline;
    ///
    /// let minute = Deadline::after(Duration::from_secs(60));
    /// let reading = minute.for_reading().remaining().unwrap();
    /// assert!((Duration::from_secs(40)..=Duration::from_secs(45)).contains(&reading));
    /// assert_eq!(Deadline::never().for_reading().remaining(), None);
    /// ```
    #[must_use]
    pub fn for_reading(&self) -> Self {
        let mut sooner = self.clone();
        if let (Some((at, _)), Some(left)) = (&mut sooner.at, self.remaining()) {
            *at -= left / 4;
        }
        sooner
    }

    fn is_cancelled(&self) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(CancellationToken::is_cancelled)
    }

    /// Fails once the work was cancelled or the time is over. Takes some 25 ns.
    ///
    /// # Errors
    /// [`Cancelled`](ErrorKind::Cancelled), or [`Limit`](ErrorKind::Limit) for `time_ms`.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            let message = "cancelled: nobody waits for the result";
            return Err(Error::new(ErrorKind::Cancelled, message));
        }
        match self.at {
            Some((at, given)) if Instant::now() >= at => Err(Error::limit(
                "time_ms",
                given.as_millis(),
                "the deadline has passed",
            )),
            _ => Ok(()),
        }
    }

    /// A counter for a tight loop, which checks the deadline once in `every` steps.
    pub(crate) fn pacer(&self, every: u32) -> Pacer {
        Pacer {
            deadline: self.clone(),
            every,
            left: every,
        }
    }
}

/// Counts the steps of a tight loop and checks a [`Deadline`] once in so many.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    deadline: Deadline,
    every: u32,
    left: u32,
}

impl Pacer {
    /// One step of the loop. Errors as [`Deadline::check`].
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    /// Several steps at once, for a loop whose rounds differ in work.
    #[inline]
    pub(crate) fn steps(&mut self, steps: u32) -> Result<()> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = self.every;
                self.deadline.check()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_two_deadlines_counts() {
        let hour = Duration::from_secs(3600);
        let deadline = Deadline::after(Duration::ZERO).within(hour);
        assert!(deadline.check().is_err());
        assert!(
            Deadline::after(hour)
                .within(Duration::ZERO)
                .check()
                .is_err()
        );
        assert!(Deadline::after(Duration::MAX).check().is_ok());
        assert_eq!(Deadline::after(Duration::MAX).remaining(), None);
    }

    #[test]
    fn a_cancelled_deadline_has_no_time_left() {
        let token = CancellationToken::new();
        let deadline = Deadline::never().with_cancellation(token.clone());
        assert_eq!(deadline.remaining(), None);
        token.cancel();
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
        let later = deadline.within(Duration::from_secs(3600));
        assert_eq!(later.check().unwrap_err().kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn a_pacer_checks_once_in_so_many_steps() {
        let over = Deadline::after(Duration::ZERO);
        let mut pacer = over.pacer(3);
        let results: Vec<bool> = (0..8).map(|_| pacer.step().is_ok()).collect();
        assert_eq!(results, [true, true, true, false, true, true, true, false]);
        assert!(over.pacer(10).steps(11).is_err());
    }
}
