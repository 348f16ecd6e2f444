//! Limits of the work for one input: [`Limits`] are set by the caller, a [`Budget`] is what remains
//! of them while an input is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// Upper bounds of the work for one input, including the members of containers.
///
/// Exceeding one is an error of kind [`Limit`](crate::ErrorKind::Limit) that names the field and the
/// value. Only the part that exceeds the limit is lost.
///
/// The defaults suit an upload service. A picture of 64 megapixels decodes to 64 MB (JPEG) to 256 MB
/// (with alpha), and takes 512 MB while 16-bit samples are narrowed; every frame of an animation is
/// charged. Prints of a text take about 12 bytes a character in addition, 24 if it repeats one
/// character, and 32 for each value in it; all prints of one input take at most `decoded_bytes`.
///
/// Serialisable, so that a service can keep them in its configuration; fields that are left out have
/// their default.
///
/// ```
/// use leakprint::{ErrorKind, Fingerprinter, Limits};
///
/// let mut limits = Limits::default();
/// limits.input_bytes = 1 << 20;
/// let fingerprinter = Fingerprinter::builder().limits(limits).build()?;
/// let error = fingerprinter.fingerprint(&vec![b'a'; 2 << 20], None).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Limit);
/// assert_eq!(error.message(), "limit input_bytes = 1048576 exceeded: 2097152");
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one input file or upload. The default is 256 MiB.
    pub input_bytes: u64,
    /// Width times height of one picture. The default is 67,108,864.
    pub pixels: u64,
    /// Width of one picture, and its height: hashing keeps some rows in memory. The default is
    /// 65,535.
    pub side: u32,
    /// Bytes of all pictures, texts and members decoded from one input together; and separately,
    /// bytes of the prints of all its texts. The default is 1 GiB.
    pub decoded_bytes: u64,
    /// Parts in one input: bodies, attachments, pages, pictures. The default is 10,000.
    pub parts: u32,
    /// Frames of one animation that become parts, in addition to the first: those that differ. The
    /// default is 16.
    pub frames: u32,
    /// Nested containers: an attachment of a forwarded mail is at depth 2. The default is 8.
    pub depth: u32,
    /// Decompressed bytes for each compressed byte of an archive member, and of all members of an
    /// input together for each byte of the input. A member may always have 1 MiB, an input 16 MiB. The
    /// prints of an input's texts may take twice as many bytes, or 256 MiB if that is more. The default
    /// is 200.
    pub archive_ratio: u32,
    /// Characters of text in one part. A character that [folds](crate::text::fold) to several symbols
    /// counts as that many: an ideograph as two, a syllable of Hangul as two or three, a ligature of
    /// words as up to 15. The default is 67,108,864.
    pub text_chars: u64,
    /// Wall-clock milliseconds for one input, reading and matching together. Checked in every loop
    /// whose length depends on the input; see [`Deadline`]. The default is 30,000. A matcher that also
    /// reads, such as [`find_media`](crate::Matcher::find_media), fails with this limit once reading has
    /// taken three quarters of it.
    pub time_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_bytes: 256 << 20,
            pixels: 64 << 20,
            side: 65_535,
            decoded_bytes: 1 << 30,
            parts: 10_000,
            frames: 16,
            depth: 8,
            archive_ratio: 200,
            text_chars: 64 << 20,
            time_ms: 30_000,
        }
    }
}

/// The rest of the [`Limits`] while one input is read.
///
/// All nested containers of an input share one budget, so that nesting cannot multiply the work.
/// Needed only for [`media::read`](crate::media::read); fingerprinters make one themselves.
///
/// ```
/// use leakprint::{Budget, Limits};
///
/// let mut limits = Limits::default();
/// limits.decoded_bytes = 1000;
/// let mut budget = Budget::new(&limits);
/// budget.charge_picture(10, 20, 3)?;
/// assert!(budget.charge_decoded(400).is_ok());
/// let error = budget.charge_decoded(1).unwrap_err();
/// assert_eq!(error.message(), "limit decoded_bytes = 1000 exceeded: 1 more after 1000");
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    decoded_left: u64,
    /// Bytes that archives may still decompress to, and those that they could at first.
    inflated_left: u64,
    max_inflated: u64,
    parts_left: u32,
    depth: u32,
    deadline: Deadline,
}

impl Budget {
    /// Makes a budget; the clock of `time_ms` starts now.
    pub fn new(limits: &Limits) -> Self {
        Self::with_deadline(limits, &Deadline::never())
    }

    /// Makes a budget whose time ends at a deadline, or after `time_ms` if that is earlier.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use leakprint::{Budget, Deadline, Limits};
    ///
    /// let budget = Budget::with_deadline(&Limits::default(), &Deadline::after(Duration::ZERO));
    /// assert!(budget.check_time().is_err());
    /// ```
    pub fn with_deadline(limits: &Limits, deadline: &Deadline) -> Self {
        Self {
            decoded_left: limits.decoded_bytes,
            inflated_left: u64::MAX,
            max_inflated: u64::MAX,
            parts_left: limits.parts,
            depth: 0,
            deadline: deadline
                .clone()
                .within(Duration::from_millis(limits.time_ms)),
            limits: limits.clone(),
        }
    }

    /// Returns the limits that this budget was made from.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Checks the size of the whole input.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `input_bytes`.
    pub fn check_input(&self, bytes: u64) -> Result<()> {
        if bytes > self.limits.input_bytes {
            return Err(Error::limit("input_bytes", self.limits.input_bytes, bytes));
        }
        Ok(())
    }

    /// Checks the size of a picture and charges `width * height * bytes_per_pixel` decoded bytes. To
    /// be called *before* memory is allocated for it.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `side`, `pixels` or `decoded_bytes`; then nothing is
    /// charged.
    pub fn charge_picture(&mut self, width: u32, height: u32, bytes_per_pixel: u32) -> Result<()> {
        let side = width.max(height);
        if side > self.limits.side {
            return Err(Error::limit("side", self.limits.side, side));
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.limits.pixels {
            return Err(Error::limit(
                "pixels",
                self.limits.pixels,
                format_args!("{width} x {height}"),
            ));
        }
        self.charge_decoded(pixels.saturating_mul(u64::from(bytes_per_pixel)))
    }

    /// Charges bytes that a decoder is about to produce, or has produced.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `decoded_bytes`; then nothing is charged.
    pub fn charge_decoded(&mut self, bytes: u64) -> Result<()> {
        match self.decoded_left.checked_sub(bytes) {
            Some(left) => {
                self.decoded_left = left;
                Ok(())
            }
            None => Err(Error::limit(
                "decoded_bytes",
                self.limits.decoded_bytes,
                format_args!(
                    "{} more after {}",
                    bytes,
                    self.limits.decoded_bytes - self.decoded_left
                ),
            )),
        }
    }

    /// Charges one part.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `parts`.
    pub fn charge_part(&mut self) -> Result<()> {
        match self.parts_left.checked_sub(1) {
            Some(left) => {
                self.parts_left = left;
                Ok(())
            }
            None => Err(Error::limit(
                "parts",
                self.limits.parts,
                u64::from(self.limits.parts) + 1,
            )),
        }
    }

    /// Bounds the bytes that all archives in an input of this many bytes may decompress to together,
    /// so that neither nesting nor many small members multiply them.
    pub(crate) fn bound_inflation(&mut self, input: u64) {
        const FREE_BYTES: u64 = 16 << 20;
        let max = input.saturating_mul(self.limits.archive_ratio.into());
        self.max_inflated = max.max(FREE_BYTES);
        self.inflated_left = self.max_inflated;
    }

    /// Charges bytes that a decompressor has produced.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `archive_ratio` or `decoded_bytes`.
    #[cfg_attr(not(feature = "archive"), allow(dead_code))]
    pub(crate) fn charge_inflated(&mut self, bytes: u64) -> Result<()> {
        let Some(left) = self.inflated_left.checked_sub(bytes) else {
            let value = format!("the input inflates to more than {}", self.max_inflated);
            return Err(Error::limit(
                "archive_ratio",
                self.limits.archive_ratio,
                value,
            ));
        };
        self.inflated_left = left;
        self.charge_decoded(bytes)
    }

    /// Returns how many bytes may still be decoded.
    pub(crate) fn decoded_left(&self) -> u64 {
        self.decoded_left
    }

    /// Checks the number of characters (Unicode scalar values) of one part's text.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `text_chars`.
    pub fn check_text(&self, chars: u64) -> Result<()> {
        if chars > self.limits.text_chars {
            return Err(Error::limit("text_chars", self.limits.text_chars, chars));
        }
        Ok(())
    }

    /// Runs `f` at one more level of nesting.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for `depth`, and those of `f`.
    pub fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.limits.depth {
            return Err(Error::limit(
                "depth",
                self.limits.depth,
                u64::from(self.depth) + 1,
            ));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// Returns the deadline, for loops that charge nothing.
    pub fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Fails if the time is over or the work was cancelled.
    ///
    /// # Errors
    /// As [`Deadline::check`].
    pub fn check_time(&self) -> Result<()> {
        self.deadline.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_picture_is_refused_before_it_is_decoded() {
        let mut budget = Budget::new(&Limits::default());
        let error = budget.charge_picture(60_000, 60_000, 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().contains("pixels = 67108864"), "{error}");
        assert!(error.message().contains("60000 x 60000"), "{error}");
        let error = budget.charge_picture(13_000_000, 5, 2).unwrap_err();
        assert!(error.message().contains("side = 65535"), "{error}");
    }

    #[test]
    fn nested_containers_share_one_budget() {
        let limits = Limits {
            decoded_bytes: 100,
            depth: 1,
            parts: 1,
            ..Limits::default()
        };
        let mut budget = Budget::new(&limits);
        budget.nested(|inner| inner.charge_decoded(60)).unwrap();
        assert!(budget.nested(|inner| inner.charge_decoded(60)).is_err());
        assert!(budget.nested(|inner| inner.nested(|_| Ok(()))).is_err());
        budget.charge_part().unwrap();
        assert!(
            budget
                .charge_part()
                .unwrap_err()
                .message()
                .contains("parts = 1")
        );
    }
}
