//! Bounds on making the prints of texts: time, symbols and memory.

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
}

impl Bounds {
    /// The bounds of an input: its prints may take as much memory as its decoded parts.
    pub(crate) fn new(limits: &Limits, deadline: Deadline) -> Self {
        Self {
            deadline,
            text_chars: limits.text_chars,
            bytes: limits.decoded_bytes,
            used: 0,
        }
    }

    /// No bounds but time, for what is bounded already.
    pub(crate) fn until(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            text_chars: u64::MAX,
            bytes: u64::MAX,
            used: 0,
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
    pub(super) fn pacer(&self) -> Pacer {
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
    /// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes`.
    pub(super) fn charge<T>(&mut self, count: usize) -> Result<()> {
        let more = (count as u64).saturating_mul(size_of::<T>() as u64);
        let used = self.used.saturating_add(more);
        if used > self.bytes {
            let value = format_args!("{more} more for prints after {}", self.used);
            return Err(Error::limit("decoded_bytes", self.bytes, value));
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
            return Err(Error::limit("decoded_bytes", self.bytes, value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
