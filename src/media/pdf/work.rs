//! The work that one document may cause, counted over all its pages.
//!
//! A PDF shares by reference: one form is drawn by a thousand pages, one dictionary
//! serves them all. Limits on single parts cannot bound the product, so
//! everything that is parsed, decoded, interpreted or drawn is counted here each time,
//! against an allowance that grows with the size of the file.

use std::collections::HashMap;

use hayro_syntax::object::{Array, Dict, MaybeRef, Object, ObjectIdentifier};

use crate::deadline::Pacer;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Units for each byte of the file. Ordinary files need 1 to 30.
const PER_BYTE: u64 = 32;

/// The share of `decoded_bytes` that a file of any size may spend.
const SHARE: u64 = 8;

/// Units between two checks of the deadline.
const STRIDE: u32 = 64 << 10;

/// Memory for the fonts of a document, estimated: beyond it they are dropped, and read again when
/// they are used again.
const FONT_MEMORY: u64 = 64 << 20;

/// The remaining allowance. A unit is about a byte that is parsed, some 5 to 20 ns.
pub(super) struct Work {
    left: u64,
    total: u64,
    decoded_bytes: u64,
    pacer: Pacer,
    fonts: u64,
    sizes: HashMap<ObjectIdentifier, u32>,
}

/// The assumed size of an object that was not measured.
const UNKNOWN: u64 = 256;

impl Work {
    pub(super) fn new(input: u64, budget: &Budget) -> Self {
        let decoded_bytes = budget.limits().decoded_bytes;
        let total = (decoded_bytes / SHARE).saturating_add(input.saturating_mul(PER_BYTE));
        Self {
            left: total,
            total,
            decoded_bytes,
            pacer: budget.deadline().pacer(STRIDE),
            fonts: 0,
            sizes: HashMap::new(),
        }
    }

    /// Sets how many bytes are parsed for each object.
    pub(super) fn set_sizes(&mut self, sizes: HashMap<ObjectIdentifier, u32>) {
        self.sizes = sizes;
    }

    /// Counts the parsing of an object that a reference leads to.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub(super) fn follow(&mut self, id: impl Into<ObjectIdentifier>) -> Result<()> {
        let size = self.sizes.get(&id.into());
        self.charge(size.map_or(UNKNOWN, |size| u64::from(*size) + 64))
    }

    /// Counts the look-up of a value, if a reference leads to it.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub(super) fn entry(&mut self, dict: &Dict<'_>, key: impl AsRef<[u8]>) -> Result<()> {
        match dict.get_ref(key) {
            Some(reference) => self.follow(reference),
            None => Ok(()),
        }
    }

    /// Counts a dictionary of which every value is looked up a few times.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub(super) fn dict(&mut self, dict: &Dict<'_>) -> Result<()> {
        self.charge(4 * dict.data().len() as u64 + 64)?;
        for key in dict.keys() {
            if let Some(reference) = dict.get_ref(&key) {
                for _ in 0..3 {
                    self.follow(reference)?;
                }
            }
        }
        Ok(())
    }

    /// Counts an array that is traversed once here and once in the library.
    ///
    /// # Errors
    /// As [`charge`](Self::charge).
    pub(super) fn array(&mut self, array: &Array<'_>) -> Result<()> {
        self.charge(4 * array.data().len() as u64 + 64)?;
        for item in array.raw_iter() {
            if let MaybeRef::<Object<'_>>::Ref(reference) = item {
                self.follow(reference)?;
                self.follow(reference)?;
            }
        }
        Ok(())
    }

    /// Counts work that is about to be done, or has been.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) once the allowance is spent, or the time is over.
    pub(super) fn charge(&mut self, units: u64) -> Result<()> {
        let Some(left) = self.left.checked_sub(units) else {
            // Smaller steps fail from now on too.
            self.left = 0;
            return Err(Error::limit(
                "decoded_bytes",
                self.decoded_bytes,
                format_args!(
                    "a PDF that repeats its contents, more than {} steps",
                    self.total
                ),
            ));
        };
        self.left = left;
        self.pacer.steps(u32::try_from(units).unwrap_or(u32::MAX))
    }

    /// Units that are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Whether the allowance is spent, so that no other page can be read.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Counts the memory of one more font; whether those before it should be dropped first.
    pub(super) fn keep_font(&mut self, bytes: u64) -> bool {
        self.fonts = self.fonts.saturating_add(bytes);
        let full = self.fonts > FONT_MEMORY;
        if full {
            self.fonts = bytes;
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Limits};

    #[test]
    fn the_allowance_follows_the_limits_and_the_input() {
        let limits = Limits {
            decoded_bytes: 800,
            ..Limits::default()
        };
        let mut work = Work::new(2, &Budget::new(&limits));
        assert_eq!(work.left(), 100 + 2 * PER_BYTE);
        work.charge(100).unwrap();
        let error = work.charge(1000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().contains("decoded_bytes = 800"), "{error}");
        assert!(work.is_spent() && work.charge(1).is_err());
    }

    #[test]
    fn fonts_are_dropped_when_they_fill_their_share() {
        let mut work = Work::new(0, &Budget::new(&Limits::default()));
        assert!(!work.keep_font(FONT_MEMORY / 2));
        assert!(!work.keep_font(FONT_MEMORY / 2));
        assert!(work.keep_font(1));
        assert!(!work.keep_font(1));
    }
}
