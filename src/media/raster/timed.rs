//! Input that ends at the deadline.
//!
//! Decoders have no deadline, but they pull their input from a reader. These readers hand it out a
//! few kilobytes at a time and check the deadline before each piece; after the deadline they report
//! the end of the input. Whether the decoder then returns an error or half a picture,
//! [`Clock::settle`] replaces it by the error of the deadline.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::time::Duration;

use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZSeekFrom};

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::limits::Budget;

/// Bytes handed out between two checks. Deflate makes a thousand times as many of them at most,
/// which takes some ten milliseconds.
const WINDOW: usize = 8 << 10;

/// A deadline, and whether a reader met it. Clones share both.
#[derive(Clone, Debug)]
pub(in crate::media) struct Clock {
    deadline: Deadline,
    is_over: Rc<Cell<bool>>,
}

impl Clock {
    pub(in crate::media) fn new(deadline: &Deadline) -> Self {
        Self {
            deadline: deadline.clone(),
            is_over: Rc::default(),
        }
    }

    /// Makes the input end so early that a last step fits into the time: see [`afford`].
    pub(in crate::media) fn with_reserve(budget: &Budget, pixels: u64, each: u64) -> Result<Self> {
        afford(budget, pixels, each)?;
        let deadline = budget.deadline().clone();
        Ok(Self::new(&match deadline.remaining() {
            Some(left) => deadline.within(left.saturating_sub(duration(pixels, each))),
            None => deadline,
        }))
    }

    /// Whether the time is over; once it was, it stays so.
    fn is_over(&self) -> bool {
        if !self.is_over.get() && self.deadline.check().is_err() {
            self.is_over.set(true);
        }
        self.is_over.get()
    }

    /// Returns the result of a decoder, or the error of the budget's deadline if its input was cut off before.
    pub(in crate::media) fn settle<T>(&self, budget: &Budget, result: Result<T>) -> Result<T> {
        if !self.is_over.get() {
            return result;
        }
        // The readers may have been given less time than there is.
        budget.check_time()?;
        Err(late(budget))
    }
}

/// Refuses a step of a decoder that cannot be interrupted and would end after the deadline:
/// `pixels` at `each` picoseconds.
pub(in crate::media) fn afford(budget: &Budget, pixels: u64, each: u64) -> Result<()> {
    let needed = duration(pixels, each);
    match budget.deadline().remaining() {
        Some(left) if left < needed => {
            budget.check_time()?;
            Err(late(budget))
        }
        _ => Ok(()),
    }
}

fn duration(pixels: u64, each: u64) -> Duration {
    Duration::from_nanos(pixels.saturating_mul(each) / 1000)
}

fn late(budget: &Budget) -> Error {
    let value = "decoding the picture would take longer than the time left";
    Error::limit("time_ms", budget.limits().time_ms, value)
}

/// Bytes in memory, for the decoders of `image`.
pub(in crate::media) struct Timed<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Up to where bytes may be handed out without a check.
    window: usize,
    clock: Clock,
}

impl<'a> Timed<'a> {
    pub(in crate::media) fn new(bytes: &'a [u8], clock: &Clock) -> Self {
        Self {
            bytes,
            at: 0,
            window: 0,
            clock: clock.clone(),
        }
    }

    /// The bytes that may be handed out; checks the deadline if there are none.
    #[inline]
    fn open(&mut self) -> io::Result<&'a [u8]> {
        if self.at >= self.window {
            self.next_window()?;
        }
        Ok(self.bytes.get(self.at..self.window).unwrap_or_default())
    }

    #[cold]
    fn next_window(&mut self) -> io::Result<()> {
        if self.clock.is_over() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the time is over"));
        }
        self.window = self.at.saturating_add(WINDOW).min(self.bytes.len());
        Ok(())
    }
}

impl Read for Timed<'_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let open = self.open()?;
        let len = open.len().min(buf.len());
        buf[..len].copy_from_slice(&open[..len]);
        self.at += len;
        Ok(len)
    }

    #[inline]
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..])? {
                0 => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "failed to fill whole buffer",
                    ));
                }
                len => filled += len,
            }
        }
        Ok(())
    }
}

impl BufRead for Timed<'_> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.open()
    }

    #[inline]
    fn consume(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }
}

impl Seek for Timed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => usize::try_from(at).ok(),
            SeekFrom::End(by) => self.bytes.len().checked_add_signed(by as isize),
            SeekFrom::Current(by) => self.at.checked_add_signed(by as isize),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        self.window = 0;
        Ok(self.at as u64)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.at as u64)
    }
}

/// Bytes in memory, for `zune-jpeg`: like its own cursor, except for the windows.
pub(super) struct TimedBytes<'a> {
    bytes: &'a [u8],
    at: usize,
    window: usize,
    clock: Clock,
}

impl<'a> TimedBytes<'a> {
    pub(super) fn new(bytes: &'a [u8], clock: &Clock) -> Self {
        Self {
            bytes,
            at: 0,
            window: 0,
            clock: clock.clone(),
        }
    }

    /// The next `len` bytes, or fewer at the end.
    #[inline(always)]
    fn open(&mut self, len: usize) -> &'a [u8] {
        let end = self.at.saturating_add(len);
        if end > self.window {
            self.next_window(end);
        }
        self.bytes
            .get(self.at..end.min(self.window))
            .unwrap_or_default()
    }

    #[cold]
    fn next_window(&mut self, end: usize) {
        if self.clock.is_over() {
            self.bytes = &[];
        }
        self.window = end.saturating_add(WINDOW).min(self.bytes.len());
    }
}

impl ZByteReaderTrait for TimedBytes<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        match self.open(1).first() {
            Some(&byte) => {
                self.at += 1;
                byte
            }
            None => 0,
        }
    }

    #[inline(always)]
    fn read_exact_bytes(&mut self, buf: &mut [u8]) -> std::result::Result<(), ZByteIoError> {
        self.peek_exact_bytes(buf)?;
        self.at += buf.len();
        Ok(())
    }

    fn read_bytes(&mut self, buf: &mut [u8]) -> std::result::Result<usize, ZByteIoError> {
        let len = self.peek_bytes(buf)?;
        self.at += len;
        Ok(len)
    }

    fn peek_bytes(&mut self, buf: &mut [u8]) -> std::result::Result<usize, ZByteIoError> {
        let open = self.open(buf.len());
        buf[..open.len()].copy_from_slice(open);
        Ok(open.len())
    }

    #[inline(always)]
    fn peek_exact_bytes(&mut self, buf: &mut [u8]) -> std::result::Result<(), ZByteIoError> {
        let open = self.open(buf.len());
        if open.len() != buf.len() {
            return Err(ZByteIoError::NotEnoughBytes(open.len(), buf.len()));
        }
        buf.copy_from_slice(open);
        Ok(())
    }

    fn z_seek(&mut self, to: ZSeekFrom) -> std::result::Result<u64, ZByteIoError> {
        let at = match to {
            ZSeekFrom::Start(at) => usize::try_from(at).ok(),
            ZSeekFrom::End(by) => self.bytes.len().checked_add_signed(by as isize),
            ZSeekFrom::Current(by) => self.at.checked_add_signed(by as isize),
        };
        self.at = at.ok_or(ZByteIoError::SeekError("out of range"))?;
        Ok(self.at as u64)
    }

    #[inline(always)]
    fn is_eof(&mut self) -> std::result::Result<bool, ZByteIoError> {
        Ok(self.at >= self.bytes.len())
    }

    fn z_position(&mut self) -> std::result::Result<u64, ZByteIoError> {
        Ok(self.at as u64)
    }

    fn read_remaining(&mut self, sink: &mut Vec<u8>) -> std::result::Result<usize, ZByteIoError> {
        let rest = self.open(usize::MAX);
        sink.extend_from_slice(rest);
        self.at += rest.len();
        Ok(rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    use zune_jpeg::zune_core::bytestream::ZCursor;

    fn input() -> Vec<u8> {
        (0..3 * WINDOW as u32 + 77)
            .map(|i| ((i * i) >> 3) as u8)
            .collect()
    }

    /// Steps of any kind return what a cursor returns.
    #[test]
    fn reads_as_a_cursor_does() {
        let bytes = input();
        let clock = Clock::new(&Deadline::never());
        let (mut timed, mut plain) = (Timed::new(&bytes, &clock), Cursor::new(&bytes));
        let mut ours = TimedBytes::new(&bytes, &clock);
        let mut theirs = ZCursor::new(&bytes);
        let mut state = 7_u64;
        for _ in 0..5000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let amount = (state >> 40) as usize % 700;
            let (mut a, mut b) = (vec![0; amount], vec![0; amount]);
            match state >> 61 {
                0 => {
                    let to = SeekFrom::Start((state >> 30) % (bytes.len() as u64 + 50));
                    assert_eq!(timed.seek(to).unwrap(), plain.seek(to).unwrap());
                    let to = (state >> 30) % (bytes.len() as u64 + 50);
                    ours.z_seek(ZSeekFrom::Start(to)).unwrap();
                    theirs.z_seek(ZSeekFrom::Start(to)).unwrap();
                }
                1 => {
                    let by = -(amount as i64);
                    let (a, b) = (timed.seek_relative(by), plain.seek_relative(by));
                    assert_eq!(a.is_ok(), b.is_ok());
                    let (a, b) = (
                        ours.z_seek(ZSeekFrom::Current(by)),
                        theirs.z_seek(ZSeekFrom::Current(by)),
                    );
                    assert_eq!(a.is_ok(), b.is_ok());
                }
                2..=4 => {
                    let at = plain.position();
                    if plain.read_exact(&mut b).is_ok() {
                        timed.read_exact(&mut a).unwrap();
                        assert_eq!(a, b);
                    } else {
                        assert!(timed.read_exact(&mut a).is_err());
                        timed.seek(SeekFrom::Start(at)).unwrap();
                        plain.set_position(at);
                    }
                    let (x, y) = (
                        ours.read_exact_bytes(&mut a),
                        theirs.read_exact_bytes(&mut b),
                    );
                    assert_eq!(x.is_ok(), y.is_ok());
                    assert!(x.is_err() || a == b);
                }
                _ => {
                    let len = timed.read(&mut a).unwrap();
                    plain.read_exact(&mut b[..len]).unwrap();
                    assert_eq!(a[..len], b[..len]);
                    assert_eq!(ours.read_byte_no_error(), theirs.read_byte_no_error());
                }
            }
            assert_eq!(timed.stream_position().unwrap(), plain.position());
            assert_eq!(ours.z_position().unwrap(), theirs.z_position().unwrap());
            assert_eq!(ours.is_eof().unwrap(), theirs.is_eof().unwrap());
        }
    }

    #[test]
    fn input_ends_with_the_time() {
        let bytes = input();
        let limits = crate::Limits {
            time_ms: 0,
            ..crate::Limits::default()
        };
        let over = Budget::new(&limits);
        let clock = Clock::new(over.deadline());
        let mut timed = Timed::new(&bytes, &clock);
        assert!(clock.settle(&over, Ok(1)).is_ok(), "nothing was read yet");
        assert_eq!(
            timed.read(&mut [0]).unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        let error = clock.settle(&over, Ok(1)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Limit);
        assert!(error.message().contains("time_ms"), "{error}");
        let mut timed = TimedBytes::new(&bytes, &clock);
        assert!(timed.read_exact_bytes(&mut [0]).is_err() && timed.is_eof().unwrap());
    }
}
