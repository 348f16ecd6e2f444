//! Bounds on making the prints of texts: time, symbols and memory.

use std::fmt;

use crate::deadline::{Deadline, Pacer};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Characters, symbols or grams between two checks of the deadline: some 50 microseconds.
const STEPS: u32 = 1 << 15;

/// Bounds on the prints of one input's texts, and how much memory they take so far.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    deadline: Deadline,
    /// Symbols of one text.
    text_chars: u64,
    /// Bytes of all prints together, and of those made so far.
    bytes: u64,
    used: u64,
    /// The limit that they come from: its name and value.
    limit: (&'static str, u64),
}

/// Bytes that the prints of any input may take, if the limits let them.
const FREE_BYTES: u64 = 256 << 20;

/// Bytes of prints for each byte that `archive_ratio` lets an input inflate to. Texts that take more
/// are compressed to less than a fortieth, all of them.
const BYTES_FOR_INFLATED: u64 = 2;

impl Bounds {
    /// The bounds of an input: its prints may take as much memory as its decoded parts.
    pub(crate) fn new(limits: &Limits, deadline: Deadline) -> Self {
        Self {
            deadline,
            text_chars: limits.text_chars,
            bytes: limits.decoded_bytes,
            used: 0,
            limit: ("decoded_bytes", limits.decoded_bytes),
        }
    }

    /// Bounds the prints of an input of so many bytes by that size as well: a small archive must not take
    /// the memory that is meant for large ones.
    pub(crate) fn within_input(&mut self, limits: &Limits, input: u64) {
        let most = input
            .saturating_mul(limits.archive_ratio.into())
            .saturating_mul(BYTES_FOR_INFLATED)
            .max(FREE_BYTES);
        if most < self.bytes {
            self.bytes = most;
            self.limit = ("archive_ratio", limits.archive_ratio.into());
        }
    }

    /// No bounds but time, for texts that are bounded already.
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            text_chars: u64::MAX,
            bytes: u64::MAX,
            used: 0,
            limit: ("decoded_bytes", u64::MAX),
        }
    }

    /// No bounds at all.
    pub(super) fn none() -> Self {
        Self::until(&Deadline::never())
    }

    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// A counter of characters, symbols or grams.
    pub(crate) fn pacer(&self) -> Pacer {
        self.deadline.pacer(STEPS)
    }

    /// Runs `f`; if it fails, what it charged is released.
    pub(crate) fn attempt<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = self.used;
        let result = f(self);
        if result.is_err() {
            self.used = before;
        }
        result
    }

    /// Charges the memory of `count` elements of a type that are made next.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes` or `archive_ratio`.
    pub(super) fn charge<T>(&mut self, count: usize) -> Result<()> {
        let more = (count as u64).saturating_mul(size_of::<T>() as u64);
        let used = self.used.saturating_add(more);
        if used > self.bytes {
            let value = format_args!("{more} more for prints after {}", self.used);
            return Err(self.exceeded(value));
        }
        self.used = used;
        Ok(())
    }

    /// The symbols that a text may fold to.
    pub(super) fn symbols_left<T>(&self) -> u64 {
        let room = (self.bytes - self.used) / size_of::<T>() as u64;
        room.min(self.text_chars)
    }

    /// Fails unless a text may fold to `symbols` symbols, each of which takes a `T`.
    pub(super) fn check_symbols<T>(&self, symbols: u64) -> Result<()> {
        if symbols > self.text_chars {
            let value = format_args!("more, since characters of this text fold to several symbols");
            return Err(Error::limit("text_chars", self.text_chars, value));
        }
        if symbols > self.symbols_left::<T>() {
            let value = format_args!("{symbols} symbols of a text after {}", self.used);
            return Err(self.exceeded(value));
        }
        Ok(())
    }

    fn exceeded(&self, value: fmt::Arguments<'_>) -> Error {
        let (name, limit) = self.limit;
        Error::limit(name, limit, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_inputs_get_less_memory_than_large_ones() {
        let limits = Limits::default();
        let most = |input: u64| {
            let mut bounds = Bounds::new(&limits, Deadline::never());
            bounds.within_input(&limits, input);
            bounds.bytes
        };
        assert_eq!(most(1), FREE_BYTES);
        assert_eq!(most(1_000_000), 400_000_000);
        assert_eq!(most(100_000_000), limits.decoded_bytes);
        let mut bounds = Bounds::new(&limits, Deadline::never());
        bounds.within_input(&limits, 1);
        let error = bounds.charge::<u8>(300 << 20).unwrap_err();
        let start = "limit archive_ratio = 200 exceeded: 314572800 more";
        assert!(error.message().starts_with(start), "{error}");
    }

    #[test]
    fn what_fails_gives_its_memory_back() {
        let limits = Limits {
            decoded_bytes: 100,
            ..Limits::default()
        };
        let mut bounds = Bounds::new(&limits, Deadline::never());
        bounds.charge::<u64>(5).unwrap();
        let failed = bounds.attempt(|bounds| {
            bounds.charge::<u32>(10)?;
            bounds.charge::<u64>(9)
        });
        let message = failed.unwrap_err().message().to_owned();
        assert_eq!(
            message,
            "limit decoded_bytes = 100 exceeded: 72 more for prints after 80"
        );
        assert_eq!(bounds.symbols_left::<u32>(), 15);
        bounds.charge::<u32>(15).unwrap();
        assert!(bounds.charge::<u8>(1).is_err());
    }
}
