//! Checks of fingerprints that were made elsewhere.

use super::{Fingerprint, Gram, LocalPrints, PartPrints, RasterPrints, TextPrints, ValuePrint};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::text;

impl TextPrints {
    /// Fails with [`Malformed`](crate::ErrorKind::Malformed) unless all places are
    /// in the text, in order: prints that were made elsewhere may contain anything,
    /// and spans are computed from them.
    fn check(&self, deadline: &Deadline) -> Result<()> {
        let end = |gram: &Gram| u64::from(gram.at) + text::GRAM_LEN as u64;
        let inside = self
            .grams
            .last()
            .is_none_or(|gram| end(gram) <= u64::from(self.folded));
        let anchors = self.anchors.len() == self.folded.div_ceil(text::ANCHOR_STEP) as usize
            && self.anchors.last().is_none_or(|&last| last <= self.chars);
        let marks = self.marks.last().is_none_or(|mark| mark.at < self.folded);
        if inside
            && anchors
            && marks
            && in_order(&self.marks, |a, b| a.at < b.at, deadline)?
            && in_order(&self.grams, |a, b| a.at < b.at, deadline)?
            && in_order(&self.anchors, |a, b| a <= b, deadline)?
        {
            return Ok(());
        }
        Err(contradiction("the places in its text"))
    }
}

/// Elements that are checked between two checks of the deadline.
const CHECKED: usize = 1 << 16;

/// Whether each element and the next are in order.
fn in_order<T>(elements: &[T], are: impl Fn(&T, &T) -> bool, deadline: &Deadline) -> Result<bool> {
    let mut rest = elements;
    while rest.len() > CHECKED {
        deadline.check()?;
        // One element is in both.
        let piece = rest.get(..=CHECKED).unwrap_or(rest);
        if !piece.is_sorted_by(&are) {
            return Ok(false);
        }
        rest = rest.get(CHECKED..).unwrap_or_default();
    }
    Ok(rest.is_sorted_by(are))
}

fn contradiction(what: &str) -> Error {
    Error::malformed(format!(
        "{what} in the fingerprint contradict each other: fingerprint the input again"
    ))
}

/// The largest value of [`ValuePrint::bits`].
const MAX_BITS: u8 = 30;

impl ValuePrint {
    fn is_sound(&self) -> bool {
        let [start, end] = self.span;
        let [from, to] = self.symbols;
        // The index keeps a bit beside the column.
        start <= end && from <= to && self.bits <= MAX_BITS && self.column < 1 << 31
    }
}

impl RasterPrints {
    fn is_sound(&self) -> bool {
        let quality = self.pdq_stored.map_or(0, |stored| stored.quality);
        let quality = quality.max(self.pdq.quality);
        self.width > 0 && self.height > 0 && quality <= 100
    }
}

impl Fingerprint {
    /// Fails unless all prints are such as a fingerprinter makes, as far as matching and indexes
    /// rely on it: those that were made elsewhere may contain anything. Takes one pass.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed), [`Limit`](crate::ErrorKind::Limit) for more
    /// local prints than a picture has, and as [`Deadline::check`].
    pub(crate) fn check(&self, deadline: &Deadline) -> Result<()> {
        check_parts(&self.parts, deadline)
    }
}

/// [`Fingerprint::check`] of its parts.
pub(crate) fn check_parts(parts: &[PartPrints], deadline: &Deadline) -> Result<()> {
    let mut pacer = deadline.pacer(CHECKED as u32);
    for part in parts {
        pacer.step()?;
        if let Some(text) = &part.text {
            text.check(deadline)?;
        }
        if let Some(raster) = &part.raster {
            if !raster.is_sound() {
                return Err(contradiction("the measures of a picture"));
            }
            let count = raster.local.prints.len();
            if count > LocalPrints::MAX {
                return Err(Error::limit("local prints", LocalPrints::MAX, count));
            }
        }
        for cell in &part.cells {
            pacer.step()?;
            if !cell.is_sound() {
                return Err(contradiction("the places of values"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_checked_across_pieces() {
        let never = &Deadline::never();
        for len in [0, 1, CHECKED, CHECKED + 1, 2 * CHECKED + 1] {
            let mut numbers: Vec<usize> = (0..len).collect();
            assert!(in_order(&numbers, |a, b| a < b, never).unwrap(), "{len}");
            for place in [1, CHECKED, CHECKED + 1, 2 * CHECKED] {
                if place < len {
                    numbers[place] = numbers[place - 1];
                    assert!(!in_order(&numbers, |a, b| a < b, never).unwrap(), "{place}");
                    numbers[place] = place;
                }
            }
        }
    }
}
