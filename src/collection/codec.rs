//! Numbers and strings to bytes and back. Reading trusts nothing: every length is checked
//! against what is left before anything is allocated.

use crate::error::{Error, Result};

/// Bytes being written.
#[derive(Debug, Default)]
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow (LEB128).
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// With its length before it.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn str(&mut self, string: &str) {
        self.bytes(string.as_bytes());
    }
}

/// Bytes being read.
#[derive(Clone, Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the number of bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Returns all that is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn raw(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::corrupt("a number of more than 64 bits"))
    }

    /// A varint of 32 bits.
    pub(super) fn varint32(&mut self) -> Result<u32> {
        let value = self.varint()?;
        u32::try_from(value).map_err(|_| Error::corrupt("a number of more than 32 bits"))
    }

    /// The number of elements that follow, of which each takes `least` bytes or more.
    pub(super) fn count(&mut self, least: usize) -> Result<usize> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.left() / least.max(1) => Ok(count),
            _ => Err(cut_short()),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = self.count(1)?;
        self.raw(len)
    }

    pub(super) fn str(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Error::corrupt("a string that is not UTF-8"))
    }

    /// Fails unless all was read.
    pub(super) fn end(&self) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} bytes too many", self.left())))
    }
}

fn cut_short() -> Error {
    Error::corrupt("cut short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(any::<u64>(), 0..20), text in ".*") {
            let mut out = Encoder::default();
            out.varint(numbers.len() as u64);
            numbers.iter().for_each(|&n| out.varint(n >> (n % 64)));
            out.str(&text);
            out.u64(7);
            let mut read = Decoder::new(&out.0);
            let count = read.count(1).unwrap();
            let back: Vec<u64> = (0..count).map(|_| read.varint().unwrap()).collect();
            let shifted: Vec<u64> = numbers.iter().map(|&n| n >> (n % 64)).collect();
            prop_assert_eq!(back, shifted);
            prop_assert_eq!(read.str().unwrap(), text);
            prop_assert_eq!(read.u64().unwrap(), 7);
            prop_assert!(read.end().is_ok());
            // Any cut is an error, none a panic.
            for cut in 0..out.0.len() {
                let mut read = Decoder::new(&out.0[..cut]);
                let whole = (|| {
                    let count = read.count(1)?;
                    (0..count).try_for_each(|_| read.varint().map(drop))?;
                    read.str()?;
                    read.u64()
                })();
                prop_assert!(whole.is_err());
            }
        }
    }

    #[test]
    fn counts_beyond_the_bytes_are_refused() {
        let mut out = Encoder::default();
        out.varint(1 << 40);
        assert!(Decoder::new(&out.0).count(1).is_err());
        assert!(Decoder::new(&[0xFF; 10]).varint().is_err());
    }
}
