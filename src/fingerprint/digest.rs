//! Exact digests: BLAKE3 of bytes and of pixels.
//!
//! Source: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020.

use std::fmt;
use std::str::FromStr;

use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind};
use crate::raster::{Pixels, Raster};

/// A 256-bit BLAKE3 digest, printed and serialised as 64 lower-case hex digits. Not keyed: the same
/// as other programs compute.
///
/// ```
/// use leakprint::Digest;
///
/// let digest = Digest::of_bytes(b"");
/// assert!(digest.to_string().starts_with("af1349b9f5f9a1a6"));
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// # Ok::<(), leakprint::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a piece of media or a part, byte for byte.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// [`of_bytes`](Self::of_bytes), which ends at a deadline.
    ///
    /// # Errors
    /// As [`Deadline::check`].
    pub(crate) fn of_bytes_until(bytes: &[u8], deadline: &Deadline) -> Result<Self, Error> {
        if bytes.len() <= PIECE {
            return Ok(Self::of_bytes(bytes));
        }
        let mut hasher = blake3::Hasher::new();
        for piece in bytes.chunks(PIECE) {
            deadline.check()?;
            hasher.update(piece);
        }
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// The digest of the canonical raster: width and height (u32, little-endian),
    /// then the RGBA samples. Fully transparent pixels count as transparent
    /// black, since what hides under them is not part of the picture.
    pub fn of_pixels(raster: &Raster) -> Self {
        let digest = Self::of_pixels_until(raster, &Deadline::never());
        digest.expect("only a deadline fails")
    }

    /// [`of_pixels`](Self::of_pixels), which fails at a deadline.
    pub(crate) fn of_pixels_until(raster: &Raster, deadline: &Deadline) -> Result<Self, Error> {
        let mut pacer = deadline.pacer(PACE);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&raster.width().to_le_bytes());
        hasher.update(&raster.height().to_le_bytes());
        let mut block = Vec::with_capacity(BLOCK_PIXELS * 4);
        let samples = raster.pixels().as_bytes();
        for chunk in samples.chunks(BLOCK_PIXELS * raster.pixels().channels()) {
            pacer.step()?;
            block.clear();
            match raster.pixels() {
                Pixels::Luma8(_) => block.extend(chunk.iter().flat_map(|&l| [l, l, l, 255])),
                Pixels::Rgb8(_) => {
                    block.extend(chunk.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]));
                }
                Pixels::Rgba8(_) => block.extend(chunk.chunks_exact(4).flat_map(|p| {
                    if p[3] == 0 {
                        [0; 4]
                    } else {
                        [p[0], p[1], p[2], p[3]]
                    }
                })),
            }
            hasher.update(&block);
        }
        Ok(Self(*hasher.finalize().as_bytes()))
    }
}

/// Bytes hashed between two checks of the deadline: less than a millisecond.
const PIECE: usize = 1 << 20;

/// Pixels converted at a time: 64 KiB of RGBA, which fits the level-2 cache.
const BLOCK_PIXELS: usize = 16 << 10;

/// Blocks hashed between two checks of a deadline: a megabyte.
const PACE: u32 = 16;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|e| {
                Error::new(
                    ErrorKind::InvalidInput,
                    format!("a digest is written as 64 hex digits: {e}"),
                )
            })
    }
}

crate::text_serde::serde_as_text!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_picture_has_one_digest_whatever_its_layout() {
        let luma = Raster::new(2, 1, Pixels::Luma8(vec![7, 9])).unwrap();
        let rgb = Raster::new(2, 1, Pixels::Rgb8(vec![7, 7, 7, 9, 9, 9])).unwrap();
        let rgba = Raster::new(2, 1, Pixels::Rgba8(vec![7, 7, 7, 255, 9, 9, 9, 255])).unwrap();
        let digest = Digest::of_pixels(&luma);
        assert_eq!(digest, Digest::of_pixels(&rgb));
        assert_eq!(digest, Digest::of_pixels(&rgba));
        let tall = Raster::new(1, 2, Pixels::Luma8(vec![7, 9])).unwrap();
        assert_ne!(digest, Digest::of_pixels(&tall));
    }

    #[test]
    fn what_hides_under_full_transparency_does_not_count() {
        let a = Raster::new(1, 1, Pixels::Rgba8(vec![1, 2, 3, 0])).unwrap();
        let b = Raster::new(1, 1, Pixels::Rgba8(vec![9, 9, 9, 0])).unwrap();
        assert_eq!(Digest::of_pixels(&a), Digest::of_pixels(&b));
    }

    #[test]
    fn many_bytes_have_one_digest_and_end_at_a_deadline() {
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|i| (i * i % 251) as u8).collect();
        for len in [0, PIECE, PIECE + 1, 2 * PIECE, bytes.len()] {
            let digest = Digest::of_bytes_until(&bytes[..len], &Deadline::never());
            assert_eq!(digest.unwrap(), Digest::of_bytes(&bytes[..len]));
        }
        let over = Deadline::after(std::time::Duration::ZERO);
        assert!(Digest::of_bytes_until(&bytes, &over).is_err());
    }

    #[test]
    fn hex_round_trips() {
        let digest = Digest::of_bytes(b"leak");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("zz".parse::<Digest>().is_err());
    }
}
