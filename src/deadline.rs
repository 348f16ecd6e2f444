//! Deadlines and cancellation, checked by every loop whose length depends on the input.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};

/// A flag that cancels work, for a [`Deadline`].
///
/// Cheap to clone; clones share one flag, which cannot be reset.
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
    /// Makes a token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the work of every [`Deadline`] with this token.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The time at which reading or matching fails, and optionally a token that cancels it before.
///
/// Every loop whose length depends on the input checks it, so a call returns within a few
/// milliseconds after its deadline. The exception are single steps of decoders that cannot be
/// interrupted, whose work is bounded by [`Limits`](crate::Limits) instead. Cheap to clone.
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
    /// Whether a quarter of the time is kept for matching: see [`for_reading`](Self::for_reading).
    is_reading: bool,
}

impl Deadline {
    /// Makes a deadline that never passes.
    pub fn never() -> Self {
        Self::default()
    }

    /// Makes a deadline after a duration from now. One that is too far away for the clock never passes.
    pub fn after(duration: Duration) -> Self {
        Self::never().within(duration)
    }

    /// Moves the deadline to a duration from now if that is earlier.
    #[must_use]
    pub fn within(mut self, duration: Duration) -> Self {
        let new = Instant::now().checked_add(duration);
        if let Some(new) = new
            && self.at.is_none_or(|(old, _)| new < old)
        {
            self.at = Some((new, duration));
            self.is_reading = false;
        }
        self
    }

    /// Sets the token that cancels the work.
    #[must_use]
    pub fn with_cancellation(mut self, token: CancellationToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Returns the remaining time: zero after the deadline or if the work was cancelled, `None` if the
    /// deadline never passes.
    pub fn remaining(&self) -> Option<Duration> {
        if self.is_cancelled() {
            return Some(Duration::ZERO);
        }
        self.at
            .map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }

    /// Returns the deadline for reading where matching must end at this one: a quarter of the
    /// remaining time earlier. For callers that read and match separately rather than by
    /// [`Matcher::find_media_until`](crate::Matcher::find_media_until). An error says that reading took
    /// too long, with the whole time as the limit.
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
            sooner.is_reading = true;
        }
        sooner
    }

    fn is_cancelled(&self) -> bool {
        let token = self.token.as_ref();
        token.is_some_and(CancellationToken::is_cancelled)
    }

    /// Fails if the work was cancelled or the time is over. Takes about 25 ns.
    ///
    /// # Errors
    /// [`Cancelled`](ErrorKind::Cancelled), or [`Limit`](ErrorKind::Limit) for `time_ms`.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            let message = "cancelled by the caller";
            return Err(Error::new(ErrorKind::Cancelled, message));
        }
        match self.at {
            Some((at, given)) if Instant::now() >= at => Err(Error::limit(
                "time_ms",
                given.as_millis(),
                match self.is_reading {
                    true => "reading took more than three quarters of it",
                    false => "the deadline has passed",
                },
            )),
            _ => Ok(()),
        }
    }

    /// Makes a counter for a tight loop, which checks the deadline once in `every` steps.
    pub(crate) fn pacer(&self, every: u32) -> Pacer {
        Pacer {
            deadline: self.clone(),
            every,
            left: every,
        }
    }
}

/// Counts the steps of a tight loop and checks a [`Deadline`] once in a number of steps.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    deadline: Deadline,
    every: u32,
    left: u32,
}

impl Pacer {
    /// Counts one step. Errors as [`Deadline::check`].
    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps(1)
    }

    /// Counts several steps, for a loop whose iterations differ in work. Errors as [`Deadline::check`].
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
    fn the_earlier_of_two_deadlines_applies() {
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
    fn an_error_says_that_reading_took_its_share_of_the_time() {
        let message = |deadline: &Deadline| deadline.check().unwrap_err().to_string();
        let over = Deadline::after(Duration::ZERO);
        assert!(message(&over).contains("the deadline has passed"));
        assert!(message(&over.for_reading()).contains("three quarters of it"));
        // An earlier limit of the caller is no share of anything.
        let hour = Deadline::after(Duration::from_secs(3600)).for_reading();
        assert!(message(&hour.within(Duration::ZERO)).contains("the deadline has passed"));
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
    fn a_pacer_checks_once_in_a_number_of_steps() {
        let over = Deadline::after(Duration::ZERO);
        let mut pacer = over.pacer(3);
        let results: Vec<bool> = (0..8).map(|_| pacer.step().is_ok()).collect();
        assert_eq!(results, [true, true, true, false, true, true, true, false]);
        assert!(over.pacer(10).steps(11).is_err());
    }
}
